"""What a fitted ``TRF`` does with other trials: predict, correlate, score, share out what it explains."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from distributed_trf.arrays import Array, namespace, to_numpy
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.banded import band_drives, variance_shares
from distributed_trf.trf.correlation_sums import CorrelationSums, bootstrap_r
from distributed_trf.trf.lags import drive, drive_rounding, lag_samples
from distributed_trf.trf.prepared import TRFParameters
from distributed_trf.trf.trials import as_features, as_responses


class Fitted(TRFParameters):
    """The half of ``TRF`` that needs its weights; those are described there."""

    alpha_: Array
    coef_: Array
    intercept_: Array
    padding_: Array | None
    x_inverse_: Array

    def predict(self, X: Sequence[Array]) -> list[Array]:
        """Predict the responses to features, one array of shape (T_i, U) per trial."""
        X = self._features(X)
        return self._by_trial(X, drive(X, *self._weights(), self.padding_) + self.intercept_)

    def correlate(
        self,
        X: Sequence[Array],
        Y: Sequence[Array],
        *,
        n_repeats: int | None = None,
        percent_duration: float | None = None,
        seed: int = 0,
    ) -> Array:
        """Correlate predictions with responses over the concatenated trials.

        Parameters
        ----------
        X
            Features, one array of shape (lead_in + T_i, F) per trial.
        Y
            Responses, all of shape (T_i, U), or all (R, T_i, U): then r is taken per repeat and averaged over repeats;
            one in which the unit does not vary, such as a repeat without a spike, counts as r = 0.
        n_repeats
            Repeats to draw with replacement; by default each once.
        percent_duration
            Trials to draw with replacement until they last this percentage of all; by default each once.
        seed
            Of the draw; unused without one.

        Returns
        -------
        array of shape (U,)
            Pearson r; NaN for a unit that never varies, or whose prediction varies by no more than rounding.
        """
        X = self._features(X)
        Y = as_responses(X, Y, lead_in=self.lead_in, repeats=True)
        # Without the intercept, beside which heavily shrunk weights would be rounded away.
        weights, lags, lead_in = self._weights()
        predicted = self._by_trial(X, drive(X, weights, lags, lead_in, self.padding_))
        rounding = drive_rounding(X, weights, len(lags), self.x_inverse_)
        sums = CorrelationSums.of([y if y.ndim == 3 else y[None, :, :] for y in Y], predicted, rounding)
        return bootstrap_r(
            sums, sums.n_bins, percent_duration=percent_duration, n_repeats=n_repeats, draws=1, seed=seed
        )[0, :]

    def score(self, X: Sequence[Any], Y: Sequence[Any]) -> float:
        """Return the mean of ``correlate`` over units, one number as scikit-learn's ``cross_val_score`` wants it.

        Parameters
        ----------
        X, Y
            Trials as in ``correlate``.

        Returns
        -------
        float
            Mean r over the units that have one; NaN where none has.
        """
        r = to_numpy(self.correlate(X, Y))
        return float(np.mean(r[~np.isnan(r)])) if not np.isnan(r).all() else float("nan")

    def shares(self, X: Sequence[Array], Y: Sequence[Array]) -> Array:
        """Return which part of the explained variance each band accounts for, by the product measure.

        Parameters
        ----------
        X, Y
            Trials as in ``correlate``; repeats are averaged.

        Returns
        -------
        array of shape (B, U)
            Adds up to 1 over bands; NaN where nothing is explained. See ``variance_shares``.

        Raises
        ------
        ConfigError
            If there are no ``bands``.
        """
        if self.bands is None:
            raise ConfigError("bands=None: there are no bands to share the explained variance; give their widths")
        X = self._features(X)
        Y = as_responses(X, Y, lead_in=self.lead_in, repeats=True)
        weights, lags, lead_in = self._weights()
        parts = band_drives(X, weights, lags, lead_in, self.bands, self.padding_)
        xp = namespace(*Y)
        rounding = xp.sum(drive_rounding(X, weights, len(lags), self.x_inverse_), axis=0)
        return variance_shares(xp.concat(Y, axis=-2), parts, rounding)[1]

    def _repr_html_(self) -> str:
        """Show in a notebook what it is made with and, once it is fitted, what was found."""
        lines = [f"<code>{escape(repr(self))}</code>"]
        if hasattr(self, "coef_"):
            units, features, lags = self.coef_.shape
            alphas = to_numpy(self.alpha_)
            known = alphas[~np.isnan(alphas)]
            penalties = f"; penalties {known.min():.3g} to {known.max():.3g}" if known.size else ""
            lines.append(f"fitted: {features} features at {lags} lags, {units} units{penalties}")
        return f"<div>{'<br>'.join(lines)}</div>"

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is; nothing else asks, so that it is there when it does."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=True, multi_output=True, two_d_labels=True),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(two_d_array=False, three_d_array=True),
            no_validation=True,
        )

    def _features(self, X: Sequence[Any]) -> list[Array]:
        """Features that the weights can meet."""
        if not hasattr(self, "coef_"):
            raise DataError("this TRF is not fitted yet; call fit(X, Y) first")
        return as_features(X, lead_in=self.lead_in, n_features=self.coef_.shape[1])

    def _weights(self) -> tuple[Array, tuple[int, ...], int]:
        """Weights of the lagged columns, shape (d, U), the lags in samples, and the lead-in."""
        xp = namespace(self.coef_)
        weights = xp.reshape(xp.permute_dims(self.coef_, (2, 1, 0)), (-1, self.coef_.shape[0]))
        return weights, lag_samples(self.tmin, self.tmax, self.sfreq), int(self.lead_in)

    def _by_trial(self, X: Sequence[Array], predicted: Array) -> list[Array]:
        borders = np.cumsum([0] + [x.shape[0] - int(self.lead_in) for x in X]).tolist()
        return [predicted[start:stop, :] for start, stop in zip(borders, borders[1:], strict=False)]
