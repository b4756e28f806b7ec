"""Weights of the Hugging Face hub as a folder on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.preprocessor import FILES, told_beside
from distributed_trf.features.weights.source import weights_source

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
