"""Every way to solve ``(M + shift I) z = b`` against ``numpy.linalg.solve``, and what happens when one fails."""

from __future__ import annotations

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.trf.crossval import solve_each
from distributed_trf.trf.scaled_gram import RowRemoval, without
from distributed_trf.trf.solvers import Diagonal, Factored, Rotated, eigh_clipped

ALPHAS = np.logspace(-5, 15, 21)


def products(rng, n_rows, k, *, spread=1.0):
    """Rows of unequal columns and the matrix of their products, shape (k, k)."""
    rows = rng.normal(size=(n_rows, k)) * np.logspace(0, -spread, k)
    return rows, rows.T @ rows


def relative(found, expected):
    """Largest error of a column, relative to its norm."""
    return np.max(np.linalg.norm(found - expected, axis=0) / np.linalg.norm(expected, axis=0))


@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 12),
    n_rows=st.integers(1, 40),
    n_removed=st.integers(1, 12),
    alpha=st.sampled_from(ALPHAS),
)
def test_solvers__all_equal_numpy_solve_at_every_shift(seed, k, n_rows, n_removed, alpha):
    """Also where there are fewer rows than coordinates."""
    rng = np.random.default_rng(seed)
    rows, matrix = products(rng, n_rows, k)
    missing = rng.normal(size=(k, n_removed))
    larger = matrix + missing @ missing.T
    b, shift, record = rng.normal(size=(k, 3)), n_rows * alpha, []
    expected = np.linalg.solve(matrix + shift * np.eye(k), b)
    values, vectors, _ = eigh_clipped(matrix, record)
    found = {
        "diagonal": vectors @ Diagonal(values).at(shift)(vectors.T @ b),
        "rotated": Rotated(values, vectors).at(shift)(b),
        "factored": Factored(matrix, record).at(shift)(b),
        "without, from eigh": RowRemoval(Rotated(*eigh_clipped(larger, record)), missing, record).at(shift)(b),
        "without, from cholesky": RowRemoval(Factored(larger, record), missing, record).at(shift)(b),
        "without, quicker way": without(Factored(larger, record), missing, record).at(shift)(b),
    }
    # The rows that are removed were rounded into a larger matrix, of which a small shift sees the last digits.
    condition = np.linalg.norm(larger, 2) / shift
    bound = max(1e-9, 8 * np.finfo(float).eps * condition)
    assert {name: error for name, z in found.items() if (error := relative(z, expected)) > bound} == {}
    assert record == [] or condition > 1e6


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 8), n_removed=st.integers(1, 4))
def test_product_and_largest__are_those_of_the_matrix(seed, k, n_removed):
    rng = np.random.default_rng(seed)
    rows, matrix = products(rng, 20, k)
    missing, z = rng.normal(size=(k, n_removed)), rng.normal(size=(k, 2))
    values, vectors, _ = eigh_clipped(matrix, [])
    top = np.linalg.eigvalsh(matrix)[-1]
    for solver, expected in (
        (Diagonal(values), np.diag(values) @ z),
        (Rotated(values, vectors), matrix @ z),
        (Factored(matrix, []), matrix @ z),
        (RowRemoval(Factored(matrix + missing @ missing.T, []), missing, []), matrix @ z),
    ):
        np.testing.assert_allclose(solver.product(z), expected, rtol=1e-11, atol=1e-11 * top)
        assert solver.largest >= top * (1 - 1e-12)


@pytest.mark.parametrize(("n_removed", "kind"), [(3, RowRemoval), (4, Rotated)])
def test_without__few_rows_are_corrected_for_and_many_decomposed_anew(n_removed, kind):
    rows, matrix = products(np.random.default_rng(0), 30, 10)
    assert type(without(Factored(matrix, []), rows[:n_removed].T, [])) is kind


@pytest.mark.parametrize("base", [Factored, Rotated])
def test_without__removing_the_only_rows_of_a_direction_is_exact(base):
    """A feature that is heard only in the trials that some units lack; the penalty alone holds its weight down."""
    rng = np.random.default_rng(1)
    own = rng.normal(size=(1000, 6))
    own[:, 0] = 0
    missing = np.zeros((6, 2))
    missing[0] = 30.0
    matrix, record = own.T @ own + missing @ missing.T, []
    solver = RowRemoval(
        Factored(matrix, record) if base is Factored else Rotated(*eigh_clipped(matrix, [])), missing, record
    )
    b = np.random.default_rng(2).normal(size=(6, 2))
    for alpha in ALPHAS:
        expected = np.linalg.solve(own.T @ own + 1000 * alpha * np.eye(6), b)
        assert relative(solver.at(1000 * alpha)(b), expected) < 1e-9
    assert record == []


