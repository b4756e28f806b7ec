from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings.ucdavis.reader import UCDavisRecordings
from distributed_trf.recordings.ucdavis.stimulus_list import sound_name
from tests.recordings import handmade_ucdavis as handmade


@pytest.fixture
def ucdavis(tmp_path: Path) -> UCDavisRecordings:
    return UCDavisRecordings(handmade.write_recordings(tmp_path / "ucdavis"))


def write_details(recordings: UCDavisRecordings, **timit: Any) -> None:
    savemat(recordings.path / "recanzone_timit_details.mat", {"timit": timit})


def test_stimuli__are_those_in_use_in_the_order_of_the_list(ucdavis: UCDavisRecordings) -> None:
    assert [(s.id, s.is_test) for s in ucdavis.stimuli("timit")] == [
        ("103-fmjf0_si1254", True),
        ("104-mabc0_si1", False),
        ("105-fxyz0_si2", False),
        ("106-mdef0_si3", True),
    ]
    assert [(s.id, s.is_test) for s in ucdavis.stimuli("mvocs")] == [
        ("01-Cue-01-Coo", False),
        ("02-Cue-02-Grunt", True),
        ("03-Cue-03-Scream", False),
        ("04-Cue-04-Coo", False),
    ]


@pytest.mark.parametrize("stimulus_set", ["timit", "mvocs"])
def test_sounds__are_the_stored_samples(ucdavis: UCDavisRecordings, stimulus_set: str) -> None:
    sounds, sfreq = ucdavis.sounds(stimulus_set)
    assert sfreq == 48_000
    assert list(sounds) == [s.id for s in ucdavis.stimuli(stimulus_set)]
    for stimulus in ucdavis.stimuli(stimulus_set):
        sound, n = sounds[stimulus.id], handmade.N_SAMPLES[stimulus.id]
        assert (sound.dtype, sound.shape) == (np.float32, (n,))
        assert stimulus.duration == pytest.approx(n / 48_000, rel=1e-15)
        np.testing.assert_array_equal(sound[1:], (np.arange(1, n) - n) / 32_768)
        assert sound[0] == -1


def test_sounds__low_byte_first(ucdavis: UCDavisRecordings) -> None:
    file = ucdavis.path / "TIMIT_48000" / "104-mabc0_si1.wfm"
    file.write_bytes(bytes([1, 0, 0, 64]))
    assert ucdavis.sounds("timit")[0]["104-mabc0_si1"].tolist() == [1 / 32_768, 0.5]
    assert ucdavis.stimuli("timit")[1].duration == 4 / 96_000


def test_sound_files__are_the_list_and_the_sounds(ucdavis: UCDavisRecordings) -> None:
    details, *waves = ucdavis.sound_files("mvocs")
    assert details == ucdavis.path / "MSL.mat"
    assert waves == [ucdavis.path / "NIMH_Mvoc_WFM" / name for name in handmade.CALLS]


def test_stimuli__the_list_may_be_an_array_of_structs(ucdavis: UCDavisRecordings) -> None:
    before = ucdavis.stimuli("mvocs")
    nothing = np.empty((0, 0))
    entries = [{"WFMname": name, "indUsed": nothing, "actualDur": 1.0} for name in handmade.CALLS]
    entries.append({"WFMname": nothing, "indUsed": nothing, "actualDur": np.nan})
    entries[0]["indUsed"] = handmade.MVOCS_USED
    savemat(ucdavis.path / "MSL.mat", {"MSL": handmade.struct_array(entries)})
    assert UCDavisRecordings(ucdavis.path).stimuli("mvocs") == before


def test_stimuli__one_sound_is_enough(ucdavis: UCDavisRecordings) -> None:
    used = dict.fromkeys(handmade.TIMIT_USED, np.empty(0)) | {"maleUnique": [1]}
    write_details(ucdavis, wfmName=handmade.cell(handmade.SENTENCES[1:2]), indUsed=used)
    assert [(s.id, s.is_test) for s in ucdavis.stimuli("timit")] == [("103-fmjf0_si1254", False)]
    assert len(ucdavis.sounds("timit")[0]) == 1


def test_stimuli__what_is_not_in_use_need_not_be_there(ucdavis: UCDavisRecordings) -> None:
    names = ["", handmade.SENTENCES[1], *handmade.SENTENCES[2:], handmade.SENTENCES[1]]
    write_details(ucdavis, wfmName=handmade.cell(names), indUsed=handmade.TIMIT_USED)
    assert len(ucdavis.stimuli("timit")) == 4


