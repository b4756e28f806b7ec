"""The pickle reader against files made by hand: wrong ones are refused, and nothing in any of them is executed."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from distributed_trf.errors import FeatureError
from distributed_trf.features.weights import stored, unpickle
from distributed_trf.features.weights.checkpoint import load_state
from distributed_trf.features.weights.pickled import DTYPES, _Tensors, read_pickled
from distributed_trf.features.weights.unpickle import INERT
from tests.features.checkpoints import FORMATS, LEGACY, STATE, ZIP, network, read_state, refused, same, save_lightning

NO_GRADIENT = False


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"weights: none\n",
        b"<!DOCTYPE html><html>404</html>",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\x80",
        bytes(99),
    ],
)
def test_read_state__file_of_another_kind_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"net.{suffix}"
    path.write_bytes(content)
    refused(path, "cannot be read as a checkpoint: ", "fetch it again")


def test_read_state__what_a_file_of_another_kind_begins_with_is_shown(tmp_path):
    (tmp_path / "net.pt").write_text("<!DOCTYPE html><html>not found</html>")
    refused(tmp_path / "net.pt", "no file of torch.save begins with b'<!DOCTYPE html><'")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_read_state__file_that_is_cut_short_is_refused(tmp_path, part, kind):
    path = tmp_path / f"net.{kind}"
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, **FORMATS[kind])
    whole = path.read_bytes()
    path.write_bytes(whole[: min(int(part * len(whole)), len(whole) - 1)])
    refused(path, "cannot be read as a checkpoint")


def test_read_state__changed_number_in_a_zip_is_noticed(tmp_path):
    path = tmp_path / "net.pt"
    torch.save({"a": torch.full((1000,), 1.5)}, path)
    content = path.read_bytes()
    at = content.index(np.full(10, 1.5, dtype="<f4").tobytes())
    path.write_bytes(content[: at + 6] + b"\x00" + content[at + 7 :])
    refused(path, "Bad CRC-32")


def test_read_state__plain_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    refused(tmp_path / "net.pt", "0 members of the archive are called data.pkl")


@pytest.mark.parametrize("options", [ZIP, LEGACY])
@pytest.mark.parametrize(
    ("content", "named"),
    [
        (torch.zeros(3), "holds one Tensor, expected tensors by name"),
        ([torch.zeros(3)], "holds one list, expected tensors by name"),
        (nn.Linear(2, 2), "holds one pickled object, expected tensors by name"),
        ({}, "holds no tensors by name; its keys are none"),
        ({"epoch": 3, "state_dict": 5}, "holds no tensors by name; its keys are epoch, state_dict"),
        ({"state_dict": {"a": 1}}, "holds no tensors by name; its keys are a"),
    ],
)
def test_read_state__content_without_tensors_by_name_is_described(tmp_path, content, named, options):
    torch.save(content, tmp_path / "net.pt", **options)
    refused(tmp_path / "net.pt", named)


def test_read_state__other_byte_order_is_refused(tmp_path):
    write_zip(tmp_path / "zip.pt", {"a": 1}, {}, byteorder="big")
    refused(tmp_path / "zip.pt", "its numbers are big-endian, and this machine is little-endian")
    torch.save(STATE, tmp_path / "legacy.pt", **LEGACY)
    content = (tmp_path / "legacy.pt").read_bytes()
    yes, no = b"little_endianq\x02\x88", b"little_endianq\x02\x89"
    assert yes in content
    (tmp_path / "legacy.pt").write_bytes(content.replace(yes, no))
    refused(tmp_path / "legacy.pt", "its numbers are big-endian")


class Made:
    """Pickled as a call."""

    def __init__(self, call, *arguments, state=None):
        self.reduced = (call, arguments) if state is None else (call, arguments, state)

    def __reduce__(self):
        return self.reduced


class Storage:
    """Pickled as torch refers to a storage."""

    def __init__(self, kind, key, n, what="storage", view=()):
        self.reference = (what, getattr(torch, kind), key, "cpu", n, *view)


class Pickler(pickle.Pickler):
    """Pickles references to storages."""

    def persistent_id(self, item):
        return item.reference if isinstance(item, Storage) else None


def pickled(content):
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(content)
    return stream.getvalue()


def write_zip(path, content, storages, byteorder="little"):
    """A file as torch.save writes it, of a pickle given as bytes or as what to pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", content if isinstance(content, bytes) else pickled(content))
        archive.writestr("net/byteorder", byteorder)
        archive.writestr("net/version", "3")
        for key, numbers in storages.items():
            archive.writestr(f"net/data/{key}", numbers)
    return path


