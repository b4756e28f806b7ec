"""Word error rates from benchmark folders to the table, with a network that has learnt a handful of utterances."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from distributed_trf.cli.app import app
from distributed_trf.config.analyses import load_word_errors
from distributed_trf.errors import ConfigError
from distributed_trf.features.families.wav2letter import KERNELS, STRIDES
from distributed_trf.features.modules.padded_convolutions import Wav2LetterNetwork
from distributed_trf.features.table import load_table
from distributed_trf.speech_recognition import word_errors
from distributed_trf.speech_recognition.recognisers import Wav2LetterRecogniser
from tests.speech_recognition import utterances

CONFIG = {"width": 24, "top_width": 32}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small Wav2Letter that has learnt by heart what the tones of ``utterances`` say."""
    torch.manual_seed(0)
    model = Wav2LetterNetwork([24] * 12 + [32] * 2 + [29], KERNELS, STRIDES)
    with torch.no_grad():  # so that the clamp leaves something to learn from
        for block in model.children():
            block.batch_norm.bias.fill_(0.5)
    sounds = torch.stack([torch.from_numpy(utterances.tone(k)).float() for k in range(3)])
    texts = [[Wav2LetterRecogniser.alphabet.index(c) for c in text.lower()] for text in utterances.WORDS.values()]
    lengths = torch.full((3,), sounds.shape[1])
    learn = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        scores, frames = model(sounds, lengths)
        loss = torch.nn.functional.ctc_loss(
            scores.log_softmax(-1).transpose(0, 1),
            torch.tensor([letter for text in texts for letter in text]),
            frames,
            torch.tensor([len(text) for text in texts]),
            blank=Wav2LetterRecogniser.blank,
        )
        learn.zero_grad()
        loss.backward()
        learn.step()
        if loss < 0.15:
            break
    with torch.no_grad():
        for block in model.children():
            block.batch_norm.momentum = 0.3
        for _ in range(30):  # settle the running statistics
            model(sounds, lengths)
    path = tmp_path_factory.mktemp("checkpoint") / "wav2letter.ckpt"
    torch.save({"state_dict": model.state_dict(), "epoch": 150}, path)
    return path


@pytest.fixture
def evaluation(tmp_path, monkeypatch, checkpoint):
    """A file that asks the network for two benchmarks, in a working directory with its table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs/networks").mkdir(parents=True)
    table = {**load_table("wav2letter").model_dump(), "name": "small", "config": CONFIG}
    (tmp_path / "configs/networks/small.yaml").write_text(yaml.safe_dump(table))
    content = {
        "output": "wer",
        "networks": [{"name": "small", "source": str(checkpoint)}],
        "benchmarks": [
            {"name": "clean", "format": "librispeech", "path": str(utterances.librispeech(tmp_path / "a"))},
            {"name": "talks", "format": "tedlium", "path": str(utterances.tedlium(tmp_path / "b"))},
        ],
        "batch": 2,
    }
    path = tmp_path / "wer.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_learnt_utterances__are_understood_and_strange_ones_are_not(evaluation):
    table = word_errors.word_error_rates(load_word_errors(evaluation)).set_index("benchmark")
    assert table.loc["clean", "wer"] == 0
    assert table.loc["clean", "words"] == 9
    # Of the talk, the first stretch is a tone that it knows, the last one that it never heard.
    assert table.loc["talks", "wer"] > 0
    assert table.loc["talks", "words"] == 3
    written = pd.read_csv("wer/word_error_rates.csv")
    assert written["wer"].tolist() == table["wer"].tolist()


def test_again__nothing_is_heard_twice(evaluation, monkeypatch):
    settings = load_word_errors(evaluation)
    before = word_errors.word_error_rates(settings)
    kept = next(settings.output.glob("clean/*.jsonl"))
    first, *others = kept.read_text().splitlines(keepends=True)
    kept.write_text(first + others[0][:10])  # killed while it wrote
    heard = []
    word_errors.word_error_rates(settings, lambda *told: heard.append(told))
    assert heard == [("small", "clean", 3, 3)]
    monkeypatch.setattr(word_errors, "open_recogniser", None)
    pd.testing.assert_frame_equal(word_errors.word_error_rates(settings), before)


def test_other_weights__are_heard_anew_and_nothing_is_lost(evaluation, checkpoint, tmp_path):
    word_errors.word_error_rates(load_word_errors(evaluation))
    state = torch.load(checkpoint)
    state["state_dict"]["conv15.batch_norm.bias"] += 30.0 * (torch.arange(29) == 1)
    torch.save(state, tmp_path / "other.ckpt")
    content = yaml.safe_load(evaluation.read_text())
    content["networks"][0]["source"] = str(tmp_path / "other.ckpt")
    evaluation.write_text(yaml.safe_dump(content))
    found = word_errors.word_error_rates(load_word_errors(evaluation)).set_index("benchmark")
    assert found.loc["clean", "wer"] == 100
    assert len(list((tmp_path / "wer/clean").glob("*.jsonl"))) == 2


def test_transcripts__say_what_was_understood(evaluation):
    word_errors.word_error_rates(load_word_errors(evaluation))
    (kept,) = (evaluation.parent / "wer/clean").glob("*.jsonl")
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["understood"] for line in lines] == [text.lower() for text in utterances.WORDS.values()]


def test_command__prints_the_table(evaluation):
    done = CliRunner().invoke(app, ["wer", str(evaluation)])
    assert done.exit_code == 0, done.output
    assert "small" in done.output
    assert "clean" in done.output
    assert "0.0" in done.output
    assert "word_error_rates.csv" in done.output.replace("\n", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": [{"name": "small"}, {"name": "small"}]}, "name a network or benchmark twice"),
        ({"benchmarks": [{"name": "x", "format": "switchboard", "path": "."}]}, "switchboard"),
        ({"batch": 0}, "batch"),
    ],
)
def test_file_that_cannot_be_used__is_refused(evaluation, change, message):
    evaluation.write_text(yaml.safe_dump({**yaml.safe_load(evaluation.read_text()), **change}))
    with pytest.raises(ConfigError, match=message):
        load_word_errors(evaluation)


def test_longer_than_a_network_takes__is_cut_and_counted():
    class Short:
        batches, max_samples = True, 100

        def __call__(self, sounds):
            return [str(sound.shape[0]) for sound in sounds]

    class Given:
        def __init__(self, n):
            self.n = n

        def read(self, sfreq):
            return np.zeros(self.n)

    batch = [word_errors.Utterance(str(n), Given(n), "x") for n in (100, 101)]
    found = word_errors._recognise(Short(), batch, 16_000)
    assert [(t.understood, t.cut) for t in found] == [("100", False), ("100", True)]
