"""All mathematics on the card against numpy, each case told in a line; started by test_rehearsal.py."""

import itertools
import traceback
from functools import partial

import cupy
import fake_card
import numpy as np
import pytest

from distributed_trf.arrays import namespace, to_numpy
from distributed_trf.errors import DataError
from distributed_trf.reliability.pairs import PairTables
from distributed_trf.reliability.resampling import bootstrap_normaliser
from distributed_trf.similarity.cka import cka
from distributed_trf.similarity.rsa import dissimilarities, rsa, rsa_ceiling
from distributed_trf.trf.crossval import assign_folds
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.moment_folds import fit_moments
from distributed_trf.trf.stream import MomentStream
from tests.fake_gpu import processes
from tests.fake_gpu.processes import tell

gpu_check = processes.gpu_check()
CLOSE = {"float64": 1e-9, "float32": 1e-4}
"""Largest difference, beside the largest value."""


def put(arrays):
    return [cupy.asarray(a) for a in arrays]


def screened(put, solver, precision):
    """Fit without the scores of penalties that cannot win."""
    return gpu_check.fit_case(put, trials=9, bins=30, solver=solver, precision=precision, all_scores=False)


def drawn_case(put, precision):
    """Fit on drawn training stimuli, each weighted by how often it was drawn."""
    X, Y = (put(arrays) for arrays in gpu_check.trials(9, 30))
    folds = []
    for fold in assign_folds(len(X), 3, 0):
        stream = MomentStream((0, 1, 2), 3, dtype=precision)
        for i in fold:
            stream.add(X[i], Y[i], weight=float(1 + i % 3))
        folds.append(stream.moments())
    penalties = np.logspace(-5, 15, 21)
    fit = fit_moments(folds, penalties, precision=precision, all_scores=True)
    return gpu_check.chosen(fit.alpha, fit.cv_scores, penalties) | {"weights": fit.weights}


def normaliser_case(put):
    """Bootstrap what reliability is divided by."""
    rng = np.random.default_rng(3)
    tables = PairTables.of(put([rng.poisson(1.0, size=(5, n, 6)).astype(float) for n in (40, 30)]))
    options = {"percent_duration": 50.0, "n_repeats": 3, "draws": 4, "pairings": 5, "seed": 0, "key": ("x",)}
    return {"normaliser": bootstrap_normaliser(tables, **options)}


def similarity_case(put):
    """Compare representations by dissimilarities and by centred kernel alignment."""
    rng = np.random.default_rng(4)
    x, y = put([rng.normal(size=(40, 7)), rng.normal(size=(40, 60))])
    (several,) = put([rng.normal(size=(3, 40, 5))])
    lower, upper = rsa_ceiling(dissimilarities(several))
    numbers = [rsa(x, y), rsa(x, y, "cosine"), lower, upper, cka(x, y), cka(x, y, debiased=False)]
    return {"similarity": namespace(x).stack(numbers)}


CASES = [
    *gpu_check.cases(tiny=True),
    *(
        (f"TRF screened, {solver} {precision}", precision, partial(screened, solver=solver, precision=precision))
        for solver, precision in itertools.product(("auto", "eigh", "cholesky", "dual"), ("float64", "float32"))
    ),
    *((f"drawn training stimuli, {p}", p, partial(drawn_case, precision=p)) for p in ("float64", "float32")),
    ("bootstrap of the normaliser", "float64", normaliser_case),
    ("similarity", "float64", similarity_case),
]


def compared(precision, run):
    """Both ways: the same penalties and numbers, found on the card."""
    with fake_card.counted() as counts:
        there = run(put)
    assert counts["launches"] > 10, "nothing was calculated on the card"
    difference, alphas, gap = gpu_check.compare(there, run(list))
    assert difference <= CLOSE[precision], f"differs by {difference:.1e}"
    assert precision == "float32" or not alphas, f"{alphas} alphas differ by {gap:.1e} in score"


def refused(expected, *, nan):
    """Bad data is told on the card as it is on the CPU."""
    X, Y = gpu_check.trials(9, 30)
    if nan:
        X[2][3, 1] = np.nan
    with pytest.raises(DataError, match=expected):
        TRF(0.0, 0.2, 20.0, lead_in=3).fit(put(X), put(Y) if nan else Y)


def stays(put):
    """What is fitted on the card lives there."""
    X, Y = (put(arrays) for arrays in gpu_check.trials(9, 30))
    trf = TRF(0.0, 0.2, 20.0, lead_in=3).fit(X, Y)
    for array in (trf.coef_, trf.intercept_, trf.predict(X[:1])[0], trf.correlate(X, Y)):
        assert isinstance(array, cupy.ndarray)
    assert isinstance(to_numpy(trf.coef_), np.ndarray)


if __name__ == "__main__":
    others = {
        "NaN in the features": partial(refused, r"X\[2\] holds 1 values that are NaN or Inf", nan=True),
        "numpy and cupy mixed": partial(refused, "expected arrays of one library, all numpy or all cupy", nan=False),
        "results live on the card": partial(stays, put),
    }
    for name, run in [(n, partial(compared, p, r)) for n, p, r in CASES] + list(others.items()):
        try:
            run()
            tell(name, "ok")
        except Exception:  # noqa: BLE001  the next case is told as well
            tell(name, traceback.format_exc(limit=-4)[:3000])
    tell("notes", str(dict(fake_card.NOTES)) if fake_card.NOTES else "ok")
