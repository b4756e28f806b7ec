"""Layers whose features are in a study's folder, as representations: rows of stimuli or bins, columns of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distributed_trf import names
from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError
from distributed_trf.recordings.binned_features import WHOLE_SOUND, binned_features
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS, lead_in_bins, rows
from distributed_trf.store.features import NetworkFeatures, open_features

REPRESENTATION = "representation"


@dataclass(frozen=True)
class StoredLayer:
    """One layer of a network with some weights, on bins."""

    network: str
    weights: str
    layer: int
    width: int
    features: NetworkFeatures
    bin_width: float

    def __str__(self) -> str:
        return f"{self.network} {self.weights} {self.layer}"

    @property
    def bins(self) -> dict[str, int]:
        """Bins of each stimulus, without the leading silence."""
        layout, width = self.features.layout, self.bin_width
        lead = lead_in_bins(layout.lead_in, width)
        both = zip(layout.stimuli, layout.durations, strict=True)
        return {i: rows(duration, layout.lead_in, width) - lead for i, duration in both}

    def patterns(self, stimuli: Sequence[str] | None = None, *, lag: int = 0, device: str = "cpu") -> Iterator[Array]:
        """Read stimuli, by default all, each of shape (bins, features).

        Parameters
        ----------
        stimuli
            Ids.
        lag
            Bins by which features come before the bin that they stand for; at most those of the leading silence.
        device
            ``cpu`` or ``cuda``.
        """
        bins, lead = self.bins, lead_in_bins(self.features.layout.lead_in, self.bin_width)
        average = WHOLE_SOUND if self.bin_width == WHOLE_STIMULUS else None
        read = binned_features(
            self.features, self.layer, self.bin_width, average=average, stimuli=stimuli, device=device
        )
        for stimulus, x in read:
            yield x[lead - lag : lead - lag + bins[stimulus], :]

    def all_rows(self, *, device: str = "cpu") -> Array:
        """Read all stimuli, one after another, shape (sum of bins, features)."""
        found = list(self.patterns(device=device))
        return namespace(*found).concat(found)


def stored_layers(
    path: str | Path, stimuli: str, bin_width: float, networks: Sequence[str] | None
) -> list[StoredLayer]:
    """List the layers of a stimulus set whose features are stored.

    Raises
    ------
    StoreError
        If the folder holds no study.
    DataError
        If there is none, or none of a network.
    """
    features = open_features(path)
    sets = sorted({key_stimuli for key_stimuli, _, _ in features.keys()})  # noqa: SIM118  not a mapping
    if sets and stimuli not in sets:
        raise DataError(f"{path}: no features of stimulus set {stimuli!r}; name one of {', '.join(sets)} as `stimuli`")
    found = [
        StoredLayer(network, weights, layer.id, layer.width, of, bin_width)
        for key_stimuli, network, weights in features.keys()  # noqa: SIM118  not a mapping
        if key_stimuli == stimuli and (networks is None or network in networks)
        for of in [features[key_stimuli, network, weights]]
        for layer in of.layers
    ]
    lacking = sorted(set(networks or ()) - {one.network for one in found})
    if lacking or not found:
        raise DataError(
            f"{path}: no features of {', '.join(lacking) or 'any network'} for {stimuli}; stored are "
            f"{'; '.join(', '.join(key) for key in features.keys()) or 'none'}. Run the study first"  # noqa: SIM118
        )
    return found


def labels(layers: Sequence[StoredLayer], dim: str = REPRESENTATION, prefix: str = "") -> Mapping[str, object]:
    """Return the coordinates of a dimension of layers."""
    return {
        dim: [str(one) for one in layers],
        prefix + names.NETWORK: (dim, [one.network for one in layers]),
        prefix + names.WEIGHTS: (dim, [one.weights for one in layers]),
        prefix + names.LAYER: (dim, np.array([one.layer for one in layers])),
    }