@pytest.mark.parametrize(
    ("used", "match"),
    [
        ({"maleUnique": [3, 0]}, "field maleUnique of indUsed holds 0, which is no position.*from 1 to 5"),
        ({"maleUnique": [6]}, "field maleUnique of indUsed holds 6, which is no position"),
        ({"femaleRepeat": [1.5]}, r"field femaleRepeat of indUsed holds 1\.5, which is no position"),
        ({"femaleRepeat": [np.nan]}, "field femaleRepeat of indUsed holds nan, which is no position"),
        ({"maleUnique": [3, 2]}, "field maleUnique of indUsed holds 2, that is in use already; .*each of them once"),
        ({"maleRepeat": [5, 5]}, "field maleRepeat of indUsed holds 5, that is in use already"),
    ],
)
def test_stimuli__a_wrong_index_is_named(ucdavis: UCDavisRecordings, used: dict[str, Any], match: str) -> None:
    write_details(ucdavis, **handmade.timit_details(**used))
    with pytest.raises(RecordingError, match=rf"recanzone_timit_details\.mat: {match}"):
        ucdavis.stimuli("timit")


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (
            [*handmade.SENTENCES[:4], handmade.SENTENCES[1]],
            "wfmName holds '103-fmjf0_si1254' a second time at position 5",
        ),
        ([*handmade.SENTENCES[:4], np.empty((0, 0))], r"wfmName holds .* at position 5; expected another file name"),
        ([*handmade.SENTENCES[:4], 7.0], r"wfmName holds 7\.0 at position 5"),
    ],
)
def test_stimuli__a_wrong_name_is_named(ucdavis: UCDavisRecordings, names: list[Any], match: str) -> None:
    write_details(ucdavis, **handmade.timit_details(names))
    with pytest.raises(RecordingError, match=rf"recanzone_timit_details\.mat: field {match}"):
        ucdavis.stimuli("timit")


@pytest.mark.parametrize("missing", ["wfmName", "indUsed"])
def test_stimuli__a_missing_field_is_named(ucdavis: UCDavisRecordings, missing: str) -> None:
    write_details(ucdavis, **{k: v for k, v in handmade.timit_details().items() if k != missing})
    with pytest.raises(RecordingError, match=rf"recanzone_timit_details\.mat: field {missing} is missing"):
        ucdavis.stimuli("timit")
    savemat(
        ucdavis.path / "MSL.mat", {"MSL": {"WFMname": handmade.cell(handmade.CALLS), "indUsed": {"cooUnique": 1.0}}}
    )
    with pytest.raises(RecordingError, match=r"MSL\.mat: field gruntRepeat is missing; found cooUnique"):
        ucdavis.stimuli("mvocs")


@pytest.mark.parametrize(
    ("content", "match"),
    [(None, "there is no such file"), (b"", "has 0 bytes; expected at least one sample"), (b"abc", "has 3 bytes")],
)
@pytest.mark.parametrize("ask", ["stimuli", "sounds"])
def test_stimuli__an_unusable_sound_is_named(
    ucdavis: UCDavisRecordings, ask: str, content: bytes | None, match: str
) -> None:
    file = ucdavis.path / "TIMIT_48000" / "105-fxyz0_si2.wfm"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecordingError, match=rf"105-fxyz0_si2\.wfm: {match}"):
        getattr(ucdavis, ask)("timit")
    assert ucdavis.stimuli("mvocs")


def test_stimulus_sets__are_those_whose_list_and_sounds_are_there(ucdavis: UCDavisRecordings) -> None:
    assert ucdavis.stimulus_sets == ("timit", "mvocs")
    (ucdavis.path / "TIMIT_48000").rename(ucdavis.path / "elsewhere")
    assert ucdavis.stimulus_sets == ("mvocs",)
    (ucdavis.path / "MSL.mat").unlink()
    assert ucdavis.stimulus_sets == ()
    with pytest.raises(RecordingError, match=r"MSL\.mat: there is no such file"):
        ucdavis.stimuli("mvocs")


@pytest.mark.parametrize("ask", ["stimuli", "sounds", "sound_files", "heard"])
def test_stimuli__other_stimulus_sets_are_refused(ucdavis: UCDavisRecordings, ask: str) -> None:
    with pytest.raises(ConfigError, match="'speech' is unknown; expected one of timit, mvocs"):
        getattr(ucdavis, ask)("speech")


@pytest.mark.parametrize("stored", ["a-b_c.wfm", r"C:\x y\a-b_c.wfm", "/srv/a-b_c.wfm", " a-b_c.wfm ", r"D:\z/a-b_c"])
def test_sound_name__is_the_last_part_of_a_path(stored: str) -> None:
    assert sound_name(stored) == "a-b_c"
