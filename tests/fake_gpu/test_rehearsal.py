"""Mathematics, networks of every family and the card itself, on the stand-in for a GPU, against the CPU."""

from __future__ import annotations

import pytest

from tests.fake_gpu.processes import outcomes

AT_LEAST = {"run_mathematics.py": 50, "run_families.py": 20, "run_card.py": 13}
"""Scripts, each a process, and their numbers of cases."""


@pytest.mark.parametrize("script", AT_LEAST)
def test_everything__is_on_the_card_as_on_the_cpu(script):
    found = outcomes(script)
    failed = {name: told for name, told in found.items() if told != "ok"}
    assert not failed, "\n".join(f"--- {name}\n{told}" for name, told in failed.items())
    assert len(found) >= AT_LEAST[script]
