"""Studies tested by folds, given splits and left-out groups, against explicit fits of each split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.signal import resample

from distributed_trf import TRF, Study, combine_results, open_features, open_results, to_dataframe
from distributed_trf.errors import DataError, StoreError
from distributed_trf.figures.html.provenance import settings_lines
from distributed_trf.pipeline.fit_state import fit_state
from distributed_trf.pipeline.items import Fit
from distributed_trf.recordings.ucsf.reader import UCSFRecordings
from distributed_trf.results.analyses import open_lowpass
from distributed_trf.results.best_layers import penalty_edges
from distributed_trf.results.best_predicted import predicted_response
from distributed_trf.results.combine import average_seeds
from distributed_trf.results.models import open_models
from distributed_trf.store.receipts import FIT, read_receipt
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.shifted_predictions import draw_shifts
from distributed_trf.trf.splits import given_splits
from tests.oracle import correlation, fit_and_score
from tests.round_trip import assert_written_and_read
from tests.small_recordings import ALPHAS, ORDERS, TEST, TRAIN

LABELS = {"stimuli": "tones", "network": "mel_librosa", "weights": "fixed", "bin_width": 50}
ALL = TRAIN + TEST
TALKERS = dict(zip(ALL, "abcabcabc", strict=True))
GIVEN = {"early": ["t1", "a1"], "late": ["t2", "a1"]}  # overlapping tests; a2 is not used in the second
UNUSED = {"early": [], "late": ["a2"]}


def write_tables():
    rows = [
        f"{split},{i},{'test' if i in tested else 'unused' if i in UNUSED[split] else 'train'}"
        for split, tested in GIVEN.items()
        for i in ALL
    ]
    Path("splits.csv").write_text("\n".join(["split,stimulus,part", *rows]))
    Path("stimuli.csv").write_text("\n".join(["stimulus,talker", *(f"{i},{t}" for i, t in TALKERS.items())]))


def outer_folds(n):
    """Stimuli of each outer fold."""
    return [[ALL[i] for i in fold] for fold in assign_folds(len(ALL), n, 0)]


def dealt(scheme, n_folds):
    """Test stimuli and inner folds of each split, by its label."""
    if scheme == "splits":
        train = {s: [i for i in ALL if i not in GIVEN[s] + UNUSED[s]] for s in GIVEN}
        inner = {s: assign_folds(len(train[s]), n_folds, 0) for s in GIVEN}
        return {s: (GIVEN[s], [[train[s][i] for i in fold] for fold in inner[s]]) for s in GIVEN}
    if scheme == "folds":
        outer = dict(zip("0123", outer_folds(4), strict=True))
    else:
        outer = {t: [i for i in ALL if TALKERS[i] == t] for t in "abc"}
    splits = {}
    for label, tested in outer.items():
        others = [fold for other, fold in outer.items() if other != label]
        inner = assign_folds(len(others), n_folds, 0)
        splits[label] = tested, [[i for k in fold for i in others[k]] for fold in inner]
    return splits


SCHEMES = {
    "folds": {"folds": 4},
    "splits": {"splits": "splits.csv"},
    "leave_out": {"leave_out": "talker", "table": "stimuli.csv"},
}


def explicit(session, splits, training, scaling):
    """Results of a session, each split fitted on stacked trials: r, fold_r, fold_alpha, cv_score, r_p."""
    counts = load_responses(StudyStore.open(Path("study")), "tones", 50.0, session)
    features = open_features("study")["tones", "mel_librosa", "fixed"]
    X = {i: resample(x.astype(float), 2 + counts.bins[i], axis=0) for i, x in features.iterate(0)}
    there = set(counts.train_ids)
    repeats = min(counts.trials(i).shape[0] for tested, _ in splits.values() for i in tested if i in there)
    found, predicted, recorded = [], [], []
    for tested, folds in splits.values():
        fold_of = {i: k for k, fold in enumerate(folds) for i in fold}
        trials = []
        for i in (i for i in ALL if i in fold_of and i in there):
            every = counts.trials(i)
            used = {"first": every[:1], "mean": [every.mean(axis=0)], "all": every}[training]
            trials += [(i, y) for y in used]
        absent = [i for i in fold_of if i not in there] if scaling == "shared" else []
        test = [i for i in tested if i in there]
        alpha, scores, r, prediction = fit_and_score(
            [X[i] for i, _ in trials],
            [y for _, y in trials],
            [X[i] for i in test],
            [counts.trials(i)[:repeats] for i in test],
            lags=range(2),
            lead_in=2,
            alphas=ALPHAS,
            folds=[[j for j, (i, _) in enumerate(trials) if fold_of[i] == k] for k in range(len(folds))],
            standardize=True,
            unheard=[[X[i] for i in absent if fold_of[i] == k] for k in range(len(folds))],
        )
        found.append((r, alpha, scores.max(axis=0)))
        predicted.append(prediction)
        recorded.append(np.concatenate([counts.trials(i)[:repeats] for i in test], axis=1))
    fold_r, fold_alpha, score = (np.array(part) for part in zip(*found, strict=True))
    predicted, recorded = np.concatenate(predicted), np.concatenate(recorded, axis=1)
    each = [[correlation(y[:, u], predicted[:, u]) for u in range(y.shape[1])] for y in recorded]
    bins = {i: counts.bins[i] for tested, _ in splits.values() for i in tested if i in there}
    once = sum(bins.values()) == len(predicted)
    p = out_of_fold_p(predicted, recorded, bins) if once else np.full(predicted.shape[1], np.nan)
    return np.nan_to_num(each).mean(axis=0), fold_r, fold_alpha, score.mean(axis=0), p, repeats


CHANCE = {"shifts": 60, "seed": 3}


def out_of_fold_p(predicted, recorded, bins):
    """Move the predictions of each stimulus, copy by copy; deviations of copies from their mean are widened."""
    moves = draw_shifts(bins, CHANCE["shifts"], CHANCE["seed"], ("tones", 50)).moves
    borders, p = np.cumsum(list(bins.values()))[:-1], []
    for u in range(predicted.shape[1]):
        parts = np.split(predicted[:, u], borders)
        centred = [part - part.mean() for part in parts]
        # Pearson's r of the parts of a prediction that shifts can change, at the norm of all of it.
        norm = np.linalg.norm(predicted[:, u] - predicted[:, u].mean())
        z = np.mean([np.nan_to_num((y - y.mean()) / np.linalg.norm(y - y.mean())) for y in recorded[:, :, u]], axis=0)
        moved = [np.concatenate([np.roll(c, k) for c, k in zip(centred, move, strict=True)]) for move in moves]
        reached = sum(2**0.5 * (z @ copy) / norm >= z @ np.concatenate(centred) / norm - 1e-12 for copy in moved)
        p.append((reached + 1) / (len(moves) + 1))
    return np.array(p)


@pytest.mark.parametrize(
    ("scheme", "solver", "training", "scaling", "n_folds"),
    [
        ("folds", "eigh", "all", "shared", 3),
        ("folds", "dual", "first", "per_session", 2),
        ("splits", "eigh", "first", "shared", 3),
        ("splits", "dual", "mean", "per_session", 3),
        ("leave_out", "cholesky", "first", "shared", 2),
    ],
)
def test_study__equals_the_explicit_fit_of_each_split(run_generic, scheme, solver, training, scaling, n_folds):
    write_tables()
    ridge = {"alphas": ALPHAS.tolist(), "solver": solver, "scaling": scaling, "n_folds": n_folds}
    run_generic(test=SCHEMES[scheme], ridge=ridge, training=training, chance=CHANCE)
    ds, splits = open_results("study").sel(LABELS).sel(layer=0), dealt(scheme, n_folds)
    assert ds.split.values.tolist() == list(splits)
    used = set()
    for session in ("once", "some"):  # the latter lacks a sound, and heard others several times
        found = ds.isel(unit=ds.session.values == session)
        r, fold_r, fold_alpha, score, p, repeats = explicit(session, splits, training, scaling)
        np.testing.assert_allclose(found.fold_r, fold_r, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.fold_alpha, fold_alpha, rtol=1e-12)
        np.testing.assert_allclose(found.r, fold_r.mean(axis=0) if scheme == "splits" else r, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.alpha, np.exp(np.log(fold_alpha).mean(axis=0)), rtol=1e-12)
        np.testing.assert_allclose(found.cv_score, score, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.r_p, p, rtol=1e-12)
        used.add(repeats)
    assert bool(ds.r_p.isnull().all()) == (scheme == "splits")
    assert used == ({1, 2} if scheme == "splits" else {1})


def looked_at(**changes):
    """How the fits in the folder look to a study with other settings, without its recordings."""
    study = Study.load("study.yaml").settings
    test = type(study.test).model_validate(changes["test"]) if changes else study.test
    return dict(fit_state(StudyStore.open(Path("study")), study.model_copy(update={"test": test})).other_settings)


LOWPASS = {"network": "mel_librosa", "layer": 0, "weights": "fixed", "lowpass_bins": [50]}


def test_schemes__one_after_another_make_the_fits_anew_and_leave_no_trace(run_generic):
    write_tables()
    run_generic()
    before = open_results("study").load()
    fixed = {p.relative_to("study") for p in Path("study/results.zarr").rglob("*")}
    assert not {"fold_r", "fold_alpha", "split"} & set(before.variables)
    fit = Fit("tones", "mel_librosa", "fixed", 0, 50.0)
    assert "evaluation" not in read_receipt(StudyStore.open(Path("study")), FIT, fit.key).fingerprint
    assert looked_at(test=SCHEMES["folds"]) == {"changed: evaluation": 1}

    report = run_generic(test=SCHEMES["folds"])
    assert {stage: n for stage, n in report.done.items() if n} == {"read": 4, "fit": 1}
    assert not looked_at()
    assert looked_at(test={"set": "test"}) == {"changed: evaluation": 1}
    assert open_results("study").sizes["split"] == 4
    assert run_generic(test=SCHEMES["folds"]).done == {}

    run_generic(test=SCHEMES["leave_out"], ridge={"alphas": ALPHAS.tolist(), "n_folds": 2})
    assert open_results("study").split.values.tolist() == ["a", "b", "c"]
    run_generic()
    after = open_results("study").load()
    assert set(after.variables) == set(before.variables)
    np.testing.assert_array_equal(after.r, before.r)
    assert after.r.attrs == before.r.attrs
    assert fixed <= {p.relative_to("study") for p in Path("study/results.zarr").rglob("*")}


def test_table__counts_by_its_content_not_by_its_name(run_generic):
    write_tables()
    ridge = {"alphas": [1.0], "n_folds": 2}
    run_generic(test=SCHEMES["leave_out"], ridge=ridge)
    Path("stimuli.csv").rename("sounds.csv")
    same = {"leave_out": "talker", "table": "sounds.csv"}
    assert run_generic(test=same, ridge=ridge).done == {}
    text = Path("sounds.csv").read_text()
    Path("sounds.csv").write_text(f"{text}\nelsewhere,d")  # a stimulus of another set
    assert run_generic(test=same, ridge=ridge).done == {}
    Path("sounds.csv").write_text(text.replace("a1,a", "a1,b"))
    assert run_generic(test=same, ridge=ridge).done["fit"] == 1


def test_models__of_splits_are_fits_of_all_stimuli_and_predict_none_that_they_have_not_seen(run_generic):
    run_generic(test=SCHEMES["folds"], save_models=True, lowpass=[LOWPASS])
    store = StudyStore.open(Path("study"))
    model = open_models("study")["tones", "mel_librosa", "fixed", 0, 50.0]
    counts = load_responses(store, "tones", 50.0, "once")
    features = open_features("study")["tones", "mel_librosa", "fixed"]
    X = {i: resample(x.astype(float), 2 + counts.bins[i], axis=0) for i, x in features.iterate(0)}
    outer = outer_folds(4)  # inner folds of the last fit are whole outer folds
    folds = [[ALL.index(i) for k in fold for i in outer[k]] for fold in assign_folds(4, 3, 0)]
    alpha, _, _, predicted = fit_and_score(
        [X[i] for i in ALL],
        [counts.trials(i)[0] for i in ALL],
        [X["a3"]],
        [counts.trials("a3")],
        lags=range(2),
        lead_in=2,
        alphas=ALPHAS,
        folds=folds,
        standardize=True,
    )
    found = model.predict(["a3"], ["once"])
    np.testing.assert_allclose(found.values, predicted, rtol=1e-9, atol=1e-9)
    with pytest.raises(StoreError, match="tests all stimuli in turn, and its models were fitted on all of them"):
        predicted_response("study", "once", "u0", network="mel_librosa", layer=0, weights="fixed", stimuli="tones")
    # Bins of the fit itself change nothing: the same splits, tested in the same way.
    low, ds = (of.sel(LABELS).sel(layer=0) for of in (open_lowpass("study").sel(lowpass_bin=50), open_results("study")))
    np.testing.assert_allclose(low.fold_r, ds.fold_r, rtol=1e-6, atol=1e-9)
    assert low.split.values.tolist() == ds.split.values.tolist() == list("0123")
    assert set(alpha) <= set(ALPHAS)


def test_sessions__that_cannot_fill_a_split_are_left_out_and_said(run_generic):
    write_tables()
    order = Path("mine/sessions/once/trials.csv")
    rows = order.read_text().splitlines()
    order.write_text("\n".join([rows[0], *(row for row in rows[1:] if TALKERS[row.split(",")[1]] != "c")]))
    report = run_generic(test=SCHEMES["leave_out"], ridge={"alphas": [1.0], "n_folds": 2})
    assert report.left_out == {"once": "no stimulus of c was presented, which is a group to be tested"}
    ds = open_results("study")
    assert bool(ds.r.isel(unit=ds.session.values == "once").isnull().all())
    assert bool(ds.fold_r.isel(unit=ds.session.values != "once").notnull().all())


def test_reliability__is_of_all_repeated_stimuli_and_absent_with_a_word_without(run_generic):
    quick = {"draws": 50, "shifts": 5, "splits": 2}
    report = run_generic(test=SCHEMES["folds"], reliability=quick)
    assert not report.notes
    assert bool(open_results("study").normaliser.notnull().all())
    for session in ORDERS:  # each sound once
        path = Path("mine/sessions", session, "trials.csv")
        rows = path.read_text().splitlines()
        first = {row.split(",")[1]: row for row in reversed(rows[1:])}
        path.write_text("\n".join([rows[0], *(row for row in rows if row in first.values())]))
    report = run_generic(test=SCHEMES["folds"], reliability=quick)
    assert len(report.notes) == len(ORDERS)
    assert "no stimulus was presented twice" in next(iter(report.notes.values()))[0]
    ds = open_results("study").load()
    assert bool(ds.normaliser.isnull().all())
    assert bool(ds.rho.isnull().all())
    assert bool(ds.r.notnull().all())
    assert len(run_generic(reliability=quick).notes) == len(ORDERS)  # nor does a fixed test set fail


def test_results__of_splits_can_be_written_tabled_combined_and_averaged(run_generic, tmp_path):
    write_tables()
    run_generic(test=SCHEMES["folds"])
    ds = open_results("study").load()
    assert_written_and_read(ds, tmp_path)
    frame = to_dataframe(ds)
    assert len(frame) == 4 * ds.sizes["unit"]
    assert frame.split.value_counts().to_dict() == dict.fromkeys("0123", ds.sizes["unit"])
    assert len(to_dataframe(ds.drop_dims("split"))) == ds.sizes["unit"]

    (edges,) = penalty_edges(ds).to_dict("records")
    assert (edges["n"], edges["last"]) == (ds.fold_alpha.size, int((ds.fold_alpha == ALPHAS[-1]).sum()))
    tested = dict(settings_lines(Study.load("study.yaml").settings))["tested"]
    assert tested == "all stimuli in 4 outer folds, each by a fit on the others"

    parts = [ds.isel(unit=ds.session.values == session) for session in ("many", "some")]
    both = combine_results(*parts)
    expected = ds.isel(unit=np.isin(ds.session.values, ["many", "some"]))
    for name in ("r", "fold_r", "fold_alpha"):
        np.testing.assert_array_equal(both[name].transpose(*ds[name].dims), expected[name])
    seeds = [ds.assign_coords(weights=[name]) for name in ("reset", "reset-1")]
    two = xr.concat(seeds, "weights", data_vars="minimal", coords="minimal", compat="override", join="outer")
    mean = average_seeds(two)
    np.testing.assert_allclose(mean.fold_r.sel(weights="reset").squeeze(), ds.fold_r.squeeze(), atol=1e-12)
    assert mean.fold_r.dims == ds.fold_r.dims
    assert "fold_alpha" not in mean

    run_generic(test={"folds": 5})
    with pytest.raises(DataError, match="test is {'set': None, 'folds': 4, .* 'folds': 5"):
        combine_results(ds, open_results("study"))
    run_generic(test=SCHEMES["splits"])
    first = open_results("study").load()
    Path("splits.csv").write_text(Path("splits.csv").read_text().replace("late,a3,train", "late,a3,unused"))
    run_generic(test=SCHEMES["splits"])
    with pytest.raises(DataError, match="evaluation_tables is"):
        combine_results(first, open_results("study"))


@pytest.mark.parametrize("test", [{"folds": 5}, {"splits": "given.csv"}])
def test_sentences__are_tested_as_lists_of_trials_are(write_study, workplace, test):
    ids = [s.id for s in UCSFRecordings(workplace / "recordings").stimuli("timit")]
    rng = np.random.default_rng(2)
    tested = [sorted(rng.choice(len(ids), len(ids) // 3, replace=False).tolist()) for _ in range(4)]
    rows = [f"{s},{i},{'test' if k in part else 'train'}" for s, part in enumerate(tested) for k, i in enumerate(ids)]
    Path("given.csv").write_text("\n".join(["split,stimulus,part", *rows]))
    lags, alphas = {"tmax": 0.05}, [1.0, 1e4]
    write_study(networks=[{"name": "mel_whisper"}], lags=lags, ridge={"alphas": alphas}, reliability=None, test=test)
    assert Study.load("study.yaml").run(recipe=None).ok
    ds = open_results("study").sel(stimuli="timit", network="mel_whisper", weights="fixed", layer=0, bin_width=50)
    train = [[k for k in range(len(ids)) if k not in part] for part in tested]
    splits = given_splits(len(ids), train, tested, 3, 0) if "splits" in test else None
    features = dict(open_features("study")["timit", "mel_whisper", "fixed"].iterate(0))
    for session in dict.fromkeys(ds.session.values):
        counts = load_responses(StudyStore.open(Path("study")), "timit", 50.0, session)
        X = [resample(features[i].astype(float), 7 + counts.bins[i], axis=0) for i in ids]
        trf = TRF(alphas=alphas, lead_in=7, **lags)
        found = trf.cross_validate(X, [counts.trials(i)[0] for i in ids], splits, folds=test.get("folds"))
        of_session = ds.isel(unit=ds.session.values == session)
        np.testing.assert_allclose(of_session.r, found.r, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(of_session.fold_r, found.r_folds, rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(of_session.fold_alpha, found.alpha)
