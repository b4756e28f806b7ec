"""Weights with labels, and their picture."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import TRF, to_dataset
from distributed_trf.errors import DataError
from distributed_trf.figures import figure_kernels

RNG = np.random.default_rng(3)
X = [RNG.normal(size=(80, 4)) for _ in range(6)]
Y = [np.stack([np.roll(x[:, 1], 2), -x[:, 3]], axis=1) + 0.1 * RNG.normal(size=(80, 2)) for x in X]
BANDS = [1000, 250, 4000, 500]  # Hz


@pytest.fixture(scope="module")
def trf():
    return TRF(tmin=-0.05, tmax=0.1, sfreq=20.0, alphas=[0.1, 1.0, 10.0]).fit(X, Y)


def test_to_dataset__labels_every_number(trf):
    ds = to_dataset(trf, features=BANDS, units=["Ch1", "Ch2"])
    assert dict(ds.sizes) == {"unit": 2, "feature": 4, "lag": 4, "alpha": 3}
    np.testing.assert_array_equal(ds.coef.values, trf.coef_)
    assert ds.coef.sel(unit="Ch1", feature=250).idxmax("lag").item() == pytest.approx(0.1)
    assert ds.coef.sel(unit="Ch2", feature=500).idxmin("lag").item() == 0
    np.testing.assert_array_equal(ds.cv_score.sel(alpha=1.0), trf.cv_scores_[1])
    np.testing.assert_array_equal(ds.penalty, trf.alpha_)
    assert to_dataset(trf).feature.values.tolist() == [0, 1, 2, 3]


def test_to_dataset__refuses_labels_that_do_not_fit(trf):
    with pytest.raises(DataError, match="features: 3 labels are given for 4 features"):
        to_dataset(trf, features=BANDS[:3])
    with pytest.raises(DataError, match="units: 3 labels are given for 2 units"):
        to_dataset(trf, units=list("abc"))
    with pytest.raises(DataError, match="not fitted yet"):
        to_dataset(TRF())


def test_figure_kernels__has_a_panel_for_each_unit_with_zero_in_the_middle(trf):
    ds = to_dataset(trf, features=BANDS, units=["Ch1", "Ch2"])
    figure = figure_kernels(ds)
    drawn = [panel.collections[0] for panel in figure.axes]
    assert [panel.get_title() for panel in figure.axes] == ["Ch1", "Ch2"]
    for mesh, unit in zip(drawn, ds.unit.values, strict=True):
        expected = ds.coef.sel(unit=unit).sortby("feature").values
        np.testing.assert_array_equal(mesh.get_array().reshape(expected.shape), expected)
        assert -mesh.norm.vmin == mesh.norm.vmax == np.abs(expected).max()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["250", "500", "1000", "4000"]
    assert figure_kernels(ds.sel(unit="Ch1")).axes[0].get_title() == "Ch1"
    with pytest.raises(DataError, match="there are 25 units, and a page takes 1 to 24"):
        figure_kernels(ds.isel(unit=[0] * 25))
    with pytest.raises(DataError, match="expected 'coef' over"):
        figure_kernels(ds[["penalty"]])
