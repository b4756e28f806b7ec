"""All kinds of work items: a table of their records, each written in the file of its stage.

A new kind of analysis needs a file in ``stages`` with its record, a settings class in ``config/analyses.py`` and a line
in this table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from distributed_trf.pipeline.costs import Cost
from distributed_trf.pipeline.items import Item
from distributed_trf.pipeline.stages.beyond import FITS_BEYOND
from distributed_trf.pipeline.stages.bootstrap import TEST_BOOTSTRAPS, TRAINING_BOOTSTRAPS
from distributed_trf.pipeline.stages.extract import EXTRACTIONS
from distributed_trf.pipeline.stages.fit import FITS
from distributed_trf.pipeline.stages.joint_fit import JOINT_FITS, SPACES_JOINED
from distributed_trf.pipeline.stages.lowpass import LOWPASS_FITS
from distributed_trf.pipeline.stages.partition import PARTITIONS
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
        SPACES_JOINED,
        PARTITIONS,
        FITS_BEYOND,
        LOWPASS_FITS,
        TRAINING_BOOTSTRAPS,
        TEST_BOOTSTRAPS,
    )
}
"""In the order of the stages; within a stage, in the order in which items are listed."""


def kind_of(item: Item) -> WorkKind[Any, Any]:
    """Return the record of an item's kind."""
    return KINDS[type(item)]


def modules_of(todo: Iterable[Item], context: Context) -> list[str]:
    """Name the modules that items load, beside those of every item, and that take a second or more."""
    return list(dict.fromkeys(name for item in todo for name in kind_of(item).loads(item, context)))


def items(scope: ItemSource, stage: str) -> list[Item]:
    """List the work items of a stage in the order in which they start."""
    kinds = [kind for kind in KINDS.values() if kind.stage == stage]
    listed: list[Item] = [item for kind in kinds for item in kind.items(scope)]
    if len(kinds) > 1:  # all kinds together for each stimulus set and bin width
        stimuli, widths = scope.study.stimuli, scope.study.bin_widths
        listed.sort(key=lambda item: (stimuli.index(item.stimuli), widths.index(getattr(item, "bin_width", widths[0]))))
    return listed


def cost(context: Context, item: Item, device: str = "cpu") -> Cost:
    """Count what an item needs, before it is run.

    Shapes are exact, except for networks that this version cannot extract. Memory is the sum of the largest arrays
    that exist at the same time.

    Parameters
    ----------
    context
        The study.
    item
        One of its items.
    device
        ``cpu`` or ``cuda``.
    """
    return kind_of(item).cost(context, item, device)


def read_finding(item: Item, receipt: Receipt) -> Finding:
    """Read the finding of an item from its receipt.

    Raises
    ------
    StoreError
        If the receipt is of another version.
    """
    finding: Finding = kind_of(item).finding.of(receipt)
    return finding
