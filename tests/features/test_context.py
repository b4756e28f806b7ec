"""Frames that see a limited past: against one pass per frame in a loop, and what needs no windows."""

from __future__ import annotations

import logging
from contextlib import suppress
from math import inf

import numpy as np
import pytest
import torch
import yaml
from transformers import HubertConfig, HubertForCTC

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.study import load_study
from distributed_trf.errors import ConfigError, DeviceError, FeatureError
from distributed_trf.features.families.registry import check_weights, expected_work, family
from distributed_trf.features.network import build_network, extract
from distributed_trf.features.sight import sees
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.features.windows import LISTED_BYTES, frame_ends, windows
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.items import Extract
from distributed_trf.pipeline.study import Study
from distributed_trf.pipeline.work import cost
from distributed_trf.results.open_results import open_results
from tests.conftest import SMALL_WHISPER
from tests.features.past_networks import HOP, KERNEL, PastNetwork, past_table
from tests.small_transformers import SPEECH2TEXT, noise, small

WHISPER = NetworkTable.model_validate(SMALL_WHISPER)
HUBERT = NetworkTable.model_validate(
    {
        "name": "hubert",
        "family": "transformers",
        "sfreq": 16_000,
        "config": {
            "class": "HubertModel",
            "extractor": "Wav2Vec2FeatureExtractor",
            "extractor_options": {"do_normalize": True},
            "architecture": {
                "conv_dim": [16] * 7,
                "hidden_size": 32,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "intermediate_size": 64,
            },
        },
        "layers": [
            {"id": 0, "name": "feature_extractor.conv_layers.5.activation", "type": "conv", "width": 16, "rate": 100}
            | {"time_last": True, "hop": 160, "offset": -80},
            *(
                {"id": k + 1, "name": f"encoder.layers.{k}.final_layer_norm", "type": "transformer", "width": 32}
                | {"rate": 50, "hop": 320, "offset": -80}
                for k in range(2)
            ),
        ],
    }
)
DEEPSPEECH2 = load_table("deepspeech2").model_copy(
    update={
        "config": {"channels": 2, "hidden": 3, "layers": 1, "letters": 4},
        "layers": [
            layer.model_copy(update={"width": width})
            for layer, width in zip(load_table("deepspeech2").layers[:3], (162, 82, 6), strict=True)
        ],
    }
)
TABLES = {
    "hubert": HUBERT,
    "whisper": WHISPER,
    "deepspeech2": DEEPSPEECH2,
    "speech2text": small("speech2text", **SPEECH2TEXT),
    "wav2vec2": small("wav2vec2", conv_dim=[16] * 7, hidden_size=32, num_attention_heads=2, intermediate_size=64),
    **{k: past_table(k) for k in ("causal", "centred", "recurrent", "both", "counting", "normalised", "padded")},
}


def built(table, context=None, weights="reset", **options):
    return build_network(table, NetworkSettings(name=table.name, context=context), weights, device="cpu", **options)


def sounds_for(table, *seconds, lead_in=0.1):
    n_samples = [int(s * table.sfreq) for s in seconds]
    return noise(np.random.default_rng(1), *n_samples, lead_in=int(lead_in * table.sfreq))


def one_pass_per_frame(table, layer, sound, context, weights="reset"):
    """The definition in a loop, frame by frame; a row is None where the network takes no such piece."""
    rule, plain = family(table, weights), built(table, weights=weights)

    def count(n):
        try:
            return rule.n_frames(table, layer, n) if n > 0 else 0
        except FeatureError:
            return 0

    limit = int(context * table.sfreq)
    counts = [count(n) for n in range(max(limit, sound.shape[0]) + 1)]
    longest = max(n for n in range(1, limit + 1) if counts[n] > counts[n - 1])
    rows = []
    for i in range(counts[sound.shape[0]]):
        end = next(n for n, frames in enumerate(counts) if frames > i)
        piece = sound[max(0, end - longest) : end]
        try:
            frames = extract(plain, table, weights, [piece], [layer])[layer.id][0]
        except (FeatureError, RuntimeError):
            rows.append(None)
            continue
        rows.append(frames[len(frames) - (counts[end] - i)])
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_context__is_one_pass_per_frame_in_a_loop(name):
    table, context = TABLES[name], 0.25
    chosen = table.layers if len(table.layers) <= 5 else [table.layers[k] for k in (4, -2, -1)]
    sounds = sounds_for(table, *((0.3,) if name == "whisper" else (0.3, 0.52)))
    found = extract(built(table, context), table, "reset", sounds, chosen)
    for layer in chosen:
        for k, sound in enumerate(sounds):
            expected = one_pass_per_frame(table, layer, sound, context)
            assert (
                len(expected)
                == len(found[layer.id][k])
                == family(table, "reset").n_frames(table, layer, sound.shape[0])
            )
            defined = [i for i, row in enumerate(expected) if row is not None]
            assert len(defined) > 0.5 * len(expected)
            rows = np.stack([expected[i] for i in defined])
            assert np.abs(found[layer.id][k][defined] - rows).max() <= 1e-6 * np.abs(rows).max()


