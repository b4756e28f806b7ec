from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.rasters import presentations, psth, raster
from distributed_trf.recordings.recording_set import SpikeTrials, Stimulus

TONE = Stimulus("t", 0.1, is_test=True)


def trials(order: str, *units: list[tuple[int, float]]) -> SpikeTrials:
    """Trials named by letters and, per unit, the (trial, time) of each spike."""
    times = tuple(np.array([t for _, t in unit]) for unit in units)
    return SpikeTrials(
        tuple(order), np.arange(len(order)) * 1.0, times, tuple(np.array([k for k, _ in u], dtype=int) for u in units)
    )


def test_raster__counts_repeats_from_the_first_presentation() -> None:
    spikes = trials("xtyt", [], [(3, 0.02), (1, 0.05), (0, 0.01), (3, 0.01), (2, 0.03)])
    times, repeat = raster(spikes, TONE, 1)
    assert times.tolist() == [0.05, 0.01, 0.02]
    assert repeat.tolist() == [0, 1, 1]
    assert [a.size for a in raster(spikes, TONE, 0)] == [0, 0]


def test_raster__holds_the_spikes_from_onset_to_offset() -> None:
    spikes = trials("t", [(0, t) for t in (-0.01, -5e-7, 0.0, 0.0999, 0.0999995, 0.11, 0.12)])
    assert raster(spikes, TONE, 0)[0].tolist() == [-5e-7, 0.0, 0.0999]
    assert raster(spikes, TONE, 0, end=0.12)[0].tolist() == [-5e-7, 0.0, 0.0999, 0.0999995, 0.11]


def test_psth__is_the_mean_over_repeats_in_spikes_per_second() -> None:
    spikes = trials("txt", [(0, 0.0), (0, 0.01), (2, 0.04), (1, 0.05), (2, -0.01)], [(2, 0.119), (2, 0.121)])
    edges, rate = psth(spikes, TONE)
    np.testing.assert_allclose(edges, [0, 0.04, 0.08, 0.12])
    np.testing.assert_allclose(rate, [[25, 0], [12.5, 0], [0, 12.5]])


def test_psth__a_whole_second_means_the_whole_sound() -> None:
    edges, rate = psth(trials("tt", [(0, 0.09), (1, 0.02), (1, 0.1)]), TONE, 1000)
    np.testing.assert_allclose(edges, [0, 0.1])
    np.testing.assert_allclose(rate, [[10]])


def test_psth__without_any_bin_is_empty() -> None:
    edges, rate = psth(trials("tt", [(0, 0.09)]), TONE, 400)
    assert (edges.tolist(), rate.shape) == ([0], (0, 1))


@pytest.mark.parametrize("bin_width", [20, 50, 1000])
def test_psth__uses_the_bins_of_the_fits(simulated: Path, bin_width: float) -> None:
    recordings = open_recordings("ucsf", simulated)
    session, stimuli = recordings.sessions[0], recordings.stimuli("timit")
    spikes = recordings.spikes(session, "timit")
    counts = bin_spikes(spikes, stimuli, bin_width, session=session.name)
    for stimulus in (s for s in stimuli if s.is_test):
        edges, rate = psth(spikes, stimulus, bin_width)
        np.testing.assert_allclose(
            rate * np.diff(edges)[:, np.newaxis], counts.test_trials[stimulus.id].mean(axis=0), atol=1e-12
        )


def test_raster_and_psth__hold_the_same_spikes(simulated: Path) -> None:
    recordings = open_recordings("ucsf", simulated)
    spikes = recordings.spikes(recordings.sessions[1], "timit")
    stimulus = next(s for s in recordings.stimuli("timit") if s.id == "43")
    edges, rate = psth(spikes, stimulus, 50)
    for unit in range(3):
        times, repeat = raster(spikes, stimulus, unit, end=edges[-1])
        assert times.size > 50
        assert set(repeat) <= set(range(11))
        assert times.size == pytest.approx(rate[:, unit].sum() * 0.05 * 11)


@pytest.mark.parametrize("what", [lambda spikes: raster(spikes, TONE, 0), lambda spikes: psth(spikes, TONE)])
def test_never_presented__names_what_was(what) -> None:
    with pytest.raises(RecordingError, match="stimulus t was never presented in this session; .* x, y"):
        what(trials("xyx", []))


def test_presentations__are_in_order() -> None:
    assert presentations(trials("atbtt"), "t") == [1, 3, 4]
