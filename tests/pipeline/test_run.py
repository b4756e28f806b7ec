"""What a run leaves in the process that it was called in."""

from __future__ import annotations

import gc
import weakref

import pytest

from distributed_trf import Study
from distributed_trf.features import network
from distributed_trf.pipeline.events import ItemEnded

SMALL = {"name": "small_whisper", "weights": ["reset"], "layers": [0]}


@pytest.mark.parametrize(("item", "broken_off"), [(None, False), ("1/1", True)])
def test_run__in_this_process_lets_go_of_its_networks(write_study, item, broken_off):
    """A notebook lives on after the run, which may hold gigabytes of weights."""
    write_study(networks=[SMALL], reliability=None)
    kept, models = network._BUILT._kept, []

    def watch(event):
        if isinstance(event, ItemEnded) and event.outcome.item.stage == "extract":
            models.extend(weakref.ref(built.model) for built in kept.values())
            if broken_off:
                raise KeyboardInterrupt

    study = Study.load("study.yaml")
    if broken_off:
        with pytest.raises(KeyboardInterrupt):
            study.run("local" if item else None, item=item, watcher=watch)
    else:
        assert study.run("local" if item else None, item=item, watcher=watch).ok
    assert models  # there was one while the run went on
    assert not kept
    gc.collect()
    assert [model for model in models if model() is not None] == []
