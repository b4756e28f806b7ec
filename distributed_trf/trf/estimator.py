"""``TRF``: a temporal response function in scikit-learn's manner, on lists of trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from distributed_trf.arrays import Array, like, namespace
from distributed_trf.errors import ConfigError, DataError
from distributed_trf.trf.choice import Precision, SolverName
from distributed_trf.trf.collect import fit_trials
from distributed_trf.trf.crossval import assign_folds, check_alphas
from distributed_trf.trf.evaluation import PairedSums, bootstrap_r
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.predict import drive
from distributed_trf.trf.trial_folds import Trials
from distributed_trf.trf.trials import check_features, check_folds, check_responses


@dataclass(eq=False)
class TRF:
    """Temporal response function: time-lagged ridge regression with a penalty of its own for each unit.

    ``y_u(t) = intercept_u + sum over f, l of coef[u, f, l] * x_f(t - lag_l)``, fitted by minimising
    ``||y - Xw||^2 + m * alpha * ||w||^2`` over the ``m`` training bins, where the columns of ``X`` are z-scored (or
    only centred) and ``y`` is centred, so that the intercept is never penalised.

    Parameters
    ----------
    tmin, tmax
        First and last lag in seconds, both included; a positive lag is past sound. In samples they are
        ``round(tmin * sfreq)`` to ``round(tmax * sfreq)``.
    sfreq
        Bins per second.
    alphas
        Penalties to choose from, positive and ascending. mTRFpy's ``lambda`` corresponds to
        ``alpha = lambda * sfreq * n_trials / m`` with ``standardize=False``.
    n_folds
        Folds of trials that choose the penalty, by mean R^2 per unit, ties to the smaller.
    lead_in
        Rows at the start of every trial of X that have no row in Y: sound (or silence) before the first response, so
        that early lags see it. Whatever lies before a trial's first row counts as zero.
    standardize
        Z-score each lagged column with the training rows' mean and (population standard deviation + 1e-6).
    seed
        Of the shuffle that deals trials into folds.
    solver
        ``eigh``, ``cholesky`` (few penalties) or ``dual`` (more lagged features than bins); ``auto`` takes the quickest
        that fits into memory. The numbers are the same.
    precision
        ``float64``, or ``float32`` for products and factorisations in single precision: quicker on most GPUs, r to
        about three digits.
    all_scores
        Score every penalty. Otherwise only those that could win are scored in full precision and the others are NaN:
        the same choice for less work when there are many units.

    Attributes
    ----------
    alpha_ : array of shape (U,)
        Chosen penalty of each unit; NaN for a unit that never varies.
    cv_scores_ : array of shape (A, U)
        Held-out R^2 of each penalty, mean over folds.
    coef_ : array of shape (U, F, L)
        Weights in the units of the raw features; zero for a unit that never varies.
    intercept_ : array of shape (U,)
    lags_ : array of shape (L,)
        Seconds.
    n_constant_ : int
        How many units never vary on the training trials.
    solver_ : str
        The solver that was used.
    fallbacks_ : tuple of str
        Factorisations that failed their check and what was done instead.

    Notes
    -----
    Numpy and cupy arrays are both taken; results live where the data do. The method is that of Ahmed et al. (2025),
    PLoS Comput Biol 21(8): e1013334.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(200, 2)) for _ in range(6)]
    >>> Y = [np.roll(x[:, :1], 1, axis=0) + 0.1 * rng.normal(size=(200, 1)) for x in X]
    >>> trf = TRF(tmin=0.0, tmax=0.1, sfreq=20.0).fit(X[:4], Y[:4])
    >>> float(trf.lags_[trf.coef_[0, 0].argmax()])
    0.05
    >>> bool(trf.score(X[4:], Y[4:])[0] > 0.9)
    True
    """

    tmin: float = 0.0
    tmax: float = 0.2
    sfreq: float = 20.0
    alphas: Sequence[float] | np.ndarray = field(default_factory=lambda: np.logspace(-5, 15, 21))
    n_folds: int = 3
    lead_in: int = 0
    standardize: bool = True
    seed: int = 0
    solver: SolverName = "auto"
    precision: Precision = "float64"
    all_scores: bool = True

    def fit(self, X: Sequence[Array], Y: Sequence[Array], folds: Sequence[Sequence[int]] | None = None) -> Self:
        """Fit all units.

        Parameters
        ----------
        X
            Features, one array of shape (lead_in + T_i, F) per trial.
        Y
            Responses, one array of shape (T_i, U) per trial.
        folds
            Trial indices of each fold; by default dealt from ``seed``.

        Raises
        ------
        DataError
            If trials do not fit together, or hold NaN or Inf.
        ConfigError
            If a parameter cannot be used.
        """
        if self.lead_in < 0:
            raise ConfigError(f"lead_in={self.lead_in} must be 0 or more rows")
        alphas = check_alphas(self.alphas)
        lags = lag_samples(self.tmin, self.tmax, self.sfreq)
        n_features = check_features(X, lead_in=self.lead_in)
        check_responses(X, Y, lead_in=self.lead_in)
        if folds is None:
            dealt = [fold.tolist() for fold in assign_folds(len(X), self.n_folds, self.seed)]
        else:
            dealt = check_folds(folds, len(X))
        result = fit_trials(
            [Trials([X[i] for i in fold], [Y[i] for i in fold]) for fold in dealt],
            lags,
            self.lead_in,
            alphas,
            standardize=self.standardize,
            solver=self.solver,
            precision=self.precision,
            all_scores=self.all_scores,
        )

        xp = namespace(result.weights)
        by_lag = xp.reshape(result.weights, (len(lags), n_features, -1))
        self.alpha_ = result.alpha
        self.cv_scores_ = result.cv_scores
        self.coef_ = xp.permute_dims(by_lag, (2, 1, 0))
        self.intercept_ = result.intercept
        self.lags_ = like(lags, result.weights) / self.sfreq
        self.n_constant_ = int(xp.sum(xp.astype(xp.isnan(result.alpha), xp.int64)))
        self.solver_, self.fallbacks_ = result.solver, result.fallbacks
        return self

    def predict(self, X: Sequence[Array]) -> list[Array]:
        """Predict the responses to features, one array of shape (T_i, U) per trial."""
        return self._by_trial(X, self._drive(X) + self.intercept_)

    def score(
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
            Responses, all of shape (T_i, U), or all (R, T_i, U): then r is taken per repeat and averaged over the
            repeats in which the unit varies.
        n_repeats
            Repeats to draw with replacement; by default each once.
        percent_duration
            Trials to draw with replacement until they last this percentage of all; by default each once.
        seed
            Of the draw; unused without one.

        Returns
        -------
        array of shape (U,)
            Pearson r; NaN for a unit that never varies.
        """
        check_responses(X, Y, lead_in=self.lead_in, repeats=True)
        # Without the intercept, beside which heavily shrunk weights would be rounded away.
        predicted = self._by_trial(X, self._drive(X))
        sums = PairedSums.of([y if y.ndim == 3 else y[None, :, :] for y in Y], predicted)
        return bootstrap_r(
            sums, sums.n_bins, percent_duration=percent_duration, n_repeats=n_repeats, draws=1, seed=seed
        )[0, :]

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's ``clone`` asks for them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters by name."""
        known = {f.name for f in fields(self)}
        for name, value in params.items():
            if name not in known:
                raise ConfigError(f"TRF has no parameter {name!r}; it has {', '.join(sorted(known))}")
            setattr(self, name, value)
        return self

    def _drive(self, X: Sequence[Array]) -> Array:
        if not hasattr(self, "coef_"):
            raise DataError("this TRF is not fitted yet; call fit(X, Y) first")
        check_features(X, lead_in=self.lead_in, n_features=self.coef_.shape[1])
        xp = namespace(self.coef_)
        weights = xp.reshape(xp.permute_dims(self.coef_, (2, 1, 0)), (-1, self.coef_.shape[0]))
        return drive(X, weights, lag_samples(self.tmin, self.tmax, self.sfreq), self.lead_in)

    def _by_trial(self, X: Sequence[Array], predicted: Array) -> list[Array]:
        borders = np.cumsum([0] + [x.shape[0] - self.lead_in for x in X]).tolist()
        return [predicted[start:stop, :] for start, stop in zip(borders, borders[1:], strict=False)]
