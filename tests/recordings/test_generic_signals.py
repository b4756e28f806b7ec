"""Sessions with a signal, in every kind of file, each written by the library that it belongs to."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

from distributed_trf.errors import MissingExtraError, RecordingError
from distributed_trf.recordings.bin_responses import bin_responses
from distributed_trf.recordings.continuous import responses
from distributed_trf.recordings.generic.reader import GenericRecordings
from tests.recordings.generic_files import TRIALS, write_csv_session, write_nwb_session, write_sounds

RATE, LABELS = 64.0, ("F3", "Cz", "P4")
X = np.random.default_rng(0).normal(size=(600, 3)) * 1e-5
PLAIN = [(stimulus, onset) for _, stimulus, onset in TRIALS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Sounds, and a session ``a`` that has trials and no signal yet."""
    write_sounds(tmp_path)
    (write_csv_session(tmp_path, "a") / "spikes.csv").unlink()
    return tmp_path


def settings(path: Path, text: str = f"rate: {RATE}\nchannels: [F3, Cz, P4]\n") -> Path:
    (path / "sessions/a/session.yaml").write_text(text)
    return path / "sessions/a"


def npy(folder: Path, x: np.ndarray = X) -> None:
    np.save(folder / "signals.npy", x)


def zarray(folder: Path) -> None:
    zarr.create_array(folder / "signals.zarr", data=X, chunks=(50, 2))


def hdf5(folder: Path) -> None:
    with h5py.File(folder / "signals.h5", "w") as file:
        file["more/ecog"] = X
        file["more/other"] = X[:, :1]
    (folder / "session.yaml").write_text(f"rate: {RATE}\nchannels: [F3, Cz, P4]\ndataset: more/ecog\n")


def raw() -> Any:
    import mne

    info = mne.create_info(["F3", "bad", "Cz", "P4", "STI"], RATE, ["eeg", "eeg", "eeg", "eeg", "stim"])
    info["bads"] = ["bad"]
    for k, channel in enumerate(info["chs"][:4]):
        channel["loc"][:3] = [0.01 * k, 0.02, 0.1] if k != 3 else 0
    data = np.stack([X[:, 0], 9 * X[:, 0], X[:, 1], X[:, 2], np.zeros(len(X))])
    return mne.io.RawArray(data, info, verbose="ERROR")


def fif(folder: Path) -> None:
    raw().save(folder / "sub-01_raw.fif", fmt="double", verbose="ERROR")
    (folder / "session.yaml").unlink()


def brainvision(folder: Path) -> None:
    """Header, markers and 32-bit floats in microvolts."""
    channels = "".join(f"Ch{k + 1}={name},,1,uV\n" for k, name in enumerate(LABELS))
    (folder / "s.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=s.eeg\n"
        "MarkerFile=s.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=3\n"
        f"SamplingInterval={1e6 / RATE:g}\n[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}"
    )
    (folder / "s.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=s.eeg\n"
        "[Marker Infos]\nMk1=New Segment,,1,1,0,20200101000000000000\n"
    )
    (X * 1e6).astype("<f4").tofile(folder / "s.eeg")
    (folder / "session.yaml").unlink()


def edf(folder: Path) -> None:
    """One record per second of 16-bit samples in microvolts from -60 to 60."""
    n, seconds = int(RATE), len(X) // int(RATE)

    def fields(width: int, *values: Any) -> str:
        return "".join(str(value).ljust(width) for value in values)

    head = fields(8, 0) + fields(80, "X X X X", "Startdate X X X X") + fields(8, "01.01.20", "00.00.00", 256 * 4)
    head += fields(44, "") + fields(8, seconds, 1) + fields(4, 3) + fields(16, *LABELS) + fields(80, "", "", "")
    head += fields(8, *["uV"] * 3, *[-60] * 3, *[60] * 3, *[-32768] * 3, *[32767] * 3) + fields(80, "", "", "")
    head += fields(8, n, n, n) + fields(32, "", "", "")
    counts = np.round((X[: seconds * n] * 1e6 + 60) / 120 * 65535 - 32768).astype("<i2")
    body = counts.reshape(seconds, n, 3).transpose(0, 2, 1).tobytes()
    (folder / "s.edf").write_bytes(head.encode() + body)
    (folder / "session.yaml").unlink()


