"""What hears sound in models of transformers, and how its sound is prepared, from their files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.families.weightless import weightless
from distributed_trf.features.probe.special_models import SPECIAL_MODELS
from distributed_trf.features.probe.tower import audio_tower
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.transformers_internals import config_class

WIDTHS = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 24}
WAV2VEC2 = {
    **{"conv_dim": [8] * 7, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
    **{"intermediate_size": 24, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
}
SMALL = {
    "hubert": {"model_type": "hubert", **WAV2VEC2},
    "wavlm": {"model_type": "wavlm", **WAV2VEC2},
    "whisper": {"model_type": "whisper", **WIDTHS, "decoder_layers": 1, "decoder_attention_heads": 2, "vocab_size": 9,
                "decoder_ffn_dim": 24, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
                "decoder_start_token_id": 0},
    "speecht5": {"model_type": "speecht5", **WAV2VEC2, "encoder_layers": 1, "encoder_attention_heads": 2,
                 "encoder_ffn_dim": 24},
    "qwen2_audio": {"model_type": "qwen2_audio", "audio_config": {"model_type": "qwen2_audio_encoder", **WIDTHS}},
    "qwen2_5_omni": {"model_type": "qwen2_5_omni",
                     "thinker_config": {"audio_config": {**WIDTHS, "output_dim": 8, "num_mel_bins": 16}}},
    "seamless_m4t": {"model_type": "seamless_m4t", "hidden_size": 16, "speech_encoder_layers": 1,
                     "speech_encoder_attention_heads": 2, "speech_encoder_intermediate_size": 24,
                     "num_adapter_layers": 1},
    "parakeet_ctc": {"model_type": "parakeet_ctc",
                     "encoder_config": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                                        "intermediate_size": 24, "subsampling_conv_channels": 4}},
    "mimi": {"model_type": "mimi", "num_filters": 2, "hidden_size": 16, "num_hidden_layers": 1, "codebook_dim": 4,
             "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 24,
             "upsample_groups": 16, "num_quantizers": 2, "codebook_size": 4, "vector_quantization_hidden_dimension": 4},
    "encodec": {"model_type": "encodec", "num_filters": 2, "hidden_size": 8, "codebook_size": 4, "codebook_dim": 8,
                "audio_channels": 2, "chunk_length_s": 0.5, "overlap": 0.01, "sampling_rate": 48_000},
}  # fmt: skip


def tower(kind, preprocessor=None, **changes):
    return audio_tower({"model_type": kind, **SMALL.get(kind, {}), **changes}, preprocessor, "someone/it")


def table_of(found):
    config = {"class": found.model, "architecture": found.architecture, "extractor": found.extractor,
              "extractor_options": found.extractor_options, "part": found.part}  # fmt: skip
    config |= {} if found.run is None else {"run": found.run}
    layer = {"id": 0, "name": "", "type": "transformer", "width": 1, "rate": 1}
    return NetworkTable.model_validate(
        {"name": "it", "family": "transformers", "sfreq": found.sfreq, "window": found.window, "config": config,
         "layers": [layer]}
    )  # fmt: skip


# What hears


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hubert", ("HubertModel", "", None, "Wav2Vec2FeatureExtractor", 16_000, None)),
        ("wav2vec2-bert", ("Wav2Vec2BertModel", "", None, "SeamlessM4TFeatureExtractor", 16_000, None)),
        ("whisper", ("WhisperModel", "", "encoder", "WhisperFeatureExtractor", 16_000, 30)),
        ("speech_to_text", ("Speech2TextModel", "", "encoder", "Speech2TextFeatureExtractor", 16_000, None)),
        ("moonshine", ("MoonshineModel", "", "encoder", "Wav2Vec2FeatureExtractor", 16_000, None)),
        ("speecht5", ("SpeechT5EncoderWithSpeechPrenet", "", None, "SpeechT5FeatureExtractor", 16_000, None)),
        ("seamless_m4t", ("SeamlessM4TSpeechEncoder", "", None, "SeamlessM4TFeatureExtractor", 16_000, None)),
        ("audio-spectrogram-transformer", ("ASTModel", "", None, "ASTFeatureExtractor", 16_000, 10.24)),
        ("clap", ("ClapAudioModel", "audio_config", None, "ClapFeatureExtractor", 48_000, 10)),
        ("qwen2_audio", ("Qwen2AudioEncoder", "audio_config", None, "WhisperFeatureExtractor", 16_000, 30)),
        ("qwen2_5_omni", ("Qwen2_5OmniAudioEncoder", "thinker_config.audio_config", None, "WhisperFeatureExtractor",
                          16_000, None)),
        ("parakeet_ctc", ("ParakeetEncoder", "encoder_config", None, "ParakeetFeatureExtractor", 16_000, None)),
        ("musicgen", ("EncodecModel", "audio_encoder", None, "EncodecFeatureExtractor", 24_000, None)),
        ("kyutai_speech_to_text", ("MimiModel", "codec_config", None, "EncodecFeatureExtractor", 24_000, None)),
        ("moshi", ("MimiModel", "audio_encoder_config", None, "EncodecFeatureExtractor", 24_000, None)),
        ("pe_audio_video", ("PeAudioEncoder", "audio_video_config.audio_config", None, "PeAudioFeatureExtractor",
                            48_000, None)),
        ("qwen2_audio_encoder", ("Qwen2AudioEncoder", "", None, "WhisperFeatureExtractor", 16_000, 30)),
    ],
)  # fmt: skip
def test_tower__is_the_class_that_hears(kind, expected):
    found = tower(kind)
    assert (found.model, found.part, found.run, found.extractor, found.sfreq, found.window) == expected


def test_architecture__is_what_differs_in_parts_as_well():
    inner = {"model_type": "dac", "encoder_hidden_size": 4}
    said = {"hidden_size": 64, "hidden_act": "silu", "dtype": "bfloat16", "dac_config": inner}
    found = tower("pe_audio", audio_config=said)
    assert found.architecture["hidden_size"] == 64
    assert found.architecture["dac_config"]["encoder_hidden_size"] == 4
    assert {"hidden_act", "dtype"}.isdisjoint(found.architecture)
    made = config_class("pe_audio_encoder")
    assert made(**found.architecture).to_dict() == made(**{**said, "dtype": None}).to_dict()


def test_special_models__have_each_a_reason_and_a_type_of_transformers():
    assert all(special.why and config_class(kind) is not None for kind, special in SPECIAL_MODELS.items())


# How sounds are prepared


def test_extractor__is_the_one_of_the_file_with_what_differs():
    said = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": False, "feature_size": 1,
            "return_attention_mask": True, "sampling_rate": 8_000}  # fmt: skip
    found = tower("hubert", said)
    assert (found.extractor_options, found.sfreq, found.notes) == ({"do_normalize": False}, 8_000, ())
    assert tower("wav2vec2-bert", said).extractor == "Wav2Vec2FeatureExtractor"


def test_extractor__without_a_file_follows_the_model_and_is_said():
    found = tower("whisper", num_mel_bins=128, max_source_positions=500)
    assert found.extractor_options == {"feature_size": 128, "chunk_length": 10}
    assert found.window == 10
    assert found.notes == (
        "There is no preprocessor_config.json: sounds are prepared by WhisperFeatureExtractor with feature_size 128, "
        "chunk_length 10 and otherwise its defaults",
    )
    assert tower("clap", audio_config={"enable_fusion": True}).extractor_options == {}
    assert tower("clap").extractor_options == {"truncation": "rand_trunc"}


def test_noise__is_off_and_said():
    found = tower("whisper", {"dither": 0.1})
    assert found.extractor_options == {"dither": 0.0}
    assert found.notes == ("WhisperFeatureExtractor would add noise to sounds (dither); it is off",)


def test_codec_in_a_larger_model__hears_no_delay():
    said = {"feature_extractor_type": "KyutaiSpeechToTextFeatureExtractor", "audio_delay_seconds": 0.5,
            "sampling_rate": 24_000}  # fmt: skip
    found = tower("kyutai_speech_to_text", said)
    assert (found.extractor, found.extractor_options) == ("EncodecFeatureExtractor", {})
    assert "delays sounds" in found.notes[0]


# What is refused


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "bert"}, r"someone/it: a model of type bert hears no sound: BertModel takes input_ids"),
        ({"model_type": "vit"}, r"type vit hears no sound: ViTModel takes pixel_values"),
        ({"model_type": "vision-encoder-decoder"}, r"hears no sound: ViTModel takes pixel_values"),
        ({"model_type": "gemma4", "audio_config": None}, r"hears no sound without audio_config"),
        ({"model_type": "univnet"}, r"univnet makes sound of a spectrogram and random noise, and hears none"),
        ({"model_type": "clvp"}, r"hears no sound itself; choose a model that hears sound"),
        ({"model_type": "mert", "auto_map": {"AutoModel": "mert.Mert"}}, r"Python code of its own \(auto_map\), which"),
        ({"model_type": "mert"}, r"config\.json, model_type 'mert': transformers \S+ has no model of that type"),
        ({}, r"config\.json has no model_type"),
        ({"model_type": "qwen2_audio", "audio_config": 3}, r"config\.json, audio_config: 3, expected settings"),
        ({"model_type": "qwen2_audio", "audio_config": {"model_type": "x"}}, r"audio_config, model_type 'x': transf"),
        ({"model_type": "hubert", "hidden_size": "wide"}, r"config\.json: not a configuration of HubertConfig"),
    ],
)
def test_model_that_cannot_be_heard_through__is_refused_with_the_reason(config, message):
    with pytest.raises(FeatureError, match=message):
        audio_tower(config, None, "someone/it")


@pytest.mark.parametrize(
    ("kind", "preprocessor", "message"),
    [
        ("encodec", {"sampling_rate": 24_000}, r"says sampling_rate 48000, but .* extractor say 24000"),
        ("hubert", {"sampling_rate": "16 kHz"}, r"sampling_rate of the extractor is '16 kHz', expected hertz"),
        ("whisper", {"chunk_length": 20}, r"max_source_positions 1500, but .* chunk_length 20"),
        ("audio-spectrogram-transformer", {"max_length": 512}, r"max_length 1024, but .* max_length 512"),
    ],
)
def test_files_that_contradict_each_other__are_named(kind, preprocessor, message):
    with pytest.raises(FeatureError, match=message):
        tower(kind, preprocessor)


def test_class_that_needs_another_library__is_named():
    from importlib.util import find_spec

    if find_spec("torchaudio") is not None:
        pytest.skip("torchaudio is installed")
    with pytest.raises(ConfigError, match=r"FeatureExtractor of transformers needs torchaudio, which is not installed"):
        tower("fun_asr_nano")


# Forward passes


def heard(model, run, sounds, device="cpu"):
    outputs = []
    module = model.get_submodule(run) if run else model
    handle = module.register_forward_hook(lambda _module, _given, output: outputs.append(output))
    with torch.no_grad():
        UserTransformer().run(model, sounds, device, torch.float32)
    handle.remove()
    (output,) = outputs
    while not torch.is_tensor(output):
        output = output[0]
    return output


@pytest.mark.parametrize("kind", SMALL)
def test_sounds_of_one_length__are_heard_as_each_alone(kind):
    found = tower(kind)
    table = table_of(found)
    torch.manual_seed(0)
    model = UserTransformer().new(table).eval()
    sounds = list(np.random.default_rng(0).standard_normal((2, round(0.8 * found.sfreq))))
    together = heard(model, found.run, sounds)
    for k, sound in enumerate(sounds):
        alone = heard(model, found.run, [sound])
        if kind in ("encodec",):  # codes, (quantiser, batch, ...), of frames that are heard whole
            assert torch.equal(together[:, k : k + 1], alone)
        elif kind == "qwen2_5_omni":  # packed
            assert torch.allclose(together[k * len(alone) : (k + 1) * len(alone)], alone, atol=1e-5)
        else:
            assert torch.allclose(together[k : k + 1], alone, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(SMALL.keys() - {"qwen2_5_omni", "mimi", "encodec"}))
def test_shapes_alone__are_those_with_numbers(kind):
    found = tower(kind)
    table, family = table_of(found), UserTransformer()
    sound = np.random.default_rng(0).standard_normal(round(0.8 * found.sfreq))
    with torch.device("meta"):
        model = family.new(table).eval()
    shape = heard(model, found.run, [sound], "meta").shape
    assert shape == heard(family.new(table).eval(), found.run, [sound]).shape


@pytest.mark.parametrize("kind", ["qwen2_5_omni", "mimi", "encodec", "hubert"])
def test_weightless_network__gives_the_same_shapes(kind):
    found = tower(kind)
    table, family = table_of(found), UserTransformer()
    sound = np.random.default_rng(0).standard_normal(round(0.8 * found.sfreq))
    model = weightless(lambda: family.new(table)).eval()
    assert all(parameter.untyped_storage().nbytes() <= 8 for parameter in model.parameters())
    assert heard(model, found.run, [sound]).shape == heard(family.new(table).eval(), found.run, [sound]).shape


@pytest.mark.parametrize(("kind", "n_samples"), [("hubert", 200), ("seamless_m4t", 100)])
def test_sound_that_is_too_short__is_named(kind, n_samples):
    found = tower(kind)
    model = UserTransformer().new(table_of(found)).eval()
    with pytest.raises(FeatureError, match=rf"it cannot take a sound of {n_samples} samples .* Leave the stimulus or"):
        heard(model, found.run, [np.zeros(n_samples)])


def test_extractor_that_does_not_fit_the_model__is_named():
    table = table_of(tower("hubert"))
    table = table.model_copy(update={"config": {**table.config, "class": "Dots3NoteAudioModel", "architecture": {}}})
    with torch.device("meta"):
        model = UserTransformer().new(table).eval()
    with pytest.raises(
        FeatureError, match=r"Dots3NoteAudioModel needs chunk_sample_lengths, which Wav2Vec2FeatureExtractor gives not"
    ):
        heard(model, None, [np.zeros(16_000)], "meta")
