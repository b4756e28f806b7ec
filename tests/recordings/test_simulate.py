from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from scipy.io import loadmat, whosmat

from distributed_trf.errors import ConfigError
from distributed_trf.recordings.binning import bin_spikes
from distributed_trf.recordings.recording_set import n_bins
from distributed_trf.recordings.simulation.neurons import driving_feature
from distributed_trf.recordings.simulation.plan import Plan
from distributed_trf.recordings.simulation.session import SimulatedSession, TruthWriter, open_truth
from distributed_trf.recordings.simulation.simulate import draw_session, simulate
from distributed_trf.recordings.simulation.ucsf_layout import BAD_SESSION, UCSFLayout, sites
from distributed_trf.recordings.ucsf.metadata import BAD_SESSIONS, TEST_IDS
from distributed_trf.recordings.ucsf.reader import UCSFRecordings
from tests.recordings.conftest import SEED

SMALL: dict[str, Any] = {"sessions": 1, "channels": 2, "sentences": 11}


@pytest.fixture(scope="session")
def truth(simulated: Path) -> xr.Dataset:
    truth = open_truth(simulated)
    assert truth is not None
    return truth


@pytest.fixture(scope="session")
def recordings(simulated: Path) -> UCSFRecordings:
    return UCSFRecordings(simulated)


@pytest.fixture(scope="session")
def features(recordings: UCSFRecordings) -> dict[int, np.ndarray]:
    """Driving features from the sounds as the reader cuts them, not as the writer had them."""
    sounds, sfreq = recordings.sounds("timit")
    return {int(i): driving_feature(sound, sound.size / sfreq, 50) for i, sound in sounds.items()}