@pytest.mark.parametrize(
    ("write", "rtol", "atol"),
    [(npy, 0, 0), (zarray, 0, 0), (hdf5, 0, 0), (fif, 1e-12, 0), (brainvision, 1e-6, 0), (edf, 0, 2e-9)],
)
def test_signal__is_read_in_parts_from_every_kind_of_file(
    path: Path, write: Callable[[Path], None], rtol: float, atol: float
) -> None:
    write(settings(path))
    recordings = GenericRecordings(path)
    (session,) = recordings.sessions
    assert (session.response, session.channels) == ("signal", LABELS)
    found = recordings.signals(session, "words")
    assert list(zip(found.stimulus, found.onset.tolist(), strict=True)) == PLAIN
    assert (found.rate, found.start) == (RATE, 0)
    assert found.n_samples == (len(X) if write is not edf else len(X) // 64 * 64)
    spans = [(100, 130), (3, 5), (0, 600 if write is not edf else 576)]
    for (first, last), samples in zip(spans, found.stretches(spans), strict=True):
        assert samples.dtype == np.float64
        np.testing.assert_allclose(samples, X[first:last], rtol=rtol, atol=atol)
    if write is fif:
        assert recordings.notes == ("session a: channels marked bad in sub-01_raw.fif left out: bad",)
        np.testing.assert_allclose(session.unit_coords["x"], [0, 0.02, np.nan], rtol=1e-6)
    assert all(file.is_file() for file in recordings.session_files(session))


def test_npy__is_mapped_and_only_trials_are_read(path: Path) -> None:
    """A file of 80 GB, of which nothing but trials is on disk."""
    folder = settings(path, "rate: 1000\n")
    header = np.lib.format.open_memmap(folder / "signals.npy", mode="w+", dtype="f8", shape=(10**8, 100))
    header[1000:1100] = 1
    del header
    recordings = GenericRecordings(path)
    (session,) = recordings.sessions
    binned = bin_responses(recordings.signals(session, "words"), recordings.stimuli("words"), 10, session=session)
    np.testing.assert_allclose(binned.responses.trials("s1")[0, 1:8], 1, atol=0.1)


def nwb(path: Path, session: str = "n", **how: Any) -> None:
    """An NWB file with a plain series in acquisition and one of electrodes in a processing module."""
    import pynwb
    from pynwb.ecephys import LFP, ElectricalSeries

    file = pynwb.NWBFile("test", session, datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC))
    group = file.create_electrode_group(
        name="g", description="one", location="STG", device=file.create_device(name="grid")
    )
    file.add_electrode_column("label", "name")
    file.add_electrode_column("hemisphere", "side")
    for k, (label, location) in enumerate((("P4", "HG"), ("F3", "STG"), ("Cz", "unknown"))):
        file.add_electrode(group=group, location=location, label=label, hemisphere="left", x=float(k), y=0.5, z=np.nan)
    electrodes = file.create_electrode_table_region([1, 2, 0], "all")
    lfp = LFP()
    file.create_processing_module(name="ecephys", description="d").add(lfp)
    series = ElectricalSeries(
        name="ecog", data=(X / 1e-5).astype(np.float32), electrodes=electrodes, conversion=1e-5, **how
    )
    lfp.add_electrical_series(series)
    for k in (2, 0):
        file.add_unit(spike_times=[1.0 + k], electrodes=[k, 1])
    file.add_acquisition(
        pynwb.TimeSeries(name="plain", data=X[:, 0], unit="V", timestamps=10 + np.arange(600) / RATE + 1e-6)
    )
    file.add_acquisition(pynwb.TimeSeries(name="uneven", data=X, unit="V", timestamps=np.arange(600.0) ** 1.1))
    file.add_trial_column("stimulus", "sound")
    for stimulus, onset in PLAIN:
        file.add_trial(start_time=onset, stop_time=onset + 0.1, stimulus=stimulus)
    with pynwb.NWBHDF5IO(path / f"sessions/{session}.nwb", "w") as io:
        io.write(file)


