"""What the mathematics takes as trials, and what it refuses by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr

from distributed_trf.errors import DataError
from distributed_trf.trf.estimator import TRF
from distributed_trf.trf.stream import moments_of
from distributed_trf.trf.trials import as_array

RNG = np.random.default_rng(0)
X = [RNG.integers(-9, 9, size=(30, 3)).astype(float) for _ in range(6)]
Y = [x[:, :2] + RNG.integers(3, size=(30, 2)) for x in X]
WEEK = np.arange(60).reshape(30, 2).astype("M8[D]")

TAKEN = {
    "int8": lambda a: a.astype(np.int8),
    "float16": lambda a: a.astype(np.float16),
    "float32": lambda a: a.astype(np.float32),
    "longdouble": lambda a: a.astype(np.longdouble),
    "the other byte order": lambda a: a.astype(">f8"),
    "Fortran's order": np.asfortranarray,
    "every other row of a larger array": lambda a: np.repeat(a, 2, axis=0)[::2],
    "lists of lists": lambda a: a.tolist(),
    "tuples": lambda a: tuple(map(tuple, a.astype(int).tolist())),
    "pandas": pd.DataFrame,
    "pandas with its own kinds": lambda a: pd.DataFrame(a).astype("Int64"),
    "xarray": lambda a: xr.DataArray(a, dims=("Time", "feature")),
    "xarray without names that tell": xr.DataArray,
}


@pytest.mark.parametrize("solver", ["eigh", "dual"])
@pytest.mark.parametrize("kind", TAKEN)
def test_trials__of_any_real_kind_give_the_same_numbers(kind, solver):
    plain = TRF(solver=solver).fit(X, Y)
    trf = TRF(solver=solver).fit(*(tuple(map(TAKEN[kind], some)) for some in (X, Y)))
    np.testing.assert_allclose(trf.coef_, plain.coef_, rtol=0, atol=1e-13)
    test = [TAKEN[kind](x) for x in X[:2]]
    np.testing.assert_allclose(trf.predict(test), plain.predict(X[:2]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        trf.correlate(test, [TAKEN[kind](y) for y in Y[:2]]), plain.correlate(X[:2], Y[:2]), rtol=1e-12
    )


@pytest.mark.parametrize("solver", ["eigh", "dual"])
def test_trials__of_truth_values_count_as_zero_and_one(solver):
    events = [x > 2 for x in X]
    of_numbers = TRF(solver=solver).fit([x.astype(float) for x in events], [y > 0 for y in Y])
    trf = TRF(solver=solver).fit(events, [(y > 0).astype(float) for y in Y])
    np.testing.assert_allclose(trf.coef_, of_numbers.coef_, rtol=0, atol=1e-13)
    np.testing.assert_allclose(
        trf.correlate(events, [y > 0 for y in Y]), of_numbers.correlate(events, [y > 0 for y in Y])
    )


REFUSED = {
    "complex": (lambda a: a + 1j, "holds values of type complex128; expected real numbers"),
    "masked": (lambda a: np.ma.masked_greater(a, 2), "MaskedArray: its mask would be lost"),
    "masked in xarray's clothes": (lambda a: xr.DataArray(np.ma.masked_greater(a, 2)), "holds NaN|that are NaN"),
    "a matrix": (np.asmatrix, "matrix; convert it with numpy.asarray"),
    "objects": (lambda a: a.astype(object), "holds values of type object"),
    "text": (lambda a: a.astype(str), "holds values of type <U"),
    "text in lists": (lambda a: [["1", "2"]] * len(a), "holds values of type <U"),
    "dates": (lambda a: WEEK, r"holds values of type datetime64\[D\]"),
    "durations": (lambda a: WEEK - WEEK[0, 0], r"holds values of type timedelta64\[D\]"),
    "records": (lambda a: np.zeros((30, 2), [("a", float), ("b", float)]), r"holds values of type \[\('a', '<f8'\)"),
    "sparse": (scipy.sparse.csr_array, "which is sparse; convert it to a full array"),
    "ragged lists": (lambda a: [[1.0], [1.0, 2.0]], "that is no array of numbers"),
    "a number": (lambda a: 1.0, r"has shape \(\)"),
    "nothing": (lambda a: None, "holds values of type object"),
    "a dict": (lambda a: {"x": a}, "holds values of type object"),
    "a column alone": (lambda a: a[:, 0], r"has shape \(30,\)"),
    "no column": (lambda a: a[:, :0], "0 features, expected 3|does not match Y"),
    "no row": (lambda a: a[:0], "has 0 rows|has 0 bins"),
    "NaN in pandas": (lambda a: pd.DataFrame(a).mask(a > 2), "NaN"),
    "missing in pandas": (lambda a: pd.DataFrame(a).astype("Int64").mask(a > 2), "NaN"),
    "text in pandas": (lambda a: pd.DataFrame(a).assign(word="a"), "column 'word' is of type"),
    "complex in pandas": (lambda a: pd.DataFrame(a + 1j), "column 0 is of type complex128"),
    "time last": (lambda a: xr.DataArray(a, dims=("x", "time")), r"\('x', 'time'\); time must come first"),
    "features first": (lambda a: xr.DataArray(a, dims=("Channel", "x")), "time must come first"),
    "a Dataset": (lambda a: xr.Dataset({"x": (("time", "feature"), a)}), "of several variables; give one of them"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("kind", REFUSED)
def test_trials__of_anything_else_are_refused_by_name(kind):
    damage, message = REFUSED[kind]
    trf = TRF().fit(X, Y)
    bad_x, bad_y = [*X[:5], damage(X[5])], [*Y[:5], damage(Y[5])]
    refused = {
        "fit X": lambda: TRF().fit(bad_x, Y),
        "fit Y": lambda: TRF().fit(X, bad_y),
        "predict": lambda: trf.predict(bad_x),
        "score X": lambda: trf.correlate(bad_x, Y),
        "score Y": lambda: trf.correlate(X, bad_y),
        "moments X": lambda: moments_of(bad_x, Y, [0, 1], 0),
        "moments Y": lambda: moments_of(X, bad_y, [0, 1], 0),
    }
    for call in refused.values():
        with pytest.raises(DataError, match=rf"^[XY]\[5\].*({message})"):
            call()


@pytest.mark.parametrize(
    ("trials", "what"),
    [
        (np.ones((6, 30, 2)), "numpy.ndarray"),
        (pd.DataFrame(X[0]), "pandas"),
        (xr.DataArray(np.ones((6, 30, 2))), "xarray"),
        ((x for x in X), "generator"),
        ({"a": X[0]}, "dict"),
        ("text", "builtins.str"),
        ([], "a list of 0"),
        (None, "NoneType"),
    ],
)
def test_trials__that_stand_in_no_list_are_refused(trials, what):
    with pytest.raises(DataError, match=f"X must be a non-empty list of .* arrays, one per trial, not .*{what}"):
        TRF().fit(trials, Y)
    with pytest.raises(DataError, match=f"X has 6 trials but Y is .*{what}"):
        TRF().fit(X, trials)


def test_repeats__of_labelled_arrays_have_time_before_units():
    repeated = xr.DataArray(np.zeros((4, 30, 2)), dims=("repeat", "time", "unit"))
    assert as_array(repeated, "Y[0]").shape == (4, 30, 2)
    with pytest.raises(DataError, match="or after the repeats"):
        as_array(repeated.transpose("time", "repeat", "unit"), "Y[0]")


def test_arrays__are_not_copied():
    for kind in (np.uint16, np.float16, np.float32, np.float64):
        x = np.ones((4, 2), kind)
        assert np.shares_memory(as_array(x, "X[0]"), x)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_torch__tensors_stay_tensors():
    torch = pytest.importorskip("torch")
    there = [[torch.tensor(a, requires_grad=True) for a in some] for some in (X, Y)]
    plain, trf = TRF().fit(X, Y), TRF().fit(*there)
    assert isinstance(trf.coef_, torch.Tensor)
    np.testing.assert_allclose(trf.coef_.numpy(), plain.coef_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(trf.correlate(*there).numpy(), plain.correlate(X, Y), rtol=1e-9)
    for damaged in (there[0][5] + 1j, there[0][5].detach().to_sparse()):
        with pytest.raises(DataError, match=r"X\[5\]"):
            trf.predict([*there[0][:5], damaged])


def test_responses__without_a_unit_or_a_repeat_are_refused():
    with pytest.raises(DataError, match=r"Y\[0\] has shape \(30, 0\): it holds nothing"):
        TRF().fit(X, [y[:, :0] for y in Y])
    with pytest.raises(DataError, match=r"Y\[0\] has shape \(0, 30, 2\): it holds nothing"):
        TRF().fit(X, Y).correlate(X, [y[None][:0] for y in Y])
