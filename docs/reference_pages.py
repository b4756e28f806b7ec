"""The reference, written from the code: public names, fields of every YAML file, commands and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import distributed_trf
import distributed_trf.figures
from distributed_trf import errors
from distributed_trf.cli.app import COMMANDS, load
from distributed_trf.clusters.recipe import KINDS
from distributed_trf.config.analyses import WordErrorSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.features.table import NetworkTable
from docs.schema import FieldWords, fields_of, meanings, models_in

GROUPS = {
    "The fit": (
        "TRF",
        "to_dataset",
        "nested_folds",
        "given_splits",
        "moments_of",
        "fit_moments",
        "save_trf",
        "load_trf",
    ),
    "Studies": ("Study", "start_cluster", "add_network"),
    "Recordings": ("open_recordings", "inventory", "write_session", "write_sound", "simulate"),
    "Features": ("open_features", "binned_features", "design"),
    "Results": (
        "open_results",
        "open_tree",
        "open_beyond",
        "open_partition",
        "open_joint",
        "open_together",
        "open_bootstraps",
        "open_lowpass",
        "open_models",
        "combine_results",
        "average_seeds",
        "import_published_csv",
        "write_published_csv",
        "simulate_results",
    ),
    "Questions to results": (
        "select_units",
        "selection_table",
        "layer_profile",
        "best_layer",
        "peak_layer",
        "session_table",
        "inter_trial_draws",
        "to_dataframe",
    ),
    "Statistics": (
        "compare",
        "layer_tests",
        "compare_areas",
        "cutoff_tests",
        "median_intervals",
        "power",
        "describe",
    ),
    "Similarity": ("rsa", "rsa_ceiling", "cka", "response_similarity", "layer_similarity"),
}
"""Every public name of the package, in the order in which a reader may need them."""
RETURNED = {
    "What is returned": (
        "trf.cross_validated.CrossValidated",
        "trf.splits.Splits",
        "trf.splits.Split",
        "trf.moments.Moments",
        "trf.crossval.RidgeFit",
        "pipeline.run_record.Report",
        "pipeline.forecast.Plan",
        "pipeline.forecast.Forecast",
        "pipeline.forecast.StageForecast",
        "pipeline.status.Planned",
        "pipeline.status.State",
        "pipeline.costs.Cost",
        "pipeline.prepare.Damaged",
        "pipeline.extra_items.Beside",
        "recordings.recording_set.RecordingSet",
        "recordings.recording_set.Session",
        "recordings.recording_set.Stimulus",
        "recordings.recording_set.Trials",
        "recordings.recording_set.SpikeTrials",
        "store.features.Features",
        "store.features.NetworkFeatures",
        "store.features.StoredLayer",
        "features.probe.add.AddedNetwork",
        "results.models.Models",
        "results.models.Model",
        "results.published.import_csv.Imported",
        "results.best_predicted.Example",
    ),
    "Events of a run": tuple(
        f"pipeline.events.{name}"
        for name in (
            "RunStarted",
            "Dashboard",
            "StageBegan",
            "ItemEnded",
            "Waits",
            "WorkerJoined",
            "WorkerLeft",
            "ClusterEvent",
            "RunEnded",
        )
    ),
}
"""Classes that a reader meets in what public names return or take, and need not import."""
ERRORS = tuple(
    name
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, errors.DistributedTRFError)
)
"""All exceptions."""
YAML_FILES: Mapping[str, tuple[str, str, Mapping[str, type[BaseModel]]]] = {
    "study_file": (
        "The study file",
        "Every setting that determines results. `configs/example.yaml` is one with comments.",
        {"study.yaml": StudySettings},
    ),
    "network_file": (
        "The table of a network",
        "Where a network comes from and which of its layers are taken: files of `configs/networks`.",
        {"configs/networks/NAME.yaml": NetworkTable},
    ),
    "recipe_file": (
        "Recipes",
        "Where workers come from, one table for each `kind`: files of `cluster`.",
        {f"kind: {kind}": KINDS[kind] for kind in sorted(KINDS)},
    ),
    "word_errors_file": (
        "The file of word error rates",
        "What `dtrf wer` measures: files of `configs/word_errors`.",
        {"configs/word_errors/NAME.yaml": WordErrorSettings},
    ),
}


def write_reference(folder: Path) -> None:
    """Write all pages into a folder, each only where it has changed."""
    pages = {"python": _python(), "commands": _commands()}
    pages |= {name: _yaml_page(*page) for name, page in YAML_FILES.items()}
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _python() -> str:
    listed = [name for names in GROUPS.values() for name in names]
    if sorted(listed) != sorted(distributed_trf.__all__):
        raise ValueError(f"GROUPS must name each public name once: {set(listed) ^ set(distributed_trf.__all__)}")
    groups = {title: [f"distributed_trf.{name}" for name in names] for title, names in GROUPS.items()}
    groups["Figures"] = [f"distributed_trf.figures.{name}" for name in sorted(distributed_trf.figures.__all__)]
    groups |= {title: [f"distributed_trf.{name}" for name in names] for title, names in RETURNED.items()}
    groups["Errors"] = [f"distributed_trf.errors.{name}" for name in ERRORS]
    parts = [
        "# Python",
        "",
        "Each name is imported from `distributed_trf`, figures from `distributed_trf.figures`, errors from",
        "`distributed_trf.errors`; the other lists are what these return or take.",
        "",
    ]
    for title, names in groups.items():
        parts += [f"## {title}", "", "```{eval-rst}", ".. autosummary::", "   :toctree: api", "   :nosignatures:", ""]
        parts += [*(f"   ~{name}" for name in names), "```", ""]
    return "\n".join(parts)


def _yaml_page(title: str, words: str, files: Mapping[str, type[BaseModel]]) -> str:
    parts = [f"# {title}", "", words, ""]
    for name, model in files.items():
        if len(files) > 1:
            parts += [f"## `{name}`", "", _rendered(model.__doc__ or ""), ""]
        parts += _mappings(model, 2 if len(files) == 1 else 3)
    return "\n".join(parts)


def _mappings(model: type[BaseModel], level: int) -> Iterator[str]:
    """Write a table of the fields of each mapping of a file."""
    models = models_in(model)
    tables: dict[str, list[FieldWords]] = {}
    for field in fields_of(model):
        tables.setdefault(field.path.rpartition(".")[0], []).append(field)
    for path, fields in tables.items():
        owner = models[fields[0].model or model.__name__]
        if path:
            yield from (f"{'#' * level} `{path}`", "", _rendered(owner.__doc__ or ""), "")
        yield from ("| field | |", "|---|---|")
        said = meanings(owner)
        for field in fields:
            name = field.path.rpartition(".")[2]
            kind = "" if field.kind == "fields" else f"*{field.kind}*"
            needed = (
                "**required**" if field.required else f"default `{field.default}`" if kind and field.default else ""
            )
            lines = [_rendered(said.get(name, "")), ", ".join(part for part in (kind, needed) if part)]
            cells = (f"`{name}`", "<br>".join(line for line in lines if line))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _commands() -> str:
    parts = ["# Commands", "", "`dtrf COMMAND --help` says the same.", ""]
    for name in COMMANDS:
        parts += _command(f"dtrf {name}", load(name), 2)
    return "\n".join(parts)


def _command(name: str, command: Any, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} `{name}`", "", _rendered(_help(command.help)), "")
    parameters = [p for p in command.params if p.name != "help"]
    if parameters:
        yield from ("| | default | |", "|---|---|---|")
        for parameter in parameters:
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in _parameter(parameter)) + " |"
        yield ""
    for below, found in getattr(command, "commands", {}).items():
        yield from _command(f"{name} {below}", found, level + 1)


def _parameter(parameter: Any) -> tuple[str, str, str]:
    is_option = parameter.param_type_name == "option"
    written = ", ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.name.upper()
    default = "**required**" if parameter.required else ""
    if not parameter.required and parameter.default not in (None, False, ()):
        default = f"`{parameter.default}`"
    return f"`{written}`", default, _rendered(_help(getattr(parameter, "help", "")))


def _help(text: str | None) -> str:
    return " ".join((text or "").split())


def _rendered(text: str) -> str:
    """Turn literals of reStructuredText into those of Markdown, on one line."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))


def undescribed() -> list[str]:
    """Name the settings whose meaning is said nowhere; ``kind`` says itself what it is."""
    files = [model for _, _, models in YAML_FILES.values() for model in models.values()]
    classes = {name: part for model in files for name, part in models_in(model).items()}
    missing = {name: set(part.model_fields) - set(meanings(part)) - {"kind"} for name, part in classes.items()}
    return [f"{name}.{field}" for name, fields in missing.items() for field in sorted(fields)]
