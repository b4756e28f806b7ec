"""Commands in this process, as each new one takes seconds to begin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from distributed_trf.cli.app import app
from distributed_trf.cli.console import err, out


@pytest.fixture
def dtrf(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``dtrf`` with some arguments at 80 columns; a stack trace fails the test."""
    for console in (out, err):
        monkeypatch.setattr(console, "width", 80)

    def run(*arguments: str) -> Result:
        done = CliRunner().invoke(app, arguments)
        if not isinstance(done.exception, SystemExit | None):
            raise done.exception
        return done

    return run