def write_legacy(path, content, keys=(), numbers=b""):
    magic, system = 0x1950A86A20F9469CFC6C, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [*map(pickled, (magic, 1001, system)), content if isinstance(content, bytes) else pickled(content)]
    path.write_bytes(b"".join([*parts, pickled([*keys]), numbers]))
    return path


def tensor(storage, offset=0, size=(2,), stride=(1,)):
    return Made(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, NO_GRADIENT, OrderedDict())


SIX = torch.arange(6.0).numpy().tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"offset": 5},
        {"offset": -1},
        {"size": (7,)},
        {"stride": (6,)},
        {"stride": (-1,)},
        {"size": (2**62,)},
        {"size": ("2",)},
        {"size": 3},
    ],
)
def test_tensor__beyond_its_storage_is_refused(tmp_path, change):
    content = {"a": tensor(Storage("FloatStorage", "0", 6), **change)}
    refused(write_zip(tmp_path / "net.pt", content, {"0": SIX}), "cannot be read as a checkpoint: a tensor ")


@pytest.mark.parametrize("n", [5, 7, 0, -6, 10**15])
def test_storage__of_another_size_than_its_tensor_says_is_refused(tmp_path, n):
    content = {"a": tensor(Storage("FloatStorage", "0", n), size=(0,))}
    reason = "is not described by" if n < 0 else "more than the file holds" if n > 100 else None
    refused(write_zip(tmp_path / "zip.pt", content, {"0": SIX}), reason or "net/data/0 has 24 bytes, not")
    write_legacy(tmp_path / "legacy.pt", content, ["0"], (6).to_bytes(8, "little") + SIX)
    refused(tmp_path / "legacy.pt", reason or f"storage '0' has 6 elements, not {n}")
    write_zip(tmp_path / "twice.pt", {"b": tensor(Storage("FloatStorage", "0", 6)), **content}, {"0": SIX})
    refused(tmp_path / "twice.pt", "storage '0' is described with two sizes" if n >= 0 else "is not described by")


def test_storage__hand_made_is_read(tmp_path):
    """The writers above write what torch reads, so that what is refused is refused for its content."""
    zipped, legacy = (
        {"a": tensor(Storage("FloatStorage", "0", 6, view=view), 1, (2, 2), (1, 3))} for view in ((), (None,))
    )
    write_zip(tmp_path / "zip.pt", zipped, {"0": SIX})
    write_legacy(tmp_path / "legacy.pt", legacy, ["0"], (6).to_bytes(8, "little") + SIX)
    for path in (tmp_path / "zip.pt", tmp_path / "legacy.pt"):
        same(read_state(path), {"a": torch.tensor([[1.0, 4], [2, 5]])})
        same(torch.load(path, weights_only=True), {"a": torch.tensor([[1.0, 4], [2, 5]])})


def test_storage__that_is_missing_is_refused(tmp_path):
    content = {"a": tensor(Storage("FloatStorage", "0", 6))}
    refused(write_zip(tmp_path / "zip.pt", content, {"1": SIX}), "cannot be read", "net/data/0")
    refused(write_legacy(tmp_path / "legacy.pt", content), "the storages that follow are not the 1 of")


@pytest.mark.parametrize("reference", [{"what": "file"}, {"view": (("1", 0, 2),)}])
def test_storage__reference_of_an_unknown_kind_is_refused(tmp_path, reference):
    content = {"a": tensor(Storage("FloatStorage", "0", 6, **reference))}
    refused(write_zip(tmp_path / "net.pt", content, {"0": SIX}), "unknown kind of reference")


HUGE, MOST = 2**40, 60_000
VAST = tensor(Storage("FloatStorage", "0", 6), size=(HUGE, 2), stride=(0, 0))
"""A view with more elements than memory; it takes none."""
NESTED, TWICE, MANY = b"K\x01" + b"\x85" * 50_000, b"K\x01" + b"2\x86" * 60, b"]" * (MOST + 1)
"""Tuples within tuples, very deep, and sixty deep with two of the next in each; and lists beyond count."""
IN_DICT = b"\x80\x04}X\x01\x00\x00\x00a"


