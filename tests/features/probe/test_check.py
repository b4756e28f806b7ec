"""Tables that users wrote, held against their networks."""

from __future__ import annotations

import pytest

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import ConfigError, FeatureError
from distributed_trf.features.families.registry import completed
from distributed_trf.features.probe.check import check_table
from distributed_trf.features.probe.find import find_network
from distributed_trf.features.table import Layer, NetworkTable, load_table
from tests.small_audio_models import save


@pytest.fixture
def published(made_once):
    """Return the folder of a small model, written once."""
    return lambda model_type: made_once(f"published-{model_type}", lambda folder: save(model_type, folder))


def written(folder, *layers, **config):
    """A table by hand, its architecture that of the folder's files."""
    config = {"class": "HubertModel", **config}
    table = NetworkTable(
        name="mine", family="transformers", sfreq=16000, source=str(folder), config=config, layers=list(layers)
    )
    return completed(table, NetworkSettings(name="mine"))


def block(**changes):
    return Layer(**{"id": 0, "name": "encoder.layers.1", "type": "transformer", "width": 32, "rate": 50, **changes})


def test_table_that_is_right__passes(published):
    conv = Layer(id=1, name="feature_extractor.conv_layers.5", type="conv", width=16, rate=100, time_last=True)
    check_table(written(published("hubert"), block(), conv))
    check_table(written(published("hubert"), block(hop=320, offset=-80)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "encoder.layers.2"}, r"HubertModel has no module encoder\.layers\.2; the nearest name is encoder"),
        (
            {"width": 768},
            r"mine layer 0 \(encoder\.layers\.1\) gives shape \(1, 49, 32\).* expected \(1, frames, 768\)",
        ),
        ({"time_last": True}, r"expected \(1, 32 in all, frames\)"),
        ({"rate": 100}, r"gives 50 frames per second, but its rate is 100; correct `rate`"),
        ({"rate": 49}, r"gives 50 frames per second, but its rate is 49; correct `rate`"),
        ({"rate": 51}, r"gives 50 frames per second, but its rate is 51; correct `rate`"),
        (
            {"hop": 320},
            r"gives 49 frames for 16000 samples, but its hop 320 and offset 0 say 50; correct them, or leave",
        ),
        ({"hop": 324, "offset": 0}, r"gives 149 frames for 48000 samples"),
        ({"columns": (30, 34), "width": 4}, r"expected \(1, frames, 34 or more\)"),
    ],
)
def test_field_that_is_wrong__is_named_with_what_was_found(published, changes, message):
    with pytest.raises(FeatureError, match=message):
        check_table(written(published("hubert"), block(**changes)))


def test_class_that_does_not_exist__is_named(published):
    with pytest.raises(ConfigError, match="HubertModle"):
        check_table(written(published("hubert"), block(), **{"class": "HubertModle"}))


@pytest.mark.parametrize("model_type", ["whisper", "audio-spectrogram-transformer", "encodec", "gemma3n"])
def test_tables_that_were_found_out__pass(published, model_type):
    check_table(find_network(str(published(model_type)), "net").table)


def test_rate__of_a_network_with_a_window_is_that_of_its_window(published):
    table = find_network(str(published("whisper")), "net").table
    layers = [layer.model_copy(update={"rate": 51.0, "hop": None}) for layer in table.layers[-1:]]
    with pytest.raises(FeatureError, match="gives 50 frames per second, but its rate is 51"):
        check_table(table.model_copy(update={"layers": layers}))


def test_networks_with_code_of_their_own__are_not_built(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    check_table(load_table("wav2vec2"))
    check_table(load_table("mel_whisper"))
