"""Penalties and their logarithms."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.results.published.file_name import exponent_of, penalty_of


def test_penalties__powers_of_ten_are_exact_both_ways():
    whole = np.arange(-300.0, 301.0)
    powers = penalty_of(whole)
    assert powers.tolist() == [float(f"1e{k}") for k in range(-300, 301)]
    np.testing.assert_array_equal(exponent_of(powers), whole)
    np.testing.assert_array_equal(exponent_of(np.nextafter(powers, np.inf)), whole)  # a grid made by another function
    assert np.isnan(penalty_of(np.array([np.nan, 1.0]))).tolist() == [True, False]
    assert np.isnan(exponent_of(np.array([np.nan, 1.0]))).tolist() == [True, False]


@given(st.floats(1e-12, 1e18))
def test_penalties__others_are_near(alpha):
    np.testing.assert_allclose(penalty_of(exponent_of(np.array([alpha]))), alpha, rtol=1e-14)
    assert (exponent_of(np.array([alpha * (1 + 1e-12)])) == exponent_of(np.array([alpha]))).sum() == 0
