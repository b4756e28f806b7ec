"""Weight controls: what they draw, what they leave, and that nothing trained stays."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import nn
from torch.nn.utils import parametrizations, parametrize
from transformers import (
    ASTConfig,
    ASTModel,
    Speech2TextConfig,
    Speech2TextModel,
    Wav2Vec2Config,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperModel,
)

from distributed_trf.config.extraction import kind_of
from distributed_trf.errors import FeatureError
from distributed_trf.features.weights.controls import CONTROLS, apply_control
from tests.conftest import SMALL_WHISPER

W2V2 = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [16] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
S2T = {
    **dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim", "conv_channels", "vocab_size"), 32),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads", "encoder_layers"), 2),
    "decoder_layers": 1,
}


def convnet():
    return nn.Sequential(
        nn.Conv1d(1, 6, 5, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Conv1d(6, 4, 3), nn.LSTM(3, 5)
    )


NETWORKS = {
    "whisper": lambda: WhisperModel(WhisperConfig(**SMALL_WHISPER["config"])),
    "wav2vec2": lambda: Wav2Vec2Model(Wav2Vec2Config(**W2V2)),
    "speech2text": lambda: Speech2TextModel(Speech2TextConfig(**S2T)),
    "wavlm": lambda: WavLMModel(WavLMConfig(**W2V2)),
    "ast": lambda: ASTModel(ASTConfig(**{k: W2V2[k] for k in list(W2V2)[:4]})),
    "attention": lambda: nn.TransformerEncoderLayer(8, 2, 16),
    "convnet": convnet,
}
KINDS = ("reset-2", "permuted-2", "random-2", "random_uniform-2", "scaled-0.5")


def as_if_trained(model):
    """Give every parameter and statistic values that no initialiser gives."""
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.copy_(5 + torch.rand(tensor.shape, generator=draw))
    return model


def weights_of(model):
    """The weights that layers use, by name; of a parametrised layer not what they are computed from."""
    found = {name: p.detach().clone() for name, p in model.named_parameters() if ".parametrizations." not in f".{name}"}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module):
            found |= {f"{name}.{n}".strip("."): getattr(module, n).detach().clone() for n in module.parametrizations}
    return found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("weights", KINDS)
def test_every_weight_of_every_architecture__changes_and_is_counted(name, weights):
    model = as_if_trained(NETWORKS[name]())
    before = weights_of(model)
    changed = apply_control(model, weights)
    after = weights_of(model)
    assert list(after) == [n for n, _ in model.named_parameters()]  # none is parametrised now
    assert after.keys() == before.keys()
    n_parameters = sum(p.numel() for p in after.values())
    if kind_of(weights) == "permuted":  # an entry may come to its own place
        assert changed == sum(int((after[n] != before[n]).sum()) for n in after)
        assert 0.9 * n_parameters < changed <= n_parameters
        assert not any(torch.equal(after[n], before[n]) for n in after if before[n].numel() > 1)
    else:
        assert changed == n_parameters
        assert not any((after[n] == before[n]).any() for n in after)
    if kind_of(weights) in ("reset", "random", "random_uniform"):  # nothing is left of about 5 to 6
        assert all((after[n] < 5).all() for n in after)
    assert all(p.isfinite().all() for p in after.values())
    assert not model.training


@pytest.mark.parametrize("weights", KINDS[:-1])
@pytest.mark.parametrize("name", ["wav2vec2", "convnet"])
def test_draws__follow_the_seed_and_not_what_was_drawn_before(name, weights):
    found = []
    for seed in (1, 2, 1):
        one = as_if_trained(NETWORKS[name]())
        torch.manual_seed(len(found))
        apply_control(one, weights.replace("-2", f"-{seed}"))
        found.append(weights_of(one))
    one, two, again = found
    assert all(torch.equal(one[n], again[n]) for n in one)
    many = [n for n in one if one[n].numel() > 4 and one[n].unique().numel() > 1]
    assert len(many) > 5
    assert not any(torch.equal(one[n], two[n]) for n in many)


@pytest.mark.parametrize("weights", KINDS)
def test_global_random_state__is_left_alone(weights):
    torch.manual_seed(11)
    expected = torch.rand(3)
    model = NETWORKS["wav2vec2"]()
    torch.manual_seed(11)
    apply_control(model, weights)
    assert torch.equal(torch.rand(3), expected)


def test_reset__draws_as_torch_does_after_manual_seed():
    model = as_if_trained(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Conv1d(4, 2, 3)))
    apply_control(model, "reset-9")
    torch.manual_seed(9)
    expected = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Conv1d(4, 2, 3))
    for found, drawn in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(found, drawn)


@pytest.mark.parametrize("name", ["whisper", "speech2text", "convnet"])
def test_reset__is_the_published_loop_over_modules(name):
    found, expected = NETWORKS[name](), NETWORKS[name]()
    apply_control(found, "reset-3")
    torch.manual_seed(3)
    for _, module in expected.named_modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    for (one, p), (_, q) in zip(found.named_parameters(), expected.named_parameters(), strict=True):
        assert torch.equal(p, q), one


def test_reset__of_whisper_replaces_its_sinusoids_by_noise_as_published():
    model = NETWORKS["whisper"]()
    assert model.encoder.embed_positions.weight.abs().max() <= 1
    apply_control(model, "reset")
    positions = model.encoder.embed_positions.weight.detach()
    assert positions.abs().max() > 2.5
    assert abs(float(positions.std()) - 1) < 0.05


def test_reset__draws_what_no_module_of_torch_holds_by_the_models_own_rule():
    model = as_if_trained(Wav2Vec2Model(Wav2Vec2Config(**{**W2V2, "hidden_size": 512})))
    for p in model.parameters():
        p._is_hf_initialized = True  # as from_pretrained leaves them
    apply_control(model, "reset")
    assert kstest(model.masked_spec_embed.detach().numpy(), "uniform").pvalue > 1e-3
    bound = 1 / np.sqrt(512)  # of torch, while the model's own rule draws this layer from a normal distribution
    assert model.encoder.layers[0].feed_forward.output_dense.bias.abs().max() > 0.5 / np.sqrt(32)
    assert model.encoder.layers[0].attention.q_proj.weight.abs().max() <= bound


@pytest.mark.parametrize(("weights", "cdf"), [("random-3", "norm"), ("random_uniform-3", "uniform")])
def test_random__is_what_its_word_says(weights, cdf):
    model = nn.Sequential(nn.Linear(50, 100), nn.Conv1d(10, 30, 5), nn.Linear(3, 1, bias=False))
    apply_control(model, weights)
    for p in model.parameters():
        assert kstest(p.detach().numpy().ravel(), cdf).pvalue > 1e-3
    assert kstest(torch.cat([p.detach().flatten() for p in model.parameters()]).numpy(), cdf).pvalue > 1e-3


def test_permuted__keeps_the_entries_of_each_weight_in_the_order_of_the_seed():
    model = as_if_trained(nn.Sequential(nn.Conv1d(3, 4, 5), nn.Linear(6, 7)))
    before = weights_of(model)
    apply_control(model, "permuted-4")
    after = weights_of(model)
    torch.manual_seed(4)
    for name in ("0.bias", "0.weight", "1.bias", "1.weight"):
        was = before[name]
        assert torch.equal(after[name], was.flatten()[torch.randperm(was.numel())].reshape(was.shape))


def test_permuted__two_entries_are_exchanged_even_where_the_first_order_leaves_them():
    for seed in range(1, 9):
        model = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            model.weight.copy_(torch.tensor([[1.0, 2.0]]))
        assert apply_control(model, f"permuted-{seed}") == 2
        assert model.weight.tolist() == [[2.0, 1.0]]


def test_permuted__what_has_one_value_throughout_stays_and_is_not_counted():
    model = nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 5))
    assert 0 < apply_control(model, "permuted") <= 30
    assert model[0].weight.tolist() == [1.0] * 5
    assert apply_control(model, "scaled-2") == 35  # the bias of the norm is zero


def test_scaled__multiplies_each_weight_once():
    model = as_if_trained(convnet())
    before = weights_of(model)
    apply_control(model, "scaled-2.5")
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name] * 2.5)


def test_statistics__stay_but_for_reset():
    for weights in KINDS:
        model = as_if_trained(convnet())
        before = model[1].running_mean.clone(), model[1].running_var.clone()
        apply_control(model, weights)
        expected = (torch.zeros(6), torch.ones(6)) if weights.startswith("reset") else before
        assert torch.equal(model[1].running_mean, expected[0])
        assert torch.equal(model[1].running_var, expected[1])


class Tied(nn.Module):
    """An embedding whose weight is that of a layer with a bias of its own."""

    def __init__(self):
        super().__init__()
        self.embed, self.project = nn.Embedding(7, 3), nn.Linear(3, 7)
        self.project.weight = self.embed.weight


@pytest.mark.parametrize("weights", KINDS)
def test_shared_weight__changes_once_and_stays_shared(weights):
    model = as_if_trained(Tied())
    before = model.embed.weight.detach().clone()
    assert apply_control(model, weights) <= 28
    assert model.project.weight is model.embed.weight
    after = model.embed.weight.detach()
    if weights == "scaled-0.5":
        assert torch.equal(after, before * 0.5)
    assert not torch.equal(after, before)


def old_weight_norm(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(module, dim=2)


NORMALISED = {
    "weight_norm": lambda module: parametrizations.weight_norm(module, dim=2),
    "spectral_norm": parametrizations.spectral_norm,
    "old weight_norm": old_weight_norm,
    "old spectral_norm": nn.utils.spectral_norm,
}


@pytest.mark.parametrize("norm", NORMALISED)
@pytest.mark.parametrize("weights", KINDS)
@pytest.mark.parametrize("frozen", [False, True])
def test_normalised_weight__is_treated_as_the_weight_that_the_layer_uses(norm, weights, frozen):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), NORMALISED[norm](nn.Conv1d(8, 4, 3)), nn.Linear(6, 2)).eval()
    with torch.no_grad():
        for p in model[1].parameters():
            p.mul_(1.7)
    for p in model.parameters():
        p.requires_grad_(not frozen)
    model(sound := torch.randn(2, 8, 4))  # the old hooks compute the weight when it is used
    plain = nn.Sequential(nn.Linear(4, 8), nn.Conv1d(8, 4, 3), nn.Linear(6, 2)).eval()
    with torch.no_grad():
        for name, p in plain.named_parameters():
            p.copy_(getattr(model.get_submodule(name[0]), name[2:]))
    torch.testing.assert_close(model(sound), plain(sound))
    assert apply_control(model, weights) == apply_control(plain, weights)
    found, expected = weights_of(model), weights_of(plain)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], msg=name)
    torch.testing.assert_close(model(sound), plain(sound))


def test_positional_convolution_of_wav2vec2__scales_with_its_weight():
    model = as_if_trained(NETWORKS["wav2vec2"]()).eval()
    layer = model.encoder.pos_conv_embed.conv
    frames = torch.randn(1, 32, 40)
    with torch.no_grad():
        before = layer(frames) - layer.bias[:, None]
        apply_control(model, "scaled-3")
        torch.testing.assert_close(layer(frames) - layer.bias[:, None], 3 * before)


class WithLooseParameter(nn.Module):
    """A parameter that stands in no module that can be reset."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(2, 2)
        self.loose = nn.Parameter(torch.ones(3))