@pytest.fixture(scope="session", params=["180413", "180501"])
def mat(simulated: Path, request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Structs ``spike`` and ``trial`` of one channel."""
    content = loadmat(
        simulated / "sessions" / request.param / f"b_{request.param}_Ch1_MUspk.mat",
        squeeze_me=True,
        struct_as_record=False,
    )
    return content["spike"], content["trial"]


def contents(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_round_trip__every_count_drawn_is_read_back(recordings: UCSFRecordings, tmp_path: Path) -> None:
    stimuli = recordings.stimuli("timit")
    plan = Plan(sessions=2, channels=3, sentences=14, calls=0, seed=SEED, bin_width=50)
    layout = UCSFLayout(plan)
    (sentences,) = sets = layout.write_shared(tmp_path)
    for k, session in enumerate(recordings.sessions):
        drawn = draw_session(layout, plan, k, sets)
        counts = drawn.trains.trial_counts()
        read = bin_spikes(recordings.spikes(session, "timit"), stimuli, 50, session=session.name)
        for row, i in enumerate(sentences.ids):
            expected = np.stack([counts[trial] for trial in np.flatnonzero(drawn.table.stimulus == row)])
            found = read.test_trials[i] if int(i) in TEST_IDS else read.train_trials[i][np.newaxis]
            np.testing.assert_array_equal(found, expected)


def test_truth__rates_follow_from_the_trf_and_the_sound(truth: xr.Dataset, features: dict[int, np.ndarray]) -> None:
    lead_in = 7
    rate = []
    for rows in features.values():
        for t in range(lead_in, rows.shape[0]):
            seen = np.stack([rows[t - k] for k in range(5)], axis=1)  # (feature, lag)
            rate.append((truth.trf.values * seen).sum(axis=(1, 2)) + truth.intercept.values)
    expected = np.maximum(np.transpose(rate), truth.attrs["floor"] * truth["mean"].values[:, np.newaxis])
    np.testing.assert_allclose(truth.rate, expected, rtol=1e-5)


def test_truth__names_its_parts(truth: xr.Dataset, recordings: UCSFRecordings) -> None:
    assert dict(truth.trf.sizes) == {"unit": 6, "feature": 80, "lag": 5}
    np.testing.assert_allclose(truth.lag, [0, 0.05, 0.1, 0.15, 0.2])
    assert truth.rate.dtype == np.float32
    assert truth.session.values.tolist() == [s.name for s in recordings.sessions for _ in s.channels]
    assert truth.channel.values.tolist() == [c for s in recordings.sessions for c in s.channels]
    bins = [s.id for s in recordings.stimuli("timit") for _ in range(n_bins(s.duration, 50))]
    assert truth.stimulus.values.tolist() == bins
    expected = {"feature": "mel_whisper", "bin_width": 50.0, "lead_in": 0.35, "seed": SEED, "generator_version": 2}
    assert expected.items() <= truth.attrs.items()


def test_truth__the_last_channel_hears_nothing(truth: xr.Dataset) -> None:
    assert truth.driven.values.tolist() == [True, True, False] * 2
    deaf = truth.isel(unit=~truth.driven.values)
    assert not deaf.trf.any()
    assert (deaf.rate == deaf.rate[:, 0]).all()
    assert deaf.ceiling.values.tolist() == deaf.normaliser.values.tolist() == [[0, 0]]


def test_truth__ceilings_are_the_correlation_with_each_repeat(truth: xr.Dataset, recordings: UCSFRecordings) -> None:
    rate = truth.rate.values[:, np.isin(truth.stimulus.values, [str(i) for i in TEST_IDS])]
    for session in recordings.sessions:
        counts = bin_spikes(recordings.spikes(session, "timit"), recordings.stimuli("timit"), 50, session=session.name)
        units = np.flatnonzero((truth.session.values == session.name) & truth.driven.values)
        for channel, unit in enumerate(units):
            r = [np.corrcoef(rate[unit], repeat[:, channel])[0, 1] for repeat in counts.repeated]
            ceiling = truth.ceiling.sel(stimuli="timit")[unit].item()
            assert ceiling == pytest.approx(np.mean(r), abs=1e-5)
            assert 0.4 < ceiling < 0.8


def test_truth__modulation_is_about_half_of_the_mean(truth: xr.Dataset) -> None:
    driven = truth.isel(unit=truth.driven.values)
    np.testing.assert_allclose(driven.rate.mean("stim_bin"), driven["mean"], rtol=0.05)
    depth = driven.rate.std("stim_bin") / driven["mean"]
    assert ((depth > 0.3) & (depth < 0.65)).all()
    assert ((driven["mean"] > 1.5) & (driven["mean"] < 3)).all()


def test_truth__is_none_for_real_recordings(tmp_path: Path) -> None:
    assert open_truth(tmp_path) is None


def test_layout__trials_of_another_class_surround_the_sentences(mat: tuple[Any, Any]) -> None:
    _, trial = mat
    is_sentence = np.flatnonzero(trial.timitStimcode)
    assert is_sentence[0] == 4
    assert is_sentence[-1] == trial.timitStimcode.size - 4
    np.testing.assert_array_equal(trial.dmrStimcode > 0, trial.timitStimcode == 0)
    for name in ("am", "fm", "mVoc"):
        assert not getattr(trial, f"{name}Stimcode").any()
    found, times = np.unique(trial.timitStimcode[is_sentence], return_counts=True)
    assert dict(zip(found.tolist(), times.tolist(), strict=True)) == dict.fromkeys([1, 2, 3, 4], 1) | dict.fromkeys(
        TEST_IDS, 11
    )
    assert (np.diff(trial.timitStimcode[is_sentence].astype(int)) < 0).any()  # not sorted


def test_layout__types_and_shapes_are_the_published_ones(mat: tuple[Any, Any], simulated: Path) -> None:
    spike, trial = mat
    n = spike.spktimes.size
    assert spike.events.shape == (n, 21)
    for name in ("spktimes", "stimlock", "trial"):
        assert getattr(spike, name).dtype == np.float64
        assert getattr(spike, name).shape == (n,)
    assert trial.stimon.dtype == np.float64
    for name in ("am", "fm", "dmr", "mVoc", "timit"):
        assert getattr(spike, f"{name}Stimcode").dtype == np.uint16
        assert getattr(spike, f"{name}Stimcode").shape == (n,)
        assert getattr(trial, f"{name}Stimcode").dtype == np.uint16
        assert getattr(trial, f"{name}Stimcode").shape == trial.stimon.shape
    raw = loadmat(simulated / "sessions" / "180413" / "b_180413_Ch1_MUspk.mat", struct_as_record=False)
    assert raw["spike"][0, 0].spktimes.shape[1] == 1  # columns, as MATLAB keeps them


def test_layout__spikes_relate_to_their_trials(mat: tuple[Any, Any]) -> None:
    spike, trial = mat
    inside = spike.trial > 0
    row = spike.trial[inside].astype(int) - 1
    np.testing.assert_array_equal(spike.stimlock[inside], spike.spktimes[inside] - trial.stimon[row])
    for name in ("dmrStimcode", "timitStimcode"):
        np.testing.assert_array_equal(getattr(spike, name)[inside], getattr(trial, name)[row])
        assert not getattr(spike, name)[~inside].any()
    assert (~inside).sum() > 10
    assert (np.diff(spike.trial) >= 0).all()
    assert (np.diff(spike.spktimes) >= 0).all()
    assert spike.stimlock[inside].min() < -0.35
    assert spike.stimlock[inside].min() >= -0.5
    heard = set(spike.trial.astype(int))
    assert heard == set(range(trial.stimon.size + 1))


def test_layout__times_are_on_the_clock_and_some_on_the_borders(mat: tuple[Any, Any]) -> None:
    spike, trial = mat
    for times in (spike.spktimes, trial.stimon):
        np.testing.assert_allclose(times * 20_000, np.round(times * 20_000), atol=1e-4)
    in_sentence = (spike.timitStimcode > 0) & (spike.stimlock >= 0) & (spike.stimlock < 1)
    ticks = np.round(spike.stimlock[in_sentence] * 20_000).astype(int)
    assert ticks.size > 1000
    assert {1, 999} <= set(ticks % 1000)  # right up to the borders
    assert np.mean(ticks % 1000 == 0) == pytest.approx(0.02, abs=0.008)


def test_layout__trials_do_not_overlap(mat: tuple[Any, Any], recordings: UCSFRecordings) -> None:
    _, trial = mat
    seconds = {int(s.id): s.duration for s in recordings.stimuli("timit")}
    for k, code in enumerate(trial.timitStimcode[:-1]):
        assert trial.stimon[k + 1] - trial.stimon[k] > seconds.get(code, 1) + 1


def test_layout__sentences_are_499_with_silence_around(recordings: UCSFRecordings) -> None:
    (file,) = recordings.sound_files("timit")
    assert whosmat(file) == [("sentdet", (1, 499), "struct")]
    sentences = loadmat(file, squeeze_me=True, struct_as_record=False)["sentdet"]
    heard = [1, 2, 3, 4, *TEST_IDS]
    for i, sentence in enumerate(sentences, start=1):
        assert sentence.sentId == i
        assert sentence.soundf == 16_000
        assert bool(sentence.sound.size) == (i in heard)
        if i in heard:
            assert not sentence.sound[:8000].any()
            assert not sentence.sound[-8000:].any()
            assert sentence.duration == sentence.sound.size / 16_000
            assert sentence.befaft.tolist() == [0.5, 0.5]


def test_layout__metadata_has_all_published_keys(simulated: Path) -> None:
    assert yaml.safe_load((simulated / "sessions_metadata.yml").read_text()) == {
        "stim_wise_num_repeats": {"timit": 11, "mVocs": 15},
        "c_LH_sessions": [],
        "c_RH_sessions": [],
        "b_RH_sessions": [180413, 180501],
        "f_RH_sessions": [],
        "area_wise_sessions": {"core": [180501], "non-primary": [180413]},
        "bad_sessions": list(BAD_SESSIONS),
        "session_coordinates": {180413: [0.4, -0.4], 180501: [-0.65, 1.05]},
    }


def test_layout__a_bad_session_is_there_and_left_out(simulated: Path, recordings: UCSFRecordings) -> None:
    assert sorted(p.name for p in (simulated / "sessions").iterdir()) == ["180413", "180501", BAD_SESSION]
    (file,) = (simulated / "sessions" / BAD_SESSION).iterdir()
    assert 100 < loadmat(file, squeeze_me=True, struct_as_record=False)["spike"].spktimes.size < 5000
    assert BAD_SESSION not in [s.name for s in recordings.sessions]
    assert recordings.notes[0] == f"bad sessions left out: {BAD_SESSION}"


def test_sites__published_ones_first_and_no_name_twice() -> None:
    published, more = sites(41), sites(60)
    assert [sum(s.area == area for s in published) for area in ("core", "non-primary")] == [21, 20]
    assert [sum(s.channels for s in published if s.area == area) for area in ("core", "non-primary")] == [909, 809]
    assert more[:41] == published
    assert len({s.session for s in more}) == 60
    assert [s.session for s in more] == sorted(s.session for s in more)
    assert not {s.session for s in more} & {str(bad) for bad in BAD_SESSIONS}


def test_simulate__truth_is_in_the_readers_order_of_channels(tmp_path: Path) -> None:
    truth = simulate(tmp_path / "set", sessions=1, channels=11, sentences=11, seed=1)
    (session,) = UCSFRecordings(tmp_path / "set").sessions
    assert session.channels[:4] == ("Ch10", "Ch11", "Ch1", "Ch2")  # "0" sorts before "_"
    assert truth.channel.values.tolist() == list(session.channels)
    recordings = UCSFRecordings(tmp_path / "set")
    counts = bin_spikes(recordings.spikes(session, "timit"), recordings.stimuli("timit"), 50, session="s")
    rate = truth.rate.values[:, np.isin(truth.stimulus.values, [str(i) for i in TEST_IDS])]
    psth = counts.repeated.mean(axis=0).T
    driven = truth.driven.values
    r = np.corrcoef(rate[driven], psth)[: driven.sum(), driven.sum() :]
    assert r.argmax(axis=1).tolist() == np.flatnonzero(driven).tolist()
    assert np.flatnonzero(~driven).tolist() == [10]


def test_simulate__same_arguments_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        simulate(tmp_path / name, **SMALL)
    simulate(tmp_path / "c", **SMALL, seed=1)
    first, again, other = (contents(tmp_path / name) for name in "abc")
    assert first == again
    assert not [name for name, content in first.items() if b"Created on" in content[:128]]  # MATLAB's time of day
    assert first.keys() == other.keys()
    differing = {name for name in first if first[name] != other[name]}
    assert {name for name in first if name.endswith(".mat")} <= differing


def test_simulate__returns_what_is_on_disk(tmp_path: Path) -> None:
    returned = simulate(tmp_path / "deep" / "set", **SMALL, bin_width=20)
    opened = open_truth(tmp_path / "deep" / "set")
    assert opened is not None
    xr.testing.assert_identical(returned, opened)
    assert opened.sizes["lag"] == 11


def test_simulate__repeats_are_independent(recordings: UCSFRecordings) -> None:
    spikes = recordings.spikes(recordings.sessions[0], "timit")
    counts = bin_spikes(spikes, recordings.stimuli("timit"), 50, session="s")
    deaf = counts.repeated[:, :, -1].astype(float)
    r = np.corrcoef(deaf)[np.triu_indices(11, 1)]
    assert abs(r.mean()) < 0.05
    fano = deaf.var(axis=0, ddof=1).mean() / deaf.mean()
    assert fano == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("sessions", 0),
        ("channels", 0),
        ("channels", "many"),
        ("calls", 44),
        ("calls", 781),
        ("sentences", 10),
        ("sentences", 500),
        ("seed", -1),
        ("bin_width", 5),
        ("bin_width", 33.333),
    ],
)
def test_simulate__arguments_out_of_range_are_named(tmp_path: Path, argument: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"simulate: {argument}={value}; expected \w+"):
        simulate(tmp_path / "set", **{argument: value})
    assert list(tmp_path.iterdir()) == []


def test_simulate__never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "precious").write_text("data")
    with pytest.raises(ConfigError, match="set: something is there already; give a new folder, or delete"):
        simulate(tmp_path / "set", **SMALL)
    with pytest.raises(ConfigError, match="precious: something is there already"):
        simulate(tmp_path / "set" / "precious", **SMALL)
    assert contents(tmp_path) == {"set/precious": b"data"}


def test_simulate__an_empty_folder_will_do_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    simulate(tmp_path / "set", **SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert len(UCSFRecordings(tmp_path / "set").sessions) == 1
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "set").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_simulate__failing_midway_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(truth: TruthWriter, first: int, session: SimulatedSession) -> None:
        assert len(list(truth.store.parent.rglob("*.mat"))) == 4  # all but the truth is there
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TruthWriter, "write", disk_full)
    with pytest.raises(OSError, match="No space left"):
        simulate(tmp_path / "set", **SMALL)
    assert list(tmp_path.iterdir()) == []
