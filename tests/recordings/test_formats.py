"""Finding the format of a folder."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings import formats
from distributed_trf.recordings.formats import guess_format
from distributed_trf.recordings.ucsf.reader import UCSFRecordings

UCSF = "distributed_trf.recordings.ucsf.reader:UCSFRecordings"


def refuse(path: Path) -> None:
    """An opener of another package that cannot even fail properly."""
    raise KeyError("trials")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch):
    """Make these formats, and no others, the registered ones."""

    def apply(**values: str) -> None:
        points = [EntryPoint(name, value, formats.GROUP) for name, value in values.items()]
        monkeypatch.setattr(formats, "entry_points", lambda group: points)

    return apply


def test_guess_format__opens_with_the_one_that_can(simulated: Path) -> None:
    name, recordings = guess_format(simulated)
    assert name == "ucsf"
    assert isinstance(recordings, UCSFRecordings)
    assert recordings.path == simulated


def test_guess_format__formats_that_fail_break_no_other(simulated: Path, offer) -> None:
    offer(gone="no_such_package:Reader", rude=f"{__name__}:refuse", ucsf=UCSF)
    assert guess_format(simulated)[0] == "ucsf"


def test_guess_format__lists_the_reason_of_each(tmp_path: Path, offer, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rude_reader", type("rude_reader", (), {"refuse": refuse}))
    offer(gone="no_such_package:Reader", rude="rude_reader:refuse", ucsf=UCSF)
    with pytest.raises(RecordingError) as raised:
        guess_format(tmp_path)
    first, *reasons = str(raised.value).splitlines()
    assert first.startswith(f"{tmp_path}: no recording format can open this")
    assert reasons[0].startswith("  gone: recording format 'gone': no_such_package:Reader cannot be loaded")
    assert reasons[1] == "  rude: KeyError: 'trials'"
    assert reasons[2].startswith(f"  ucsf: {tmp_path}: expected sessions_metadata.yml")


def test_guess_format__two_that_can_ask_for_the_format(simulated: Path, offer) -> None:
    offer(ucsf=UCSF, twin=UCSF)
    with pytest.raises(ConfigError, match="formats twin and ucsf can all open this; name .*--format"):
        guess_format(simulated)


def test_guess_format__of_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="nowhere: there is no such folder"):
        guess_format(tmp_path / "nowhere")
