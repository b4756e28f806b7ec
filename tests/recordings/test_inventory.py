"""What a recording set holds, counted session by session."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distributed_trf import inventory, open_recordings
from distributed_trf.errors import RecordingError
from tests.hand_made import HandMade


def table(ds, name):
    """Values of a variable over (stimuli, session), NaN as None."""
    return [[None if np.isnan(v) else v for v in row] for row in ds[name].values.tolist()]


def test_inventory__counts_what_each_session_heard_of_each_set() -> None:
    ds = inventory(HandMade())
    assert ds.sizes == {"stimuli": 2, "session": 2}
    assert ds["heard"].values.tolist() == [[True, False], [True, True]]
    assert table(ds, "n_trials") == [[7, None], [6, 4]]
    assert table(ds, "train_stimuli") == [[2, None], [1, 1]]
    assert table(ds, "missing") == [[1, None], [0, 0]]
    assert table(ds, "test_stimuli") == [[2, None], [2, 2]]
    assert table(ds, "repeats_min") == [[1, None], [2, 1]]
    assert table(ds, "repeats_max") == [[4, None], [3, 2]]


def test_inventory__describes_sets_and_sessions() -> None:
    ds = inventory(HandMade())
    assert ds["stimuli"].values.tolist() == ["words", "calls"]
    assert ds["n_train"].values.tolist() == [3, 1]
    assert ds["n_test"].values.tolist() == [2, 2]
    np.testing.assert_allclose(ds["train_seconds"], [1.75, 0.4])
    np.testing.assert_allclose(ds["test_seconds"], [0.5, 1.0])
    assert ds["n_units"].values.tolist() == [2, 1]
    assert ds["area"].sel(session="s2").item() == "belt"
    assert ds["subject"].sel(session="s1").item() == "mia"
    np.testing.assert_array_equal(ds["x"], [0.5, np.nan])
    np.testing.assert_array_equal(ds["y"], [-1.0, np.nan])
    assert ds.attrs["notes"] == "session s0 left out: [noise] only"


def test_inventory__every_variable_has_units_and_a_name() -> None:
    ds = inventory(HandMade())
    for name in ds.variables:
        assert {"units", "long_name"} <= set(ds[name].attrs), name
        assert not ds[name].dtype.hasobject
    assert ds["train_seconds"].attrs["units"] == "s"


def test_inventory__tells_what_stands_in_the_way() -> None:
    heard = {("s1", "words"): "at", ("s2", "words"): "ttuux", ("s1", "calls"): "", ("s2", "calls"): "avvww"}
    problem = inventory(HandMade(heard))["problem"]
    assert problem.sel(stimuli="words", session="s1").item() == (
        "test stimuli never presented: u; test stimuli presented once only, which leaves no pair of repeats: t"
    )
    assert problem.sel(stimuli="words", session="s2").item() == (
        "no training stimulus was presented; stimuli presented that are not in the set: x"
    )
    assert problem.sel(stimuli="calls", session="s1").item() == "nothing of this stimulus set was presented"
    assert problem.sel(stimuli="calls", session="s2").item() == ""


def test_inventory__never_presented_test_stimuli_have_zero_repeats() -> None:
    ds = inventory(HandMade({("s1", "words"): "att"})).sel(stimuli="words", session="s1")
    assert (ds["repeats_min"], ds["repeats_max"], ds["test_stimuli"]) == (0, 2, 1)


def test_inventory__a_session_that_cannot_be_read_fails_alone() -> None:
    ds = inventory(HandMade(damaged=("s1",)))
    assert table(ds, "n_trials") == [[None, None], [None, 4]]
    assert ds["heard"].sel(session="s1").all()
    assert ds["problem"].sel(stimuli="calls").values.tolist() == [
        "s1.dat: field onset is missing. Copy the file again",
        "test stimuli presented once only, which leaves no pair of repeats: w",
    ]
    assert ds["problem"].sel(stimuli="words", session="s2").item() == ""


def test_inventory__of_recordings_on_disk_with_a_damaged_file_and_fewer_sentences(copy: Path, rewrite) -> None:
    damaged, fewer, _ = sorted((copy / "sessions").iterdir())  # the last one is in bad_sessions
    next(damaged.glob("*Ch1_*")).write_bytes(b"no matlab file")

    def skip_two(content) -> None:
        codes = content["trial"]["timitStimcode"]
        codes[np.isin(codes, [2, 3])] = 0
        codes[np.flatnonzero(codes == 12)[:4]] = 0

    rewrite(next(fewer.glob("*Ch1_*")), skip_two)
    ds = inventory(open_recordings("ucsf", copy), spikes=False).sel(stimuli="timit")
    assert "Ch1_MUspk.mat: " in ds["problem"].values[0]
    assert np.isnan(ds["n_trials"].values[0])
    last = ds.sel(session=fewer.name)
    found = [last[n].item() for n in ("n_trials", "train_stimuli", "missing", "repeats_min", "repeats_max")]
    assert found == [4 + 10 * 11 - 2 - 4, 2, 2, 7, 11]
    assert last["problem"].item() == ""


def test_inventory__reads_no_spike_if_not_asked_to(copy: Path) -> None:
    for file in (copy / "sessions").rglob("*Ch[23]_*"):
        file.write_bytes(b"not read")
    ds = inventory(open_recordings("ucsf", copy), spikes=False)
    assert (ds["n_trials"] == 114).all()
    assert ds["rate"].isnull().all()
    assert (ds["problem"] == "").all()
    ds = inventory(open_recordings("ucsf", copy))
    assert (ds["n_trials"] == 114).all()
    assert ds["rate"].isnull().all()
    assert all("Ch2_MUspk.mat" in problem for problem in ds["problem"].values.ravel())


def test_inventory__tells_where_sounds_and_spikes_begin_and_end() -> None:
    """Of hand-made sessions: onsets from 10 s on, 2 s apart, and in trial i spikes at 10 (i + 1) ms and -15 ms."""
    ds = inventory(HandMade()).sel(stimuli="words", session="s1")
    assert (ds["onset_first"], ds["onset_last"]) == (10, 22.2)
    np.testing.assert_allclose([ds["spike_first"], ds["spike_last"]], [9.985, 22.1])
    np.testing.assert_allclose(ds["rate"], 14 / (22.1 - 9.985))
    assert ds["in_sounds"] == 0.5
    assert ds["further"] == 0
    assert inventory(HandMade({("s1", "words"): "aaabtu"}))["further"].sel(stimuli="words", session="s1") == 2


def test_inventory__needs_the_sounds(copy: Path) -> None:
    recordings = open_recordings("ucsf", copy)
    recordings.sound_files("timit")[0].unlink()
    with pytest.raises(RecordingError, match=r"no stimulus set are there.*; no timit: stimuli.*\.mat not there"):
        inventory(recordings)
