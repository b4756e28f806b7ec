"""Figures of one session show each of its units."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import open_results, simulate_results
from distributed_trf.errors import DataError, NothingToDrawError
from distributed_trf.figures.session_map import session_layers, session_reliability
from distributed_trf.figures.style import notes_of
from tests.small_results import small_results

SESSION = "180814"


@pytest.fixture(scope="module")
def ds():
    return simulate_results(["whisper_tiny", "deepspeech2"], better={"deepspeech2": [3, 4]}, gain=0.3).load()


@pytest.fixture
def of(ds):
    return ds.isel(unit=np.flatnonzero(ds.session == SESSION)).sel(stimuli="timit", bin_width=50.0)


def test_session_reliability__draws_normaliser_null_and_tuning_of_each_unit(ds, of):
    (axis,) = session_reliability(ds, SESSION).axes
    bars = [p for p in axis.patches if p.get_width() == 0.8]
    np.testing.assert_allclose([bar.get_y() for bar in bars], of.null_mean - 2 * of.null_std)
    np.testing.assert_allclose([bar.get_height() for bar in bars], 4 * of.null_std)
    lines = {line.get_label().split(" ")[0]: line for line in axis.lines}
    tuned = (of.normaliser > of.null_mean + 0.5 * of.null_std).values
    for name, chosen in (("highly", tuned), ("other", ~tuned)):
        np.testing.assert_array_equal(lines[name].get_xdata(), np.flatnonzero(chosen))
        np.testing.assert_array_equal(lines[name].get_ydata(), of.normaliser.values[chosen])
    assert lines["highly"].get_markerfacecolor() != lines["other"].get_markerfacecolor()
    np.testing.assert_array_equal(lines["p"].get_xdata(), np.flatnonzero(of.tuned_p < 0.05))
    assert axis.get_title() == f"session {SESSION}, timit, 50 ms bins: {tuned.sum()} of 36 units highly tuned"
    assert [label.get_text() for label in axis.get_xticklabels()] == of.channel.values.tolist()


def test_session_reliability__takes_another_threshold_and_stimulus_set(ds):
    strict = session_reliability(ds, SESSION, stimuli="mvocs", delta=3.0).axes[0]
    of = ds.isel(unit=np.flatnonzero(ds.session == SESSION)).sel(stimuli="mvocs", bin_width=50.0)
    n = int((of.normaliser > of.null_mean + 3 * of.null_std).sum())
    assert strict.get_title() == f"session {SESSION}, mvocs, 50 ms bins: {n} of 36 units highly tuned"
    assert "(\N{GREEK SMALL LETTER DELTA} = 3)" in strict.lines[1].get_label()


def test_session_reliability__says_which_units_never_vary(ds, tmp_path):
    unit = int(np.flatnonzero(ds.session == SESSION)[4])
    silent = ds.assign(normaliser=ds.normaliser.where(np.arange(ds.sizes["unit"]) != unit))
    figure = session_reliability(silent, SESSION)
    assert notes_of(figure) == ["units that never vary and have no mark: 1"]
    figure.savefig(tmp_path / "reliability.pdf")


def test_session_reliability__of_what_was_not_measured(ds):
    with pytest.raises(NothingToDrawError, match="reliability of session s1 was not measured for timit at 20 ms"):
        session_reliability(small_results(), "s1", bin_width=20.0)
    with pytest.raises(DataError, match="session: '000000' is not in these results"):
        session_reliability(ds, "000000")


def drawn(figure):
    """The map's values, its dots, and its layers."""
    axis = figure.axes[0]
    (mesh,) = axis.collections
    (dots,) = axis.lines
    return mesh.get_array(), dots.get_xydata(), [int(label.get_text()) for label in axis.get_yticklabels()]


def test_session_layers__draws_the_best_network_and_each_units_best_layer(ds, of):
    figure = session_layers(ds, SESSION)
    assert figure.axes[0].get_title() == (
        f"session {SESSION}, timit, 50 ms bins: deepspeech2, trained; dots: best layer"
    )
    values, dots, layers = drawn(figure)
    r = of.r.sel(network="deepspeech2", weights="trained").dropna("layer", how="all")
    np.testing.assert_array_equal(values, r)
    assert layers == r.layer.values.tolist()
    np.testing.assert_array_equal(dots[:, 0], np.arange(36))
    np.testing.assert_array_equal(dots[:, 1], r.values.argmax(axis=0))
    assert len(set(dots[:, 1])) > 1


def test_session_layers__shows_the_network_and_weights_it_is_given(ds, of):
    figure = session_layers(ds, SESSION, network="whisper_tiny", weights="reset")
    values, _, _ = drawn(figure)
    np.testing.assert_array_equal(values, of.r.sel(network="whisper_tiny", weights="reset").dropna("layer", how="all"))
    assert "whisper_tiny, reset" in figure.axes[0].get_title()
    only = session_layers(ds.sel(network=["cochleagram"]), SESSION)
    assert "cochleagram, fixed" in only.axes[0].get_title()


def test_session_layers__leaves_units_white_that_were_not_fitted(tmp_path):
    ds = small_results()
    figure = session_layers(ds.assign(r=ds.r.where(ds.channel != "2")), "s1", network="net", bin_width=50.0)
    values, dots, layers = drawn(figure)
    assert values.mask.tolist() == [[False, True], [False, True]]
    assert layers == [0, 2]
    assert dots.tolist() == [[0, 1]]
    assert notes_of(figure) == ["units that never vary or were not fitted (white): 1"]
    figure.savefig(tmp_path / "layers.svg")


def test_session_layers__of_what_was_not_fitted(ds):
    with pytest.raises(NothingToDrawError, match=f"no fit of deepspeech2, fixed predicts session {SESSION}"):
        session_layers(ds, SESSION, network="deepspeech2", weights="fixed")
    with pytest.raises(DataError, match="session: '000000' is not in these results"):
        session_layers(ds, "000000")


def test_session_figures__of_a_study(saved_study):
    ds = open_results(saved_study)
    session = str(ds.session.values[0])
    values, _, _ = drawn(session_layers(ds, session, network="mel_whisper"))
    assert values.shape == (1, 3)
    axis = session_reliability(ds, session).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["Ch1", "Ch2", "Ch3"]


def test_session_figures__label_some_of_many_units():
    ds = simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=2, channels=150)
    axis = session_reliability(ds, str(ds.session.values[0])).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ds.channel.values[:150:3].tolist()
