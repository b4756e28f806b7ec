"""What is fetched of a hub: configuration and weights, never code, pickled weights only where there are no others."""

from __future__ import annotations

from fnmatch import fnmatch

import huggingface_hub
import pytest

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.source import weights_folder
from tests.conftest import SMALL_WHISPER

TABLE = NetworkTable.model_validate(SMALL_WHISPER)
BESIDE = [
    "config.json",
    "README.md",
    "modeling.py",
    "preprocessor_config.json",
    "vocab.json",
    "training_args.bin",
    "optimizer.pt",
]
CONFIGURATIONS = ["config.json", "preprocessor_config.json"]
SAFE = ["model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]
PICKLED = ["pytorch_model.bin"]
UNUSED = ["adapter.safetensors", "flax_model.msgpack", "tf_model.h5"]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A stand-in for the hub that holds ``files``; ``asked`` tells of what."""

    class Hub:
        def __init__(self):
            self.files, self.asked = [], []

        def snapshot_download(self, source, *, revision, allow_patterns):
            self.asked.append((source, revision))
            for name in self.files:
                if any(fnmatch(name, pattern) for pattern in allow_patterns):
                    (tmp_path / name).write_text("{}")
            return str(tmp_path)

        def fetched(self, **options):
            folder = weights_folder(TABLE, NetworkSettings(name="w"), **options)
            return sorted(file.name for file in folder.iterdir())

    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_hub__configurations_and_safe_weights_alone_are_fetched(hub):
    hub.files = [*BESIDE, *SAFE, *PICKLED, *UNUSED]
    assert hub.fetched() == sorted([*CONFIGURATIONS, *SAFE])
    assert hub.asked == [("someone/small-whisper", "0" * 40)]


def test_hub__requested_further_files_are_fetched_too(hub):
    hub.files = [*BESIDE, *SAFE]
    assert hub.fetched(further=["vocab.json"]) == sorted([*CONFIGURATIONS, "vocab.json", *SAFE])


def test_hub__pickled_weights_come_where_there_are_no_others(hub):
    hub.files = [*BESIDE, *PICKLED, "tf_model.h5"]
    assert hub.fetched(further=["vocab.json"]) == sorted([*CONFIGURATIONS, "vocab.json", *PICKLED])


def test_hub__that_does_not_answer_is_an_error_with_the_remedy(hub, monkeypatch):
    def fails(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(FeatureError, match=r"'someone/small-whisper' at revision 0+: no route to host.*as `source`"):
        hub.fetched()
