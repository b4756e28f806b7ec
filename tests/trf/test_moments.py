"""Adding, subtracting and weighting moments against sums of the explicit lag matrix."""

from __future__ import annotations

from dataclasses import dataclass

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.arrays import to_numpy
from distributed_trf.errors import DataError
from distributed_trf.trf.moments import Gram, Moments, leave_one_out, merge
from distributed_trf.trf.stream import MomentStream, moments_of
from tests.oracle import explicit_moments, lag_matrix

LAGS, LEAD_IN = [-1, 0, 1, 2], 2
UNITS = (2, 1)
"""Units in each of two groups."""


@dataclass(frozen=True)
class Case:
    """Random trials, their moments one by one, and how large their sums are."""

    X: list[np.ndarray]
    rows: list[np.ndarray]
    """Explicit lag matrix of each trial."""
    Y: list[np.ndarray]
    presented: list[list[bool]]
    parts: list[Moments]

    @classmethod
    def of(cls, seed: int, lengths: list[int], offset: float, presented: list[list[bool]] | None = None) -> Case:
        rng = np.random.default_rng(seed)
        X = [rng.normal(size=(LEAD_IN + t, 2)) + offset for t in lengths]
        Y = [rng.normal(size=(t, sum(UNITS))) - offset for t in lengths]
        presented = presented or [[True] * len(UNITS) for _ in lengths]
        parts = []
        for x, y, h in zip(X, Y, presented, strict=True):
            stream = MomentStream(LAGS, LEAD_IN, groups=UNITS)
            stream.add(x, y, presented=h)
            parts.append(stream.moments())
        return cls(X, [lag_matrix(x, LAGS, LEAD_IN) for x in X], Y, presented, parts)

    def lagged(self, trials) -> np.ndarray:
        return np.concatenate([self.rows[i] for i in trials])

    def responses(self, trials) -> np.ndarray:
        return np.concatenate([self.Y[i] for i in trials])

    def size(self) -> tuple[np.ndarray, np.ndarray]:
        """Norms of features (d,) and units (U,) over all trials: element (i, j) of X'X may err by 1e-12 of i times j.

        About the mean of the feature or unit, in extended precision. Of a feature it is the largest over lags: zeros
        outside trials make some lags' columns larger than others', and the lag structure carries one lag's rounding
        into the next.
        """
        everything = range(len(self.X))
        centre = np.tile(np.concatenate(self.X).mean(axis=0), len(LAGS))
        x_norm = np.linalg.norm(self.lagged(everything) - centre, axis=0).reshape(len(LAGS), -1).max(axis=0)
        y = self.responses(everything)
        # A unit of one bin has no norm, but was centred by a mean that is rounded.
        return np.tile(x_norm, len(LAGS)), np.linalg.norm(y - y.mean(axis=0), axis=0) + 1e-3 * np.abs(y).max()

    def check(self, found: Moments, counts: list[int]) -> None:
        """Compare with the explicit sums of the trials, each repeated ``counts`` times."""
        x_norm, y_norm = (max(counts) ** 0.5 * norm for norm in self.size())
        everything = [i for i, count in enumerate(counts) for _ in range(count)]
        check_gram(found.gram, self.lagged(everything), x_norm)
        start = 0
        for g, (cross, n_units) in enumerate(zip(found.cross, UNITS, strict=True)):
            units = slice(start, start + n_units)
            start += n_units
            own = [i for i in everything if self.presented[i][g]]
            assert cross.n == sum(len(self.Y[i]) for i in own)
            if own:
                rows, y = self.lagged(own), self.responses(own)
                expected = explicit_moments(rows, y[:, units])
                near(cross.x_mean, expected["x_mean"], mean_size(rows, x_norm))
                near(cross.y_mean, expected["y_mean"], mean_size(y[:, units], y_norm[units]))
                near(cross.xy, expected["xy"], x_norm[:, None] * y_norm[None, units])
                near(cross.yy, expected["yy"], y_norm[units] ** 2)
            lost = [i for i in everything if not self.presented[i][g]]
            if lost:
                np.testing.assert_array_equal(in_order(cross.missing), in_order(self.lagged(lost)))
            else:
                assert cross.missing is None


