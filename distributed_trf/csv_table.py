"""Columns of a CSV table; errors name the row, counted as a spreadsheet does: the header is row 1."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.errors import DistributedTRFError, RecordingError

if TYPE_CHECKING:
    import pandas as pd

_SURPLUS = "(surplus)"
"""Column for values to the right of the last column, which pandas would drop in silence: decimal commas make them."""


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    may_lack: tuple[str, ...] = (),
    numeric: tuple[str, ...] = (),
    error: type[DistributedTRFError] = RecordingError,
) -> pd.DataFrame:
    """Read some columns of ``.csv`` or ``.csv.gz``; others are passed over, and so are rows that are blank.

    Parameters
    ----------
    path
        The file: UTF-8, separated by commas, the names of the columns in its first row.
    columns
        Columns that are read.
    may_lack
        Those of them that need not be there.
    numeric
        Those of them that ``finite`` is to read; the others are kept as text, so that a label ``01`` stays one.
    error
        What is raised.

    Returns
    -------
    pandas.DataFrame
        The columns that are there, indexed by row number.

    Raises
    ------
    DistributedTRFError
        If the file is empty, damaged, lacks a column, or a row has more values than there are columns.
    """
    import pandas as pd

    header = columns_of(path, error=error)
    missing = [name for name in columns if name not in (*header, *may_lack)]
    if missing:
        listed = ", ".join(f"{name} (optional)" if name in may_lack else name for name in columns)
        raise error(
            f"{path}: column {', '.join(missing)} is missing; found {', '.join(header)}. Expected the columns "
            f"{listed}, separated by commas and named in the first row. Correct the file"
        )
    wanted = [name for name in header if name in columns]
    frame = _read(
        path,
        error,
        header=None,
        skiprows=1,
        names=[*header, _SURPLUS],
        dtype={name: str for name in header if name not in numeric},
    )
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    surplus = frame.index[frame.pop(_SURPLUS).notna()]
    if len(surplus):
        raise error(
            f"{path}: row {surplus[0]} has more values than the {len(header)} columns {', '.join(header)}; expected "
            "one each, decimals with a point, and quotes around text that holds a comma. Correct the file"
        )
    return frame.dropna(how="all")[wanted]


def columns_of(path: Path, *, error: type[DistributedTRFError] = RecordingError) -> list[str]:
    """Return the names of the columns of a table."""
    return [str(name).strip() for name in _read(path, error, nrows=0).columns]


def finite(
    frame: pd.DataFrame,
    name: str,
    path: Path,
    *,
    blanks: bool = False,
    error: type[DistributedTRFError] = RecordingError,
) -> np.ndarray:
    """Return a column of numbers, float64 of shape (rows,); NaN where it is blank, if ``blanks`` are allowed.

    Raises
    ------
    DistributedTRFError
        If a value is missing, no number or not finite.
    """
    import pandas as pd

    column = frame[name]
    blank = column.isna().to_numpy()
    values = pd.to_numeric(column if column.dtype.kind in "iuf" else column.astype(str), errors="coerce")
    numbers = np.asarray(values, dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(numbers) | (blank & blanks)))
    if bad.size:
        found = "nothing" if blank[bad[0]] else repr(str(column.iloc[bad[0]]))
        raise error(
            f"{path}: column {name} holds {found} in row {frame.index[bad[0]]}"
            f"{f' and no number in {bad.size - 1} others' if bad.size > 1 else ''}; "
            "expected a finite number. Correct the file"
        )
    return numbers


def text(
    frame: pd.DataFrame, name: str, path: Path, *, error: type[DistributedTRFError] = RecordingError
) -> pd.Series[str]:
    """Return a column of text without spaces around it.

    Raises
    ------
    DistributedTRFError
        If a value is missing.
    """
    column = frame[name].fillna("").astype(str).str.strip()
    blank = frame.index[column == ""]
    if len(blank):
        raise error(f"{path}: column {name} holds nothing in row {blank[0]}; expected a name. Correct the file")
    return column


def _read(path: Path, error: type[DistributedTRFError], **how: Any) -> pd.DataFrame:
    """Call pandas, which is to take nothing but blanks for missing and to read each column in one piece."""
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Rows with more than one value too many: the first of them shows in the column for surplus ones.
            warnings.filterwarnings("ignore", "Length of header or names", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                skip_blank_lines=False,
                low_memory=False,
                encoding="utf-8-sig",
                **how,
            )
    except pd.errors.EmptyDataError as found:
        raise error(f"{path}: is empty; expected names of columns in its first row. Write it again") from found
    except (ValueError, EOFError, zlib.error, OSError) as found:
        if isinstance(found, OSError) and found.errno is not None:
            raise
        raise error(
            f"{path}: not a readable CSV table ({type(found).__name__}: {' '.join(str(found).split())}). "
            "Write it again, in UTF-8 and with commas"
        ) from found
