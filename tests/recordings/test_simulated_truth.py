"""The truth beside simulations that have vocalisations, and what its numbers mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distributed_trf.recordings.simulation.plan import NOTHING, Plan
from distributed_trf.recordings.simulation.simulate import draw_session, simulate
from distributed_trf.recordings.simulation.sounds import KINDS, Kind, call_like
from distributed_trf.recordings.simulation.ucsf_calls import (
    PUBLISHED,
    draw_codes,
    multiplicities,
    stimulus_presentations,
)
from distributed_trf.recordings.simulation.ucsf_layout import UCSFLayout


@pytest.mark.parametrize("calls", [45, 66, 100, 400, 779, 780])
def test_multiplicities__are_the_published_ones_or_like_them(calls: int) -> None:
    found = multiplicities(calls)
    assert sum(times * n for times, n in found.items()) == calls
    assert found[15] == max(2, round(11 * calls / 780))
    assert found[1] > 0
    if calls == 780:
        assert found == PUBLISHED
        assert sum(found.values()) == 303
    codes = draw_codes(calls, np.random.default_rng(0))
    times = np.bincount(codes)[1:]
    assert {int(t): int((times == t).sum()) for t in np.unique(times)} == {t: n for t, n in found.items() if n}
    _, first = np.unique(codes, return_index=True)
    assert (np.diff(first) > 0).all()  # numbered by first presentation


def test_stimulus_presentations__all_780() -> None:
    codes = draw_codes(780, np.random.default_rng(1))
    stimulus, is_test = stimulus_presentations(codes)
    assert is_test.sum() == 165
    assert len(set(stimulus[is_test])) == 11
    assert stimulus[~is_test].tolist() == np.flatnonzero(~is_test).tolist()
    for i in set(stimulus[is_test].tolist()):
        assert i == np.flatnonzero(codes == codes[i])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_call_like__length_level_and_no_silence(kind: Kind) -> None:
    for seed in range(10):
        sound = call_like(kind, 0.3 + 0.15 * seed, 41_000, np.random.default_rng(seed))
        assert sound.size == round((0.3 + 0.15 * seed) * 41_000)
        assert 0.1 <= np.abs(sound).max() <= 0.5
        audible = np.flatnonzero(np.abs(sound) >= 1e-3)
        assert np.diff(audible).max() < 2050
    np.testing.assert_array_equal(sound, call_like(kind, 0.3 + 0.15 * 9, 41_000, np.random.default_rng(9)))


def test_truth__normaliser_is_what_repeats_correlate_on_average(tmp_path: Path) -> None:
    plan = Plan(sessions=1, channels=8, sentences=20, calls=45, seed=0, bin_width=50.0)
    layout = UCSFLayout(plan)
    sets = layout.write_shared(tmp_path)
    session = draw_session(layout, plan, 0, sets)
    for k in range(2):
        rate = session.rates[k][sets[k].is_test_bin]
        repeats = np.random.default_rng(0).poisson(rate, size=(300, *rate.shape)).astype(float)
        for unit, expected in enumerate(session.normaliser(k)):
            r = np.corrcoef(repeats[:, :, unit])[np.triu_indices(300, 1)].mean()
            assert r == pytest.approx(expected, abs=0.02)
        assert session.normaliser(k)[-1] == 0


def test_truth__is_nan_for_what_a_session_did_not_hear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distributed_trf.recordings.simulation.ucsf_layout.WITHOUT_VOCALISATIONS", {"180413"})
    truth = simulate(tmp_path / "set", sessions=2, channels=2, sentences=11, calls=45)
    assert truth.stimuli.values.tolist() == ["timit", "mvocs"]
    deaf = truth.session.values == "180413"
    is_call = truth.stimulus_set.values == "mvocs"
    for name in ("ceiling", "normaliser"):
        assert np.isnan(truth[name].sel(stimuli="mvocs").values).tolist() == deaf.tolist()
        assert truth[name].sel(stimuli="timit").notnull().all()
    assert np.isnan(truth.rate.values[np.ix_(deaf, is_call)]).all()
    assert np.isfinite(truth.rate.values[np.ix_(~deaf, is_call)]).all()
    assert np.isfinite(truth.rate.values[:, ~is_call]).all()


def test_one_unit__is_driven(tmp_path: Path) -> None:
    truth = simulate(tmp_path / "set", sessions=1, channels=1, sentences=11)
    assert truth.driven.values.tolist() == [True]
    assert 0 < truth.normaliser.item() < truth.ceiling.item() < 1


def test_bad_session__was_broken_off(tmp_path: Path) -> None:
    plan = Plan(sessions=1, channels=1, sentences=11, calls=0, seed=0, bin_width=50.0)
    layout = UCSFLayout(plan)
    table = layout.trial_table(0, layout.write_shared(tmp_path))
    head = table.head(12)
    assert head.onset.size == 12
    np.testing.assert_array_equal(head.stimulus, table.stimulus[:12])
    assert (table.stimulus == NOTHING).sum() == 7
