"""Sources of weights: folders, files and the Hugging Face hub; downloads, and which weights are available here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from distributed_trf.config.extraction import FIXED, SEEDED, NetworkSettings, Weights, kind_of
from distributed_trf.errors import DistributedTRFError, FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.preprocessor import FILES, folder_extractor_settings
from distributed_trf.features.weights.weight_files import shards_of
from distributed_trf.store.fingerprint import file_stamps

UNTRAINED = frozenset(SEEDED) - {"permuted"}
"""Kinds of weights that do not start from trained ones."""


def weights_source(table: NetworkTable, settings: NetworkSettings) -> tuple[str, str | None]:
    """Return the source of the trained weights (folder, file or hub id) and its revision.

    Raises
    ------
    FeatureError
        If a hub id comes without the commit that pins it.
    """
    source, revision = (settings.source, settings.revision) if settings.source else (table.source, table.revision)
    if source is None:
        raise FeatureError(
            f"{table.name}: the table names no trained weights; give their folder or file as `source` in the study"
        )
    if not Path(source).exists() and revision is None:
        raise FeatureError(
            f"{table.name}: source {source!r} is not a folder or file here, and a hub id needs the commit to load as "
            "`revision`"
        )
    return source, revision


def weights_stamps(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> list[list[Any]]:
    """Return name, size and time of the files that a network is built from: quick to compare before it is reused."""
    source = settings.source or table.source
    if kind_of(weights) == FIXED or source is None or not Path(source).exists():
        return []
    if kind_of(weights) in UNTRAINED:
        return file_stamps([file for name in DESCRIBING if (file := Path(source) / name).is_file()])
    return file_stamps(weights_files(Path(source)))


def weights_files(source: Path) -> list[Path]:
    """Return the files that determine a network: the file itself, or the weights and configuration in a folder."""
    if source.is_file():
        return [source]
    kinds = ("*.safetensors", "*.bin", "*.json")
    return sorted(file for kind in kinds for file in source.glob(kind))


SHARDS = "model.safetensors.index.json"
DESCRIBING = ["config.json", *FILES]
SAFE = [*DESCRIBING, "model*.safetensors", SHARDS]
PICKLED = [*DESCRIBING, "pytorch_model.bin"]
"""Files that are downloaded from the hub, and those downloaded if the first list brings no weights."""

OwnNames = Callable[[Path, Sequence[str]], Collection[str]]


def weights_folder(
    table: NetworkTable, settings: NetworkSettings, *, further: Sequence[str] = (), own_names: OwnNames | None = None
) -> Path:
    """Return the folder of a network's trained weights, downloaded first where the source is a hub id.

    Only configurations and weights are downloaded (pickled weights if there are no others), and the further files that
    match the patterns in ``further``. Of several files of weights, only those are downloaded that have a tensor which
    ``own_names`` tells to be the network's, given the folder with its configuration and the names of all tensors.

    Raises
    ------
    FeatureError
        If the source is a single file, cannot be downloaded, or has other extractor settings than the completed table:
        untrained weights are used without a download, and their input must be prepared in the same way.
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

        def fetched(*patterns: str) -> Path:
            return Path(snapshot_download(source, revision=revision, allow_patterns=[*patterns, *further]))

        if own_names is not None and (index := fetched(*DESCRIBING, SHARDS) / SHARDS).is_file():
            place = shards_of(index)
            wanted = {place[name].name for name in own_names(index.parent, [*place])}
            folder = fetched(*DESCRIBING, SHARDS, *sorted(wanted))
        else:
            folder = fetched(*SAFE)
        if not list(folder.glob("*.safetensors")):
            folder = fetched(*PICKLED)
    except DistributedTRFError:
        raise
    except Exception as error:  # from the connection, the hub or the disk
        raise FeatureError(
            f"{table.name}: trained weights could not be loaded from {source!r} at revision {revision}: {error}. "
            "Without internet, download them elsewhere and give their folder as `source` in the study"
        ) from error
    extractor = folder_extractor_settings(table, folder)
    if extractor:
        raise FeatureError(
            f"{folder}: the network's input is prepared with {extractor}, which network table {table.name} does not "
            "say; use a table of family transformers, and leave `extractor_options` out of it, or give this folder as "
            "`source` in the study"
        )
    return folder


HUB_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""At least one of them is in the cache once weights are downloaded."""


class WeightsLocation(StrEnum):
    """Where the trained weights of a network are."""

    FIXED = "fixed"
    """A spectrogram or a table has none."""
    HERE = "here"
    """A file or folder on this machine."""
    CACHED = "cached"
    """In the local cache of the Hugging Face hub."""
    HUB = "on hub"
    """Not on this machine yet."""
    MISSING = "missing"


@dataclass(frozen=True)
class AvailableWeights:
    """Availability of a network's trained weights."""

    location: WeightsLocation
    detail: str
    """The exact location, or what to do."""


def available_weights(table: NetworkTable, settings: NetworkSettings) -> AvailableWeights:
    """Return where the trained weights are that a study would load; nothing is read or downloaded.

    Parameters
    ----------
    table
        The network.
    settings
        The study's settings of the network; their ``source`` has priority over the table's.
    """
    if table.is_fixed:
        return AvailableWeights(WeightsLocation.FIXED, f"a {table.layers[0].type} has none")
    try:
        source, revision = weights_source(table, settings)
    except FeatureError as error:
        if settings.source is None and table.source is not None:
            detail = f"{table.source}; name a commit of it as `revision` in the study"
        else:
            detail = str(error).removeprefix(f"{table.name}: ")
        return AvailableWeights(WeightsLocation.MISSING, detail)
    if Path(source).exists():
        if any(file.suffix != ".json" for file in weights_files(Path(source))):
            return AvailableWeights(WeightsLocation.HERE, source)
        return AvailableWeights(
            WeightsLocation.MISSING, f"{source} holds no weights; give another `source` in the study"
        )
    pinned = f"{source} at {revision}"
    if _is_cached(source, str(revision)):
        return AvailableWeights(WeightsLocation.CACHED, pinned)
    return AvailableWeights(WeightsLocation.HUB, f"{pinned}, not downloaded yet")


def _is_cached(source: str, revision: str) -> bool:
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return False
    try:
        cached = [try_to_load_from_cache(source, file, revision=revision) for file in HUB_FILES]
    except HFValidationError:  # not a valid hub id
        return False
    return any(isinstance(path, str) for path in cached)
