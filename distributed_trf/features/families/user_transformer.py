"""Any audio model of the transformers library, described by a table alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import Settings, validate
from distributed_trf.errors import ConfigError
from distributed_trf.features.families.extractor_calls import as_whole, clear_if_too_short, prepared_tensors
from distributed_trf.features.families.model_inputs import forward_arguments
from distributed_trf.features.families.user_network import UserNetwork
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.completed import completed_by_source
from distributed_trf.features.weights.preprocessor import defaults
from distributed_trf.features.weights.source import weights_folder
from distributed_trf.features.weights.transformers_internals import transformers_class
from distributed_trf.features.weights.transformers_model import names_of_model, trained_model, untrained_model

if TYPE_CHECKING:
    import torch


class TransformerConfig(Settings):
    """The ``config`` of a network table of family ``transformers``.

    What is left out of ``architecture``, ``extractor`` and ``extractor_options`` comes from the files of the source. A
    table that gives all three of a network on the hub is taken as it is, without a connection.
    """

    model: str = Field(alias="class")
    """A class without head, such as ``HubertModel``."""
    architecture: dict[str, Any] = {}
    """Settings other than those in ``config.json`` of the source, or else than the class's defaults; trained weights
    must agree with them."""
    part: str = ""
    """Where the settings of the class are in ``config.json``, dotted, such as ``audio_config``; empty for the whole."""
    prefix: str | None = None
    """Prefix of the names of the class's tensors in the checkpoint, such as ``audio_tower.``; found out if it is left
    out, since a checkpoint of a larger model mostly has one place for all of them."""
    ignore: list[str] = []
    """Patterns of the names of tensors that the checkpoint has there beside the class's, such as ``ema.*``."""
    run: str | None = None
    """Module to run instead of the whole model, such as the ``encoder`` of a model that also has a decoder."""
    extractor: str | None = None
    """Class that prepares sounds, such as ``Wav2Vec2FeatureExtractor``; with null the model takes samples."""
    extractor_options: dict[str, Any] = {}
    """Arguments of that class other than those in ``preprocessor_config.json`` or ``processor_config.json`` of the
    source, which must not contradict them, or else than the class's defaults."""


class UserTransformer(UserNetwork):
    """Networks whose table names a class of transformers.

    Examples
    --------
    A file such as ``configs/networks/hubert.yaml`` in the working directory makes ``hubert`` a network like any other,
    its layers named as the model's modules:

    .. code-block:: yaml

        name: hubert
        family: transformers
        sfreq: 16000
        source: facebook/hubert-base-ls960 # or a folder; a hub id needs its commit as `revision`
        config:
          class: HubertModel
          extractor: Wav2Vec2FeatureExtractor
          extractor_options: { do_normalize: true }
          architecture: { hidden_size: 768, num_hidden_layers: 12 } # or nothing: as config.json of the source says
        layers:
          - { id: 0, name: feature_extractor.conv_layers.5.activation, type: conv, width: 512, rate: 100,
              time_last: true }
          - { id: 1, name: encoder.layers.0.final_layer_norm, type: transformer, width: 768, rate: 50 }
    """

    libraries = ("torch", "transformers", "scipy")

    def completed(self, table: NetworkTable, settings: NetworkSettings) -> NetworkTable:
        """Take what the table leaves out from the files of its source."""
        _config(table)
        return completed_by_source(table, settings)

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the model of the table's configuration.

        Raises
        ------
        ConfigError
            If there is no such class, or it takes no such architecture.
        """
        config = _config(table)
        return _with_preparation(untrained_model(config.model, config.architecture, table.name), table)

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a folder or the hub; tensors of other modules than the model's are left out."""
        config = _config(table)

        def own(folder: Path, names: Sequence[str]) -> list[str]:
            return names_of_model(
                config.model, folder, names, config.architecture, table.name, config.part, config.prefix
            )

        model = trained_model(
            config.model,
            weights_folder(table, settings, own_names=own),
            config.architecture,
            table.name,
            heads=None,
            part=config.part,
            prefix=config.prefix,
            ignore=config.ignore,
        )
        return _with_preparation(model, table)

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass sounds of one length.

        Raises
        ------
        FeatureError
            If they are too short for a layer, or the extractor and the model do not fit together.
        """
        preparation: Any = model.preparation
        module = model.get_submodule(preparation.run) if preparation.run else model
        extractor, window = preparation.extractor, preparation.window
        tensors = prepared_tensors(module, extractor, sounds, preparation.sfreq, window, preparation.network)
        arguments = forward_arguments(module, extractor, tensors, window, device, dtype)
        with clear_if_too_short(preparation.network, sounds[0].shape[0], preparation.sfreq):
            module(**arguments)


@dataclass(frozen=True)
class _Preparation:
    """How sounds are prepared for a model and which of its modules runs; kept as an attribute of the model."""

    extractor: Any
    sfreq: float
    run: str | None
    window: float | None
    """Seconds that the extractor pads to."""
    network: str
    """Its name, for errors."""


def _with_preparation(model: torch.nn.Module, table: NetworkTable) -> torch.nn.Module:
    config = _config(table)
    extractor, options = None, config.extractor_options
    if config.extractor is not None:
        if "sampling_rate" in defaults(config.extractor):
            options = {"sampling_rate": int(table.sfreq), **options}
        try:
            with warnings.catch_warnings():  # it is as published: AST's lowest bands hold no frequency
                warnings.filterwarnings("ignore", "At least one mel filter has all zero values", UserWarning)
                extractor = transformers_class(config.extractor)(**options)
        except (TypeError, ImportError) as error:
            raise ConfigError(
                f"network {table.name}: {config.extractor} cannot be made with its options: {error}"
            ) from error
    if config.run is not None and config.run not in dict(model.named_modules()):
        raise ConfigError(f"network {table.name}: {config.model} has no module {config.run!r} to run")
    as_whole(model, extractor)
    model.preparation = _Preparation(extractor, table.sfreq, config.run, table.window, table.name)  # type: ignore[assignment]  # torch types attributes as modules
    return model


def _config(table: NetworkTable) -> TransformerConfig:
    return validate(table.config, TransformerConfig, source=f"network {table.name}, config")
