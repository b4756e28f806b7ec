"""``dtrf prune``."""

from __future__ import annotations

from typing import Annotated

import typer

from distributed_trf.cli.console import out, size
from distributed_trf.pipeline.beside import Beside
from distributed_trf.pipeline.items import LABELS
from distributed_trf.pipeline.study import Study


def prune(
    study: str = typer.Argument(help="Study file, or the name of one in configs/.", show_default=False),
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
) -> None:
    """Remove what the folder of a study keeps that the study does not ask for."""
    loaded = Study.load(study)
    beside = loaded.beside()
    if not beside:
        out.print(f"nothing to remove: all that is in {loaded.output} is asked for", soft_wrap=True)
        return
    for stage, n in beside.counted.items():
        out.print(f"{LABELS[stage]}: {n} items")
    if beside.failures:
        out.print(f"failures: {len(beside.failures)}")
    if beside.networks:
        out.print(f"fits are of {', '.join(sorted(beside.networks))}", soft_wrap=True)
    out.print(f"{kept(beside)}, {size(beside.n_bytes)}, in {loaded.output}", soft_wrap=True)
    if not dry_run:
        if not yes:
            typer.confirm("Remove them for good?", abort=True)
        loaded.prune()
        out.print("removed")


def kept(beside: Beside | str) -> str:
    """Say what is kept."""
    return f"kept beside: {beside} that this study does not ask for"
