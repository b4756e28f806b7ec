"""Whether trained weights are on this machine, without loading them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.source import weights_files, weights_source

HUB_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""One of them is in the cache once weights were downloaded."""


class Place(StrEnum):
    """Where trained weights are."""

    FIXED = "fixed"
    """Nowhere: a spectrogram has none."""
    HERE = "here"
    """A file or folder."""
    CACHED = "cached"
    """In the local cache of the Hugging Face hub."""
    HUB = "on hub"
    """Not on this machine yet."""
    MISSING = "missing"


@dataclass(frozen=True)
class AtHand:
    """What is known of a network's trained weights."""

    place: Place
    told: str
    """Where exactly, or what to do."""


def weights_at_hand(table: NetworkTable, settings: NetworkSettings) -> AtHand:
    """Say where the trained weights are that a study would load; nothing is read or downloaded.

    Parameters
    ----------
    table
        The network.
    settings
        What a study says of it; its ``source`` comes before the table's.
    """
    if table.is_spectrogram:
        return AtHand(Place.FIXED, "a spectrogram has none")
    try:
        source, revision = weights_source(table, settings)
    except FeatureError as error:
        return AtHand(Place.MISSING, str(error).removeprefix(f"{table.name}: "))
    if Path(source).exists():
        if any(file.suffix != ".json" for file in weights_files(Path(source))):
            return AtHand(Place.HERE, source)
        return AtHand(Place.MISSING, f"{source} holds no weights; give another `source` in the study")
    pinned = f"{source} at {revision}"
    if _is_cached(source, str(revision)):
        return AtHand(Place.CACHED, pinned)
    return AtHand(Place.HUB, f"{pinned}, not downloaded yet")


def _is_cached(source: str, revision: str) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return False
    try:
        found = [try_to_load_from_cache(source, file, revision=revision) for file in HUB_FILES]
    except HFValidationError:  # no name that a hub has
        return False
    return any(isinstance(path, str) for path in found)
