"""Bootstraps: how numbers depend on how much was recorded (Ahmed et al. 2025)."""

from __future__ import annotations

from typing import Any

from distributed_trf.config.study import BootstrapSettings, StudySettings
from distributed_trf.pipeline.items import BootstrapTest, BootstrapTraining
from distributed_trf.store.study_store import StudyStore

REVISION = 1
"""Raise when this code gives other numbers than before, so that old ones become stale."""


def settings_of(study: StudySettings, item: BootstrapTraining | BootstrapTest) -> BootstrapSettings:
    """What the study asks of an item."""
    wanted = (item.network, item.layer, item.weights)
    return next(b for b in study.bootstraps if (b.network, b.layer, b.weights) == wanted)


def asked(study: StudySettings, item: BootstrapTraining | BootstrapTest) -> dict[str, Any]:
    """The settings that decide an item's numbers."""
    settings = settings_of(study, item)
    common: dict[str, Any] = {"bootstrap": [settings.sessions, settings.draws, settings.seed]}
    if isinstance(item, BootstrapTest):
        common["test"] = [settings.test_percent, settings.n_repeats]
    return common


def bootstrap_training(item: BootstrapTraining, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    raise NotImplementedError


def bootstrap_test(item: BootstrapTest, study: StudySettings, store: StudyStore, device: str) -> dict[str, Any]:
    raise NotImplementedError