def named(path: Path, text: str) -> Any:
    (path / "recordings.yaml").write_text(f"nwb:\n  {text}\n")
    recordings = GenericRecordings(path)
    return recordings, recordings.sessions[0]


def test_nwb__series_of_electrodes_have_labels_and_places(path: Path) -> None:
    nwb(path, rate=RATE, starting_time=-0.25)
    recordings, session = named(path, "signal: LFP/ecog\n  zscore: true\n  gaps: refuse")
    assert session.channels == LABELS
    assert session.unit_coords == {
        "x": (1.0, 2.0, 0.0),
        "y": (0.5, 0.5, 0.5),
        "region": ("STG", "", "HG"),
        "hemisphere": ("left",) * 3,
    }
    found = recordings.signals(session, "words")
    assert (found.rate, found.start, found.n_samples, found.zscore, found.gaps) == (RATE, -0.25, 600, True, "refuse")
    (samples,) = found.stretches([(7, 99)])
    np.testing.assert_allclose(samples, X[7:99], rtol=1e-6)
    assert list(zip(found.stimulus, found.onset.tolist(), strict=True)) == PLAIN


def test_nwb__a_plain_series_has_one_channel_and_the_rate_of_its_timestamps(path: Path) -> None:
    nwb(path, rate=RATE)
    recordings, session = named(path, "signal: plain")
    found = recordings.signals(session, "words")
    assert session.channels == ("0",)
    np.testing.assert_allclose((found.rate, found.start), (RATE, 10), rtol=1e-6)
    np.testing.assert_array_equal(next(found.stretches([(0, 600)]))[:, 0], X[:, 0])
    recordings, session = named(path, "signal: uneven")
    with pytest.raises(RecordingError, match=r"timestamps of uneven are not regular.*Resample the series"):
        recordings.signals(session, "words")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("signal: lfp", r"no series are called lfp, which.*found .*ecephys/LFP/ecog"),
        ("signal: ecog\n  gaps: keep", "field nwb.gaps is 'keep'; expected mask or refuse"),
        ("signal: ecog\n  zscore: 1", "field nwb.zscore is 1; expected true or false"),
    ],
)
def test_nwb__a_series_that_is_not_there_and_wrong_settings_are_named(path: Path, text: str, match: str) -> None:
    nwb(path, rate=RATE)
    with pytest.raises(RecordingError, match=match):
        named(path, text)


def test_nwb__units_lie_where_their_first_electrode_does(path: Path) -> None:
    write_nwb_session(path, "b")
    nwb(path, rate=RATE)
    first, second = GenericRecordings(path).sessions
    assert first.unit_coords == {}
    assert (second.response, second.unit_coords["x"], second.unit_coords["region"]) == ("spikes", (2, 0), ("", "HG"))
    (path / "sessions.csv").write_text("session,x,y\nn,7,8\n")
    assert list(GenericRecordings(path).sessions[1].unit_coords) == ["region", "hemisphere"]


def test_units_table__says_where_channels_lie(path: Path) -> None:
    folder = settings(path, f"rate: {RATE}\n")
    npy(folder)
    (folder / "units.csv").write_text("unit,x,z,region,note\nF3,1,,STG,a\nCz,-2.5,3,,b\nP4,,,HG,c\n")
    (session,) = GenericRecordings(path).sessions
    assert session.channels == LABELS
    assert list(session.unit_coords) == ["x", "z", "region"]
    np.testing.assert_array_equal(session.unit_coords["x"], [1, -2.5, np.nan])
    np.testing.assert_array_equal(session.unit_coords["z"], [np.nan, 3, np.nan])
    assert session.unit_coords["region"] == ("STG", "", "HG")


