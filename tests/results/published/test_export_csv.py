"""Results written in the published layout, and read back."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_trf import (
    import_published_csv,
    names,
    open_bootstraps,
    open_lowpass,
    open_recordings,
    open_results,
    simulate,
    write_published_csv,
)
from distributed_trf.errors import ResultsFileError
from distributed_trf.recordings.ucdavis.stimulus_list import REPEATS
from distributed_trf.store.result_grid import Grid
from tests.published_files import LAYERS, TAGS, PublishedFiles, published_size, small_folder

STUDY = {
    "name": "mine",
    "recordings": {"format": "ucsf"},
    "lags": {"tmin": 0.0, "tmax": 0.3, "lead_in": 0.35},
    "delay": 0.0,
}
SESSIONS = {"180413": 3, "190726": 1, "200318": 2}
NETWORKS = {
    "wav2letter": {"0": ("conv1", "conv"), "13": ("conv14", "conv")},
    "net_of_mine": {"1": ("", "")},
    "mel_whisper": {"0": ("mel", "spectrogram")},
}
MEASURED = ("normaliser", "null_mean", "null_std")


def dataset(rng, stimuli, bin_widths, weights, *, missing=0.2, measured=True, sessions=SESSIONS, study=STUDY):
    """Random results: some fits, sessions and numbers are not there."""
    networks = dict(NETWORKS)
    units = [(s, str(c)) for s, n in sessions.items() for c in range(n)]
    grid = Grid(
        axes={
            "stimuli": tuple(stimuli),
            "network": tuple(networks),
            "weights": (*weights, "fixed"),
            "layer": (0, 1, 13),
            "bin_width": tuple(map(float, bin_widths)),
        },
        units={
            "session": tuple(s for s, _ in units),
            "channel": tuple(c for _, c in units),
            **{name: ("",) * len(units) for name in ("area", "subject")},
            **{name: (None,) * len(units) for name in ("x", "y")},
        },
        layers=networks,
    )
    ds = grid.coords().assign_attrs(study=study)
    shape = (*(ds.sizes[dim] for dim in names.GRID), len(units))
    place = np.ones(shape[:-1], dtype=bool) & (rng.random(shape[:-1]) > missing)
    for k, network in enumerate(networks):
        for j, w in enumerate(ds.weights.values):
            for i, layer in enumerate(ds.layer.values):
                place[:, k, j, i] &= (w == "fixed") == (network == "mel_whisper") and str(layer) in networks[network]
    heard = np.array([[s != "190726" or name == "timit" for s, _ in units] for name in stimuli])
    there = place[..., None] & heard[:, None, None, None, None, :]
    r = np.where(there & (rng.random(shape) > missing), rng.normal(size=shape), np.nan)
    alpha = np.where(there, np.array([float(f"1e{k}") for k in range(-5, 16)])[rng.integers(0, 21, shape)], np.nan)
    ds["r"], ds["alpha"] = (names.RESULT_DIMS, r), (names.RESULT_DIMS, alpha)
    for name in MEASURED:
        values = rng.normal(0.1, 0.1, (len(stimuli), len(bin_widths), len(units)))
        values[rng.random(values.shape) < missing] = np.nan
        ds[name] = (
            names.RELIABILITY_DIMS,
            np.where(heard[:, None, :], values, np.nan) if measured else values * np.nan,
        )
    return ds


def check_same(found, ds):
    """Check that an import holds every number of a dataset, and no other."""
    units = pd.MultiIndex.from_arrays([found.session.values.tolist(), found.channel.values.tolist()])
    at = units.get_indexer(pd.MultiIndex.from_arrays([ds.session.values.tolist(), ds.channel.values.tolist()]))
    for name in ("r", "alpha"):
        there = (
            found[name]
            .reset_coords(drop=True)
            .reindex({dim: ds[dim] for dim in names.GRID})
            .transpose(*names.RESULT_DIMS)
            .values
        )
        np.testing.assert_array_equal(np.where(at >= 0, there[..., at], np.nan), ds[name].values)
        assert int(found[name].notnull().sum()) == int(ds[name].notnull().sum())
    rows = ds.alpha.notnull().any(("network", "weights", "layer"))  # of which there is anything in a file
    for name in MEASURED:
        there = (
            found[name].reset_coords(drop=True).reindex({dim: ds[dim] for dim in names.RELIABILITY_DIMS[:-1]}).values
        )
        there = np.where(at >= 0, there[..., at], np.nan)
        expected = ds[name].where(rows)
        np.testing.assert_array_equal(there, expected.values)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    stimuli=st.sampled_from([["timit"], ["mvocs"], ["timit", "mvocs"]]),
    bin_widths=st.lists(st.sampled_from([10, 12.5, 20, 50, 1000]), min_size=1, max_size=3, unique=True),
    weights=st.lists(
        st.sampled_from(["trained", "reset", "reset-1", "permuted", "scaled-2.5"]), max_size=3, unique=True
    ),
    missing=st.sampled_from([0.0, 0.2, 0.6]),
    measured=st.booleans(),
)
def test_export__what_is_written_is_read_back(tmp_path_factory, seed, stimuli, bin_widths, weights, missing, measured):
    rng = np.random.default_rng(seed)
    ds = dataset(rng, stimuli, bin_widths, weights, missing=missing, measured=measured)
    path = tmp_path_factory.mktemp("export")
    if not ds.alpha.notnull().any():
        with pytest.raises(ResultsFileError, match="no fit of the results is done yet"):
            write_published_csv(ds, path / "csv")
        return
    files = write_published_csv(ds, path / "csv")
    assert len(files) == len(set(files)) == int(ds.alpha.notnull().any(("layer", "unit")).sum())
    done = import_published_csv(path / "csv", path / "out")
    assert done.notes == ()
    found = open_results(path / "out")
    check_same(found, ds)
    again = write_published_csv(found, path / "again")
    assert {file.name: file.read_bytes() for file in again} == {file.name: file.read_bytes() for file in files}
    shutil.rmtree(path)


@pytest.mark.parametrize("later", [True, False])
def test_export__published_files_are_written_as_they_were(tmp_path, later):
    small_folder(tmp_path / "in", later=later)
    import_published_csv(tmp_path / "in", tmp_path / "out")
    files = write_published_csv(
        open_results(tmp_path / "out"), tmp_path / "back", lowpass=open_lowpass(tmp_path / "out")
    )
    published = {path.name: path.read_text() for path in (tmp_path / "in").iterdir()}
    assert len(published) == 13
    assert {path.name: path.read_text() for path in files} == published
    assert {path.name for path in (tmp_path / "back").iterdir()} == set(published)


def test_export__draws_of_bootstraps_are_read_back_from_a_file_each(tmp_path):
    published = small_folder(tmp_path / "in")
    for draw in ("e2", "e10"):
        published.bootstrap("whisper_base", 2, draw, [10, 100])
    published.bootstrap("whisper_base", 2, "e3", [100])
    published.bootstrap("whisper_base", 2, "a", [20, 60], trials=[1, 11])
    import_published_csv(tmp_path / "in", tmp_path / "out")
    bootstraps = [open_bootstraps(tmp_path / "out", of) for of in ("training", "test")]
    files = write_published_csv(open_results(tmp_path / "out"), tmp_path / "back", bootstraps=bootstraps)
    drawn = [f"bootstrap_ahmed_25_draw{k}" for k in range(3)] + ["bootstrap_test_ahmed_25_draw0"]
    names_of_files = {f"whisper_base_ucsf_timit_trf_lags200_bw50_{draw}_corr_results.csv" for draw in drawn}
    assert {file.name for file in files if "bootstrap" in file.name} == names_of_files
    import_published_csv(tmp_path / "back", tmp_path / "again", identifier="ahmed_25")
    for of, expected in zip(("training", "test"), bootstraps, strict=True):
        xr.testing.assert_equal(open_bootstraps(tmp_path / "again", of).load(), expected.load())
    frame = pd.read_csv(tmp_path / "in/whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_test_a_corr_results.csv")
    found = pd.read_csv(
        tmp_path / "back/whisper_base_ucsf_timit_trf_lags200_bw50_bootstrap_test_ahmed_25_draw0_corr_results.csv"
    )
    same = ["session", "layer", "channel", "bin_width", "percent_duration", "test_cc_raw", "opt_lag", "n_test_trials"]
    pd.testing.assert_frame_equal(found[same], frame[same])


def test_export__bootstraps_that_the_layout_has_no_place_for(tmp_path):
    ds = dataset(np.random.default_rng(5), ["timit"], [50], ["trained"], missing=0)
    drawn = ds[["r"]].expand_dims(draw=2, training_percent=[50.0])
    files = write_published_csv(ds, tmp_path / "csv", bootstraps=[drawn])
    assert sum("bootstrap" in file.name for file in files) == 2 * 2
    assert not any("STRF" in file.name and "bootstrap" in file.name for file in files)
    with pytest.raises(
        ResultsFileError, match="bootstraps over .*percent_duration.* cannot be written in the published"
    ):
        write_published_csv(ds, tmp_path / "no", bootstraps=[drawn.rename(training_percent="percent_duration")])
    with pytest.raises(ResultsFileError, match="bootstraps has other units than ds"):
        write_published_csv(ds, tmp_path / "no", bootstraps=[drawn.isel(unit=slice(3))])
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
def test_export__is_the_inverse_of_import_at_true_size(tmp_path):
    files = PublishedFiles(tmp_path / "in", published_size())
    for stimuli in ("timit", "mVocs"):
        for network, types in LAYERS.items():
            for reset in ("", "reset_"):
                files.network(network, list(range(len(types))), stimuli=stimuli, reset=reset)
        for tag in TAGS:
            files.spectrogram(tag, stimuli=stimuli)
    done = import_published_csv(tmp_path / "in", tmp_path / "out")
    assert (done.n_fits, done.n_units, done.notes) == (292, 1718, ())
    ds = open_results(tmp_path / "out")
    n_units = ds.alpha.sel(network="whisper_tiny", weights="reset", layer=3, bin_width=50).count("unit")
    assert n_units.values.tolist() == [1718, 1594]
    for path in write_published_csv(ds, tmp_path / "back"):
        assert path.read_bytes() == (tmp_path / "in" / path.name).read_bytes()
    assert len(list((tmp_path / "back").iterdir())) == 36


def test_export__of_uc_davis_numbers_sessions_and_keeps_codes(tmp_path):
    ds = dataset(np.random.default_rng(0), ["timit"], [50], ["trained"], missing=0, sessions={"a": 4, "b": 1})
    fourth, first = list(REPEATS)[3], list(REPEATS)[0]
    ds = ds.assign_coords(
        session=("unit", [first, *[fourth] * 4]), channel=("unit", ["2001", "1001", "1002", "201", "3001"])
    ).assign_attrs(study=STUDY | {"recordings": {"format": "ucdavis"}})
    files = write_published_csv(ds, tmp_path / "csv")
    frame = pd.read_csv(files[0])
    assert frame["session"][:5].tolist() == [0, 3, 3, 3, 3]
    assert frame["channel"][:5].tolist() == [2001, 1001, 1002, 201, 3001]
    assert files[0].name == "wav2letter_modified_ucdavis_timit_trf_lags300_bw50_mine_corr_results.csv"
    import_published_csv(tmp_path / "csv", tmp_path / "out")
    check_same(open_results(tmp_path / "out"), ds)
    with pytest.raises(ResultsFileError, match="session 'c' has no number .* expected one of relayz_2024-10-28b"):
        write_published_csv(ds.assign_coords(session=("unit", ["c"] * 5)), tmp_path / "csv")


def test_export__channels_are_places_of_their_files(tmp_path):
    simulate(tmp_path / "ucsf", sessions=1, channels=11, sentences=11)
    recordings = open_recordings("ucsf", tmp_path / "ucsf")
    (session,) = recordings.sessions
    ds = dataset(np.random.default_rng(1), ["timit"], [50], ["trained"], missing=0, sessions={session.name: 11})
    ds = ds.assign_coords(channel=("unit", list(session.channels)))
    for known in (None, recordings):
        (file, *_) = write_published_csv(ds, tmp_path / "csv", recordings=known)
        assert pd.read_csv(file)["channel"][:11].tolist() == list(range(11))
    import_published_csv(tmp_path / "csv", tmp_path / "out", recordings=recordings)
    check_same(open_results(tmp_path / "out"), ds)

    some = ds.isel(unit=[5, 2, 7])
    (file, *_) = write_published_csv(some, tmp_path / "some", recordings=recordings)
    assert pd.read_csv(file)["channel"][:3].tolist() == [5, 2, 7]
    with pytest.raises(ResultsFileError, match="are not in the order of their files"):
        write_published_csv(some, tmp_path / "some")
    other = ds.assign_coords(channel=("unit", [f"Ch{k}s2" for k in range(11)]))
    with pytest.raises(ResultsFileError, match="channels Ch0s2, .* are not in the recordings, which have Ch10"):
        write_published_csv(other, tmp_path / "some", recordings=recordings)


@pytest.mark.parametrize(
    ("study", "said"),
    [
        (None, "attribute study of the dataset does not say what it is of"),
        ({"name": "x"}, "attribute study of the dataset does not say what it is of"),
        (
            STUDY | {"recordings": {"format": "generic"}},
            "format 'generic' have no published layout; expected ucsf or ucd",
        ),
        (STUDY | {"lags": {"tmin": -0.05, "tmax": 0.2}}, "lags begin at -0.05 s; expected 0"),
        (STUDY | {"name": "mine_l3"}, "such a name does not show what the file is of"),
    ],
)
def test_export__what_the_layout_cannot_hold_is_refused_before_writing(tmp_path, study, said):
    ds = dataset(np.random.default_rng(2), ["timit"], [50], ["trained"], study=study)
    with pytest.raises(ResultsFileError, match=said):
        write_published_csv(ds, tmp_path / "csv")
    assert not (tmp_path / "csv").exists()


def test_export__session_names_and_units_must_fit(tmp_path):
    ds = dataset(np.random.default_rng(3), ["timit"], [50], ["trained"])
    with pytest.raises(ResultsFileError, match="session 's1' has no number in the published layout; expected a day"):
        write_published_csv(ds.assign_coords(session=("unit", ["s1"] * 6)), tmp_path / "csv")
    lowpass = xr.Dataset(coords={name: ds[name] for name in ("session", "channel")}).isel(unit=slice(3))
    with pytest.raises(ResultsFileError, match="lowpass has other units than ds"):
        write_published_csv(ds, tmp_path / "csv", lowpass=lowpass)


def test_export__a_chosen_identifier_and_part_of_the_grid(tmp_path):
    ds = dataset(np.random.default_rng(4), ["timit", "mvocs"], [20, 50], ["trained", "reset"], missing=0)
    part = ds.sel(network=["wav2letter"], bin_width=[50], stimuli=["mvocs"])
    files = write_published_csv(part, tmp_path / "csv", identifier="ahmed_25")
    assert sorted(file.name for file in files) == [
        "wav2letter_modified_ucsf_mVocs_trf_lags300_bw50_ahmed_25_corr_results.csv",
        "wav2letter_modified_ucsf_reset_mVocs_trf_lags300_bw50_ahmed_25_corr_results.csv",
    ]
