"""Receipts and fingerprints: what was done, with what, and what of it has changed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from distributed_trf.store.fingerprint import (
    DIGITS,
    digest,
    digest_array,
    digest_file,
    file_stamps,
    fingerprint,
    library_versions,
)
from distributed_trf.store.receipts import (
    Failure,
    Receipt,
    read_failure,
    read_receipt,
    revoke_receipt,
    write_failure,
    write_receipt,
)
from distributed_trf.store.study_store import StudyStore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(content, random):
    """The same content, with the keys of every mapping in another order."""
    if isinstance(content, dict):
        keys = list(content)
        random.shuffle(keys)
        return {key: shuffled(content[key], random) for key in keys}
    return [shuffled(x, random) for x in content] if isinstance(content, list) else content


@pytest.fixture
def store(tmp_path):
    return StudyStore.create(tmp_path / "study")


@given(content=st.dictionaries(st.text(), JSON, max_size=5), random=st.randoms())
def test_digest__does_not_depend_on_the_order_of_keys(content, random):
    assert digest(shuffled(content, random)) == digest(content)


@given(a=JSON, b=JSON)
def test_digest__differs_with_any_content(a, b):
    assume(json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True))
    assert digest(a) != digest(b)
    assert digest({"x": [a]}) != digest({"x": [b]})


def test_digest__is_the_same_on_every_machine_and_day():
    text = rb'{"a":"\u00e9","b":[1,2.5,null]}'
    assert digest({"b": [1, 2.5, None], "a": "é"}) == sha256(text).hexdigest()[:16] == "84afbf1d4853005f"
    array = b"<i2(2, 3)" + bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0])
    assert digest_array(np.arange(6, dtype="<i2").reshape(2, 3)) == sha256(array).hexdigest()[:16]


@pytest.mark.parametrize("content", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}])
def test_digest__refuses_what_has_no_one_text(content):
    with pytest.raises((ValueError, TypeError)):
        digest(content)


def test_fingerprint__of_parts_changes_where_a_part_does():
    a, b = (fingerprint({"lags": {"tmax": t}, "ridge": {"seed": 1}}) for t in (0.2, 0.3))
    assert a["lags"] != b["lags"]
    assert a["ridge"] == b["ridge"]
    assert all(len(value) == DIGITS for value in a.values())


def test_digest_array__depends_on_dtype_shape_and_content_and_nothing_else():
    base = np.arange(12.0).reshape(3, 4)
    nudged = base.copy()
    nudged[2, 3] = np.nextafter(11.0, 12.0)
    others = [base.reshape(4, 3), base.ravel(), base.astype(">f8"), base.astype(np.float32), nudged, base[:2], -base]
    found = [digest_array(x) for x in (base, *others)]
    assert len(set(found)) == len(found)
    strided = np.zeros((6, 4))[::2]
    strided[:] = base
    assert digest_array(np.asfortranarray(base)) == digest_array(strided) == found[0]


def test_digest_array__takes_empty_arrays():
    assert digest_array(np.zeros((0, 3))) != digest_array(np.zeros((0, 4)))


def test_digest_file__follows_the_content_and_not_the_name(tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"onf")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (digest_file(tmp_path / name) for name in "abc")
    assert a == b != c


def test_file_stamps__notice_size_time_and_name_and_take_files_in_any_order(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("x")
    b.write_text("y")
    os.utime(a, ns=(0, 10**18))
    before = file_stamps([a, b])
    assert file_stamps([b, a]) == before == json.loads(json.dumps(before))
    os.utime(a, ns=(0, 10**18 + 1))
    assert file_stamps([a, b]) != before
    os.utime(a, ns=(0, 10**18))
    assert file_stamps([a, b]) == before
    a.write_text("xx")
    os.utime(a, ns=(0, 10**18))
    assert file_stamps([a, b]) != before


def test_library_versions__leave_out_bug_fix_releases():
    assert library_versions("numpy") == {"numpy": ".".join(np.__version__.split(".")[:2])}


def test_receipt__reads_back_as_written(store):
    receipt = Receipt({"lags": "ab", "ridge": "cd"}, {"seconds": 1.5, "found": [1, "x", None]})
    assert read_receipt(store, "fit", "item") is None
    write_receipt(store, "fit", "item", receipt)
    assert read_receipt(store, "fit", "item") == receipt
    assert read_receipt(store, "read", "item") is None
    revoke_receipt(store, "fit", "item")
    revoke_receipt(store, "fit", "item")
    assert read_receipt(store, "fit", "item") is None


def test_receipt__forgets_an_earlier_failure(store):
    write_failure(store, "fit", "item", Failure({"a": "1"}, "no"))
    assert read_receipt(store, "fit", "item") is None
    assert read_failure(store, "fit", "item") == Failure({"a": "1"}, "no")
    write_receipt(store, "fit", "item", Receipt({"a": "1"}, {}))
    assert read_failure(store, "fit", "item") is None


def test_torn_receipt__is_no_receipt(store):
    write_receipt(store, "fit", "item", Receipt({"lags": "ab"}, {"seconds": 1.5}))
    path = store.receipts / "fit/item.json"
    whole = path.read_bytes()
    for end in range(len(whole) - 1):
        path.write_bytes(whole[:end])
        assert read_receipt(store, "fit", "item") is None
    path.write_bytes(whole)
    assert read_receipt(store, "fit", "item") is not None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"3", b'"text"', b'{"fingerprint": {}}', b"\xff\xfe", b"\0" * 40]
)
def test_file_that_is_no_receipt__is_none(store, content):
    path = store.receipts / "fit/item.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert read_receipt(store, "fit", "item") is None


def test_changed__names_what_differs_in_either_direction():
    receipt = Receipt({"same": "1", "other": "1", "gone": "1"}, {})
    assert receipt.changed({"same": "1", "other": "2", "new": "1"}) == ["gone", "new", "other"]
    assert receipt.changed(dict(receipt.fingerprint)) == []


def test_receipt_digest__follows_the_fingerprint_only():
    receipt = Receipt({"a": "1", "b": "2"}, {"seconds": 1})
    assert receipt.digest == Receipt({"b": "2", "a": "1"}, {"seconds": 9}).digest
    assert receipt.digest != Receipt({"a": "1", "b": "3"}, {"seconds": 1}).digest


def test_parts__are_added_to_those_that_are_there_where_the_rest_is_the_same():
    made = Receipt({"dtype": "a", "layer: 0": "b", "layer: 2": "c"}, {"digests": {"0": "x", "2": "y"}, "seconds": 1})
    asked = {"dtype": "a", "layer: 2": "c"}
    assert made.covers(asked)
    assert made.lacks(asked) == []
    assert made.lacks(asked | {"layer: 7": "d"}) == ["layer: 7"]
    for other in ({"dtype": "z"}, {"layer: 2": "z"}, {"batch": "new"}):
        assert not made.covers(asked | other)
        assert made.lacks(asked | other | {"layer: 7": "d"}) == []  # all of it is to be made anew
    assert not made.covers({"layer: 2": "c"})  # the dtype counts no more, so nothing tells
    group = "features/timit/net/trained.zarr"
    whole = replace(made, details={**made.details, "files": {group: {"0/c/0": "p", "zarr.json": "q"}}}).with_parts(
        Receipt(asked | {"layer: 7": "d"}, {"digests": {"7": "z"}, "seconds": 2, "files": {group: {"7/c/0": "r"}}})
    )
    assert whole.covers(asked | {"layer: 0": "b", "layer: 7": "d"})
    assert whole.details["digests"] == {"0": "x", "2": "y", "7": "z"}
    assert whole.details["seconds"] == 2
    assert whole.files == {group: {"0/c/0": "p", "zarr.json": "q", "7/c/0": "r"}}
    first = whole.only(["0"])
    assert first.fingerprint == {"dtype": "a", "layer: 0": "b"}
    assert first.details == {"digests": {"0": "x"}, "seconds": 2, "files": first.files}
    assert "7/c/0" not in first.files[group]
    assert first.files[group]["0/c/0"] == "p"
    assert Receipt({"lags": "a"}, {}).only([]) == Receipt({"lags": "a"}, {})
