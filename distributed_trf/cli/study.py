"""``dtrf plan``, ``dtrf run``, ``dtrf status``, ``dtrf repair`` and ``dtrf prune``: the items of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from distributed_trf.cli.completion import complete_recipe, complete_study
from distributed_trf.cli.console import JSON, duration, out, print_json, quieten_dask, size, work
from distributed_trf.cli.progress import Bars
from distributed_trf.clusters.recipe import Recipe, load_recipe
from distributed_trf.clusters.recipe_machines import LocalCudaRecipe
from distributed_trf.pipeline.extra_items import Beside, find_extra_items
from distributed_trf.pipeline.forecast import Forecast
from distributed_trf.pipeline.items import LABELS, STAGES
from distributed_trf.pipeline.memory_check import check_devices, check_memory
from distributed_trf.pipeline.run_record import Report
from distributed_trf.pipeline.status import State
from distributed_trf.pipeline.study import Study
from distributed_trf.recordings.recording_set import unusable_sessions

SIZES = {name: f"{name}_bytes" for name in ("read", "written", "host", "device")}
"""Numbers of a plan that are bytes, and their names in JSON."""
SOME_FAILED = 1
SHOWN = 20
UNUSABLE = "cannot be used; leave out those that are bad"
"""Items listed by name before the rest is counted."""

IN_PARTS = (
    "{} batches did not fit the memory of the device and were computed in parts, which changes no number; a smaller "
    "`extraction.batch` spares the attempts"
)

UNUSED = (
    "{} presentations of training stimuli are not used, for the first of each counts; `training: mean` or `training: "
    "all` in the study uses them"
)

STUDY = typer.Argument(
    help="Study file, or the name of one in configs/.", show_default=False, autocompletion=complete_study
)
CLUSTER = typer.Option(
    "local",
    metavar="RECIPE",
    help="Where workers come from: a recipe file, or the name of one in cluster/.",
    autocompletion=complete_recipe,
)


def plan(study: str = STUDY, *, cluster: str = CLUSTER, as_json: Annotated[bool, JSON] = False) -> None:
    """Say what a run would do and need, without doing it."""
    loaded, recipe = Study.load(study), load_recipe(cluster)
    forecast = loaded.forecast(recipe)
    context, planned = forecast.context, forecast.planned
    if as_json:
        _check_plan(forecast, recipe)
        print_json(
            {
                "study": loaded.settings.name,
                "output": loaded.output,
                "cluster": cluster,
                "workers": recipe.n_workers,
                "stages": [
                    {SIZES.get(name, name): value for name, value in asdict(s).items()} for s in forecast.stages()
                ],
                "not_extractable": context.not_extractable,
                "unusable_sessions": unusable_sessions(context.recordings),
                "outside_the_study_bytes": find_extra_items(context).n_bytes,
            }
        )
        return
    gpu = recipe.device != "cpu"
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("stage", no_wrap=True)
    for heading in ("to do", "reads", "writes", "files", "work", "memory", *(["GPU"] if gpu else []), "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for s in forecast.stages():
        sizes = [size(n) if s.todo else "-" for n in (s.read, s.written)]
        peaks = [size(n) if n else "-" for n in ((s.host, s.device) if gpu else (s.host,))]
        took = duration(s.seconds) if s.todo else "-"
        table.add_row(LABELS[s.stage], f"{s.todo}/{s.items}", *sizes, str(s.files), work(s.flops), *peaks, took)
    out.print(table)
    _list_sessions(UNUSABLE, unusable_sessions(context.recordings))
    memory = "" if recipe.worker_bytes is None else f" of {size(recipe.worker_bytes)} each"
    out.print(f"{recipe.n_workers} workers{memory}; output in {loaded.output}", soft_wrap=True)
    if any(p.state is not State.DONE for p, _ in planned):
        out.print(_of_time(forecast, recipe))
    if context.not_extractable:
        out.print(f"cannot be extracted by this version: {', '.join(context.not_extractable)}", soft_wrap=True)
    if beside := find_extra_items(context):
        out.print(f"{kept(beside)}, {size(beside.n_bytes)}; dtrf prune removes them", soft_wrap=True)
    _check_plan(forecast, recipe)


def _check_plan(forecast: Forecast, recipe: Recipe) -> None:
    """Check that what is planned fits the memory of workers and of the GPUs here."""
    planned = [p for p, _ in forecast.planned]
    check_memory(forecast.context, planned, recipe)
    if isinstance(recipe, LocalCudaRecipe) and recipe.device_memory is None:
        from distributed_trf.clusters.worker_proof import checked, prove_in_processes

        check_devices(forecast.context, planned, checked(prove_in_processes(recipe.visible)))


def _of_time(forecast: Forecast, recipe: Recipe) -> str:
    """Say where the times of a plan come from."""
    learnt = sum(n for n, _ in forecast.learnt.values())
    source = "rates of this machine, measured now"
    if learnt:
        source += f", set right by how long {learnt} finished items took"
    remote = "" if recipe.kind == "local" and recipe.device == "cpu" else "; the recipe's workers may be faster"
    return f"memory is the peak of a worker; times are from {source}{remote}"


def run(
    study: str = STUDY,
    *,
    cluster: str = CLUSTER,
    item: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Be element I of a job array of N: share the work with the others, without a scheduler process.",
        ),
    ] = None,
) -> None:
    """Do everything of a study that is not done yet."""
    loaded = Study.load(study)
    if item is None:
        quieten_dask()
    with Bars() as bars:
        report = loaded.run(cluster, item=item, watcher=bars)
    _summarise(report)
    out.print(f"output: {loaded.output}", soft_wrap=True)
    if not report.ok:
        raise typer.Exit(SOME_FAILED)


def status(
    study: str = STUDY,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="List every item that is not done, not only the first ones.")
    ] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Say what is done, running, missing, stale or failed, and why."""
    loaded = Study.load(study)
    planned = loaded.status()
    if as_json:
        print_json(
            {
                "study": loaded.settings.name,
                "output": loaded.output,
                "stages": {s: Counter(p.state for p in planned if p.item.stage == s) for s in STAGES},
                "not_done": [
                    {"stage": p.item.stage, "key": p.item.key, "state": p.state, "reason": p.reason}
                    for p in planned
                    if p.state is not State.DONE
                ],
            }
        )
        return
    states = [s for s in State if any(p.state is s for p in planned)]
    table = Table("stage", *states, box=None, pad_edge=False)
    for stage in STAGES:
        counts = Counter(p.state for p in planned if p.item.stage == stage)
        if counts:
            table.add_row(LABELS[stage], *(str(counts[s]) for s in states))
    out.print(table)
    in_parts = sum(p.state is State.DONE and bool(p.reason) for p in planned)
    if in_parts:
        out.print(IN_PARTS.format(in_parts), soft_wrap=True)
    listed = [p for p in planned if p.state in (State.RUNNING, State.FAILED, State.STALE)]
    listed += [p for p in planned if p.state in (State.PENDING, State.WAITING)] if every else []
    shown = listed if every else listed[:SHOWN]
    for p in shown:
        reason = f": {p.reason}" if p.reason else ""
        out.print(f"{p.state} {p.item.stage} {p.item.key}{reason}", soft_wrap=True)
    if len(listed) > len(shown):
        out.print(f"... and {len(listed) - len(shown)} more; see them with --all")


