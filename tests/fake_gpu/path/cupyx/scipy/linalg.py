"""cupyx.scipy.linalg: the triangular solver, and the copies that it makes."""

import fake_card as card
import numpy as np
import scipy.linalg
from cupy._array import launch, ndarray


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=False):
    """By trsm. The factor is copied unless it is Fortran-ordered (of a stack: C-ordered), ``b`` unless it may be
    written over and is so.
    """
    for x in (a, b):
        if not isinstance(x, ndarray):
            raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError("expected square matrix")
    if a.ndim == 2 and len(a) != len(b):
        raise ValueError("incompatible dimensions")
    if a.ndim > 2 and (a.shape[:-2] != b.shape[: a.ndim - 2] or a.shape[-2] != b.shape[a.ndim - 2]):
        raise ValueError("incompatible dimensions")
    dtype = a.dtype if a.dtype.char in "fd" else np.promote_types(a.dtype.char, "f")
    kept = a._a.flags.f_contiguous if a.ndim == 2 else a._a.flags.c_contiguous and trans in ("N", "T", "C")
    if not kept or a.dtype != dtype:
        card.count("factor_copies")
        launch(1, "copy of the factor", (a,))
    in_place = overwrite_b and b.dtype == dtype and a.ndim == 2 and b._a.flags.f_contiguous
    if not in_place:
        launch(1, "copy of the right side", (b,))
    launch(1 if a.ndim == 2 else 3, "solve_triangular", (a, b), (b,) if in_place else ())
    left, right = a._a.astype(dtype), b._a.astype(dtype)
    one = {"trans": trans, "lower": lower, "unit_diagonal": unit_diagonal, "check_finite": False}
    with np.errstate(all="ignore"):
        if a.ndim == 2:
            found = np.asfortranarray(scipy.linalg.solve_triangular(left, right, **one))
        else:
            found = np.stack([scipy.linalg.solve_triangular(p, q, **one)
                              for p, q in zip(left.reshape(-1, *a.shape[-2:]),
                                              right.reshape(-1, *b.shape[a.ndim - 2 :]), strict=True)])  # fmt: skip
            found = found.reshape(b.shape)
    if in_place:
        b._a[...] = found
        return b
    return ndarray._w(found)