class ResetInPart(nn.Linear):
    """A layer that forgets one number of its bias when it is reset."""

    def reset_parameters(self):
        nn.init.ones_(self.weight)
        with torch.no_grad():
            self.bias[1:] = 0


def test_reset__parameter_that_nothing_resets_is_named_with_the_remedy():
    message = "WithLooseParameter: cannot reset loose; .* give one to the module that holds them"
    with pytest.raises(FeatureError, match=message):
        apply_control(WithLooseParameter(), "reset")
    with pytest.raises(FeatureError, match=r"Sequential: cannot reset 1\.bias;"):
        apply_control(nn.Sequential(nn.Linear(2, 2), ResetInPart(2, 2)), "reset")


@pytest.mark.parametrize("weights", KINDS)
def test_nothing_to_change__is_no_control(weights):
    with pytest.raises(
        FeatureError, match=r"ReLU: cannot reset any parameter|ReLU: \S+ left every parameter unchanged"
    ):
        apply_control(nn.ReLU(), weights)


def test_parameter_that_stays__is_named():
    """In half precision a factor near one leaves powers of two as they are, and no other numbers."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).bfloat16()
    with torch.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(torch.full_like(p, 1.9) if k == 0 else 2.0 ** torch.arange(p.numel()).reshape(p.shape))
    with pytest.raises(FeatureError, match=r"Sequential: scaled-1\.003 left 0\.bias, 1\.bias, 1\.weight unchanged"):
        apply_control(model, "scaled-1.003")


def test_only_controls_of_trained_weights__start_from_them():
    assert {kind for kind, control in CONTROLS.items() if control.starts_trained} == {"permuted", "scaled"}
    assert np.all([kind.startswith("projection") for kind in CONTROLS if kind not in map(kind_of, KINDS)])
