"""What a fit reads: responses of sessions, and layers' features on the bins of the responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Protocol

from distributed_trf.arrays import Array, namespace, to_device
from distributed_trf.config.study import StudySettings
from distributed_trf.config.weights import Weights
from distributed_trf.pipeline.items import ReadSession
from distributed_trf.pipeline.stages.read_session import load_counts
from distributed_trf.recordings.binned_features import binned_batches
from distributed_trf.recordings.binning import Counts
from distributed_trf.recordings.time_grid import lead_in_bins
from distributed_trf.store.features import NetworkFeatures, feature_files
from distributed_trf.store.receipts import whole_receipt
from distributed_trf.store.results import session_units
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed_each
from distributed_trf.trf.lags import lag_samples


class Source(Protocol):
    """Where features come from, and how wide the bins are."""

    @property
    def stimuli(self) -> str:
        """Stimulus set."""

    @property
    def network(self) -> str:
        """Feature source."""

    @property
    def weights(self) -> Weights:
        """Kind of weights."""

    @property
    def bin_width(self) -> float:
        """Milliseconds."""


class LayerData:
    """Responses and features of one layer, or of several side by side.

    Parameters
    ----------
    source, layers
        Which features.
    sessions
        Names of sessions; by default all that could be read.
    lowpass_bin
        Milliseconds of the bins that features go through first (see ``binned_features``); by default none.
    """

    def __init__(
        self,
        source: Source,
        layers: Sequence[int],
        study: StudySettings,
        store: StudyStore,
        device: str,
        *,
        sessions: Sequence[str] | None = None,
        lowpass_bin: float | None = None,
    ) -> None:
        self._layers, self._device, self._lowpass_bin = layers, device, lowpass_bin
        of_network = (source.stimuli, source.network, source.weights)
        self._stored = NetworkFeatures(store.features(*of_network), feature_files(store, *of_network))
        self.units = session_units(store.results)
        """Where the units of each session lie on the results' unit axis."""
        self.counts: dict[str, Counts] = {
            session: load_counts(store, source.stimuli, source.bin_width, session)
            for session in self.units
            if (sessions is None or session in sessions)
            and whole_receipt(store, ReadSession.stage, ReadSession(source.stimuli, session).key)
        }
        self.lags = lag_samples(study.lags.tmin, study.lags.tmax, 1000 / source.bin_width)
        self._bin_width = source.bin_width
        self.lead_in = lead_in_bins(study.lags.lead_in, source.bin_width)
        """Bins of silence before each sound."""

    @cached_property
    def bins(self) -> dict[str, int]:
        """Number of bins of each stimulus."""
        return next(iter(self.counts.values())).bins

    @cached_property
    def test_ids(self) -> tuple[str, ...]:
        """Test stimuli."""
        return next(iter(self.counts.values())).test_ids

    @cached_property
    def training(self) -> list[str]:
        """Training stimuli of the set, in its order."""
        return [i for i in self._stored.layout.stimuli if i not in self.test_ids]

    @property
    def further(self) -> int:
        """Presentations of training stimuli beyond the first of each, in all sessions."""
        return sum(sum(c.presentations) - len(c.presentations) for c in self.counts.values())

    @property
    def widths(self) -> list[int]:
        """Number of features of each layer."""
        return [self._stored.layer(layer).width for layer in self._layers]

    @property
    def n_units(self) -> int:
        """Units of all sessions of the study."""
        return max(place.stop for place in self.units.values())

    def batches(self) -> Iterator[dict[str, Array]]:
        """Read all stimuli, one batch of each layer in memory at a time and another one on its way.

        Yields
        ------
        batch
            By stimulus features of shape (lead_in + bins, sum of widths), on the device.
        """
        read = binned_batches(
            self._stored, self._layers, self._bin_width, lowpass_bin=self._lowpass_bin, device=self._device
        )
        return timed_each("load", read)

    def recorded(self, session: str) -> Array:
        """Test responses of a session, float64 of shape (repeats, bins, units), on the device."""
        counts = to_device(self.counts[session].repeated, self._device)
        return namespace(counts).astype(counts, namespace(counts).float64)
