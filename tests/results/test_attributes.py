"""Attributes and labels that every file format holds."""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf.results.open_results import portable, study_of, unpacked
from tests.round_trip import assert_written_and_read

ATTRS = {
    "study": {"name": "µ", "reliability": None, "standardize": True, "lags": {"tmax": 0.2}},
    "seed": 2**40,
    "level": 0.05,
    "draws": 3,
    "bands": None,
    "one_sided": False,
    "sessions": ["a", "b"],
    "place": np.int64(4),
    "text": "{not json",
}


def test_portable__can_be_written_and_read_and_unpacked(tmp_path):
    labels = np.array(["a", "bé", ""], dtype=np.dtypes.StringDType())
    ds = xr.Dataset({"r": ("unit", np.array([1.0, np.nan, 2.0]), {"ok": True})}, {"session": ("unit", labels)}, ATTRS)
    ds["r"].encoding = {"chunks": (2,), "compressors": None}
    found = portable(ds)
    assert found.session.dtype == "<U2"
    assert found.session.values.astype(str).tolist() == ["a", "bé", ""]
    assert_written_and_read(found, tmp_path)
    assert study_of(found) == ATTRS["study"]
    back = unpacked(found.attrs)
    assert {name: back[name] for name in ("study", "level", "draws", "sessions", "place", "text")} == {
        name: ATTRS[name] for name in ("study", "level", "draws", "sessions", "place", "text")
    }
    assert (back["seed"], back["bands"], back["one_sided"]) == (str(2**40), "null", "false")
    assert found.r.attrs == {"ok": "true"}
    assert ds.attrs["bands"] is None  # the one that was given is as it was


def test_study_of__is_none_where_nothing_is_said():
    assert study_of(xr.Dataset()) is None
    assert study_of(xr.Dataset(attrs={"study": "small"})) is None
    assert study_of(xr.Dataset(attrs={"study": "[1]"})) is None
