"""Weights of another network, told when a study is planned or begins."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distributed_trf import Study
from distributed_trf.clusters.recipe_machines import LocalRecipe
from distributed_trf.errors import FeatureError
from distributed_trf.features.families.registry import family
from distributed_trf.features.table import load_table
from distributed_trf.features.weights import checkpoint


@pytest.fixture
def weights(workplace):
    """Where the weights of the study's network are, and those that fit."""
    of = load_table("wav2letter")
    return workplace / "net.pt", family(of, "trained").new(of).state_dict()


def study(write_study, **network):
    network = {"name": "wav2letter", "source": "net.pt", "layers": [0], **network}
    write_study(networks=[network, {"name": "mel_librosa"}], reliability=None)
    return Study.load("study.yaml")


def test_weights_of_another_network__are_refused_before_anything_is_done(write_study, weights, workplace):
    file, state = weights
    torch.save({**state, "conv16.weight": torch.zeros(2)}, file)
    of = study(write_study)
    for begin in (lambda: of.run(None), lambda: of.run(item="1/1"), lambda: of.forecast(LocalRecipe(kind="local"))):
        with pytest.raises(
            FeatureError, match=r"not the weights of Wav2LetterNetwork: 1 not of this network: conv16\.w"
        ):
            begin()
    assert not (workplace / "study").exists()


def test_weights_that_no_extraction_loads__do_not_matter(write_study, weights):
    torch.save({"a": torch.zeros(1)}, weights[0])
    of = study(write_study, weights=["reset"])
    of.forecast(LocalRecipe(kind="local"))


def test_weights_that_fit__are_not_read_by_a_plan(write_study, weights, monkeypatch):
    torch.save(weights[1], weights[0])
    monkeypatch.setattr(checkpoint, "read_tensors", lambda *_: pytest.fail("numbers are read"))
    monkeypatch.setattr(nn.Module, "load_state_dict", lambda *_: pytest.fail("numbers are read"))
    study(write_study).forecast(LocalRecipe(kind="local"))
