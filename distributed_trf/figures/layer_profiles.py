"""How well each layer predicts, trained and untrained, beside a spectrogram: Figs 3, S3, S4, S7 and S8.

Fig S3 is the test correlation of each unit beside that with a spectrogram, the others are profiles of layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED, TRAINED
from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.panels.profile_rows import Rows, draw_rows
from distributed_trf.figures.panels.summary_bars import Comparison
from distributed_trf.figures.shown_tests import (
    Tests,
    can_be_significant,
    choice_note,
    chosen_by,
    level_of,
    notes_on_tests,
)
from distributed_trf.figures.style import note
from distributed_trf.results.plotted_units import PlottedUnits, baseline_of, has, networks_of, plotted_units
from distributed_trf.results.statistics.layer_tests import layer_tests

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RESET = "reset"
AUDIOSET = ("wav2vec2", "w2v2_audioset")
"""The same architecture, trained on speech and on other sounds (Fig S4)."""
COCHLEAR = ("cochresnet50", "cochcnn9")
CONTROLS = (RESET, "permuted")
"""Of Fig S7."""
STRICTER = 1.0
"""delta of Figs S8 to S10."""


def figure_3(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    untrained: str = RESET,
    baseline: str | None = None,
    networks: Sequence[str] | None = None,
    stimuli: str | Sequence[str] | None = None,
    bin_width: float | None = None,
    alpha: float = 0.01,
    tests: Tests = "default",
) -> Figure:
    """Draw, for each stimulus set, a panel per network, and bars of each network's best layer (Figs 3 and S8).

    Parameters
    ----------
    ds
        Results of ``open_results``.
    delta
        Of the rule for highly tuned units, which are shown; 1.0 gives Fig S8.
    untrained
        The weights in black, such as ``reset`` or ``permuted``.
    baseline
        The spectrogram in grey; by default ``cochleagram``, else the first of the results.
    networks
        By default all, in the order of the results.
    stimuli
        Stimulus sets; by default all.
    bin_width
        Milliseconds; by default 50 where there are fits at it.
    alpha
        Level of the stars.
    tests
        ``default``: stars are tests over sessions, and bars are of the layers of highest median cross-validated score,
        in which the tested sounds have no part (but in studies by folds or splits). ``published``: stars are tests
        over units, and bars are of the layers that predict the test sounds best.

    Returns
    -------
    matplotlib.figure.Figure
        Lines are medians over units, bands quartiles. Stars are ``layer_tests``: black where trained weights are better
        than untrained ones, grey where they are better than the spectrogram; where there are too few sessions for any
        star, a note says so. Bars have the intervals of ``median_intervals``, over sessions.

    Raises
    ------
    NothingToDrawError
        If no layer of a network was fitted.
    MissingExtraError
        If matplotlib is not installed.
    """
    plotted = plotted_units(ds, delta=delta, stimuli=stimuli, bin_width=bin_width)
    found = networks_of(plotted)
    chosen = found if networks is None else [n for n in networks if n in found]
    if not chosen:
        raise NothingToDrawError(
            f"no layer of {'a network' if networks is None else ' or '.join(networks)} is in these results; add it "
            "under `networks` in the study and run it"
        )
    return _figure(
        plotted, [Comparison(n, untrained, n) for n in chosen], baseline, tests, alpha=alpha, correction="bh"
    )


def figure_s4(
    ds: xr.Dataset, *, delta: float = 0.5, bin_width: float | None = None, tests: Tests = "default"
) -> Figure:
    """Draw wav2vec2 beside the same architecture trained on AudioSet, as ``figure_3`` (Fig S4)."""
    lacking = [n for n in AUDIOSET if n not in ds[names.NETWORK].values]
    if lacking:
        raise NothingToDrawError(
            f"no layer of {' or '.join(lacking)} is in these results; add it under `networks` in the study and run it"
        )
    return figure_3(ds, delta=delta, networks=AUDIOSET, bin_width=bin_width, tests=tests)


def figure_s7(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    baseline: str | None = None,
    bin_width: float | None = None,
    tests: Tests = "default",
) -> Figure:
    """Draw the cochlear networks beside reset and beside permuted weights; p is not corrected, as published (Fig S7).

    Raises
    ------
    NothingToDrawError
        If no layer of them was fitted with both trained and untrained weights.
    """
    plotted = plotted_units(ds, delta=delta, bin_width=bin_width)
    columns = [
        Comparison(network, kind, f"{network}, {kind}")
        for network in COCHLEAR
        for kind in CONTROLS
        if any(has(s, network, TRAINED) and has(s, network, kind) for s in plotted)
    ]
    if not columns:
        raise NothingToDrawError(
            f"none of {', '.join(COCHLEAR)} is in these results with trained and {' or '.join(CONTROLS)} weights; add "
            "them under `networks` in the study and run it"
        )
    figure = _figure(plotted, columns, baseline, tests, alpha=0.01, correction=None)
    lacking = [kind for kind in CONTROLS if kind not in [column.untrained for column in columns]]
    if lacking:
        note(figure, f"no {lacking[0]} weights of {' or '.join(COCHLEAR)} in these results")
    return figure


def _figure(
    plotted: list[PlottedUnits],
    columns: list[Comparison],
    baseline: str | None,
    shown: Tests,
    *,
    alpha: float,
    correction: str | None,
) -> Figure:
    """Test, draw, and note what is missing."""
    spectrogram = baseline_of(plotted[0].ds, baseline)
    rows, notes = [], []
    for s in plotted:
        of = [column for column in columns if has(s, column.network)]
        if not of:
            notes.append(f"no fit of {s.stimuli}")
            continue
        by = chosen_by(s, shown)
        tests, missing = _tests(s, of, spectrogram, shown, alpha, correction)
        rows.append(Rows(s, of, by, tests))
        notes += [
            s.note,
            *missing,
            *notes_on_tests("stars", s.stimuli, tests.values(), alpha),
            *_families(tests.values(), alpha),
            choice_note(s, by, shown),
        ]
    if baseline is not None and spectrogram is None:
        notes.append(f"no spectrogram {baseline!r} in these results")
    return draw_rows(rows, spectrogram, notes, alpha=alpha)


def _tests(
    plotted: PlottedUnits,
    columns: list[Comparison],
    baseline: str | None,
    shown: Tests,
    alpha: float,
    correction: str | None,
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Test the layers of all networks against each kind of untrained weights and the spectrogram."""
    tests, missing = {}, []
    for kind in dict.fromkeys(column.untrained for column in columns):
        networks = [c.network for c in columns if c.untrained == kind] + ([baseline] if baseline is not None else [])
        of = plotted.ds.sel({names.NETWORK: networks})
        try:
            tests[kind] = layer_tests(
                of,
                plotted.variable,
                untrained=kind,
                baseline=baseline,
                alpha=alpha,
                correction=correction,
                level=level_of(shown),
            )
        except DataError as error:
            missing.append(f"no stars: {error}")
        else:
            missing.append(str(tests[kind].attrs["left_out"]))
    return tests, missing


