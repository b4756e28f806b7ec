"""What is said of each audio model type of transformers: its small configuration, its tower, its blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Kind:
    """A model type as people publish it, at small width."""

    model: str
    """Class that is published, with its head or its language model."""
    config: tuple[str, dict[str, Any]]
    """Class and arguments of its configuration."""
    blocks: tuple[str, ...]
    """Modules of the main stack in order, dotted names in the tower."""
    tower: str = ""
    """Where in the published model the part is that hears alone; empty for the whole."""
    extractor: tuple[str, dict[str, Any]] = ("Wav2Vec2FeatureExtractor", {})
    """Class and arguments of what prepares sounds."""
    prepare: dict[str, Any] = field(default_factory=dict)
    """Arguments that transformers documents for the call of the extractor."""
    names: dict[str, str | None] = field(default_factory=dict)
    """Arguments of the tower for the extractor's outputs whose names differ; None for outputs that it does not take."""
    hear: Callable[[Any, Any, dict[str, Any]], None] | None = None
    """Runs the part that hears, from the published model, the tower and the prepared sound; None for a plain call."""
    embed: Callable[[Any, Any], Any] | None = None
    """Gives the embeddings of a codec's codes, (batch, channel, time), from the tower and what it made of the sound."""
    layout: str = "frames"
    """``frames``, ``patches`` (with ``grid``), ``packed`` (no batch axis) or ``codec`` (channels before time)."""
    grid: str | None = None
    """How the tokens of patches follow each other, such as ``cls, distillation, frequency, time``."""
    window: float | None = None
    """Seconds that every sound is padded or cut to; None for any length."""
    rate: int = 16000
    """Sampling rate of the sound, in hertz."""
    part: tuple[str, str] | None = None
    """Class and settings of the part that hears, dotted, where the whole needs libraries that are not installed: its
    weights alone are written, under the names that they have in the whole."""
    beside: tuple[str, ...] = ()
    """Files of pickled settings that the whole model's loading asks for, empty here."""
    others: tuple[str, ...] = ()
    """Modules of the front end and of further stacks that give frames as well."""
    needs: tuple[str, ...] = ()
    """Libraries beyond the package's own without which sounds cannot be prepared."""


def numbered(pattern: str, n: int = 2) -> tuple[str, ...]:
    """Names of modules that are counted."""
    return tuple(pattern.format(i) for i in range(n))
