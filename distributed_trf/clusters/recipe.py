"""Recipes: YAML files in ``cluster/`` that define where workers run."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from distributed_trf.clusters.recipe_jobs import LsfRecipe, PbsRecipe, SgeRecipe, SlurmRecipe
from distributed_trf.clusters.recipe_machines import ExistingRecipe, LocalCudaRecipe, LocalRecipe, SshRecipe
from distributed_trf.config.load import locate, read, validate
from distributed_trf.errors import ConfigError

Recipe = LocalRecipe | LocalCudaRecipe | SlurmRecipe | PbsRecipe | LsfRecipe | SgeRecipe | SshRecipe | ExistingRecipe
"""All have ``kind``, ``device``, ``threads``, ``n_workers``, ``worker_bytes`` and the fields of ``BaseRecipe``."""

KINDS: dict[str, type[Recipe]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(Recipe)
}


def load_recipe(recipe: str | Path, **overrides: Any) -> Recipe:
    """Read a recipe, given its path or the name of one in ``cluster/``.

    Parameters
    ----------
    recipe
        Path or name.
    **overrides
        Fields that replace those of the file.

    Raises
    ------
    ConfigError
        If it cannot be found, or a field or override cannot be used.
    """
    path = locate(recipe, "cluster")
    source = f"{path} with overrides" if overrides else str(path)
    content = {**read(path), **overrides}
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        near = get_close_matches(str(kind), KINDS, n=1)
        found = f"kind = {kind!r}" if "kind" in content else "kind: this field is required"
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{source}: {found}; expected one of {', '.join(KINDS)}{hint}")
    return validate(content, KINDS[kind], source=source)
