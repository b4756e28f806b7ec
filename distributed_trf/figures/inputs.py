"""What figures are drawn from: a study's results and folder, and the stimulus set and bin width that are chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import DamagedError, NothingToDrawError, StoreError
from distributed_trf.figures.shown_tests import Tests
from distributed_trf.results.analyses import open_lowpass, open_together
from distributed_trf.results.open_results import load_results
from distributed_trf.results.partitions import open_partition
from distributed_trf.results.published.word_errors import read_word_errors


@dataclass(frozen=True)
class Inputs:
    """The folder of a study, or of imported results, and the choices for its figures."""

    folder: Path
    delta: float = 0.5
    """Of the rule for highly tuned units; figures of stricter rules have another."""
    bin_width: float | None = None
    """Milliseconds, of figures of the grid of fits; None for each figure's usual one."""
    word_errors: Path | None = None
    """A table that ``read_word_errors`` takes."""
    tests: Tests = "default"
    """Over sessions, or as published."""

    @cached_property
    def results(self) -> xr.Dataset:
        """All fits and what was measured of the units, in memory.

        Raises
        ------
        DamagedError
            If some of them are damaged.
        """
        return load_results(self.folder)

    @cached_property
    def lowpass(self) -> xr.Dataset:
        """Fits on low-passed features.

        Raises
        ------
        NothingToDrawError
            If there are none.
        """
        return _opened(
            open_lowpass,
            self.folder,
            "no fits on low-passed features are here; set them under `lowpass` in the study, as "
            "configs/ahmed25_lowpass.yaml does, and run it",
        )

    @cached_property
    def together(self) -> xr.Dataset:
        """Fits of several layers as one model, with the kinds of the layers.

        Raises
        ------
        NothingToDrawError
            If there are none.
        """
        ds = _opened(
            open_together,
            self.folder,
            "no fits of several layers as one model are here; set them under `together` in the study and run it",
        )
        labels = {dim: ds[dim] for dim in (names.NETWORK, names.LAYER)}
        return ds.assign_coords(layer_type=self.results["layer_type"].sel(labels))

    @cached_property
    def partition(self) -> xr.Dataset:
        """Variance partitions.

        Raises
        ------
        NothingToDrawError
            If there are none.
        """
        return _opened(
            open_partition,
            self.folder,
            "no variance partition is here; set one under `partition` in the study and run it",
        )

    @cached_property
    def word_error_rates(self) -> pd.DataFrame:
        """Word error rates.

        Raises
        ------
        NothingToDrawError
            If no table is named, or it is not there.
        ResultsFileError
            If it is not as expected.
        """
        if self.word_errors is None:
            raise NothingToDrawError(
                "no word error rates are named; make them with `dtrf wer`, or name a table with --word-errors"
            )
        if not self.word_errors.is_file():
            raise NothingToDrawError(f"{self.word_errors}: no table of word error rates here; make it with `dtrf wer`")
        return read_word_errors(self.word_errors)


def _opened(open_: Callable[[Path], xr.Dataset], folder: Path, reason: str) -> xr.Dataset:
    try:
        return open_(folder).load()
    except DamagedError:
        raise
    except StoreError as error:
        raise NothingToDrawError(reason) from error


USUAL_BIN_WIDTH = 50.0
"""Milliseconds; that of most figures of Ahmed et al. (2025)."""


def slice_choice(ds: xr.Dataset, stimuli: str | None = None, bin_width: float | None = None) -> tuple[str, float]:
    """Return a stimulus set and a bin width (ms); by default the first set, and 50 ms or else the first.

    Raises
    ------
    NothingToDrawError
        If the results do not have the one that is given.
    """
    sets = np.atleast_1d(ds[names.STIMULI].values).tolist()
    widths = np.atleast_1d(ds[names.BIN_WIDTH].values).tolist()
    if stimuli is None:
        stimuli = str(sets[0])
    if bin_width is None:
        bin_width = USUAL_BIN_WIDTH if USUAL_BIN_WIDTH in widths else float(widths[0])
    if stimuli not in sets or bin_width not in widths:
        raise NothingToDrawError(
            f"{stimuli} at {bin_width:g} ms is not in these results, which have {', '.join(map(str, sets))} at "
            f"{', '.join(f'{width:g}' for width in widths)} ms"
        )
    return stimuli, bin_width


def chosen_slice(ds: xr.Dataset, stimuli: str, bin_width: float) -> xr.Dataset:
    """Select one stimulus set and bin width of results; a dataset that has only one need not have the dimension."""
    wanted = {names.STIMULI: stimuli, names.BIN_WIDTH: bin_width}
    return ds.sel({dim: label for dim, label in wanted.items() if dim in ds.dims})
