"""Fig 2B: where the sessions were recorded, one map per animal and hemisphere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.printed_page import is_narrow, page_width, panels_per_row
from distributed_trf.figures.style import SMALL, area_colour, new_figure, note, tidy
from distributed_trf.results.open_results import study_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

MAP_UNIT = 5.0
"""Millimetres of the unit in which results hold recording sites."""
WINDOW_RADIUS = 10.0
"""Millimetres of the craniotomy that the maps are centred on."""
BORDERS = (((-7.5, 7.5), (-1.75, 3.25)), ((-7.5, 7.5), (-5.75, -1.0)))
"""Ends (x, y) in mm of the lines between core and belt and between belt and parabelt, as published."""
REGIONS = {"core": (7.6, 4.2), "belt": (7.6, 1.1), "parabelt": (7.6, -3.6)}
"""Right end of the words between those lines, mm."""
LABELS_AT, LINE_OF_TEXT = 8.7, 1.6
"""How far from the middle the name of the outermost ringed session is, and the distance to the next, mm."""
MAPPED_FORMAT = "ucsf"
"""The recordings that those lines were drawn for."""
AREA_MARKERS = {"core": "o", "non-primary": "^"}
OTHER_AREA_MARKERS = ("s", "D", "v", "P")
PER_ROW = 4
"""Maps side by side on two columns."""
MAP_HEIGHT, LEGEND_HEIGHT = 2.4, 0.35
"""Inches of a row of maps, and of what says what marks mean."""
LINE_COLOUR = "#999999"
DOT, PER_UNIT = 14.0, 1.1
"""Square points of a session's mark: of one without units, and for each unit."""


def recording_sites(
    ds: xr.Dataset, *, highlight: Mapping[str, str] | None = None, borders: bool | None = None
) -> Figure:
    """Draw a map of recording sites per subject, a mark per session.

    Parameters
    ----------
    ds
        Results of ``open_results``; their ``x`` and ``y`` are in units of 5 mm.
    highlight
        Sessions to ring and name, with the colour of each.
    borders
        Draw the published lines between core, belt and parabelt; by default if the recordings are the published ones,
        or if nothing is said of them.

    Raises
    ------
    NothingToDrawError
        If no session has a site.
    MissingExtraError
        If matplotlib is not installed.
    """
    sites = site_table(ds)
    most = panels_per_row(PER_ROW)
    columns = min(most, max(2, sites["subject"].nunique()))
    figure = new_figure(page_width() * columns / most, maps_height(sites))
    draw_sites(
        figure,
        figure.add_gridspec(1, 1)[0],
        sites,
        highlight or {},
        borders=has_published_map(ds) if borders is None else borders,
    )
    note_of_sites(figure, ds)
    return figure


def site_table(ds: xr.Dataset) -> pd.DataFrame:
    """Return session, subject, area, x, y (mm) and number of units of each session that has a site.

    Raises
    ------
    NothingToDrawError
        If none has.
    """
    sites = _all_sites(ds).dropna(subset=["x", "y"]).reset_index(drop=True)
    if sites.empty:
        raise NothingToDrawError(
            "no session of these results has a recording site (x, y) that its units share, so there is no map"
        )
    return sites


