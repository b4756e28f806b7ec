"""The table of each network of a study: one that was written, or one made from the network's own files."""

from __future__ import annotations

from collections.abc import Callable

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import listed
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.probe.find import DEFAULT, find_network, origin
from distributed_trf.features.table import FOLDER, NetworkTable, load_table
from distributed_trf.features.weights.model_files import model_files


def study_table(network: NetworkSettings, kept: Callable[[], NetworkTable | None] = lambda: None) -> NetworkTable:
    """Return the table of one of a study's networks.

    Parameters
    ----------
    network
        The network; with a context, the table has its name, such as ``net@2.0s``.
    kept
        Returns the table that an earlier run of the study kept; it serves again if the network's files are the same.

    Raises
    ------
    ConfigError
        If there is no table of that name and no source to make one from, or there is one and layers are chosen.
    FeatureError
        If a table cannot be made from the files of the source.
    """
    written = network.table in listed(FOLDER) or network.source is None
    if not written:
        table = _from_files(network, kept)
    elif network.choose is not None:
        raise ConfigError(
            f"networks: {network.table}: `choose` is for a network without a table, but there is one of that name in "
            f"{FOLDER}; choose among its layers with `layers`, or give the network another name"
        )
    else:
        table = load_table(network.table)
    return table if network.context is None else table.model_copy(update={"name": network.name})


def _from_files(network: NetworkSettings, kept: Callable[[], NetworkTable | None]) -> NetworkTable:
    """Return the table that was kept if its files are the same, or cannot be had now; else find it out."""
    choice, before = network.choose or DEFAULT, kept()
    try:
        files = model_files(str(network.source), network.revision)
    except FeatureError:
        if before is None or before.made_from is None:
            raise
        return before  # what was computed can still be looked at; an extraction says itself that it has no weights
    if before is not None and before.made_from == origin(files, choice):
        return before
    return find_network(str(network.source), network.table, revision=network.revision, choice=choice).table
