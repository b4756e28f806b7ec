"""A disk that is full, as a limit on the size of files makes it: an error in words, and nothing that looks whole."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from distributed_trf import Study, open_results
from distributed_trf.errors import StoreError
from distributed_trf.store.atomic import room_for, write_json
from distributed_trf.store.feature_arrays import create_features, write_batch
from distributed_trf.store.features import FeatureLayout, NetworkFeatures, StoredLayer
from distributed_trf.store.zarr_store import write_group

LAYOUT = FeatureLayout(
    stimuli=("a", "b"),
    durations=(0.1, 0.1),
    batches=(1, 1),
    layers=(
        StoredLayer(0, "small", "conv", 100.0, 1, (10, 10), (10, 10)),
        StoredLayer(1, "large", "conv", 100.0, 900, (10, 10), (10, 10)),
    ),
    lead_in=0.0,
)


@contextmanager
def no_file_larger_than(n_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def batch(seed):
    rng = np.random.default_rng(seed)
    return {x.id: [rng.normal(size=(10, x.width)).astype(np.float32)] for x in LAYOUT.layers}


def test_chunk__that_does_not_fit_is_named_with_what_it_needs_and_leaves_no_trace(tmp_path):
    path = tmp_path / "reset.zarr"
    create_features(path, LAYOUT)
    write_batch(path, 0, batch(0))
    before = {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}
    message = r"reset\.zarr/1: no room to write the 36000 bytes of it .*File too large, \d+ bytes free; make room"
    with no_file_larger_than(20_000), pytest.raises(StoreError, match=message):
        write_batch(path, 1, batch(1))
    after = {f: f.read_bytes() for f in path.rglob("*") if f.is_file()}
    small = path / "0/c/1/0"
    assert {f: after[f] for f in after if f != small} == before  # no part of the large chunk, nothing temporary
    with pytest.raises(StoreError, match="stimulus 'b' of layer 1 is not stored"):
        NetworkFeatures(path).frames(1, "b")
    write_batch(path, 1, batch(1))
    np.testing.assert_array_equal(NetworkFeatures(path).frames(1, "b"), batch(1)[1][0])


def test_chunk__that_does_not_fit_leaves_the_one_before_in_its_place(tmp_path):
    path = tmp_path / "reset.zarr"
    create_features(path, LAYOUT)
    write_batch(path, 0, batch(0))
    with no_file_larger_than(20_000), pytest.raises(StoreError, match="no room"):
        write_batch(path, 0, batch(1))
    np.testing.assert_array_equal(NetworkFeatures(path).frames(1, "a"), batch(0)[1][0])


def test_json_and_groups__that_do_not_fit_leave_what_was_there(tmp_path):
    write_json(tmp_path / "a.json", {"kept": 1})
    write_group(tmp_path / "a.zarr", {"x": np.ones(3)}, {})
    before = {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()}
    noise = np.random.default_rng(0).normal(size=5000)
    with no_file_larger_than(1000):
        with pytest.raises(StoreError, match=r"a\.json: no room to write it: File too large"):
            write_json(tmp_path / "a.json", {"long": "x" * 5000})
        with pytest.raises(StoreError, match=r"a\.zarr: no room to write it: File too large"):
            write_group(tmp_path / "a.zarr", {"x": noise}, {})
    assert {f: f.read_bytes() for f in tmp_path.rglob("*") if f.is_file()} == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk__has_several_names(tmp_path, code):
    with (
        pytest.raises(StoreError, match=f"no room to write the 7 bytes of it .*{os.strerror(code)}"),
        room_for(tmp_path / "x", 7),
    ):
        raise OSError(code, os.strerror(code))


def test_other_errors__are_left_as_they_are(tmp_path):
    with pytest.raises(PermissionError), room_for(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "no")


def test_study__says_what_has_no_room_and_goes_on_where_there_is_some(write_study):
    """As when the features of a study that was read are the first thing that is too much for a quota."""
    write_study(networks=[{"name": "mel_whisper"}])
    study = Study.load("study.yaml")
    assert study.run(recipe=None).ok
    before = open_results("study").r.load()
    shutil.rmtree("study/features")
    with no_file_larger_than(100_000):
        report = study.run(recipe=None)
    assert list(report.failed) == [f"extract timit-mel_whisper-fixed-000{k}" for k in range(3)]
    for message in report.failed.values():
        assert re.match(r".*mel_whisper/fixed\.zarr/0: no room to write the \d{6} bytes of it", message)
    assert {p.state for p in study.status() if p.item.stage == "extract"} == {"failed"}
    assert study.run(recipe=None).ok
    np.testing.assert_array_equal(open_results("study").r, before)
