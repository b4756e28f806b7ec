"""A study with its recordings and network tables, and what follows from them before any item is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import RecordingError
from distributed_trf.features.families.registry import expected_frames, frame_rate, is_supported
from distributed_trf.features.network_table import Layer, NetworkTable, chosen_layers, chosen_weights
from distributed_trf.features.resample import kept_frames
from distributed_trf.pipeline.study_scope import batch_sizes
from distributed_trf.recordings.recording_set import RecordingSet, Session, Stimulus
from distributed_trf.store.features import FeatureLayout, StoredLayer
from distributed_trf.store.study_store import StudyStore


class Sounds(Protocol):
    """The sounds of a stimulus set, read or expected."""

    @property
    def ids(self) -> Sequence[str]:
        """In the order of the set."""

    @property
    def n_samples(self) -> Sequence[int]:
        """Of each sound."""

    @property
    def sfreq(self) -> float:
        """Hertz."""


@dataclass(frozen=True)
class ExpectedSounds:
    """Sounds before they are read."""

    ids: list[str]
    n_samples: list[int]
    sfreq: float


@dataclass(frozen=True)
class Context:
    """A study with everything it refers to."""

    study: StudySettings
    store: StudyStore
    recordings: RecordingSet
    tables: dict[str, NetworkTable]

    @property
    def not_extractable(self) -> tuple[str, ...]:
        """Networks that this version can plan but not extract."""
        return tuple(name for name, table in self.tables.items() if not is_supported(table))

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
                sounds = ExpectedSounds([s.id for s in stimuli], n_samples, table.sfreq)
                lengths, batches = lengths_with_lead_in(self.study, table, sounds), self.batches(name)
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

    def sessions_of(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that a stimulus set was presented to."""
        return tuple(session.name for session in self.recordings.heard(stimuli))

    def session(self, name: str) -> Session:
        """Return one of the sessions by its name."""
        return next(session for session in self.recordings.sessions if session.name == name)


def feature_layout(
    study: StudySettings,
    table: NetworkTable,
    weights: Weights,
    layers: tuple[Layer, ...],
    sounds: Sounds,
    durations: Sequence[float],
    batches: tuple[int, ...],
) -> FeatureLayout:
    """Lay out a network's features, given what the read stage found of the sounds, and the seconds of each stimulus."""
    lengths = lengths_with_lead_in(study, table, sounds)
    stored = []
    for layer in layers:
        rate = frame_rate(table, weights, layer)
        native = frames = tuple(expected_frames(table, weights, layer, n) for n in lengths)
        if study.extraction.keep == "100Hz":
            frames = tuple(kept_frames(rate, n, m / table.sfreq) for n, m in zip(native, lengths, strict=True))
        stored.append(StoredLayer(layer.id, layer.name, layer.type, rate, layer.width, native, frames))
    return FeatureLayout(tuple(sounds.ids), tuple(durations), batches, tuple(stored), study.lags.lead_in)


def lengths_with_lead_in(study: StudySettings, table: NetworkTable, sounds: Sounds) -> list[int]:
    """Return the samples of each sound at a network's rate, leading silence included."""
    lead_in = int(study.lags.lead_in * table.sfreq)
    return [lead_in + int(n * table.sfreq / sounds.sfreq) for n in sounds.n_samples]
