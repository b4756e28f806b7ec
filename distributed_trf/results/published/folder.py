"""Which files of a folder are results of one run, and why others are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_trf.errors import ResultsFileError
from distributed_trf.results.published.columns import is_bootstrap
from distributed_trf.results.published.file_name import ENDING, FileName, parse_name


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
            left_out[path.name] = f"of the {what} {_words([getattr(of, what)])}; import it into a folder of its own"
            del files[path]
    return kept


def _words(values: Iterable[Any]) -> str:
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) or "''" for v in values)
