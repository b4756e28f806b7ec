"""Recognisers understand what the published ways of decoding understand."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from transformers import (
    Speech2TextFeatureExtractor,
    Speech2TextForConditionalGeneration,
    Speech2TextProcessor,
    Speech2TextTokenizer,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

from distributed_trf.config.analyses import RecogniserSettings
from distributed_trf.errors import ConfigError, DeviceError, FeatureError
from distributed_trf.features.table import NetworkTable, load_table
from distributed_trf.speech_recognition.recognisers import (
    DeepSpeech2Recogniser,
    Wav2LetterRecogniser,
    greedy_ctc,
    open_recogniser,
)
from tests.speech_recognition import small_recognisers

RNG = np.random.default_rng(0)
SOUNDS = [0.1 * RNG.normal(size=n) for n in (9_000, 16_000, 12_345)]


def small_table(name, config):
    """The table of a shipped network at small size; its layers are not looked at."""
    return NetworkTable.model_validate({**load_table(name).model_dump(), "config": config})


CONFIGS = {
    "wav2vec2": small_recognisers.WAV2VEC2,
    "speech2text": {**small_recognisers.SEQ2SEQ, "conv_channels": 16},
    "whisper_tiny": small_recognisers.SEQ2SEQ,
    "whisper_large_v3": {**small_recognisers.SEQ2SEQ, "num_mel_bins": 128},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("recognisers")
    return {
        "wav2vec2": small_recognisers.wav2vec2(root / "wav2vec2"),
        "speech2text": small_recognisers.speech2text(root / "speech2text"),
        "whisper_tiny": small_recognisers.whisper(root / "whisper"),
        "whisper_large_v3": small_recognisers.whisper(root / "whisper_of_128_bands", 128),
    }


def opened(name, source):
    return open_recogniser(small_table(name, CONFIGS[name]), RecogniserSettings(name=name, source=str(source)), "cpu")


def test_wav2vec2__is_the_best_symbol_of_each_frame(folders):
    model = Wav2Vec2ForCTC.from_pretrained(folders["wav2vec2"]).eval()
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(folders["wav2vec2"])
    found = opened("wav2vec2", folders["wav2vec2"])(SOUNDS)
    for sound, text in zip(SOUNDS, found, strict=True):
        values = Wav2Vec2FeatureExtractor()(sound, sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            best = model(values).logits[0].argmax(-1).tolist()
        spelt = "".join(tokenizer.convert_ids_to_tokens([b for k, b in enumerate(best) if k == 0 or best[k - 1] != b]))
        plain = spelt.replace("<pad>", "").replace("|", " ").replace("<s>", "").replace("</s>", "").strip()
        assert text.replace("<s>", "").replace("</s>", "").split() == plain.split()
    assert len(set(found)) == 3


def test_speech2text__generates_as_transformers_does(folders):
    model = Speech2TextForConditionalGeneration.from_pretrained(folders["speech2text"]).eval()
    tokenizer = Speech2TextTokenizer.from_pretrained(folders["speech2text"])
    processor = Speech2TextProcessor(Speech2TextFeatureExtractor(), tokenizer)
    found = opened("speech2text", folders["speech2text"])(SOUNDS)
    for sound, text in zip(SOUNDS, found, strict=True):
        inputs = processor(sound, sampling_rate=16_000, return_tensors="pt")
        tokens = model.generate(inputs["input_features"], attention_mask=inputs["attention_mask"], max_new_tokens=200)
        assert processor.batch_decode(tokens, skip_special_tokens=True) == [text]
    assert any(found)


@pytest.mark.parametrize(("name", "bands"), [("whisper_tiny", 80), ("whisper_large_v3", 128)])
def test_whisper__generates_as_transformers_does_one_by_one(folders, name, bands):
    model = WhisperForConditionalGeneration.from_pretrained(folders[name]).eval()
    tokenizer = WhisperTokenizer.from_pretrained(folders[name])
    found = opened(name, folders[name])(SOUNDS)
    extractor = WhisperFeatureExtractor(feature_size=bands)
    for sound, text in zip(SOUNDS, found, strict=True):
        mel = extractor(sound, sampling_rate=16_000, return_tensors="pt").input_features
        tokens = model.generate(mel, max_new_tokens=400, language="en", task="transcribe")
        assert tokenizer.decode(tokens[0], skip_special_tokens=True) == text
    assert any(found)


def test_wav2vec2__hears_as_its_folder_says(folders, tmp_path):
    folder = shutil.copytree(folders["wav2vec2"], tmp_path / "w")
    (folder / "preprocessor_config.json").write_text('{"do_normalize": false}')
    soft = [0.01 * sound for sound in SOUNDS]  # of louder ones the first norm leaves no difference
    assert opened("wav2vec2", folder)(soft) != opened("wav2vec2", folders["wav2vec2"])(soft)


def test_greedy_ctc__drops_repeats_and_blanks():
    symbols = [3, 0, 0, 3, 1, 1, 3, 1, 2, 2, 3]
    assert greedy_ctc(np.eye(4)[symbols], "ab _", 3) == "abb "


def test_alphabets__are_the_published_ones():
    assert DeepSpeech2Recogniser.alphabet == "_'ABCDEFGHIJKLMNOPQRSTUVWXYZ "
    assert DeepSpeech2Recogniser.alphabet[DeepSpeech2Recogniser.blank] == "_"
    assert Wav2LetterRecogniser.alphabet[:28] == "' abcdefghijklmnopqrstuvwxyz"
    assert len(DeepSpeech2Recogniser.alphabet) == len(Wav2LetterRecogniser.alphabet) == 29


def test_network_that_recognises_nothing__is_refused():
    with pytest.raises(ConfigError, match=r"cochcnn9 \(family cochlear\) recognises no speech here; families that do"):
        open_recogniser(load_table("cochcnn9"), RecogniserSettings(name="cochcnn9"), "cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_that_is_not_there__is_refused(folders):
    table = small_table("wav2vec2", CONFIGS["wav2vec2"])
    settings = RecogniserSettings(name="wav2vec2", source=str(folders["wav2vec2"]))
    with pytest.raises(DeviceError, match="finds no GPU"):
        open_recogniser(table, settings, "cuda")


def test_folder_without_vocabulary__is_named(folders, tmp_path):
    folder = shutil.copytree(folders["wav2vec2"], tmp_path / "w")
    for file in ("vocab.json", "tokenizer_config.json"):
        (folder / file).unlink()
    with pytest.raises(FeatureError, match="the vocabulary of a Wav2Vec2CTCTokenizer cannot be read"):
        opened("wav2vec2", folder)


def test_folder_without_head__is_named(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders["wav2vec2"], tmp_path / "w")
    state = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.startswith("lm_head")}
    save_file(state, folder / "model.safetensors")
    with pytest.raises(FeatureError, match=r"2 missing: lm_head\.weight, lm_head\.bias"):
        opened("wav2vec2", folder)