def _families(tests: Iterable[xr.Dataset], alpha: float) -> list[str]:
    """Say which tests p is adjusted for together, where it is and stars show it."""
    adjusted = any(of.attrs["correction"] != "none" and can_be_significant(of, alpha) for of in tests)
    family = "tests of a network: all its layers against untrained weights and against the spectrogram"
    return [f"{family}, each stimulus set alone"] if adjusted else []


RATIO = "ratio"


def figure_s3(
    ds: xr.Dataset,
    *,
    delta: float = 0.5,
    untrained: str = RESET,
    baseline: str | None = None,
    bin_width: float | None = None,
    tests: Tests = "default",
) -> Figure:
    """Draw the ratio of each unit's r to that of a spectrogram along the layers, and bars of the best layers.

    Parameters
    ----------
    ds, delta, untrained, baseline, bin_width
        As of ``figure_3``.
    tests
        ``default``: bars are of the layers of highest median cross-validated score; ``published``: of highest median r.

    Returns
    -------
    matplotlib.figure.Figure
        Medians and quartiles over units of ``r / r of the spectrogram``. As published, no unit is left out for an r of
        the spectrogram near zero; medians and quartiles, which also set the limits of the axes, bear them.

    Raises
    ------
    NothingToDrawError
        If there is no network or no spectrogram.
    """
    plotted = plotted_units(ds, delta=delta, bin_width=bin_width)
    networks = networks_of(plotted)
    spectrogram = baseline_of(ds, baseline)
    if not networks or spectrogram is None:
        lacking = "network" if not networks else "spectrogram" if baseline is None else f"spectrogram {baseline!r}"
        raise NothingToDrawError(
            f"no {lacking} is in these results; a ratio needs a network and a spectrogram under `networks` in the study"
        )
    rows, notes = [], []
    for s in plotted:
        if not has(s, spectrogram, FIXED):
            notes.append(f"no fit of {spectrogram} to {s.stimuli}")
            continue
        of = _ratios(s, spectrogram)
        by = chosen_by(s, tests, published="r")
        rows.append(Rows(of, [Comparison(n, untrained, n) for n in networks if has(of, n)], by))
        notes.append(choice_note(s, by, tests))
        if s.note:
            notes.append(s.note.split(":")[0] + ": all units are shown")
    if not rows:
        raise NothingToDrawError("; ".join(notes) + "; run the study first: dtrf run STUDY")
    return draw_rows(rows, spectrogram, notes, alpha=0.0, ylabel=f"r / r of {spectrogram}", reference=1.0)


def _ratios(plotted: PlottedUnits, baseline: str) -> PlottedUnits:
    r = plotted.ds["r"]
    below = r.sel({names.NETWORK: baseline, names.WEIGHTS: FIXED}).max(names.LAYER)  # it has one layer only
    ratio = (r / below.where(below != 0)).transpose(*r.dims)
    return replace(
        plotted,
        ds=plotted.ds.assign(
            {RATIO: ratio.drop_vars([names.NETWORK, names.WEIGHTS], errors="ignore").assign_coords(r.coords)}
        ),
        variable=RATIO,
    )