def passed(network):
    """Count the sounds of each call of the network without a context."""
    plain, calls = network.network, []

    class Counted:
        def __getattr__(self, name):
            return getattr(plain, name)

        def __call__(self, sounds, layers, keep):
            calls.append((tuple(layer.id for layer in layers), [s.samples.shape[0] for s in sounds]))
            plain(sounds, layers, keep)

    network.network = Counted()
    return calls


@pytest.mark.parametrize(
    ("name", "in_windows"),
    [
        ("causal", ()),
        ("centred", (1,)),
        ("recurrent", (1,)),
        ("both", (1,)),
        ("counting", (1,)),
        ("normalised", (0, 1)),
    ],
)
def test_layers_that_see_no_more__are_taken_from_the_ordinary_pass(name, in_windows, caplog):
    table = TABLES[name]
    network, plain, sounds = built(table, 0.31), built(table), sounds_for(table, 1, 0.7)
    with caplog.at_level(logging.INFO, "distributed_trf"):
        extract(network, table, "reset", sounds[:1], table.layers)
    ways = {text.partition(" take ")[2]: text for text in caplog.messages if " take " in text}
    calls = passed(network)
    found = extract(network, table, "reset", sounds, table.layers)
    ordinary = tuple(layer.id for layer in table.layers if layer.id not in in_windows)
    expected = [(ordinary, [s.shape[0] for s in sounds])] if ordinary else []
    assert calls[: len(expected)] == expected
    assert all(set(ids) <= set(in_windows) and max(sizes) <= 0.31 * table.sfreq for ids, sizes in calls[1:])
    assert bool(calls[len(expected) :]) == bool(in_windows)
    assert ("a window for each frame" in ways) == bool(in_windows)
    if ordinary:
        assert "layers " + ", ".join(map(str, ordinary)) in ways["one ordinary pass: their frames see no more"]
    same = extract(plain, table, "reset", sounds, table.layers)
    for layer in table.layers:
        equal = all(np.array_equal(a, b) for a, b in zip(found[layer.id], same[layer.id], strict=True))
        assert equal == (layer.id not in in_windows)


@pytest.mark.parametrize(
    ("name", "ahead", "back"),
    [
        ("causal", 0, KERNEL + 2 * HOP),
        ("centred", HOP, KERNEL + HOP),
        ("recurrent", 0, inf),
        ("both", inf, inf),
        ("normalised", inf, inf),
    ],
)
def test_sees__tells_how_far_frames_see_to_within_a_hop(name, ahead, back):
    table = TABLES[name]
    sights = sees(built(table), family(table, "reset"), table, table.layers, 2.0)
    if name != "normalised":
        assert sights[0].is_causal
        assert KERNEL <= sights[0].back * table.sfreq <= KERNEL + HOP
    assert sights[1].is_causal == (ahead == 0)
    if name == "both":  # what comes later fades on its way back, so that a bound is found
        assert sights[1].ahead > 2 * HOP / table.sfreq
    else:
        assert sights[1].ahead * table.sfreq == ahead
    assert back <= sights[1].back * table.sfreq <= back + HOP


