"""Test correlations of any draw of stimuli and repeats, from sums taken once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.arrays import Array, like, namespace, to_numpy
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import centred, varies
from distributed_trf.trf.resampling import draw_tests
from distributed_trf.trf.trials import not_finite

BLOCK_VALUES = 2**20
"""Correlations (draws x repeats x units) that are computed at once: 8 MiB for each of half a dozen arrays."""

Counts = Sequence[float] | Sequence[Sequence[float]] | np.ndarray
"""Host numbers: how often each stimulus or repeat counts; 0 leaves it out."""


@dataclass(frozen=True, eq=False)
class CorrelationSums:
    """Sums over each test stimulus of what was recorded, what was predicted and their products.

    They are for evaluation what ``Moments`` are for fitting: the time series are read once, and the correlation over
    any draw of stimuli, each counted as often as it was drawn, is a merge of centred sums.
    """

    n_bins: tuple[int, ...]
    """Bins of each of the S stimuli."""
    recorded_mean: Array
    """Shape (S, R, U)."""
    recorded_power: Array
    """Centred sums of squares, shape (S, R, U)."""
    predicted_mean: Array
    """Shape (S, U)."""
    predicted_power: Array
    """Centred sums of squares, shape (S, U)."""
    product: Array
    """Centred sums of recorded times predicted, shape (S, R, U)."""
    rounding: Array
    """Of the predicted power, shape (S, U)."""

    @classmethod
    def of(
        cls, recorded: Sequence[Array], predicted: Sequence[Array], rounding: Array | None = None
    ) -> CorrelationSums:
        """Sum up the responses to test stimuli.

        Parameters
        ----------
        recorded
            One array of shape (R, T_i, U) per stimulus; repeat r is one presentation of all of them.
        predicted
            One array of shape (T_i, U) per stimulus. Without an intercept: beside it the digits of weights shrunk by a
            penalty of 1e15 would be lost, and no correlation depends on it.
        rounding
            What it may have added to each stimulus's sum of squares of the prediction, shape (S, U): see
            ``drive_rounding``. By default nothing.

        Raises
        ------
        DataError
            Naming the stimulus, if shapes do not fit together or one holds NaN or Inf.
        """
        _check(recorded, predicted)
        xp = namespace(*recorded, *predicted)
        sums: list[tuple[Array, ...]] = []
        for y_true, y_pred in zip(recorded, predicted, strict=True):
            (mean_true, a), (mean_pred, b) = (centred(xp.astype(y, xp.float64, copy=False)) for y in (y_true, y_pred))
            power_true, power_pred = xp.sum(a * a, axis=-2), xp.sum(b * b, axis=-2)
            sums.append((mean_true, power_true, mean_pred, power_pred, xp.sum(a * b[None, :, :], axis=-2)))
        n_bins = tuple(y_pred.shape[0] for y_pred in predicted)
        mean_true, power_true, mean_pred, power_pred, product = map(xp.stack, zip(*sums, strict=True))
        rounding = xp.zeros_like(mean_pred) if rounding is None else rounding
        return cls(n_bins, mean_true, power_true, mean_pred, power_pred, product, rounding)

    def r(self, stimulus_counts: Counts | None = None, repeat_counts: Counts | None = None) -> Array:
        """Correlate per repeat over the stimuli one after another, then average over repeats.

        Parameters
        ----------
        stimulus_counts
            How often each stimulus counts, shape (S,); by default once.
        repeat_counts
            How often each repeat counts in the mean, shape (R,); by default once.

        Returns
        -------
        array of shape (U,)
            Pearson r, mean over the repeats. One in which the unit does not vary, such as a repeat without a spike,
            counts as r = 0, as it does in the normaliser, whatever is drawn: means over draws approach the r of all.
            NaN for a unit that varies in no repeat of all stimuli, and where the prediction varies by no more
            than rounding.

        Raises
        ------
        DataError
            If counts have another shape, are negative or not finite, or are all 0.

        Examples
        --------
        >>> recorded = [np.asarray([[[0.0], [1.0], [2.0]]]), np.asarray([[[5.0], [4.0]]])]
        >>> predicted = [np.asarray([[0.0], [1.0], [2.0]]), np.asarray([[0.0], [1.0]])]
        >>> sums = CorrelationSums.of(recorded, predicted)
        >>> sums.r().round(3).tolist(), sums.r([1, 0]).round(3).tolist(), sums.r([0, 3]).round(3).tolist()
        ([-0.086], [1.0], [-1.0])
        """
        stimuli, repeats = (None if c is None else to_numpy(c)[None] for c in (stimulus_counts, repeat_counts))
        return self.r_of_draws(stimuli, repeats)[0, :]

    def r_of_draws(self, stimulus_counts: Counts | None = None, repeat_counts: Counts | None = None) -> Array:
        """Return ``r`` for many draws at once, shape (B, U).

        Parameters
        ----------
        stimulus_counts, repeat_counts
            As in ``r``, a row for each draw: shapes (B, S) and (B, R). One row, or None, serves all draws.
        """
        n_repeats, n_units = self.product.shape[1:]
        stimuli = _counts(stimulus_counts, len(self.n_bins), "stimulus_counts")
        repeats = _counts(repeat_counts, n_repeats, "repeat_counts")
        n_draws = max(len(stimuli), len(repeats))
        if {len(stimuli), len(repeats)} - {1, n_draws}:
            raise DataError(f"{len(stimuli)} draws of stimuli do not fit {len(repeats)} draws of repeats")
        stimuli, repeats = (np.broadcast_to(counts, (n_draws, counts.shape[1])) for counts in (stimuli, repeats))
        xp = namespace(self.product)
        step = max(1, BLOCK_VALUES // max(1, n_repeats * n_units))
        correlations = []
        for start in range(0, n_draws, step):
            chosen = slice(start, start + step)
            by_repeat = self._by_repeat(like(stimuli[chosen], self.product))
            correlations.append(_mean_over_drawn(by_repeat, like(repeats[chosen], self.product)))
        r = xp.concat(correlations)
        return xp.where(self._responds(), r, xp.nan * r)

    def _responds(self) -> Array:
        """Return which units vary in any repeat of all stimuli, shape (U,)."""
        xp = namespace(self.product)
        between = self.recorded_mean != self.recorded_mean[:1, :, :]
        return xp.any((self.recorded_power > 0) | between, axis=(0, 1))

    def _by_repeat(self, times: Array) -> Array:
        """Correlate in each repeat, (draws, S) to (draws, R, U): 0 where a unit, NaN where its prediction is flat."""
        xp = namespace(times)
        # Bins that count, (draws, S): stimulus s of T_s bins, drawn c_s times, is c_s T_s bins; centred sums within it
        # count c_s times, c_s p_s, with no regard to which bins they came from.
        n = times * like(self.n_bins, times)
        total = xp.sum(n, axis=1)[:, None]
        share = n / total
        power_true, power_pred = _mix(times, self.recorded_power), _mix(times, self.predicted_power)
        product = _mix(times, self.product)
        # What the means of stimuli add, pair by pair (Chan, Golub & LeVeque 1983): n_s n_t / n (m_s - m_t)^2. Nothing
        # is subtracted from a sum, so no digit is lost however far apart the means of stimuli not drawn may be, and
        # what never varies in a draw stays exactly zero.
        # This loop is over stimuli s, for all t > s at once: a and b are (S - s - 1, ..., U), pairs (draws, S - s - 1).
        for s in range(len(self.n_bins) - 1):
            pairs = n[:, s : s + 1] * share[:, s + 1 :]
            a = self.recorded_mean[s + 1 :, :, :] - self.recorded_mean[s : s + 1, :, :]
            b = self.predicted_mean[s + 1 :, :] - self.predicted_mean[s : s + 1, :]
            power_true += _mix(pairs, a * a)
            power_pred += _mix(pairs, b * b)
            product += _mix(pairs, a * b[:, None, :])
        true_varies = varies(power_true, _mix(share, self.recorded_mean), total[:, :, None])
        pred_varies = varies(power_pred, _mix(share, self.predicted_mean), total)
        pred_varies = (pred_varies & (power_pred > _mix(times, self.rounding)))[:, None, :]
        defined = true_varies & pred_varies
        one = xp.ones_like(product)
        # Two roots, not the root of a product: of two small powers it would underflow.
        norm = xp.sqrt(xp.where(defined, power_true, one)) * xp.sqrt(xp.where(defined, power_pred[:, None, :], one))
        r = xp.where(defined, product / norm, xp.zeros_like(one))
        return xp.where(pred_varies, r, xp.nan * one)


def bootstrap_r(
    sums: CorrelationSums,
    durations: Sequence[float] | np.ndarray,
    *,
    percent_duration: float | None,
    n_repeats: int | None,
    draws: int,
    seed: int,
) -> Array:
    """Correlate over many draws of test stimuli and repeats.

    Parameters
    ----------
    sums
        Of all test stimuli and repeats.
    durations
        Of each test stimulus, shape (S,).
    percent_duration, n_repeats, draws, seed
        As in ``draw_tests``, which returns what was drawn; they decide the numbers entirely.

    Returns
    -------
    array of shape (draws, U)
        As in ``CorrelationSums.r``.

    Raises
    ------
    ConfigError, DataError
        As in ``draw_tests``, or if there are not as many durations as stimuli.
    """
    if len(durations) != len(sums.n_bins):
        raise DataError(f"there are {len(durations)} durations for {len(sums.n_bins)} test stimuli; give one for each")
    stimuli, repeats = draw_tests(
        durations,
        sums.product.shape[1],
        percent_duration=percent_duration,
        n_repeats=n_repeats,
        draws=draws,
        seed=seed,
    )
    return sums.r_of_draws(stimuli, repeats)


def _mix(weights: Array, values: Array) -> Array:
    """Sum over stimuli by weight: (draws, S) and (S, ...) to (draws, ...)."""
    xp = namespace(weights)
    flat = xp.reshape(values, (values.shape[0], -1))
    return xp.reshape(weights @ flat, (weights.shape[0], *values.shape[1:]))


def _mean_over_drawn(r: Array, times: Array) -> Array:
    """Average over repeats, each as often as drawn: (draws, R, U) to (draws, U)."""
    xp = namespace(r)
    return xp.sum(times[:, :, None] * r, axis=1) / xp.sum(times, axis=1)[:, None]


def _counts(counts: Counts | None, size: int, name: str) -> np.ndarray:
    if counts is None:
        return np.ones((1, size))
    values = np.asarray(to_numpy(counts), dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != size or len(values) == 0:
        raise DataError(f"{name} have shape {values.shape}; expected (draws, {size}), or ({size},) for a single draw")
    if not (np.isfinite(values).all() and (values >= 0).all() and (values.sum(axis=1) > 0).all()):
        worst = next(k for k, row in enumerate(values) if not (np.isfinite(row).all() and row.min() >= 0 and row.any()))
        raise DataError(f"{name} of draw {worst} are {values[worst].tolist()}; expected 0 or more, not all of them 0")
    return values


def _check(recorded: Sequence[Array], predicted: Sequence[Array]) -> None:
    if len(recorded) != len(predicted) or len(recorded) == 0:
        raise DataError(
            f"there are {len(recorded)} recorded and {len(predicted)} predicted test stimuli; expected at least one "
            "and as many predictions"
        )
    namespace(*recorded, *predicted)
    for i, (y_true, y_pred) in enumerate(zip(recorded, predicted, strict=True)):
        shape, first = tuple(y_true.shape), tuple(recorded[0].shape)
        if len(shape) != 3 or 0 in shape[:2] or len(first) != 3 or (shape[0], shape[2]) != (first[0], first[2]):
            raise DataError(
                f"recorded[{i}] has shape {shape}; expected (repeats, bins, units), at least one repeat and one bin, "
                f"with the repeats and units of recorded[0] of shape {first}"
            )
        if tuple(y_pred.shape) != shape[1:]:
            raise DataError(f"predicted[{i}] has shape {tuple(y_pred.shape)}; expected {shape[1:]} as recorded")
    for k in not_finite([*recorded, *predicted])[:1]:
        name = "recorded" if k < len(recorded) else "predicted"
        raise DataError(f"{name}[{k % len(recorded)}] holds NaN or Inf; leave out stimuli without a response")
