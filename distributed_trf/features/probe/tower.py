"""Which class of transformers hears sound in a model, and how its sound is prepared, from the model's own files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tower:
    """The part of a model that hears sound."""

    model: str
    """Class of transformers without head, such as ``HubertModel`` or ``Qwen2AudioEncoder``."""
    part: str
    """Where its settings are in ``config.json``, dotted, such as ``thinker_config.audio_config``; empty for the whole."""
    run: str | None
    """Module to run instead of the whole, such as ``encoder``."""
    architecture: dict[str, Any]
    """Settings that differ from the defaults of the class."""
    extractor: str | None
    """Class that prepares sounds; None if the model takes samples as they are."""
    extractor_options: dict[str, Any]
    """Arguments of that class that differ from its defaults."""
    sfreq: float
    """Sampling rate of the sound, in hertz."""
    window: float | None
    """Seconds that every sound is padded to; None for any length."""
