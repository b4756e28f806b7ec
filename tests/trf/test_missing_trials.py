"""Units that lack some of the trials, against an explicit fit of the trials presented to them."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.trf import search
from distributed_trf.trf.crossval import fit_folds
from distributed_trf.trf.fold_collector import collect_trials
from distributed_trf.trf.kernel_folds import FoldTrials
from distributed_trf.trf.moment_folds import MomentFolds
from distributed_trf.trf.scaled_gram import Primal, RowRemoval
from distributed_trf.trf.solvers import Diagonal, Factored, Rotated
from distributed_trf.trf.stream import MomentStream
from tests.oracle import lag_matrix, r_squared

ALPHAS = [1e-5, 1e-3, 1e-1, 1e1, 1e6, 1e15]
SOLVERS = ["eigh", "cholesky", "dual"]
SCALINGS = ["shared", "per_session"]


@dataclass(frozen=True)
class Recording:
    """Trials in folds; trial i of fold k was presented to group g of units if ``presented[k][i][g]``."""

    X: list[list[np.ndarray]]
    Y: list[list[np.ndarray]]
    presented: list[list[list[bool]]]
    groups: list[int]
    lags: list[int]
    lead_in: int
    alphas: list[float]

    @classmethod
    def of(cls, rng, presented, *, lengths, n_features, groups, lags, lead_in, offset=0.0, alphas=ALPHAS):
        """Responses that follow their features; trials not presented to a group are filled with nonsense."""
        weights = rng.normal(size=(n_features, sum(groups)))
        X, Y = [], []
        for fold in presented:
            drawn = [15, *rng.choice(lengths, size=len(fold) - 1)]
            X.append([rng.normal(size=(lead_in + t, n_features)) + offset for t in drawn])
            y = [x[lead_in:] @ weights + 2 * rng.normal(size=(len(x) - lead_in, sum(groups))) for x in X[-1]]
            Y.append([np.where(np.repeat(h, groups), a, 99.0) for a, h in zip(y, fold, strict=True)])
        return cls(X, Y, presented, groups, lags, lead_in, alphas)

    def fit(self, to=lambda a: a, *, all_scores=True, **settings):
        folds = [
            FoldTrials([to(x) for x in X], [to(y) for y in Y], presented)
            for X, Y, presented in zip(self.X, self.Y, self.presented, strict=True)
        ]
        collected = collect_trials(folds, self.lags, self.lead_in, len(self.alphas), groups=self.groups, **settings)
        return fit_folds(collected, self.alphas, all_scores=all_scores)

    def units(self, group):
        return slice(sum(self.groups[:group]), sum(self.groups[: group + 1]))

    def explicit(self, group, *, scaling, standardize):
        """One session's own rows, once per fold and penalty; nothing of the package is used.

        ``shared``: columns are centred and scaled by the mean and std of all training rows, presented or not; ``y`` is
        centred by the mean of the presented rows, ``m`` is their number, and there is no other intercept.
        ``per_session``: a fit of the trials presented as if there were no others.
        """
        rows = [[lag_matrix(x, self.lags, self.lead_in) for x in fold] for fold in self.X]
        scores = np.zeros((len(self.alphas), self.groups[group]), dtype=np.longdouble)
        for held_out in range(len(rows)):
            train = [k for k in range(len(rows)) if k != held_out]
            mean, scale = self._scaling(rows, train, group, scaling=scaling, standardize=standardize)
            x, y = self._presented_to(rows, train, group)
            held_x, held_y = self._presented_to(rows, [held_out], group)
            for a, alpha in enumerate(self.alphas):
                w = self._solve((x - mean) / scale, y - y.mean(axis=0), alpha)
                scores[a] += r_squared(held_y, ((held_x - mean) / scale) @ w, y.mean(axis=0)) / len(rows)
        everything = range(len(rows))
        mean, scale = self._scaling(rows, everything, group, scaling=scaling, standardize=standardize)
        x, y = self._presented_to(rows, everything, group)
        best = scores.argmax(axis=0)
        weights = np.stack(
            [
                self._solve((x - mean) / scale, y - y.mean(axis=0), self.alphas[a])[:, u] / scale
                for u, a in enumerate(best)
            ],
            axis=1,
        )
        return np.array(self.alphas)[best], scores.astype(float), weights, y.mean(axis=0) - mean @ weights

    @staticmethod
    def _solve(z, y, alpha):
        return np.linalg.solve(z.T @ z + len(z) * alpha * np.eye(z.shape[1]), z.T @ y)

    def _scaling(self, rows, folds, group, *, scaling, standardize):
        everybody = np.concatenate([r for k in folds for r in rows[k]])
        chosen = everybody if scaling == "shared" else self._presented_to(rows, folds, group)[0]
        return chosen.mean(axis=0), chosen.std(axis=0) + 1e-6 if standardize else np.ones(chosen.shape[1])

    def _presented_to(self, rows, folds, group):
        own = [(k, i) for k in folds for i, presented in enumerate(self.presented[k]) if presented[group]]
        x, y = (np.concatenate([arrays[k][i] for k, i in own]) for arrays in (rows, self.Y))
        return x, y[:, self.units(group)]

    def check(self, found, *, scaling, standardize=True):
        for group in range(len(self.groups)):
            alpha, scores, weights, intercept = self.explicit(group, scaling=scaling, standardize=standardize)
            units = self.units(group)
            np.testing.assert_array_equal(found.alpha[units], alpha)
            np.testing.assert_allclose(found.cv_scores[:, units], scores, rtol=1e-9, atol=1e-9)
            error = np.linalg.norm(found.weights[:, units] - weights, axis=0)
            assert (error <= 1e-9 * np.linalg.norm(weights, axis=0)).all()
            size = np.abs(intercept) + np.abs(np.concatenate(self.X[0])).max() * np.abs(weights).sum(axis=0) + 1
            assert (np.abs(found.intercept[units] - intercept) <= 1e-9 * size).all()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scaling", SCALINGS)
@given(
    seed=st.integers(0, 2**32 - 1),
    presented=st.lists(
        st.lists(st.tuples(st.just(value=True), st.booleans(), st.booleans()).map(list), min_size=2, max_size=4),
        min_size=2,
        max_size=3,
    ),
    n_features=st.integers(1, 4),
    first=st.integers(-2, 1),
    n_lags=st.integers(1, 4),
    lead_in=st.integers(0, 3),
    standardize=st.booleans(),
    offset=st.sampled_from([0.0, 30.0]),
)
@settings(max_examples=15)
def test_units_that_lack_trials__have_the_explicit_fit_of_what_was_presented(
    solver, scaling, seed, presented, n_features, first, n_lags, lead_in, standardize, offset
):
    """From one bin to all but one trial of a fold may be missing.

    With fewer rows presented than lagged features and a tiny penalty, the normal equations have 1e-9 of the weights
    to lose; so each fold has a trial of 15 bins that was presented to all.
    """
    presented = [[[True, True, True], *fold[1:]] for fold in presented]
    recording = Recording.of(
        np.random.default_rng(seed),
        presented,
        lengths=[1, 1, 3, 12, 20],
        n_features=n_features,
        groups=[1, 2, 1],
        lags=list(range(first, first + n_lags)),
        lead_in=lead_in,
        offset=offset,
        alphas=ALPHAS if standardize else [(1 + offset**2) * alpha for alpha in ALPHAS],  # relative to the features
    )
    found = recording.fit(solver=solver, scaling=scaling, standardize=standardize)
    recording.check(found, scaling=scaling, standardize=standardize)


def lacking(n_folds, per_fold, *missing):
    """Everything was presented to every group but the trials (fold, trial) in its set."""
    return [[[(k, i) not in lost for lost in missing] for i in range(per_fold)] for k in range(n_folds)]


SEVEN = {(0, 0), (0, 3), (0, 12), (1, 5), (1, 6), (2, 1), (2, 2)}


@pytest.mark.parametrize(
    ("solver", "scaling", "n_features", "kind"),
    [
        ("eigh", "shared", 30, RowRemoval),
        ("cholesky", "shared", 30, RowRemoval),
        ("eigh", "shared", 4, Rotated),
        ("cholesky", "shared", 4, Rotated),
        ("eigh", "per_session", 30, Diagonal),
        ("cholesky", "per_session", 30, Factored),
    ],
)
def test_seven_of_forty_trials_missing__are_corrected_for_where_few_and_decomposed_anew_where_many(
    solver, scaling, n_features, kind
):
    """Rows are few or many beside the number of lagged features, 150 or 20."""
    recording = Recording.of(
        np.random.default_rng(0),
        lacking(3, 13, set(), SEVEN),
        lengths=[6, 7, 8],
        n_features=n_features,
        groups=[3, 3],
        lags=[0, 1, 2, 3, 4],
        lead_in=4,
    )
    found = recording.fit(solver=solver, scaling=scaling)
    recording.check(found, scaling=scaling)
    assert (found.solver, found.fallbacks) == (solver, ())
    streams = []
    for X, Y, presented in zip(recording.X, recording.Y, recording.presented, strict=True):
        stream = MomentStream(recording.lags, recording.lead_in, groups=recording.groups)
        for x, y, h in zip(X, Y, presented, strict=True):
            stream.add(x, y, presented=h)
        streams.append(stream.moments())
    for _, lacks in MomentFolds(streams, solver=solver, scaling=scaling).validations(len(ALPHAS)):
        assert type(lacks.solver) is kind


@pytest.mark.parametrize("solver", SOLVERS)
def test_scalings__differ_where_trials_are_missing_and_only_there(solver):
    """Or the tests above could not tell them apart."""
    recording = Recording.of(
        np.random.default_rng(1),
        lacking(3, 4, set(), {(0, 0), (1, 1)}),
        lengths=[8, 9],
        n_features=2,
        groups=[1, 1],
        lags=[0, 1],
        lead_in=1,
    )
    shared, own = (recording.fit(solver=solver, scaling=scaling).cv_scores for scaling in SCALINGS)
    np.testing.assert_allclose(own[:, 0], shared[:, 0], rtol=1e-12)
    assert (np.abs(own[:, 1] - shared[:, 1]) > 1e-6).any()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_features_that_vary_only_in_missing_trials__disturb_nobody(solver, scaling):
    """A channel that is silent, or constant, in all that was presented in a session says nothing about it."""
    rng = np.random.default_rng(2)
    recording = Recording.of(
        rng, lacking(3, 4, set(), {(0, 1), (2, 3)}), lengths=[8, 9], n_features=4, groups=[2, 2], lags=[0, 1], lead_in=1
    )
    for k, fold in enumerate(recording.X):
        for i, x in enumerate(fold):
            if (k, i) not in {(0, 1), (2, 3)}:
                x[:, 1], x[:, 2] = 0.0, 0.1
    found = recording.fit(solver=solver, scaling=scaling)
    recording.check(found, scaling=scaling)
    if scaling == "per_session":
        np.testing.assert_array_equal(found.weights[[1, 2, 5, 6], 2:], 0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_feature_that_hardly_varies_in_missing_trials_alone__has_exactly_no_weight_per_session(solver):
    """Beside an offset of 1e6 rounding is as large as what it does there: only its values tell that it is constant."""
    rng = np.random.default_rng(6)
    recording = Recording.of(
        rng, lacking(3, 4, set(), {(0, 1), (2, 3)}), lengths=[8, 9], n_features=3, groups=[2, 2], lags=[0, 1], lead_in=1
    )
    for k, fold in enumerate(recording.X):
        for i, x in enumerate(fold):
            x[:, 1] = 1e6 + 0.1
            if (k, i) in {(0, 1), (2, 3)}:
                x[:, 1] += 1e-7 * rng.normal(size=len(x))
    found = recording.fit(solver=solver, scaling="per_session")
    assert (found.weights[[0, 3], 2:] != 0).all()
    np.testing.assert_array_equal(found.weights[[1, 4], 2:], 0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_screening__chooses_the_same_where_trials_are_missing(solver):
    recording = Recording.of(
        np.random.default_rng(3),
        lacking(3, 6, set(), {(0, 1)}, {(0, 0), (1, 1), (1, 2)}),
        lengths=[8, 9],
        n_features=5,
        groups=[30, 20, 10],
        lags=[0, 1, 2],
        lead_in=2,
    )
    full, screened = (recording.fit(solver=solver, all_scores=all_scores) for all_scores in (True, False))
    np.testing.assert_array_equal(screened.alpha, full.alpha)
    np.testing.assert_allclose(screened.weights, full.weights, rtol=1e-12)
    np.testing.assert_allclose(np.nanmax(screened.cv_scores, axis=0), full.cv_scores.max(axis=0), rtol=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_group_without_a_trial_in_a_fold__is_named_with_the_fold(solver, scaling):
    recording = Recording.of(
        np.random.default_rng(4),
        lacking(3, 2, set(), {(1, 0), (1, 1)}),
        lengths=[5],
        n_features=1,
        groups=[1, 2],
        lags=[0],
        lead_in=0,
    )
    with pytest.raises(DataError, match="no trial of fold 1 was presented to group 1 of units"):
        recording.fit(solver=solver, scaling=scaling)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scaling", SCALINGS)
def test_backend__missing_trials_never_leave_their_device(solver, scaling):
    recording = Recording.of(
        np.random.default_rng(5),
        lacking(3, 3, set(), {(0, 1)}, {(0, 0), (1, 1), (2, 2)}),
        lengths=[4, 9],
        n_features=4,
        groups=[1, 2, 2],
        lags=[-1, 0, 1, 2],
        lead_in=1,
    )
    device = strict.Device("device1")
    found = recording.fit(lambda a: strict.asarray(a, device=device), solver=solver, scaling=scaling)
    here = recording.fit(solver=solver, scaling=scaling)
    for name in ("alpha", "cv_scores", "weights", "intercept"):
        array = getattr(found, name)
        assert array.device == device
        home = np.asarray(array.to_device(strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(home, getattr(here, name), rtol=1e-8, atol=1e-12)


def of_groups(n_groups, alphas):
    """Units in groups, each of which lacks a trial of the first fold, of another length."""
    presented = [[[g != k for g in range(n_groups)] for k in range(8)], *([[True] * n_groups] * 8 for _ in range(2))]
    return Recording.of(
        np.random.default_rng(3),
        presented,
        lengths=range(20, 40),
        n_features=4,
        groups=[12] * n_groups,
        lags=[0, 1, 2],
        lead_in=0,
        alphas=alphas,
    )


@pytest.mark.parametrize(("n_groups", "quickest"), [(1, "cholesky"), (6, "eigh")])
def test_final_fit__takes_eigenvectors_where_groups_need_many_factorisations(monkeypatch, n_groups, quickest):
    """A group that lacks rows has shifts of its own: for each penalty there is one factorisation per group."""
    used = []
    of = Primal.of

    def recorded(matrix, scaling, method, precision, record):
        used.append(method)
        return of(matrix, scaling, method, precision, record)

    monkeypatch.setattr(Primal, "of", recorded)
    of_groups(n_groups, [1e-2, 1e-1, 1.0]).fit()
    assert len(used) == 4  # one for each fold and one for the final fit, however many groups
    assert used[-1] == quickest


def test_groups_that_lack_trials__are_scored_side_by_side(monkeypatch):
    at_once = []
    whole = search.side_by_side

    def recorded(work, items, cores):
        items = list(items)
        at_once.append(len(items))
        return whole(work, items, cores)

    monkeypatch.setattr(search, "side_by_side", recorded)
    of_groups(6, ALPHAS).fit(all_scores=False)
    assert at_once[:3] == [0, 6, 6]  # the gains of all groups, of folds whose training sets lack rows
