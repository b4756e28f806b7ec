"""Saved models of a study, opened by their labels: predictions for chosen stimuli, sessions and units, in numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.pipeline.items import Extract, Fit
from distributed_trf.recordings.binned_features import WHOLE_SOUND, binned_features
from distributed_trf.recordings.recording_set import lead_in_bins
from distributed_trf.store.checked_files import check_files
from distributed_trf.store.features import NetworkFeatures, feature_files
from distributed_trf.store.fingerprint import digest
from distributed_trf.store.models import open_model
from distributed_trf.store.receipts import Receipt, read_receipt, receipts
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.results import has_results, shown_fits
from distributed_trf.store.stored_model import StoredModel
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import open_verified
from distributed_trf.trf.lags import drive

LISTED = 20
"""Labels that an error lists; more are only counted."""


class Model:
    """The fit of all units on one layer.

    Parameters
    ----------
    store
        The study's folder.
    stored
        Weights, intercepts, penalties and scaling on disk.
    fit
        Receipt of the fit.
    """

    def __init__(self, store: StudyStore, stored: StoredModel, fit: Receipt) -> None:
        self.stored = stored
        self._store, self._fit = store, fit

    def predict(
        self,
        stimuli: Sequence[str] | None = None,
        sessions: Sequence[str] | None = None,
        units: Sequence[str] | None = None,
        *,
        intercept: bool = True,
    ) -> xr.DataArray:
        """Predict responses on the CPU, reading only the features and weights that it takes.

        Parameters
        ----------
        stimuli
            Ids of stimuli; by default all that were presented in any session.
        sessions
            By default all.
        units
            Channels, in every one of the sessions that has them; by default all.
        intercept
            Add it. To correlate, leave it out: beside it the digits of heavily shrunk weights are rounded away.

        Returns
        -------
        xarray.DataArray
            Counts per bin, float64, dims (bin, unit): stimuli one after another as given, units in the order of the
            results. ``stimulus`` and ``time`` (start of the bin, in seconds from sound onset) lie along bin,
            ``session`` and ``channel`` along unit. A unit that was not fitted is NaN, one that never varies constant.

        Raises
        ------
        StoreError
            If a stimulus, session or channel is unknown, naming those that exist, or if the features in store are not
            those that the model was fitted on.

        Notes
        -----
        ``y(t) = intercept + sum over features and lags of coef * x(t - lag)``, with features resampled to the bins,
        silence of the lead-in included, as in the fit.
        """
        bins, bin_width = self.stored.bins, self.stored.cell[-1]
        ids, chosen = self._asked("stimulus", stimuli, bins), self._units(sessions, units)
        lead_in = lead_in_bins(self.stored.settings["lags"]["lead_in"], bin_width)
        lags = [round(lag * 1000 / bin_width) for lag in self.stored.lags]
        weights = self.stored.weights(chosen)
        counts = [bins[i] for i in ids]
        first = dict(zip(ids, np.cumsum([0, *counts[:-1]]), strict=True))
        predicted = np.full((sum(counts), len(chosen)), np.nan)
        for stimulus, x in self._features(ids, everything=stimuli is None):
            rows = slice(first[stimulus], first[stimulus] + bins[stimulus])
            predicted[rows] = drive([x], weights, lags, lead_in)
        if intercept:
            predicted += self.stored.read("intercept")[chosen]
        time = np.concatenate([np.arange(n) for n in counts]) * (bin_width / 1000)
        labels = {"session": self.stored.sessions, "channel": self.stored.channels}
        return xr.DataArray(
            predicted,
            dims=("bin", names.UNIT),
            coords={
                "stimulus": ("bin", np.repeat(np.array(ids, dtype=object), counts)),
                "time": ("bin", time, {"units": "s", "long_name": "start of the bin, from sound onset"}),
                **{
                    name: (names.UNIT, np.array([of[k] for k in chosen], dtype=object), names.COORDS[name].attrs)
                    for name, of in labels.items()
                },
            },
            attrs={
                "long_name": "predicted response" if "response" in self.stored.settings else "predicted count",
                "units": "1",
                **dict(zip(names.GRID, self.stored.cell, strict=True)),
            },
            name="predicted",
        )

    def to_dataset(self) -> xr.Dataset:
        """Open the model as labelled arrays, lazily.

        Returns
        -------
        xarray.Dataset
            ``coef`` over (unit, feature, lag) for raw features, ``intercept`` and ``alpha`` over unit, ``x_mean`` and
            ``x_scale`` over (feature, lag): ``coef * x_scale`` are the weights of the scaled columns. ``session`` and
            ``channel`` lie along unit, ``lag`` is in seconds; settings and versions are in ``attrs``.
        """
        assert self.stored.files is not None
        return open_verified(self.stored.path, self.stored.files)

    def __repr__(self) -> str:
        cell = ", ".join(map(str, self.stored.cell))
        return f"Model({cell}: {len(self.stored.sessions)} units, {len(self.stored.bins)} stimuli)"

    def _units(self, sessions: Sequence[str] | None, units: Sequence[str] | None) -> list[int]:
        """Indices of the units of some sessions and channels, in the order of the results."""
        labels = list(zip(self.stored.sessions, self.stored.channels, strict=True))
        wanted = set(self._asked("session", sessions, dict.fromkeys(self.stored.sessions)))
        there = dict.fromkeys(channel for session, channel in labels if session in wanted)
        channels = set(self._asked("channel", units, there))
        return [k for k, (session, channel) in enumerate(labels) if session in wanted and channel in channels]

    def _asked(self, what: str, asked: Sequence[str] | None, known: Collection[str]) -> list[str]:
        """Check given labels, each once; a single one may be given without a list."""
        chosen = list(dict.fromkeys(known if asked is None else [asked] if isinstance(asked, str) else asked))
        unknown = [label for label in chosen if label not in known]
        if chosen and not unknown:
            return chosen
        there = ", ".join(map(repr, list(known)[:LISTED])) + (
            f", ... ({len(known)} in all)" if len(known) > LISTED else ""
        )
        found = f"no {what} {', '.join(map(repr, unknown))}" if unknown else f"no {what} was asked for"
        raise StoreError(f"{self.stored.path}: {found}; there are {there}")

    def _features(self, ids: list[str], *, everything: bool) -> Iterator[tuple[str, np.ndarray]]:
        """Read the features of some stimuli, each of shape (bins, features), those of the silence first."""
        stimuli, network, weights, layer, bin_width = self.stored.cell
        files = feature_files(self._store, stimuli, network, weights)
        features = NetworkFeatures(self._store.features(stimuli, network, weights), files)
        self._check(features)
        if everything:  # one batch after another, each read once
            every = binned_features(features, layer, bin_width, average=self._average)
            return ((i, x) for i, x in every if i in self.stored.bins)
        return binned_features(features, layer, bin_width, average=self._average, stimuli=ids)

    @property
    def _average(self) -> tuple[float, float] | None:
        """Over which part of a sound features are averaged at 1000 ms; None of spikes, where they are added up."""
        if "response" not in self.stored.settings:
            return None
        window = self.stored.settings["feature_window"]
        return WHOLE_SOUND if window is None else (window[0], window[1])

    def _check(self, features: NetworkFeatures) -> None:
        """Make sure that the features in store are those of the fit, by what receipts say of their content."""
        stimuli, network, weights, layer, _ = self.stored.cell
        found = []
        for batch in range(len(features.layout.batches)):
            receipt = read_receipt(self._store, Extract.stage, Extract(stimuli, network, weights, batch).key)
            found.append(receipt.digests.get(str(layer)) if receipt else None)
        if digest(found) != self._fit.fingerprint["features"]:
            raise StoreError(
                f"{features.path}: the features in store are not those that {self.stored.path} was fitted on; run the "
                "study again"
            )


class Models:
    """Saved models in a study's folder: ``models[stimuli, network, weights, layer, bin_width]``.

    As a result does, a model counts once the receipt of its fit is there, and while the study asks for it.
    """

    def __init__(self, store: StudyStore) -> None:
        self._store = store
        self._fits: dict[str, tuple[Cell, Receipt]] = {}
        shown = shown_fits(store.results) if has_results(store) else lambda _: True
        found = dict(receipts(store, Fit.stage))
        for cell in filter(shown, store.model_paths({group for receipt in found.values() for group in receipt.files})):
            self._fits[_key(cell)] = cell, found[_key(cell)]

    def keys(self) -> list[Cell]:
        """List (stimuli, network, weights, layer, bin width in ms) of all that can be opened."""
        return [cell for cell, _ in self._fits.values()]

    def __getitem__(self, cell: Cell) -> Model:
        if _key(cell) not in self._fits:
            raise StoreError(f"{self._store.root}: no model of {_words(cell)}; in store: {self._nearest(cell)}")
        (_, receipt), path = self._fits[_key(cell)], self._store.model(*cell)
        files = receipt.files[self._store.name(path)]
        check_files(path, {key: digest for key, digest in files.items() if not key.startswith("coef/c/")})
        return Model(self._store, open_model(path, files), receipt)

    def sel(
        self, *, network: str, layer: int, weights: str = "fixed", stimuli: str | None = None, bin_width: float = 50.0
    ) -> Model:
        """Open the model of one layer; ``bin_width`` is in milliseconds, ``stimuli`` by default the only set there."""
        return self[self._store.stimulus_set(stimuli), network, weights, layer, bin_width]

    def __repr__(self) -> str:
        lines = [f"  {_words(cell)}" for cell in self.keys()]
        return "\n".join(["Models (stimuli, network, weights, layer, bin width)", *lines])

    def _nearest(self, cell: Cell) -> str:
        """List the layers of the network that was asked for, or else the networks."""
        layers = [_words(found) for found in self.keys() if found[:3] == cell[:3]]
        networks = dict.fromkeys(", ".join(found[:3]) for found in self.keys())
        return "; ".join(layers or networks) or "nothing yet; set save_models: true in the study and run it"


def open_models(path: str | Path) -> Models:
    """Open the models in a study's output folder; a study with ``save_models: true`` leaves them there.

    Raises
    ------
    StoreError
        If there is no study there.

    Examples
    --------
    >>> model = open_models("quickstart/study").sel(network="whisper_tiny", weights="reset", layer=2)  # doctest: +SKIP
    >>> model.predict(stimuli=["12"]).groupby("session").mean().sel(session="180413")  # doctest: +SKIP
    """
    return Models(StudyStore.open(Path(path)))


def _key(cell: Cell) -> str:
    stimuli, network, weights, layer, bin_width = cell
    return Fit(stimuli, network, weights, layer, bin_width).key


def _words(cell: Cell) -> str:
    stimuli, network, weights, layer, bin_width = cell
    return f"{stimuli}, {network}, {weights}, layer {layer}, {bin_width:g} ms"