def reference(of):
    return b"\x80\x02" + pickled(of)[2:-1] + b"Q."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x04}r\xff\xff\xff\xff.", "its keys are none"),
        (b"\x80\x02}p" + b"9" * 4000 + b"\n.", "a memo number beyond"),
        (b"\x80\x04}" + NESTED + b"K\x01s.", "its keys are none"),
        (b"\x80\x04}" + TWICE + b"K\x01s.", "its keys are none"),
        (b"\x80\x04\x8f(" + TWICE + b"\x90.", "holds one pickled object"),
        (IN_DICT + b"\x96" + HUGE.to_bytes(8, "little") + b"s.", "but only 2 remain"),
        (IN_DICT + b"\x8e" + HUGE.to_bytes(8, "little") + b"s.", "but only 2 remain"),
        (IN_DICT + MANY + b"s.", f"more than {MOST} operations"),
        (b"\x80\x02(I" + b"9" * 5_000 + b"\nl.", "ValueError"),
        (b"\x80\x02S" + b"x" * 100_000 + b"\n.", "ValueError: no string quotes around"),
        (b"\x80\x04(", "pickle exhausted before seeing STOP"),
        (b"\x80\x04K\x01K\x02a.", "appends to a int"),
        (b"\x80\x04)K\x01K\x02s.", "sets items of a tuple"),
        (b"\x80\x04ccollections\nOrderedDict\nK\x01R.", "calls a function with a int"),
        (b"\x80\x04K\x01)R.", "holds one pickled object"),
        (reference(VAST), "a Tensor that names no storage"),
        (reference((VAST, 1)), "a tuple that names no storage"),
        (reference(("storage", VAST, "0", "cpu", 6)), "is not described by"),
        (reference(("storage", torch.FloatStorage, VAST, "cpu", 6)), "is not described by"),
        (reference(("storage", torch.FloatStorage, "0", "cpu", VAST)), "is not described by"),
        (reference(("storage", torch.FloatStorage, "0", "cpu", 6, VAST)), "unknown kind of reference"),
        (Made(OrderedDict, VAST), "its keys are none"),
        (Made(OrderedDict, [[1, 2, 3]]), "ValueError"),
        (Made(torch._utils._rebuild_tensor_v2, VAST, 0, (2,), (1,)), "is not described by"),
        (Made(torch._utils._rebuild_tensor_v2, Storage("FloatStorage", "0", 6), 0, VAST, (1,)), "is not described by"),
        (Made(torch._tensor._rebuild_from_type_v2, OrderedDict, nn.Parameter, VAST, {}), "one pickled object"),
        ({"a": tensor(Storage("FloatStorage", "0", 6), size=(HUGE,))}, "reaches beyond its storage of 6"),
        ({"a": tensor(Storage("FloatStorage", "0", 6), size=(2**62 + 1,), stride=(4,))}, "reaches beyond"),
        ({"a": tensor(Storage("FloatStorage", "0", 6), size=(2, 2), stride=(2**62, 2**62))}, "reaches beyond"),
        ({"a": tensor(Storage("FloatStorage", "0", 6), size=(10**5000,))}, "is not described by"),
        ({"a": tensor(Storage("FloatStorage", "0", 6), 0, (1,) * 65, (1,) * 65)}, "is not described by"),
        ({"a": tensor(Storage("FloatStorage", "0", HUGE), size=(0,))}, "more than the file holds"),
        ({"a" * 10_000: 1, "\x1b[31m\n": 2, "\ud800": 3}, "its keys are aaa"),
    ],
)
def test_hostile_pickle__is_refused_at_once(tmp_path, monkeypatch, content, reason):
    monkeypatch.setattr(unpickle, "MOST", MOST)
    begun = time.process_time()
    write_zip(tmp_path / "net.pt", content, {"0": SIX})
    message = refused(tmp_path / "net.pt", reason)
    assert len(message) < 1000
    assert message.isprintable()
    assert time.process_time() - begun < 5
    refused(write_legacy(tmp_path / "old.pt", content, ["0"], (6).to_bytes(8, "little") + SIX))


def test_view__larger_than_memory_is_one(tmp_path):
    write_zip(tmp_path / "net.pt", {"a": VAST, "b": tensor(Storage("FloatStorage", "0", 6))}, {"0": SIX})
    assert read_state(tmp_path / "net.pt")["a"].shape == (HUGE, 2)
    with pytest.raises(FeatureError, match=r"1 of another shape: a \(1099511627776, 2\) instead of \(3,\)"):
        load_state(nn.ParameterDict({"a": torch.zeros(3), "b": torch.zeros(2)}), read_state(tmp_path / "net.pt"), "net")


