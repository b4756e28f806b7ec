"""What the files of a run hold, gathered by what was fitted along one unit axis, and the axes of these results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, TRAINED
from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.file_name import (
    LATER,
    RESET,
    STIMULI,
    FileName,
    Kind,
    in_order,
    is_bootstrap,
    table_of,
)
from distributed_trf.results.published.read_file import Chosen, read_file
from distributed_trf.results.published.units import Names, unit_order
from distributed_trf.store.result_grid import Cell, Grid

VALUES = ("r", "alpha")
UNIT = "unit"


@dataclass
class UnitValues:
    """Values of one fit or draw along the unit axis, NaN where no file has any."""

    values: dict[str, np.ndarray]
    source: np.ndarray
    """Index of the file that each unit is from, -1 where none is."""


@dataclass
class Gathered:
    """All that was read."""

    units: pd.DataFrame
    """Numbers of session and channel along the unit axis."""
    fits: dict[Cell, UnitValues] = field(default_factory=dict)
    lowpass: dict[tuple[Cell, float], UnitValues] = field(default_factory=dict)
    """By cell and width in ms of the bins that features went through."""
    draws: dict[tuple[Kind, Cell, float, float], dict[str, UnitValues]] = field(default_factory=dict)
    """By kind, cell, percentage of duration and number of repeats (0 of training stimuli), then by identifier."""
    reliability: dict[tuple[str, float], dict[str, np.ndarray]] = field(default_factory=dict)
    """By stimulus set and bin width in ms."""
    layer_types: dict[tuple[str, int], str] = field(default_factory=dict)
    """By network and layer, where a file says so."""
    delay: float = 0.0
    """Milliseconds."""
    notes: list[str] = field(default_factory=list)

    @property
    def cells(self) -> list[Cell]:
        """Where anything is."""
        analyses = [*(cell for cell, _ in self.lowpass), *(cell for _, cell, _, _ in self.draws)]
        return list(dict.fromkeys([*self.fits, *analyses]))


def gather(chosen: Chosen, names: Names) -> Gathered:
    """Read the files of a run.

    Raises
    ------
    ResultsFileError
        If one cannot be read, two hold the same fit of the same units, or delays differ.
    """
    frames: dict[Path, pd.DataFrame] = {}
    notes = []
    for path, of in chosen.files.items():
        frames[path], said = read_file(path, of)
        names.check(path, frames[path])
        notes += [f"{path.name}: {note}" for note in said]
    found = pd.concat(rows[["session", "channel"]].drop_duplicates() for rows in frames.values())
    units = unit_order(found, names.dataset)
    gathered = Gathered(units, notes=notes, delay=_one_delay(frames, chosen.files))
    axis = pd.MultiIndex.from_frame(units[["session", "channel"]])
    for k, (path, rows) in enumerate(frames.items()):
        rows[UNIT] = axis.get_indexer(pd.MultiIndex.from_frame(rows[["session", "channel"]]))
        _Adding(gathered, list(frames), k, chosen.files[path]).add(rows)
    return gathered


def _one_delay(frames: dict[Path, pd.DataFrame], files: dict[Path, FileName]) -> float:
    """Return the delay of all rows, in ms; that of bootstraps is not in their files."""
    delay: float | None = None
    for path, rows in frames.items():
        if is_bootstrap(files[path].kind):
            continue
        delay = float(rows["delay"].iloc[0]) if delay is None else delay
        others = rows[rows["delay"] != delay]
        if len(others):
            raise ResultsFileError(
                f"{path}: column delay, row {others['row'].iloc[0]}: found {others['delay'].iloc[0]:g}, expected "
                f"{delay:g} as in other rows and files; import results of different delays from separate folders"
            )
    return delay or 0.0


class _Adding:
    """The rows of one file on their way into what was gathered."""

    def __init__(self, gathered: Gathered, paths: list[Path], k: int, of: FileName) -> None:
        self._gathered, self._paths, self._k, self._of = gathered, paths, k, of

    def add(self, rows: pd.DataFrame) -> None:
        rows = self._once(self._complete(rows))
        for (layer, bin_width), of_fit in _groups(rows, ["layer", "bin_width"]):
            self._add_fit(int(layer), bin_width, of_fit)
        for (bin_width,), of_bins in _groups(rows, ["bin_width"]):
            self._add_reliability(bin_width, of_bins)
        types = rows.loc[rows["layer_type"] != "", ["layer", "layer_type"]].drop_duplicates("layer")
        for layer, layer_type in types.itertuples(index=False):
            self._gathered.layer_types[self._of.network, int(layer)] = layer_type

    def _note(self, note: str) -> None:
        self._gathered.notes.append(f"{self._paths[self._k].name}: {note}")

    def _complete(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Leave out draws of which it is not said what was drawn."""
        if not is_bootstrap(self._of.kind):
            return rows
        said = rows["percent"].notna()
        if self._of.kind == "bootstrap-test":
            said &= rows["n_repeats"].notna()
        else:
            rows = rows.assign(n_repeats=0.0)
        if not said.all():
            self._note(f"{np.count_nonzero(~said)} rows do not say percent_duration or n_test_trials and are left out")
        return rows[said]

    def _once(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Take the first of repeated rows: resuming UC Davis runs appended sessions a second time."""
        what = ["layer", "bin_width", UNIT, *(["percent", "n_repeats"] if is_bootstrap(self._of.kind) else [])]
        again = rows.duplicated(what)
        if again.any():
            self._note(
                f"{np.count_nonzero(again)} rows are of a fit and unit that an earlier row is of, such as row "
                f"{rows['row'][again].iloc[0]}; the earlier ones were taken"
            )
        return rows[~again]

    def _add_fit(self, layer: int, bin_width: float, rows: pd.DataFrame) -> None:
        of, gathered = self._of, self._gathered
        if of.kind == "lowpass":
            cell = self._cell(layer, of.bin_width or bin_width)
            self._fill(gathered.lowpass.setdefault((cell, bin_width), self._empty()), rows)
        elif of.kind == "grid":
            self._fill(gathered.fits.setdefault(self._cell(layer, bin_width), self._empty()), rows)
        else:
            for (percent, n_repeats), drawn in _groups(rows, ["percent", "n_repeats"]):
                key = (of.kind, self._cell(layer, bin_width), percent, n_repeats)
                draws = gathered.draws.setdefault(key, {})
                self._fill(draws.setdefault(of.identifier, self._empty()), drawn)

    def _cell(self, layer: int, bin_width: float) -> Cell:
        return (self._of.stimuli, self._of.network, self._of.weights, layer, bin_width)

    def _empty(self) -> UnitValues:
        n_units = len(self._gathered.units)
        return UnitValues({name: np.full(n_units, np.nan) for name in VALUES}, np.full(n_units, -1))

    def _fill(self, column: UnitValues, rows: pd.DataFrame) -> None:
        units = rows[UNIT].to_numpy()
        others = column.source[units]
        if (others >= 0).any():
            row = rows.iloc[int(np.flatnonzero(others >= 0)[0])]
            raise ResultsFileError(
                f"{self._paths[self._k]}: row {row['row']} is of layer {row['layer']} in bins of {row['bin_width']:g} "
                f"ms, channel {row['channel']} of session {row['session']}, and so is a row of "
                f"{self._paths[others.max()].name}; keep one of the two files"
            )
        column.source[units] = self._k
        for name in VALUES:
            column.values[name][units] = rows[name].to_numpy()

    def _add_reliability(self, bin_width: float, rows: pd.DataFrame) -> None:
        """Keep each unit's normaliser and null; every row of it repeats them."""
        bins = (self._of.bin_width or bin_width) if self._of.kind == "lowpass" else bin_width
        differ = 0
        for name in LATER.values():
            values = rows[name].to_numpy()
            if np.isnan(values).all():
                continue
            measured = self._gathered.reliability.setdefault((self._of.stimuli, bins), {})
            known = measured.setdefault(name, np.full(len(self._gathered.units), np.nan))
            there = ~np.isnan(values)
            units, values = rows[UNIT].to_numpy()[there], values[there]
            new = np.isnan(known[units])
            known[units[new][::-1]] = values[new][::-1]  # of several, the first stays
            differ += int(np.count_nonzero(known[units] != values))
        if differ:
            self._note(
                f"{differ} normalisers or nulls in bins of {bins:g} ms are not those of rows or files before, which "
                "were taken"
            )


def _groups(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[list[float], pd.DataFrame]]:
    """Split rows by the numbers in some columns."""
    for numbers, group in rows.groupby(columns):
        yield np.array(numbers, dtype=np.float64).tolist(), group


def grid_of(gathered: Gathered, unit_names: Names) -> Grid:
    """Return the axes of everything that was read, with what is known of networks and sessions.

    Layers are named and typed by the network tables; those of an unknown network have the type that a file says.
    """
    cells = gathered.cells
    stimuli = {cell[0] for cell in cells}
    axes: dict[str, tuple[Any, ...]] = {
        names.STIMULI: tuple(s for s in STIMULI.values() if s in stimuli),
        names.NETWORK: tuple(in_order({cell[1] for cell in cells})),
        names.WEIGHTS: tuple(sorted({cell[2] for cell in cells}, key=_weights_order)),
        names.LAYER: tuple(sorted({cell[3] for cell in cells})),
        names.BIN_WIDTH: tuple(sorted({cell[4] for cell in cells})),
    }
    layers_of = {
        network: sorted({layer for _, of, _, layer, _ in cells if of == network}) for network in axes[names.NETWORK]
    }
    described = {network: _described(network, layers, gathered) for network, layers in layers_of.items()}
    return Grid(axes=axes, units=unit_names.units(gathered.units), layers=described)


def _described(network: str, layers: list[int], gathered: Gathered) -> dict[str, tuple[str, str]]:
    table = table_of(network)
    known = {layer.id: (layer.name, layer.type) for layer in table.layers} if table else {}
    found = {}
    for layer in layers:
        said = gathered.layer_types.get((network, layer), "")
        found[str(layer)] = known.get(layer, ("", said))
    return found


def other_types(gathered: Gathered) -> list[str]:
    """Say of which layers the files have another type than the network tables, one line each."""
    notes = []
    tables = {network: table_of(network) for network in dict.fromkeys(network for network, _ in gathered.layer_types)}
    for (network, layer), said in gathered.layer_types.items():
        table = tables[network]
        known = {known.id: known.type for known in table.layers} if table else {}
        if said != known.get(layer, said):
            notes.append(
                f"layer {layer} of {network}: column layer_type says {said}, the table {known[layer]}, as kept"
            )
    return notes


def _weights_order(weights: str) -> tuple[int, str]:
    """Trained, untrained and other controls first, then the one of spectrograms."""
    return ((TRAINED, RESET).index(weights) if weights in (TRAINED, RESET) else 2 if weights != FIXED else 3, weights)
