"""The data of a fit: responses of sessions, and features of layers on the bins of the responses."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby

import numpy as np

from distributed_trf.arrays import (
    DEVICE_BLOCK_BYTES,
    Array,
    namespace,
    to_device,
)
from distributed_trf.config.study import StudySettings
from distributed_trf.pipeline.evaluation import Evaluation
from distributed_trf.pipeline.items import FeatureSpace, Source
from distributed_trf.recordings.binned_features import WHOLE_SOUND, binned_batches
from distributed_trf.recordings.recording_set import lead_in_bins
from distributed_trf.reliability.halves import deal_repeats
from distributed_trf.store.features import NetworkFeatures, feature_files
from distributed_trf.store.receipts import READ, read_intact_receipt
from distributed_trf.store.results import session_units
from distributed_trf.store.stored_recordings import SPIKES, BinnedResponses, load_responses, session_key
from distributed_trf.store.study_store import StudyStore
from distributed_trf.timing import timed_each
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.solver_choice import explained_memory_error


@dataclass(frozen=True)
class Recorded:
    """Responses of sessions to tested stimuli, in as many presentations as all stimuli that any split tests have."""

    sessions: tuple[str, ...]
    stimuli: tuple[str, ...]
    """One after another in the responses."""
    rows: np.ndarray | None
    """Which bins of all tested stimuli one after another they are; None for all."""
    responses: Array
    """To the earliest presentations, float64 of shape (repeats, bins, units)."""
    content: Hashable
    """What the responses follow from: digests of the sessions' responses, stimuli and number of repeats."""
    columns: np.ndarray
    """Indices of the units in the fit."""
    units: np.ndarray
    """On the results' unit axis."""