def test_sees__finds_that_whisper_looks_ahead_and_hubert_at_everything():
    whisper = sees(built(WHISPER), family(WHISPER, "reset"), WHISPER, WHISPER.layers, 2.0)
    hubert = sees(built(HUBERT), family(HUBERT, "reset"), HUBERT, HUBERT.layers, 2.0)
    assert not any(sight.is_causal for sight in (*whisper.values(), *hubert.values()))
    assert all(sight.ahead == sight.back == inf for sight in hubert.values())


@pytest.mark.parametrize("name", ["whisper", "speech2text", "deepspeech2", "wav2vec2", "hubert", "centred"])
def test_frame_ends__are_the_shortest_sounds_that_have_the_frame(name):
    table = TABLES[name]
    rule = family(table, "reset")
    for layer in table.layers[-2:]:
        ends = frame_ends(rule, table, layer, 9_000)
        assert ends.size == rule.n_frames(table, layer, 9_000)
        for i, end in enumerate(ends.tolist()):
            assert rule.n_frames(table, layer, end) > i
            with suppress(FeatureError):  # there is no frame at all
                assert rule.n_frames(table, layer, end - 1) <= i


def test_windows__of_frames_that_end_together_take_as_many_before_the_last():
    """Whisper's first convolution has two frames for each of the encoder."""
    pieces = windows(family(WHISPER, "reset"), WHISPER, WHISPER.layers[0], 1_200, 0.03)
    assert pieces.ends.tolist() == [160, 160, 480, 480, 800, 800, 1120, 1120]
    assert pieces.starts.tolist() == [0, 0, 0, 0, 320, 320, 640, 640]
    assert pieces.positions.tolist() == [0, 1, 2, 3, 2, 3, 2, 3]


def test_cochlear_network__has_the_frames_of_its_first_window_in_a_context_below_it():
    table = load_table("cochcnn9")
    rule = family(table, "reset")
    for layer in table.layers:
        ends = frame_ends(rule, table, layer, 90_000)
        assert (np.diff(ends) >= 0).all()
        assert ends.size == rule.n_frames(table, layer, 90_000)


def test_future__changes_no_frame_and_the_past_before_the_context_neither():
    table, context = HUBERT, 0.25
    (sound,) = sounds_for(table, 0.8)
    network = built(table, context)
    whole = extract(network, table, "reset", [sound], table.layers)
    border = 9_000
    future, past = sound.copy(), sound.copy()
    future[border:] += 1
    past[:border] = 0.3
    after, before = (extract(network, table, "reset", [x], table.layers) for x in (future, past))
    for layer in table.layers:
        ends = frame_ends(family(table, "reset"), table, layer, sound.shape[0])
        early, late = ends <= border, ends > border + context * table.sfreq
        assert early.sum() > 10
        assert late.sum() > 3
        scale = 1e-6 * np.abs(whole[layer.id][0]).max()
        np.testing.assert_allclose(after[layer.id][0][early], whole[layer.id][0][early], rtol=0, atol=scale)
        np.testing.assert_allclose(before[layer.id][0][late], whole[layer.id][0][late], rtol=0, atol=scale)
        assert np.abs(after[layer.id][0] - whole[layer.id][0])[~early].max() > 100 * scale


def test_context_longer_than_a_sound__gives_what_its_beginnings_give():
    table = HUBERT
    (sound,) = sounds_for(table, 0.3)
    sound = sound[: frame_ends(family(table, "reset"), table, table.layers[1], sound.shape[0])[-1]]
    found = extract(built(table, 5.0), table, "reset", [sound], table.layers[1:2])[1][0]
    whole = extract(built(table), table, "reset", [sound], table.layers[1:2])[1][0]
    assert np.abs(found[-1] - whole[-1]).max() < 1e-6 * np.abs(whole).max()
    assert not np.allclose(found[5], whole[5], rtol=1e-2)


def test_silence__gives_zeros_where_a_network_cannot_normalise_it(caplog):
    table = DEEPSPEECH2
    (sound,) = sounds_for(table, 0.3, lead_in=0.35)
    silent = [frame_ends(family(table, "reset"), table, x, sound.shape[0]) <= 5600 for x in table.layers]
    found = extract(built(table, 0.25), table, "reset", [sound], table.layers)
    assert sum("there is only silence are 0" in text for text in caplog.messages) == 1
    for layer, of_silence in zip(table.layers, silent, strict=True):
        assert of_silence.sum() > 10
        assert (found[layer.id][0][of_silence] == 0).all()
        assert np.abs(found[layer.id][0][~of_silence]).max(axis=1).min() > 0
    hubert = extract(built(HUBERT, 0.25), HUBERT, "reset", [sound], HUBERT.layers)[2][0]
    assert np.abs(hubert[:3]).max() > 0  # it hears silence


