"""What a table of family ``transformers`` leaves out, taken from the files of its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.architecture import folder_architecture
from distributed_trf.features.weights.model_files import ModelFiles, model_files
from distributed_trf.features.weights.preprocessor import folder_extractor_settings
from distributed_trf.features.weights.source import weights_source
from distributed_trf.features.weights.transformers_internals import transformers_class

LEFT_OUT = ("architecture", "extractor", "extractor_options")
"""Fields of ``config`` that the files of the source give where the table does not."""


def completed_by_source(table: NetworkTable, settings: NetworkSettings) -> NetworkTable:
    """Return a table with what it leaves out: the architecture, and how sounds are prepared.

    What the table says itself has priority. The files of a folder are always read. Those of a hub id are asked for only
    where the table leaves one of the fields out, so that a complete table needs no connection.

    Raises
    ------
    FeatureError
        If the files are not available, are those of another network, or contradict how the table prepares sounds.
    ConfigError
        If transformers has no class of the name that the table gives.
    MissingExtraError
        If transformers is not installed.
    """
    source = settings.source or table.source
    is_folder = source is not None and Path(source).is_dir()
    if source is None or (not is_folder and all(field in table.config for field in LEFT_OUT)):
        return table
    files = model_files(*weights_source(table, settings))
    config: dict[str, Any] = dict(table.config)
    config_class = transformers_class(config["class"]).config_class
    of_file = folder_architecture(config_class, files.folder, table.name, config.get("part", ""))
    config["architecture"] = {**of_file, **config.get("architecture", {})}
    if "extractor" not in config:
        config["extractor"] = _extractor(files, table)
    prepared = table.model_copy(update={"config": config})
    config["extractor_options"] = {
        **config.get("extractor_options", {}),
        **folder_extractor_settings(prepared, files.folder),
    }
    return prepared


def _extractor(files: ModelFiles, table: NetworkTable) -> str | None:
    """Return the class that prepares sounds; None where no file says that any does."""
    if files.preprocessor is None:
        return None
    kind = files.preprocessor.get("feature_extractor_type")
    if not isinstance(kind, str):
        raise FeatureError(
            f"{files.preprocessor_file}: does not name the class that prepares sounds (feature_extractor_type), nor "
            f"does network table {table.name}; name it as `extractor` in its config, such as "
            "Wav2Vec2FeatureExtractor, or write `extractor: null` if the network takes samples as they are"
        )
    return kind
