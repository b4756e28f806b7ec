"""What determines the weights of a network, for fingerprints."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distributed_trf.config.extraction import FIXED, PROJECTIONS, TRAINED, NetworkSettings, Weights, kind_of
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.preprocessor import extractor_settings, settings_in_table
from distributed_trf.features.weights.source import DESCRIBING, UNTRAINED, weights_files, weights_source
from distributed_trf.features.weights.stored import read_tensors, stored_tensors, tensor_names
from distributed_trf.features.weights.transformers_model import names_of_model
from distributed_trf.features.weights.weight_files import Stored
from distributed_trf.store.fingerprint import DIGITS, digest_file


def weights_identity(table: NetworkTable, settings: NetworkSettings, weights: Weights) -> Any:
    """Describe what determines the weights, for fingerprints: content of the files, pinned commit, or architecture.

    The table is completed by the files of its source (see ``completed``). Extractor settings that networks of other
    families take from the folder of the weights are part of it. For a projection it is the widths of all layers,
    because a requested layer also depends on the layers before it, and what is not as usual about the spectrogram.
    """
    kind, stated = kind_of(weights), _stated(table)
    if kind == FIXED:
        return FIXED
    if kind in PROJECTIONS:
        input_of_network = settings_in_table(table)
        widths = {"weights": weights, "widths": [layer.width for layer in table.layers]}
        return widths | ({"hears": input_of_network} if input_of_network else {})
    try:
        extractor = extractor_settings(table, settings)
        if kind in UNTRAINED:
            return {"weights": weights, "config": stated} | ({"hears": extractor} if extractor else {})
        source, revision = weights_source(table, settings)
        trained = _content(table, Path(source)) if Path(source).exists() else {"hub": source, "revision": revision}
    except FeatureError as error:
        return {"unavailable": str(error)}  # the work item reports it when it runs, and others go on
    trained |= {"config": stated} | ({"hears": extractor} if extractor else {})
    return trained if kind == TRAINED else {"weights": weights, "trained": trained}


def _stated(table: NetworkTable) -> dict[str, Any]:
    """Return a table's ``config``; what a completed one says to be empty is as if it were left out."""
    if table.family != "transformers":
        return table.config
    return {key: value for key, value in table.config.items() if value not in (None, {})}


def _content(table: NetworkTable, source: Path) -> dict[str, Any]:
    """Hash the files that determine a network; of a larger model's, only the tensors of the part that is used."""
    config = table.config
    if table.family != "transformers" or not config.get("part") or not source.is_dir():
        return {file.name: digest_file(file) for file in weights_files(source)}
    architecture, prefix = config.get("architecture", {}), config.get("prefix")
    names = names_of_model(
        config["class"], source, tensor_names(source), architecture, table.name, config["part"], prefix
    )
    described = {name: digest_file(source / name) for name in DESCRIBING if (source / name).is_file()}
    return {**described, "tensors": _digest_tensors(stored_tensors(source, names=set(names)).items())}


def _digest_tensors(tensors: Iterable[tuple[str, Stored]]) -> str:
    """Hash tensors with their names; the numbers of one file are in memory at a time."""
    import torch

    by_file: dict[Path, dict[str, Stored]] = {}
    for name, tensor in sorted(tensors):
        by_file.setdefault(tensor.file, {})[name] = tensor
    parts = {}
    for wanted in by_file.values():
        for name, numbers in read_tensors(wanted).items():
            hashed = hashlib.sha256(f"{numbers.dtype}{tuple(numbers.shape)}".encode())
            hashed.update(numbers.contiguous().reshape(-1).view(torch.uint8).numpy().data)
            parts[name] = hashed.hexdigest()
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:DIGITS]
