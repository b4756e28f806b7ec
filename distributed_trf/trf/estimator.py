"""``TRF``: a temporal response function in scikit-learn's manner, on lists of trials."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from distributed_trf.arrays import like, namespace, to_numpy
from distributed_trf.trf.banded import BandedFit
from distributed_trf.trf.cross_validated import CrossValidated, cross_validate_trials, splits_of_trials
from distributed_trf.trf.crossval import RidgeFit, assign_folds, at_edges, fit_folds
from distributed_trf.trf.fitted import Fitted
from distributed_trf.trf.fold_collector import collect_trials
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.lags import FeatureMeans
from distributed_trf.trf.prepared import Prepared
from distributed_trf.trf.splits import Splits
from distributed_trf.trf.trials import check_folds


@dataclass(eq=False, repr=False)
class TRF(Fitted):
    """Temporal response function: time-lagged ridge regression with a separate penalty for each unit.

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
        Folds of trials that choose the penalty, by mean R^2 per unit, ties to the smaller. A fold in which a unit never
        varies counts as R^2 = 0. Units that vary within fewer than two folds, and all units where a fold is a single
        bin, have an R^2 pooled over folds instead: 1 - (squared errors of all folds) / (their squares around the mean
        of the bins outside the fold).
    lead_in
        Rows at the start of every trial of X that have no row in Y: sound (or silence) before the first response, so
        that early lags see it. What lies outside a trial's rows counts as ``padding`` says.
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
    bands
        Number of features of each band, where X has bands of features side by side (layers, or a spectrogram and
        a network). Each band then has its own penalty: banded ridge, Dupré la Tour et al. (2022), NeuroImage
        264:119728. By default all features share one.
    candidates
        With bands: how many weights of the bands to try, drawn from ``seed``; the first is plain ridge.
    padding
        Features before a trial's first and after its last row: ``zero``, or the ``mean`` of each feature over the
        training rows (in cross-validation over those of each fold's training trials), which predictions use as well.
        It matters for features that are not near zero in silence, such as spectrograms in dB, where the
        lead-in is shorter than the longest lag: beside an offset of many deviations the steps from and to zero are all
        that a lagged column holds. With the mean, predictions do not depend on an offset.

    Attributes
    ----------
    alpha_ : array of shape (U,)
        Chosen penalty of each unit; NaN for a unit that never varies.
    n_at_edges_ : tuple of int
        How many units chose the first and the last of ``alphas``: where many did, the grid may be too narrow.
    cv_scores_ : array of shape (A, U)
        Held-out R^2 of each penalty, mean or pooled over folds (see ``n_folds``); with bands, at the bands' chosen
        weights.
    band_weights_ : array of shape (B, U)
        With bands: their chosen weights, mean 1; band b of a unit is penalised by ``alpha_ / band_weights_[b]``.
    coef_ : array of shape (U, F, L)
        Weights in the units of the raw features; zero for a unit that never varies.
    intercept_ : array of shape (U,)
    padding_ : array of shape (F,), or None
        The mean that trials are padded with; None for zeros.
    lags_ : array of shape (L,)
        Seconds.
    unreached_lags_ : tuple of float
        Lags in seconds that are longer than every trial, so that no response sees sound there; their weights are 0.
    x_inverse_ : array of shape (F * L,)
        One over the scales of the lagged columns, lag by lag; zero for a column that never varies.
    n_constant_ : int
        How many units never vary on the training trials.
    solver_ : str
        The solver that was used.
    fallbacks_ : tuple of str
        Factorisations that failed their check and what was done instead.

    Notes
    -----
    Arrays of numpy, cupy and torch are taken as they are, integers or floats of any precision, and results live where
    the data do. Lists of numbers, pandas DataFrames and xarray DataArrays become numpy arrays; ``trials.as_array`` says
    what is checked and what is refused. The method is that of Ahmed et al. (2025), PLoS Comput Biol 21(8): e1013334.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(200, 2)) for _ in range(6)]
    >>> Y = [np.roll(x[:, :1], 1, axis=0) + 0.1 * rng.normal(size=(200, 1)) for x in X]
    >>> trf = TRF(tmin=0.0, tmax=0.1, sfreq=20.0).fit(X[:4], Y[:4])
    >>> float(trf.lags_[trf.coef_[0, 0].argmax()])
    0.05
    >>> bool(trf.correlate(X[4:], Y[4:])[0] > 0.9)
    True
    """

    def fit(self, X: Sequence[Any], Y: Sequence[Any], folds: Sequence[Sequence[int]] | None = None) -> Self:
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
            If trials do not fit together, or hold anything but finite real numbers.
        ConfigError
            If a parameter cannot be used, or no lag reaches sound in any trial.
        """
        prepared = Prepared.of(self, X, Y)
        X, Y, lags = prepared.X, prepared.Y, prepared.lags
        if folds is None:
            dealt = [fold.tolist() for fold in assign_folds(len(X), self.n_folds, self.seed)]
        else:
            dealt = check_folds(folds, len(X))
        collected = collect_trials(
            [FoldTrials([X[i] for i in fold], [Y[i] for i in fold]) for fold in dealt],
            lags,
            prepared.lead_in,
            len(prepared.alphas),
            standardize=self.standardize,
            solver=self.solver,
            precision=self.precision,
            pad_with_mean=self.padding == "mean",
        )
        result: RidgeFit | BandedFit
        if prepared.bands is None:
            result = fit_folds(collected, prepared.alphas, all_scores=self.all_scores)
        else:
            result = prepared.fit_banded(collected)
            self.band_weights_ = result.band_weights

        xp = namespace(result.weights)
        by_lag = xp.reshape(result.weights, (len(lags), X[0].shape[1], -1))
        self.x_inverse_ = result.inverse
        self.alpha_ = result.alpha
        chosen = to_numpy(result.alpha)
        self.n_at_edges_ = at_edges(chosen, prepared.alphas)
        self.cv_scores_ = result.cv_scores
        self.coef_ = xp.permute_dims(by_lag, (2, 1, 0))
        self.intercept_ = result.intercept
        self.padding_ = FeatureMeans.of(X).mean if self.padding == "mean" else None
        self.lags_ = like(lags, result.weights) / self.sfreq
        self.unreached_lags_ = tuple(lag / self.sfreq for lag in prepared.unreached)
        self.n_constant_ = int(np.isnan(chosen).sum())
        self.solver_, self.fallbacks_ = result.solver, result.fallbacks
        return self

    def cross_validate(
        self,
        X: Sequence[Any],
        Y: Sequence[Any],
        splits: Splits | None = None,
        *,
        folds: int | None = None,
        groups: Sequence[Hashable] | None = None,
    ) -> CrossValidated:
        """Predict trials by fits that never saw them; nothing of this estimator changes.

        This is nested cross-validation: of the training trials of each split, inner folds choose the penalties. Sums
        over time are taken once for all splits.

        Parameters
        ----------
        X
            Features, one array of shape (lead_in + T_i, F) per trial.
        Y
            Responses, all of shape (T_i, U), or all (R, T_i, U): then the mean over repeats trains, and r is taken
            per repeat and averaged, as in ``correlate``.
        splits
            Training and test trials, as ``given_splits`` and ``nested_folds`` make them.
        folds
            Instead of splits, the number of outer folds, each of which is tested once. Inner folds, ``n_folds`` but at
            most ``folds - 1``, are made of whole outer folds, dealt from ``seed``.
        groups
            Label of each trial: trials of a group are never divided, and without ``folds`` each group is an outer fold
            (scikit-learn's ``LeaveOneGroupOut``).

        Raises
        ------
        DataError, ConfigError
            As in ``fit``; if splits or groups do not fit the trials, or it is not said how to split.

        Examples
        --------
        >>> rng = np.random.default_rng(0)
        >>> X = [rng.normal(size=(200, 2)) for _ in range(6)]
        >>> Y = [x[:, :1] + 0.1 * rng.normal(size=(200, 1)) for x in X]
        >>> found = TRF(tmax=0.1).cross_validate(X, Y, folds=6)
        >>> found.r_folds.shape, bool(found.r[0] > 0.9), len(found.predicted)
        ((6, 1), True, 6)
        """
        prepared = Prepared.of(self, X, Y, repeats=True)
        divided = splits_of_trials(self, len(prepared.X), splits, folds, groups)
        return cross_validate_trials(self, prepared, divided)
