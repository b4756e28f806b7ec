"""How many units repeat themselves, by each of the rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf.names import BIN_WIDTH, STIMULI
from distributed_trf.reliability.selection import benjamini_hochberg, highly_tuned, holm


def reliability_table(ds: xr.Dataset, *, alpha: float = 0.05, delta: float = 0.5) -> pd.DataFrame:
    """Count tuned units, one row per stimulus set and bin width.

    Parameters
    ----------
    ds
        Results of ``open_results``.
    alpha
        Level of the tests.
    delta
        Of the published rule for highly tuned units, see ``highly_tuned``.

    Returns
    -------
    pandas.DataFrame
        Columns stimuli, bin_width; n, units whose reliability was measured; silent_repeats, the fraction of their test
        repeats without a spike; normaliser, its median over them; tuned, tuned_holm, tuned_bh, units with p < alpha in
        the test by shifts, uncorrected and corrected over the n units by Holm (which takes more than n / alpha shifts
        to find any) and by Benjamini-Hochberg; tuned_published, by the published test with Holm's correction;
        highly_tuned.
        Rows without any unit are left out.
    """
    rows = []
    for stimuli in ds[STIMULI].values:
        for bin_width in ds[BIN_WIDTH].values:
            of = ds.sel({STIMULI: stimuli, BIN_WIDTH: bin_width})
            normaliser, p, published = (of[name].values for name in ("normaliser", "tuned_p", "tuned_p_published"))
            if np.isnan(normaliser).all():
                continue
            rows.append(
                {
                    "stimuli": stimuli,
                    "bin_width": bin_width,
                    "n": np.count_nonzero(~np.isnan(normaliser)),
                    "silent_repeats": float(of["silent_repeats"].where(of["normaliser"].notnull()).mean()),
                    "normaliser": np.nanmedian(normaliser),
                    "tuned": np.count_nonzero(p < alpha),
                    "tuned_holm": np.count_nonzero(holm(p) < alpha),
                    "tuned_bh": np.count_nonzero(benjamini_hochberg(p) < alpha),
                    "tuned_published": np.count_nonzero(holm(published) < alpha),
                    "highly_tuned": np.count_nonzero(
                        highly_tuned(normaliser, of["null_mean"].values, of["null_std"].values, delta)
                    ),
                }
            )
    columns = ["stimuli", "bin_width", "n", "silent_repeats", "normaliser"]
    counted = ["tuned", "tuned_holm", "tuned_bh", "tuned_published", "highly_tuned"]
    return pd.DataFrame(rows, columns=[*columns, *counted])
