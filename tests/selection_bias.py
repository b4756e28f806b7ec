"""How far r and rho are from the truth in units that were selected by the same repeats, and by others.

``python -m tests.selection_bias`` prints a table, in minutes.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from distributed_trf.names import RELIABILITY_DIMS, RESULT_DIMS
from distributed_trf.reliability.assess import assess
from distributed_trf.reliability.halves import deal_repeats
from distributed_trf.results.open_results import with_rho
from distributed_trf.results.units import select_units

BINS, REPEATS, RHO = 330, 11, 0.7
POWERS = (0.3, 0.1, 0.05, 0.02, 0.01, 0.005)
"""Of the signal, over the total power of a repeat."""
SETTINGS = {"null_shift": "random", "shifts": 9, "splits": 1, "seed": 0}


def selected(power: float, units: int, seed: int = 0, draws: int = 1500) -> dict[str, float]:
    """Draw units that a model predicts with a known rho, select them by delta = 0.5, and compare with the truth.

    Returns
    -------
    dict
        For ``all`` and for ``split`` repeats: ``kept``, the share of units that are selected; of these the medians of
        ``r``, ``rho`` and what they are in truth, ``r_true``, ``rho_true``; ``no_rho``, the share without one.
    """
    rng = np.random.default_rng(seed)
    noise = np.sqrt((1 - power) / power)
    signal = rng.normal(size=(BINS, units))
    y = signal + noise * rng.normal(size=(REPEATS, BINS, units))
    p = RHO * signal + np.sqrt(1 - RHO**2) * rng.normal(size=(BINS, units))
    first, second = halves = deal_repeats(REPEATS, 0, ("bias", str(seed)))
    measured = assess([y], draws=draws, halves=halves, **SETTINGS)
    centred = p - p.mean(axis=0)
    of_repeats = y - y.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=0) * (of_repeats**2).sum(axis=1))
    r = (centred * of_repeats).sum(axis=1) / norm
    rho_true = np.array([np.corrcoef(p[:, k], signal[:, k])[0, 1] for k in range(units)])
    truth = {"r_true": rho_true * np.sqrt(power), "rho_true": rho_true}
    of_fit = {"r": r.mean(axis=0), "r_second_half": r[second].mean(axis=0)}
    of_fit |= dict.fromkeys(("alpha", "cv_score"), np.zeros(units))
    ds = xr.Dataset(
        {name: (RESULT_DIMS, values.reshape(1, 1, 1, 1, 1, -1)) for name, values in of_fit.items()}
        | {name: (RELIABILITY_DIMS, values.reshape(1, 1, -1)) for name, values in measured.items()},
        {"stimuli": ["noise"], "bin_width": [50.0], **{n: ("unit", v) for n, v in truth.items()}},
    )
    found = {}
    for repeats in ("all", "split"):
        of = select_units(with_rho(ds), delta=0.5, repeats=repeats)
        found |= {f"kept_{repeats}": of.sizes["unit"] / units, f"no_rho_{repeats}": float(of.rho.isnull().mean())}
        found |= {f"{name}_{repeats}": float(of[name].median()) for name in ("r", "r_true", "rho", "rho_true")}
    return found


def table(units: int = 4000) -> str:
    """Write the table as Markdown."""
    lines = [
        "| signal power / total | selected, all | r | true r | rho | true rho | selected, split | r | true r | rho | "
        "true rho | without rho |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for power in POWERS:
        of = selected(power, units)
        numbers = []
        for repeats in ("all", "split"):
            numbers.append(f"{of[f'kept_{repeats}']:.0%}")
            numbers += [f"{of[f'{name}_{repeats}']:.3f}" for name in ("r", "r_true", "rho", "rho_true")]
        lines.append(f"| {power:g} | {' | '.join(numbers)} | {of['no_rho_split']:.0%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
