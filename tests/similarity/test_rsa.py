"""Dissimilarities, their comparison and noise ceilings against loops and scipy."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from distributed_trf.errors import DataError
from distributed_trf.similarity.rsa import compare_dissimilarities, dissimilarities, ranks, rsa, rsa_ceiling


def slow_comparison(a, b, how):
    if how == "spearman":
        return spearmanr(a, b).statistic
    return sum(x * y for x, y in zip(a, b, strict=True)) / np.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def slow_ceiling(several, how):
    prepared = [rankdata(row) if how == "spearman" else row / np.linalg.norm(row) for row in several]
    upper = [slow_comparison(row, np.mean(prepared, axis=0), how) for row in several]
    lower = [
        slow_comparison(row, np.mean([x for j, x in enumerate(prepared) if j != i], axis=0), how)
        for i, row in enumerate(several)
    ]
    return np.mean(lower), np.mean(upper)


shapes = given(n=st.integers(3, 12), p=st.integers(2, 9), seed=st.integers(0, 999))


@shapes
@settings(max_examples=40, deadline=None)
def test_dissimilarities__are_one_minus_r_of_each_pair(n, p, seed):
    x = np.random.default_rng(seed).normal(5, 1, size=(2, n, p))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    slow = [[1 - np.corrcoef(one[i], one[j])[0, 1] for i, j in pairs] for one in x]
    np.testing.assert_allclose(dissimilarities(x), slow, atol=1e-9)
    np.testing.assert_allclose(dissimilarities(x[0]), pdist(x[0], "correlation"), atol=1e-9)
    strict = dissimilarities(array_api_strict.asarray(x))
    np.testing.assert_allclose(np.asarray(strict), slow, atol=1e-9)


@shapes
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("how", ["spearman", "cosine"])
def test_comparisons_and_ceilings__are_those_written_out(how, n, p, seed):
    several = np.random.default_rng(seed).integers(0, 9, size=(p, n)) + 0.5  # with ties
    several[:, 0] += 20
    found = compare_dissimilarities(several[:1], several[1:], how)
    np.testing.assert_allclose(found[0], [slow_comparison(several[0], row, how) for row in several[1:]], atol=1e-9)
    np.testing.assert_allclose(rsa_ceiling(several, how), slow_ceiling(several, how), atol=1e-9)
    strict = rsa_ceiling(array_api_strict.asarray(several), how)
    np.testing.assert_allclose([float(bound) for bound in strict], slow_ceiling(several, how), atol=1e-9)


def test_ranks__are_scipys():
    values = np.array([[3.0, 1.0, 3.0, -2.0], [1.0, np.nan, 2.0, 3.0]])
    np.testing.assert_array_equal(ranks(values)[0], rankdata(values[0]))
    assert np.isnan(ranks(values)[1]).all()


def test_rsa__of_patterns_that_differ_by_scale_is_one_and_of_random_ones_about_zero():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 30))
    assert float(rsa(x, 5 * x - 2)) == pytest.approx(1, abs=1e-12)
    assert abs(float(rsa(x, rng.normal(size=(40, 30))))) < 0.2


def test_ceiling__brackets_the_truth_behind_noisy_measurements():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(20, 50))
    several = dissimilarities(truth + 1.5 * rng.normal(size=(12, 20, 50)))
    reached = float(np.mean(compare_dissimilarities(dissimilarities(truth)[None], several)))
    lower, upper = map(float, rsa_ceiling(several))
    assert lower < reached < upper


def test_pairs_that_are_equally_alike__have_one_rank_whatever_the_rounding():
    counts = np.random.default_rng(3).poisson(1.0, size=(60, 3)).astype(float)
    counts = counts[np.ptp(counts, axis=1) > 0]
    found = dissimilarities(counts)
    shuffled = dissimilarities(counts[:, [2, 0, 1]])
    np.testing.assert_array_equal(found, shuffled)
    assert np.unique(found).size < 100 < found.size


def test_unusable_patterns__are_named_and_constant_ones_are_nan():
    x = np.random.default_rng(0).normal(size=(4, 3))
    x[1] = 0.1
    assert np.isnan(dissimilarities(x)).tolist() == [True, False, False, True, True, False]
    assert np.isnan(rsa(x, x))
    with pytest.raises(DataError, match=r"shape \(4, 1\); expected \(stimuli, features\)"):
        dissimilarities(x[:, :1])
    with pytest.raises(DataError, match=r"shapes \(1, 3\) and \(1, 6\)"):
        compare_dissimilarities(np.ones((1, 3)), np.ones((1, 6)))
    with pytest.raises(DataError, match="how = 'euclid'; expected one of spearman, cosine"):
        rsa(x, x, "euclid")
    with pytest.raises(DataError, match="a noise ceiling needs"):
        rsa_ceiling(np.ones((1, 6)))
