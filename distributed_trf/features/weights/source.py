"""Where a network's weights come from.

Weights of the Hugging Face hub as a folder on this machine.

Whether trained weights are on this machine, without loading them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from distributed_trf.config.extraction import FIXED, PROJECTIONS, SEEDED, TRAINED, NetworkSettings, Weights, kind_of
from distributed_trf.errors import FeatureError
from distributed_trf.features.network_table import NetworkTable
from distributed_trf.features.weights.preprocessor import FILES, heard_as, told_beside
from distributed_trf.store.fingerprint import digest_file, file_stamps

UNTRAINED = frozenset(SEEDED) - {"permuted"}
"""Kinds of weights that owe nothing to trained ones."""


def weights_source(table: NetworkTable, settings: NetworkSettings) -> tuple[str, str | None]:
    """Return folder, file or hub id, and revision, of the trained weights.

    Raises
    ------
    FeatureError
        If a hub id comes without the commit that pins it.
    """
    source, revision = (settings.source, settings.revision) if settings.source else (table.source, table.revision)
    if source is None:
        raise FeatureError(
            f"{table.name}: no trained weights are known; give their folder or file as `source` in the study"
        )
    if not Path(source).exists() and revision is None:
        raise FeatureError(
            f"{table.name}: source {source!r} is no folder or file here, and a hub id needs the commit to load as "
            "`revision`"
        )
    return source, revision


def weights_identity(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> Any:
    """Describe what fixes the weights, for fingerprints: content of the files, pinned commit, or architecture.

    How the network hears is part of it, where the folder of its weights says it.
    Of a projection it is the widths of all layers: those that a study does not ask for lie before those that it does.
    """
    kind = kind_of(weights)
    if kind == FIXED:
        return FIXED
    if kind in PROJECTIONS:
        return {"weights": weights, "widths": [layer.width for layer in table.layers]}
    try:
        heard = heard_as(table, settings)
        if kind in UNTRAINED:
            return {"weights": weights, "config": table.config} | ({"hears": heard} if heard else {})
        source, revision = weights_source(table, settings)
    except FeatureError as error:
        return {"unavailable": str(error)}  # the work item says so when it runs, and others go on
    trained: dict[str, Any] = (
        {file.name: digest_file(file) for file in weights_files(Path(source))}
        if Path(source).exists()
        else {"hub": source, "revision": revision}
    )
    trained |= {"config": table.config} | ({"hears": heard} if heard else {})
    return trained if kind == TRAINED else {"weights": weights, "trained": trained}


def weights_stamps(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> list[list[Any]]:
    """Name, size and time of the files that a network is built from: quick to take before it is used again."""
    source = settings.source or table.source
    if kind_of(weights) == FIXED or source is None or not Path(source).exists():
        return []
    if kind_of(weights) in UNTRAINED:
        return file_stamps([file for name in FILES if (file := Path(source) / name).is_file()])
    return file_stamps(weights_files(Path(source)))


def weights_files(source: Path) -> list[Path]:
    """Return the files that fix a network: a file itself, or of a folder its weights and configuration."""
    if source.is_file():
        return [source]
    kinds = ("*.safetensors", "*.bin", "*.json")
    return sorted(file for kind in kinds for file in source.glob(kind))


SAFE = ["config.json", *FILES, "model*.safetensors", "model.safetensors.index.json"]
PICKLED = ["config.json", *FILES, "pytorch_model.bin"]
"""What is fetched of a hub, and what where that brings no weights."""


def weights_folder(table: NetworkTable, settings: NetworkSettings, *, beside: Sequence[str] = ()) -> Path:
    """Return the folder of a network's trained weights, downloaded first where the source is a hub id.

    Of the hub only the configurations and the weights are fetched, the pickled ones where there are no others, and what
    ``beside`` names: patterns of further files.

    Raises
    ------
    FeatureError
        If the source is a single file, cannot be downloaded, or hears otherwise than the table says: weights that are
        not trained are heard without a download, and must be heard in the same way.
    """
    source, revision = weights_source(table, settings)
    if Path(source).is_dir():
        return Path(source)
    if Path(source).is_file():
        raise FeatureError(
            f"{table.name}: {source} is a file, expected the folder that holds config.json and the weights; give that "
            "as `source` in the study"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()  # workers have no terminal of their own
    try:
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=[*SAFE, *beside]))
        if not list(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(source, revision=revision, allow_patterns=[*PICKLED, *beside]))
    except Exception as error:  # of the connection, the hub's answer or the disk
        raise FeatureError(
            f"{table.name}: trained weights could not be loaded from {source!r} at revision {revision}: {error}. "
            "Without internet, download them elsewhere and give their folder as `source` in the study"
        ) from error
    told = told_beside(table, folder)
    if told:
        raise FeatureError(
            f"{folder}: the network hears with {told}, which network table {table.name} does not say; add it to "
            "`extractor_options` of a table of family transformers, or give this folder as `source` in the study"
        )
    return folder


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
