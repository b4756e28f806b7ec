"""What decides which work items a study has: its settings and recordings, or what a run left in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from pydantic import ValidationError

from distributed_trf.config.extraction import NetworkSettings, Weights
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import StoreError
from distributed_trf.features.network_table import Layer, NetworkTable, chosen_layers, chosen_weights
from distributed_trf.pipeline.run_record import run_settings
from distributed_trf.store.study_store import StudyStore

HEARD, SOUNDS = "heard", "sounds"
"""Fields of a run's manifest."""


class ItemSource(Protocol):
    """A study, and of its recordings and networks what its items follow from."""

    @property
    def study(self) -> StudySettings:
        """The study."""

    def heard(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that heard a stimulus set."""

    def batches(self, stimuli: str) -> tuple[int, ...]:
        """Number of stimuli in each batch of an extraction."""

    def layers(self, network: NetworkSettings) -> tuple[Layer, ...]:
        """Layers of a network that the study asks for."""

    def weights(self, network: NetworkSettings) -> tuple[Weights, ...]:
        """Kinds of weights that the study asks for."""


@dataclass(frozen=True)
class FolderScope:
    """The same, as the folder of a study tells it."""

    study: StudySettings
    tables: Mapping[str, NetworkTable]
    sessions: Mapping[str, Sequence[str]]
    """That heard each stimulus set."""
    n_sounds: Mapping[str, int]
    """Of each stimulus set."""

    @classmethod
    def of_run(cls, store: StudyStore, run: str, manifest: Mapping[str, Any], study: StudySettings) -> Self | None:
        """Return what a run left, for a study that asks for no more than the run did; None if it left too little."""
        try:
            tables = run_settings(store.runs / run).tables
            heard, sounds = manifest[HEARD], manifest[SOUNDS]
        except (StoreError, ValidationError, KeyError):
            return None
        known = {network.name for network in study.networks} <= set(tables) and set(study.stimuli) <= set(heard)
        return cls(study, tables, heard, sounds) if known else None

    def heard(self, stimuli: str) -> tuple[str, ...]:
        """Names of the sessions that heard a stimulus set."""
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


def batch_sizes(n: int, size: int) -> tuple[int, ...]:
    """Deal ``n`` stimuli into batches.

    Examples
    --------
    >>> batch_sizes(20, 8)
    (8, 8, 4)
    """
    return tuple(min(size, n - start) for start in range(0, n, size))
