"""Fits of several feature spaces: joint models, what spaces explain alone and share, and what layers add to others.

Where a study tests by splits, all numbers are means over the splits in which a unit has one.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from distributed_trf.results.analyses import open_branch


def open_joint(path: str | Path) -> xr.Dataset:
    """Open the fits of feature spaces of several networks as one model.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.Dataset
        ``r``, ``alpha`` and ``cv_score`` over (stimuli, joint, bin_width, unit), ``joint`` the names in the study;
        ``share`` (of the explained variance of the test responses, product measure) and ``band_weight`` over space as
        well.

    Raises
    ------
    StoreError
        If there are none.
    DamagedError
        If a file of them is not what was written.
    """
    return open_branch(path, "joint")


def open_partition(path: str | Path) -> xr.Dataset:
    """Open the variance partitions of a study.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.Dataset
        Over (stimuli, partition, bin_width, subset, unit), ``partition`` the names in the study and ``subset`` sets of
        spaces, their labels with + between them: ``r2``, ``r`` and ``cv_score`` of the fit of a set, ``unique`` and
        ``product`` of sets of one space, and ``shared`` of larger ones. ``unique`` and ``shared`` together add up to
        ``r2`` of all spaces, and so does ``product``. All are signed, and their medians over units have intervals over
        sessions by ``median_intervals``. NaN for what takes a subset that the study does not fit.

    Raises
    ------
    StoreError
        If there are none.
    DamagedError
        If a file of them is not what was written.
    """
    return open_branch(path, "partition")


def open_beyond(path: str | Path) -> xr.Dataset:
    """Open what each layer adds to other feature spaces.

    Parameters
    ----------
    path
        The study's output folder.

    Returns
    -------
    xarray.Dataset
        Over (stimuli, network, weights, layer, bin_width, beyond, unit), ``beyond`` the names in the study: ``r`` of
        the spaces and the layer as one model, ``r_without`` of the spaces alone, ``gain`` their difference, ``r2`` and
        ``r2_without`` likewise, ``unique`` their difference, and ``cv_score``.

    Raises
    ------
    StoreError
        If there are none.
    DamagedError
        If a file of them is not what was written.
    """
    return open_branch(path, "beyond")
