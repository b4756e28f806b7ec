"""Everything that a study found, in one tree: the fits, and beside them the analyses whose shapes differ."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from distributed_trf.errors import DamagedError, StoreError
from distributed_trf.results.analyses import open_bootstraps, open_lowpass, open_together
from distributed_trf.results.open import open_results

BRANCHES = {
    "lowpass": open_lowpass,
    "together": open_together,
    "bootstraps/training": lambda path: open_bootstraps(path, of="training"),
    "bootstraps/test": lambda path: open_bootstraps(path, of="test"),
    "bootstraps/normaliser": lambda path: open_bootstraps(path, of="normaliser"),
}
"""Analyses by their place in the tree, and what opens each alone."""


def open_tree(path: str | Path) -> xr.DataTree:
    """Open everything that a study found, lazily.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.DataTree
        ``fits``, the dataset of ``open_results``, and those of ``lowpass``, ``together``, ``bootstraps/training``,
        ``bootstraps/test`` and ``bootstraps/normaliser`` that the study has. ``tree["lowpass"].dataset`` is one.

    Raises
    ------
    StoreError
        If there is no study, or it has no results yet.
    DamagedError
        If a file of what it found is not what was written.
    """
    found = {"fits": open_results(path)}
    for name, opened in BRANCHES.items():
        try:
            found[name] = opened(path)
        except DamagedError:
            raise
        except StoreError:  # the study did not ask for it
            continue
    return xr.DataTree.from_dict(found)
