"""A saved model on disk: its arrays, and how to read a part of it, such as the weights of one session."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import median

import numpy as np

from distributed_trf import names
from distributed_trf.errors import StoreError
from distributed_trf.names import Variable
from distributed_trf.store.result_grid import Cell
from distributed_trf.store.zarr_store import attributes, member, open_group, read

FORMAT, FORMAT_VERSION = "distributed_trf model", 1
CHUNK_BYTES = 32 << 20
"""Largest chunk of weights, unless the weights of one unit are larger."""

FEATURE, LAG, STIMULUS = "feature", "lag", "stimulus"
VARIABLES: dict[str, tuple[tuple[str, ...], Variable]] = {
    "coef": (
        (names.UNIT, FEATURE, LAG),
        Variable("weight", "1", "of raw features; times x_scale it is the weight of the scaled lagged column"),
    ),
    "intercept": ((names.UNIT,), Variable("predicted count where every feature is zero", "1")),
    "alpha": ((names.UNIT,), Variable("ridge penalty", "1", "NaN for a unit that never varies or was not fitted")),
    "x_mean": (
        (FEATURE, LAG),
        Variable("mean of the lagged column over the training rows", "1", "NaN where sessions differ in it"),
    ),
    "x_scale": (
        (FEATURE, LAG),
        Variable("what the lagged column is divided by in the fit", "1", "0 where it never varies; NaN as x_mean is"),
    ),
    LAG: ((LAG,), Variable("delay from sound to response", "s", "positive is past sound")),
    "session": ((names.UNIT,), names.COORDS["session"]),
    "channel": ((names.UNIT,), names.COORDS["channel"]),
    STIMULUS: ((STIMULUS,), Variable("stimulus", "")),
    "bins": ((STIMULUS,), Variable("number of bins of the stimulus", "1")),
}
"""Dimensions and description of each array."""
UNIT_ARRAYS = ("coef", "intercept", "alpha")
"""Arrays that are labelled by session and channel."""


def units_per_chunk(sessions: Sequence[str], unit_bytes: int) -> int:
    """Choose the chunks of the unit axis of the weights, so that reading one session reads little else.

    Parameters
    ----------
    sessions
        The session of each unit.
    unit_bytes
        Size of one unit's weights.

    Returns
    -------
    int
        The usual number of units of a session, or fewer where their weights exceed ``CHUNK_BYTES``.

    Examples
    --------
    >>> units_per_chunk(["s1"] * 16 + ["s2"] * 16, unit_bytes=8 * 384 * 5)
    16
    >>> units_per_chunk(["s1"] * 16 + ["s2"] * 16, unit_bytes=20 << 20)
    1
    """
    usual = int(median(Counter(sessions).values()))
    return max(1, min(usual, CHUNK_BYTES // unit_bytes))


class StoredModel:
    """The model of one fit; only the requested part is read.

    Parameters
    ----------
    path
        Its zarr group in the study's folder.
    files
        Digests of its files; each file is checked when it is read.

    Attributes
    ----------
    cell : tuple
        Stimulus set, network, weights, layer and bin width in ms.
    settings, versions : dict
        Settings and library versions that made it.
    """

    def __init__(self, path: Path, files: Mapping[str, str] | None = None) -> None:
        self.path, self.files = path, files
        self._group = open_group(path, files)
        attrs = attributes(self._group)
        found = (attrs.get("format"), attrs.get("format_version"))
        if found != (FORMAT, FORMAT_VERSION):
            raise StoreError(
                f"{path}: format and version are {found}, expected {(FORMAT, FORMAT_VERSION)}; delete this folder and "
                "run the study again, with save_models: true, to write it again"
            )
        stimuli, network, weights, layer, bin_width = (attrs["place"][dim] for dim in names.GRID)
        self.cell: Cell = (stimuli, network, weights, layer, bin_width)
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
        """Read the weights of some units (indices), shape (d, len(units)); only their chunks are read."""
        coef = read(member(self._group, "coef"), (np.asarray(units), slice(None), slice(None)))
        return np.ascontiguousarray(coef.transpose(2, 1, 0)).reshape(-1, coef.shape[0])