@pytest.mark.parametrize(
    ("text", "x", "match"),
    [
        ("start: 1", X, r"session.yaml: rate is missing; expected the samples per second of signals.npy"),
        ("rate: -3", X, r"session.yaml: rate = -3: .*greater than 0.*Correct the file"),
        ("rate: 64\nunits: [a]", X, r"session.yaml: units = .*unknown field"),
        ("rate: 64\nchannels: [a, b]", X, r"channels of session.yaml has 2 labels, but signals.npy has 3 channels"),
        ("rate: 64\nchannels: [a, b, a]", X, r"channels a are there twice"),
        (
            "rate: 64",
            X.T,
            r"shape \(3, 600\), more channels than samples, and a sound.*at 6\.5 s.*Transpose it",
        ),
        ("rate: 64", X[:, 0], r"an array of shape \(600,\) and type float64; expected real numbers of shape"),
        ("rate: 64", X.astype(complex), r"type complex128; expected real numbers"),
        ("rate: 64", np.array([[None]]), r"signals.npy: not a readable array \(ValueError: .*Write it again"),
    ],
)
def test_signal__that_cannot_be_used_is_left_out_with_the_reason(
    path: Path, text: str, x: np.ndarray, match: str
) -> None:
    npy(settings(path, text), x)
    with pytest.raises(RecordingError, match=match):
        _ = GenericRecordings(path).sessions


def test_files__that_do_not_go_together_are_refused(path: Path) -> None:
    folder = settings(path)
    npy(folder)
    zarray(folder)
    with pytest.raises(RecordingError, match=r"holds the signals signals.npy, signals.zarr; expected one of them"):
        _ = GenericRecordings(path).sessions
    (folder / "spikes.csv").write_text("unit,time\na,1\n")
    with pytest.raises(RecordingError, match=r"holds spikes.csv, signals.npy, signals.zarr; expected spikes, a signal"):
        _ = GenericRecordings(path).sessions


def test_rate__of_a_file_of_mne_must_be_the_same(path: Path) -> None:
    folder = settings(path)
    fif(folder)
    settings(path, "rate: 128\n")
    with pytest.raises(RecordingError, match=r"rate is 128 Hz, but sub-01_raw.fif has 64 Hz; expected the same"):
        _ = GenericRecordings(path).sessions
    settings(path, "channels: [P4, bad, Oz]\n")
    with pytest.raises(RecordingError, match=r"channels Oz, which session.yaml names, are not there; found F3, bad"):
        _ = GenericRecordings(path).sessions
    settings(path, "channels: [P4, bad]\n")
    assert GenericRecordings(path).sessions[0].channels == ("P4", "bad")


def test_missing_library__is_named_with_its_extra(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = settings(path)
    fif(folder)
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(MissingExtraError, match=r"mne is not installed; install it with: .*distributed_trf\[mne\]"):
        _ = GenericRecordings(path).sessions
    (folder / "sub-01_raw.fif").unlink()
    hdf5(folder)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"h5py is not installed; install it with: .*distributed_trf\[hdf5\]"):
        _ = GenericRecordings(path).sessions


