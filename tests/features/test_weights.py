"""Where weights come from, and what fixes them."""

from __future__ import annotations

import pytest

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.errors import FeatureError
from distributed_trf.features.table import NetworkTable
from distributed_trf.features.weights.identity import weights_identity
from distributed_trf.features.weights.source import weights_source
from tests.conftest import SMALL_WHISPER

TABLE = NetworkTable.model_validate(SMALL_WHISPER)


def test_weights_source__the_study_comes_before_the_table(tmp_path):
    assert weights_source(TABLE, NetworkSettings(name="w")) == ("someone/small-whisper", "0" * 40)
    assert weights_source(TABLE, NetworkSettings(name="w", source=str(tmp_path))) == (str(tmp_path), None)
    other = NetworkSettings(name="w", source="other/whisper", revision="abc")
    assert weights_source(TABLE, other) == ("other/whisper", "abc")


def test_weights_source__hub_id_without_commit_is_refused():
    with pytest.raises(FeatureError, match=r"source 'other/whisper' is not a folder or file here.*`revision`"):
        weights_source(TABLE, NetworkSettings(name="w", source="other/whisper"))


def test_weights_source__none_known_asks_for_a_folder():
    table = NetworkTable.model_validate({**SMALL_WHISPER, "source": None, "revision": None})
    with pytest.raises(FeatureError, match="the table names no trained weights; give their folder or file as `source`"):
        weights_source(table, NetworkSettings(name="w"))


def test_weights_identity__follows_what_fixes_the_numbers_and_not_where_it_lies(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").write_bytes(b"weights")
        (tmp_path / folder / "config.json").write_text('{"encoder_attention_heads": 2}')
        (tmp_path / folder / "README.md").write_text(folder)

    def identity(folder):
        return weights_identity(TABLE, NetworkSettings(name="w", source=str(tmp_path / folder)), "trained")

    before = identity("a")
    assert before == identity("b")
    (tmp_path / "b/config.json").write_text('{"encoder_attention_heads": 4}')
    assert identity("b") != before
    (tmp_path / "a/model.safetensors").write_bytes(b"weightz")
    assert identity("a") != before


def test_weights_identity__of_reset_weights_is_seed_and_architecture():
    zero, one = (weights_identity(TABLE, NetworkSettings(name="w"), w) for w in ("reset", "reset-1"))
    assert zero != one
    wider = NetworkTable.model_validate({**SMALL_WHISPER, "config": {**SMALL_WHISPER["config"], "d_model": 32}})
    assert weights_identity(wider, NetworkSettings(name="w"), "reset") != zero


def test_weights_identity__of_projections_is_the_widths_of_all_layers():
    settings = NetworkSettings(name="w", layers=[3])
    wider = [{**layer, "width": 32 if layer["id"] == 0 else 16} for layer in SMALL_WHISPER["layers"]]
    tables = (TABLE, NetworkTable.model_validate({**SMALL_WHISPER, "layers": wider}))
    narrow, wide = (weights_identity(table, settings, "projection_conv") for table in tables)
    assert narrow != wide
    assert len({str(weights_identity(TABLE, settings, f"projection_conv{w}")) for w in ("", "-1", "_gelu")}) == 3
    moved = NetworkTable.model_validate({**SMALL_WHISPER, "config": {}, "source": None})
    assert weights_identity(moved, settings, "projection_conv") == narrow


def test_weights_identity__of_projections_counts_the_bands_of_a_spectrogram_that_is_not_as_usual():
    settings = NetworkSettings(name="w")
    found = [
        weights_identity(TABLE.model_copy(update={"config": {"num_mel_bins": bands}}), settings, "projection_linear")
        for bands in (80, 128)
    ]
    assert found[0] == weights_identity(TABLE, settings, "projection_linear")
    assert found[1] == found[0] | {"hears": {"feature_size": 128}}


def test_weights_identity__of_the_hub_is_the_commit():
    found = weights_identity(TABLE, NetworkSettings(name="w"), "trained")
    assert found == {"hub": "someone/small-whisper", "revision": "0" * 40, "config": TABLE.config}
    unavailable = weights_identity(TABLE, NetworkSettings(name="w", source="a/b"), "trained")
    assert "revision" in unavailable["unavailable"]
