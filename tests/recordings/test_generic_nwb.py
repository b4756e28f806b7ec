from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from distributed_trf.errors import MissingExtraError, RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.generic.reader import GenericRecordings
from tests.recordings.generic_files import (
    TRIALS,
    write_csv_session,
    write_nwb_session,
    write_sounds,
)

PLAIN = [(stimulus, onset) for _, stimulus, onset in TRIALS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Sounds and a session in CSV tables."""
    path = tmp_path / "mine"
    write_sounds(path)
    write_csv_session(path, "z")
    return path


def heard(path: Path) -> list[tuple[str, float]]:
    """Trials of session ``a``."""
    recordings = GenericRecordings(path)
    assert recordings.notes == ()
    trials = recordings.trials(recordings.sessions[0], "words")
    return list(zip(trials.stimulus, trials.onset.tolist(), strict=True))


def reason(path: Path) -> str:
    """Why session ``a`` is left out."""
    recordings = GenericRecordings(path)
    assert [s.name for s in recordings.sessions] == ["z"]
    return recordings.notes[0]


def edit(file: Path, name: str, values: Any) -> None:
    with h5py.File(file, "r+") as content:
        content[name][...] = values


def test_nwb__counts_are_those_of_the_same_data_in_tables(path: Path) -> None:
    rng = np.random.default_rng(3)
    spikes = [("u2", 0.5), *((f"u{u}", t) for u, t in zip(rng.integers(1, 4, 400), rng.uniform(-1, 9, 400)))]  # noqa: B905
    write_nwb_session(path, "a", spikes=spikes)
    units = tuple(dict.fromkeys(unit for unit, _ in spikes))
    write_csv_session(path, "b", spikes=spikes, units=units)
    recordings = GenericRecordings(path)
    one, other, _ = recordings.sessions
    assert one.channels == other.channels == units
    counts = [
        bin_spikes(recordings.spikes(s, "words"), recordings.stimuli("words"), 50, session=s.name) for s in (one, other)
    ]
    np.testing.assert_array_equal(counts[0].train, counts[1].train)
    np.testing.assert_array_equal(counts[0].test, counts[1].test)
    assert counts[0].test.sum() > 50
    assert counts[0].repeats == counts[1].repeats == (1, 2)


def test_nwb__subject_and_area_are_the_files_unless_the_table_says_otherwise(path: Path) -> None:
    write_nwb_session(path, "a")
    write_nwb_session(path, "b", areas=("A1", "R"), subject=None)
    (path / "sessions.csv").write_text("session,subject,area,x\na,,belt,2\n")
    first, second, _ = GenericRecordings(path).sessions
    assert (first.subject, first.area, first.x) == ("m1", "belt", 2.0)
    assert (second.subject, second.area) == ("unknown", "unknown")
    (path / "sessions.csv").write_text("session,subject\na,m7\n")
    first = GenericRecordings(path).sessions[0]
    assert (first.subject, first.area) == ("m7", "A1")


def test_nwb__without_electrodes_the_area_is_unknown(path: Path) -> None:
    write_nwb_session(path, "a", areas=())
    assert GenericRecordings(path).sessions[0].area == "unknown"


@pytest.mark.parametrize(
    ("label", "spikes", "expected"),
    [
        ("unit_name", [("b", 1.0), ("a", 1.0)], ("b", "a")),
        ("unit_id", [(7, 1.0), (3, 1.0)], ("7", "3")),
        ("unit_id", [(7.0, 1.0), (3.5, 1.0)], ("7", "3.5")),
        ("depth", [(7, 1.0), (3, 1.0)], ("0", "1")),
        (None, [("b", 1.0), ("a", 1.0)], ("0", "1")),
    ],
)
def test_nwb__units_have_the_first_label_that_is_there(
    path: Path, label: str | None, spikes: list[tuple[Any, float]], expected: tuple[str, ...]
) -> None:
    write_nwb_session(path, "a", spikes=spikes, label=label)
    assert GenericRecordings(path).sessions[0].channels == expected


def test_nwb__another_column_may_label_the_units(path: Path) -> None:
    write_nwb_session(path, "a", label="site")
    (path / "recordings.yaml").write_text("nwb: {unit: site}")
    assert GenericRecordings(path).sessions[0].channels == ("u10", "u2")
    (path / "recordings.yaml").write_text("nwb: {unit: place}")
    assert "column place of units is missing; found site, spike_times. Name it in recordings.yaml" in reason(path)


def test_nwb__labels_must_differ(path: Path) -> None:
    file = write_nwb_session(path, "a")
    edit(file, "units/unit_name", "u2")
    assert "column unit_name of units has blanks or repeats: 'u2'; expected one label per unit" in reason(path)


def test_nwb__the_one_table_with_stimuli_is_found(path: Path) -> None:
    write_nwb_session(path, "a", intervals="presentations")
    assert heard(path) == PLAIN


def test_nwb__columns_may_have_other_names(path: Path) -> None:
    rows = [(stimulus, onset, onset + 9) for stimulus, onset in PLAIN]
    columns = ("sound", "played", "start_time")
    write_nwb_session(path, "a", rows, columns=columns, intervals="presentations")
    (path / "recordings.yaml").write_text(
        "nwb: {intervals: presentations, stimulus: sound, stimulus_set: null, onset: played}"
    )
    assert heard(path) == PLAIN
    recordings = GenericRecordings(path)
    files = recordings.session_files(recordings.sessions[0])
    assert files == (path / "sessions/a.nwb", path / "recordings.yaml")


def test_nwb__stimuli_may_be_numbers(tmp_path: Path) -> None:
    write_sounds(tmp_path, "words", {"1": 0.3}, {"12": 0.3})
    write_nwb_session(tmp_path, "a", [("words", 12, 1.0), ("words", 1, 2.0)])
    assert heard(tmp_path) == [("12", 1.0), ("1", 2.0)]


def test_nwb__no_column_of_sets_means_the_one_set(path: Path) -> None:
    write_nwb_session(path, "a", PLAIN, columns=("stimulus", "start_time"))
    assert heard(path) == PLAIN
    (path / "recordings.yaml").write_text("nwb: {stimulus_set: null}")
    assert heard(path) == PLAIN
    (path / "recordings.yaml").write_text("nwb: {stimulus_set: corpus}")  # a column that was asked for must be there
    assert "column corpus of trials is missing; found start_time, stimulus, stop_time." in reason(path)
    assert "or say nwb.stimulus_set: null there" in reason(path)
    assert reason(path).endswith("expected corpus, stimulus, start_time")
    (path / "recordings.yaml").unlink()
    write_sounds(path, "calls", {"x": 0.2}, {"y": 0.2})
    assert "column stimulus_set of trials is missing" in reason(path)
    (path / "recordings.yaml").write_text("nwb: {stimulus_set: null}")
    assert "recordings.yaml: field nwb.stimulus_set is null, but there are 2 stimulus sets, calls, words" in reason(
        path
    )


@pytest.mark.parametrize(
    ("ends", "match"),
    [
        ([4, 3, 7], "holds 3 in row 1 after 4; expected ends that ascend"),
        ([-2, 5, 7], "holds -2 in row 0 after 0; expected ends that ascend"),
        ([3, 5, 6], "ends at 6, but spike_times has 7 values; expected all of them to be of a row"),
        ([3, 5, 8], "ends at 8, but spike_times has 7 values"),
        ([3.0, 5.0, 7.0], "is float64 of shape"),
    ],
)
def test_nwb__an_index_must_ascend_to_the_end_of_its_column(path: Path, ends: list[Any], match: str) -> None:
    spikes = [("a", 1.0), ("a", 2.0), ("a", 3.0), ("b", 1.0), ("b", 2.0), ("c", 1.0), ("c", 2.0)]
    file = write_nwb_session(path, "a", spikes=spikes)
    with h5py.File(file, "r+") as content:
        attrs = dict(content["units/spike_times_index"].attrs)
        del content["units/spike_times_index"]
        content["units"].create_dataset("spike_times_index", data=np.array(ends)).attrs.update(attrs)
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match=rf"a\.nwb: spike_times_index of units .*{match}"):
        recordings.spikes(recordings.sessions[0], "words")


def test_nwb__the_index_of_observed_intervals_is_looked_at_as_well(path: Path) -> None:
    file = write_nwb_session(path, "a", observed=[[(0.0, 3.0), (3.4, 9.0)], [(0.0, 6.0)]])
    edit(file, "units/obs_intervals_index", [2, 1])
    assert "obs_intervals_index of units holds 1 in row 1 after 2" in reason(path)


def test_nwb__a_label_that_is_not_there_is_an_error(path: Path) -> None:
    write_nwb_session(path, "a", label="unit_id", spikes=[(7.0, 1.0), (np.nan, 1.0)])
    assert "column unit_id of units holds NaN in row 1; expected a label" in reason(path)
    write_nwb_session(path, "a", [(np.nan, 1.0), (1.0, 2.0)], columns=("stimulus", "start_time"))
    assert "column stimulus of trials holds NaN in row 0" in reason(path)


def test_nwb__a_column_of_lists_names_no_stimulus(path: Path) -> None:
    import pynwb

    file = write_nwb_session(path, "a")
    with pynwb.NWBHDF5IO(file, "a") as io:
        nwb = io.read()
        nwb.trials.add_column("sounds", "several", data=[["s1"], ["t1"], ["s10"], ["s3"], ["t1"]], index=True)
        io.write(nwb)
    (path / "recordings.yaml").write_text("nwb: {stimulus: sounds}")
    assert "column sounds of trials has lists; expected one value for each of its 5 rows" in reason(path)
    (path / "recordings.yaml").write_text("nwb: {onset: stimulus}")
    assert "column stimulus of trials holds object, such as 's1'; expected numbers" in reason(path)


def test_nwb__trials_without_a_stimulus_are_counted(path: Path) -> None:
    write_nwb_session(path, "a", [*TRIALS, ("words", "", 20.0)])
    assert GenericRecordings(path).notes == (
        "session a: 1 of 6 trials left out, for their sounds are not in stimuli: words/",
    )


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"columns": ("set", "sound", "start_time")}, "no intervals have a column stimulus; expected one table that"),
        ({"units": False, "label": None}, "holds no units; expected a table of units with spike_times"),
        ({"trials": [("words", "s1", 1.0), ("words", "s2", 1.0)]}, "rows 0 and 1 have the same onset, 1 s"),
        ({"trials": [("words", "s1", 1.0), ("words", "s2", np.nan)]}, "column start_time of trials holds nan in row 1"),
        ({"trials": [("words", "other", 1.0)]}, "none of its 1 trials is of a sound in stimuli; found words/other"),
    ],
)
def test_nwb__what_cannot_be_used_leaves_the_session_out(path: Path, how: dict[str, Any], match: str) -> None:
    write_nwb_session(path, "a", **how)
    assert match in reason(path)


def test_nwb__intervals_of_another_name_are_refused(path: Path) -> None:
    write_nwb_session(path, "a")
    (path / "recordings.yaml").write_text("nwb: {intervals: presentations}")
    assert "there are no intervals presentations, which recordings.yaml names; found trials" in reason(path)


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_nwb__damaged_file_leaves_the_session_out(path: Path, keep: int) -> None:
    file = write_nwb_session(path, "a")
    file.write_bytes(file.read_bytes()[:keep])
    assert "a.nwb: not a readable NWB file (" in reason(path)


def test_nwb__an_hdf5_file_of_something_else(path: Path) -> None:
    with h5py.File(path / "sessions/a.nwb", "w") as file:
        file["x"] = 1
    assert "a.nwb: not a readable NWB file (" in reason(path)


def test_nwb__spikes_must_be_finite(path: Path) -> None:
    file = write_nwb_session(path, "a")
    with h5py.File(file, "r+") as content:
        content["units/spike_times"][-1] = np.nan
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match=r"a\.nwb: 1 of the spike_times of unit u2 are not finite"):
        recordings.spikes(recordings.sessions[0], "words")


def test_nwb__units_without_spike_times(path: Path) -> None:
    file = write_nwb_session(path, "a")
    with h5py.File(file, "r+") as content:
        del content["units/spike_times"], content["units/spike_times_index"]
        content["units"].attrs["colnames"] = ["unit_name"]
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match="column spike_times of units is missing; found unit_name"):
        recordings.spikes(recordings.sessions[0], "words")


def test_nwb__units_that_were_not_observed_throughout_are_noted(path: Path) -> None:
    write_nwb_session(path, "a", observed=[[(0.0, 3.0), (3.4, 9.0)], [(0.0, 6.0)]])
    recordings = GenericRecordings(path)
    assert recordings.notes == (
        "session a: 1 of 2 units were not observed in all trials (obs_intervals); that counts as silence",
    )
    assert [t.size for t in recordings.spikes(recordings.sessions[0], "words").times] == [3, 2]


@pytest.mark.filterwarnings("ignore:An attribute 'name' already exists:UserWarning")
def test_nwb__a_column_that_hides_an_attribute_warns_of_nothing(path: Path) -> None:
    write_nwb_session(path, "a", PLAIN, columns=("name", "start_time"))
    (path / "recordings.yaml").write_text("nwb: {intervals: trials, stimulus: name, stimulus_set: null}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert heard(path) == PLAIN


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("nwb: [", "not valid YAML: line 1, "),
        ("", "holds None; expected one field, nwb"),
        ("nwb: trials", "holds nwb; expected one field, nwb, which holds the other fields"),
        ("nwb: {}\nmatlab: {}", "holds nwb, matlab; expected one field, nwb"),
        (
            "nwb: {stimuli: x}",
            "field nwb.stimuli is unknown; expected some of intervals, stimulus_set, stimulus, onset",
        ),
        ("nwb: {onset: 3}", "field nwb.onset is 3; expected a name"),
        ("nwb: {stimulus: null}", "field nwb.stimulus is None; expected a name"),
    ],
)
def test_nwb__a_wrong_mapping_names_the_field(path: Path, content: str, match: str) -> None:
    (path / "recordings.yaml").write_text(content)
    with pytest.raises(RecordingError, match=rf"recordings\.yaml: {match}"):
        GenericRecordings(path)


def test_nwb__without_pynwb_the_extra_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "sessions/a.nwb").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(MissingExtraError, match=r"pynwb is not installed.*distributed_trf\[nwb\]"):
        _ = GenericRecordings(path).sessions


def test_nwb__tables_do_without_pynwb(path: Path) -> None:
    code = (
        "import sys; from distributed_trf.recordings.open_recordings import open_recordings; "
        f"r = open_recordings('generic', {str(path)!r}); r.spikes(r.sessions[0], 'words'); "
        "assert not {'pynwb', 'hdmf', 'h5py'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
