"""What this machine has: the memory that is free to plan with."""

from __future__ import annotations

import psutil
import pytest
from distributed.system import memory_limit

from distributed_trf.clusters import this_machine


def test_usable_memory__is_that_of_dasks_workers():
    assert this_machine.usable_memory() == memory_limit()


@pytest.mark.parametrize(("said", "limit"), [("12345678\n", 12345678), ("max\n", None), (None, None)])
def test_usable_memory__is_what_the_control_group_allows(monkeypatch, tmp_path, said, limit):
    if said is not None:
        (tmp_path / "memory.max").write_text(said)
    monkeypatch.setattr(this_machine, "CONTROL_GROUP", (tmp_path / "memory.max", tmp_path / "nowhere"))
    monkeypatch.setattr(this_machine.resource, "getrlimit", lambda _: (-1, -1))
    assert this_machine.usable_memory() == (limit or psutil.virtual_memory().total)
