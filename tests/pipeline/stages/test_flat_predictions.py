"""A prediction that varies by no more than rounding has no correlation, wherever a study correlates."""

from __future__ import annotations

import numpy as np

from distributed_trf import Study, open_lowpass, open_results
from distributed_trf.results.analyses import open_bootstraps, open_together
from distributed_trf.trf import lags

LAYER = {"network": "mel_whisper", "layer": 0, "weights": "fixed"}


def test_r__is_nan_of_flat_predictions_in_fits_and_every_analysis(write_study, monkeypatch):
    monkeypatch.setattr(lags, "ROUNDING", 1e20)  # every prediction passes for rounding
    write_study(
        networks=[{"name": "mel_whisper"}],
        lowpass=[{**LAYER, "lowpass_bins": [100]}],
        bootstraps=[{**LAYER, "draws": 2, "training_percent": [100], "test_percent": [100], "n_repeats": [2]}],
        together=[{"network": "mel_whisper", "bands": "none"}],
    )
    assert Study.load("study.yaml").run(recipe=None).ok
    together = open_together("study")
    for ds in (open_results("study"), open_lowpass("study"), open_bootstraps("study", of="training"), together):
        assert np.isnan(ds.r.values).all()
        assert np.isfinite(ds.alpha.values).any()
    assert np.isnan(open_bootstraps("study", of="test").r.values).all()
    assert np.isnan(together.share.values).all()
