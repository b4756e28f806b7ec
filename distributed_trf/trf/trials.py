"""Input checks: trials that users pass in become arrays that fit together, or an error says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import is_array_api_obj, is_dask_array

from distributed_trf.arrays import Array, namespace, to_numpy
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.parameters import whole

ALONG_TIME = frozenset({"time", "times", "t", "sample", "samples", "frame", "frames", "bin", "bins"})
"""Names of a labelled array's dimension that say that it is time."""
NOT_TIME = frozenset(
    {"feature", "features", "freq", "freqs", "frequency", "frequencies", "band", "bands"}
    | {"unit", "units", "channel", "channels", "neuron", "neurons", "electrode", "electrodes"}
)
"""Names that say that it is not."""
BEYOND = 20
"""Longest trials: where so many times their rows lie in lags that reach none, the lags are in another unit."""


def as_features(X: Sequence[Any], *, lead_in: int, n_features: int | None = None) -> list[Array]:
    """Return features as arrays that fit together, without a copy where they are arrays.

    Parameters
    ----------
    X
        A list of whatever ``as_array`` takes, each of shape (lead_in + T, F) with T >= 1.
    lead_in
        Rows before the first response.
    n_features
        The number of features expected, by default that of the first.

    Raises
    ------
    DataError
        Naming the trial, if one is no real numbers, has another shape, or holds NaN or Inf.
    """
    arrays = _each(X, "X", "(time, feature)")
    for i, x in enumerate(arrays):
        if x.ndim != 2:
            raise DataError(f"X[{i}] has shape {tuple(x.shape)}; expected (lead_in + bins, features)")
        if x.shape[0] <= lead_in:
            raise DataError(f"X[{i}] has {x.shape[0]} rows, but lead_in={lead_in} of them come before the first bin")
        n_features = x.shape[1] if n_features is None else n_features
        if x.shape[1] != n_features or n_features == 0:
            raise DataError(f"X[{i}] has {x.shape[1]} features, expected {n_features or 'at least 1'}")
    for i in not_finite(arrays)[:1]:
        bad = int(np.sum(~np.isfinite(to_numpy(arrays[i]))))
        raise DataError(f"X[{i}] holds {bad} values that are NaN or Inf; remove or repair them before fitting")
    return arrays


def as_responses(X: Sequence[Array], Y: Sequence[Any], *, lead_in: int, repeats: bool = False) -> list[Array]:
    """Return responses as arrays that fit the features: one for each trial, equally long, one number of units.

    Parameters
    ----------
    X
        Features, as ``as_features`` returns them.
    Y
        A list of whatever ``as_array`` takes, each of shape (T, U).
    lead_in
        Rows of X before the first response.
    repeats
        Take also (R, T, U), if all are.

    Raises
    ------
    DataError
        Naming the trial, its length and the length expected.
    """
    arrays = _each(Y, "Y", "(time, unit)", n_trials=len(X))
    namespace(*X, *arrays)
    n_dims, n_units = {2, 3} if repeats else {2}, arrays[0].shape[-1] if arrays[0].ndim else 0
    for i, (x, y) in enumerate(zip(X, arrays, strict=True)):
        if y.ndim not in n_dims or y.ndim != arrays[0].ndim:
            shapes = "(bins, units) or (repeats, bins, units), the same for all" if repeats else "(bins, units)"
            raise DataError(f"Y[{i}] has shape {tuple(y.shape)}; expected {shapes}")
        if y.shape[-2] != x.shape[0] - lead_in:
            raise DataError(
                f"Y[{i}] has {y.shape[-2]} bins but X[{i}] has {x.shape[0]} rows, of which lead_in={lead_in} come "
                f"before the first bin: expected {x.shape[0] - lead_in} bins"
            )
        if y.shape[-1] != n_units or (y.ndim == 3 and y.shape[0] != arrays[0].shape[0]):
            raise DataError(
                f"Y[{i}] has shape {tuple(y.shape)}, which does not match Y[0] of shape {tuple(arrays[0].shape)}"
            )
        if 0 in y.shape:
            raise DataError(f"Y[{i}] has shape {tuple(y.shape)}: it holds nothing; expected at least one unit")
    for i in not_finite(arrays)[:1]:
        raise DataError(f"Y[{i}] holds NaN or Inf; leave out trials without a recorded response")
    return arrays


def as_array(value: Any, name: str) -> Array:
    """Return one trial as an array of real numbers; arrays of numpy, cupy and torch stay where and what they are.

    Integers, truth values (0 and 1) and floats of any precision are accepted: arrays, lists of lists of equal length,
    pandas DataFrames whose columns are all numeric, and xarray DataArrays. Time must be the last but one dimension of a
    DataArray, as far as the dimensions' names show it (``ALONG_TIME``, ``NOT_TIME``); labels are not checked.

    Raises
    ------
    DataError
        Of anything else, naming it: complex numbers, text, dates, records, Python objects; masked arrays, whose mask
        would be lost; ``numpy.matrix``, whose ``*`` is another; sparse matrices.
    """
    kind = f"{name} is a {type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, np.ma.MaskedArray):
        raise DataError(f"{kind}: its mask would be lost; leave masked bins out, or fill them with .filled(value)")
    if isinstance(value, np.matrix):
        raise DataError(f"{kind}; convert it with numpy.asarray")
    if hasattr(value, "toarray") or hasattr(value, "todense") or getattr(value, "is_sparse", False):
        raise DataError(f"{kind}, which is sparse; convert it to a full array, as with .toarray()")
    if hasattr(value, "dims") and hasattr(value, "coords"):
        if not hasattr(value, "data"):
            raise DataError(f"{kind} of several variables; give one of them")
        _check_dims(value.dims, name)
        return as_array(value.data, name)
    if type(value).__module__.split(".")[0] == "pandas" and hasattr(value, "columns"):
        for column, dtype in zip(value.columns, value.dtypes, strict=True):
            if dtype.kind not in "biuf":
                raise DataError(f"{name}: column {column!r} is of type {dtype}; expected real numbers")
        return value.to_numpy(dtype=np.float64, na_value=np.nan)
    if not is_array_api_obj(value) or is_dask_array(value) or isinstance(value, np.ndarray):
        try:
            value = np.asarray(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"{kind} that is no array of numbers ({error})") from error
    if getattr(value, "requires_grad", False):
        value = value.detach()
    xp = namespace(value)
    if (
        isinstance(value, np.ndarray)
        and value.dtype.kind not in "biuf"
        or not xp.isdtype(value.dtype, ("bool", "integral", "real floating"))
    ):
        raise DataError(f"{name} holds values of type {value.dtype}; expected real numbers")
    return xp.astype(value, xp.float64) if xp.isdtype(value.dtype, "bool") else value


