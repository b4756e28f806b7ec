"""Sums of a fit's training stimuli: what goes to the device goes a batch at a time."""

from __future__ import annotations

from types import SimpleNamespace

import array_api_strict
import numpy as np

from distributed_trf import arrays
from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.evaluation import Evaluation
from distributed_trf.pipeline.stages.fold_groups import collect
from distributed_trf.store.stored_recordings import BinnedResponses
from distributed_trf.trf.crossval import fit_folds

BATCHES = (("a", "t"), ("b", "c", "d"), ("u",), ("e", "f"))
TEST = ("t", "u")
LEAD_IN = 2
ALPHAS = [1.0, 100.0]


def counts_of(session, presented, rng):
    bins = {i: 30 + k for k, i in enumerate(i for batch in BATCHES for i in batch)}
    train, test = sum(bins[i] for i in presented), 2 * sum(bins[i] for i in TEST)
    units = 2 + session
    return BinnedResponses(
        tuple(presented),
        TEST,
        rng.poisson(2, size=(train, units)).astype(np.uint16),
        rng.poisson(2, size=(test, units)).astype(np.uint16),
        (2, 2),
        bins,
        (1,) * len(presented),
        np.zeros((0, units), np.uint16),
    )


def fitted(monkeypatch, device, to_device):
    """The fit of two sessions, one of them without ``d``, and the shapes of what went to the device."""
    copies, rng = [], np.random.default_rng(0)
    monkeypatch.setattr(arrays, "to_device", lambda a, device: copies.append((a.dtype, a.size)) or to_device(a))
    counts = {str(k): counts_of(k, presented, rng) for k, presented in enumerate(("abcdef", "abcef"))}
    bins = counts["0"].bins
    batches = [{i: to_device(rng.normal(size=(LEAD_IN + bins[i], 3))) for i in batch} for batch in BATCHES]
    data = SimpleNamespace(
        counts=counts,
        evaluation=Evaluation(tuple(i for batch in BATCHES for i in batch), TEST, n_folds=3, seed=0),
        test_ids=TEST,
        bins=bins,
        lags=(0, 1),
        lead_in=LEAD_IN,
        widths=[3],
        batches=lambda: batches,
    )
    study = StudySettings.model_validate({
        "name": "x", "recordings": {"format": "ucsf", "path": "r"}, "output": "o", "stimuli": ["timit"],
        "networks": [{"name": "mel_whisper"}],
    })  # fmt: skip
    ((fold_group, folds),), test, left_out = collect(data, study, device)
    assert not left_out
    for found, i, batch in zip(test, TEST, (batches[0], batches[2]), strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(batch[i]))
        assert not np.shares_memory(np.asarray(found), np.asarray(batch[i]))  # else all of a batch would stay
    return fit_folds(folds, ALPHAS), copies, fold_group


def test_responses__go_to_the_device_once_for_each_batch_as_they_are_stored(monkeypatch):
    expected, none, _ = fitted(monkeypatch, "cpu", np.asarray)
    assert not none
    found, copies, fold_group = fitted(monkeypatch, "cuda", array_api_strict.asarray)
    units = sum(fold_group.groups)
    assert copies == [(np.uint16, units * n) for n in (30, 32 + 33 + 34, 36 + 37)]  # none of the batch of test stimuli
    np.testing.assert_allclose(np.asarray(found.weights), expected.weights, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(np.asarray(found.alpha), expected.alpha)
