"""Word error rates as a table of one row per network and benchmark, from ``dtrf wer`` or in the published layout.

The published ``pretrained_networks_WERs.csv`` has a row for each network, whose name is in the first column, and a
column for each benchmark; a rate that was not measured is blank. Rates are percentages, means over batches of eight
utterances.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from distributed_trf.config.load import listed
from distributed_trf.csv_table import columns_of, finite, read_table, text
from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.file_name import NETWORKS

PUBLISHED_NAME = "pretrained_networks_WERs.csv"
COLUMNS = ("network", "benchmark", "wer")
BENCHMARKS = {
    "librispeech-test-clean": "librispeech_clean",
    "librispeech-test-other": "librispeech_other",
    "tedlium": "tedlium",
    "common-voice": "common_voice",
    "voxpopuli": "voxpopuli",
}
"""Benchmarks by their published name; here as in ``configs/word_errors/ahmed25.yaml``."""
_LEAST = 1.0
"""Percent; lower rates other than 0 are taken for fractions, since no network comes near."""


def read_word_errors(path: str | Path) -> pd.DataFrame:
    """Read a table of word error rates.

    Parameters
    ----------
    path
        What ``dtrf wer`` wrote (``word_error_rates.csv``), or a file in the published layout.

    Returns
    -------
    pandas.DataFrame
        ``network``, ``benchmark`` and ``wer`` in percent, a row for each rate that there is. Networks and benchmarks of
        the published layout have the names that they have here.

    Raises
    ------
    ResultsFileError
        If the file is in neither layout, names a network that has no table here, or holds two rates where one belongs
        or one that is no percentage.
    """
    path = Path(path)
    header = columns_of(path, error=ResultsFileError)
    if "network" in header:
        frame = read_table(path, COLUMNS, numeric=("wer",), error=ResultsFileError)
        labels = pd.DataFrame({name: text(frame, name, path, error=ResultsFileError) for name in COLUMNS[:2]})
        found = labels.assign(wer=_percentages(frame, "wer", path)).reset_index(drop=True)
    else:
        found = _published(path, header)
    twice = found[found.duplicated(["network", "benchmark"])]
    if len(twice):
        raise ResultsFileError(
            f"{path}: {twice['network'].iloc[0]} has two rates of {twice['benchmark'].iloc[0]}; expected one. "
            "Correct the file"
        )
    return found


def _published(path: Path, header: list[str]) -> pd.DataFrame:
    index, *benchmarks = header
    unknown = [name for name in benchmarks if name not in BENCHMARKS]
    if unknown or not benchmarks:
        what = f"column {unknown[0]!r} is no benchmark" if unknown else f"there is no column beside {index!r}"
        raise ResultsFileError(
            f"{path}: {what}; expected the names of networks in the first column and beside it one or more of "
            f"{', '.join(BENCHMARKS)}, or columns {', '.join(COLUMNS)} as `dtrf wer` writes them. Correct the file"
        )
    frame = read_table(path, tuple(header), numeric=tuple(benchmarks), error=ResultsFileError)
    given = text(frame, index, path, error=ResultsFileError)
    networks, known = given.replace(NETWORKS), listed("configs/networks")
    for row, said, name in zip(frame.index, given, networks, strict=True):
        if name not in known:
            raise ResultsFileError(
                f"{path}: row {row}: no network is called {said!r}; expected one of `dtrf networks`. Correct the "
                f"name, or write its table, {name}.yaml, into ./configs/networks"
            )
    rates = {BENCHMARKS[name]: _percentages(frame, name, path, blanks=True) for name in benchmarks}
    for name, found in zip(benchmarks, rates.values(), strict=True):
        low = np.flatnonzero((found > 0) & (found < _LEAST))
        if low.size:
            raise ResultsFileError(
                f"{path}: column {name} holds {found[low[0]]:g} in row {frame.index[low[0]]}, which would be less "
                "than 1 % of the words; expected percentages, as the published code writes them. Multiply fractions by "
                "100"
            )
    wide = pd.DataFrame(rates, index=pd.Index(networks, name="network"))
    return wide.melt(var_name="benchmark", value_name="wer", ignore_index=False).dropna().reset_index()


def _percentages(frame: pd.DataFrame, column: str, path: Path, *, blanks: bool = False) -> np.ndarray:
    found = finite(frame, column, path, blanks=blanks, error=ResultsFileError)
    below = np.flatnonzero(found < 0)
    if below.size:
        raise ResultsFileError(
            f"{path}: column {column} holds {found[below[0]]:g} in row {frame.index[below[0]]}; expected a percentage "
            "from 0 up. Correct the file"
        )
    return found
