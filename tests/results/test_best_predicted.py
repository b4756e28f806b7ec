"""Units to show are the best predicted ones, each of another network."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import simulate_results
from distributed_trf.results.best_predicted import Example, best_predicted

BEST = {
    ("whisper_tiny", "trained", 2): [0.5, 0.6, 0.9, 0.5, 0.5, 0.5],
    ("deepspeech2", "reset", 1): [0.4, 0.4, 0.95, 0.4, 0.7, 0.4],
    ("cochleagram", "fixed", 0): [2.0, 2.0, 2.0, 2.0, np.nan, 2.0],
}
"""rho of the six units in the best fit of each network; all others are 0.1."""


@pytest.fixture(scope="module")
def ds():
    found = simulate_results(["whisper_tiny", "deepspeech2"], sessions=2, channels=3, stimuli=["timit"])
    rho = found.rho.where(found.rho.isnull(), 0.1).copy()
    for (network, weights, layer), values in BEST.items():
        rho.loc["timit", network, weights, layer, 50.0] = values
    return found.assign(rho=rho, cv_score=rho**2)


def fits(ds, *networks):
    return [("timit", n, w, i, 50.0) for n in networks for w in ds.weights.values for i in ds.layer.values.tolist()]


def example(ds, unit, network):
    (weights, layer) = next((w, i) for n, w, i in BEST if n == network)
    return Example(str(ds.session.values[unit]), str(ds.channel.values[unit]), network, layer, weights)


def test_best_predicted__is_the_best_unit_in_each_networks_best_layer_and_no_unit_twice(ds):
    found = best_predicted(ds, fits(ds, "cochleagram", "deepspeech2", "whisper_tiny"))
    assert found == [example(ds, 2, "whisper_tiny"), example(ds, 4, "deepspeech2")]


def test_best_predicted__takes_spectrograms_where_networks_are_too_few(ds):
    found = best_predicted(ds, fits(ds, "cochleagram", "deepspeech2"))
    assert found == [example(ds, 2, "deepspeech2"), example(ds, 0, "cochleagram")]
    assert len(best_predicted(ds, fits(ds, *ds.network.values), n=9)) == 3


def test_best_predicted__chooses_among_the_fits_it_is_given(ds):
    (found,) = best_predicted(ds, [("timit", "whisper_tiny", "reset", 3, 50.0)])
    assert (found.network, found.layer, found.weights) == ("whisper_tiny", 3, "reset")


def test_best_predicted__takes_the_fits_that_training_folds_choose(ds):
    of = ds.copy(deep=True)
    of["cv_score"].loc["timit", "whisper_tiny", "trained", 4, 50.0] = 9.0
    (found,) = best_predicted(of, fits(ds, "whisper_tiny", "deepspeech2"), n=1)
    assert (found.network, found.layer, found.weights) == ("whisper_tiny", 4, "trained")
    (found,) = best_predicted(of, fits(ds, "whisper_tiny", "deepspeech2"), n=1, by="rho")
    assert found == example(ds, 2, "whisper_tiny")
    assert best_predicted(of.drop_vars("cv_score"), fits(ds, "whisper_tiny"), n=1) == [found]


def test_best_predicted__of_no_fit_or_no_unit_is_nothing(ds):
    assert best_predicted(ds, []) == []
    assert best_predicted(ds.isel(unit=[]), fits(ds, "whisper_tiny")) == []
