"""What a study will take stage by stage: sizes, memory and time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from distributed_trf.clusters.device_proof import CONTEXT_BYTES
from distributed_trf.clusters.recipe import Recipe
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.costs.memory import process_bytes
from distributed_trf.pipeline.costs.operations import Cost
from distributed_trf.pipeline.costs.rates import Rates, measure_rates
from distributed_trf.pipeline.items import STAGES, Extract, Item
from distributed_trf.pipeline.survey import Planned, State
from distributed_trf.store.receipts import read_receipt

LEARNT_FROM = 50
"""Finished items of a kind, at most, whose receipts tell how long the others will take."""


@dataclass(frozen=True)
class StageForecast:
    """What is to be done of a stage, and what that takes."""

    stage: str
    items: int
    todo: int
    read: int
    """Bytes."""
    written: int
    """Bytes, before compression."""
    files: int
    flops: float
    host: int
    """Peak memory of a worker, bytes; 0 where nothing is to be done."""
    device: int
    """Peak memory of a GPU, bytes; 0 where the CPU calculates."""
    seconds: float
    """On all workers of the recipe, from this machine's rates."""


class Forecast:
    """What a study will take.

    Parameters
    ----------
    context
        The study.
    planned
        All its items, and what each needs on the recipe's device.
    recipe
        Where workers come from.
    """

    def __init__(self, context: Context, planned: Sequence[tuple[Planned, Cost]], recipe: Recipe) -> None:
        self.context, self.planned, self._recipe = context, planned, recipe

    @cached_property
    def rates(self) -> Rates:
        """What this machine does in a second, measured once."""
        return measure_rates(self.context.store.root, self._recipe.threads)

    @cached_property
    def learnt(self) -> dict[tuple[str, str], tuple[int, float]]:
        """For each kind of items, how many finished ones told how long they took, and that over what rates tell."""
        done: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for p, cost in self.planned:
            if p.state is State.DONE and len(done[_kind(p.item)]) < LEARNT_FROM:
                receipt = read_receipt(self.context.store, p.item.stage, p.item.key)
                if receipt is not None and receipt.details.get("device") == self._recipe.device:
                    done[_kind(p.item)].append((receipt.details["seconds"], self.rates.seconds(cost)))
        return {
            kind: (len(pairs), sum(took for took, _ in pairs) / sum(told for _, told in pairs))
            for kind, pairs in done.items()
            if pairs
        }

    def stages(self) -> list[StageForecast]:
        """Return the stages that the study has, in the order they run."""
        of_stages = [(stage, [(p, c) for p, c in self.planned if p.item.stage == stage]) for stage in STAGES]
        return [self._stage(stage, planned) for stage, planned in of_stages if planned]

    def seconds(self, item: Item, cost: Cost) -> float:
        """Return how long an item takes on a worker that is as fast as this machine."""
        return self.rates.seconds(cost) * self.learnt.get(_kind(item), (0, 1.0))[1]

    def _stage(self, stage: str, planned: Sequence[tuple[Planned, Cost]]) -> StageForecast:
        todo = [(p.item, c) for p, c in planned if p.state is not State.DONE]
        times = [self.seconds(item, c) for item, c in todo]
        process = process_bytes(self.context, self._recipe.device)
        device = max((c.device for _, c in todo), default=0)
        return StageForecast(
            stage=stage,
            items=len(planned),
            todo=len(todo),
            read=sum(c.read for _, c in todo),
            written=sum(c.written for _, c in todo),
            files=sum(c.files for _, c in todo),
            flops=sum(c.flops for _, c in todo),
            host=process + max(c.host for _, c in todo) if todo else 0,
            device=CONTEXT_BYTES + device if device else 0,
            # Stages follow one another, and each lasts as long as its longest item at least.
            seconds=max(sum(times) / self._recipe.n_workers, max(times)) if todo else 0.0,
        )


def _kind(item: Item) -> tuple[str, str]:
    """Items that take alike, size aside: networks run at different rates."""
    return (item.stage, item.network if isinstance(item, Extract) else type(item).__name__)