class LayerData:
    """Responses, and features of one or several spaces side by side.

    Parameters
    ----------
    source, spaces
        Item and the features that are fitted.
    sessions
        Names of sessions; by default all that could be read.
    lowpass_bin
        Width in milliseconds of the bins that low-pass the features first (see ``binned_features``); by default none.
    with_final
        Whether a study that tests by splits also fits all stimuli at once.
    """

    def __init__(
        self,
        source: Source,
        spaces: Sequence[FeatureSpace],
        study: StudySettings,
        store: StudyStore,
        device: str,
        *,
        sessions: Sequence[str] | None = None,
        lowpass_bin: float | None = None,
        with_final: bool = False,
    ) -> None:
        self._spaces, self._device, self._lowpass_bin = spaces, device, lowpass_bin
        self._stored, named = [], []  # spaces of one network that follow each other are read together
        for (network, weights), group in groupby(spaces, lambda space: (space.network, space.weights)):
            layers = [layer for space in group for layer in space.layers]
            of_network = (source.stimuli, network, weights)
            features = NetworkFeatures(store.features(*of_network), feature_files(store, *of_network))
            self._stored.append((features, layers))
            named.append(f"{network}, layer {', '.join(map(str, layers))}")
        self.units = session_units(store.results)
        """Indices of each session's units on the results' unit axis."""
        self.counts: dict[str, BinnedResponses] = {}
        self._digests: dict[str, str] = {}
        for session in self.units if sessions is None else [s for s in self.units if s in sessions]:
            if receipt := read_intact_receipt(store, READ, session_key(source.stimuli, session)):
                self.counts[session] = load_responses(store, source.stimuli, source.bin_width, session)
                self._digests[session] = receipt.digests[f"{source.bin_width:g}"]
        self.lags = lag_samples(study.lags.tmin, study.lags.tmax, 1000 / source.bin_width)
        self._study, self._stimuli, self._with_final = study, source.stimuli, with_final
        self._bin_width, self._n_folds = source.bin_width, study.ridge.n_folds
        self._name = "; ".join(named)
        self.lead_in = lead_in_bins(study.lags.lead_in, source.bin_width)
        """Bins of silence before each sound."""
        counted = all(c.response == SPIKES for c in self.counts.values())
        self._average = None if counted else study.feature_window or WHOLE_SOUND

    @cached_property
    def bins(self) -> dict[str, int]:
        """Number of bins of each stimulus."""
        return next(iter(self.counts.values())).bins

    @cached_property
    def evaluation(self) -> Evaluation:
        """How fits are tested."""
        stimuli = self._stored[0][0].layout.stimuli
        return Evaluation.of(self._study, self._stimuli, stimuli, self.test_ids, with_final=self._with_final)

    @cached_property
    def test_ids(self) -> tuple[str, ...]:
        """Test stimuli of the recordings; none if the study tests by splits."""
        return next(iter(self.counts.values())).test_ids

    @cached_property
    def training(self) -> list[str]:
        """Stimuli of the set that are trained on, in its order."""
        return [i for i in self._stored[0][0].layout.stimuli if i not in self.test_ids]

    def repeats(self, session: str) -> int:
        """Return how often each stimulus that any split tests, and that was presented to a session, was at least."""
        counts = self.counts[session]
        times = dict(zip((*counts.train_ids, *counts.test_ids), (*counts.presentations, *counts.repeats), strict=True))
        return min(times[i] for i in self.evaluation.tested if i in times)

    @property
    def key(self) -> tuple[str, float]:
        """Stimulus set and bin width, which distinguish what is drawn for a test."""
        return self._stimuli, self._bin_width

    def second_halves(self, recorded: Recorded, seed: int) -> np.ndarray:
        """Tell which repeats are in the second half of their session's, see ``deal_repeats``: bool (repeats, units).

        None is where the session has too few, or where some of the stimuli do not have all that were dealt.
        """
        halves = []
        for session in recorded.sessions:
            counts = self.counts[session]
            dealt = deal_repeats(counts.shared_repeats, seed, (self._stimuli, session))
            second = np.zeros((recorded.responses.shape[0], counts.train.shape[1]), dtype=bool)
            if dealt is not None and counts.shared_repeats <= len(second):
                second[dealt[1]] = True
            halves.append(second)
        return np.concatenate(halves, axis=1)

    @property
    def further(self) -> int:
        """Presentations of training stimuli beyond the first of each, in all sessions."""
        return sum(sum(c.presentations) - len(c.presentations) for c in self.counts.values())

    @property
    def widths(self) -> list[int]:
        """Number of features of each space."""
        widths = iter([features.layer(layer).width for features, layers in self._stored for layer in layers])
        return [sum(next(widths) for _ in space.layers) for space in self._spaces]

    @property
    def n_units(self) -> int:
        """Units of all sessions of the study."""
        return max(part.stop for part in self.units.values())

    def explained_memory(self) -> AbstractContextManager[None]:
        """Explain an error of memory while these features are fitted: what the fit needs, and what needs less."""
        rows = sum(self.bins[i] for i in self.training)
        return explained_memory_error(self._name, rows, sum(self.widths), len(self.lags), self.n_units, self._n_folds)

    def batches(self) -> Iterator[dict[str, Array]]:
        """Read all stimuli; of each layer the current batch and the next one are in memory.

        Yields
        ------
        batch
            Features by stimulus, shape (lead_in + bins, sum of widths), on the device.
        """
        return timed_each("load", self._side_by_side())

    def _side_by_side(self) -> Iterator[dict[str, Array]]:
        binned = partial(
            binned_batches,
            bin_width=self._bin_width,
            lowpass_bin=self._lowpass_bin,
            average=self._average,
            device=self._device,
        )
        read = [binned(features, layers) for features, layers in self._stored]
        for batches in zip(*read, strict=True):
            if len(batches) == 1:
                yield batches[0]
            else:  # all networks of a study are extracted in the same batches of stimuli
                xp = namespace(*batches[0].values())
                yield {i: xp.concat([batch[i] for batch in batches], axis=1) for i in batches[0]}

    def recorded(self, columns: Mapping[str, slice], tested: Sequence[str] | None = None) -> Iterator[Recorded]:
        """Read responses to tested stimuli; on a GPU, sessions with equal numbers of repeats are joined.

        Parameters
        ----------
        columns
            Columns of each session's units in a fit.
        tested
            Stimuli that were presented to all these sessions; by default the test stimuli.
        """
        tested = self.test_ids if tested is None else tested
        by_repeats: dict[int, list[str]] = {}
        for session in columns:
            by_repeats.setdefault(self.repeats(session), []).append(session)
        for repeats, sessions in by_repeats.items():
            n_units = np.cumsum([self.counts[s].train.shape[1] for s in sessions])
            width = 8 * repeats * sum(self.bins[i] for i in tested)
            block_of = n_units * width // DEVICE_BLOCK_BYTES if self._device == "cuda" else np.arange(len(sessions))
            for k in np.unique(block_of):
                joined = [s for s, block in zip(sessions, block_of, strict=True) if block == k]
                responses = [
                    np.concatenate([self.counts[s].trials(i)[:repeats] for i in tested], axis=1) for s in joined
                ]
                counts = to_device(np.concatenate(responses, axis=2), self._device)
                indices = (np.r_[tuple(axis[s] for s in joined)] for axis in (columns, self.units))
                counts = namespace(counts).astype(counts, namespace(counts).float64)
                content = (*(self._digests[s] for s in joined), tuple(tested), repeats)
                yield Recorded(tuple(joined), tuple(tested), None, counts, content, *indices)

    def presented(self, columns: Mapping[str, slice], tested: Sequence[str]) -> Iterator[Recorded]:
        """Read responses to those of the tested stimuli that were presented to each session; see ``recorded``."""
        for there, sessions in self._by_presented(columns, tested).items():
            rows = None
            if len(there) < len(tested):
                ends = np.cumsum([self.bins[i] for i in tested])
                rows = np.concatenate([np.arange(ends[k] - self.bins[tested[k]], ends[k]) for k in there])
            for recorded in self.recorded({s: columns[s] for s in sessions}, [tested[k] for k in there]):
                yield replace(recorded, rows=rows)

    def _by_presented(self, sessions: Iterable[str], tested: Sequence[str]) -> dict[tuple[int, ...], list[str]]:
        """Group sessions by which of the stimuli, given by index, were presented to them."""
        groups: dict[tuple[int, ...], list[str]] = {}
        for session in sessions:
            there = {*self.counts[session].train_ids, *self.counts[session].test_ids}
            groups.setdefault(tuple(k for k, i in enumerate(tested) if i in there), []).append(session)
        return groups
