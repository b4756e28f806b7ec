"""Whether work items fit the memory of workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from distributed_trf.clusters.device_proof import CONTEXT_BYTES
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.errors import ConfigError
from distributed_trf.pipeline.items import Item
from distributed_trf.pipeline.status import Planned, State
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import cost, kind_of, modules_of

if TYPE_CHECKING:
    from distributed_trf.clusters.worker_proof import Proof

PROCESS_BYTES = 110 << 20
"""Resident memory of an idle worker."""
MODULE_BYTES = {"scipy.stats": 45 << 20, "scipy.signal": 45 << 20, "xarray": 110 << 20, "torch": 200 << 20}
MODULE_BYTES |= {"transformers.modeling_utils": 160 << 20}
"""What modules that items load take beside it, with those that always come with them."""
CUDA_PROCESS_BYTES = 1536 << 20
"""Host memory of CUDA's libraries (published figures; not measured here)."""
NAMED = 3
"""Number of items that a message names."""


def process_bytes(modules: Iterable[str], device: str) -> int:
    """Return the memory of an idle worker that has loaded modules (see ``modules_of``)."""
    loaded = sum(MODULE_BYTES.get(name, 0) for name in modules)
    return PROCESS_BYTES + loaded + (CUDA_PROCESS_BYTES if device != "cpu" else 0)


def check_memory(context: Context, planned: Sequence[Planned], recipe: Recipe) -> None:
    """Refuse a study if an item that is to be done does not fit a worker, or the GPU of the recipe.

    Raises
    ------
    ConfigError
        Naming the largest items, what they need, what a worker has, and the remedy.
    """
    limit = recipe.worker_bytes
    if recipe.device_memory is not None:
        target = f"a GPU, which has {_gib(recipe.device_memory)} (`device_memory` in the recipe)"
        _check_device(context, planned, recipe.device_memory - CONTEXT_BYTES, target)
    if limit is None:
        return
    todo = _todo(planned)
    process = process_bytes(modules_of(todo, context), recipe.device)
    costs = [(cost(context, item, recipe.device), item) for item in todo]
    if large := _too_large([(process + c.host, item) for c, item in costs], limit):
        raise ConfigError(
            f"{_named(large, len(costs), f'a worker, which has {_gib(limit)}')}; give workers more memory (fewer "
            f"workers, or `memory` in the recipe), or choose {smaller(large[0][1])}"
        )


def check_devices(context: Context, planned: Sequence[Planned], proofs: Sequence[Proof]) -> None:
    """Refuse a study if an item that is to be done does not fit each GPU of the workers.

    Raises
    ------
    ConfigError
        Naming the largest items, what they need, what is free, which processes hold the rest, and what fits instead.
    """
    proof = min((p for p in proofs if p.device != "cpu"), key=lambda p: p.free_bytes, default=None)
    if proof is None:
        return
    held = f"; other processes hold about {_gib(proof.held_bytes)}, see nvidia-smi" if proof.held_bytes else ""
    target = f"the {proof.model} of {proof}, where {_gib(proof.free_bytes)} are free{held}"
    _check_device(context, planned, proof.free_bytes, target)


def _check_device(context: Context, planned: Sequence[Planned], free: int, target: str) -> None:
    costs = [(cost(context, item, "cuda").device, item) for item in _todo(planned)]
    if large := _too_large(costs, free):
        item = large[0][1]
        fits = [words for words, ridge in OTHER_FITS.items() if _needs(context, item, ridge) <= free]
        raise ConfigError(
            f"{_named(large, len(costs), target)}; "
            + (f"what fits instead: {' or '.join(fits)}" if fits else f"choose {smaller(item, 'cuda')}")
        )


OTHER_FITS: dict[str, dict[str, Any]] = {
    "`ridge.unit_block: 64`": {"unit_block": 64},
    "`ridge.precision: float32`": {"precision": "float32"},
    "`ridge.solver: dual`": {"solver": "dual"},
    "`ridge.solver: cholesky`": {"solver": "cholesky"},
}
"""Settings with which fits need less memory."""


def _needs(context: Context, item: Item, ridge: dict[str, Any]) -> float:
    """Return the GPU memory that a fit needs with other settings, in bytes; infinite for items without fits."""
    if kind_of(item).uses_networks:
        return inf
    study = context.study
    other = study.model_copy(update={"ridge": study.ridge.model_copy(update=ridge)})
    return cost(replace(context, study=other), item, "cuda").device


def _todo(planned: Sequence[Planned]) -> list[Item]:
    return [p.item for p in planned if p.state is not State.DONE]


def _too_large(sizes: Sequence[tuple[int, Item]], limit: int) -> list[tuple[int, Item]]:
    """Return the items that need more than the limit, largest first."""
    return sorted((pair for pair in sizes if pair[0] > limit), key=lambda pair: pair[0], reverse=True)


def _named(large: Sequence[tuple[int, Item]], n: int, target: str) -> str:
    named = ", ".join(f"{item.stage} {item.key} about {_gib(size)}" for size, item in large[:NAMED])
    return f"{len(large)} of {n} items do not fit {target}: {named}{', ...' if len(large) > NAMED else ''}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def smaller(item: Item, device: str = "cpu") -> str:
    """Say what makes an item need less memory."""
    kind = kind_of(item)
    return kind.smaller if device == "cpu" else kind.smaller_on_gpu
