"""What a study needs to be planned: its settings checked against the recordings and the network tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.features.families.registry import FAMILIES, check_weights, frame_rate, is_known
from distributed_trf.features.network_table import Layer, NetworkTable, chosen_layers, chosen_weights, load_table
from distributed_trf.features.resample import FINEST_BIN, KEPT_RATE
from distributed_trf.pipeline.stages.extract import feature_layout, heard_lengths
from distributed_trf.pipeline.stages.lowpass import check_lowpass
from distributed_trf.pipeline.study_scope import batch_sizes
from distributed_trf.recordings.formats import open_recordings
from distributed_trf.recordings.recording_set import RecordingSet, Stimulus
from distributed_trf.store.features import FeatureLayout
from distributed_trf.store.study_store import StudyStore
from distributed_trf.trf.crossval import assign_folds


@dataclass(frozen=True)
class Context:
    """A study with everything it refers to."""

    study: StudySettings
    store: StudyStore
    recordings: RecordingSet
    tables: dict[str, NetworkTable]

    @classmethod
    def open(cls, study: StudySettings, *, to_run: bool = True) -> Context:
        """Check a study against what it names, without writing anything.

        Parameters
        ----------
        study
            The study.
        to_run
            Whether every network must be one that this version can extract; one that it cannot may still be planned.

        Raises
        ------
        ConfigError, RecordingError, StoreError
            If a network, layer, recording or store that it names cannot be used.
        """
        tables = {network.name: load_table(network.name) for network in study.networks}
        if to_run:
            _check_extractable(tables.values())
        for network in study.networks:
            chosen_layers(tables[network.name], network)
            for weights in chosen_weights(tables[network.name], network):
                check_weights(tables[network.name], weights)
        recordings = open_recordings(study.recordings.format, study.recordings.path)
        _check_stimuli(study, recordings)
        context = cls(study, StudyStore.at(study.output), recordings, tables)
        for stimuli in context.stimuli.values():
            assign_folds(sum(not s.is_test for s in stimuli), study.ridge.n_folds, study.ridge.seed)
        context._check_lags()
        context._check_rates()
        context._check_analyses()
        return context

    def _check_lags(self) -> None:
        """Check that each lag begins within a sound; one beyond it is most likely a number of milliseconds."""
        for name, stimuli in self.stimuli.items():
            longest = max((s.duration for s in stimuli), default=0.0)
            for field in ("tmin", "tmax"):
                lag = getattr(self.study.lags, field)
                if abs(lag) > longest:
                    raise ConfigError(
                        f"lags.{field} = {lag:g} s is beyond the longest sound of {name}, which lasts {longest:.3g} s; "
                        f"lags are in seconds, so that {lag:g} ms is {lag / 1000:g}"
                    )

    def _check_rates(self) -> None:
        """Check that what is kept of a layer's frames is enough for the bins."""
        finest = min(self.study.bin_widths)
        if finest >= FINEST_BIN or self.study.extraction.keep == "native":
            return
        for network in self.study.networks:
            table = self.tables[network.name]
            for layer in self.layers(network):
                rate = max(frame_rate(table, weights, layer) for weights in self.weights(network))
                if rate > KEPT_RATE:
                    raise ConfigError(
                        f"bin_widths: {finest:g} ms is finer than the {KEPT_RATE:g} frames per second that are kept of "
                        f"{table.name} layer {layer.id} ({layer.name}), which gives {rate:g}; write "
                        f"`extraction: {{keep: native}}`, or bins of {FINEST_BIN:g} ms or more"
                    )

    def _check_analyses(self) -> None:
        """Check that analyses ask for what the study and the recordings have."""
        for t in self.study.together:
            self._check_asked("together", t.network, [] if t.layers == "all" else t.layers)
        for p in self.study.lowpass:
            self._check_asked("lowpass", p.network, [p.layer], p.weights)
            check_lowpass(p, self.study, self.stimuli)
        for b in self.study.bootstraps:
            self._check_asked("bootstraps", b.network, [b.layer], b.weights)
            unknown = sorted(set(b.sessions or ()) - {session.name for session in self.recordings.sessions})
            if unknown:
                raise ConfigError(f"bootstraps: {b.network}: no session {', '.join(unknown)} in the recordings")

    def _check_asked(self, field: str, network: str, layers: Sequence[int], weights: Weights | None = None) -> None:
        settings = next(n for n in self.study.networks if n.name == network)
        known = [layer.id for layer in self.layers(settings)]
        for layer in layers:
            if layer not in known:
                raise ConfigError(f"{field}: {network}: layer {layer} is not among those of the study: {known}")
        if weights is not None and weights not in self.weights(settings):
            raise ConfigError(
                f"{field}: {network}: weights {weights!r} are not among {', '.join(self.weights(settings))}"
            )

    @property
    def not_extractable(self) -> tuple[str, ...]:
        """Networks that this version can plan but not extract."""
        return tuple(name for name, table in self.tables.items() if not is_known(table))

    @cached_property
    def stimuli(self) -> dict[str, tuple[Stimulus, ...]]:
        """The sounds of each stimulus set."""
        return {name: self.recordings.stimuli(name) for name in self.study.stimuli}

    @cached_property
    def training_trials(self) -> dict[str, dict[str, int]]:
        """How many trials each training stimulus of each set makes in the session where it makes most.

        That is known of sessions whose trials can be read.
        """
        found = {name: {s.id: 1 for s in stimuli if not s.is_test} for name, stimuli in self.stimuli.items()}
        for name, times in found.items() if self.study.training == "all" else ():
            for session in self.recordings.heard(name):
                with suppress(RecordingError, OSError):
                    presented = Counter(self.recordings.trials(session, name).stimulus)
                    times.update({i: max(n, presented[i]) for i, n in times.items()})
        return found

    @cached_property
    def expected_features(self) -> dict[tuple[str, str, Weights], tuple[FeatureLayout, list[int]]]:
        """What extractions will write, by stimulus set, network and weights, and the samples of each sound they hear.

        Before the sounds are read their lengths are known to a sample or so.
        """
        found = {}
        for name, stimuli in self.stimuli.items():
            for network in self.study.networks:
                table = self.tables[network.name]
                n_samples = [round(s.duration * table.sfreq) for s in stimuli]
                sounds = {"ids": [s.id for s in stimuli], "n_samples": n_samples, "sfreq": table.sfreq}
                lengths, batches = heard_lengths(self.study, table, sounds), self.batches(name)
                for weights in self.weights(network):
                    layers, durations = self.layers(network), [s.duration for s in stimuli]
                    layout = feature_layout(self.study, table, weights, layers, sounds, durations, batches)
                    found[name, network.name, weights] = layout, lengths
        return found

    def layers(self, network: NetworkSettings) -> tuple[Layer, ...]:
        """Layers of a network that the study asks for."""
        return chosen_layers(self.tables[network.name], network)

    def weights(self, network: NetworkSettings) -> tuple[Weights, ...]:
        """Kinds of weights that the study asks for."""
        return chosen_weights(self.tables[network.name], network)

    def batches(self, stimuli: str) -> tuple[int, ...]:
        """Number of stimuli in each batch of an extraction."""
        return batch_sizes(len(self.stimuli[stimuli]), self.study.extraction.stored)

    def heard(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that heard a stimulus set."""
        return tuple(session.name for session in self.recordings.heard(stimuli))


def _check_stimuli(study: StudySettings, recordings: RecordingSet) -> None:
    """Check that the recordings have the stimulus sets that a study asks for."""
    missing = [name for name in study.stimuli if name not in recordings.stimulus_sets]
    if missing:
        told = [note for note in recordings.notes if any(name in note for name in missing)]
        raise ConfigError(
            f"stimuli: {', '.join(missing)} is not among what {recordings.path} offers: "
            f"{', '.join(recordings.stimulus_sets) or 'nothing'}{''.join(f'; {note}' for note in told)}"
        )


def _check_extractable(tables: Iterable[NetworkTable]) -> None:
    unknown = [table for table in tables if not is_known(table)]
    if unknown:
        named = ", ".join(f"{table.name} (family {table.family!r})" for table in unknown)
        raise ConfigError(
            f"networks: {named} cannot be extracted by this version, which knows the families {', '.join(FAMILIES)}; "
            "leave them out of the study to run the rest, or see what all would need with `dtrf plan`"
        )