def test_without__no_correction_is_made_beside_whose_shift_the_matrix_is_negligible(monkeypatch):
    """A third of the published penalties: those alone cost a group that lacks stimuli nothing."""
    rows, matrix = products(np.random.default_rng(0), 30, 10)
    values, vectors = np.linalg.eigh(matrix)
    solver = RowRemoval(Diagonal(values), vectors.T @ rows[:3].T, [])
    shifts, b = [1e6 * values.max() * factor for factor in (1.1, 1e3)], np.random.default_rng(1).normal(size=(10, 4))
    left = np.diag(values) - solver.rows @ solver.rows.T

    def factorise(matrix):
        raise AssertionError("a correction was made")

    monkeypatch.setattr("distributed_trf.trf.scaled_gram.cholesky_solver", factorise)
    for shift, solve in zip(shifts, solver.each(shifts), strict=True):
        assert relative(solve(b), np.linalg.solve(left + shift * np.eye(10), b)) < 1e-11
    with pytest.raises(AssertionError, match="a correction was made"):
        solver.at(values.max())


@pytest.mark.parametrize("size", [1e6, 1e10, 1e12])
def test_without__rows_that_carry_nearly_all_of_a_direction_are_subtracted_and_that_is_recorded(size):
    """``1 - v' A^-1 v`` is 1e-16 at most: the correction would divide by rounding, and be wrong altogether."""
    values, rows, record = np.array([size**2, 1.0, 2.0, 3.0]), np.zeros((4, 1)), []
    rows[0] = size
    solver, b = RowRemoval(Diagonal(values), rows, record), np.ones((4, 2))
    expected = b / (np.arange(4.0)[:, None] + 1e-4)
    np.testing.assert_allclose(solver.at(1e-4)(b), expected, rtol=1e-12)
    assert len(record) == 1
    assert record[0].startswith("removing 1 rows at shift 0.0001 has backward error ")
    assert record[0].endswith("; used eigh")


@given(seed=st.integers(0, 2**32 - 1), power=st.integers(0, 10), shift=st.sampled_from([1e-4, 1.0, 1e4]))
def test_without__loses_no_more_digits_than_were_lost_when_the_rows_were_added(seed, power, shift):
    """Units in the last place of the sum, next to the shift that holds the direction."""
    rng = np.random.default_rng(seed)
    own, missing = rng.normal(size=(50, 6)), rng.normal(size=(6, 2))
    own[:, 0], missing[0] = 0, 10.0**power
    matrix = own.T @ own + missing @ missing.T
    b = own.T @ rng.normal(size=(50, 3))
    found = RowRemoval(Rotated(*eigh_clipped(matrix, [])), missing, []).at(shift)(b)
    error = relative(found, np.linalg.solve(own.T @ own + shift * np.eye(6), b))
    assert error < 1e-9 + 100 * 2.0**-52 * np.linalg.norm(matrix) / shift


def test_factored__a_matrix_that_is_not_positive_definite_falls_back_to_clipped_eigenvalues():
    rng = np.random.default_rng(4)
    vectors, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    values, record = np.array([-0.1, 0.0, 1.0, 2.0, 3.0]), []
    b = rng.normal(size=(5, 2))
    solver = Factored((vectors * values) @ vectors.T, record)
    for shift, n_recorded in ((1e-3, 1), (1e-2, 2), (1.0, 2)):
        found = solver.at(shift)(b)
        kept = values if shift > 0.1 else np.maximum(values, 0)
        np.testing.assert_allclose(found, (vectors / (kept + shift)) @ vectors.T @ b, rtol=1e-9)
        assert len(record) == n_recorded
    assert record[0] == "cholesky at shift 0.001 has backward error inf; used eigh"


def test_factored__an_inaccurate_factorisation_is_noticed_and_repaired(monkeypatch):
    """A GPU library may return garbage where it should raise."""
    rows, matrix = products(np.random.default_rng(5), 30, 6)
    b, record = np.ones((6, 1)), []
    monkeypatch.setattr("distributed_trf.arrays.cholesky_solver", lambda m: lambda b: b * np.nan)
    found = Factored(matrix, record).at(0.1)(b)
    np.testing.assert_allclose(found, np.linalg.solve(matrix + 0.1 * np.eye(6), b), rtol=1e-9)
    assert record == ["cholesky at shift 0.1 has backward error inf; used eigh"]


def test_eigh__sets_eigenvalues_below_zero_to_zero():
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(3, 8))
    values, vectors, largest = eigh_clipped(rows.T @ rows, [])
    assert np.linalg.eigvalsh(rows.T @ rows)[0] < 0  # or nothing is clipped here
    assert (values.min(), largest) == (0, values.max())
    np.testing.assert_allclose((vectors * values) @ vectors.T, rows.T @ rows, atol=1e-13)


def test_eigh__of_a_matrix_of_zeros():
    record = []
    values, *_ = eigh_clipped(np.zeros((4, 4)), record)
    np.testing.assert_array_equal(values, 0)
    assert record == []