def test_state_of_a_tensor__is_not_set(tmp_path):
    """Of torch it would make room for whatever the file says."""
    state = (Storage("FloatStorage", "0", 6), 0, (HUGE,), (1,))
    storage, rebuild = Storage("FloatStorage", "0", 6), torch._utils._rebuild_tensor_v2
    made = Made(rebuild, storage, 0, (2,), (1,), NO_GRADIENT, OrderedDict(), state=state)
    write_zip(tmp_path / "net.pt", {"a": made}, {"0": SIX})
    same(read_state(tmp_path / "net.pt"), {"a": torch.tensor([0.0, 1])})


def test_dict_of_pairs__is_made_once_however_often_it_is_named(tmp_path):
    """As Python 2 wrote them."""
    pairs = pickled([["a", tensor(Storage("FloatStorage", "0", 6))], [3, 4]])[2:-1]
    made = b"\x80\x02(" + b"ccollections\nOrderedDict\nq\xff" + pairs + b"q\xfe\x85Rh\xffh\xfe\x85R\x86."
    one, two = read_pickled(write_zip(tmp_path / "net.pt", made.replace(b"(c", b"c", 1), {"0": SIX}))
    assert one is two
    same(one, {"a": torch.tensor([0.0, 1])})


def test_storages__are_no_more_than_the_file_even_where_members_share_their_bytes(tmp_path):
    content = {str(k): tensor(Storage("DoubleStorage", "0", 100), size=(0,)) for k in range(3)}
    path = write_zip(tmp_path / "net.pt", {"a": tensor(Storage("FloatStorage", "0", 6)), **content}, {"0": SIX})
    refused(path, "storage '0' is described with two sizes or types")
    many = {str(k): tensor(Storage("DoubleStorage", str(k), 1000), size=(0,)) for k in range(20)}
    legacy = write_legacy(tmp_path / "legacy.pt", many, ["0"], (1000).to_bytes(8, "little") + bytes(8000))
    refused(legacy, "more than the file holds")


@pytest.mark.parametrize("member", ["net/data.pkl", "net/data/0"])
def test_zip__that_is_compressed_is_not_expanded(tmp_path, member):
    content = pickled({"a": tensor(Storage("FloatStorage", "0", 6))})
    parts = {"net/data.pkl": content, "net/data/0": SIX}
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        for name, part in parts.items():
            kind = zipfile.ZIP_DEFLATED if name == member else zipfile.ZIP_STORED
            archive.writestr(name, part if name != member else part + bytes(1 << 26), kind)
    begun = time.process_time()
    refused(tmp_path / "net.pt", f"member '{member}' of the archive is compressed, which torch.save never does")
    assert time.process_time() - begun < 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("member", ["net/data.pkl", "net/data/0", "net/byteorder"])
def test_zip__with_a_member_twice_is_refused(tmp_path, member):
    path = write_zip(tmp_path / "net.pt", {"a": tensor(Storage("FloatStorage", "0", 6))}, {"0": SIX})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, b"other")
    refused(path, "have the same name")


def test_zip__names_that_are_paths_lead_nowhere(tmp_path):
    (tmp_path / "secret").write_bytes(SIX)
    content = {"a": tensor(Storage("FloatStorage", "../../secret", 6))}
    refused(write_zip(tmp_path / "net.pt", content, {"0": SIX}), "There is no item named 'net/data/../../secret'")


def test_byte_order__that_is_none_is_shown(tmp_path):
    path = write_zip(tmp_path / "net.pt", {"a": 1}, {}, byteorder="middle" * 1_000_000)
    assert len(refused(path, "its numbers are of byte order b'middlemiddle")) < 500


def test_error__without_text_is_named_by_its_kind(tmp_path, monkeypatch):
    def full(_file, **_options):
        raise MemoryError

    monkeypatch.setattr(stored, "read_pickled", full)
    (tmp_path / "net.pt").touch()
    refused(tmp_path / "net.pt", "cannot be read as a checkpoint: MemoryError; fetch it again")


