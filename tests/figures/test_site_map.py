"""Maps show every session where it was recorded, in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from distributed_trf import simulate_results
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.site_map import DOT, PER_UNIT, recording_sites
from distributed_trf.figures.style import notes_of
from tests.small_results import small_results


@pytest.fixture(scope="module")
def ds():
    """As many sessions and units as published."""
    return simulate_results(["whisper_tiny"], stimuli=["timit"])


def maps(figure):
    """The panels by subject; the axis of the legend has no title."""
    return {axis.get_title().split(":")[0]: axis for axis in figure.axes if axis.get_title()}


def marks(axis):
    """Sizes by place of all marks in a panel but for rings."""
    filled = [c for c in axis.collections if len(c.get_facecolor())]
    return {
        tuple(np.round(place, 6)): size
        for c in filled
        for place, size in zip(c.get_offsets().tolist(), c.get_sizes().tolist(), strict=True)
    }


def test_recording_sites__has_the_published_sessions_and_units_on_four_maps(ds):
    panels = maps(recording_sites(ds))
    assert {name: axis.get_title().split(": ")[1] for name, axis in panels.items()} == {
        "b_RH": "12 sessions, 212 units",
        "c_LH": "11 sessions, 675 units",
        "c_RH": "12 sessions, 476 units",
        "f_RH": "6 sessions, 355 units",
    }
    assert {name: len(marks(axis)) for name, axis in panels.items()} == {"b_RH": 12, "c_LH": 11, "c_RH": 12, "f_RH": 6}


def test_recording_sites__are_in_millimetres_and_sized_by_units(ds):
    panels = maps(recording_sites(ds))
    found = marks(panels["c_LH"])
    assert found[-4.6, 3.0] == pytest.approx(DOT + 64 * PER_UNIT)  # 200206
    assert found[0.45, -2.5] == pytest.approx(DOT + 58 * PER_UNIT)  # 191115
    for axis in panels.values():
        (circle,) = axis.patches
        assert circle.get_radius() == 10
        assert axis.get_aspect() == 1
        assert axis.get_xlabel() == "caudal \N{EN DASH} rostral (mm)"
        core_belt, belt_parabelt = (line.get_xydata().tolist() for line in axis.lines)
        assert core_belt == [[-7.5, -1.75], [7.5, 3.25]]
        assert belt_parabelt == [[-7.5, -5.75], [7.5, -1.0]]


def test_recording_sites__areas_differ_in_marker_and_colour(ds):
    axis = maps(recording_sites(ds))["f_RH"]
    core, other = axis.collections
    assert (len(core.get_offsets()), len(other.get_offsets())) == (3, 3)
    assert len(core.get_paths()[0].vertices) != len(other.get_paths()[0].vertices)
    assert core.get_facecolor().tolist() != other.get_facecolor().tolist()


def test_recording_sites__rings_and_names_sessions(ds):
    panels = maps(recording_sites(ds, highlight={"200206": "#009E73", "180731": "#E69F00"}))
    for subject, session, colour, place in (
        ("c_LH", "200206", "#009E73", (-4.6, 3.0)),
        ("c_RH", "180731", "#E69F00", (-1.5, 5.4)),
    ):
        (ring,) = [c for c in panels[subject].collections if not len(c.get_facecolor())]
        np.testing.assert_allclose(ring.get_offsets(), [place])
        assert tuple(ring.get_edgecolor()[0]) == to_rgba(colour)
        (name,) = [t for t in panels[subject].texts if t.get_text() == session]
        assert name.get_color() == colour
        assert name.xy == pytest.approx(place)
    assert all(len(c.get_facecolor()) for c in panels["b_RH"].collections)


def test_recording_sites__says_which_sessions_have_none(ds):
    x = np.where(np.isin(ds.session, ["190604", "190801"]), np.nan, ds.x)
    figure = recording_sites(ds.assign_coords(x=("unit", x)))
    assert notes_of(figure) == ["without a recording site and left out: 190604, 190801"]
    assert maps(figure)["c_RH"].get_title() == "c_RH: 10 sessions, 348 units"


def test_recording_sites__are_none_of_sessions_whose_units_have_places_of_their_own(ds):
    """As electrodes of a grid, or voxels."""
    session = str(ds.session.values[0])
    own = (ds.session == session).values
    moved = ds.assign_coords(x=ds.x + own * np.arange(ds.sizes["unit"]))
    figure = recording_sites(moved)
    assert any(session in text for text in notes_of(figure))
    subject = str(ds.subject.values[0])
    n_sessions = len(set(ds.session.values[(ds.subject == subject).values]))
    assert len(marks(maps(figure)[subject])) == n_sessions - 1
    with pytest.raises(NothingToDrawError, match="that its units share"):
        recording_sites(moved.isel(unit=own))


def test_recording_sites__of_other_recordings_have_no_published_borders(ds):
    other = ds.assign_attrs(study={"recordings": {"format": "generic"}})
    assert all(not axis.lines for axis in maps(recording_sites(other)).values())
    assert all(len(axis.lines) == 2 for axis in maps(recording_sites(other, borders=True)).values())


def test_recording_sites__of_few_sessions_and_other_areas(tmp_path):
    shared = {name: ("unit", [1.5, 1.5, np.nan]) for name in ("x", "y")}
    figure = recording_sites(small_results().assign_coords(shared))  # s2 of subject B has no site
    assert list(maps(figure)) == ["A"]
    assert maps(figure)["A"].get_title() == "A: 1 session, 2 units"
    figure.savefig(tmp_path / "sites.svg")


def test_recording_sites__more_than_four_subjects_take_another_row(ds):
    subjects = np.char.add(ds.subject.values.astype(str), np.where(ds.area == "core", "1", "2"))
    panels = maps(recording_sites(ds.assign_coords(subject=("unit", subjects))))
    assert len(panels) == 8
    places = [axis.get_subplotspec().get_geometry() for axis in panels.values()]
    assert [(rows, columns, cell) for rows, columns, cell, _ in places] == [(3, 4, k) for k in range(8)]


def test_recording_sites__without_any_site_is_nothing_to_draw(ds):
    with pytest.raises(NothingToDrawError, match="no session of these results has a recording site"):
        recording_sites(ds.assign_coords(x=("unit", ds.x.values * np.nan)))
