"""Open a study: check its settings against recordings and network tables before anything is written."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from distributed_trf.config.spaces import AnalysisSettings
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError
from distributed_trf.features.families.registry import FAMILIES, check_weights, completed, frame_rate, is_supported
from distributed_trf.features.probe.study_tables import study_table
from distributed_trf.features.resample import FINEST_BIN, KEPT_RATE
from distributed_trf.features.table import NetworkTable, chosen_layers, chosen_weights
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import kept_table
from distributed_trf.pipeline.work import KINDS
from distributed_trf.recordings.open_recordings import open_recordings
from distributed_trf.recordings.recording_set import RecordingSet
from distributed_trf.store.study_store import StudyStore

TESTED_BY_SPLITS = ("lowpass", "together", "joint", "partition", "beyond")
"""Analyses that need no fixed test set."""


def open_context(study: StudySettings, *, to_run: bool = True) -> Context:
    """Check a study against the recordings and networks that it names, without writing anything.

    Parameters
    ----------
    study
        The study.
    to_run
        Refuse networks that this version cannot extract; without it they can be planned.

    Raises
    ------
    ConfigError, RecordingError, StoreError, FeatureError
        If a network, layer, recording or store cannot be used, or the files that complete a network's table cannot.
    """
    store = StudyStore.at(study.output)
    tables = {
        network.name: completed(study_table(network, partial(kept_table, store, network.name)), network)
        for network in study.networks
    }
    if to_run:
        _check_extractable(tables.values())
    for network in study.networks:
        chosen_layers(tables[network.name], network)
        for weights in chosen_weights(tables[network.name], network):
            check_weights(tables[network.name], network, weights)
    recordings = open_recordings(study.recordings.format, study.recordings.path)
    there = recordings.stimulus_sets
    study = study.with_sets([name for name in there if recordings.heard(name)] or there)
    _check_stimuli(study, recordings)
    context = Context(study, store, tables, recordings)
    for evaluation in context.evaluations.values():
        evaluation.roles(evaluation.stimuli)
    _check_tested(study)
    _check_lags(context)
    _check_rates(context)
    for field, settings in study.analyses():
        _check_analysis(context, field, settings)
    for kind in KINDS.values():
        kind.check(context)
    return context


def _check_tested(study: StudySettings) -> None:
    """Check that analyses of a fixed test set have one."""
    if study.test.fixed:
        return
    unknown = [field for field, _ in study.analyses() if field not in TESTED_BY_SPLITS]
    if unknown:
        raise ConfigError(
            f"{', '.join(dict.fromkeys(unknown))}: tested on a fixed test set only, and the study tests by splits; "
            "put them into a study of its own with `test: {set: test}`"
        )


def _check_lags(context: Context) -> None:
    """Check that no lag is longer than the longest sound; such a lag is most likely in milliseconds."""
    for name, stimuli in context.stimuli.items():
        longest = max((s.duration for s in stimuli), default=0.0)
        for field in ("tmin", "tmax"):
            lag = getattr(context.study.lags, field)
            if abs(lag) > longest:
                raise ConfigError(
                    f"lags.{field} = {lag:g} s is beyond the longest sound of {name}, which lasts {longest:.3g} s; "
                    f"lags are in seconds, so that {lag:g} ms is {lag / 1000:g}"
                )


def _check_rates(context: Context) -> None:
    """Check that the stored frame rate of each layer is high enough for the bins."""
    finest = min(context.study.bin_widths)
    if finest >= FINEST_BIN or context.study.extraction.keep == "native":
        return
    for network in context.study.networks:
        table = context.tables[network.name]
        for layer in context.layers(network):
            rate = max(frame_rate(table, weights, layer) for weights in context.weights(network))
            if rate > KEPT_RATE:
                raise ConfigError(
                    f"bin_widths: {finest:g} ms is finer than the {KEPT_RATE:g} frames per second that are kept of "
                    f"{table.name} layer {layer.id} ({layer.name}), which gives {rate:g}; write "
                    f"`extraction: {{keep: native}}`, or bins of {FINEST_BIN:g} ms or more"
                )


def _check_analysis(context: Context, field: str, settings: AnalysisSettings) -> None:
    """Check that the study has the layers and weights of an analysis, and the recordings its sessions."""
    for space in settings.named_spaces:
        name = space.network
        network = next(n for n in context.study.networks if n.name == name)
        known, weights = [layer.id for layer in context.layers(network)], context.weights(network)
        for layer in [] if space.layers == "all" else space.layers:
            if layer not in known:
                raise ConfigError(f"{field}: {name}: layer {layer} is not among those of the study: {known}")
        if space.weights is not None and space.weights not in weights:
            raise ConfigError(f"{field}: {name}: weights {space.weights!r} are not among {', '.join(weights)}")
    unknown = sorted(set(settings.named_sessions) - {session.name for session in context.recordings.sessions})
    if unknown:
        raise ConfigError(f"{field}: {settings.subject[0]}: no session {', '.join(unknown)} in the recordings")


def _check_stimuli(study: StudySettings, recordings: RecordingSet) -> None:
    """Check that the recordings have the stimulus sets of a study."""
    missing = [name for name in study.stimuli if name not in recordings.stimulus_sets]
    if not study.stimuli:
        raise ConfigError(f"stimuli: {recordings.path} offers no stimulus set; expected one at least")
    if missing:
        notes = [note for note in recordings.notes if any(name in note for name in missing)]
        raise ConfigError(
            f"stimuli: {', '.join(missing)} is not among what {recordings.path} offers: "
            f"{', '.join(recordings.stimulus_sets) or 'nothing'}{''.join(f'; {note}' for note in notes)}"
        )


def _check_extractable(tables: Iterable[NetworkTable]) -> None:
    unknown = [table for table in tables if not is_supported(table)]
    if unknown:
        named = ", ".join(f"{table.name} (family {table.family!r})" for table in unknown)
        raise ConfigError(
            f"networks: {named} cannot be extracted by this version, which knows the families {', '.join(FAMILIES)}; "
            "leave them out of the study to run the rest, or see what all would need with `dtrf plan`"
        )
