"""Planning what networks need, with the family's code and without it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import ConfigError
from distributed_trf.features.families.registry import expected_frames, expected_work, family, is_supported, versions
from distributed_trf.features.table import NetworkTable, load_table

FOREIGN = {
    "name": "net",
    "family": "foreign",
    "sfreq": 8000,
    "parameters": 1000,
    "gflop_per_second": 1.5,
    "layers": [
        {"id": 0, "name": "a", "type": "conv", "width": 4, "rate": 100},
        {"id": 1, "name": "b", "type": "rnn", "width": 3, "rate": 12.5},
    ],
}
TABLE = NetworkTable.model_validate(FOREIGN)


@pytest.mark.parametrize("name", ["whisper_tiny", "mel_whisper"])
def test_known_family__plans_what_it_promises(name):
    table = load_table(name)
    assert is_supported(table)
    code = family(table, "trained")
    assert expected_work(table, "trained", [32_000, 16_001]) == code.work(table, [32_000, 16_001])
    for layer in table.layers:
        assert expected_frames(table, "trained", layer, 16_001) == code.n_frames(table, layer, 16_001)


def test_unknown_family__frames_come_from_the_rate():
    assert not is_supported(TABLE)
    assert [expected_frames(TABLE, "trained", layer, 8000) for layer in TABLE.layers] == [101, 13]
    assert [expected_frames(TABLE, "trained", layer, 7999) for layer in TABLE.layers] == [100, 13]


@given(n=st.integers(0, 200_000))
def test_unknown_family__frames_are_never_fewer_than_centred_windows_give(n):
    layer = TABLE.layers[0]
    assert expected_frames(TABLE, "trained", layer, n) >= 1 + n // 80 >= -(-n // 80)


def test_unknown_family__work_comes_from_the_table():
    work = expected_work(TABLE, "trained", [8000, 4000])
    assert work.flops == 1.5e9 * 1.5
    assert work.weights == 4 * 1000
    assert work.activations == 3 * 4 * 2 * 101 * 4  # two sounds as long as the longer, of the widest layer


def test_unknown_family__a_longer_batch_needs_more():
    short, long = expected_work(TABLE, "trained", [8000]), expected_work(TABLE, "trained", [8000, 8000])
    assert long.flops == 2 * short.flops
    assert long.activations == 2 * short.activations
    assert long.weights == short.weights


@pytest.mark.parametrize(
    ("left_out", "named"),
    [
        (["parameters"], "give parameters in its table"),
        (["gflop_per_second"], "give gflop_per_second in its table"),
        (["parameters", "gflop_per_second"], "give parameters and gflop_per_second in its table"),
    ],
)
def test_table_that_says_too_little__is_named_with_what_is_missing(left_out, named):
    table = NetworkTable.model_validate({k: v for k, v in FOREIGN.items() if k not in left_out})
    with pytest.raises(ConfigError, match=f"network net: to plan it, {named}"):
        expected_work(table, "trained", [8000])


def test_unknown_family__depends_on_no_library():
    assert versions(TABLE, "trained") == {}


@pytest.mark.parametrize(("field", "value"), [("parameters", -1), ("parameters", 1.5), ("gflop_per_second", -0.1)])
def test_planning_fields__that_no_network_has_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        NetworkTable.model_validate({**FOREIGN, field: value})
