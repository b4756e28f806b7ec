"""cupy.linalg: what cuSOLVER costs, and that it tells of failure only when asked."""

import fake_card as card
import numpy as np
from cupyx import geterr

from . import _functions
from ._array import launch, ndarray

_functions.fill("cupy.linalg", globals(), np.linalg)
LinAlgError = np.linalg.LinAlgError


def _common(a) -> np.dtype:
    if not isinstance(a, ndarray):
        raise LinAlgError("cupy.linalg only supports cupy.ndarray")
    if a.dtype == np.float16:
        raise TypeError("float16 is unsupported in linalg")
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    return a.dtype if a.dtype.kind in "fc" else np.dtype(np.float64)


def _check(*, failed: bool, routine: str) -> None:
    """Look at devInfo, which waits for the card, only under errstate(linalg='raise')."""
    if geterr()["linalg"] == "raise":
        card.sync("devInfo")
        if failed:
            raise LinAlgError(f"Error reported by {routine} in cuSOLVER. devInfo = [1].")


def cholesky(a):
    """One matrix by potrf, a stack by potrfBatched; C-ordered. A failed one is garbage."""
    values = a._a.astype(_common(a))
    batch = a.ndim > 2
    launch(4 if batch else 3, "cholesky_batched" if batch else "cholesky", (a,))
    found, failed = np.empty_like(values, order="C"), False
    for at in np.ndindex(values.shape[:-2]):
        try:
            found[at] = np.linalg.cholesky(values[at])
        except LinAlgError:
            found[at], failed = 1e30, True
    made = ndarray._w(found)
    _check(failed=failed, routine="potrfBatched" if batch else "potrf")
    return made


def eigh(a, UPLO="L"):
    """By syevd; of one matrix the vectors are Fortran-ordered."""
    values = a._a.astype(_common(a))
    launch(3, "eigh", (a,))
    w, v = np.linalg.eigh(values, UPLO)
    _check(failed=False, routine="xsyevd")
    return ndarray._w(w), ndarray._w(np.asfortranarray(v) if a.ndim == 2 else v)


def solve(a, b):
    """By getrf and getrs, of copies in Fortran order."""
    _common(a)
    launch(5, "solve", (a, b))
    try:
        found = np.linalg.solve(a._a, b._a)
    except LinAlgError:
        found = np.full_like(b._a, np.nan)
        _check(failed=True, routine="getrf")
    return ndarray._w(found)
