"""Whether trained weights are those of a network, told by their names and shapes alone."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from distributed_trf.config.extraction import TRAINED, NetworkSettings
from distributed_trf.errors import ConfigError, DistributedTRFError, MissingExtraError
from distributed_trf.features.families.registry import FAMILIES
from distributed_trf.features.families.torch_family import TorchFamily
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.source import weights_stamps


def misfit(table: NetworkTable, settings: NetworkSettings) -> str | None:
    """Tell what is wrong with the trained weights of a network that are in a file or folder here.

    The network is made on torch's device ``meta``, and the weights are loaded without reading their numbers: seconds
    and little memory, however large they are. The answer is kept while the files do not change.

    Parameters
    ----------
    table
        The network, completed by the files of its source.
    settings
        The study's settings of the network.

    Returns
    -------
    str or None
        The error of loading them; None if they fit, or if that cannot be told: they are not here, torch is not
        installed, or the network cannot be made without numbers.
    """
    source = settings.source or table.source
    if source is None or not Path(source).exists() or not isinstance(FAMILIES.get(table.family), TorchFamily):
        return None
    stamps = json.dumps(weights_stamps(table, settings, TRAINED))
    return _misfit(table.model_dump_json(), settings.model_dump_json(), stamps)


@lru_cache(maxsize=256)
def _misfit(table_json: str, settings_json: str, _stamps: str) -> str | None:
    try:
        import torch
    except ImportError:
        return None
    table = NetworkTable.model_validate_json(table_json)
    code = FAMILIES[table.family]
    assert isinstance(code, TorchFamily)
    try:
        with torch.device("meta"):
            code.load(table, NetworkSettings.model_validate_json(settings_json))
    except (ConfigError, MissingExtraError):
        return None  # not about the weights, and said where the network is built
    except DistributedTRFError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - some networks can be made only with numbers
        return None
    return None
