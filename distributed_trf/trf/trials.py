"""Lists of trials: what fits together and what cannot be used."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError


def check_features(X: Sequence[Array], *, lead_in: int, n_features: int | None = None) -> int:
    """Check a list of feature arrays and return their number of features.

    Raises
    ------
    DataError
        Naming the trial, if one is not (lead_in + T, F) with T >= 1 or holds NaN or Inf.
    """
    if isinstance(X, (str, bytes)) or not isinstance(X, Sequence) or len(X) == 0:
        raise DataError(f"X must be a non-empty list of (time, feature) arrays, one per trial, not {_what(X)}")
    xp = namespace(*X)
    expected = n_features
    for i, x in enumerate(X):
        if x.ndim != 2:
            raise DataError(f"X[{i}] has shape {tuple(x.shape)}; expected (lead_in + bins, features)")
        if x.shape[0] <= lead_in:
            raise DataError(f"X[{i}] has {x.shape[0]} rows, but lead_in={lead_in} of them come before the first bin")
        expected = x.shape[1] if expected is None else expected
        if x.shape[1] != expected or expected == 0:
            raise DataError(f"X[{i}] has {x.shape[1]} features, expected {expected or 'at least 1'}")
        finite = xp.isfinite(x)
        if not xp.all(finite):
            bad = int(xp.sum(xp.astype(~finite, xp.int64)))
            raise DataError(f"X[{i}] holds {bad} values that are NaN or Inf; remove or repair them before fitting")
    assert expected is not None  # for the type checker: X is not empty
    return expected


def check_responses(X: Sequence[Array], Y: Sequence[Array], *, lead_in: int, repeats: bool = False) -> None:
    """Check that responses fit the features: one array per trial, equally long, one number of units.

    Raises
    ------
    DataError
        Naming the trial, its length and the length expected.
    """
    if not isinstance(Y, Sequence) or len(Y) != len(X):
        raise DataError(f"X has {len(X)} trials but Y is {_what(Y)}; give one response array per trial")
    xp = namespace(*X, *Y)
    n_dims = {2, 3} if repeats else {2}
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        if y.ndim not in n_dims or y.ndim != Y[0].ndim:
            shapes = "(bins, units) or (repeats, bins, units), the same for all" if repeats else "(bins, units)"
            raise DataError(f"Y[{i}] has shape {tuple(y.shape)}; expected {shapes}")
        if y.shape[-2] != x.shape[0] - lead_in:
            raise DataError(
                f"Y[{i}] has {y.shape[-2]} bins but X[{i}] has {x.shape[0]} rows, of which lead_in={lead_in} come "
                f"before the first bin: expected {x.shape[0] - lead_in} bins"
            )
        if y.shape[-1] != Y[0].shape[-1] or (y.ndim == 3 and y.shape[0] != Y[0].shape[0]):
            raise DataError(
                f"Y[{i}] has shape {tuple(y.shape)}, which does not match Y[0] of shape {tuple(Y[0].shape)}"
            )
        if not xp.all(xp.isfinite(y)):
            raise DataError(f"Y[{i}] holds NaN or Inf; leave out trials without a recorded response")


def check_folds(folds: Sequence[Sequence[int]], n_trials: int) -> list[list[int]]:
    """Check that folds hold every trial exactly once and return them as lists of ints."""
    as_lists = [[int(i) for i in fold] for fold in folds]
    dealt = sorted(i for fold in as_lists for i in fold)
    if len(as_lists) < 2 or not all(as_lists) or dealt != list(range(n_trials)):
        raise DataError(
            f"folds must be at least two non-empty lists that together hold each of 0..{n_trials - 1} once; "
            f"got {len(as_lists)} folds holding {len(dealt)} indices"
        )
    return as_lists


def _what(value: object) -> str:
    return f"a list of {len(value)}" if isinstance(value, Sequence) else type(value).__name__
