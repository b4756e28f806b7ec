"""Whether work items fit the memory of workers."""

from __future__ import annotations

from collections.abc import Sequence

from distributed_trf.clusters.recipe import Recipe
from distributed_trf.errors import ConfigError
from distributed_trf.features.planning import needs_transformers
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.costs.cost import cost
from distributed_trf.pipeline.items import Assess, Extract, Item, ReadSession, ReadSounds
from distributed_trf.pipeline.survey import Planned, State

PROCESS_BYTES = 420 << 20
"""A worker with its libraries loaded and nothing in hand (resident memory); some spectrograms spare torch, a third."""
TRANSFORMERS_BYTES = 110 << 20
"""What the library of that name adds."""
CUDA_PROCESS_BYTES = 1536 << 20
"""What CUDA's libraries take of the host's memory (published figures; not measured here)."""
CUDA_CONTEXT_BYTES = 1024 << 20
"""What the contexts of torch and cupy, their kernels and workspaces take of a GPU (published; not measured here)."""
NAMED = 3
"""Of the items that do not fit, so many are named."""


def process_bytes(context: Context, device: str) -> int:
    """Return the memory of a worker with the libraries that a study makes it load, and nothing in hand."""
    study = context.study
    heard = [(context.tables[network.name], w) for network in study.networks for w in context.weights(network)]
    transformers = TRANSFORMERS_BYTES if any(needs_transformers(*network) for network in heard) else 0
    return PROCESS_BYTES + transformers + (CUDA_PROCESS_BYTES if device != "cpu" else 0)


def check_memory(context: Context, planned: Sequence[Planned], recipe: Recipe) -> None:
    """Refuse a study of which an item that is to be done does not fit a worker.

    Raises
    ------
    ConfigError
        Naming the largest items, what they need, what a worker has, and the remedy.
    """
    limit, process = recipe.worker_bytes, process_bytes(context, recipe.device)
    if limit is None:
        return
    todo = [p.item for p in planned if p.state is not State.DONE]
    peaks = [(process + cost(context, item, recipe.device).host, item) for item in todo]
    large = sorted(((peak, item) for peak, item in peaks if peak > limit), key=lambda size: size[0], reverse=True)
    if not large:
        return
    named = ", ".join(f"{item.stage} {item.key} about {peak / 2**30:.1f} GiB" for peak, item in large[:NAMED])
    raise ConfigError(
        f"{len(large)} of {len(todo)} items do not fit a worker, which has {limit / 2**30:.1f} GiB: {named}"
        f"{', ...' if len(large) > NAMED else ''}; give workers more memory (fewer workers, or `memory` in the "
        f"recipe), or choose {_remedy(large[0][1])}"
    )


def _remedy(item: Item) -> str:
    match item:
        case Extract():
            return "a smaller `extraction.batch`"
        case Assess():
            return "fewer `reliability.draws`"
        case ReadSounds() | ReadSession():
            return "recordings in smaller files"
        case _:
            return "fewer layers or a smaller `ridge.unit_block`"
