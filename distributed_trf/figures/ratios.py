"""The test correlation of each unit beside that with a spectrogram: Fig S3."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from distributed_trf import names
from distributed_trf.config.weights import FIXED
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.layer_profiles import RESET
from distributed_trf.figures.panels.profile_rows import Rows, draw_rows
from distributed_trf.figures.panels.summary_bars import Column
from distributed_trf.figures.style import note
from distributed_trf.results.shown import Shown, baseline_of, has, networks_of, show

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

RATIO = "ratio"


def figure_s3(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    untrained: str = RESET,
    baseline: str | None = None,
    bin_width: float | None = None,
) -> Figure:
    """Draw the ratio of each unit's r to that of a spectrogram along the layers, and bars of the best layers.

    Parameters
    ----------
    ds, delta, untrained, baseline, bin_width
        As of ``figure_3``.

    Returns
    -------
    matplotlib.figure.Figure
        Medians and quartiles over units of ``r / r of the spectrogram``. As published, no unit is left out for an r of
        the spectrogram near zero; medians and quartiles, which also set the limits of the axes, bear them. Bars are of
        the layer whose median r is highest.

    Raises
    ------
    NothingToDrawError
        If there is no network or no spectrogram.
    """
    shown = show(ds, delta=delta, bin_width=bin_width)
    networks = networks_of(shown)
    spectrogram = baseline_of(ds, baseline)
    if not networks or spectrogram is None:
        lacking = "network" if not networks else "spectrogram" if baseline is None else f"spectrogram {baseline!r}"
        raise NothingToDrawError(
            f"no {lacking} is in these results; a ratio needs a network and a spectrogram under `networks` in the study"
        )
    rows, notes = [], []
    for s in shown:
        if not has(s, spectrogram, FIXED):
            notes.append(f"no fit of {spectrogram} to {s.stimuli}")
            continue
        of = _ratios(s, spectrogram)
        rows.append(Rows(of, [Column(n, untrained, n) for n in networks if has(of, n)]))
        if s.note:
            notes.append(s.note.split(":")[0] + ": all units are shown")
    if not rows:
        raise NothingToDrawError("; ".join(notes) + "; run the study first: dtrf run STUDY")
    figure = draw_rows(rows, spectrogram, alpha=0.0, ylabel=f"r / r of {spectrogram}", reference=1.0, by="r")
    for text in notes:
        note(figure, text)
    return figure


def _ratios(shown: Shown, baseline: str) -> Shown:
    r = shown.ds["r"]
    below = r.sel({names.NETWORK: baseline, names.WEIGHTS: FIXED}).max(names.LAYER)  # it has one layer only
    ratio = (r / below.where(below != 0)).transpose(*r.dims)
    return replace(
        shown,
        ds=shown.ds.assign(
            {RATIO: ratio.drop_vars([names.NETWORK, names.WEIGHTS], errors="ignore").assign_coords(r.coords)}
        ),
        variable=RATIO,
    )
