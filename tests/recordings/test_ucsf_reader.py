from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.io import loadmat, savemat

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import Session
from distributed_trf.recordings.simulation.session import open_truth
from distributed_trf.recordings.ucsf.metadata import TEST_IDS, channel_labels
from distributed_trf.recordings.ucsf.reader import UCSFRecordings

Rewrite = Callable[[Path, Callable[[dict[str, Any]], None]], None]
FIRST, LAST = "180413", "180501"


def channel(path: Path, number: int = 2, session: str = FIRST) -> Path:
    return path / "sessions" / session / f"b_{session}_Ch{number}_MUspk.mat"


def edit_metadata(path: Path, **changes: Any) -> None:
    file = path / "sessions_metadata.yml"
    content = yaml.safe_load(file.read_text()) | changes
    file.write_text(yaml.safe_dump({name: value for name, value in content.items() if value != "absent"}))


def keep_spikes(n: int) -> Callable[[dict[str, Any]], None]:
    """Leave the last ``n`` spikes that fall into the first half second of a sentence."""

    def change(content: dict[str, Any]) -> None:
        spike = content["spike"]
        early = (spike["stimlock"] > 0) & (spike["stimlock"] < 0.5) & (spike["timitStimcode"] > 0)
        kept = np.flatnonzero(early)[early.sum() - n :]
        content["spike"] = {name: values[kept] for name, values in spike.items()}

    return change


def test_reader__sessions_are_described_by_the_metadata(simulated: Path) -> None:
    assert UCSFRecordings(simulated).sessions == (
        Session(FIRST, "non-primary", "b_RH", 0.4, -0.4, ("Ch1", "Ch2", "Ch3")),
        Session(LAST, "core", "b_RH", -0.65, 1.05, ("Ch1", "Ch2", "Ch3")),
    )


def test_reader__files_belong_to_sounds_and_channels(simulated: Path) -> None:
    recordings = UCSFRecordings(simulated)
    files = recordings.session_files(recordings.sessions[1])
    assert files == tuple(channel(simulated, k, LAST) for k in (1, 2, 3))
    (sentences,) = recordings.sound_files("timit")
    assert sentences.is_file()


def test_reader__construction_reads_no_spikes_and_no_sounds(copy: Path) -> None:
    for file in copy.rglob("*.mat"):
        file.write_bytes(b"not read")
    assert len(UCSFRecordings(copy).sessions) == 2


def test_reader__stimuli_are_the_sentences_with_a_sound(simulated: Path) -> None:
    stimuli = UCSFRecordings(simulated).stimuli("timit")
    assert [s.id for s in stimuli] == ["1", "2", "3", "4", *map(str, TEST_IDS)]
    assert [s.is_test for s in stimuli] == [False] * 4 + [True] * 10
    assert all(1 - 1e-4 < s.duration < 2.6 + 1e-4 for s in stimuli)


def test_reader__sounds_are_cut_to_the_sentence(simulated: Path) -> None:
    recordings = UCSFRecordings(simulated)
    sounds, sfreq = recordings.sounds("timit")
    stored = loadmat(*recordings.sound_files("timit"), squeeze_me=True, struct_as_record=False)["sentdet"]
    assert sfreq == 16_000
    assert list(sounds) == [s.id for s in recordings.stimuli("timit")]
    for stimulus in recordings.stimuli("timit"):
        sound = sounds[stimulus.id]
        assert sound.dtype == np.float64
        assert sound.size == round(stimulus.duration * sfreq)
        np.testing.assert_array_equal(sound, stored[int(stimulus.id) - 1].sound[8000:-8000])
        assert np.abs(sound[:800]).max() > 0  # not the silence before the onset


def test_reader__the_sentence_file_is_read_once(copy: Path) -> None:
    recordings = UCSFRecordings(copy)
    stimuli = recordings.stimuli("timit")
    recordings.sound_files("timit")[0].unlink()
    assert recordings.stimuli("timit") == stimuli
    assert len(recordings.sounds("timit")[0]) == len(stimuli)


@pytest.mark.parametrize("ask", ["stimuli", "sounds", "sound_files", "heard"])
def test_reader__other_stimulus_sets_are_refused(simulated: Path, ask: str) -> None:
    recordings = UCSFRecordings(simulated)
    with pytest.raises(ConfigError, match="'speech' is unknown; expected one of timit, mvocs"):
        getattr(recordings, ask)("speech")
    for read in (recordings.trials, recordings.spikes):
        with pytest.raises(ConfigError, match="'speech' is unknown; expected one of timit, mvocs"):
            read(recordings.sessions[0], "speech")