def near(found, expected, size):
    """Elements agree to 1e-12 of their size."""
    assert (np.abs(found - expected) <= 1e-12 * size).all(), np.max(np.abs(found - expected) / size)


def mean_size(rows, norm):
    return np.abs(rows).max(axis=0) + norm / len(rows) ** 0.5


def in_order(rows):
    return rows[np.lexsort(rows.T)]


def check_gram(gram, rows, norm):
    expected = explicit_moments(rows, rows[:, :1])
    assert gram.n == len(rows)
    near(gram.x_mean, expected["x_mean"], mean_size(rows, norm))
    near(gram.xx, expected["xx"], norm[:, None] * norm[None, :])


SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.lists(st.integers(1, 9), min_size=2, max_size=6)
OFFSETS = st.sampled_from([0.0, 1.0, 30.0, 1e3])
"""In standard deviations of the features; units are offset the other way."""


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS, data=st.data())
def test_merge__any_split_and_order_gives_the_sums_of_the_lag_matrix(seed, lengths, offset, data):
    case = Case.of(seed, lengths, offset)
    order = data.draw(st.permutations(range(len(lengths))))
    borders = sorted(data.draw(st.sets(st.integers(1, len(lengths) - 1))))
    pieces = [merge([case.parts[i] for i in chosen]) for chosen in np.split(np.array(order), borders)]
    case.check(merge(pieces), [1] * len(lengths))


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS, data=st.data())
def test_add__one_after_another_in_any_order_gives_the_sums_of_the_lag_matrix(seed, lengths, offset, data):
    case = Case.of(seed, lengths, offset)
    order = data.draw(st.permutations(range(len(lengths))))
    total = case.parts[order[0]]
    for i in order[1:]:
        total = total + case.parts[i]
    case.check(total, [1] * len(lengths))


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS, data=st.data())
def test_weights__count_rows_as_often_as_their_trial_is_drawn(seed, lengths, offset, data):
    """A weight of 0 gives moments of no rows, which change nothing that they are added to."""
    case = Case.of(seed, lengths, offset)
    counts = data.draw(st.lists(st.integers(0, 4), min_size=len(lengths), max_size=len(lengths)).filter(any))
    case.check(merge([part * count for part, count in zip(case.parts, counts, strict=True)]), counts)


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS, data=st.data())
def test_subtract__leaves_the_sums_of_the_other_trials(seed, lengths, offset, data):
    case = Case.of(seed, lengths, offset)
    taken = data.draw(st.sets(st.integers(0, len(lengths) - 1), max_size=len(lengths) - 1))
    whole = merge(case.parts)
    for_nothing = case.parts[0] * 0
    part = merge([for_nothing, *(case.parts[i] for i in sorted(taken))])
    case.check(whole - part, [int(i not in taken) for i in range(len(lengths))])


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS, data=st.data())
def test_leave_one_out__is_the_merge_of_all_others(seed, lengths, offset, data):
    """Also where only some trials were presented to some groups of units, and none of a part to one group."""
    presented = data.draw(
        st.lists(st.tuples(st.booleans(), st.booleans()).map(list), min_size=len(lengths), max_size=len(lengths))
    )
    case = Case.of(seed, lengths, offset, presented)
    found = list(leave_one_out(case.parts))
    assert len(found) == len(lengths)
    for left_out, moments in enumerate(found):
        case.check(moments, [int(i != left_out) for i in range(len(lengths))])


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS)
def test_gram_of_rows__is_the_gram_of_the_stream(seed, lengths, offset):
    case = Case.of(seed, lengths, offset)
    rows = case.lagged(range(len(lengths)))
    check_gram(Gram.of_rows(rows), rows, case.size()[0])


@given(seed=SEEDS, lengths=LENGTHS, offset=OFFSETS)
def test_around__takes_the_sums_about_other_means(seed, lengths, offset):
    case = Case.of(seed, lengths, offset)
    whole = merge(case.parts)
    rng = np.random.default_rng(seed)
    x_mean, y_mean = whole.gram.x_mean + rng.normal(size=8), whole.cross[0].y_mean + rng.normal(size=2)
    z, y = case.lagged(range(len(lengths))) - x_mean, case.responses(range(len(lengths)))[:, :2] - y_mean
    x_norm, y_norm = np.linalg.norm(z, axis=0) + case.size()[0], np.linalg.norm(y, axis=0) + case.size()[1][:2]
    near(whole.gram.around(x_mean), z.T @ z, x_norm[:, None] * x_norm[None, :])
    near(whole.cross[0].around(x_mean, y_mean), z.T @ y, x_norm[:, None] * y_norm[None, :])
    near(whole.cross[0].power_around(y_mean), (y**2).sum(axis=0), y_norm**2)


