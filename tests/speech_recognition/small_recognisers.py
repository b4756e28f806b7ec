"""Folders of small recognisers of the published architectures, with vocabularies of their own."""

from __future__ import annotations

import json
import string
from pathlib import Path

import sentencepiece
import torch
from transformers import (
    GenerationConfig,
    Speech2TextConfig,
    Speech2TextForConditionalGeneration,
    Speech2TextTokenizer,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperForConditionalGeneration,
    WhisperTokenizer,
)

WAV2VEC2 = {
    "conv_dim": [8] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
SEQ2SEQ = {
    "d_model": 16,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "init_std": 1.0,
}
SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|fr|>", "<|transcribe|>", "<|translate|>",
           "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")  # fmt: skip


def wav2vec2(folder: Path) -> Path:
    """wav2vec 2.0 with the 32 symbols of the published one."""
    folder.mkdir()
    symbols = ["<pad>", "<s>", "</s>", "<unk>", "|", *string.ascii_uppercase, "'"]
    (folder / "vocab.json").write_text(json.dumps({symbol: k for k, symbol in enumerate(symbols)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    torch.manual_seed(0)
    Wav2Vec2ForCTC(Wav2Vec2Config(**WAV2VEC2, vocab_size=32)).save_pretrained(folder)
    return folder


def speech2text(folder: Path) -> Path:
    """Speech2Text with pieces of a few words."""
    folder.mkdir()
    words = folder / "words.txt"
    words.write_text("hello world\nit is twenty five\nmister jones colour\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(words), model_prefix=str(folder / "sp"), vocab_size=40, model_type="bpe", minloglevel=2
    )
    (folder / "sp.model").rename(folder / "sentencepiece.bpe.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sentencepiece.bpe.model"))
    known = ["<s>", "<pad>", "</s>", "<unk>", *(pieces.id_to_piece(k) for k in range(3, pieces.get_piece_size()))]
    (folder / "vocab.json").write_text(json.dumps({piece: k for k, piece in enumerate(known)}))
    Speech2TextTokenizer(
        str(folder / "vocab.json"), str(folder / "sentencepiece.bpe.model")
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    config = Speech2TextConfig(**SEQ2SEQ, conv_channels=16, conv_kernel_sizes=[5, 5], vocab_size=len(known))
    model = Speech2TextForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, num_beams=2
    )
    model.save_pretrained(folder)
    return folder


def whisper(folder: Path, bands: int = 80) -> Path:
    """Whisper with single bytes for pieces."""
    folder.mkdir()
    letters = [*string.ascii_lowercase, "Ġ", "'"]
    vocabulary = {piece: k for k, piece in enumerate([*letters, *SPECIAL])}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL[1:])})
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            **SEQ2SEQ, num_mel_bins=bands, vocab_size=len(vocabulary), pad_token_id=vocabulary["<|endoftext|>"]
        )
    )
    model.generation_config = GenerationConfig(
        is_multilingual=True,
        lang_to_id={"<|en|>": vocabulary["<|en|>"], "<|fr|>": vocabulary["<|fr|>"]},
        task_to_id={"transcribe": vocabulary["<|transcribe|>"], "translate": vocabulary["<|translate|>"]},
        no_timestamps_token_id=vocabulary["<|notimestamps|>"],
        decoder_start_token_id=vocabulary["<|startoftranscript|>"],
        bos_token_id=vocabulary["<|endoftext|>"],
        eos_token_id=vocabulary["<|endoftext|>"],
        pad_token_id=vocabulary["<|endoftext|>"],
        max_length=448,
    )
    model.save_pretrained(folder)
    return folder
