"""Whisper's encoder through transformers: every layer in one pass, no text is generated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.config.study import NetworkSettings, Weights
from distributed_trf.errors import DeviceError, FeatureError, MissingExtraError
from distributed_trf.features.hooks import recorded
from distributed_trf.features.mel import WHISPER_SFREQ, check_whisper_length, whisper_feature_extractor
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights import reset, weights_source

FRAME = 0.02
"""Seconds per frame of the encoder; its first convolution has two frames in that time."""


class Whisper:
    """Networks of the architecture of Radford et al. (2022)."""

    libraries: tuple[str, ...] = ("torch", "transformers", "scipy")

    def n_frames(self, layer: Layer, n_samples: int) -> int:
        """Keep ``int((seconds + 0.01) / 0.02)`` frames at 50 Hz, twice that at 100 Hz (Ahmed et al. 2025)."""
        check_whisper_length(n_samples)
        return int((n_samples / WHISPER_SFREQ + FRAME / 2) / FRAME) * round(layer.rate * FRAME)

    def work(self, table: NetworkTable, n_sounds: int) -> tuple[float, int]:
        """Count the encoder's products over its 30-s window; memory is the weights and one block's activations."""
        c = table.config
        d, ffn, depth, frames = c["d_model"], c["encoder_ffn_dim"], c["encoder_layers"], c["max_source_positions"]
        convolutions = 2.0 * 3 * (2 * frames * c["num_mel_bins"] * d + frames * d * d)
        blocks = depth * (2.0 * frames * (4 * d * d + 2 * d * ffn) + 4.0 * frames * frames * d)
        weights = c["vocab_size"] * d + 2 * depth * (8 * d * d + 2 * d * ffn)
        # Kept for the hooks: two frames of the first convolution and one of each other layer; in hand: one block.
        activations = n_sounds * frames * ((depth + 3) * d + 2 * ffn + 4 * d)
        return n_sounds * (convolutions + blocks), 4 * (weights + activations)

    def build(self, table: NetworkTable, settings: NetworkSettings, weights: Weights, device: str) -> WhisperNetwork:
        """Load trained weights (safetensors only) or build the untrained control from the table's configuration."""
        try:
            import torch
            from transformers import WhisperConfig, WhisperModel
        except ImportError as error:
            raise MissingExtraError("transformers", "models") from error
        if device != "cpu" and not torch.cuda.is_available():
            raise DeviceError(f"device {device!r} was asked for, but torch {torch.__version__} finds no GPU")
        if weights == "trained":
            model = _load(WhisperModel, table, settings)
        else:
            model = WhisperModel(WhisperConfig(**table.config))
            reset(model, settings.seed)
        return WhisperNetwork(model.to(device).eval(), device)


class WhisperNetwork:
    """A built Whisper that returns the layers of its encoder."""

    def __init__(self, model: Any, device: str) -> None:
        self._model = model
        self._device = device
        self._extractor = whisper_feature_extractor()

    def __call__(self, sounds: Sequence[np.ndarray], layers: Sequence[Layer]) -> dict[int, list[np.ndarray]]:
        """Hear a batch. Whisper pads every sound to 30 s, so a batch gives what each sound gives alone."""
        import torch

        mel = self._extractor(list(sounds), sampling_rate=WHISPER_SFREQ, return_tensors="pt").input_features
        with torch.inference_mode(), recorded(self._model, [layer.name for layer in layers]) as outputs:
            self._model.encoder(mel.to(self._device))
        features = {}
        for layer in layers:
            out = outputs[layer.name].float().cpu().numpy()  # (sound, channel, frame) of a convolution
            features[layer.id] = list(out.transpose(0, 2, 1) if layer.type == "conv" else out)
        return features


def _load(model_class: Any, table: NetworkTable, settings: NetworkSettings) -> Any:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # workers have no terminal of their own
    source, revision = weights_source(table, settings)
    if Path(source).is_dir() and not list(Path(source).glob("*.safetensors")):
        raise FeatureError(
            f"{source}: no *.safetensors file here; pickled weights are never read. Convert them once with "
            "model.save_pretrained(folder)"
        )
    try:
        model, info = model_class.from_pretrained(
            source,
            revision=revision,
            use_safetensors=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # named below, where the encoder's count and the decoder's do not
        )
    except Exception as error:
        raise FeatureError(
            f"{table.name}: trained weights could not be loaded from {source!r}"
            f"{f' at revision {revision}' if revision else ''}: {error}. Without internet, download them elsewhere and "
            "give their folder as `source` in the study"
        ) from error
    keys = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    wrong = sorted(key for key in keys if key.startswith("encoder."))
    if wrong:
        raise FeatureError(
            f"{source}: {len(wrong)} encoder weights are missing or of another shape than its config.json says: "
            f"{', '.join(wrong[:5])}; give a folder with a whole Whisper as `source` in the study"
        )
    return model
