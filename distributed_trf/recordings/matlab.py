"""MATLAB files, with errors that say which file is damaged and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy

from distributed_trf.errors import RecordingError


def read_mat(path: Path, variables: tuple[str, ...]) -> dict[str, Any]:
    """Read variables of a MATLAB 5 file; structs have their fields as attributes and lengths of one are dropped.

    Parameters
    ----------
    path
        The file.
    variables
        Names of the variables; nothing else is read.

    Returns
    -------
    dict
        Each variable under its name.

    Raises
    ------
    RecordingError
        If the file is missing, damaged, of MATLAB's version 7.3, or lacks one of the variables.
    OSError
        If the file system fails; unlike the above, that may pass.
    """
    if not path.is_file():
        raise RecordingError(f"{path}: there is no such file. Copy it again from the published recordings")
    try:
        found = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False, variable_names=list(variables))
    except NotImplementedError as error:  # what scipy raises for version 7.3
        raise RecordingError(
            f"{path}: cannot be read ({error}). Expected a MATLAB 5 file, but those of MATLAB 7.3 are HDF5: "
            "save it in MATLAB with save(..., '-v7')"
        ) from error
    except Exception as error:  # scipy raises whatever the damaged bytes lead it into
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise RecordingError(
            f"{path}: its {path.stat().st_size} bytes are no complete MATLAB 5 file ({type(error).__name__}: {error}). "
            "Copy it again"
        ) from error
    missing = [name for name in variables if name not in found]
    if missing:
        present = ", ".join(sorted(name for name in found if not name.startswith("__"))) or "none of the expected ones"
        raise RecordingError(
            f"{path}: variable {', '.join(missing)} is missing; found {present}. "
            "If the file was cut short while copying, copy it again"
        )
    return {name: found[name] for name in variables}


def field(struct: Any, name: str, path: Path) -> Any:
    """Return a field of a struct that ``read_mat`` read from ``path``.

    Raises
    ------
    RecordingError
        If the struct has no such field.
    """
    if not hasattr(struct, name):
        fields = ", ".join(getattr(struct, "_fieldnames", ())) or f"no struct but {type(struct).__name__}"
        raise RecordingError(f"{path}: field {name} is missing; found {fields}. Copy the file again")
    return getattr(struct, name)


def numbers(struct: Any, name: str, path: Path) -> np.ndarray:
    """Return a numeric field as an array of shape (n,), whether it holds none, one or many numbers.

    Raises
    ------
    RecordingError
        If the field is missing or does not hold real numbers along one axis.
    """
    values = np.atleast_1d(field(struct, name, path))
    if values.size == 0:
        return np.empty(0)
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise RecordingError(
            f"{path}: field {name} has shape {values.shape} and type {values.dtype}; expected a row of real numbers"
        )
    return values


def number(struct: Any, name: str, path: Path) -> float:
    """Return a field that holds one finite number.

    Raises
    ------
    RecordingError
        If it is missing or holds anything else.
    """
    values = numbers(struct, name, path)
    if values.size != 1 or not np.isfinite(values[0]):
        raise RecordingError(f"{path}: field {name} holds {values}; expected one finite number. Copy the file again")
    return float(values[0])