GARBAGE = {
    "random": lambda m: (np.ones(len(m)), np.random.default_rng(0).normal(size=m.shape)),
    "not a number": lambda m: (np.full(len(m), np.nan), np.full(m.shape, np.nan)),
    "wrong eigenvalues": lambda m: (np.linalg.svd(m)[1], np.linalg.svd(m)[0]),
    "not orthonormal": lambda m: (np.ones(len(m)), np.linalg.cholesky(m)),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_eigh__a_decomposition_that_lies_is_noticed_recorded_and_done_again(monkeypatch, kind):
    _, matrix = products(np.random.default_rng(7), 30, 6)
    true_eigh, calls = np.linalg.eigh, []

    def eigh(m):
        calls.append(m)
        if len(calls) > 1:
            return true_eigh(m)
        values, vectors = GARBAGE[kind](m)
        return (values[::-1], vectors) if kind == "wrong eigenvalues" else (values, vectors)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    record = []
    values, vectors, _ = eigh_clipped(matrix, record)
    assert len(calls) == 2
    assert len(record) == 1
    assert record[0].startswith("eigh on the device of a 6 x 6 matrix: error ")
    np.testing.assert_allclose((vectors * values) @ vectors.T, matrix, rtol=1e-9, atol=1e-12)


def test_eigh__one_that_raises_on_the_device_is_done_again_on_the_host(monkeypatch):
    _, matrix = products(np.random.default_rng(8), 30, 6)
    true_eigh, calls = np.linalg.eigh, []

    def eigh(m):
        calls.append(m)
        if len(calls) == 1:
            raise np.linalg.LinAlgError("did not converge")
        return true_eigh(m)

    monkeypatch.setattr(np.linalg, "eigh", eigh)
    record = []
    values, *_ = eigh_clipped(matrix, record)
    assert record == ["eigh on the device of a 6 x 6 matrix: error inf"]
    np.testing.assert_allclose(values, true_eigh(matrix)[0])


def test_eigh__that_fails_twice_says_what_to_do():
    matrix = np.eye(3)
    matrix[0, 0] = np.nan
    record = []
    with pytest.raises(DataError, match=r"3 x 3 matrix .* could not be decomposed .*scale them down"):
        eigh_clipped(matrix, record)
    assert [line.split(" of ")[0] for line in record] == ["eigh on the device", "eigh on the host"]


@pytest.mark.parametrize("shift", [1e-3, 1.0, 1e12])
def test_float32__keeps_its_precision_and_is_right_to_three_digits(shift):
    rng = np.random.default_rng(9)
    rows, matrix = products(rng, 60, 6)
    missing, b = rng.normal(size=(6, 2)), rng.normal(size=(6, 3))
    narrow, less, right = ((a).astype(np.float32) for a in (matrix + missing @ missing.T, missing, b))
    record = []
    expected = np.linalg.solve(matrix + shift * np.eye(6), b)
    for base in (Factored(narrow, record), Rotated(*eigh_clipped(narrow, record))):
        found = RowRemoval(base, less, record).at(shift)(right)
        assert found.dtype == np.float32
        assert relative(found, expected) < 1e-3
    assert record == []


def test_backend__solvers_never_leave_their_device():
    rng = np.random.default_rng(10)
    rows, matrix = products(rng, 40, 6)
    missing, b = rng.normal(size=(6, 2)), rng.normal(size=(6, 3))
    device = strict.Device("device1")
    there_matrix, there_missing, there_b = (
        strict.asarray(a, device=device) for a in (matrix + missing @ missing.T, missing, b)
    )
    expected, record = np.linalg.solve(matrix + np.eye(6), b), []
    for base in (Factored(there_matrix, record), Rotated(*eigh_clipped(there_matrix, record))):
        for solver in (RowRemoval(base, there_missing, record), RowRemoval(base, there_missing, record)._eigen):
            found = solver.at(1.0)(there_b)
            assert found.device == device
            home = np.asarray(found.to_device(strict.Device("CPU_DEVICE")))
            np.testing.assert_allclose(home, expected, rtol=1e-9)
    assert record == []


@pytest.mark.parametrize("shift", [1e-15, 1e-60, 1e-300])
def test_diagonal__a_shift_lost_beside_rounding_magnifies_nothing_where_the_matrix_is_zero(shift):
    """In exact arithmetic the right-hand side has nothing there; by rounding it has 1e-16 of what it has elsewhere."""
    values = np.array([0.0, 1.0, 100.0])
    z = Diagonal(values).at(shift)(np.array([[1e-16], [1.0], [1.0]]))
    np.testing.assert_allclose(z[1:], [[1.0], [0.01]], rtol=1e-12)
    assert abs(z[0, 0]) < 0.01
    np.testing.assert_allclose(Diagonal(values).at(1e-10)(np.ones((3, 1)))[0], 1e10, rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_diagonal__a_shift_out_of_the_range_of_single_precision_leaves_next_to_nothing():
    z = Diagonal(np.array([0.0, 1.0, 100.0], np.float32)).at(1e45)(np.ones((3, 1), np.float32))
    assert (z >= 0).all()
    assert z.max() < 1e-37


def test_solve_each__solves_every_unit_at_its_own_penalty_and_leaves_it_in_its_place():
    _, matrix = products(np.random.default_rng(11), 30, 4)
    b, best, penalties = np.random.default_rng(12).normal(size=(4, 6)), np.array([2, 0, 1, 2, 1, 2]), [0.1, 1.0, 10.0]
    expected = [np.linalg.solve(matrix + 30 * penalties[a] * np.eye(4), b[:, u]) for u, a in enumerate(best)]
    found = solve_each(Factored(matrix, []), b, 30, best, penalties)
    np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=1e-9)
