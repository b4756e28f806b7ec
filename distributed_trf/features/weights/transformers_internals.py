"""Classes of ``transformers``, and what this package uses of it beyond its documentation; nothing else touches that.

Checked against transformers 5.24, and written for those from 5.0 on; ``tests/architecture/test_internals.py`` names
what a later version has moved. Where that moves, what breaks is: ``as_we_compute``, so that a file chooses code;
``settings_of_networks`` and ``names_of_settings``, so that folders of weights and tables are no longer understood;
``model_initialiser`` and ``forget_loaded``, so that weight controls leave parameters as they were;
``present_names``, so that files of other versions miss tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from distributed_trf.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    import torch
    from torch import nn

_ALSO_OF_NETWORKS = frozenset(
    ("is_encoder_decoder", "tie_word_embeddings", "vocab_size", "pad_token_id", "bos_token_id", "eos_token_id")
    + ("decoder_start_token_id",)
)
"""Settings that describe a network though every class of transformers has them, in some of its versions."""


def transformers_class(name: str) -> Any:
    """Return a class of transformers by its name.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ConfigError
        If it has no such class.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "models", error) from error
    try:
        return getattr(transformers, name)
    except AttributeError as error:
        raise ConfigError(
            f"transformers {transformers.__version__} has no class {name!r}; take one from its documentation, such as "
            "HubertModel"
        ) from error


def as_we_compute(config: Any) -> Any:
    """Leave the choice of code to transformers, whose own is that of torch (sdpa), or its plain one where it has none.

    Else a file could choose it, be it for a part of the model.
    """
    config._attn_implementation = config._experts_implementation = None
    return config


def settings_of_networks(config_class: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings that describe a network of a class, in its parts as well.

    Whatever else a file says would choose code, devices, a kind of numbers, or what a model returns.
    """
    fields, kept = names_of_settings(config_class), {}
    for key, value in content.items():
        if key not in fields or (fields[key] != key and fields[key] in content):
            continue
        part = config_class.sub_configs.get(key)
        if part is not None and isinstance(value, Mapping):
            kind = value.get("model_type")
            if not hasattr(part, "model_type"):  # of any class
                part = transformers_class("CONFIG_MAPPING")[kind]
            value = settings_of_networks(part, value) | ({} if kind is None else {"model_type": kind})
        kept[key] = value
    return kept


def names_of_settings(config_class: Any) -> dict[str, str]:
    """Return the names of what a class says of its networks, each with the name that it goes by, of some have two."""
    every = transformers_class("PreTrainedConfig")
    own = {name for name in config_class().to_dict() if not name.startswith("_")} - every().to_dict().keys()
    return {name: name for name in own | _ALSO_OF_NETWORKS} | config_class.attribute_map


def model_initialiser(module: Any) -> Callable[[nn.Module], None] | None:
    """Return what a model draws the parameters of its modules with; None for what is no model of transformers."""
    return getattr(module, "_init_weights", None)


def present_names(model: Any) -> Callable[[str], str]:
    """Return what gives a tensor of a model its name in this version of transformers, given that in a file.

    Tensors that this version joins, splits or reorders keep the file's name, so they are missed by their own.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming

    renamings = [change for change in get_model_conversion_mapping(model) if isinstance(change, WeightRenaming)]

    def renamed(name: str) -> str:
        for renaming in renamings:
            name, _ = renaming.rename_source_key(name)
        return name

    return renamed


def forget_loaded(parameter: torch.Tensor) -> None:
    """Have transformers draw a parameter that it has loaded, and would leave as it is by this mark."""
    parameter._is_hf_initialized = False  # type: ignore[attr-defined]  # a mark that tensors do not declare
