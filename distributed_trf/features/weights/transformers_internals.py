"""Classes of ``transformers``, and what this package uses of it beyond its documentation; nothing else touches that.

Checked against transformers 5.24, and written for those from 5.0 on; ``tests/architecture/test_internals.py`` names
what a later version has moved. Where that moves, what breaks is: ``as_we_compute``, so that a file chooses code;
``settings_of_networks`` and ``names_of_settings``, so that folders of weights and tables are no longer understood;
``transformers_class`` and what follows it, so that what hears sound in a model is no longer found;
``model_initialiser`` and ``forget_loaded``, so that weight controls leave parameters as they were;
``present_names`` and ``names_of_class``, so that files of other versions miss tensors.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
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

_ROTATION = "rope_parameters"
_OLDER_ROTATION = ("rope_theta", "rope_scaling", "partial_rotary_factor")
"""Settings of rotary positions, and the names that each had of its own in files of earlier versions."""


def transformers_class(name: str) -> Any:
    """Return a class of transformers by its name, also a model that transformers keeps inside a larger one.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    ConfigError
        If it has no such class, or the class needs a library that is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "models", error) from error
    found = getattr(transformers, name, None)
    if found is None:
        found = _inner_model(name)
    if found is None:
        raise ConfigError(
            f"transformers {transformers.__version__} has no class {name!r}; take one from its documentation, such as "
            "HubertModel"
        )
    if getattr(found, "is_dummy", False):
        missing = " and ".join(found._backends)
        raise ConfigError(f"{name} of transformers needs {missing}, which is not installed; install it with pip")
    return found


def _inner_model(name: str) -> Any:
    """Return a model that transformers does not export, such as ``WhisperEncoder``; None if there is none.

    Its name begins as that of the configuration that stands next to it.
    """
    names = import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING_NAMES
    stems = {config.removesuffix("Config"): kind for kind, config in names.items()}
    for stem in sorted((stem for stem in stems if stem and name.startswith(stem)), key=len, reverse=True):
        found = models_of(config_class(stems[stem])).get(name)
        if found is not None:
            return found
    return None


def config_class(kind: Any) -> Any:
    """Return the class of configurations of a ``model_type``; None if transformers has none."""
    known = transformers_class("CONFIG_MAPPING")
    return known[kind] if isinstance(kind, str) and kind in known else None


def models_of(of: Any) -> dict[str, Any]:
    """Return the models that stand in the file next to a class of configurations, by name."""
    file = of.__module__.replace(".configuration_", ".modeling_")
    base = transformers_class("PreTrainedModel")
    try:
        every = vars(import_module(file))
    except ImportError:  # of a library that is not installed, or without models
        return {}
    return {
        name: value
        for name, value in every.items()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == file
    }


def registered_model(of: Any) -> str | None:
    """Return the name of the model that transformers registers for a class of configurations."""
    known = transformers_class("MODEL_MAPPING")
    return str(known[of].__name__) if of in known else None


def registered_extractor(of: Any, *, near: bool = False) -> str | None:
    """Return the name of what transformers registers to prepare the sounds of a class of configurations.

    Parameters
    ----------
    of
        The class.
    near
        Whether that of another model in the same folder of transformers will do, for an encoder inside a larger model.
    """
    names = import_module("transformers.models.auto.feature_extraction_auto").FEATURE_EXTRACTOR_MAPPING_NAMES
    if of.model_type in names:
        return str(names[of.model_type])
    folder = of.__module__.rpartition(".")[0]
    for kind, name in names.items() if near else ():
        other = config_class(kind)
        if other is not None and other.__module__.rpartition(".")[0] == folder:
            return str(name)
    return None


def parts_of(of: Any) -> dict[str, Any]:
    """Return the parts that a configuration has by default, by the key of each; None where it has none by default."""
    made = of()
    return {key: getattr(made, key, None) for key in of.sub_configs}


def part_class(of: Any, key: str, content: Mapping[str, Any]) -> Any:
    """Return the class of a part of a configuration: as its file tells it, or else the default; None if unknown."""
    declared = of.sub_configs[key]
    if hasattr(declared, "model_type"):
        return declared
    if content.get("model_type") is not None:
        return config_class(content["model_type"])
    default = parts_of(of)[key]
    return None if default is None else type(default)


@contextmanager
def without_remarks() -> Iterator[None]:
    """Keep back what transformers remarks on configurations, such as those of language models that are never built."""
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def as_we_compute(config: Any) -> Any:
    """Leave the choice of code to transformers, whose own is that of torch (sdpa), or its plain one where it has none.

    Else a file could choose it, be it for a part of the model.
    """
    config._attn_implementation = config._experts_implementation = None
    return config


def settings_of_networks(of: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return those settings that describe a network of a class, in its parts as well.

    Whatever else a file says would choose code, devices, a kind of numbers, or what a model returns.
    """
    fields, kept = names_of_settings(of), {}
    for key, value in content.items():
        if key not in fields or (fields[key] != key and fields[key] in content):
            continue
        part = of.sub_configs.get(key)
        if part is not None and isinstance(value, Mapping):
            kind = value.get("model_type")
            if not hasattr(part, "model_type"):  # of any class
                part = part_class(of, key, value)
            value = settings_of_networks(part, value) | ({} if kind is None else {"model_type": kind})
        kept[key] = value
    older = {key: content[key] for key in _OLDER_ROTATION if content.get(key) is not None}
    if _ROTATION in fields and older and content.get(_ROTATION) is None:
        kept[_ROTATION] = getattr(of(**older), _ROTATION)
    return kept


def names_of_settings(of: Any) -> dict[str, str]:
    """Return the names of what a class says of its networks, each with the name that it goes by, of some have two."""
    every = transformers_class("PreTrainedConfig")
    own = {name for name in of().to_dict() if not name.startswith("_")} - every().to_dict().keys()
    return {name: name for name in own | _ALSO_OF_NETWORKS} | of.attribute_map


def model_initialiser(module: Any) -> Callable[[nn.Module], None] | None:
    """Return what a model draws the parameters of its modules with; None for what is no model of transformers."""
    return getattr(module, "_init_weights", None)


def present_names(model: Any) -> Callable[[str], str]:
    """Return what gives a tensor of a model its name in this version of transformers, given that in a file.

    Tensors that this version joins, splits or reorders keep the file's name, so they are missed by their own.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping

    return _by(get_model_conversion_mapping(model))


def names_of_class(model_type: str) -> Callable[[str], str]:
    """Return what gives any tensor of a type of models its name in this version (see ``present_names``)."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    return _by(get_checkpoint_conversion_mapping(model_type) or [])


def _by(changes: Iterable[Any]) -> Callable[[str], str]:
    from transformers.core_model_loading import WeightRenaming

    renamings = [change for change in changes if isinstance(change, WeightRenaming)]

    def renamed(name: str) -> str:
        for renaming in renamings:
            name, _ = renaming.rename_source_key(name)
        return name

    return renamed


def forget_loaded(parameter: torch.Tensor) -> None:
    """Have transformers draw a parameter that it has loaded, and would leave as it is by this mark."""
    parameter._is_hf_initialized = False  # type: ignore[attr-defined]  # a mark that tensors do not declare
