"""What decides which work items a study has: its settings and recordings, or what a run left in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, Self

from pydantic import ValidationError

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import ConfigError, StoreError
from distributed_trf.features.network_table import Layer, NetworkTable, chosen_layers, chosen_weights, load_table
from distributed_trf.pipeline.run_record import SESSIONS, SOUNDS, PastRun, run_settings
from distributed_trf.store.results import session_units
from distributed_trf.store.study_store import StudyStore


class ItemSource(Protocol):
    """A study, and of its recordings and networks what its items follow from."""

    @property
    def study(self) -> StudySettings:
        """The study."""

    def sessions_of(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that a stimulus set was presented to."""

    def batches(self, stimuli: str) -> tuple[int, ...]:
        """Number of stimuli in each batch of an extraction."""

    def layers(self, network: NetworkSettings) -> tuple[Layer, ...]:
        """Layers of a network that the study asks for."""

    def weights(self, network: NetworkSettings) -> tuple[Weights, ...]:
        """Kinds of weights that the study asks for."""


@dataclass(frozen=True)
class FolderScope:
    """The same, by what runs left in the study's folder: no recordings are needed."""

    store: StudyStore
    study: StudySettings
    tables: Mapping[str, NetworkTable]
    sessions: Mapping[str, Sequence[str]]
    """That each stimulus set was presented to."""
    n_sounds: Mapping[str, int]
    """Of each stimulus set; empty if no run left them."""

    @classmethod
    def open(cls, store: StudyStore, study: StudySettings, runs: Sequence[PastRun]) -> Self:
        """Return what is known of a study's items.

        Parameters
        ----------
        store, study
            The study's folder, and what is asked for.
        runs
            Of the folder. The newest that was asked for all of the stimulus sets lists sessions and sounds; where none
            was, the results list sessions.

        Raises
        ------
        ConfigError
            If there is no table of a network, neither now nor in the folder.
        """
        tables = {network.name: _table(store, network.name, runs) for network in study.networks}
        for run in reversed(runs):
            sessions, n_sounds = run.manifest.get(SESSIONS, {}), run.manifest.get(SOUNDS, {})
            if set(study.stimuli) <= set(sessions) and set(study.stimuli) <= set(n_sounds):
                return cls(store, study, tables, sessions, n_sounds)
        in_results = list(session_units(store.results)) if store.results.is_dir() else []
        return cls(store, study, tables, dict.fromkeys(study.stimuli, in_results), {})

    @property
    def is_whole(self) -> bool:
        """Whether all of a study's items can be listed; if not, its fits and analyses can."""
        return bool(self.n_sounds)

    def sessions_of(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that a stimulus set was presented to."""
        return tuple(self.sessions[stimuli])

    def batches(self, stimuli: str) -> tuple[int, ...]:
        """Number of stimuli in each batch of an extraction."""
        return batch_sizes(self.n_sounds[stimuli], self.study.extraction.stored)

    def layers(self, network: NetworkSettings) -> tuple[Layer, ...]:
        """Layers of a network that the study asks for."""
        return chosen_layers(self.tables[network.name], network)

    def weights(self, network: NetworkSettings) -> tuple[Weights, ...]:
        """Kinds of weights that the study asks for."""
        return chosen_weights(self.tables[network.name], network)


def _table(store: StudyStore, network: str, runs: Sequence[PastRun]) -> NetworkTable:
    """Return the table of a network as it is now, or else as the latest run kept it that has it."""
    try:
        return load_table(network)
    except ConfigError:
        for run in reversed(runs):
            with suppress(StoreError, ValidationError, KeyError):
                return run_settings(store.runs / run.name).tables[network]
        raise


def batch_sizes(n: int, size: int) -> tuple[int, ...]:
    """Deal ``n`` stimuli into batches.

    Examples
    --------
    >>> batch_sizes(20, 8)
    (8, 8, 4)
    """
    return tuple(min(size, n - start) for start in range(0, n, size))