@pytest.mark.parametrize("offset", [0.1, 1e3 + 0.1])
def test_leave_one_out__what_never_varies_in_the_others_has_no_power_at_all(offset):
    """A difference from the whole would leave rounding, which looks like a column that varies."""
    rng = np.random.default_rng(0)
    X, Y = [np.full((9, 1), offset) for _ in range(5)], [np.full((7, 1), offset) for _ in range(5)]
    X[2], Y[2] = rng.normal(size=(9, 1)), rng.normal(size=(7, 1))
    parts = [moments_of([x], [y], [0, 1, 2], 2) for x, y in zip(X, Y, strict=True)]
    without_the_third = list(leave_one_out(parts))[2]
    np.testing.assert_array_equal(without_the_third.gram.xx, 0)
    np.testing.assert_array_equal(without_the_third.cross[0].yy, 0)


@pytest.mark.parametrize("offset", [0.0, 0.1, 1e3 + 0.1])
def test_subtract__what_never_varies_in_the_rest_has_no_power_at_all(offset):
    """A dead feature or a silent unit must not become one that varies by rounding."""
    rng = np.random.default_rng(1)
    X = [np.stack([np.full(9, offset), rng.normal(size=9)], axis=1) for _ in range(5)]
    Y = [np.stack([np.full(7, offset), rng.normal(size=7)], axis=1) for _ in range(5)]
    for i in (2, 4):
        X[i][:, 0], Y[i][:, 0] = rng.normal(size=9), rng.normal(size=7)
    parts = [moments_of([x], [y], [0, 1, 2], 2) for x, y in zip(X, Y, strict=True)]
    rest = merge(parts) - merge([parts[2], parts[4]])
    np.testing.assert_array_equal(rest.gram.xx[::2, :], 0)
    np.testing.assert_array_equal(rest.gram.xx[:, ::2], 0)
    np.testing.assert_array_equal(rest.cross[0].yy[0], 0)
    assert (np.diag(rest.gram.xx)[1::2] > 1).all()
    assert rest.cross[0].yy[1] > 1


def test_subtract__of_as_many_rows_says_that_some_must_remain():
    case = Case.of(0, [4, 5], 0.0)
    with pytest.raises(DataError, match="9 rows cannot be taken from 9; some must remain"):
        merge(case.parts) - merge(case.parts)


def test_responses_to_some_trials__cannot_be_weighted_or_subtracted():
    case = Case.of(0, [4, 5, 3], 0.0, [[True, True], [True, False], [True, True]])
    with pytest.raises(DataError, match="cannot be weighted"):
        case.parts[1] * 2
    with pytest.raises(DataError, match="cannot be subtracted"):
        merge(case.parts) - case.parts[0]


def test_backend__moments_never_leave_their_device():
    case = Case.of(3, [4, 1, 6, 3], 30.0)
    device = strict.Device("device1")
    parts = [
        moments_of([strict.asarray(x, device=device)], [strict.asarray(y, device=device)], LAGS, LEAD_IN)
        for x, y in zip(case.X, case.Y, strict=True)
    ]
    whole, rest = merge(parts) * 2, list(leave_one_out(parts))[1] - parts[0]
    for found, trials, times in ((whole, [0, 1, 2, 3], 2), (rest, [2, 3], 1)):
        assert found.gram.xx.device == found.cross[0].xy.device == device
        rows, y = case.lagged(trials), case.responses(trials)
        x_norm, y_norm = case.size()
        expected = explicit_moments(rows, y)
        near(host(found.gram.xx), times * expected["xx"], times * x_norm[:, None] * x_norm)
        near(host(found.cross[0].xy), times * expected["xy"], times * x_norm[:, None] * y_norm)


def host(array):
    return to_numpy(array.to_device(strict.Device("CPU_DEVICE")))