def test_reader__spikes_are_those_of_sentences_in_order_of_presentation(simulated: Path) -> None:
    recordings = UCSFRecordings(simulated)
    spikes = recordings.spikes(recordings.sessions[0], "timit")
    content = loadmat(channel(simulated, 2), squeeze_me=True, struct_as_record=False)
    codes, spike = content["trial"].timitStimcode, content["spike"]
    rows = np.flatnonzero(codes)
    assert spikes.stimulus == tuple(str(codes[row]) for row in rows)
    assert len(spikes.times) == len(spikes.trial) == 3
    for k in (0, 7, len(rows) - 1):
        expected = spike.stimlock[spike.trial == rows[k] + 1]
        np.testing.assert_array_equal(spikes.times[1][spikes.trial[1] == k], expected)
    assert spikes.times[1].size == np.count_nonzero(spike.timitStimcode)


def test_reader__mean_test_response_follows_the_known_rate(simulated: Path) -> None:
    recordings, truth = UCSFRecordings(simulated), open_truth(simulated)
    assert truth is not None
    stimuli = recordings.stimuli("timit")
    for session in recordings.sessions:
        counts = bin_spikes(recordings.spikes(session, "timit"), stimuli, 50, session=session.name)
        of_session = truth.isel(unit=truth.session.values == session.name)
        is_test = np.isin(truth.stimulus.values, [str(i) for i in TEST_IDS])
        rate = of_session.rate.values[:, is_test]
        psth = counts.repeated.mean(axis=0).T
        for unit in np.flatnonzero(of_session.driven):
            assert np.corrcoef(rate[unit], psth[unit])[0, 1] > 0.85
        np.testing.assert_allclose(psth.mean(axis=1), rate.mean(axis=1), rtol=0.06)
        n_train = counts.train.shape[0]
        np.testing.assert_allclose(counts.train.mean(axis=0), of_session.rate.values[:, ~is_test].mean(1), rtol=0.25)
        assert n_train == np.count_nonzero(~is_test)


def test_reader__bad_sessions_are_left_out(copy: Path) -> None:
    edit_metadata(copy, bad_sessions=[180405, int(FIRST), 200617])
    assert [s.name for s in UCSFRecordings(copy).sessions] == [LAST]


def test_reader__a_session_without_metadata_is_of_unknown_site(copy: Path) -> None:
    shutil.copytree(copy / "sessions" / FIRST, copy / "sessions" / "990101")
    session = UCSFRecordings(copy).sessions[-1]
    assert (session.name, session.area, session.subject) == ("990101", "unknown", "unknown")
    assert np.isnan([session.x, session.y]).all()


def test_reader__hidden_and_foreign_files_are_no_channels(copy: Path) -> None:
    folder = copy / "sessions" / FIRST
    (folder / f"._b_{FIRST}_Ch1_MUspk.mat").write_bytes(b"a Mac was here")
    (folder / f"b_{FIRST}_TRIALINFO.mat").write_bytes(b"")
    (copy / "sessions" / ".DS").mkdir()
    assert UCSFRecordings(copy).sessions[0].channels == ("Ch1", "Ch2", "Ch3")
    assert len(UCSFRecordings(copy).sessions) == 2


def test_channel_labels__keep_what_tells_files_apart() -> None:
    names = ["c_1_Ch10ps2_MUspk.mat", "c_1_Ch2_MUspk.mat", "c_1_Ch3p_MUspk.mat", "c_1_Ch4s2_MUspk.mat", "odd_MUspk.mat"]
    assert channel_labels(tuple(map(Path, names))) == ("Ch10ps2", "Ch2", "Ch3p", "Ch4s2", "odd_MUspk")
    twins = (Path("b_1_Ch2_MUspk.mat"), Path("c_1_Ch2_MUspk.mat"))
    assert channel_labels(twins) == ("b_1_Ch2_MUspk", "c_1_Ch2_MUspk")


def test_reader__one_channel_session(copy: Path) -> None:
    channel(copy, 1).unlink()
    channel(copy, 3).unlink()
    recordings = UCSFRecordings(copy)
    session = recordings.sessions[0]
    assert session.channels == ("Ch2",)
    counts = bin_spikes(recordings.spikes(session, "timit"), recordings.stimuli("timit"), 50, session=FIRST)
    assert counts.repeated.shape[2] == 1
    assert counts.repeated.sum() > 0


@pytest.mark.parametrize("n", [0, 1, 2])
def test_reader__channel_with_hardly_a_spike(copy: Path, rewrite: Rewrite, n: int) -> None:
    rewrite(channel(copy), keep_spikes(n))
    recordings = UCSFRecordings(copy)
    spikes = recordings.spikes(recordings.sessions[0], "timit")
    assert spikes.times[1].shape == spikes.trial[1].shape == (n,)
    assert spikes.times[0].size > 100