N_DAMAGES = int(os.environ.get("N_DAMAGES", "60"))


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_damage__gives_the_same_weights_or_an_error(tmp_path, kind):
    """Bits that flip, bytes that are zero, ends that are missing. Only the zip has checksums of its numbers."""
    path, rng = tmp_path / f"net.{kind}", np.random.default_rng(0)
    save_file(STATE, path) if kind == "safetensors" else torch.save(STATE, path, **FORMATS[kind])
    whole = path.read_bytes()
    told = len(whole) if kind == "zip" else len(whole) - sum(t.nbytes for t in STATE.values())
    messages = []
    for _ in range(N_DAMAGES):
        content, at = bytearray(whole), int(rng.integers(told))
        match rng.integers(3):
            case 0:
                content[at] ^= 1 << rng.integers(8)
            case 1:
                content[at : at + 8] = bytes(min(8, len(whole) - at))
            case 2:
                del content[at:]
        path.write_bytes(content)
        model = network()
        try:
            load_state(model, read_state(path), path)
        except FeatureError as error:
            messages.append(str(error))
        else:
            if kind == "zip":
                same(model.state_dict(), STATE)
    assert len(messages) > N_DAMAGES / 3
    assert all(message.startswith(f"{path}: ") for message in messages)


BOMBS = {
    "system": lambda mark: Made(os.system, f"touch {mark}"),
    "eval": lambda mark: Made(eval, f"open({str(mark)!r}, 'w').close()"),
    "exec": lambda mark: Made(exec, f"open({str(mark)!r}, 'w').close()"),
    "subprocess": lambda mark: Made(subprocess.check_call, ("touch", str(mark))),
    "open": lambda mark: Made(open, str(mark), "w"),
    "class": lambda mark: Made(io.FileIO, str(mark), "w"),
    "touch": lambda mark: Made(Path.touch, mark),
    "getattr": lambda mark: Made(CALL, Made(getattr, mark, "touch")),
    "import": lambda mark: Made(CALL, Made(getattr, Made(__import__, "os"), "mkdir"), str(mark)),
    "state": lambda mark: Made(Sets, state=str(mark)),
    "items": lambda mark: Made(Sets, state={"path": str(mark)}),
    "torch.load": lambda mark: Made(torch.storage._load_from_bytes, saved(Made(Path.touch, mark))),
    "from_type": lambda mark: Made(torch._tensor._rebuild_from_type_v2, Path.touch, nn.Parameter, (mark,), {}),
    "parameter": lambda mark: Made(torch._utils._rebuild_parameter, Made(Path.touch, mark), NO_GRADIENT, OrderedDict()),
}


def call(function, *arguments):
    return function(*arguments)


CALL = call


class Sets:
    """Leaves a mark when its state is set."""

    def __setstate__(self, state):
        Path(state["path"] if isinstance(state, dict) else state).touch()


