"""Classes of the transformers library."""

from __future__ import annotations

from typing import Any

from distributed_trf.errors import ConfigError, MissingExtraError


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
