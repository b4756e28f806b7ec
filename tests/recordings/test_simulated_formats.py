"""What simulations write, read back without the package's readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distributed_trf.recordings.simulation.plan import Plan
from distributed_trf.recordings.simulation.simulate import simulate
from distributed_trf.recordings.simulation.ucdavis_layout import UCDavisLayout
from distributed_trf.recordings.simulation.ucsf_layout import UCSFLayout
from tests.recordings.plain_reading import (
    calls_as_heard,
    load,
    ucdavis_presentations,
    ucdavis_trial_counts,
    ucsf_trial_counts,
    wav,
)
from tests.recordings.written_simulations import UCDAVIS_SIZES, UCSF_SIZES, written


@pytest.mark.parametrize("size", UCSF_SIZES)
def test_ucsf__every_count_drawn_is_in_the_files(tmp_path: Path, size: dict[str, Any]) -> None:
    layout, _, sessions = written(tmp_path, "ucsf", **size)
    sentences = load(tmp_path / "stimuli/out_sentence_details_timit_all_loudness.mat")["sentdet"]
    seconds = {("timit", k): s.sound.size / 16_000 - 1 for k, s in enumerate(sentences, start=1) if s.sound.size}
    codes, sounds = calls_as_heard(tmp_path)
    seconds |= {("mVoc", code): sound.size / 16_000 for code, sound in zip(codes.tolist(), sounds, strict=True)}
    for name, session in zip(layout.sessions, sessions, strict=True):
        files = sorted((tmp_path / "sessions" / name).iterdir())
        drawn = session.trains.trial_counts()
        assert len(files) == size["channels"]
        for unit, file in enumerate(files):
            found = ucsf_trial_counts(file, seconds)
            np.testing.assert_array_equal(np.concatenate(found), np.concatenate([trial[:, unit] for trial in drawn]))
            assert [trial.size for trial in found] == [len(trial) for trial in drawn]


@pytest.mark.parametrize("size", UCDAVIS_SIZES)
def test_ucdavis__every_count_drawn_is_in_the_files(tmp_path: Path, size: dict[str, Any]) -> None:
    layout, _, sessions = written(tmp_path, "ucdavis", **size)
    for k, (name, session) in enumerate(zip(layout.sessions, sessions, strict=True)):
        found = ucdavis_trial_counts(tmp_path, name)
        drawn = session.trains.trial_counts()
        assert tuple(map(str, found)) == layout.units(k)
        for unit, trials in enumerate(found.values()):
            np.testing.assert_array_equal(np.concatenate(trials), np.concatenate([trial[:, unit] for trial in drawn]))
            assert [trial.size for trial in trials] == [len(trial) for trial in drawn]


@pytest.mark.parametrize(("format", "size"), [("ucsf", UCSF_SIZES[1]), ("ucdavis", UCDAVIS_SIZES[1])])
def test_some_spikes_in_bins_fall_on_their_left_border_and_no_other_on_any(
    tmp_path: Path, format: str, size: dict[str, Any]
) -> None:
    _, _, sessions = written(tmp_path, format, **size)
    for session in sessions:
        ticks, _ = session.trains.unit(0)
        borders = session.trains.start[session.trains.in_bin]
        binned = session.trains.counts[session.trains.in_bin, 0].sum()
        assert np.isin(ticks, borders).sum() / binned == pytest.approx(0.02, abs=0.008)
        assert not np.isin(ticks, session.trains.start[~session.trains.in_bin]).any()


def test_ucsf__training_presentations_of_calls_are_missing_from_some_sessions(tmp_path: Path) -> None:
    layout, _, _ = written(tmp_path, "ucsf", **UCSF_SIZES[1])
    codes, _ = calls_as_heard(tmp_path)
    of_code = np.bincount(codes)[codes]
    lacking = []
    for name in layout.sessions:
        trial = load(sorted((tmp_path / "sessions" / name).iterdir())[0])["trial"]
        first = np.flatnonzero(trial.mVocStimcode)[0]
        block = trial.mVocStimcode[first : first + codes.size]
        missing = block == 0
        np.testing.assert_array_equal(block[~missing], codes[~missing])
        assert not trial.mVocStimcode[first + codes.size :].any()
        assert not trial.timitStimcode[first : first + codes.size].any()
        assert (of_code[missing] != 15).all()
        lacking.append(int(missing.sum()))
    assert lacking[0] == lacking[2] == 0
    assert 2 <= lacking[1] <= 7


def test_ucsf__two_published_sessions_heard_no_calls(tmp_path: Path) -> None:
    plan = Plan(sessions=41, channels="published", sentences=11, calls=45, seed=0, bin_width=50.0)
    layout = UCSFLayout(plan)
    assert sum(len(layout.units(k)) for k in range(41)) == 1718
    sets = layout.write_shared(tmp_path)
    deaf = [k for k in range(41) if (layout.trial_table(k, sets).stimulus < 11).all()]
    assert [layout.sessions[k] for k in deaf] == ["190726", "200213"]
    assert sum(len(layout.units(k)) for k in range(41) if k not in deaf) == 1594


def test_ucsf__wav_has_pulses_calls_and_silence(tmp_path: Path) -> None:
    written(tmp_path, "ucsf", **UCSF_SIZES[2])
    audio, pulses = wav(tmp_path)
    assert set(np.unique(pulses)) == {0, 29491}
    starts, stops = (np.flatnonzero(np.diff(pulses, prepend=0, append=0) * sign > 0) for sign in (1, -1))
    assert (stops - starts == 205).all()
    assert (starts[1:3] - starts[0]).tolist() == [410, 820]
    starts = np.delete(starts, [1, 2])
    content = load(tmp_path / "stimuli/SqMoPhys_MVOCStimcodes.mat")
    assert content["mVocsStimCodes"].dtype == np.uint16
    off = content["mVocsStimOnTimes"] - starts / 41_000
    assert ((off > 0.002) & (off < 0.005)).all()
    gaps = np.diff(starts) / 41_000
    assert gaps.min() > 0.948
    assert gaps.max() < 4.81
    assert gaps.mean() == pytest.approx(2.1, abs=0.3)
    assert 0.1 * 30_000 <= np.abs(audio).max() <= 0.5 * 30_000
    sounds: dict[int, bytes] = {}
    for code, start, stop in zip(content["mVocsStimCodes"], starts, [*starts[1:], audio.size], strict=True):
        last = np.flatnonzero(audio[start:stop])[-1]
        assert abs(audio[start + last]) >= 90
        assert stop - start - last > 0.3 * 41_000
        assert 0.28 < last / 41_000 <= 1.8
        sound = audio[start : start + last]
        assert sounds.setdefault(int(code), sound.tobytes()) == sound.tobytes()
        assert np.diff(np.flatnonzero(np.abs(sound) >= 30)).max() < 2050  # never silent inside


@pytest.mark.parametrize("size", UCDAVIS_SIZES[:2])
def test_ucdavis__lists_trials_and_codes_are_as_published(tmp_path: Path, size: dict[str, Any]) -> None:
    layout, _, _ = written(tmp_path, "ucdavis", **size)
    timit, calls = load(tmp_path / "recanzone_timit_details.mat")["timit"], load(tmp_path / "MSL.mat")["MSL"]
    assert timit.use.sum() == size["sentences"] == timit.wfmName.size - 2
    assert calls.WFMname.size > size["calls"]
    assert np.isnan(calls.Dur).any()
    assert not np.isnan(calls.actualDur).any()
    listed = {}
    for names, indices, groups in (
        (timit.wfmName, timit.indUsed, ("male", "female")),
        (calls.WFMname, calls.indUsed, ("grunt", "scream", "coo")),
    ):
        for kind in ("Repeat", "Unique"):
            found = [names[int(i) - 1] for g in groups for i in np.atleast_1d(getattr(indices, f"{g}{kind}"))]
            listed |= dict.fromkeys(map(str, found), kind)
    assert len(listed) == size["sentences"] + size["calls"]
    for k, name in enumerate(layout.sessions):
        trials = ucdavis_presentations(tmp_path, name)
        repeats = 3 if name < "relayz_2024-12" else 12
        played = [file for file, _, _ in trials]
        assert {file: played.count(file) for file in listed} == {
            file: repeats if kind == "Repeat" else 1 for file, kind in listed.items()
        }
        assert all(on + seconds < later for (_, on, seconds), (_, later, _) in zip(trials, trials[1:], strict=False))
        blocks = load(tmp_path / f"Data/{name}.mat")["TrialStimData"]
        kinds = [{str(kind) for kind in block.StimulusType} for block in blocks]
        assert kinds == [{f"BMM{repeats}"}, {f"BMT{repeats}"}][:: 1 if k % 2 == 0 else -1]
        assert all("\\" in str(file) for block in blocks for file in block.StimulusName)
        durations = dict(zip(map(str, timit.wfmName), timit.durSec, strict=True))
        durations |= dict(zip(map(str, calls.WFMname), calls.actualDur, strict=True))
        assert all(durations[file] == pytest.approx(seconds) for file, _, seconds in trials)


def test_ucdavis__nine_published_sessions_of_two_kinds_and_codes_by_tetrode() -> None:
    layout = UCDavisLayout(Plan(sessions=9, channels="published", sentences=497, calls=1568, seed=0, bin_width=50.0))
    assert layout.sessions == tuple(sorted(layout.sessions))
    assert sum(name < "relayz_2024-12" for name in layout.sessions) == 3
    for k in range(9):
        codes = [int(code) for code in layout.units(k)]
        assert 7 <= len(set(codes)) == len(codes) <= 12
        assert [int(str(code)[0]) for code in codes] == sorted(int(str(code)[0]) for code in codes)
        assert {len(str(code)) for code in codes} == {3, 4}


@pytest.mark.parametrize(("format", "size"), [("ucsf", UCSF_SIZES[0]), ("ucdavis", UCDAVIS_SIZES[0])])
def test_same_arguments__same_bytes(tmp_path: Path, format: str, size: dict[str, Any]) -> None:
    for name in ("a", "b"):
        simulate(tmp_path / name, format=format, **size, seed=2)
    first, again = (
        {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("a", "b")
    )
    assert first == again
    assert not [name for name, content in first.items() if b"Created on" in content[:128]]
