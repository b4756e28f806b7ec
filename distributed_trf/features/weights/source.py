"""Where a network's weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.weights import FIXED, PROJECTIONS, SEEDED, TRAINED, Weights, kind_of
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.preprocessor import FILES, heard_as
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
