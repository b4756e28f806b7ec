"""A saved model, read in part: the weights of one session without those of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.store.model_layout import FORMAT, FORMAT_VERSION, LAG, STIMULUS
from distributed_trf.store.result_grid import Place
from distributed_trf.store.zarr_arrays import attributes, member, open_group, read


class StoredModel:
    """The model of one fit, of which only what is asked for is read.

    Parameters
    ----------
    path
        Its zarr group in the study's folder.
    files
        Digests of its files, against which they are checked as they are read.

    Attributes
    ----------
    place : tuple
        Stimulus set, network, weights, layer and bin width in ms.
    settings, versions : dict
        What made it.
    """

    def __init__(self, path: Path, files: Mapping[str, str] | None = None) -> None:
        self.path, self.files = path, files
        self._group = open_group(path, files)
        attrs = attributes(self._group)
        found = (attrs.get("format"), attrs.get("format_version"))
        if found != (FORMAT, FORMAT_VERSION):
            raise StoreError(
                f"{path}: format and version are {found}, expected {(FORMAT, FORMAT_VERSION)}; delete this folder and "
                "run the study again, with save_models: true, to make it anew"
            )
        stimuli, network, weights, layer, bin_width = (attrs["place"][dim] for dim in names.GRID)
        self.place: Place = (stimuli, network, weights, layer, bin_width)
        self.settings, self.versions = attrs["settings"], attrs["versions"]

    @cached_property
    def lags(self) -> np.ndarray:
        """Lags in seconds, shape (L,)."""
        return self.read(LAG)

    @cached_property
    def sessions(self) -> tuple[str, ...]:
        """The session of each unit."""
        return tuple(map(str, self.read("session")))

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """The channel of each unit, unique within its session."""
        return tuple(map(str, self.read("channel")))

    @cached_property
    def bins(self) -> dict[str, int]:
        """Number of bins of each stimulus."""
        return dict(zip(map(str, self.read(STIMULUS)), self.read("bins").tolist(), strict=True))

    def read(self, name: str) -> np.ndarray:
        """Read an array of ``VARIABLES``.

        Raises
        ------
        StoreError
            If it is missing or damaged.
        """
        return read(member(self._group, name))

    def weights(self, units: Sequence[int]) -> np.ndarray:
        """Read the weights of some units (indices) as they were written, shape (d, len(units)); only their chunks."""
        coef = read(member(self._group, "coef"), (np.asarray(units), slice(None), slice(None)))
        return np.ascontiguousarray(coef.transpose(2, 1, 0)).reshape(-1, coef.shape[0])
