"""How stimuli are dealt into splits and folds, and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf import Study
from distributed_trf.config.evaluation import EvaluationSettings
from distributed_trf.config.study import RidgeSettings
from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.pipeline.evaluation import Evaluation, splits_of
from distributed_trf.pipeline.stages.fold_groups import fold_groups
from distributed_trf.trf.splits import nested_folds
from tests.small_recordings import TEST, TRAIN

ALL = TRAIN + TEST
IDS = tuple("abcdefghij")
TALKERS = dict(zip(IDS, "uvwuvwuvwu", strict=True))


def scheme(**given):
    return Evaluation(IDS, (), n_folds=given.pop("n_folds", 2), seed=3, **given)


def halves(**swapped):
    """Two given splits of all stimuli."""
    return {name: {i: "test" if i in tested else "train" for i in IDS} for name, tested in swapped.items()}


SCHEMES = [
    scheme(outer=4, n_folds=3),
    scheme(groups=TALKERS),
    scheme(groups=TALKERS | {"j": "x"}, outer=3),
    scheme(given=halves(p="abcde", q="defgh")),
    Evaluation(IDS, ("c", "h"), n_folds=3, seed=1),
]


@given(roles=st.lists(st.tuples(*[st.integers(-1, 2)] * 3), min_size=6, max_size=12))
def test_blocks__have_the_roles_of_their_stimuli_in_every_split(roles):
    roles = np.array([(0, 1, 2), (1, 2, 0), (2, 0, 1), *roles])  # each split tests something and has both folds
    splits = splits_of(roles)
    assert len({splits.block_of[i] for i in range(len(roles)) if roles[i].max() >= 0}) == splits.n_blocks
    for k, split in enumerate(splits.splits):
        for role, blocks in enumerate((split.test, *split.folds)):
            assert splits.members(blocks) == np.flatnonzero(roles[:, k] == role).tolist()


@pytest.mark.parametrize("evaluation", SCHEMES)
def test_own_deal__is_that_of_the_presented_stimuli_and_leaves_the_others_where_they_are_shared(evaluation):
    presented = set(IDS) - {"b"}
    own = evaluation.for_session(presented, own=True)
    alone = Evaluation(**{
        **{f: getattr(evaluation, f) for f in ("test_ids", "n_folds", "seed", "outer", "groups", "given")},
        "stimuli": tuple(i for i in IDS if i != "b"),
    })  # fmt: skip
    there = np.array([i != "b" for i in IDS])
    np.testing.assert_array_equal(own[there], alone.shared)
    np.testing.assert_array_equal(own[~there], evaluation.shared[~there])
    for k in range(own.shape[1]):
        assert set(own[there, k]) - {-1} == set(evaluation.shared[:, k]) - {-1}


def test_nested_folds__are_those_of_the_arrays():
    roles, splits = scheme(outer=4, n_folds=3).shared, nested_folds(IDS, 4, 3, seed=3)
    for k, split in enumerate(splits.splits):
        assert np.flatnonzero(roles[:, k] == 0).tolist() == splits.members(split.test)
        for f, fold in enumerate(split.folds):
            assert np.flatnonzero(roles[:, k] == f + 1).tolist() == splits.members(fold)


@pytest.mark.parametrize("evaluation", SCHEMES)
def test_shared_deal__that_leaves_a_session_an_empty_fold_is_dealt_anew(evaluation):
    shared = evaluation.shared
    role = np.flatnonzero(shared[:, 0] == 1)  # all of the first inner fold of the first split
    lost = [IDS[i] for i in role[: 4 if evaluation.groups is None else 1]]
    presented = [i for i in IDS if i not in lost]
    roles = evaluation.for_session(presented, own=False)
    there = np.isin(IDS, presented)
    for k in range(roles.shape[1]):
        assert set(roles[there, k]) - {-1} == set(shared[:, k]) - {-1}
    whole = evaluation.for_session(IDS, own=False)
    assert whole is shared


@pytest.mark.parametrize(
    ("evaluation", "presented", "reason"),
    [
        (SCHEMES[0], "abc", "3 stimuli cannot fill 4 folds"),
        (SCHEMES[1], "abde", "no stimulus of w was presented, which is a group to be tested"),
        (SCHEMES[2], "abde", "2 groups of stimuli cannot fill 3 folds"),
        (SCHEMES[3], "abcij", "no test stimulus of split q was presented"),
        (SCHEMES[3], "adi", "1 training stimuli of split p cannot fill 2 folds"),
        (SCHEMES[4], "chab", "2 training stimuli cannot fill 3 folds"),
    ],
)
def test_session__without_the_stimuli_of_a_split_is_left_out_with_the_reason(evaluation, presented, reason):
    def session(ids):
        ids = tuple(i for i in IDS if i in set(ids))
        test = tuple(i for i in ids if i in evaluation.test_ids)
        train = tuple(i for i in ids if i not in test)
        return SimpleNamespace(train_ids=train, test_ids=test, presentations=(1,) * len(train))

    groups, left_out = fold_groups({"s1": session(presented), "s2": session(IDS)}, evaluation, RidgeSettings())
    assert left_out == {"s1": reason}
    assert [list(group.sessions) for group in groups] == [["s2"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected one way to test, of .*; found none"),
        ({"folds": 3, "splits": "s.csv"}, "found 2"),
        ({"leave_out": "talker"}, "leave_out and table go together"),
        ({"folds": 5, "table": "t.csv"}, "leave_out and table go together"),
        ({"folds": 2}, "greater than or equal to 3"),
        ({"set": "train"}, "'test'"),
    ],
)
def test_settings__name_one_way(given, message):
    with pytest.raises(ValueError, match=message):
        EvaluationSettings.model_validate(given)


def table(**parts):
    rows = [f"{split},{i},{'test' if i in tested else 'train'}" for split, tested in parts.items() for i in ALL]
    return "\n".join(["split,stimulus,part", *rows])


GOOD = table(p=["t1", "a1"], q=["t2"])
GROUPS = "\n".join(["stimulus,talker", *(f"{i},{'uvw'[k % 3]}" for k, i in enumerate(ALL))])
GIVEN, LEFT = {"splits": "t.csv"}, {"leave_out": "talker", "table": "t.csv"}


@pytest.mark.parametrize(
    ("test", "content", "message"),
    [
        (
            GIVEN,
            f"{GOOD}\np,a1,train",
            r"a1 is test and train in split p \(row 20\); .*must not be trained on",
        ),
        (GIVEN, f"{GOOD}\nq,a1,train", r"stimulus a1 is listed twice as train in split q"),
        (GIVEN, GOOD.replace("q,a3,train\n", ""), "split q has no part for 1 of 9 stimuli of tones: a3; .*unused"),
        (GIVEN, GOOD.replace("p,a3,", "p,b3,"), "split p names b3, not among the stimuli of tones"),
        (GIVEN, GOOD.replace("q,t2,test", "q,t2,train"), "split q has no stimulus whose part is test"),
        (GIVEN, GOOD.replace("q,a3,train", "q,a3,both"), "column part holds 'both' in row 13; expected train, test"),
        (GIVEN, table(p=ALL[:7]), "test: splits: 2 training stimuli of split p cannot fill 3 folds"),
        (GIVEN, "split,stimulus\n", "column part is missing"),
        (GIVEN, None, r"t\.csv: there is no such file; expected a CSV table with columns split, stimulus, part"),
        (LEFT, GROUPS.replace("talker", "voice"), "column talker is missing; found stimulus, voice"),
        (LEFT, GROUPS.replace("a2,v\n", ""), "1 of 9 stimuli of tones have no talker: a2; add a row"),
        (LEFT, GROUPS.replace("a2,v", "a2,"), "column talker holds nothing in row 3"),
        (LEFT, f"{GROUPS}\na1,v", "stimulus a1 is listed again in row 11"),
        (
            LEFT,
            GROUPS.replace("a2,v", "a2,x"),
            "x of tones has one stimulus only, so that its r would be",
        ),
        (LEFT, GROUPS.replace(",w", ",v"), "tones has 2 groups of stimuli, too few for 3 folds"),
        (LEFT, GROUPS, "of 3 outer folds of tones, 2 train a fit, which ridge.n_folds = 3 cannot divide"),
        ({**LEFT, "folds": 5}, GROUPS, "tones has 3 groups of stimuli, too few for 5 folds"),
        (
            {"folds": 10},
            "",
            "tones has 9 stimuli, too few for 10 folds: .* 10 stimuli at least, or `folds` of 9",
        ),
    ],
)
def test_plan__refuses_tables_and_schemes_that_do_not_fit(run_generic, test, content, message):
    if content is not None:
        Path("t.csv").write_text(content)
    with pytest.raises((ConfigError, RecordingError), match=message):
        run_generic(test=test)
    assert not Path("study").exists()


def test_analyses_of_a_fixed_test_set__are_refused_with_splits(run_generic):
    features = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}
    with pytest.raises(ConfigError, match="bootstraps: tested on a fixed test set only"):
        run_generic(
            test={"folds": 4},
            bootstraps=[{**features, "training_percent": [50]}],
        )


def test_set_without_test_stimuli__is_planned_with_folds_only(run_generic):
    for file in Path("mine/stimuli/tones/test").iterdir():
        file.rename(Path("mine/stimuli/tones") / file.name)
    for file in Path("mine/stimuli/tones/train").iterdir():
        file.rename(Path("mine/stimuli/tones") / file.name)
    for folder in ("train", "test"):
        (Path("mine/stimuli/tones") / folder).rmdir()
    with pytest.raises(ConfigError, match=r"test: tones has no test stimuli .* write `test: {folds: 5}`"):
        run_generic()
    assert run_generic(test={"folds": 4}, reliability=None).ok
    assert Study.load("study.yaml").run(recipe=None).done == {}