def check_lags(lags: Sequence[int], X: Sequence[Array], lead_in: int, sfreq: float) -> list[int]:
    """Return the lags, in samples, at which no response of any trial sees a row of its features.

    Raises
    ------
    ConfigError
        If that is all of them, or so many that they cannot be meant.
    """
    rows = max(x.shape[0] for x in X)
    unreached = [lag for lag in lags if not lead_in - rows < lag < rows]
    if len(unreached) == len(lags) or len(unreached) > BEYOND * rows:
        which = "no lag" if len(unreached) == len(lags) else f"only {len(lags) - len(unreached)} of {len(lags)} lags"
        raise ConfigError(
            f"tmin={lags[0] / sfreq:g} s to tmax={lags[-1] / sfreq:g} s: {which} can reach sound, as the longest trial "
            f"of X lasts {rows / sfreq:g} s ({rows} rows at {sfreq:g} Hz); tmin and tmax are in seconds"
        )
    return unreached


def check_range(X: Sequence[Array], n_lags: int, precision: str) -> None:
    """Make sure that products of features, and their sums, are numbers of a precision.

    Raises
    ------
    DataError
        If the largest feature is beyond ``sqrt(largest number / (rows * lagged columns))``.
    """
    columns = X[0].shape[1] * n_lags
    limit = float(np.sqrt(float(np.finfo(precision).max) / (columns * sum(x.shape[0] for x in X))))
    xp = namespace(*X)
    largest = to_numpy(xp.stack([xp.astype(xp.max(xp.abs(x)), xp.float64) for x in X]))
    if largest.max() > limit:
        i = int(largest.argmax())
        other = " or take precision='float64'" if precision == "float32" else ""
        raise DataError(
            f"X[{i}] reaches {largest[i]:.1e}, and products of features beyond {limit:.1e} are no {precision} numbers "
            f"any more; scale the features down{other}"
        )


def check_folds(folds: Sequence[Sequence[int]], n_trials: int) -> list[list[int]]:
    """Check that folds hold every trial exactly once and return them as lists of ints."""
    try:
        as_lists = [[whole("an index in folds", i, 0) for i in fold] for fold in folds]
    except (TypeError, ConfigError) as error:
        raise DataError(f"folds must be lists of the indices of trials: {error}") from error
    dealt = sorted(i for fold in as_lists for i in fold)
    if len(as_lists) < 2 or not all(as_lists) or dealt != list(range(n_trials)):
        raise DataError(
            f"folds must be at least two non-empty lists that together hold each of 0..{n_trials - 1} once; "
            f"got {len(as_lists)} folds holding {len(dealt)} indices"
        )
    return as_lists


def _each(values: Sequence[Any], name: str, shape: str, n_trials: int | None = None) -> list[Array]:
    """Convert each trial of a list, and check that there are as many as expected."""
    listed = isinstance(values, Sequence) and not isinstance(values, (str, bytes))
    what = f"a list of {len(values)}" if listed else f"a {type(values).__module__}.{type(values).__qualname__}"
    if n_trials is not None and (not listed or len(values) != n_trials):
        raise DataError(f"X has {n_trials} trials but {name} is {what}; give one response array per trial")
    if not listed or len(values) == 0:
        raise DataError(f"{name} must be a non-empty list of {shape} arrays, one per trial, not {what}")
    arrays = [as_array(value, f"{name}[{i}]") for i, value in enumerate(values)]
    namespace(*arrays)  # of one library
    return arrays


def _check_dims(dims: Sequence[Any], name: str) -> None:
    """Check that a labelled array's dimensions do not say that time is elsewhere than last but one."""
    lower = [str(dim).lower() for dim in dims]
    if any(dim in ALONG_TIME for dim in lower[:-2] + lower[-1:]) or (len(dims) > 1 and lower[-2] in NOT_TIME):
        raise DataError(
            f"{name} has the dimensions {tuple(dims)}; time must come first, or after the repeats: use .transpose(...)"
        )


def not_finite(arrays: Sequence[Array]) -> list[int]:
    """Return which arrays hold NaN or Inf; a GPU is waited for once."""
    xp = namespace(*arrays)
    looked_at = [i for i, array in enumerate(arrays) if xp.isdtype(array.dtype, "real floating")]
    if not looked_at:
        return []
    finite = to_numpy(xp.stack([xp.all(xp.isfinite(arrays[i])) for i in looked_at]))
    return [i for i, fine in zip(looked_at, finite, strict=True) if not fine]