def repair(study: str = STUDY) -> None:
    """Check all that is done against its checksums; what is damaged is made anew by the next run."""
    found = Study.load(study).repair()
    for item, damage in found.items():
        out.print(f"damaged {item.stage} {item.key}: {damage}", soft_wrap=True)
    out.print(f"{len(found)} items are to be done again: dtrf run {study}" if found else "nothing is damaged")


def _summarise(report: Report) -> None:
    done, before = sum(report.done.values()), sum(report.skipped.values())
    if report.beside:
        out.print(f"{kept(report.beside)}; dtrf prune removes them", soft_wrap=True)
    if report.folder is None:
        out.print(f"nothing to do: all {before} items were done before")
        _report_recordings(report)
        return
    seconds = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in report.seconds.items())
    elsewhere = f", {sum(report.elsewhere.values())} by other elements" if report.elsewhere else ""
    out.print(f"{done} items done now{elsewhere}, {before} were done before ({seconds})")
    if report.constant_units:
        out.print(f"{report.constant_units} units never vary; their r is NaN")
    _report_notes(report)
    for what in report.removed:
        out.print(f"{what}, which are not in this study, were of other settings and are removed", soft_wrap=True)
    if report.unused_presentations:
        out.print(UNUSED.format(report.unused_presentations), soft_wrap=True)
    for session, reason in report.left_out.items():
        out.print(f"session {session} was left out of fits: {reason}", soft_wrap=True)
    if report.heard_in_parts:
        out.print(IN_PARTS.format(report.heard_in_parts), soft_wrap=True)
    for network, rates in report.upsampled.items():
        limit = f"nothing above {float(rates.split()[0]) / 2000:g} kHz is in its input"
        out.print(f"sounds were resampled from {rates} for {network}: {limit}", soft_wrap=True)
    for network, notes in report.features.items():
        rest = f" (and {len(notes) - 1} more such lines in its manifest.json)" if len(notes) > 1 else ""
        out.print(f"features of {network}: {notes[0]}{rest}", soft_wrap=True)
    if report.fallbacks:
        out.print(
            f"{report.fallbacks} factorisations failed their check and were repeated; see `fallbacks` in receipts"
        )
    _report_recordings(report)
    for kind, items in (("failed", report.failed), ("not begun", report.blocked)):
        if items:
            out.print(f"{len(items)} items {kind}", style="bold red")
        by_reason: dict[str, list[str]] = {}
        for key, message in items.items():
            by_reason.setdefault(message, []).append(key)
        for message, (first, *others) in list(by_reason.items())[:SHOWN]:
            more = f" and {len(others)} more" if others else ""
            out.print(f"  {first}{more}: {message}", soft_wrap=True)
        if len(by_reason) > SHOWN:
            out.print(f"  ... and others for {len(by_reason) - SHOWN} more reasons; see them with dtrf status --all")
    out.print(f"record of this run: {report.folder}", soft_wrap=True)


