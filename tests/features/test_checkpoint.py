"""Reading checkpoints: every format as torch itself reads it, and foreign objects ignored."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights import pickled
from distributed_trf.features.weights.checkpoint import load_checkpoint, load_state, without_prefix
from distributed_trf.features.weights.pickled import DTYPES
from distributed_trf.features.weights.stored import stored_tensors
from tests.features.checkpoints import (
    FORMATS,
    GONE,
    LEGACY,
    STATE,
    ZIP,
    network,
    read_state,
    refused,
    same,
    save_lightning,
)

formats = pytest.mark.parametrize("options", FORMATS.values(), ids=FORMATS)


@formats
@pytest.mark.parametrize("key", ["state_dict", "model", None])
def test_read_state__finds_the_tensors_where_they_are_kept(tmp_path, options, key):
    torch.save({key: STATE, "epoch": 3} if key else STATE, tmp_path / "net.pt", **options)
    same(read_state(tmp_path / "net.pt"), STATE)


@formats
@pytest.mark.parametrize("key", ["best", "ema.weights", "state_dict"])
def test_read_state__finds_the_tensors_where_they_are_said_to_be(tmp_path, options, key):
    content = STATE
    for step in reversed(key.split(".")):
        content = {step: content, "epoch": 3, "state_dict": {"other": torch.zeros(1)}} | {step: content}
    torch.save(content, tmp_path / "net.pt", **options)
    same(read_state(tmp_path / "net.pt", key=key), STATE)


def test_read_state__place_where_nothing_is_names_what_there_is(tmp_path):
    torch.save({"best": {"weights": STATE}, "epoch": 3}, tmp_path / "net.pt")
    with pytest.raises(FeatureError, match=r"holds nothing at 'best\.model', .* no 'model' among weights$"):
        read_state(tmp_path / "net.pt", key="best.model")
    with pytest.raises(FeatureError, match=r"holds nothing at 'epoch\.a', .* there is no 'a' among no keys$"):
        read_state(tmp_path / "net.pt", key="epoch.a")
    with pytest.raises(
        FeatureError, match=r"no tensors by name; its keys are best, epoch; if .* as `key`, such as 'best'"
    ):
        read_state(tmp_path / "net.pt")
    save_file(STATE, tmp_path / "net.safetensors")
    with pytest.raises(
        FeatureError, match=r"`key` is 'best' .* a file of safetensors holds tensors alone; leave it out"
    ):
        read_state(tmp_path / "net.safetensors", key="best")


def test_read_state__leaves_out_what_is_to_be_ignored(tmp_path):
    torch.save(
        {**STATE, "ema.a": torch.zeros(1), "ema.b": torch.zeros(1), "step": torch.tensor(3)}, tmp_path / "net.pt"
    )
    same(read_state(tmp_path / "net.pt", ignore=["ema.*", "step"]), STATE)
    with pytest.raises(
        FeatureError, match=r"no tensor's name fits the pattern 'teacher\.\*', .* its names are 0\.weight"
    ):
        read_state(tmp_path / "net.pt", ignore=["teacher.*"])


@formats
def test_stored_tensors__are_known_without_their_numbers(tmp_path, options, monkeypatch):
    torch.save({"state_dict": STATE, "other": torch.zeros(3)}, tmp_path / "net.pt", **options)
    monkeypatch.setattr(pickled, "_fill", lambda *_: pytest.fail("numbers are read"))
    found = stored_tensors(tmp_path / "net.pt")
    assert {name: (tensor.shape, tensor.is_floating_point()) for name, tensor in found.items()} == {
        name: (tuple(tensor.shape), tensor.is_floating_point()) for name, tensor in STATE.items()
    }


def test_stored_tensors__of_a_file_that_is_cut_short_are_refused(tmp_path):
    for options in (ZIP, LEGACY):
        torch.save(STATE, tmp_path / "net.pt", **options)
        (tmp_path / "cut.pt").write_bytes((tmp_path / "net.pt").read_bytes()[:-20])
        with pytest.raises(FeatureError, match=r"cut\.pt: cannot be read as a checkpoint"):
            stored_tensors(tmp_path / "cut.pt")


def test_load_state__onto_shapes_alone_tells_whether_they_fit(tmp_path):
    torch.save(STATE, tmp_path / "net.pt")
    with torch.device("meta"):
        model = network()
    load_state(model, stored_tensors(tmp_path / "net.pt"), "here")
    assert model[0].weight.is_meta
    with pytest.raises(FeatureError, match=r"1 missing: 0\.bias\."):
        load_state(
            model, {name: t for name, t in stored_tensors(tmp_path / "net.pt").items() if name != "0.bias"}, "here"
        )


@formats
@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_read_state__objects_of_classes_that_are_gone_do_not_matter(tmp_path, options, key):
    path = save_lightning(STATE, tmp_path / "net.ckpt", key=key, **options)
    assert GONE not in sys.modules
    with pytest.raises(ModuleNotFoundError, match=GONE):
        torch.load(path, weights_only=False)
    same(read_state(path), STATE)
    assert GONE not in sys.modules


kinds = st.sampled_from([*map(torch.__dict__.get, DTYPES.values())])


@st.composite
def tensors(draw):
    """A tensor of any kind that is a view of its storage in some way."""
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    numbers = np.random.default_rng(draw(st.integers(0, 9))).normal(0, 50, size=shape)
    steps = tuple(slice(draw(st.integers(0, 1)), None, draw(st.integers(1, 3))) for _ in shape)
    whole = torch.from_numpy(numbers).to(draw(kinds))[steps]
    return whole.mT if whole.ndim > 1 and draw(st.booleans()) else whole


@given(drawn=st.lists(tensors(), min_size=1, max_size=4), options=st.sampled_from([*FORMATS.values()]))
def test_read_state__gives_what_torch_itself_gives(drawn, options, tmp_path_factory):
    """Also of tensors that share a storage, of parameters, buffers and such with attributes of their own."""
    path = tmp_path_factory.mktemp("drawn") / "net.pt"
    state = {str(k): tensor for k, tensor in enumerate(drawn)}
    floating = [t for t in drawn if t.is_floating_point()]
    state |= {f"parameter{k}": nn.Parameter(t) for k, t in enumerate(floating)}
    state |= {f"shared{k}": t.reshape(-1)[1:] for k, t in enumerate(drawn)}
    state["buffer"], state["noted"] = nn.Buffer(drawn[0].clone()), nn.Parameter(torch.ones(2))
    state["noted"].note = "has a state of its own"
    torch.save(state, path, **options)
    same(read_state(path), torch.load(path, weights_only=False))


def test_read_state__sparse_and_whole_modules_beside_tensors_do_not_matter(tmp_path):
    for options in (ZIP, LEGACY):
        content = {"state_dict": STATE, "net": nn.LSTM(2, 2), "sparse": torch.eye(3).to_sparse(), "f": print}
        torch.save(content, tmp_path / "net.pt", **options)
        same(read_state(tmp_path / "net.pt"), STATE)


def test_read_state__numbers_of_kinds_that_no_network_has_do_not_matter(tmp_path):
    others = {"a": torch.ones(3, dtype=torch.uint16), "b": torch.ones(3, dtype=torch.float8_e5m2)}
    torch.save({"state_dict": {**STATE, **others}}, tmp_path / "net.pt")
    same(read_state(tmp_path / "net.pt"), STATE)


def test_read_state__safetensors_file_and_folders(tmp_path):
    for name in ("one.safetensors", "a/model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_file(STATE, tmp_path / name)
    (tmp_path / "b").mkdir()
    torch.save(STATE, tmp_path / "b/pytorch_model.bin")
    for source in ("one.safetensors", "a", "b", "b/pytorch_model.bin"):
        same(read_state(tmp_path / source), STATE)


@pytest.mark.parametrize(
    ("index", "shard", "save"),
    [
        ("model.safetensors.index.json", "model-{}-of-2.safetensors", save_file),
        ("pytorch_model.bin.index.json", "pytorch_model-{}-of-2.bin", torch.save),
    ],
)
def test_read_state__shards_are_joined(tmp_path, index, shard, save):
    place = {name: shard.format(1 + k % 2) for k, name in enumerate(STATE)}
    for file in set(place.values()):
        save({name: STATE[name] for name in STATE if place[name] == file}, tmp_path / file)
    (tmp_path / index).write_text(json.dumps({"metadata": {}, "weight_map": place}))
    same(read_state(tmp_path), STATE)
    (tmp_path / shard.format(2)).unlink()
    with pytest.raises(FeatureError, match=rf"{shard.format(2)}: there is no such file or folder"):
        read_state(tmp_path)


OUTSIDE = ['{"weight_map": {"a": "../model.safetensors"}}', '{"weight_map": {"a": "/etc/model.safetensors"}}']


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"weight_map": 3}', "{}", "[" * 100_000, '{"weight_map": {"a": [1]}}', *OUTSIDE]
)
def test_read_state__broken_index_is_named(tmp_path, content):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(FeatureError, match=r"model\.safetensors\.index\.json: cannot be read as an index of shards"):
        read_state(tmp_path)


def test_read_state__nothing_there_asks_for_it(tmp_path):
    refused(tmp_path / "none.pt", "there is no such file or folder; give the trained weights as `source`")
    refused(tmp_path, "holds neither model.safetensors nor pytorch_model.bin")


def test_load_state__gives_a_network_its_weights():
    model = network()
    with torch.no_grad():
        for t in model.state_dict().values():
            t.zero_()
    load_state(model, STATE, "here")
    same(model.state_dict(), STATE)


def test_load_state__half_weights_become_those_of_the_network():
    model = network()
    load_state(model, {k: v.half() if v.is_floating_point() else v for k, v in STATE.items()}, "here")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model[0].weight, STATE["0.weight"].half().float())


def test_load_state__names_what_is_missing_too_many_and_misshapen():
    state = {**STATE, "3.weight": torch.zeros(1), "0.bias": torch.zeros(4), "1.bias": torch.zeros(3, 1)}
    for key in ("0.weight", "1.running_var"):
        del state[key]
    state["2.bias_hh_l0"] = torch.zeros(8, dtype=torch.int32)
    model = network()
    with pytest.raises(FeatureError) as caught:
        load_state(model, state, "/some/net.pt")
    message = str(caught.value)
    assert message.startswith("/some/net.pt: these are not the weights of Sequential: ")
    assert "2 missing: 0.weight, 1.running_var;" in message
    assert "1 of another kind of number: 2.bias_hh_l0." in message
    assert "1 not of this network: 3.weight;" in message
    assert "2 of another shape: 0.bias (4,) instead of (3,), 1.bias (3, 1) instead of (3,);" in message
    same(model.state_dict(), STATE)


def test_load_state__many_names_are_counted():
    with pytest.raises(FeatureError, match=r"10 missing: 0\.weight, .*, 2\.weight_hh_l0 and 2 more;"):
        load_state(network(), {"a": torch.zeros(1)}, "net")


def test_load_state__parametrised_weights_go_by_the_names_of_their_parts(tmp_path):
    def normed(seed):
        torch.manual_seed(seed)
        return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 3, 5), dim=2))

    expected, model = normed(1), normed(2)
    torch.save(expected.state_dict(), tmp_path / "net.pt")
    state = read_state(tmp_path / "net.pt")
    assert "0.parametrizations.weight.original0" in state
    load_state(model, state, "here")
    assert torch.equal(model[0].weight, expected[0].weight)


WRAPPED = ("module.", "_orig_mod.", "model.", "module.model.")


@pytest.mark.parametrize("rename", [*WRAPPED, "norms", "no batches", "computed", "magnitudes"])
def test_load_state__names_of_old_and_of_frameworks_are_understood(rename):
    expected, model = network(), network()
    if rename == "magnitudes":
        for net in (expected, model):
            nn.utils.parametrizations.weight_norm(net[0])
    for k, parameter in enumerate(expected.parameters()):
        nn.init.constant_(parameter, k)
    state, whole = expected.state_dict(), expected.state_dict()
    if rename in WRAPPED:
        state = {f"{rename}{key}": value for key, value in state.items()}
    elif rename == "norms":
        state["1.gamma"], state["1.beta"] = state.pop("1.weight"), state.pop("1.bias")
    elif rename == "no batches":
        del state["1.num_batches_tracked"]
    elif rename == "computed":
        state |= {"0.position_ids": torch.arange(3), "2.num_batches_tracked": torch.tensor(3)}
    else:
        for part, now in {"weight_g": "original0", "weight_v": "original1"}.items():
            state[f"0.{part}"] = state.pop(f"0.parametrizations.weight.{now}")
    load_state(model, state, "here")
    same(model.state_dict(), whole)


def test_load_state__name_of_old_beside_that_of_now_is_too_many():
    with pytest.raises(FeatureError, match=r"1 not of this network: 1\.gamma\."):
        load_state(network(), {**STATE, "1.gamma": torch.ones(3)}, "here")


def test_without_prefix__keeps_what_begins_with_it():
    state = {f"{prefix}{name}": t for name, t in STATE.items() for prefix in ("module.model.1.", "module.attacker.")}
    same(without_prefix(state, "module.model.1."), STATE)
    same(without_prefix(STATE, ""), STATE)
    assert without_prefix(STATE, "module.") == {}


def test_load_checkpoint__takes_the_source_of_the_study(tmp_path):
    layer = {"id": 0, "name": "0", "type": "conv", "width": 3, "rate": 1}
    table = NetworkTable.model_validate({"name": "net", "family": "net", "sfreq": 8000, "layers": [layer]})
    with pytest.raises(
        FeatureError, match="net: the table names no trained weights; give their folder or file as `source`"
    ):
        load_checkpoint(network(), table, NetworkSettings(name="net"))
    path = save_lightning(STATE, tmp_path / "net.ckpt")
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv1d(2, 3, 5), nn.BatchNorm1d(3), nn.LSTM(3, 2))
    assert load_checkpoint(model, table, NetworkSettings(name="net", source=str(path))) is model
    same(model.state_dict(), STATE)
