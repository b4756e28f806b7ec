"""The bins of a stimulus, and the special case of whole stimuli."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample

from distributed_trf.recordings.time_grid import features_on_bins, lead_in_bins, n_bins, stimulus_bins


@pytest.mark.parametrize("bin_width", [10.0, 20.0, 50.0, 200.0, 999.0])
def test_bins__of_stimuli_and_lead_in_follow_one_rule(bin_width: float) -> None:
    assert stimulus_bins(1.369625, bin_width) == n_bins(1.369625, bin_width)
    assert lead_in_bins(0.35, bin_width) == n_bins(0.35, bin_width)


def test_bins__at_1000_ms_a_stimulus_is_one_whatever_its_length_and_the_lead_in_has_none() -> None:
    assert [stimulus_bins(seconds, 1000) for seconds in (0.2, 1.4, 3.6)] == [1, 1, 1]
    assert [lead_in_bins(seconds, 1000) for seconds in (0.0, 0.35, 2.0)] == [0, 0, 0]


def test_features__are_resampled_and_at_1000_ms_summed() -> None:
    frames = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    np.testing.assert_allclose(features_on_bins(frames, 30, 50), resample(frames.astype(float), 30, axis=0), atol=1e-12)
    whole = features_on_bins(frames, 1, 1000)
    assert whole.shape == (1, 3)
    assert whole.dtype == np.float64
    np.testing.assert_allclose(whole[0], frames.astype(float).sum(axis=0), rtol=1e-12)