def test_reading_arrays__imports_none_of_the_optional_libraries(path: Path) -> None:
    npy(settings(path))
    code = (
        "import sys; from distributed_trf.recordings.open_recordings import open_recordings; "
        f"r = open_recordings('generic', {str(path)!r}); r.signals(r.sessions[0], 'words'); "
        "assert not {'mne', 'pynwb', 'h5py', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stimuli__without_train_and_test_are_all_for_training(path: Path) -> None:
    folder = path / "stimuli/words"
    (folder / "s1.wav").write_bytes((folder / "train/s1.wav").read_bytes())
    with pytest.raises(RecordingError, match=r"holds 1 sounds, such as s1.wav, and train and test; expected"):
        GenericRecordings(path)
    for file in [*folder.glob("t*/*.wav")]:
        file.rename(folder / file.name)
    for part in ("train", "test"):
        (folder / part).rmdir()
    npy(settings(path))
    recordings = GenericRecordings(path)
    assert [(s.id, s.is_test) for s in recordings.stimuli("words")] == [
        (i, False) for i in ("s1", "s2", "s3", "s10", "t1")
    ]
    session = recordings.sessions[0]
    found = bin_responses(responses(recordings, session, "words"), recordings.stimuli("words"), 50, session=session)
    assert found.responses.test_ids == ()
    assert {i: len(found.responses.trials(i)) for i in found.responses.train_ids} == {
        "s1": 1,
        "s3": 1,
        "s10": 1,
        "t1": 2,
    }
    assert list(found.responses.repeated_trials) == ["t1"]


@pytest.mark.parametrize("kind", ["table", "npy", "h5"])
def test_values__are_read_by_row_or_repeat(path: Path, kind: str) -> None:
    folder = path / "sessions/a"
    (folder / "trials.csv").unlink()
    y = np.arange(15.0).reshape(5, 3)
    labels = pd.DataFrame({"stimulus": ["t1", "s1", "t1", "s10", "other"], "repeat": [2, 1, 1, 1, 1]})
    if kind == "table":
        frame = labels.join(pd.DataFrame(y, columns=LABELS))
        frame.loc[1, "Cz"] = np.nan
        frame.to_csv(folder / "values.csv", index=False)
    else:
        labels.to_csv(folder / "trials.csv", index=False)
        (folder / "session.yaml").write_text("channels: [F3, Cz, P4]\n")
        if kind == "npy":
            np.save(folder / "values.npy", y)
        else:
            with h5py.File(folder / "values.h5", "w") as file:
                file["betas"] = y
    recordings = GenericRecordings(path)
    (session,) = recordings.sessions
    assert (session.response, session.channels) == ("values", LABELS)
    assert recordings.notes == ("session a: 1 of 5 trials left out, for their sounds are not in stimuli: words/other",)
    found = recordings.values(session, "words")
    assert found.stimulus == ("s1", "t1", "s10", "t1")
    expected = y[[1, 2, 3, 0]]
    expected[0, 1] = np.nan if kind == "table" else expected[0, 1]
    np.testing.assert_array_equal(found.values, expected)
    assert np.isnan(found.onset).all()


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ("stimulus,repeat\ns1,1\n", "has no column but stimulus, repeat; expected one for each voxel"),
        ("stimulus,v\ns1,high\n", "column v holds 'high' in row 2; expected a finite number"),
        ("sound,v\ns1,1\n", "column stimulus is missing"),
        ("stimulus,v\n", "holds no trials"),
    ],
)
def test_values__that_cannot_be_used_say_why(path: Path, table: str, match: str) -> None:
    (path / "sessions/a/values.csv").write_text(table)
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match=match):
        recordings.values(recordings.sessions[0], "words")


def test_values__need_a_label_for_each_row(path: Path) -> None:
    np.save(path / "sessions/a/values.npy", np.zeros((4, 2)))
    with pytest.raises(RecordingError, match=r"values.npy: has 4 rows, but trials.csv has 5; expected a label"):
        _ = GenericRecordings(path).sessions
    (path / "sessions/a/trials.csv").unlink()
    with pytest.raises(RecordingError, match=r"values.npy has no labels; expected trials.csv"):
        _ = GenericRecordings(path).sessions


def test_spikes_of_a_signal__are_refused(path: Path) -> None:
    npy(settings(path))
    recordings = GenericRecordings(path)
    with pytest.raises(RecordingError, match="response of session a is signal, and spikes were to be read"):
        recordings.spikes(recordings.sessions[0], "words")
