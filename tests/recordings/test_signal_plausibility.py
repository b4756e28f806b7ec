"""What `dtrf recordings` says of signals and values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from distributed_trf import inventory
from distributed_trf.recordings.generic.reader import GenericRecordings
from tests.recordings.generic_files import TRIALS, write_csv_session, write_sounds

END = 6.5 + 0.37


def held(path: Path, x: np.ndarray, settings: str = "rate: 100\n", trials=TRIALS):
    write_sounds(path)
    folder = write_csv_session(path, "a", trials)
    (folder / "spikes.csv").unlink()
    np.save(folder / "signals.npy", x)
    (folder / "session.yaml").write_text(settings)
    return inventory(GenericRecordings(path)).sel(stimuli="words", session="a")


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(700, 3))


def test_inventory__says_rate_length_and_channels_of_a_signal(tmp_path: Path, x: np.ndarray) -> None:
    x[:90], x[210:220, 1], x[:, 2] = np.nan, np.nan, 5  # before the first sound, within the second, throughout
    ds = held(tmp_path, x, "rate: 100\nstart: -0.05\n")
    names = ["onset_first", "onset_last", "signal_first", "signal_last", "sampling_rate", "flat", "gaps"]
    np.testing.assert_allclose([ds[name] for name in names], [1, END, -0.05, 6.95, 100, 1, 1])
    assert np.isnan([ds["rate"], ds["spike_first"], ds["in_sounds"]]).all()
    assert ds["response"] == "signal"
    assert ds["problem"] == (
        "test stimuli presented once only, which leaves no pair of repeats: s3; "
        "unit 2 is the same throughout all trials, so that r is NaN; "
        "unit 1 is NaN or Inf in some trials, which are left out, or the session is, as `gaps` says"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("rate: 100\n", ""),
        ("rate: 200\n", "3 of 5 trials are not within the signal: .*; at 101.9 Hz it would last as long as the trials"),
        ("rate: 100\nstart: 1.2\n", "1 of 5 trials are not within the signal: trials are from 1 to 6.87 s, the signal"),
        ("rate: 5\n", "the signal lasts 20.4 times as long as the trials: .*; perhaps its rate is higher"),
    ],
)
def test_doubts__are_about_rates_and_clocks_that_do_not_fit(tmp_path, x, settings, said) -> None:
    problem = str(held(tmp_path, x, settings)["problem"].item()).partition("repeats: s3")[2]
    assert re.fullmatch(f"; {said}.*" if said else "", problem), problem


def test_values__have_flat_voxels_and_gaps(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    folder = tmp_path / "sessions/v"
    folder.mkdir(parents=True)
    (folder / "values.csv").write_text("stimulus,a,b\ns1,1,2\ns2,1,\nt1,1,5\n")
    ds = inventory(GenericRecordings(tmp_path)).sel(stimuli="words", session="v")
    assert (ds["flat"], ds["gaps"], ds["n_trials"], ds["response"]) == (1, 1, 3, "values")
    assert np.isnan([ds["onset_first"], ds["sampling_rate"]]).all()


def test_sessions_of_a_subject__with_other_channels_are_noted(tmp_path: Path, x: np.ndarray) -> None:
    held(tmp_path, x)
    for name, labels in (("b", ["0", "1", "9"]), ("c", ["0", "1", "2"]), ("d", ["2", "1", "0"])):
        folder = write_csv_session(tmp_path, name)
        (folder / "spikes.csv").unlink()
        np.save(folder / "signals.npy", x)
        (folder / "session.yaml").write_text(f"rate: 100\nchannels: {labels}\n")
    assert GenericRecordings(tmp_path).notes == ()
    (tmp_path / "sessions.csv").write_text("session,subject\na,S1\nb,S1\nc,S1\nd,S1\n")
    assert GenericRecordings(tmp_path).notes == (
        "sessions a and b of subject S1 differ in their channels: 2, 9",
        "sessions a and d of subject S1 differ in their channels: the same in another order",
    )
