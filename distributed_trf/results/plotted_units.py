"""Which units, and which number of them, figures and reports show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import NothingToDrawError
from distributed_trf.results.chance import is_tested_in_turn
from distributed_trf.results.halves import REPEATS
from distributed_trf.results.layers import CHOOSER, spectrograms, usual_chooser
from distributed_trf.results.selection import NOTE, Criterion, keep_units, selection_in_words
from distributed_trf.results.statistics.layer_tests import BASELINE
from distributed_trf.results.units import select_units, unit_keys

BIN_WIDTH = 50.0
"""Milliseconds, of most figures of Ahmed et al. (2025)."""


@dataclass(frozen=True)
class PlottedUnits:
    """Units of one stimulus set and bin width, in memory."""

    ds: xr.Dataset
    stimuli: str
    bin_width: float
    variable: str
    """``rho``, or ``r`` where no unit can be chosen by its reliability."""
    units: str
    """Which units, in words, without their number."""
    note: str
    """Why other units or another number than published; empty if it is as published."""

    @property
    def selection(self) -> str:
        """How many units there were, and what removed those that are not shown; empty if nothing did."""
        return selection_in_words(self.ds)

    @cached_property
    def _chooser(self) -> tuple[str, str]:
        return usual_chooser(self.ds, self.variable)

    @property
    def chooser(self) -> str:
        """The number that chooses among layers, unless it is to be as published: see ``best_layer``."""
        return self._chooser[0]

    @property
    def choice_is_independent(self) -> bool:
        """Whether the test stimuli have no part in what chooses: where they train no fit, and ``r`` does not choose."""
        return self.chooser == CHOOSER and not is_tested_in_turn(self.ds)

    @property
    def chooser_note(self) -> str:
        """Why the number that is shown had to choose; empty if another did."""
        return self._chooser[1]

    @cached_property
    def fitted(self) -> dict[str, set[str]]:
        """The weights of each network of which any layer was fitted."""
        of = self.ds[self.variable]
        known = of.notnull().any([dim for dim in of.dims if dim not in (names.NETWORK, names.WEIGHTS)])
        weights = known[names.WEIGHTS].values
        rows = known.transpose(names.NETWORK, names.WEIGHTS).values
        return {
            str(n): {str(w) for w in weights[row]} for n, row in zip(known[names.NETWORK].values, rows, strict=True)
        }

    @property
    def n(self) -> int:
        """How many units."""
        return self.ds.sizes[names.UNIT]

    @property
    def title(self) -> str:
        """What heads the panels."""
        return f"{self.stimuli}, {self.bin_width:g} ms bins: {self.n} {self.units}"


def plotted_units(
    ds: xr.Dataset,
    *,
    delta: float | None,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    usual: float = BIN_WIDTH,
) -> list[PlottedUnits]:
    """Choose the units to show of each stimulus set: highly tuned ones, by their normalised correlation.

    Parameters
    ----------
    ds
        Results with ``r``, and with ``rho`` and reliability unless none was measured.
    delta
        Of the rule for highly tuned units; None for all units, by their test correlation. Units that were selected with
        ``repeats="split"`` are not selected again.
    stimuli
        Stimulus sets; by default all.
    bin_width, usual
        Milliseconds; by default the usual ones where there are fits at them, else the first that has any.

    Returns
    -------
    list of PlottedUnits
        One for each stimulus set of which anything was fitted. Where no reliability was measured, or no unit is highly
        tuned, all units that have a number are shown by their test correlation, and ``note`` says so.

    Raises
    ------
    NothingToDrawError
        If nothing was fitted for this choice.
    """
    wanted = [stimuli] if isinstance(stimuli, str) else list(ds[names.STIMULI].values) if stimuli is None else stimuli
    sets = [str(s) for s in wanted if s in ds[names.STIMULI].values]
    fitted = ds["r"].sel({names.STIMULI: sets}).notnull().any([d for d in ds["r"].dims if d not in _SLICE]).load()
    chosen = _bin_width(fitted, bin_width, usual)
    found = []
    if chosen is not None:
        here = fitted.sel({names.BIN_WIDTH: chosen})
        found = [_of(ds, name, chosen, delta) for name in sets if here.sel({names.STIMULI: name})]
    if not ds.sizes[names.UNIT]:
        raise NothingToDrawError(f"there are no units to show ({selection_in_words(ds) or 'none in these results'})")
    if not found:
        at = "" if bin_width is None else f" at {bin_width:g} ms"
        raise NothingToDrawError(
            f"no fit of {', '.join(map(str, wanted))}{at} is in these results that has a number; `dtrf results STUDY` "
            "says why"
        )
    return found


def of_plotted(ds: xr.Dataset, plotted: PlottedUnits, variables: Sequence[str]) -> xr.Dataset:
    """Return other variables of the plotted units, at their stimulus set and bin width, in memory."""
    of = ds[list(variables)].sel({names.STIMULI: plotted.stimuli, names.BIN_WIDTH: plotted.bin_width}).load()
    return of.isel({names.UNIT: np.flatnonzero(unit_keys(of).isin(unit_keys(plotted.ds)))})


def networks_of(plotted: Sequence[PlottedUnits]) -> list[str]:
    """List the networks of which any layer was fitted, without spectrograms, in the order of the results."""
    ds = plotted[0].ds
    known = spectrograms(ds) if "layer_type" in ds.coords else []
    return [n for n in map(str, ds[names.NETWORK].values) if n not in known and any(has(s, n) for s in plotted)]


def has(plotted: PlottedUnits, network: str, weights: str | None = None) -> bool:
    """Return whether anything was fitted of a network, with these weights if any are given."""
    found = plotted.fitted.get(network, set())
    return bool(found) if weights is None else weights in found


def baseline_of(ds: xr.Dataset, baseline: str | None) -> str | None:
    """Return the spectrogram to compare with: the given one, else the cochleagram, else the first."""
    known = spectrograms(ds) if "layer_type" in ds.coords else []
    if baseline is not None:
        return baseline if baseline in known else None
    return BASELINE if BASELINE in known else next(iter(known), None)


_SLICE = (names.STIMULI, names.BIN_WIDTH)


def _bin_width(fitted: xr.DataArray, bin_width: float | None, usual: float) -> float | None:
    """Return the bin width to show: the given one, the usual one, or the first that has a fit."""
    there = [float(b) for b in fitted[names.BIN_WIDTH].values if fitted.sel({names.BIN_WIDTH: b}).any()]
    if bin_width is not None:
        return bin_width if bin_width in there else None
    return usual if usual in there else next(iter(there), None)


def _of(ds: xr.Dataset, stimuli: str, bin_width: float, delta: float | None) -> PlottedUnits:
    needed = [name for name in ("r", "rho", CHOOSER, *names.RELIABILITY) if name in ds and name not in _UNUSED]
    here = ds[needed].sel({names.STIMULI: stimuli, names.BIN_WIDTH: bin_width}).load()
    if delta is None:
        return PlottedUnits(_with_numbers(here, "r"), stimuli, bin_width, "r", "units", "")
    if REPEATS in here.attrs:
        words, note = "units, selected by other repeats", str(here.attrs.get(NOTE, ""))
        return PlottedUnits(_with_numbers(here, "rho"), stimuli, bin_width, "rho", words, note)
    if "rho" in here and "normaliser" in here and here["normaliser"].notnull().any():
        tuned = _with_numbers(select_units(here, delta=delta), "rho")
        if tuned.sizes[names.UNIT]:
            return PlottedUnits(tuned, stimuli, bin_width, "rho", f"highly tuned units (δ = {delta:g})", "")
        why = f"no unit is highly tuned to {stimuli} (δ = {delta:g})"
    else:
        why = f"no reliability was measured for {stimuli}"
    return PlottedUnits(
        _with_numbers(here, "r"), stimuli, bin_width, "r", "units", f"{why}: all units are shown, by test correlation r"
    )


_UNUSED = tuple(name for name in names.RELIABILITY if name not in ("normaliser", "null_mean", "null_std"))


def _with_numbers(ds: xr.Dataset, variable: str) -> xr.Dataset:
    known = ds[variable].notnull().any([dim for dim in ds[variable].dims if dim != names.UNIT])
    if known.all():
        return ds
    return keep_units(ds, [Criterion("number", variable, f"without a {variable}", known.values)])
