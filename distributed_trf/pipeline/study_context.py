"""A study with its recordings and network tables, and what follows from them before any item is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.errors import RecordingError
from distributed_trf.features.families.registry import expected_frames, frame_rate, is_supported
from distributed_trf.features.resample import kept_frames
from distributed_trf.features.table import NetworkTable
from distributed_trf.pipeline.evaluation import Evaluation, stimuli_of
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.recordings.recording_set import RecordingSet, Session, Stimulus
from distributed_trf.store.features import FeatureLayout, StoredLayer


@dataclass(frozen=True)
class Context(ItemSource):
    """A study with its recordings."""

    recordings: RecordingSet

    @property
    def not_extractable(self) -> tuple[str, ...]:
        """Networks that this version can plan but not extract."""
        return tuple(name for name, table in self.tables.items() if not is_supported(table))

    @cached_property
    def stimuli(self) -> dict[str, tuple[Stimulus, ...]]:
        """The sounds of each stimulus set."""
        return {name: stimuli_of(self.study, self.recordings, name) for name in self.study.stimuli}

    @cached_property
    def evaluations(self) -> dict[str, Evaluation]:
        """How fits are tested, by stimulus set; raises ConfigError where that does not fit the stimuli."""
        return {
            name: Evaluation.of(self.study, name, [s.id for s in stimuli], [s.id for s in stimuli if s.is_test])
            for name, stimuli in self.stimuli.items()
        }

    @cached_property
    def training_trials(self) -> dict[str, dict[str, int]]:
        """Largest number of trials of each training stimulus in any session, by stimulus set.

        Sessions whose trials cannot be read do not count.
        """
        largest = {name: {s.id: 1 for s in stimuli if not s.is_test} for name, stimuli in self.stimuli.items()}
        for name, times in largest.items() if self.study.training == "all" else ():
            for session in self.recordings.heard(name):
                with suppress(RecordingError, OSError):
                    presented = Counter(self.recordings.trials(session, name).stimulus)
                    times.update({i: max(n, presented[i]) for i, n in times.items()})
        return largest

    @cached_property
    def shared_repeats(self) -> dict[str, int]:
        """Presentations that all tested stimuli have in the session of most units; 1 if it cannot be read."""
        repeats = dict.fromkeys(self.stimuli, 1)
        for name, evaluation in self.evaluations.items():
            with suppress(RecordingError, OSError):
                largest = max(self.recordings.heard(name), key=lambda session: len(session.channels))
                presented = Counter(self.recordings.trials(largest, name).stimulus)
                repeats[name] = min((presented[i] for i in evaluation.tested if presented[i]), default=1)
        return repeats

    def repeated(self, stimuli: str, session: Session) -> tuple[Stimulus, ...]:
        """Return what the reliability of a session is measured on: stimuli for testing, else all presented repeatedly.

        Of a session whose trials cannot be read these are all stimuli.
        """
        of_set = self.stimuli[stimuli]
        if any(s.is_test for s in of_set):
            return tuple(s for s in of_set if s.is_test)
        with suppress(RecordingError, OSError):
            presented = Counter(self.recordings.trials(session, stimuli).stimulus)
            return tuple(s for s in of_set if presented[s.id] > 1)
        return of_set

    @cached_property
    def expected_features(self) -> dict[tuple[str, str, Weights], tuple[FeatureLayout, list[int]]]:
        """What extractions will write, and the samples of each input sound, by stimulus set, network and weights.

        Before the sounds are read, their lengths are known to about one sample.
        """
        expected = {}
        for name, stimuli in self.stimuli.items():
            for network in self.study.networks:
                table = self.tables[network.name]
                n_samples = [round(s.duration * table.sfreq) for s in stimuli]
                lengths = self._lengths_with_lead_in(table, n_samples, table.sfreq)
                for weights in self.weights(network):
                    layout = self.feature_layout(name, network, weights, n_samples, table.sfreq)
                    expected[name, network.name, weights] = layout, lengths
        return expected

    def count_sounds(self, stimuli: str) -> int:
        """Count the sounds of a stimulus set."""
        return len(self.stimuli[stimuli])

    def sessions_of(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that a stimulus set was presented to."""
        return tuple(session.name for session in self.recordings.heard(stimuli))

    def session(self, name: str) -> Session:
        """Return one of the sessions by its name."""
        return next(session for session in self.recordings.sessions if session.name == name)

    def feature_layout(
        self, stimuli: str, network: NetworkSettings, weights: Weights, n_samples: Sequence[int], sfreq: float
    ) -> FeatureLayout:
        """Return the layout of a network's features in the store.

        Parameters
        ----------
        stimuli, network, weights
            Whose features.
        n_samples, sfreq
            Number of samples of each sound, and their rate in Hz.
        """
        study, table, sounds = self.study, self.tables[network.name], self.stimuli[stimuli]
        lengths = self._lengths_with_lead_in(table, n_samples, sfreq)
        stored = []
        for layer in self.layers(network):
            rate = frame_rate(table, weights, layer)
            native = frames = tuple(expected_frames(table, weights, layer, n) for n in lengths)
            if study.extraction.keep == "100Hz":
                frames = tuple(kept_frames(rate, n, m / table.sfreq) for n, m in zip(native, lengths, strict=True))
            stored.append(StoredLayer(layer.id, layer.name, layer.type, rate, layer.width, native, frames))
        ids, durations = tuple(s.id for s in sounds), tuple(s.duration for s in sounds)
        number = study.extraction.store
        return FeatureLayout(ids, durations, self.batches(stimuli), tuple(stored), study.lags.lead_in, number)

    def _lengths_with_lead_in(self, table: NetworkTable, n_samples: Sequence[int], sfreq: float) -> list[int]:
        """Return the samples of each sound at a network's rate, leading silence included."""
        lead_in = int(self.study.lags.lead_in * table.sfreq)
        return [lead_in + int(n * table.sfreq / sfreq) for n in n_samples]
