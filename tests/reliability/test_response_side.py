"""What scores need of responses: as much as is said, the same for any prediction, and kept within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.reliability import response_side as module
from distributed_trf.reliability.noise_corrected import cc_norm, r2_er
from distributed_trf.reliability.noise_intervals import interval_of_all, r2_er_interval
from distributed_trf.reliability.response_side import ResponseSide, response_side, side_values
from distributed_trf.trf.correlation import pearson, unit_length
from distributed_trf.trf.shifted_predictions import draw_shifts, shifted_p, shifted_p_of_mean


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(module, "_KEPT", type(module._KEPT)())
    return module._KEPT


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_side__gives_several_predictions_the_scores_of_the_array_functions(repeats):
    rng = np.random.default_rng(0)
    y, shifts = rng.normal(size=(repeats, 40, 7)), draw_shifts({"a": 25, "b": 15}, 50, 0)
    y[:, :, 0], y[1:, :, 1] = 3, 0
    side = ResponseSide.of(y)
    for _ in range(2):
        p = y.mean(axis=0) + rng.normal(size=(40, 7))
        p[:, 2] = 1
        r = pearson(y, p)
        np.testing.assert_array_equal(side.powers.r2_er(r), r2_er(y, p))
        np.testing.assert_array_equal(side.powers.cc_norm(r), cc_norm(y, p))
        found = interval_of_all([side.noise.statistic(r, unit_length(p), side.powers)])
        np.testing.assert_array_equal(found, r2_er_interval(y, p))
        np.testing.assert_array_equal(shifted_p_of_mean(side.mean, side.varying, p, shifts), shifted_p(y, p, shifts))


@pytest.mark.parametrize("shape", [(1, 40, 7), (2, 41, 3), (11, 30, 300)])
def test_side__is_as_large_as_is_said(shape):
    assert ResponseSide.of(np.random.default_rng(0).normal(size=shape)).nbytes == 8 * side_values(*shape)


def test_groups_of_units__have_the_intervals_that_each_has_alone():
    rng, statistics, alone = np.random.default_rng(1), [], []
    for repeats in (3, 1, 6):
        y, p = rng.normal(size=(repeats, 30, 4)), rng.normal(size=(30, 4))
        side = ResponseSide.of(y + p)
        statistics.append(side.noise.statistic(pearson(y + p, p), unit_length(p), side.powers))
        alone.append(r2_er_interval(y + p, p))
    np.testing.assert_array_equal(interval_of_all(statistics), np.concatenate(alone, axis=1))


def test_same_content__is_computed_once_and_another_is_not_mistaken_for_it(kept):
    y = np.random.default_rng(2).normal(size=(2, 3, 20, 4))
    first = response_side(y[0], "one")
    assert response_side(y[0], "one") is first
    assert response_side(y[1], "other").powers.signal.tolist() == ResponseSide.of(y[1]).powers.signal.tolist()
    assert len(kept) == 2


def test_room__is_made_by_the_least_recently_used(kept, monkeypatch):
    y = np.random.default_rng(3).normal(size=(3, 20, 4))
    monkeypatch.setattr(module, "CACHE_BYTES", 2 * ResponseSide.of(y).nbytes)
    for content in ("a", "b", "a", "c"):
        response_side(y, content)
    assert [key[0] for key in kept] == ["a", "c"]
    monkeypatch.setattr(module, "CACHE_BYTES", 1)
    assert np.isfinite(response_side(y, "d").mean).all()
    assert not kept
