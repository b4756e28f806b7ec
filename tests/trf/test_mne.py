"""``TRF`` against MNE's ``TimeDelayingRidge`` where the conventions of both agree."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.trf.estimator import TRF


@pytest.mark.parametrize("alpha", [1e-2, 1e1])
def test_weights_and_predictions__are_those_of_mne(monkeypatch, alpha):
    """It takes the mean of features off before they are lagged; in trials that begin and end in silence, so do we."""
    monkeypatch.setenv("MNE_USE_NUMBA", "false")  # compiling takes longer than all else
    from mne.decoding import TimeDelayingRidge

    rng = np.random.default_rng(0)
    silence, weights = np.zeros((6, 3)), rng.normal(size=(3, 2))
    X = [rng.normal(size=(60, 3)) for _ in range(6)]
    X = [np.concatenate([silence, x - x.mean(axis=0), silence]) for x in X]
    Y = [x @ weights + rng.normal(size=(len(x), 2)) for x in X]
    Y = [y - y.mean(axis=0) for y in Y]
    trf = TRF(-0.05, 0.2, 20.0, alphas=[alpha], standardize=False).fit(X[:4], Y[:4])
    rows = sum(map(len, X[:4]))
    peer = TimeDelayingRidge(-0.05, 0.2, 20.0, alpha=alpha * rows, n_jobs=1)
    peer.fit(np.stack(X[:4], axis=1), np.stack(Y[:4], axis=1))
    np.testing.assert_allclose(trf.coef_, peer.coef_, rtol=1e-9, atol=1e-12)
    predicted = peer.predict(np.stack(X[4:], axis=1)).reshape(len(X[0]), 2, 2)
    np.testing.assert_allclose(np.stack(trf.predict(X[4:]), axis=1), predicted, rtol=1e-9, atol=1e-12)