@pytest.mark.parametrize("name", ["hubert", "whisper", "speech2text"])
def test_batch__gives_what_each_sound_gives_alone(name):
    table, layers = TABLES[name], TABLES[name].layers[-2:]
    sounds = sounds_for(table, 0.15, 0.2, 0.15)
    network = built(table, 0.1)
    together = extract(network, table, "reset", sounds, layers)
    for k, sound in enumerate(sounds):
        alone = extract(network, table, "reset", [sound], layers)
        for layer in layers:
            one, other = together[layer.id][k], alone[layer.id][0]
            assert np.abs(one - other).max() <= 2e-6 * np.abs(other).max()


def test_some_layers__are_the_same_as_among_all():
    table, (sound,) = HUBERT, sounds_for(HUBERT, 0.4)
    every = extract(built(table, 0.2), table, "reset", [sound], table.layers)
    for layer in table.layers:
        few = extract(built(table, 0.2), table, "reset", [sound], [layer])
        assert np.abs(few[layer.id][0] - every[layer.id][0]).max() <= 1e-6 * np.abs(every[layer.id][0]).max()


def test_layers_of_one_rate__share_their_windows_and_memory_is_bounded():
    table, sounds = HUBERT, sounds_for(HUBERT, 0.5, 0.4)
    network = built(table, 0.2)
    extract(network, table, "reset", sounds[:1], table.layers)
    calls = passed(network)
    extract(network, table, "reset", sounds, table.layers)
    assert max(len(sizes) for _, sizes in calls) == 16
    assert {ids for ids, _ in calls} <= {(0, 1, 2), (1, 2), (0,)}
    assert sum(len(sizes) for ids, sizes in calls if 1 in ids) <= 25 + 30  # one for each frame, fewer in silence


def test_controls_and_number_types__go_on_working(tmp_path):
    torch.manual_seed(3)
    HubertForCTC(HubertConfig(**HUBERT.config["architecture"])).save_pretrained(tmp_path)
    table, (sound,) = HUBERT.model_copy(update={"source": str(tmp_path)}), sounds_for(HUBERT, 0.3)
    found = {}
    for weights in ("trained", "permuted", "reset", "reset-1"):
        network = built(table, 0.2, weights)
        assert (network.changed is None) == (weights == "trained")
        found[weights] = extract(network, table, weights, [sound], table.layers[1:2])[1][0]
    assert len({frames.tobytes() for frames in found.values()}) == 4
    rough = extract(built(table, 0.2, "trained", dtype="bfloat16"), table, "trained", [sound], table.layers[1:2])[1][0]
    assert np.abs(rough - found["trained"]).mean() < 0.05 * found["trained"].std()


