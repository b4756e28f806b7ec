"""How alike the layers of a study's networks are, by centred kernel alignment of their features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from distributed_trf.arrays import Array, namespace, to_numpy
from distributed_trf.results.representations import REPRESENTATION, StoredLayer, labels, stored_layers
from distributed_trf.similarity.cka import Representation
from distributed_trf.store.study_store import StudyStore

OTHER = "other"
HELD_BYTES = 1 << 30
"""Features that are held at once, besides one further layer."""


def layer_similarity(
    path: str | Path,
    *,
    stimuli: str | None = None,
    bin_width: float = 50.0,
    networks: Sequence[str] | None = None,
    debiased: bool = True,
    device: str = "cpu",
) -> xr.DataArray:
    """Compare all layers of a study with one another by linear centred kernel alignment.

    Parameters
    ----------
    path
        The study's output folder, with extracted features.
    stimuli, bin_width
        Stimulus set, by default the only one there, and milliseconds of the bins that are the rows: those of all
        sounds, without the leading silence.
    networks
        Names, by default all that are stored.
    debiased
        See ``cka``.
    device
        ``cpu`` or ``cuda``.

    Returns
    -------
    xarray.DataArray
        Over (representation, other), labelled ``NETWORK WEIGHTS LAYER``; symmetric, 1 on the diagonal.
        Coordinates ``network``, ``weights``, ``layer`` along the first and ``other_network``, ... along the second.

    Raises
    ------
    StoreError, DataError
        If there is no study, no features, or fewer than 4 bins.

    Examples
    --------
    >>> found = layer_similarity("quickstart/study")  # doctest: +SKIP
    >>> found.sel(representation="whisper_tiny reset 0")  # doctest: +SKIP
    """
    stimuli = StudyStore.open(Path(path)).stimulus_set(stimuli)
    layers = stored_layers(path, stimuli, bin_width, networks)
    values = np.empty((len(layers), len(layers)))

    def representation(k: int) -> Representation:
        return Representation(layers[k].all_rows(device=device))

    def put(first: int, found: list[Array], second: int) -> None:
        both = to_numpy(namespace(*found).stack(found))
        values[first : first + len(found), second] = values[second, first : first + len(found)] = both

    for group in _groups(layers):
        held = [representation(k) for k in group]
        for k in range(group.start, len(layers)):
            other = held[k - group.start] if k in group else representation(k)
            put(group.start, [one.cka(other, debiased=debiased) for one in held], k)
    return xr.DataArray(
        values,
        dims=(REPRESENTATION, OTHER),
        coords={**labels(layers), **labels(layers, OTHER, f"{OTHER}_")},
        name="cka",
        attrs={
            "long_name": f"{'debiased ' if debiased else ''}linear centred kernel alignment",
            "units": "1",
            "stimuli": stimuli,
            "bin_width": bin_width,
        },
    )


def _groups(layers: Sequence[StoredLayer]) -> Iterator[range]:
    """Cut layers into consecutive groups that fit ``HELD_BYTES``, each of one layer at least."""
    start, held = 0, 0
    for k, one in enumerate(layers):
        size = 8 * sum(one.bins.values()) * one.width
        if k > start and held + size > HELD_BYTES:
            yield range(start, k)
            start, held = k, 0
        held += size
    yield range(start, len(layers))