def saved(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


@pytest.mark.parametrize("place", ["beside", "instead", "among"])
@pytest.mark.parametrize("options", [ZIP, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.filterwarnings("ignore:.*:ResourceWarning", "ignore:.*:pytest.PytestUnraisableExceptionWarning")
def test_bomb__does_not_go_off(tmp_path, bomb, options, place):
    mark = tmp_path / "exploded"
    made = BOMBS[bomb](mark)
    content = {"beside": {"state_dict": STATE, "x": made}, "instead": made, "among": {**STATE, "x": made}}[place]
    torch.save(content, tmp_path / "net.pt", **options)
    if place == "instead":
        refused(tmp_path / "net.pt")
    else:
        same(read_state(tmp_path / "net.pt"), STATE)
    assert not mark.exists()
    try:  # it is a bomb
        torch.load(tmp_path / "net.pt", weights_only=False)
    except (TypeError, AttributeError):
        assert bomb in {"from_type", "parameter"}  # the mark is left before torch finds no tensor
    assert mark.exists()


def test_bomb__that_goes_off_when_it_is_imported_does_not(tmp_path, monkeypatch):
    (tmp_path / "explosive.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w').close()\nclass A: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    stack = b"\x80\x04\x8c\x09explosive\x8c\x01A\x93)\x81."
    for content in (b"\x80\x02cexplosive\nA\n)\x81.", stack, b"(iexplosive\nA\n.", b"(cexplosive\nA\no."):
        refused(write_zip(tmp_path / "zip.pt", content, {}), "holds one pickled object")
        refused(write_legacy(tmp_path / "legacy.pt", content), "holds one pickled object")
        assert not (tmp_path / "exploded").exists()
    pickle.loads(stack)
    assert (tmp_path / "exploded").exists()


def test_torchscript__is_refused_and_not_run(tmp_path):
    path = write_zip(tmp_path / "net.pt", b"\x80\x02c__torch__\nNet\n)\x81}X\x01\x00\x00\x00aK\x01sb.", {})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/constants.pkl", b"\x80\x02).")
        archive.writestr("net/code/__torch__.py", "class Net(Module):\n  def __setstate__(self) -> None:\n    pass\n")
    refused(path, "holds one pickled object")


def test_tar__is_refused(tmp_path):
    """The format before 0.2, which torch itself unpacks onto the disk."""
    import tarfile

    for name in ("storages", "tensors", "pickle"):
        (tmp_path / name).write_bytes(pickle.dumps(0))
    with tarfile.open(tmp_path / "net.pt", "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            archive.add(tmp_path / name, name)
    refused(tmp_path / "net.pt", "no file of torch.save begins with b'././@PaxHeader")


ALLOWED = {
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._utils", "_rebuild_parameter_with_state"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    *(("torch", name) for name in DTYPES),
}


def test_names__that_mean_anything_are_these_alone():
    import collections
    import functools
    import importlib
    import operator

    modules = (builtins, os, sys, subprocess, io, pickle, operator, functools, importlib, collections, torch, nn)
    modules += (torch._utils, torch._tensor, torch.storage, torch.serialization, torch.nn.parameter, torch.hub, np)
    names = {(module.__name__, name) for module in modules for name in dir(module)}
    names |= {("__builtin__", name) for name in dir(builtins)} | {("torch", "FloatStorage.from_file"), ("torch", "os")}
    names |= {("torch._utils", "_rebuild_tensor_v2.__globals__"), ("collections", "OrderedDict.update")}
    assert names >= ALLOWED
    assert {name for name in names if meaning(*name) is not INERT} == ALLOWED


def meaning(module, name):
    stack = b"\x80\x04" + pickle.dumps(module, 2)[2:-1] + pickle.dumps(name, 2)[2:-1] + b"\x93."
    return _Tensors(lambda _key, dtype, n: torch.empty(n, dtype=dtype), 0).read(io.BytesIO(stack))


@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize(("module", "name"), sorted(ALLOWED))
def test_names__that_mean_something_cannot_be_changed_by_a_file(tmp_path, module, name, slots):
    names = ("__defaults__", "__code__", "__call__", "__init__", "__new__", "__setitem__", "dtype", "itemsize")
    state = dict.fromkeys(names, (1, 2))
    build = pickle.dumps((None, state) if slots else state, protocol=2)[2:-1]
    content = b"\x80\x02c" + f"{module}\n{name}\n".encode() + build + b"b."
    function = _Tensors._view
    before = (function.__defaults__, function.__code__, OrderedDict.__init__, torch.float32.itemsize)
    refused(write_zip(tmp_path / "changed.pt", content, {}))
    assert before == (function.__defaults__, function.__code__, OrderedDict.__init__, torch.float32.itemsize)
    same(read_state(save_lightning(STATE, tmp_path / "net.pt", **LEGACY)), STATE)


def test_inert__takes_whatever_a_pickle_does(tmp_path):
    """Also what no pickler of today writes: objects that are called, subscripted, and made of objects."""
    kinds = b"cgone\nA\n"
    for what in (b"(lp0\nK\x01ab", b"K\x01a", b"(K\x01K\x02e", b"K\x01K\x02s", b"(K\x01K\x02u", b"(K\x01\x90", b"}b"):
        content = b"\x80\x04}X\x01\x00\x00\x00x" + kinds + b")\x81" + (what if what[0:1] != b"(l" else b"") + b"s."
        assert read_pickled(write_zip(tmp_path / "net.pt", content, {})) == {"x": INERT}
    content = b"\x80\x04}X\x01\x00\x00\x00x" + kinds + b")R)\x81)R)}\x92s."
    assert read_pickled(write_zip(tmp_path / "net.pt", content, {})) == {"x": INERT}


def test_read_state__old_tensors_that_carry_no_hooks(tmp_path):
    """Before 0.4, torch rebuilt tensors from four arguments."""
    content = {"a": Made(torch._utils._rebuild_tensor, Storage("FloatStorage", "0", 6), 1, (2, 2), (2, 1))}
    write_zip(tmp_path / "net.pt", content, {"0": torch.arange(6.0).numpy().tobytes()})
    same(read_state(tmp_path / "net.pt"), {"a": torch.tensor([[1.0, 2], [3, 4]])})