def test_reader__the_one_spike_lands_in_its_bin(copy: Path, rewrite: Rewrite) -> None:
    def one_spike(content: dict[str, Any]) -> None:
        row = np.flatnonzero(content["trial"]["timitStimcode"] == 12)[0]
        content["spike"] = {"stimlock": 0.26, "trial": float(row + 1)}

    rewrite(channel(copy), one_spike)
    recordings = UCSFRecordings(copy)
    spikes = recordings.spikes(recordings.sessions[0], "timit")
    counts = bin_spikes(spikes, recordings.stimuli("timit"), 50, session=FIRST)
    assert np.argwhere(counts.test_trials["12"][:, :, 1]).tolist() == [[0, 5]]
    assert counts.repeated[:, :, 1].sum() + counts.train[:, 1].sum() == 1


def test_reader__truncated_mat_names_the_file(copy: Path) -> None:
    file = channel(copy)
    file.write_bytes(file.read_bytes()[:20_000])
    recordings = UCSFRecordings(copy)
    with pytest.raises(RecordingError, match=rf"b_{FIRST}_Ch2_MUspk\.mat.*Copy it again"):
        recordings.spikes(recordings.sessions[0], "timit")
    assert recordings.spikes(recordings.sessions[1], "timit").stimulus


def unknown_code(content: dict[str, Any]) -> None:
    codes = content["trial"]["timitStimcode"]
    codes[np.flatnonzero(codes == 1)] = 499  # its sound is empty


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c["spike"].pop("stimlock"), "field stimlock is missing; found events, spktimes, trial"),
        (lambda c: c["trial"].pop("timitStimcode"), "field timitStimcode is missing"),
        (lambda c: c.pop("trial"), "variable trial is missing"),
        (lambda c: c["spike"].update(stimlock=c["spike"]["stimlock"][:-1]), r"\d+ values in field stimlock but \d+ in"),
        (lambda c: c["spike"]["trial"].__setitem__(9, 5000), "field trial of spike holds 5000; .* to 121, the number"),
        (lambda c: c["spike"]["trial"].__setitem__(-1, -1), "field trial of spike holds -1"),
        (lambda c: c["spike"]["trial"].__setitem__(-1, np.nan), "field trial of spike holds nan"),
        (lambda c: c["spike"]["trial"].__setitem__(-1, 1.5), "field trial of spike holds 1.5"),
        (
            lambda c: c["spike"]["stimlock"].__setitem__(slice(2000, 2003), np.nan),
            "stimlock of spike holds 3 times that",
        ),
        (unknown_code, "field timitStimcode of trial holds 499, but .*out_sentence.* has no sound there"),
    ],
)
def test_reader__damaged_content_names_file_field_and_value(
    copy: Path, rewrite: Rewrite, change: Callable[[dict[str, Any]], None], match: str
) -> None:
    rewrite(channel(copy, 1), change)
    recordings = UCSFRecordings(copy)
    with pytest.raises(RecordingError, match=rf"b_{FIRST}_Ch1_MUspk\.mat: .*{match}"):
        recordings.spikes(recordings.sessions[0], "timit")


def test_reader__times_outside_the_sentences_may_be_anything(copy: Path, rewrite: Rewrite) -> None:
    recordings = UCSFRecordings(copy)
    before = recordings.spikes(recordings.sessions[0], "timit")

    def spoil(content: dict[str, Any]) -> None:
        content["spike"]["stimlock"][content["spike"]["timitStimcode"] == 0] = np.nan

    rewrite(channel(copy), spoil)
    after = recordings.spikes(recordings.sessions[0], "timit")
    np.testing.assert_array_equal(after.times[1], before.times[1])


@pytest.mark.parametrize("shorter", [True, False])
def test_reader__channels_of_a_session_share_their_trials(copy: Path, rewrite: Rewrite, shorter: bool) -> None:  # noqa: FBT001
    def change(content: dict[str, Any]) -> None:
        codes = content["trial"]["timitStimcode"]
        content["trial"]["timitStimcode"] = codes[:-1] if shorter else codes[::-1]
        content["trial"]["stimon"] = content["trial"]["stimon"][: codes.size - shorter]

    rewrite(channel(copy, 3), change)
    recordings = UCSFRecordings(copy)
    with pytest.raises(RecordingError, match=rf"Ch3_MUspk\.mat: .*timitStimcode.*b_{FIRST}_Ch1_MUspk\.mat.*has 121"):
        recordings.spikes(recordings.sessions[0], "timit")


def test_reader__missing_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere: there is no such folder"):
        UCSFRecordings(tmp_path / "nowhere")


def test_reader__folder_above_the_recordings_says_which_is_meant(simulated: Path, tmp_path: Path) -> None:
    (tmp_path / "recordings").symlink_to(simulated)
    with pytest.raises(RecordingError, match=rf"expected sessions_metadata\.yml.*Give {tmp_path}/recordings instead"):
        UCSFRecordings(tmp_path)


