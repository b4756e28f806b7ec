"""Whether predictions are better than chance: they are compared with the same predictions, shifted in time.

What a prediction must beat is what one reaches that has the same time course, and nothing to do with what happens at
that moment. Both series are smooth, so that bins are no independent samples: a test that counts them as such, as the
t-test of r does, calls far too many units predicted. Shifting the prediction circularly within each stimulus leaves
both series as they are, autocorrelation included, and undoes only their alignment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from array_api_compat import device as device_of

from distributed_trf.arrays import Array, block_rows, blocks, like, namespace, take_rows
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import mean_of_unit_length, unit_length
from distributed_trf.trf.parameters import whole
from distributed_trf.trf.resampling import draw_generator

ROUNDING = 1e-12
"""Difference within which two correlations are ties."""
OUT_OF_FOLD = 2**0.5
"""By how much shifted copies of out-of-fold predictions are widened, see ``shifted_p``."""
ARRAYS = 3
"""Arrays of the size of padded predictions that a block of units fills: with more or fewer it was slower."""


@dataclass(frozen=True)
class Shifts:
    """How the prediction of each stimulus is moved in each copy."""

    bins: np.ndarray
    """Of each stimulus, shape (S,)."""
    moves: np.ndarray
    """Bins by which each copy is moved later in each stimulus, shape (copies, S). Where stimuli have one bin each:
    orders of the stimuli, the given one first, shape (orders, S), of each of which all circular shifts are copies."""

    @property
    def in_order(self) -> bool:
        """Whether stimuli have one bin each, so that whole stimuli are moved."""
        return bool((self.bins == 1).all())

    @cached_property
    def padded(self) -> list[_Padded]:
        """Stimuli in groups that are transformed together."""
        return _padded(self.bins)


def draw_shifts(bins: Mapping[str, int], shifts: int, seed: int, key: Sequence[str | float] = ()) -> Shifts:
    """Draw how far the prediction of each stimulus is moved, uniformly among all its bins.

    Parameters
    ----------
    bins
        Number of bins by stimulus, in the order in which they are tested.
    shifts
        Number of copies, K. Of S stimuli of one bin each, K / S orders are drawn, rounded up.
    seed, key
        Together with the id of a stimulus they decide how it is moved, whatever other stimuli are tested. ``key``
        distinguishes stimulus sets and bin widths.

    Raises
    ------
    ConfigError, DataError
        If there is no copy, or no stimulus.

    Examples
    --------
    >>> both = draw_shifts({"a": 30, "b": 20}, 1000, seed=0)
    >>> both.moves.shape, bool((both.moves[:, 1:] == draw_shifts({"b": 20}, 1000, seed=0).moves).all())
    ((1000, 2), True)
    """
    shifts = whole("shifts", shifts, 1)
    if not bins:
        raise DataError("there are no stimuli whose predictions could be shifted; test at least one")
    lengths = np.array(list(bins.values()))
    generators = [draw_generator(seed, "shifts", *key, stimulus) for stimulus in bins]
    if (lengths == 1).all():
        further = -(-shifts // lengths.size) - 1
        orders = np.argsort([rng.random(further) for rng in generators], axis=0).T
        return Shifts(lengths, np.concatenate([np.arange(lengths.size)[np.newaxis], orders]))
    return Shifts(
        lengths, np.stack([rng.integers(n, size=shifts) for rng, n in zip(generators, lengths, strict=True)], 1)
    )


def shifted_p(
    y_true: Array, y_pred: Array, shifts: Shifts, rounding: Array | float = 0.0, *, out_of_fold: bool = False
) -> Array:
    """Compare the correlation of predictions with that of shifted copies of them.

    The statistic is ``mean_over_repeats``. A copy moves the prediction of each stimulus circularly by a number of bins
    of its own. Where a prediction has nothing to do with the response beyond what it is, and the response is stationary
    within a stimulus, all copies are as likely as the prediction found, but for the seams. So
    ``p = (b + 1) / (K + 1)``, where ``b`` of ``K`` copies reach the correlation found (Davison & Hinkley 1997, section
    4.2), ties included; the smallest p is ``1 / (K + 1)``. A response that changes alike in all stimuli, as at the
    onset of sounds, is not stationary: a prediction that has the same change is better than chance by it.

    Shifts change neither mean nor variance of the concatenated prediction. With ``q`` the prediction and ``z`` the mean
    over repeats of the response, all centred and of unit length, ``r = sum q z``; a copy adds up the circular
    cross-correlations of the stimuli at its shifts. They are computed for all shifts at once, by the Fourier transform.
    The means of stimuli add the same to all copies and to the correlation found, and are left out: what a prediction
    gets right between stimuli, and not within them, does not count.

    Stimuli of one bin each, as where a response is one value, have nothing to shift within. There the predictions of
    whole stimuli change places: ``J`` orders of the n stimuli, the given one and random ones, and all n circular shifts
    of each. The shifts are a group and the orders its random cosets, so that where stimuli are exchangeable the
    prediction found is equally likely any of these ``J n`` (Hemerik & Goeman 2018), and ``p = (b + 1) / (J n)``
    with ``b`` over all but the one found.

    Parameters
    ----------
    y_true
        Shape (R, T, U): repeats of the same stimuli, one after another.
    y_pred
        Shape (T, U).
    shifts
        From ``draw_shifts``, for these stimuli.
    rounding
        As in ``pearson``.
    out_of_fold
        Whether each stimulus is predicted by a fit on the others. Such predictions depend on one another: with
        predictions that are linear in the responses, r is ``sum_ij y_i' B_ij y_j`` over pairs of stimuli, and pairs
        (i, j) and (j, i) vary together, which copies do not. The variance of r is then at most twice that of the copies
        (Cauchy and Schwarz), so that the deviations of copies from their mean are taken ``sqrt(2)`` times.

    Returns
    -------
    array of shape (U,)
        One-sided p; NaN where r is, for a unit or a prediction that never varies.

    Raises
    ------
    DataError
        If the stimuli of ``shifts`` do not have the bins of the predictions.
    """
    if y_true.ndim != 3 or y_true.shape[1:] != y_pred.shape or int(shifts.bins.sum()) != y_pred.shape[0]:
        raise DataError(
            f"recorded responses are {tuple(y_true.shape)}, predictions {tuple(y_pred.shape)} and shifts of "
            f"{shifts.bins.size} stimuli with {int(shifts.bins.sum())} bins in all; expected (repeats, bins, units), "
            "(bins, units) and as many bins"
        )
    return shifted_p_of_mean(*mean_of_unit_length(y_true), y_pred, shifts, rounding, out_of_fold=out_of_fold)


def shifted_p_of_mean(
    response: Array,
    varying: Array,
    y_pred: Array,
    shifts: Shifts,
    rounding: Array | float = 0.0,
    *,
    out_of_fold: bool = False,
) -> Array:
    """Return ``shifted_p`` with repeats whose mean at unit length is known, which one prediction leaves to the next.

    Parameters
    ----------
    response, varying
        Of ``mean_of_unit_length``, shapes (T, U) and (U,).
    y_pred, shifts, rounding, out_of_fold
        As in ``shifted_p``.
    """
    xp, n_units = namespace(response, y_pred), y_pred.shape[1]
    rounding = rounding + like(np.zeros(n_units), y_pred)
    copies_of = _orders if shifts.in_order else _within_stimuli
    rows = shifts.moves.size if shifts.in_order else sum(len(part.ids) * part.length for part in shifts.padded)
    widening, found = OUT_OF_FOLD if out_of_fold else 1.0, []
    for units in blocks(n_units, block_rows(ARRAYS * rows, rounding)):
        prediction = unit_length(y_pred[:, units], rounding[units])
        reached, n_copies = copies_of(prediction, response[:, units], shifts, widening)
        defined = xp.any(prediction != 0, axis=0) & varying[units]
        found.append(xp.where(defined, (reached + 1) / (n_copies + 1), xp.nan))
    return xp.concat(found)


def _within_stimuli(prediction: Array, response: Array, shifts: Shifts, widening: float) -> tuple[Array, int]:
    """Count the copies that reach the correlation found, for each unit; and all copies."""
    xp = namespace(prediction)
    tables, first = [], np.zeros(shifts.bins.size, dtype=np.int64)
    above = 0
    for part in shifts.padded:
        tables.append(part.cross_correlations(prediction, response))
        bins = shifts.bins[part.ids]
        first[part.ids] = above + np.cumsum(bins) - bins
        above += int(bins.sum())
    table, reached = xp.concat(tables), xp.zeros_like(prediction[0, :])
    least = (xp.sum(take_rows(table, first), axis=0) - ROUNDING) / widening
    for copies in blocks(len(shifts.moves), block_rows(2 * table.shape[1], table)):
        # To a device at once, and not stimulus by stimulus.
        rows = xp.asarray(np.ascontiguousarray((first + shifts.moves[copies]).T), device=device_of(table))
        r = xp.take(table, rows[0, :], axis=0)
        for k in range(1, rows.shape[0]):
            r += xp.take(table, rows[k, :], axis=0)
        reached += xp.sum(xp.astype(r >= least, table.dtype), axis=0)
    return reached, len(shifts.moves)


def _orders(prediction: Array, response: Array, shifts: Shifts, widening: float) -> tuple[Array, int]:
    """Count the circular shifts of all orders that reach the correlation found, but for the order and shift found."""
    xp, (n_orders, n) = namespace(prediction), shifts.moves.shape
    ordered = xp.reshape(take_rows(prediction, shifts.moves.ravel()), (n_orders, n, -1))
    spectra = xp.conj(xp.fft.rfft(ordered, axis=1)) * xp.fft.rfft(response[None, :, :], axis=1)
    r = xp.reshape(xp.fft.irfft(spectra, n=n, axis=1), (n_orders * n, -1))
    least = (r[0, :] - ROUNDING) / widening
    return xp.sum(xp.astype(r[1:, :] >= least, r.dtype), axis=0), n_orders * n - 1


@dataclass(frozen=True)
class _Padded:
    """Stimuli that are transformed together, at one length."""

    ids: np.ndarray
    """Indices of the stimuli."""
    bins: np.ndarray
    """Of each stimulus, shape (stimuli,)."""
    length: int
    """At least twice the bins of each."""
    once: np.ndarray
    """Row of each bin, and one behind the last for the padding, shape (stimuli, length)."""
    again: np.ndarray
    """The same, with the bins of each stimulus a second time behind them."""

    def cross_correlations(self, prediction: Array, response: Array) -> Array:
        """Correlate predictions moved by each number of bins with responses; stimuli one after another, (bins, U)."""
        xp = namespace(prediction)
        zero = xp.zeros_like(prediction[:1, :])
        p, z = (
            xp.reshape(take_rows(xp.concat([x, zero]), rows.ravel()), (*rows.shape, -1))
            for x, rows in ((prediction, self.once), (response, self.again))
        )
        inside = like(np.arange(self.length) < self.bins[:, np.newaxis], p)[:, :, None]
        p -= inside * (xp.sum(p, axis=1) / like(self.bins, p)[:, None])[:, None, :]
        # sum_t p(t) z(t + k), where z goes on with its beginning: that is p moved circularly by k.
        spectra = xp.conj(xp.fft.rfft(p, axis=1)) * xp.fft.rfft(z, axis=1)
        lagged = xp.reshape(xp.fft.irfft(spectra, n=self.length, axis=1), (self.once.size, -1))
        return take_rows(lagged, np.concatenate([k * self.length + np.arange(n) for k, n in enumerate(self.bins)]))


def _padded(bins: np.ndarray) -> list[_Padded]:
    """Group stimuli by the length at which they are transformed: a power of two, or three times one."""
    ends = np.cumsum(bins)
    powers = 2 ** np.ceil(np.log2(2 * bins)).astype(int)
    lengths = np.where(2 * bins <= 3 * powers // 4, 3 * powers // 4, powers)
    found = []
    for length in np.unique(lengths).tolist():
        ids = np.flatnonzero(lengths == length)
        t, n = np.arange(length), bins[ids, np.newaxis]
        first, outside = ends[ids, np.newaxis] - n, ends[-1]
        once, again = (np.where(t < times * n, first + t % n, outside) for times in (1, 2))
        found.append(_Padded(ids, bins[ids], length, once, again))
    return found
