"""Everything of a study in one tree."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from distributed_trf import Study, open_bootstraps, open_lowpass, open_results, open_together, open_tree, select_units
from distributed_trf.errors import StoreError
from tests.round_trip import assert_written_and_read
from tests.small_results import write_small_study

MEL = "mel_librosa"
ASKED = {"network": MEL, "layer": 0, "weights": "fixed"}


def test_tree__holds_the_fits_and_every_analysis(write_study, tmp_path):
    write_study(
        networks=[{"name": MEL}],
        lowpass=[{**ASKED, "lowpass_bins": [50, 200]}],
        together=[{"network": MEL, "candidates": 2}],
        bootstraps=[{**ASKED, "training_percent": [50], "test_percent": [50], "n_repeats": [2], "draws": 2}],
        reliability={
            "draws": 50,
            "shifts": 9,
            "splits": 2,
            "bootstrap": {"percent_duration": [50], "n_repeats": [2], "draws": 2, "pairings": 10},
        },
    )
    assert Study.load("study.yaml").run(recipe=None).ok
    tree = open_tree("study")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        tree.to_zarr(tmp_path / "tree.zarr", zarr_format=3)
    xr.testing.assert_equal(xr.open_datatree(tmp_path / "tree.zarr", engine="zarr").load(), tree.load())
    expected = {
        "fits": open_results("study"),
        "lowpass": open_lowpass("study"),
        "together": open_together("study"),
        "bootstraps/training": open_bootstraps("study", of="training"),
        "bootstraps/test": open_bootstraps("study", of="test"),
        "bootstraps/normaliser": open_bootstraps("study", of="normaliser"),
    }
    assert {node.path.strip("/") for node in tree.leaves} == set(expected)
    for name, ds in expected.items():
        xr.testing.assert_identical(tree[name].to_dataset().load(), ds.load())
        assert_written_and_read(ds, tmp_path / "written" / name)
        assert_written_and_read(select_units(ds, session=str(ds.session.values[0])), tmp_path / "of_one" / name)
    fits, lowpass = expected["fits"].squeeze(), expected["lowpass"].squeeze()
    np.testing.assert_allclose(lowpass.rho.sel(lowpass_bin=50), fits.rho)
    kept = select_units(expected["lowpass"], delta=0.0)
    assert kept.session.values.tolist() == select_units(expected["fits"], delta=0.0).session.values.tolist()
    assert set(expected["bootstraps/training"].rho.dims) == set(expected["bootstraps/training"].r.dims)


def test_tree__of_a_study_without_analyses_has_the_fits_only(tmp_path):
    tree = open_tree(write_small_study(tmp_path / "study"))
    assert list(tree.children) == ["fits"]
    with pytest.raises(StoreError, match="no study folder"):
        open_tree(tmp_path / "nothing")
