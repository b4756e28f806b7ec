"""The benchmarks run, and refuse numbers that do not agree."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

PEERS = [
    "published procedure",
    "scikit-learn RidgeCV",
    "scikit-learn Ridge grid",
    "himalaya RidgeCV",
    "himalaya RidgeCV, in part",
    "mTRFpy",
]
SMALL = [6, 2, 5, 1500]


@pytest.fixture
def peers():
    return importlib.import_module("bench_peers")


@pytest.fixture
def bench_trf(peers):
    return importlib.import_module("bench_trf")


@pytest.mark.parametrize("shape", [SMALL, [2, 11, 3, 600]])
def test_bench_trf__times_every_peer(bench_trf, shape):
    assert set(PEERS) == set(bench_trf.METHODS) - {"ours"}
    lines = bench_trf.bench(shape, PEERS, memory=["ours"])
    assert len(lines) == len(bench_trf.METHODS)
    assert lines[0].split("|")[4].strip() == "1.0"


@pytest.mark.parametrize("peer", PEERS)
def test_bench_trf__reports_no_time_of_numbers_that_disagree(bench_trf, peers, monkeypatch, peer):
    right = peers.trf
    monkeypatch.setattr(
        peers, "trf", lambda case, alphas=peers.ALPHAS, **options: right(case, 1.1 * np.asarray(alphas), **options)
    )
    with pytest.raises(AssertionError):
        bench_trf.bench(SMALL, [peer], rounds=1)


def test_counted_work__is_that_of_the_plain_method(bench_trf, peers):
    d, u, n = 8, 3, 500
    search = 3 * (13 * d**3 + 4 * d * d * u + 42 * d * d * u)
    counted = bench_trf.counted_flops(peers.Case(4, 2, u, n))
    assert counted == 2 * n * d * (4 + u) + search + 9 * d**3 + 4 * d * d * u
    assert np.isfinite(bench_trf.product_rate(100))


def test_bench_reliability__runs_whole_and_agrees_with_the_loop(tables):
    text = tables("bench_reliability", "--quick")
    assert text.count("\n|---|") == 3
    assert "| test for tuning, 1000 shifts |" in text


@pytest.mark.slow
def test_bench_extract__runs_whole_and_agrees_with_generate(tables):
    text = tables("bench_extract", "--quick")
    assert text.count("\n|---|") == 4
    assert "| whisper_tiny | 40 |" in text
    assert "| mel_whisper |" in text
    assert "| whisper_tiny | dtype: float16 |" in text
    assert "| whisper_tiny | store: float16 |" in text
    assert "| whisper_tiny | denormal numbers are 0 |" in text


@pytest.mark.slow
def test_bench_added__runs_whole_without_weights(tables):
    text = tables("bench_added", "--quick")
    assert text.count("\n|---|") == 2
    added, extracted = (line.split("|") for line in text.splitlines() if line.startswith("| HuBERT base"))
    assert added[2].strip() == "94"
    assert 0 < float(added[6]) < 1
    assert all(float(seconds) > 0 for seconds in extracted[2:5])


@pytest.mark.slow
def test_bench_start__times_commands_beside_pandas(tables):
    text = tables("bench_start", "--quick")
    assert '| `python -c "import pandas"` |' in text
    assert "| `dtrf --help` |" in text


def test_bench_results__runs_whole_and_agrees_with_scipy_on_csv_files(tables):
    text = tables("bench_results", "--quick")
    assert text.count("\n|---|") == 1
    assert "52 paired tests" in text


SMALL_SHAPES = {  # trials, bins, features, lags, units, folds
    "static": (20, 1, 60, 1, 12, 4),
    "wide": (4, 12, 8, 9, 5, 2),
    "3000 targets": (60, 1, 10, 1, 12, 3),
}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", SMALL_SHAPES)
def test_bench_shapes__peers_agree_and_are_refused_where_they_do_not(monkeypatch, name, precision):
    shapes = importlib.import_module("bench_shapes")
    case = shapes.ShapeCase(name, shapes.Shape(*SMALL_SHAPES[name], np.logspace(-2, 3, 6)), precision)
    peers = shapes.PEERS[name]
    lines = shapes.bench_case(case, peers, rounds=1, memory=lambda name: 0.0)
    assert [line.split("|")[2].strip() for line in lines] == ["ours", *peers]
    found = shapes.METHODS[peers[0]].run(case)[1]
    right = shapes.ShapeCase.trf
    monkeypatch.setattr(
        shapes.ShapeCase, "trf", lambda case, alphas, **options: right(case, 1.5 * np.asarray(alphas), **options)
    )
    with pytest.raises(AssertionError):
        shapes.METHODS[peers[0]].check(case, found)


def test_bench_trf__measures_the_memory_of_a_shape(bench_trf):
    assert bench_trf.peak_mib("himalaya KernelRidgeCV", ["static", "float64"]) > 1


@pytest.fixture
def splits(monkeypatch):
    monkeypatch.setenv("MNE_USE_NUMBA", "false")  # compiling takes longer than all else
    return importlib.import_module("bench_splits")


def small(splits, shape):
    case = splits.Voxels(40, 2) if shape == "voxels" else splits.EEG(3, 0.3)
    return splits.voxel_methods(case) if shape == "voxels" else splits.eeg_methods(case)


@pytest.mark.parametrize(
    ("shape", "peer"),
    [
        ("voxels", "scikit-learn RidgeCV, voxel by voxel"),
        ("voxels", "himalaya RidgeCV"),
        ("voxels", "himalaya KernelRidgeCV"),
        ("eeg", "mTRFpy"),
        ("eeg", "MNE TimeDelayingRidge"),
    ],
)
@pytest.mark.filterwarnings("ignore:Solving ridge is slower", "ignore:Solving kernel ridge is slower")
def test_bench_splits__peers_agree_and_are_refused_where_they_do_not(splits, monkeypatch, shape, peer):
    method, right = small(splits, shape)[peer], splits.TRF
    spent, found = method.run()
    assert spent > 0
    method.check(found)
    monkeypatch.setattr(
        splits,
        "TRF",
        lambda tmin, tmax, sfreq, alphas, **options: right(tmin, tmax, sfreq, 1.5 * np.asarray(alphas), **options),
    )
    with pytest.raises(AssertionError):
        method.check(found)


def test_bench_chance__agrees_with_a_loop_and_refuses_what_does_not(peers, monkeypatch):
    bench = importlib.import_module("bench_chance")
    (line,) = bench.bench_chance([[6, 2, 820, 1500]])
    assert line.startswith("| 6 x 2, 820 units, 1500 rows |")
    right = bench.shifted_p
    monkeypatch.setattr(bench, "shifted_p", lambda *of: right(*of, out_of_fold=True))
    with pytest.raises(AssertionError):
        bench.bench_chance([[6, 2, 820, 1500]])


def test_bench_trf__puts_a_section_in_its_place(bench_trf):
    text = "# Title\n\n## A\n\none\n\n## B\n\ntwo\n"
    assert bench_trf.replaced(text, "## A\n\nthree\n") == "# Title\n\n## A\n\nthree\n\n## B\n\ntwo\n"
    assert bench_trf.replaced(text, "## C\n\nfour\n") == text + "\n## C\n\nfour\n"
