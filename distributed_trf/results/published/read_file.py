"""Published files: which of a folder are results of one run, why others are left out, and each read and checked.

Columns are named as in this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from distributed_trf.config.extraction import FIXED
from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.file_name import (
    ENDING,
    LATER,
    LAYER_TYPE,
    N_BANDS,
    N_SENTENCES,
    NORMALISER,
    NULL_MEAN,
    FileName,
    R,
    columns_of,
    is_bootstrap,
    parse_name,
    penalty_of,
    prefixes,
)
from distributed_trf.results.published.word_errors import PUBLISHED_NAME


@dataclass(frozen=True)
class Chosen:
    """Files that one dataset can hold."""

    dataset: str
    lag: float
    """Milliseconds."""
    identifier: str
    files: dict[Path, FileName]
    left_out: dict[str, str]
    """Why other files are not read, by name."""


def choose_files(
    folder: Path, *, dataset: str | None = None, lag: float | None = None, identifier: str | None = None
) -> Chosen:
    """Choose the files of one dataset, largest lag and identifier; each may be left to what is there if it is but one.

    The identifier of a bootstrap is that of one draw, so all of them are chosen.

    Raises
    ------
    ResultsFileError
        If there is no folder or no such file, or several datasets, lags or identifiers, and it is not said which.
    """
    if not folder.is_dir():
        raise ResultsFileError(
            f"{folder}: there is no such folder; expected one with files *{ENDING}. Correct the path"
        )
    files: dict[Path, FileName] = {}
    left_out: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):  # such as the twins that a Mac makes of files
            continue
        if not path.is_file():
            left_out[path.name] = "no file"
            continue
        if path.name == PUBLISHED_NAME:
            left_out[path.name] = "word error rates; figure S5 takes it as it is: dtrf figures --word-errors"
            continue
        try:
            files[path] = parse_name(path.name)
        except ResultsFileError as error:
            left_out[path.name] = str(error)
    if not files:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in left_out.items())
        raise ResultsFileError(f"{folder}: no file of published results; give the folder that holds them{reasons}")

    dataset = _keep(folder, files, left_out, "dataset", dataset)
    lag = _keep(folder, files, left_out, "lag", lag)
    identifier = _keep(folder, files, left_out, "identifier", identifier, among=lambda of: not is_bootstrap(of.kind))
    return Chosen(dataset, lag, identifier, files, left_out)


def _keep(
    folder: Path,
    files: dict[Path, FileName],
    left_out: dict[str, str],
    what: str,
    wanted: Any,
    *,
    among: Callable[[FileName], bool] = lambda _: True,
) -> Any:
    """Leave out the files of which something is not as wanted; return what it is."""
    there = sorted({getattr(of, what) for of in files.values() if among(of)})
    if wanted is None and len(there) > 1:
        raise ResultsFileError(
            f"{folder}: holds results of the {what}s {_words(there)}, but a dataset holds one; say which, such as "
            f"{what}={there[0]!r} (on the command line --{what} {_words(there[:1])})"
        )
    kept = wanted if wanted is not None else there[0] if there else ""
    if there and kept not in there:
        raise ResultsFileError(f"{folder}: no file of the {what} {_words([kept])}; there are {_words(there)}")
    for path, of in list(files.items()):
        if among(of) and getattr(of, what) != kept:
            left_out[path.name] = f"of the {what} {_words([getattr(of, what)])}; import it into another folder"
            del files[path]
    return kept


def _words(values: Iterable[Any]) -> str:
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) or "''" for v in values)


_Test = Callable[[np.ndarray], np.ndarray]


def read_file(path: Path, of: FileName) -> tuple[pd.DataFrame, list[str]]:
    """Read a file of results.

    Parameters
    ----------
    path
        The file.
    of
        What its name says.

    Returns
    -------
    rows, notes
        A row per unit and fit, with columns row (as a spreadsheet counts), session and channel (numbers as in the
        file), layer, bin_width in ms, delay in ms, r, alpha, normaliser, null_mean, null_std, layer_type and, of
        bootstraps, percent and n_repeats; NaN and '' where the file says nothing. And what of the file is not among
        them, one line each.

    Raises
    ------
    ResultsFileError
        If it cannot be read, or a value is not what its column holds, naming file, column, row and value.
    """
    table = _Table(path, _read(path))
    prefix, other = prefixes(of.stimuli)
    spectrogram, bootstrap = of.weights == FIXED, is_bootstrap(of.kind)
    table.expect([c for c in columns_of(of) if not c.startswith(other + NORMALISER) and c != prefix + NORMALISER])

    rows = pd.DataFrame(
        {
            "row": np.arange(len(table.frame)) + 2,
            "session": table.whole("session"),
            "channel": table.whole("channel"),
            "layer": np.zeros(len(table.frame), dtype=np.int64) if spectrogram else table.whole("layer"),
            "bin_width": table.numbers("bin_width", lambda x: x > 0, "milliseconds above 0"),
            "delay": 0.0 if bootstrap else table.numbers("delay", np.isfinite, "milliseconds"),
            "r": table.numbers(prefix + R, _finite_or_none, "a correlation, or nothing"),
        }
    )
    exponent = table.numbers("lmbda" if spectrogram else "opt_lmbda", _in_range, "the log10 of a penalty")
    rows["alpha"] = penalty_of(exponent)
    lag = "tmax" if spectrogram else "opt_lag"
    table.numbers(lag, lambda x: x == of.lag, f"{of.lag:g} as in the file's name")
    if of.layer is not None:
        table.numbers("layer", lambda x: x == of.layer, f"{of.layer} as in the file's name")
    if spectrogram:
        table.numbers("tmin", lambda x: x == 0, "0")
        table.numbers("num_freqs", lambda x: x == N_BANDS, f"{N_BANDS} as in the file's name")
    if bootstrap:
        rows["percent"] = table.numbers("percent_duration", _above_zero_or_none, "a percentage, or nothing")
        rows["n_repeats"] = table.numbers("n_test_trials", _count_or_none, "a number of trials, or nothing")

    for name, here in LATER.items():
        there = prefix + name in table.frame
        rows[here] = table.numbers(prefix + name, _finite_or_none, "a number, or nothing") if there else np.nan
    if prefix + NULL_MEAN not in table.frame and not rows["normaliser"].any():
        rows["normaliser"] = np.nan  # 0 is written for what was never put in
    rows["layer_type"] = table.frame[LAYER_TYPE].fillna("") if LAYER_TYPE in table.frame else ""
    return rows, _notes(table, of, other)


def _notes(table: _Table, of: FileName, other: str) -> list[str]:
    """Say what a file holds that is not kept."""
    notes = []
    if other + R in table.frame and np.any(_as_numbers(table.frame[other + R].to_numpy()) != 0):
        notes.append(f"column {other + R} is not 0 throughout, though the name says {of.stimuli}; it is not read")
    if "N_sents" in table.frame and np.any(_as_numbers(table.frame["N_sents"].to_numpy()) != N_SENTENCES):
        notes.append(f"column N_sents is not {N_SENTENCES} throughout; what else it says is not kept")
    return notes


def _read(path: Path) -> pd.DataFrame:
    """Read a CSV file whose rows are whole."""
    remedy = "Unpack or copy it again"
    try:
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            raise ResultsFileError(f"{path}: ends in the middle of a row. {remedy}")
        # As text: not every version of pandas reads a number to its last digit.
        frame = pd.read_csv(BytesIO(content), dtype=object, encoding="utf-8")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ResultsFileError(f"{path}: cannot be read as CSV ({' '.join(str(error).split())}). {remedy}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise ResultsFileError(f"{path}: rows have more fields than the header names. {remedy}")
    if frame.empty:
        raise ResultsFileError(f"{path}: has no rows below the header. {remedy}")
    return frame


class _Table:
    """Columns of one file as numbers, or an error that names the first value that is none."""

    def __init__(self, path: Path, frame: pd.DataFrame) -> None:
        self.path, self.frame = path, frame

    def expect(self, columns: list[str]) -> None:
        missing = [column for column in columns if column not in self.frame]
        if missing:
            raise ResultsFileError(
                f"{self.path}: no column {', '.join(missing)}; found {', '.join(map(str, self.frame.columns))}. "
                "Expected a file as the published code writes it"
            )

    def numbers(self, column: str, good: _Test, expected: str) -> np.ndarray:
        """Return a column as float64, all of it good."""
        found = self.frame[column]
        values = _as_numbers(found.to_numpy())
        bad = ~good(values) | (np.isnan(values) & found.notna().to_numpy())
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            value = "nothing" if pd.isna(found.iloc[row]) else repr(found.iloc[row])
            raise ResultsFileError(
                f"{self.path}: column {column}, row {row + 2}: found {value}, expected {expected}. Correct the row, or "
                "copy the file again"
            )
        return values

    def whole(self, column: str) -> np.ndarray:
        """Return a column of whole numbers from 0 as int64."""
        values = self.numbers(column, _is_whole, "a whole number from 0")
        return values.astype(np.int64)


def _as_numbers(texts: np.ndarray) -> np.ndarray:
    """Return texts as float64, NaN where one is missing or no number."""
    try:
        return texts.astype(np.float64)
    except ValueError:
        return np.array([_as_number(text) for text in texts])


def _as_number(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _is_whole(values: np.ndarray) -> np.ndarray:
    return (values >= 0) & (values < 2**53) & (values == np.floor(values))


def _finite_or_none(values: np.ndarray) -> np.ndarray:
    return ~np.isinf(values)


def _count_or_none(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) | (_is_whole(values) & (values >= 1))


def _in_range(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) | (np.abs(values) <= 300)  # beyond, its power is no float


def _above_zero_or_none(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) | ((values > 0) & np.isfinite(values))
