"""Any torch module of a user, described by a table alone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.load import Settings, validate
from distributed_trf.errors import ConfigError
from distributed_trf.features.device import to_model
from distributed_trf.features.families.user_network import UserNetwork
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.checkpoint import load_state, without_prefix
from distributed_trf.features.weights.source import weights_source
from distributed_trf.features.weights.stored import stored_tensors
from distributed_trf.store.fingerprint import digest_file

if TYPE_CHECKING:
    import torch


class ModuleConfig(Settings):
    """The ``config`` of a network table of family ``module``."""

    module: str
    """The class, such as ``mypackage.nets:Net``; Python must be able to import it on every worker."""
    kwargs: dict[str, Any] = {}
    """Arguments of the class."""
    prefix: str = ""
    """Prefix of the module's tensor names in its checkpoint; tensors without it are left out."""
    key: str = ""
    """Where in the checkpoint the dict of tensors is, as dotted keys of nested dicts; empty for the file itself, or its
    ``state_dict`` or ``model``."""
    ignore: list[str] = []
    """Patterns of the names of tensors that the checkpoint has beside the network's, such as ``ema.*``."""


class UserModule(UserNetwork):
    """Networks whose table names a class of ``torch.nn.Module`` that takes samples of shape (sound, sample).

    The class is imported and run, so a table of this family is as trustworthy as a script. A change to the file of the
    class makes its features stale; changes to files that it imports are not noticed.

    Examples
    --------
    A file such as ``configs/networks/mynet.yaml`` in the working directory makes ``mynet`` a network like any other,
    its layers named as the module's own:

    .. code-block:: yaml

        name: mynet
        family: module
        sfreq: 16000
        source: checkpoints/mynet.pt
        config:
          module: mypackage.nets:Net
          kwargs: { width: 64 }
          prefix: "module."
        layers:
          - { id: 0, name: convolution, type: conv, width: 64, rate: 100, time_last: true }
          - { id: 1, name: norm, type: conv, width: 64, rate: 100 }
    """

    def code(self, table: NetworkTable) -> dict[str, str]:
        """Return a digest of the file of the class.

        Raises
        ------
        ConfigError
            If there is no such file.
        """
        name = _config(table).module.partition(":")[0]
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            raise _not_found(table, name, "Python finds no such module")
        return {name: digest_file(Path(spec.origin))}

    def new(self, table: NetworkTable) -> torch.nn.Module:
        """Make the module of the table's arguments.

        Raises
        ------
        ConfigError
            If it cannot be imported, is no class of ``torch.nn.Module`` or does not take the arguments.
        """
        from torch import nn

        config = _config(table)
        module, _, name = config.module.partition(":")
        try:
            made = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise _not_found(table, config.module, str(error)) from error
        if not (isinstance(made, type) and issubclass(made, nn.Module)):
            raise ConfigError(f"network {table.name}: {config.module} is no class of torch.nn.Module; name one")
        try:
            return made(**config.kwargs)
        except TypeError as error:
            raise ConfigError(f"network {table.name}: {config.module} does not take these kwargs: {error}") from error

    def load(self, table: NetworkTable, settings: NetworkSettings) -> torch.nn.Module:
        """Load trained weights from a file or folder."""
        source = weights_source(table, settings)[0]
        config = _config(table)
        state = stored_tensors(Path(source), key=config.key, ignore=config.ignore)
        model = self.new(table)
        load_state(model, without_prefix(state, config.prefix), source)
        return model

    def run(self, model: torch.nn.Module, sounds: Sequence[np.ndarray], device: str, dtype: torch.dtype) -> None:
        """Pass sounds of one length."""
        import torch

        model(to_model(torch.from_numpy(np.stack(sounds)), device, dtype))


def _config(table: NetworkTable) -> ModuleConfig:
    return validate(table.config, ModuleConfig, source=f"network {table.name}, config")


def _not_found(table: NetworkTable, name: str, why: str) -> ConfigError:
    return ConfigError(
        f"network {table.name}: module {name} cannot be imported: {why}; write it as package.module:Class, and put "
        "the module where Python finds it, such as on PYTHONPATH"
    )