def test_windows_that_do_not_fit__are_passed_in_halves(monkeypatch, caplog):
    table, (sound,) = TABLES["normalised"], sounds_for(TABLES["normalised"], 0.5)
    whole = extract(built(table, 0.2), table, "reset", [sound], table.layers)
    first = PastNetwork.forward

    def limited(self, x):
        if x.shape[0] > 3:
            raise RuntimeError("you tried to allocate 99 bytes")
        return first(self, x)

    monkeypatch.setattr(PastNetwork, "forward", limited)
    network = built(table, 0.2)
    halves = extract(network, table, "reset", [sound], table.layers)
    assert network.parts > 1
    for layer in table.layers:
        np.testing.assert_allclose(halves[layer.id][0], whole[layer.id][0], rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(PastNetwork, "forward", lambda self, x: limited(self, torch.cat([x] * 4)))
    with pytest.raises(DeviceError, match="does not fit the memory of cpu"):
        extract(network, table, "reset", [sound], table.layers)


def test_work__counts_the_windows():
    table, context = HUBERT, 0.5
    rule, settings = family(table, "reset"), NetworkSettings(name="hubert", context=context, layers=[1, 2])
    sounds = [16_000, 12_000]
    lengths = [
        min(320 * i + 400, 400 + 320 * ((8000 - 400) // 320))
        for n in sounds
        for i in range(rule.n_frames(table, table.layers[1], n))
    ]
    work = expected_work(table, "reset", sounds, settings)
    assert work.flops == pytest.approx(sum(rule.work(table, [n]).flops for n in lengths), rel=0.01)
    assert work.weights == rule.work(table, sounds).weights
    assert work.activations >= rule.work(table, [max(lengths)] * 16).activations
    assert work.gathered == (4 * 2 * 32 + LISTED_BYTES) * len(lengths)
    plain = expected_work(table, "reset", sounds)
    assert plain == rule.work(table, sounds)
    assert work.flops > 10 * plain.flops
    assert expected_work(table, "reset", sounds, NetworkSettings(name="hubert")) == plain


@pytest.mark.parametrize(
    ("name", "context", "weights", "message"),
    [
        ("hubert", 0.01, "reset", r"context 0\.01 s is 160 samples at 16000 Hz, in which layer 0 .* no two frames"),
        ("hubert", 0.025, "reset", r"layer 1 .* has no two frames one after another; choose a longer one, or leave"),
        ("whisper", 31.0, "reset", r"small_whisper: context 31 s is longer than the network takes; .* 30 s"),
        ("causal", 0.019, "reset", r"causal: context 0\.019 s .* no two frames"),
        ("whisper", 2.0, "projection_linear", r"weights 'projection_linear' project .* without a context"),
        ("mel_whisper", 2.0, "fixed", r"mel_whisper: context 2 s: it is a spectrogram, .*; leave it out"),
        ("whisper_tiny", 0.05, "reset", r"shorter than the 65 ms that a frame of layer 1 .* sees"),
    ],
)
def test_context_that_cannot_be__is_refused_with_what_to_do(name, context, weights, message):
    table = TABLES[name] if name in TABLES else load_table(name)
    with pytest.raises(ConfigError, match=message):
        check_weights(table, NetworkSettings(name=table.name, context=context), weights)


def test_study__has_two_contexts_in_one_dataset(write_study, workplace):
    for table in (past_table("causal"), HUBERT):
        (workplace / f"configs/networks/{table.name}.yaml").write_text(yaml.safe_dump(table.model_dump()))
    networks = [
        {"name": "hubert", "weights": ["reset"], "layers": [2], "context": [0.1, 0.3]},
        {"name": "hubert", "weights": ["reset"], "layers": [2]},
        {"name": "causal", "weights": ["reset"], "context": 1.0},
        {"name": "causal", "weights": ["reset"]},
    ]
    path = write_study(networks=networks, reliability=None)
    planned = open_context(load_study(path))
    flops = {
        name: cost(planned, Extract("timit", name, "reset", 0), "cpu").operations.single
        for name in ("hubert", "hubert@0.1s", "hubert@0.3s")
    }
    assert 5 < flops["hubert@0.3s"] / flops["hubert"] < 15  # 50 windows of at most 0.3 s for each second
    assert flops["hubert@0.1s"] < 0.5 * flops["hubert@0.3s"]
    assert Study.load(path).run(recipe=None).ok
    ds = open_results("study")
    names = ["causal", "causal@1.0s", "hubert", "hubert@0.1s", "hubert@0.3s"]
    assert sorted(ds.network.values.tolist()) == names
    r = ds.r.sel(weights="reset").squeeze("stimuli")
    short, long, whole = (r.sel(network=f"hubert{c}", layer=2) for c in ("@0.1s", "@0.3s", ""))
    assert all(np.isfinite(one).all() for one in (short, long, whole))
    assert not np.allclose(short, long)
    assert not np.allclose(long, whole)
    np.testing.assert_allclose(r.sel(network="causal@1.0s"), r.sel(network="causal"), atol=1e-9)
    assert Study.load(path).run(recipe=None).done == {}
    networks[0]["context"] = [0.1, 0.2]
    again = Study.load(write_study(networks=networks, reliability=None)).run(recipe=None)
    assert again.ok
    assert again.done["extract"] == 3  # the batches of 0.2 s alone
    assert again.done["fit"] == 1
