"""What is recovered when the firing rates behind the counts are known.

The ceiling of a unit is the Pearson correlation of its known expected counts with the counts of each repeat of the test
sentences, one after another, averaged over repeats: what a perfect predictor would get on the very same test.
"""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf import TRF, Study, open_features, open_results, simulate
from distributed_trf.features.resample import to_bins
from distributed_trf.recordings.simulation.session import open_truth
from distributed_trf.results.inter_trial_draws import ceiling_distance
from distributed_trf.store.stored_recordings import load_responses
from distributed_trf.store.study_store import StudyStore

pytestmark = pytest.mark.slow

SESSIONS = 3


@pytest.fixture(scope="module")
def studied(made_once):
    """400 training sentences, the driving feature, fitted."""

    def fill(folder):
        simulate(folder / "recordings", sessions=SESSIONS, channels=8, sentences=410, seed=0)
        (folder / "study.yaml").write_text(
            f"name: known\nrecordings: {{format: ucsf, path: {folder}/recordings}}\noutput: {folder}/study\n"
            "networks: [{name: mel_whisper}]\nreliability: null\n"
        )
        assert Study.load(folder / "study.yaml").run(recipe=None).ok

    return Study.load(made_once("known_rates", fill) / "study.yaml")


def counts_of(study):
    store = StudyStore.open(study.output)
    sessions = dict.fromkeys(open_results(study.output).session.values)
    return {session: load_responses(store, "timit", 50, session) for session in sessions}


def test_driving_feature__comes_within_003_of_the_ceiling(studied):
    truth, ds = open_truth(studied.settings.recordings.path), open_results(studied.output)
    rate = truth.rate.values[:, np.isin(truth.stimulus.values, list(ids_for_testing(studied)))]
    ceiling = []
    for k, (_, counts) in enumerate(counts_of(studied).items()):
        for u in range(8):
            known = rate[8 * k + u]
            r = [np.corrcoef(known, repeat[:, u])[0, 1] if np.ptp(known) > 0 else 0 for repeat in counts.repeated]
            ceiling.append(np.mean(r))
    r, driven = ds.r.values.ravel(), truth.driven.values
    assert driven.sum() == 7 * SESSIONS
    distance = np.median((np.array(ceiling) - r)[driven])
    assert 0 < distance < 0.03
    assert np.min(r[driven]) > 0.4
    found = ceiling_distance(ds)
    np.testing.assert_allclose([found.distance, found.r], [distance, np.median(r[driven])], atol=1e-6)


def test_noise_channel__stays_below_005(studied):
    truth, ds = open_truth(studied.settings.recordings.path), open_results(studied.output)
    noise = ds.r.values.ravel()[~truth.driven.values]
    assert noise.size == SESSIONS
    assert (np.abs(noise) < 0.05).all()


def test_shuffled_responses__predict_nothing(studied):
    """Responses of one trial go to another sentence, for each repeat anew, so that no repeat shares a signal."""
    rng = np.random.default_rng(1)
    features = open_features(studied.output)["timit", "mel_whisper", "fixed"]
    frames = dict(features.iterate(0))
    largest = []
    for counts in counts_of(studied).values():
        X = {i: to_bins(frames[i], 7 + counts.bins[i]) for i in counts.bins}
        train = cut(shuffled(list(counts.train_trials.values()), rng), [counts.bins[i] for i in counts.train_ids])
        repeats = [
            shuffled([counts.test_trials[i][k] for i in counts.test_ids], rng) for k in range(counts.repeated.shape[0])
        ]
        test = [cut(repeat, [counts.bins[i] for i in counts.test_ids]) for repeat in repeats]
        trf = TRF(lead_in=7).fit([X[i] for i in counts.train_ids], train)
        r = trf.correlate([X[i] for i in counts.test_ids], [np.stack(trial) for trial in zip(*test, strict=True)])
        largest.append(np.abs(r).max())
    assert max(largest) < 0.05


def ids_for_testing(study):
    return next(iter(counts_of(study).values())).test_ids


def shuffled(trials, rng):
    return np.concatenate([trials[k] for k in rng.permutation(len(trials))])


def cut(rows, lengths):
    return np.split(rows, np.cumsum(lengths)[:-1])
