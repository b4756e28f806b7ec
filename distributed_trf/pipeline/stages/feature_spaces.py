"""Which features the spaces of an analysis are, in a study."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from distributed_trf.config.spaces import SpaceSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError
from distributed_trf.features.table import NetworkTable, chosen_layers, chosen_weights
from distributed_trf.pipeline.items import FeatureSpace
from distributed_trf.pipeline.stages.extract import network_settings


@contextmanager
def in_field(field: str) -> Iterator[None]:
    """Name the field of a study in an error of its settings."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{field}: {error}") from error


def feature_space(study: StudySettings, tables: Mapping[str, NetworkTable], settings: SpaceSettings) -> FeatureSpace:
    """Return the layers and weights that settings name, of those that the study has.

    Raises
    ------
    ConfigError
        If weights are not named and the study has several of the network.
    """
    network = network_settings(study, settings.network)
    weights = chosen_weights(tables[network.name], network)
    if settings.weights is None and len(weights) > 1:
        raise ConfigError(
            f"spaces: {network.name}: the study has weights {', '.join(weights)} of it; expected one of them as "
            "`weights` of the space"
        )
    layers = tuple(
        layer.id
        for layer in chosen_layers(tables[network.name], network)
        if settings.layers == "all" or layer.id in settings.layers
    )
    return FeatureSpace(network.name, settings.weights or weights[0], layers)


def feature_spaces(
    study: StudySettings, tables: Mapping[str, NetworkTable], settings: Mapping[str, SpaceSettings]
) -> tuple[FeatureSpace, ...]:
    """Return the spaces of an analysis.

    Raises
    ------
    ConfigError
        If weights of one are not named and the study has several, or two share a layer: it would be there twice.
    """
    spaces = {label: feature_space(study, tables, space) for label, space in settings.items()}
    owner: dict[tuple[str, str, int], str] = {}
    for label, space in spaces.items():
        for layer in space.layers:
            first = owner.setdefault((space.network, space.weights, layer), label)
            if first != label:
                raise ConfigError(
                    f"spaces: {first} and {label} both have layer {layer} of {space.network} ({space.weights}); "
                    "leave it out of one of them"
                )
    return tuple(spaces.values())


def texts(labels: Iterable[str]) -> np.ndarray:
    """Return labels as an array whose type zarr stores by a rule that stays: of Python's texts."""
    return np.array(list(labels), dtype=object)
