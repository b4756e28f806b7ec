"""Noise-corrected correlations and their intervals hold what they promise on units whose true values are known."""

from __future__ import annotations

import numpy as np

UNITS = 400


def rows(text, cells):
    """Numbers of the rows that have so many cells, without heads; words stay."""
    found = []
    for line in text.splitlines():
        row = [cell.strip().removesuffix(" %") for cell in line.split("|")[1:-1]]
        if len(row) == cells and row[0] not in ("repeats", "noise", "---"):
            found.append(row)
    return found


def test_calibrate_ceilings__medians_are_right_and_intervals_cover_95_per_cent(tables):
    """Coverage within 4 standard errors of 0.95 and 0.02, since the covariance of noise is estimated too."""
    text = tables("calibrate_ceilings", "--quick")
    found = np.array(rows(text, 10), dtype=float)
    assert len(found) == 12
    repeats, power, _, bias, _, _, _, coverage, width, without = found.T
    assert (abs(coverage - 0.95) < 4 * np.sqrt(0.95 * 0.05 / UNITS) + 0.02).all()
    assert abs(coverage.mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / (12 * UNITS)) + 0.01
    clear = (power == 0.3) | (repeats == 11)
    assert clear.sum() == 9
    assert (abs(bias[clear]) < 0.04).all()
    assert abs(np.median(bias[clear])) < 0.01
    assert (without[clear] < 1).all()
    assert (width[power == 0.3] < 0.4).all()
    assert (width[(power == 0.05) & (repeats == 3)] > 0.7).all()

    compared = {(kind, interval): float(coverage) for kind, _, _, interval, coverage, *_ in rows(text, 7)}
    assert len(compared) == 12
    for kind in ("ar", "counts"):  # intervals that take noise as white are too narrow
        assert compared[kind, "as shipped"] > compared[kind, "the same, noise taken as white"] + 0.04
