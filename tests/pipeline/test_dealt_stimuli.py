"""How stimuli were dealt stands in the results, and the functions that deal and draw say the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distributed_trf import open_results
from distributed_trf.pipeline.dealt_stimuli import DEALT_ATTR
from distributed_trf.results.open_results import study_of, unpacked
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.splits import nested_folds
from tests.small_recordings import TEST, TRAIN

ALL = TRAIN + TEST


def dealt_in(ds):
    return unpacked(ds.attrs)[DEALT_ATTR]["tones"]


def test_fixed_test_set__has_the_fold_of_each_training_stimulus(run_generic):
    run_generic()
    ds = open_results("study")
    dealt, ridge = dealt_in(ds), study_of(ds)["ridge"]
    assert dealt["stimuli"] == ALL
    expected = dict.fromkeys(TEST, 0)
    for k, fold in enumerate(assign_folds(len(TRAIN), ridge["n_folds"], ridge["seed"]), start=1):
        expected |= {TRAIN[i]: k for i in fold}
    assert dealt["roles"] == {"test": [expected[i] for i in ALL]}
    assert dealt["sessions"] == {
        "many": {"repeats": 2},
        "once": {"repeats": 2},
        "other": {"repeats": 2},
        "some": {"repeats": 2, "not_presented": ["a3"]},
    }


def test_folds__have_the_role_of_each_stimulus_in_each_split_and_what_sessions_dealt_themselves(run_generic):
    run_generic(test={"folds": 4}, ridge={"alphas": [1.0], "folds": "per_session"})
    ds = open_results("study")
    dealt, ridge = dealt_in(ds), study_of(ds)["ridge"]

    def roles(ids):
        """Of all stimuli, by split, where some are dealt."""
        splits, found = nested_folds(ids, 4, ridge["n_folds"], ridge["seed"]), {}
        for label, split in zip("0123", splits.splits, strict=True):
            of = dict.fromkeys(ALL, -1) | {ids[i]: 0 for i in splits.members(split.test)}
            for k, fold in enumerate(split.folds, start=1):
                of |= {ids[i]: k for i in splits.members(fold)}
            found[label] = np.array([of[i] for i in ALL])
        return found

    for label, of_split in roles(ALL).items():
        assert dealt["roles"][label] == of_split.tolist()
    assert set(dealt["roles"]) == set(ds.split.values)
    own, presented = dealt["sessions"]["some"]["roles"], [i for i in ALL if i != "a3"]
    for label, of_split in roles(presented).items():
        there = np.isin(ALL, presented)
        assert np.array(own[label])[there].tolist() == of_split[there].tolist()
    assert "roles" not in dealt["sessions"]["many"]


def test_session__that_is_not_there_is_not_described(run_generic):
    run_generic()
    trials = Path("mine/sessions/once/trials.csv")
    trials.write_text(trials.read_text().replace("onset", "when"))
    run_generic(ok=False)
    assert "once" not in dealt_in(open_results("study"))["sessions"]