def maps_height(sites: pd.DataFrame) -> float:
    """Return the height in inches that ``draw_sites`` takes."""
    return MAP_HEIGHT * -(-sites["subject"].nunique() // panels_per_row(PER_ROW)) + LEGEND_HEIGHT


def draw_sites(
    figure: Figure, cell: SubplotSpec, sites: pd.DataFrame, highlight: Mapping[str, str], *, borders: bool
) -> Axes:
    """Draw the map of each subject and a legend below them into a part of a figure; return the first map's axis."""
    from matplotlib.patches import Circle

    areas, subjects = sorted(set(sites["area"])), sorted(set(sites["subject"]))
    most = panels_per_row(PER_ROW)
    rows = -(-len(subjects) // most)
    grid = cell.subgridspec(rows + 1, min(most, len(subjects)), height_ratios=[MAP_HEIGHT] * rows + [LEGEND_HEIGHT])
    axes = [figure.add_subplot(grid[k // most, k % most]) for k in range(len(subjects))]
    _legend(figure.add_subplot(grid[rows, :]), sites, areas)
    for axis, subject in zip(axes, subjects, strict=True):
        of = sites[sites["subject"] == subject]
        axis.add_patch(Circle((0, 0), WINDOW_RADIUS, fill=False, color=LINE_COLOUR, linewidth=0.8))
        if borders:
            _draw_borders(axis, name=subject == subjects[-1])
        for area, marked in of.groupby("area"):
            axis.scatter(
                marked["x"],
                marked["y"],
                s=DOT + PER_UNIT * marked["units"],
                marker=area_marker(str(area), areas),
                color=area_colour(str(area), areas),
                edgecolor="white",
                linewidth=0.5,
                alpha=0.85,
                zorder=2,
            )
        _draw_highlights(axis, of[of["session"].isin(list(highlight))], highlight, areas)
        reach = max(WINDOW_RADIUS, of[["x", "y"]].abs().to_numpy().max()) * 1.08
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        counts = f"{_count(len(of), 'session')}, {_count(of['units'].sum(), 'unit')}"
        axis.set_title(f"{subject}:\n{counts}" if is_narrow() else f"{subject}: {counts}", fontsize=SMALL)
        axis.set_xlabel("caudal \N{EN DASH} rostral (mm)", fontsize=SMALL)
        axis.locator_params(nbins=5)
        tidy(axis)
    for k, axis in enumerate(axes):
        if k % most == 0:
            axis.set_ylabel("ventral \N{EN DASH} dorsal (mm)", fontsize=SMALL)
        else:
            axis.tick_params(labelleft=False)
    return axes[0]


def note_of_sites(figure: Figure, ds: xr.Dataset) -> None:
    """Say which sessions are on no map."""
    everywhere = _all_sites(ds)
    missing = everywhere["session"][everywhere[["x", "y"]].isna().any(axis=1)].tolist()
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        note(figure, f"without a recording site and left out: {listed}")


def area_marker(area: str, areas: list[str]) -> str:
    """Return the marker of an area; ``areas`` are all that are drawn."""
    if area in AREA_MARKERS:
        return AREA_MARKERS[area]
    others = [name for name in areas if name not in AREA_MARKERS]
    return OTHER_AREA_MARKERS[others.index(area) % len(OTHER_AREA_MARKERS)]


def has_published_map(ds: xr.Dataset) -> bool:
    """Return whether the published lines between areas belong on the maps of these results."""
    recordings = (study_of(ds) or {}).get("recordings")
    return recordings is None or recordings["format"] == MAPPED_FORMAT


def _legend(axis: Axes, sites: pd.DataFrame, areas: list[str]) -> None:
    """Say what marks and their sizes mean."""
    marks = [(area_marker(a, areas), area_colour(a, areas), DOT + PER_UNIT * sites["units"].median(), a) for a in areas]
    for n in sorted({int(sites["units"].min()), int(sites["units"].max())}):
        marks.append(("o", LINE_COLOUR, DOT + PER_UNIT * n, _count(n, "unit")))
    for marker, colour, size, label in marks:
        axis.scatter([], [], s=size, marker=marker, color=colour, label=label)
    axis.set_axis_off()
    axis.legend(loc="center", ncols=panels_per_row(len(marks)), fontsize=SMALL, frameon=False)


def _draw_highlights(axis: Axes, rows: pd.DataFrame, colours: Mapping[str, str], areas: list[str]) -> None:
    """Ring sessions, and name them at the rim, where no mark is."""
    named = {1: 0, -1: 0}
    for row in rows.to_dict("records"):
        size, colour = DOT + PER_UNIT * row["units"], colours[row["session"]]
        marker = area_marker(row["area"], areas)
        axis.scatter(row["x"], row["y"], s=2.2 * size, marker=marker, facecolor="none", edgecolor=colour, zorder=3)
        side = 1 if row["y"] > 0 else -1
        axis.annotate(
            row["session"],
            (row["x"], row["y"]),
            xytext=(0, side * (LABELS_AT - LINE_OF_TEXT * named[side])),
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "shrinkB": float(np.sqrt(size))},
            ha="center",
            va="center",
            fontsize=SMALL,
            weight="bold",
            color=colour,
        )
        named[side] += 1


def _draw_borders(axis: Axes, *, name: bool) -> None:
    for x, y in BORDERS:
        axis.plot(x, y, color=LINE_COLOUR, linewidth=0.8, linestyle="--", zorder=1)
    for region, position in REGIONS.items() if name else ():
        axis.text(*position, region, ha="right", va="center", fontsize=SMALL, color="#555555", zorder=1)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _all_sites(ds: xr.Dataset) -> pd.DataFrame:
    units = pd.DataFrame({name: ds[name].values for name in ("session", "subject", "area", "x", "y")})
    units[["x", "y"]] = units[["x", "y"]].astype(float) * MAP_UNIT
    sites = units.groupby("session", sort=True)
    found = sites.first().assign(units=sites.size())
    # Electrodes of a grid and voxels have places of their own, of which none is the session's.
    found.loc[(sites[["x", "y"]].nunique() > 1).any(axis=1), ["x", "y"]] = np.nan
    return found.reset_index()
