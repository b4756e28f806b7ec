"""Fig 3 of the published medians, as read off the figure, has the published order and best layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from distributed_trf import simulate_results
from distributed_trf.figures.layer_profiles import figure_3
from tests.figures.drawn import line, titled

PUBLISHED = json.loads((Path(__file__).parent / "digitised_values.json").read_text())
READ = 0.004
"""How exactly medians could be read off the published figures."""


def published(stimuli):
    """Results of three units whose medians are those read off the published figure."""
    networks = ("wav2letter", "wav2vec2", "speech2text", "whisper_tiny", "whisper_base", "deepspeech2")
    ds = simulate_results(networks, stimuli=("timit", "mvocs"), sessions=3, channels=1)
    rho = xr.full_like(ds.rho, np.nan)
    for network in networks:
        name = "wav2letter_modified" if network == "wav2letter" else network
        for stimulus_set, word in (("timit", "timit"), ("mvocs", "mVocs")):
            of = PUBLISHED["layer_medians"][f"{name}|{word}"]
            for weights, key in (("trained", "trained"), ("reset", "untrained")):
                for layer, median in enumerate(of[key]):
                    if median is not None:
                        place = {"stimuli": stimulus_set, "network": network, "weights": weights, "layer": layer}
                        rho.loc[place] = np.array([median - 0.1, median, median + 0.1])
    for stimulus_set, median in (("timit", 0.5350), ("mvocs", 0.6333)):
        place = {"stimuli": stimulus_set, "network": "cochleagram", "weights": "fixed", "layer": 0}
        rho.loc[place] = np.array([median - 0.1, median, median + 0.1])
    one = xr.ones_like(ds.normaliser)
    return ds.assign(rho=rho, r=rho, normaliser=one, null_mean=0 * one, null_std=0 * one + 0.1).sel(stimuli=[stimuli])


PRINTED = {
    "timit": {
        "deepspeech2": (0.6126, 2),
        "wav2letter": (0.5932, 3),
        "whisper_tiny": (0.5925, 2),
        "whisper_base": (0.5865, 2),
        "wav2vec2": (0.5842, 4),
        "speech2text": (0.5691, 6),
    },
    "mvocs": {
        "deepspeech2": (0.7073, 2),
        "wav2letter": (0.6934, 4),
        "whisper_base": (0.6899, 2),
        "whisper_tiny": (0.6862, 1),
        "wav2vec2": (0.6418, 10),
        "speech2text": (0.6310, 7),
    },
}
"""Best median and its layer as printed beside the published figure, the best network first."""


@pytest.mark.parametrize("stimuli", list(PRINTED))
def test_figure_3__of_published_medians_has_the_published_order_and_best_layers(stimuli):
    figure = figure_3(published(stimuli), tests="published")
    best = {}
    for network, (median, layer) in PRINTED[stimuli].items():
        (axis,) = titled(figure, network)
        drawn = dict(line(axis, "trained").get_xydata())
        best[network] = max(drawn.values())
        assert best[network] == pytest.approx(median, abs=READ)
        # Layers that cannot be told apart by reading tie with the best.
        assert layer in [k for k, value in drawn.items() if value >= best[network] - READ]
    names = list(best)
    for better, worse in zip(names, names[1:], strict=False):
        assert best[better] >= best[worse] - READ
    assert (best[names[0]] - best[names[-1]]) > 5 * READ
