"""The kinds of work items that there are: a record of each, from the file of its stage.

A new kind of analysis is a file in ``stages`` with such a record, a settings class in ``config/analyses.py`` that asks
for it, and a line here.
"""

from __future__ import annotations

from typing import Any

from distributed_trf.pipeline.costs import Cost
from distributed_trf.pipeline.items import Item
from distributed_trf.pipeline.stages.bootstrap import TEST_BOOTSTRAPS, TRAINING_BOOTSTRAPS
from distributed_trf.pipeline.stages.extract import EXTRACTIONS
from distributed_trf.pipeline.stages.fit import FITS
from distributed_trf.pipeline.stages.joint_fit import JOINT_FITS
from distributed_trf.pipeline.stages.lowpass import LOWPASS_FITS
from distributed_trf.pipeline.stages.read_recordings import SESSIONS, SOUNDS
from distributed_trf.pipeline.stages.reliability import ASSESSMENTS
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Finding, WorkKind
from distributed_trf.store.receipts import Receipt

KINDS: dict[type[Item], WorkKind[Any, Any]] = {
    kind.item: kind
    for kind in (
        SOUNDS,
        SESSIONS,
        ASSESSMENTS,
        EXTRACTIONS,
        FITS,
        JOINT_FITS,
        LOWPASS_FITS,
        TRAINING_BOOTSTRAPS,
        TEST_BOOTSTRAPS,
    )
}
"""In the order of the stages; those of one stage in the order in which their items are listed."""


def kind_of(item: Item) -> WorkKind[Any, Any]:
    """Return the record of an item's kind."""
    return KINDS[type(item)]


def items(scope: ItemSource, stage: str) -> list[Item]:
    """List the work items of a stage in the order in which they are begun."""
    kinds = [kind for kind in KINDS.values() if kind.stage == stage]
    found: list[Item] = [item for kind in kinds for item in kind.items(scope)]
    if len(kinds) > 1:  # side by side for each stimulus set and bin width
        stimuli, widths = scope.study.stimuli, scope.study.bin_widths
        found.sort(key=lambda item: (stimuli.index(item.stimuli), widths.index(getattr(item, "bin_width", widths[0]))))
    return found


def cost(context: Context, item: Item, device: str = "cpu") -> Cost:
    """Count what an item needs, before anything is spent.

    Shapes are exact, but for networks that this version cannot extract; memory counts the largest arrays alive
    together.

    Parameters
    ----------
    context
        The study.
    item
        One of its items.
    device
        What calculates, ``cpu`` or ``cuda``.
    """
    return kind_of(item).cost(context, item, device)


def finding(item: Item, receipt: Receipt) -> Finding:
    """Read back what an item found.

    Raises
    ------
    StoreError
        If the receipt is of another version.
    """
    found: Finding = kind_of(item).finding.of(receipt)
    return found
