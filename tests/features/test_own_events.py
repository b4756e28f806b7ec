"""Own features as events: frames against their definition, files of all stimuli and of one, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.own_features import EventSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.own.events import Events, event_frames
from distributed_trf.features.own.files import digests
from tests.features.own_files import own_table, read, slow_events

LABELS = ["a", "b", "no"]
HEAD = "stimulus,onset,offset,label,value"
ROWS = ["s1,0.1,0.2,a,2", "s1,0.15,0.3,no,1", "s2,0,0.1,b,-1", "s2,0.05,0.35,b,0.5", "s3,,,,"]
EVENTS = {
    "s1": [(0.1, 0.2, "a", 2.0), (0.15, 0.3, "no", 1.0)],
    "s2": [(0.0, 0.1, "b", -1.0), (0.05, 0.35, "b", 0.5)],
    "s3": [],
}


def table_of(path, mark="onset", **config):
    return own_table(path, width=3, labels=LABELS, mark=mark, **config)


@given(
    times=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 999), st.sampled_from(LABELS)), max_size=12),
    rate=st.sampled_from([10.0, 20.0, 64.0, 100.0]),
    lead_in=st.sampled_from([0.0, 0.1, 0.35]),
    mark=st.sampled_from(["onset", "span"]),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_frames__are_those_of_the_definition(times, rate, lead_in, mark, seed):
    values = np.random.default_rng(seed).normal(size=len(times)).tolist()
    rows = [(min(a, b) / 1000, max(a, b) / 1000, label, x) for (a, b, label), x in zip(times, values, strict=True)]
    onset, offset = (np.array([row[k] for row in rows], dtype=float) for k in (0, 1))
    events = Events("file", np.arange(len(rows)), onset, offset, tuple(r[2] for r in rows), np.array(values))
    n = int(np.floor((1 + lead_in) * rate + 0.5))
    found, notes = event_frames(events, EventSettings(labels=LABELS, mark=mark), rate, n, lead_in, 1.0)
    assert notes == []
    np.testing.assert_allclose(found, slow_events(rows, LABELS, mark, rate, n, lead_in), atol=1e-9)
    if mark == "onset":
        np.testing.assert_allclose(found.sum(), sum(values), atol=1e-9)


def one_file(folder):
    (folder / "events.csv").write_text("\n".join([HEAD, *ROWS]))
    return folder / "events.csv"


def file_of_sets(folder):
    rows = [f"words,{row}" for row in ROWS]
    (folder / "events.csv").write_text("\n".join([f"stimulus_set,{HEAD}", "calls,s1,0,0.4,b,9", *rows]))
    return folder / "events.csv"


def file_for_each(folder):
    for name in EVENTS:
        rows = [row.partition(",")[2] for row in ROWS if row.startswith(name) and row[-1] != ","]
        (folder / f"{name}.csv").write_text("\n".join([HEAD.partition(",")[2], *rows]))
    return folder


@pytest.mark.parametrize("write", [one_file, file_of_sets, file_for_each])
@pytest.mark.parametrize("mark", ["onset", "span"])
def test_files__give_the_events_of_each_stimulus(tmp_path, write, mark):
    found, notes = read(table_of(write(tmp_path), mark), list(EVENTS), [0.4] * 3, lead_in=0.1)
    assert notes == []
    for frames, rows in zip(found[0], EVENTS.values(), strict=True):
        np.testing.assert_allclose(frames, slow_events(rows, LABELS, mark, 100, 50, 0.1), atol=1e-6)


def test_label_and_value__may_be_left_out_of_a_file_of_one_label(tmp_path):
    (tmp_path / "words.csv").write_text("stimulus,onset\n7,0.05\n7,0.151\n")
    found, _ = read(own_table(tmp_path, width=1, labels=["word"]), ["7"], [0.2])
    assert np.flatnonzero(found[0][0][:, 0]).tolist() == [5, 15]


@pytest.mark.parametrize("write", [one_file, file_of_sets, file_for_each])
def test_digests__change_with_the_events_of_that_stimulus_alone(tmp_path, write, monkeypatch):
    table, network = table_of(write(tmp_path)), NetworkSettings(name="mine")
    before = digests(table, network, "words", ["s1", "s2", "s4"])
    assert before[2] == "missing"
    monkeypatch.setitem(globals(), "ROWS", [row.replace("-1", "-1.5") for row in ROWS])
    after = digests(table_of(write(tmp_path)), network, "words", ["s1", "s2", "s4"])
    assert [x == y for x, y in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("row", "config", "message"),
    [
        ("s1,0.1,0.2,zz,1", {}, "row 2 has label 'zz', which is not among the 3 labels of the table; add it there"),
        ("s1,0.1,,a,1", {"mark": "span"}, "row 2 has no offset, which spans need"),
        ("s1,0.3,0.2,a,1", {}, r"row 2 ends at 0\.2 s, before it begins at 0\.3 s"),
        ("s1,0.3,2,a,1", {"mark": "span"}, r"row 2 \(a\) is from 0\.3 to 2 s, but the sound lasts 0\.4 s"),
        ("s1,-0.2,0.2,a,1", {}, "row 2 .* from -0.2 to -0.2 s"),
        ("s1,x,0.2,a,1", {}, "column onset holds 'x' in row 2"),
        ("s1,0.1,0.2,a,", {}, "column value holds nothing in row 2"),
        ("s1,0.1,0.2,,1", {}, "column label holds nothing in row 2"),
    ],
)
def test_unusable_event__is_named_by_its_row(tmp_path, row, config, message):
    (tmp_path / "events.csv").write_text(f"{HEAD}\n{row}\n")
    with pytest.raises(FeatureError, match=message):
        read(table_of(tmp_path / "events.csv", **config), ["s1"], [0.4], lead_in=0.1)


def test_events__that_are_ignored_or_cut_off_are_said(tmp_path):
    (tmp_path / "events.csv").write_text(f"{HEAD}\ns1,0.1,0.2,zz,1\ns1,0.3,0.405,a,1\n")
    table = table_of(tmp_path / "events.csv", mark="span", others="ignore")
    found, notes = read(table, ["s1"], [0.4])
    assert notes == [
        "stimulus 's1' of words: 1 events of other labels ignored",
        "stimulus 's1' of words: 1 events that end after the sound cut off",
    ]
    np.testing.assert_allclose(found[0][0].sum(axis=0), [10, 0, 0], atol=1e-6)


def test_labels__that_yaml_reads_as_something_else_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"config\.labels: False is no text; put labels that look like numbers"):
        own_table(tmp_path, labels=["a", False])
    with pytest.raises(ValueError, match=r"config\.labels: a: named twice"):
        own_table(tmp_path, labels=["a", "a"])
    with pytest.raises(ValueError, match=r"config\.labels: Field required"):
        own_table(tmp_path, mark="span")
