"""What ``design`` gives is what the study fitted: an explicit ridge on it has the study's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from distributed_trf import TRF, design, open_results
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.study import Study
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from tests.oracle import correlation, fit_and_score, lag_rows, solve_ridge
from tests.small_results import write_small_study

LAGS = range(5)
ALPHAS = 10.0 ** np.arange(-5, 16)


def split_up(sounds):
    """Training and test sounds, and of the former the indices of each fold."""
    train, test = ([ds for ds in sounds.values() if ds.role == role] for role in ("train", "test"))
    folds = [[k for k, ds in enumerate(train) if ds.fold == f] for f in range(1, 4)]
    return train, test, folds


def heard(ds):
    return ds.response.sel(time=slice(0, None)).values


@pytest.fixture(scope="module")
def sounds(saved_study):
    return {s: design(saved_study, s, "mel_whisper") for s in np.unique(open_results(saved_study).session).tolist()}


def test_design__an_explicit_ridge_on_it_has_the_r_and_the_penalty_of_the_study(saved_study, sounds):
    stored = open_results(saved_study).sel(stimuli="timit", network="mel_whisper", layer=0, bin_width=50.0)
    stored = stored.sel(weights="fixed").load()
    for session, of_session in sounds.items():
        train, test, folds = split_up(of_session)
        assert sorted(sum(folds, [])) == list(range(len(train)))
        alpha, scores, r, _ = fit_and_score(
            [ds.features.values for ds in train],
            [heard(ds)[0] for ds in train],
            [ds.features.values for ds in test],
            [heard(ds) for ds in test],
            lags=LAGS,
            lead_in=train[0].lead_in,
            alphas=ALPHAS,
            folds=folds,
            standardize=True,
        )
        units = stored.isel(unit=stored.session.values == session)
        assert train[0].channel.values.tolist() == units.channel.values.tolist()
        np.testing.assert_allclose(alpha, units.alpha, rtol=1e-12)
        np.testing.assert_allclose(r, units.r, rtol=0, atol=1e-9)
        np.testing.assert_allclose(scores.max(axis=0), units.cv_score, rtol=0, atol=1e-9)


def test_design__scikit_learn_fits_it(saved_study, sounds):
    stored = open_results(saved_study).sel(stimuli="timit", network="mel_whisper", layer=0, bin_width=50.0).load()
    session, of_session = next(iter(sounds.items()))
    train, test, _ = split_up(of_session)
    rows, new = (lag_rows([ds.features.values for ds in part], LAGS, train[0].lead_in) for part in (train, test))
    mean, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    unit = stored.isel(unit=stored.session.values == session).isel(unit=0).sel(weights="fixed")
    y = np.concatenate([heard(ds)[0][:, 0] for ds in train])
    ridge = Ridge(alpha=unit.alpha.item() * len(rows)).fit((rows - mean) / scale, y)
    repeats = np.concatenate([heard(ds)[:, :, 0] for ds in test], axis=1)
    r = np.mean([correlation(repeat, ridge.predict((new - mean) / scale)) for repeat in repeats])
    np.testing.assert_allclose(r, unit.r.item(), rtol=0, atol=1e-9)


def test_design__trf_takes_its_lead_in(saved_study, sounds):
    session, of_session = next(iter(sounds.items()))
    train, _, _ = split_up(of_session)
    trf = TRF(0, 0.2, sfreq=20, lead_in=train[0].lead_in)
    trf.fit([ds.features.values for ds in train], [heard(ds)[0] for ds in train])
    stored = open_results(saved_study).sel(network="mel_whisper", weights="fixed").squeeze()
    np.testing.assert_allclose(trf.alpha_, stored.alpha[stored.session == session], rtol=1e-12)


def test_design__has_all_presentations_from_onset_on(saved_study, sounds):
    for session, of_session in sounds.items():
        responses = load_responses(StudyStore.open(saved_study), "timit", 50.0, session)
        assert list(of_session) == sorted((*responses.train_ids, *responses.test_ids), key=int)
        for stimulus, ds in of_session.items():
            assert ds.lead_in == 7
            assert ds.response.sel(time=slice(None, -1e-9)).isnull().all()
            assert ds.features.notnull().all()
            np.testing.assert_array_equal(ds.time[[0, 7]], [-0.35, 0])
            np.testing.assert_array_equal(heard(ds), responses.trials(stimulus))
            assert ds.sizes["repeat"] == (11 if stimulus in responses.test_ids else 1)
            assert ds.session.values.tolist() == [session] * 3
            assert {"channel", "area", "subject", "x", "y", "role", "fold"} <= set(ds.coords)


def test_design__can_be_written_as_netcdf(tmp_path, sounds):
    ds = next(iter(next(iter(sounds.values())).values()))
    ds.to_netcdf(tmp_path / "one.nc", engine="scipy")


def test_design__of_a_study_with_folds_says_the_role_in_each_split(write_study):
    path = write_study(test={"folds": 4}, networks=[{"name": "mel_librosa"}], reliability=None)
    assert Study.load(path).run(None).ok
    folder = Study.load(path).output
    stored = open_results(folder).sel(network="mel_librosa", weights="fixed").squeeze()
    session = str(stored.session.values[0])
    sounds = list(design(folder, session, "mel_librosa").values())
    roles = np.array([ds.role.values for ds in sounds])
    assert (roles == "test").sum(axis=1).tolist() == [1] * len(sounds)
    assert ((roles == "train") == (np.array([ds.fold.values for ds in sounds]) > 0)).all()
    for k, split in enumerate(stored.split.values):
        train, test = ([ds for ds, of in zip(sounds, roles[:, k], strict=True) if of == role] for role in ROLES)
        repeats = min(ds.sizes["repeat"] for ds in sounds)
        rows, new = (lag_rows([ds.features.values for ds in part], LAGS, 7) for part in (train, test))
        unit = stored.sel(split=split).isel(unit=0)
        y = np.concatenate([heard(ds)[0] for ds in train])[:, :1]
        predict, _ = solve_ridge(rows, y, unit.fold_alpha.item(), standardize=True)
        recorded = np.concatenate([heard(ds)[:repeats, :, 0] for ds in test], axis=1)
        r = np.mean([correlation(repeat, predict(new)[:, 0]) for repeat in recorded])
        np.testing.assert_allclose(r, unit.fold_r.item(), rtol=0, atol=1e-9)


ROLES = ("train", "test")


def test_design__says_what_is_not_there(saved_study, tmp_path):
    session = str(open_results(saved_study).session.values[0])
    with pytest.raises(StoreError, match=f"no session '999999'; there are {session}, "):
        design(saved_study, "999999", "mel_whisper")
    with pytest.raises(StoreError, match=f"no responses of session {session} to timit at 20 ms; name a stimulus set"):
        design(saved_study, session, "mel_whisper", bin_width=20.0)
    with pytest.raises(StoreError, match="no layer 3; the stored layers are 0"):
        design(saved_study, session, "mel_whisper", 3)
    StudyStore.create(tmp_path / "new")
    with pytest.raises(StoreError, match="no results yet; run the study first"):
        design(tmp_path / "new", session, "mel_whisper")
    with pytest.raises(StoreError, match="the results hold no settings of a study, as imported ones do"):
        design(write_small_study(tmp_path / "small"), "s1", "mel")
