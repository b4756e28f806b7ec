"""Several layers of a network as one model: one penalty for all, or one for each layer (banded ridge)."""

from __future__ import annotations

from typing import Any

from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.items import FitTogether
from distributed_trf.store.study_store import StudyStore

REVISION = 1
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def layers(context: Context, item: FitTogether) -> list[int]:
    """Ids of the layers that are fitted together."""
    settings = next(t for t in context.study.together if t.network == item.network)
    network = next(n for n in context.study.networks if n.name == item.network)
    known = [layer.id for layer in context.layers(network)]
    return known if settings.layers == "all" else [i for i in known if i in settings.layers]


def fit_together(item: FitTogether, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    raise NotImplementedError
