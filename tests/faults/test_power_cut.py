"""A power cut loses what the operating system had not yet brought to disk: no receipt may vouch for that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distributed_trf import Study, names
from distributed_trf.pipeline.items import STAGES, ReadSession

LAYER = {"network": "small_whisper", "layer": 0, "weights": "reset"}
EVERY_KIND = {
    "networks": [{"name": "small_whisper", "weights": ["reset"], "layers": [0, 1]}],
    "extraction": {"batch": 24},
    "reliability": {"draws": 50, "shifts": 9, "bootstrap": {"n_repeats": [2], "draws": 2, "pairings": 5}},
    "ridge": {"alphas": [1.0, 100.0]},
    "save_models": True,
    "together": [{"network": "small_whisper", "bands": "layer", "candidates": 2}],
    "lowpass": [{**LAYER, "lowpass_bins": [100]}],
    "bootstraps": [{**LAYER, "training_percent": [50], "test_percent": [50], "n_repeats": [2], "draws": 2}],
}
NOT_OF_ITEMS = ["claims", "runs", "failures", *(f"results.zarr/{name}/c" for name in names.RELIABILITY)]
"""Folders that no item writes: who is at what, what happened, and the reliability that every run gathers anew."""


class Disk:
    """Which files are on disk as they are: what was synced by its number, and when it was changed last."""

    def __init__(self, root):
        self.root, self.synced = Path(root), {}

    def sync(self, file, sync):
        state = os.fstat(file)
        self.synced[state.st_ino] = state.st_mtime_ns
        sync(file)

    def missing(self):
        """Files of the study that a power cut would lose now."""
        files = [f for f in self.root.rglob("*") if f.is_file() and f.parent != self.root]
        others = [self.root / path for path in NOT_OF_ITEMS]
        files = [f for f in files if not any(f.is_relative_to(path) for path in others)]
        return [str(f) for f in files if self.synced.get(f.stat().st_ino) != f.stat().st_mtime_ns]


@pytest.fixture
def receipts(monkeypatch, workplace):
    """What would be lost at the time of each receipt, by its name; receipts themselves are synced before too."""
    disk, found = Disk(workplace / "study"), {}
    sync, replace = os.fsync, os.replace

    def spied(source, target, **options):
        if Path(target).parent.parent.name == "receipts":
            found[f"{Path(target).parent.name} {Path(target).stem}"] = disk.missing()
        replace(source, target, **options)

    monkeypatch.setattr(os, "fsync", lambda file: disk.sync(file, sync))
    monkeypatch.setattr(os, "replace", spied)
    return found


def test_receipts_of_every_kind_of_item__come_after_all_that_it_wrote_is_on_disk(write_study, receipts):
    study = Study.load(write_study(**EVERY_KIND))
    assert study.run(recipe=None).ok
    items = {f"{p.item.stage} {p.item.key}" for p in study.status()}
    spikes = {f"spikes {p.item.key}" for p in study.status() if isinstance(p.item, ReadSession)}
    assert set(receipts) == items | spikes
    assert {name.split()[0] for name in receipts} == {*STAGES, "spikes"}
    assert {name: lost for name, lost in receipts.items() if lost} == {}
