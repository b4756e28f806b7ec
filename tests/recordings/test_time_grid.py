"""The bins of a stimulus, and the special case of whole stimuli."""

from __future__ import annotations

import pytest

from distributed_trf.recordings.recording_set import lead_in_bins, n_bins, rows, stimulus_bins


@pytest.mark.parametrize("bin_width", [10.0, 20.0, 50.0, 200.0, 999.0])
def test_bins__of_stimuli_and_lead_in_follow_one_rule(bin_width: float) -> None:
    assert stimulus_bins(1.369625, bin_width) == n_bins(1.369625, bin_width)
    assert lead_in_bins(0.35, bin_width) == n_bins(0.35, bin_width)
    assert rows(1.369625, 0.35, bin_width) == n_bins(1.369625, bin_width) + n_bins(0.35, bin_width)


def test_bins__at_1000_ms_a_stimulus_is_one_whatever_its_length_and_the_lead_in_has_none() -> None:
    assert [stimulus_bins(seconds, 1000) for seconds in (0.2, 1.4, 3.6)] == [1, 1, 1]
    assert [lead_in_bins(seconds, 1000) for seconds in (0.0, 0.35, 2.0)] == [0, 0, 0]
    assert rows(1.4, 0.35, 1000) == 1
