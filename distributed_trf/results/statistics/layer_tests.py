"""Which layers predict better than untrained ones and than a spectrogram: the tests of Figs 3, S4, S7 and S8."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, TRAINED
from distributed_trf.errors import DataError
from distributed_trf.results.layers import spectrograms, unit_values
from distributed_trf.results.statistics.checks import check_share
from distributed_trf.results.statistics.compare import compare
from distributed_trf.results.statistics.groups import Level, Summary
from distributed_trf.results.statistics.permutations import DRAWS, EXACT, out_of_reach
from distributed_trf.results.units import correction_of

AGAINST = "against"
"""Dimension of what a layer is tested against."""
UNTRAINED, SPECTROGRAM = "untrained", "spectrogram"
BASELINE = "cochleagram"
"""The spectrogram of Ahmed et al. (2025)."""
SELECTED = (names.NETWORK, names.WEIGHTS, names.LAYER)
"""Dimensions from which one label may have been selected before."""


def layer_tests(
    ds: xr.Dataset,
    variable: str = "rho",
    *,
    untrained: str = "reset",
    baseline: str | None = None,
    alpha: float = 0.01,
    correction: str | None = "bh",
    level: Level = "session",
    summary: Summary = "mean",
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Test every trained layer against the same layer untrained and against a spectrogram.

    Parameters
    ----------
    ds
        Results of ``open_results``, of the units of ``select_units``; of one network or layer as of several.
    variable
        What to compare.
    untrained
        The weights to compare with, such as ``reset`` or ``permuted``; ``average_seeds`` makes one of several seeds.
    baseline
        A spectrogram; by default ``cochleagram``, else the first of the dataset.
    alpha
        Level of ``significant``.
    correction
        For the number of tests of a family: ``bh`` (false discovery rate, Benjamini & Hochberg 1995), ``holm`` (any
        false positive) or None.
    level, summary, draws, seed
        As of ``compare``; the published tests have the level ``unit``.

    Returns
    -------
    xarray.Dataset
        What ``compare`` returns, one-sided (trained greater), over (stimuli, network, layer, bin_width, against), where
        ``against`` is ``untrained`` and ``spectrogram``; ``p_adjusted``, ``significant`` and ``family``, the number of
        tests that p was adjusted for. A family is all tests of one network at one stimulus set and bin width: twice as
        many as it has layers, where both comparisons exist. What cannot be compared is NaN, and if a whole comparison
        cannot, ``attrs["left_out"]`` says why.

    Raises
    ------
    DataError
        If nothing can be compared.
    """
    check_share("alpha", alpha)
    adjust = correction_of(correction)
    ds = unit_values(ds, variable).to_dataset(name=variable)  # read once, not for each comparison
    ds = ds.expand_dims([dim for dim in SELECTED if dim in ds.coords and dim not in ds.dims])
    trained = _trained(ds, variable)
    others, left_out = _others(ds, untrained, baseline)
    if not others:
        raise DataError(f"nothing to test against: {'; '.join(left_out)}")
    compared = [
        compare(trained, other, variable, level=level, summary=summary, draws=draws, seed=seed)
        for other in others.values()
    ]
    # Text of fixed width has no stable type in zarr; written as objects, as in results.
    against = xr.Variable(AGAINST, list(others), encoding={"dtype": object})
    tests = xr.concat(compared, against, coords="minimal", compat="override", join="exact")
    tests = tests.transpose(*[dim for dim in names.GRID if dim in tests.dims], AGAINST)
    tests = tests.merge(_adjusted(tests["p"], adjust))
    tests["significant"] = tests["p_adjusted"] < alpha
    settings = {
        "untrained": untrained,
        "baseline": str(others[SPECTROGRAM][names.NETWORK].item()) if SPECTROGRAM in others else "",
    }
    found = [of.attrs for of in compared]
    notes = [
        *(f"{against}: {of['note']}" for against, of in zip(others, found, strict=True) if of["note"]),
        *out_of_reach(tests["smallest_p"].values, alpha, level),
    ]
    return tests.assign_attrs(
        settings,
        alpha=alpha,
        correction=correction or "none",
        draws=next((of["draws"] for of in found if of["draws"] != EXACT), EXACT),
        left_out="; ".join(left_out),
        note="; ".join(notes),
    )


def _trained(ds: xr.Dataset, variable: str) -> xr.Dataset:
    """Return the trained networks of which any layer was fitted."""
    known = spectrograms(ds)
    if TRAINED in ds[names.WEIGHTS].values:
        trained = ds.sel(
            {names.WEIGHTS: TRAINED, names.NETWORK: [n for n in ds[names.NETWORK].values if n not in known]}
        )
        if not trained.sizes[names.UNIT]:  # no unit was selected, so there is nothing to tell what was fitted
            return trained
        fitted = trained[variable].notnull().any([dim for dim in trained[variable].dims if dim != names.NETWORK])
        if fitted.any():
            return trained.isel({names.NETWORK: np.flatnonzero(fitted)})
        if trained.sizes[names.NETWORK]:
            raise DataError(f"no unit has a {variable} of trained weights in these results, so no layer can be tested")
    raise DataError("these results have no network with trained weights, so no layer can be tested")


def _others(ds: xr.Dataset, untrained: str, baseline: str | None) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Return what to test against, and why a comparison is left out."""
    others, left_out = {}, []
    if untrained in ds[names.WEIGHTS].values:
        others[UNTRAINED] = ds.sel({names.WEIGHTS: untrained})
    else:
        left_out.append(f"no weights {untrained!r} in these results")
    known = spectrograms(ds)
    name = baseline or (BASELINE if BASELINE in known else next(iter(known), BASELINE))
    if name in known and not (0 in ds[names.LAYER].values and FIXED in ds[names.WEIGHTS].values):
        left_out.append(
            f"layer 0, weights 'fixed' of spectrogram {name!r} are not in these results: keep them, and select from "
            "the tests"
        )
    elif name in known:
        others[SPECTROGRAM] = ds.sel({names.NETWORK: name, names.WEIGHTS: FIXED, names.LAYER: 0})
    else:
        left_out.append(f"no spectrogram {name!r} in these results")
    return others, left_out


def _adjusted(p: xr.DataArray, adjust: Callable[[np.ndarray], np.ndarray] | None) -> xr.Dataset:
    """Adjust the p-values of each family, which is all layers of a network against all they are tested against."""
    dims = [dim for dim in p.dims if dim not in (names.LAYER, AGAINST)]
    ordered = p.transpose(*dims, names.LAYER, AGAINST)
    adjusted, family = np.full(ordered.shape, np.nan), np.zeros(ordered.shape[:-2], dtype=int)
    for index in np.ndindex(family.shape):
        of = ordered.values[index]
        adjusted[index] = of if adjust is None else adjust(of.ravel()).reshape(of.shape)
        family[index] = np.count_nonzero(~np.isnan(of))
    return xr.Dataset(
        {
            "p_adjusted": (ordered.dims, adjusted, {"long_name": "p-value adjusted for the tests of the family"}),
            "family": (dims, family, {"long_name": "tests of the family"}),
        }
    ).transpose(*p.dims)
