"""What simulations write in either format comes back through the package's readers, unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distributed_trf.features.resample import resample_sound
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.open_recordings import guess_format
from distributed_trf.recordings.recording_set import stimulus_bins
from distributed_trf.recordings.simulation.neurons import driving_feature
from distributed_trf.recordings.simulation.plan import first_stimulus
from distributed_trf.recordings.simulation.session import open_truth
from distributed_trf.recordings.simulation.simulate import simulate
from tests.recordings.written_simulations import UCDAVIS_SIZES, UCSF_SIZES, written

CASES = [("ucsf", size) for size in UCSF_SIZES] + [("ucdavis", size) for size in UCDAVIS_SIZES]


@pytest.mark.parametrize(("format", "size"), CASES)
def test_stimuli_trials_and_counts__are_those_that_were_written(
    tmp_path: Path, format: str, size: dict[str, Any]
) -> None:
    layout, sets, sessions = written(tmp_path, format, **size)
    name, recordings = guess_format(tmp_path)
    assert name == format
    assert recordings.stimulus_sets == tuple(s.name for s in sets)
    assert [s.name for s in recordings.sessions] == list(layout.sessions)
    for k, stimulus_set in enumerate(sets):
        stimuli = recordings.stimuli(stimulus_set.name)
        assert tuple(s.id for s in stimuli) == stimulus_set.ids
        assert [s.is_test for s in stimuli] == stimulus_set.is_test.tolist()
        np.testing.assert_allclose([s.duration for s in stimuli], stimulus_set.seconds, atol=1e-9)
        assert [stimulus_bins(s.duration, 50) for s in stimuli] == stimulus_set.bins.tolist()
        for session, drawn in zip(recordings.sessions, sessions, strict=True):
            first, last = first_stimulus(sets)[k : k + 2]
            rows = np.flatnonzero((drawn.table.stimulus >= first) & (drawn.table.stimulus < last))
            presented = [stimulus_set.ids[i - first] for i in drawn.table.stimulus[rows]]
            trials, spikes = (
                recordings.trials(session, stimulus_set.name),
                recordings.spikes(session, stimulus_set.name),
            )
            assert list(trials.stimulus) == list(spikes.stimulus) == presented
            np.testing.assert_allclose(trials.onset, drawn.table.onset[rows] / 20_000, atol=1e-9)
            np.testing.assert_array_equal(trials.onset, spikes.onset)
            counts = bin_spikes(spikes, stimuli, 50, session=session.name)
            found, by_trial = counts.test_trials | counts.train_trials, drawn.trains.trial_counts()
            expected: dict[str, list[np.ndarray]] = {}
            for row, i in zip(rows, presented, strict=True):
                expected.setdefault(i, []).append(by_trial[row])
            assert set(found) == set(expected)
            for i, presentations in expected.items():
                is_test = i in counts.test_ids
                np.testing.assert_array_equal(found[i], np.stack(presentations) if is_test else presentations[0])


@pytest.mark.parametrize(("format", "size"), [CASES[0], CASES[3]])
def test_sounds__are_those_that_drive_the_neurons(tmp_path: Path, format: str, size: dict[str, Any]) -> None:
    _, sets, _ = written(tmp_path, format, **size)
    _, recordings = guess_format(tmp_path)
    for stimulus_set in sets:
        sounds, sfreq = recordings.sounds(stimulus_set.name)
        for stimulus, features in zip(recordings.stimuli(stimulus_set.name), stimulus_set.features, strict=True):
            heard = resample_sound(sounds[stimulus.id].astype(np.float64), sfreq, 16_000)
            np.testing.assert_allclose(driving_feature(heard, stimulus.duration, 50), features, atol=1e-3)


def test_missing_trials_and_sets__are_known_to_reader_and_truth_alike(tmp_path: Path) -> None:
    simulate(tmp_path / "r", sessions=2, channels=2, sentences=11, calls=45, seed=1)
    _, recordings = guess_format(tmp_path / "r")
    truth = open_truth(tmp_path / "r")
    assert truth is not None
    whole, lacking = (len(recordings.trials(s, "mvocs").stimulus) for s in recordings.sessions)
    assert whole == 45
    assert 2 <= 45 - lacking <= 7
    assert np.isfinite(truth["normaliser"].values).all()
