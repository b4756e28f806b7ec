"""The mathematics, and networks of every family, on the stand-in for a GPU against the CPU."""

from __future__ import annotations

import pytest

from tests.fake_gpu.processes import outcomes


@pytest.mark.parametrize(("script", "at_least"), [("run_mathematics.py", 50), ("run_families.py", 15)])
def test_everything__is_on_the_card_as_on_the_cpu(script, at_least):
    found = outcomes(script)
    failed = {name: told for name, told in found.items() if told != "ok"}
    assert not failed, "\n".join(f"--- {name}\n{told}" for name, told in failed.items())
    assert len(found) >= at_least