@pytest.mark.parametrize("inner", ["sessions", "stimuli", f"sessions/{FIRST}"])
def test_reader__folder_within_the_recordings_says_which_is_meant(
    simulated: Path, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecordingError, match=rf"{inner}: expected sessions_metadata\.yml.*Give {simulated} instead"):
        UCSFRecordings(simulated / inner)
    monkeypatch.chdir(simulated / inner)
    with pytest.raises(RecordingError, match=rf"Give {simulated} instead"):
        UCSFRecordings(".")


def test_reader__folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"expected sessions_metadata\.yml and a folder sessions in this folder"):
        UCSFRecordings(tmp_path)


def test_reader__no_sessions(copy: Path) -> None:
    shutil.rmtree(copy / "sessions")
    with pytest.raises(RecordingError, match="a folder sessions in this folder"):
        UCSFRecordings(copy)
    (copy / "sessions").mkdir()
    with pytest.raises(RecordingError, match="no session to use; found 0 folders"):
        UCSFRecordings(copy)


def test_reader__session_without_channels(copy: Path) -> None:
    for file in (copy / "sessions" / LAST).iterdir():
        file.unlink()
    with pytest.raises(RecordingError, match=rf"{LAST}: no file \*MUspk\*\.mat.*bad_sessions"):
        UCSFRecordings(copy)


def test_reader__missing_sentence_file(copy: Path) -> None:
    recordings = UCSFRecordings(copy)
    recordings.sound_files("timit")[0].unlink()
    with pytest.raises(RecordingError, match=r"out_sentence_details_timit_all_loudness\.mat: there is no such file"):
        recordings.stimuli("timit")


@pytest.mark.parametrize(
    ("changes", "ask", "match"),
    [
        ({"duration": 0.9}, "stimuli", "field duration of sentence 12 is 0.9 s; expected more than the 1.0 s"),
        ({"duration": np.empty(0)}, "stimuli", r"field duration holds \[\]"),
        ({"sound": np.ones(16_000)}, "sounds", "field sound of sentence 12 has 0 samples"),
        ({"sound": np.full(20_000, np.nan)}, "sounds", "4000 samples between its silences, 4000 of them not finite"),
        ({"sound": np.empty(0)}, "stimuli", "test sentences 12 have no sound among the 499"),
        ({"soundf": 0.0}, "sounds", "field soundf is 0.0; expected a rate in hertz"),
    ],
)
def test_reader__unusable_sentence_is_named(copy: Path, changes: dict[str, Any], ask: str, match: str) -> None:
    recordings = UCSFRecordings(copy)
    (file,) = recordings.sound_files("timit")
    sentences = loadmat(file)["sentdet"]
    for name, value in changes.items():
        sentences[name][0, 0 if name == "soundf" else 11] = value
    savemat(file, {"sentdet": sentences})
    with pytest.raises(RecordingError, match=match):
        getattr(recordings, ask)("timit")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"bad_sessions": "absent"}, "field bad_sessions is missing; expected a list"),
        ({"bad_sessions": 180405}, "field bad_sessions is 180405; expected a list"),
        ({"area_wise_sessions": [1]}, r"field area_wise_sessions is \[1\]; expected a mapping"),
        ({"area_wise_sessions": {"core": 1}}, "field core is 1; expected a list"),
        (
            {"session_coordinates": {180413: [1.0]}},
            r"field session_coordinates of session 180413 is \[1\.0\]; .* \[x, y\]",
        ),
    ],
)
def test_reader__wrong_metadata_names_the_field(copy: Path, changes: dict[str, Any], match: str) -> None:
    edit_metadata(copy, **changes)
    with pytest.raises(RecordingError, match=rf"sessions_metadata\.yml: {match}"):
        UCSFRecordings(copy)


@pytest.mark.parametrize("text", ["a: [1, 2", "- 1\n- 2\n", ""])
def test_reader__damaged_metadata_is_named(copy: Path, text: str) -> None:
    (copy / "sessions_metadata.yml").write_text(text)
    with pytest.raises(RecordingError, match=r"sessions_metadata\.yml: .*Copy it again"):
        UCSFRecordings(copy)


def test_reader__an_empty_list_may_be_left_blank(copy: Path) -> None:
    edit_metadata(copy, bad_sessions=None)
    assert len(UCSFRecordings(copy).sessions) == 3  # with the bad one


def test_open_recordings__finds_the_reader_by_name(simulated: Path) -> None:
    assert isinstance(open_recordings("ucsf", simulated), UCSFRecordings)
    with pytest.raises(ConfigError, match="'nwb' is unknown; expected one of .*ucsf"):
        open_recordings("nwb", simulated)