def _report_notes(report: Report) -> None:
    """Say what was left out while reading, and what could not be measured: each thing once, and of how many items."""
    by_text: dict[str, list[str]] = {}
    for key, notes in report.notes.items():
        by_text.setdefault("; ".join(notes), []).append(key)
    for text, (first, *others) in list(by_text.items())[:SHOWN]:
        more = f" and {len(others)} more" if others else ""
        out.print(f"note of {first}{more}: {text}", soft_wrap=True)
    if len(by_text) > SHOWN:
        out.print(f"  ... and {len(by_text) - SHOWN} other notes in its manifest.json")


def _report_recordings(report: Report) -> None:
    """Say which sessions look wrong, and which could not be used."""
    _list_sessions("look wrong", {key: "; ".join(texts) for key, texts in report.doubts.items()})
    _list_sessions(UNUSABLE, report.unusable)


def _list_sessions(title: str, lines: Mapping[str, str]) -> None:
    if lines:
        out.print(f"{len(lines)} sessions {title}", style="bold red")
    for session, reason in list(lines.items())[:SHOWN]:
        out.print(f"  {session}: {reason}", soft_wrap=True)
    if len(lines) > SHOWN:
        out.print(f"  ... and {len(lines) - SHOWN} more; see them with dtrf recordings")


def prune(
    study: str = STUDY,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
) -> None:
    """Remove items in the folder of a study that are not part of the study."""
    loaded = Study.load(study)
    beside = loaded.beside()
    if not beside:
        out.print(f"nothing to remove: all items in {loaded.output} are part of the study", soft_wrap=True)
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
    return f"also kept: {beside} that are not part of this study"
