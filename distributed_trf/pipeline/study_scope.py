"""What decides which work items a study has: its settings and recordings, or the lists that runs left in its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from pydantic import ValidationError

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.features.probe.study_tables import study_table
from distributed_trf.features.table import Layer, NetworkTable, chosen_layers, chosen_weights
from distributed_trf.names import STIMULI
from distributed_trf.pipeline.run_record import SESSIONS, SOUNDS, PastRun, past_runs, run_settings
from distributed_trf.store.results import requested_grid, session_units
from distributed_trf.store.study_store import StudyStore


@dataclass(frozen=True)
class ItemSource(ABC):
    """A study with what its work items follow from: networks, sessions and sounds."""

    study: StudySettings
    store: StudyStore
    tables: Mapping[str, NetworkTable]
    """Of the study's networks, by name."""

    @abstractmethod
    def sessions_of(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that a stimulus set was presented to."""

    @abstractmethod
    def count_sounds(self, stimuli: str) -> int:
        """Count the sounds of a stimulus set."""

    def batches(self, stimuli: str) -> tuple[int, ...]:
        """Number of stimuli in each batch of an extraction."""
        return batch_sizes(self.count_sounds(stimuli), self.study.extraction.sounds_per_item)

    def layers(self, network: NetworkSettings) -> tuple[Layer, ...]:
        """Layers of a network that the study includes."""
        return chosen_layers(self.tables[network.name], network)

    def weights(self, network: NetworkSettings) -> tuple[Weights, ...]:
        """Kinds of weights that the study includes."""
        return chosen_weights(self.tables[network.name], network)


@dataclass(frozen=True)
class FolderScope(ItemSource):
    """A study by what its runs left in its folder: no recordings are needed."""

    sessions: Mapping[str, Sequence[str]]
    """Sessions that each stimulus set was presented to."""
    n_sounds: Mapping[str, int]
    """Number of sounds of each stimulus set; empty if no run left it."""

    @classmethod
    def open(cls, store: StudyStore, study: StudySettings, runs: Sequence[PastRun]) -> Self:
        """Read the lists of sessions and sounds that runs left in a study's folder.

        Parameters
        ----------
        store, study
            The study's folder and settings.
        runs
            Runs in the folder. The newest run with all stimulus sets of the study lists sessions and sounds, and the
            sets where the study names none. Without such a run the results list them.

        Raises
        ------
        ConfigError
            If a network has no table, neither in this version nor in the folder.
        """
        tables = {network.name: _table(store, network, runs) for network in study.networks}
        for run in reversed(runs):
            sessions, n_sounds = run.manifest.get(SESSIONS, {}), run.manifest.get(SOUNDS, {})
            if sessions and set(study.stimuli) <= set(sessions) and set(study.stimuli) <= set(n_sounds):
                return cls(study.with_sets(sessions), store, tables, sessions, n_sounds)
        in_results = list(session_units(store.results)) if store.results.is_dir() else []
        study = study.with_sets(requested_grid(store.results).axes[STIMULI] if in_results else [])
        return cls(study, store, tables, dict.fromkeys(study.stimuli, in_results), {})

    @property
    def is_whole(self) -> bool:
        """Whether all items of the study can be listed; otherwise only its fits and analyses can."""
        return bool(self.n_sounds)

    def sessions_of(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that a stimulus set was presented to."""
        return tuple(self.sessions[stimuli])

    def count_sounds(self, stimuli: str) -> int:
        """Count the sounds of a stimulus set."""
        return self.n_sounds[stimuli]


def _table(store: StudyStore, network: NetworkSettings, runs: Sequence[PastRun]) -> NetworkTable:
    """Return the table of a network in this version, or else the one that the latest run with this network kept."""
    kept = kept_table(store, network.name, runs)
    try:
        return kept if kept is not None and kept.made_from is not None else study_table(network)
    except ConfigError:
        if kept is None:
            raise
        return kept


def kept_table(store: StudyStore, name: str, runs: Sequence[PastRun] | None = None) -> NetworkTable | None:
    """Return the table of a network that the latest run with it kept in the study's folder, if one did."""
    for run in reversed(past_runs(store) if runs is None else runs):
        with suppress(StoreError, ValidationError, KeyError):
            return run_settings(store.runs / run.name).tables[name]
    return None


def batch_sizes(n: int, size: int) -> tuple[int, ...]:
    """Divide ``n`` stimuli into batches.

    Examples
    --------
    >>> batch_sizes(20, 8)
    (8, 8, 4)
    """
    return tuple(min(size, n - start) for start in range(0, n, size))
