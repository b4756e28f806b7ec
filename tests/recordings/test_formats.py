"""Formats of other packages, and finding the format of a folder."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from distributed_trf.errors import ConfigError, RecordingError
from distributed_trf.recordings import open_recordings as opening
from distributed_trf.recordings.open_recordings import guess_format, open_recordings
from distributed_trf.recordings.ucsf.reader import UCSFRecordings

CODE = """
from pathlib import Path

from distributed_trf.recordings.recording_set import Session, SpikeTrials, Stimulus


class Mine:
    stimulus_sets, notes = ("beeps",), ()

    def __init__(self, path):
        self.path = path

    @property
    def sessions(self):
        return (Session(self.path.name, "A1", "me", 0.0, 0.0, ("u",)),)

    def stimuli(self, stimulus_set):
        return (Stimulus("beep", 0.1, is_test=True),)


def open_mine(path):
    return Mine(path)
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a package that offers the format ``mine``, as an installer would."""

    def apply(distribution: str, code: str = CODE, value: str | None = None) -> None:
        site = tmp_path / distribution
        (site / distribution).mkdir(parents=True)
        (site / distribution / "__init__.py").write_text(code)
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        value = value or f"{distribution}:open_mine"
        (info / "entry_points.txt").write_text(f"[distributed_trf.recordings]\nmine = {value}\n")
        monkeypatch.syspath_prepend(site)

    return apply


def test_open_recordings__a_package_brings_a_format_of_its_own(install, tmp_path: Path) -> None:
    install("lab_one")
    recordings = open_recordings("mine", str(tmp_path / "monday"))
    assert recordings.path == tmp_path / "monday"
    assert recordings.sessions[0].name == "monday"
    assert recordings.stimuli("beeps")[0].duration == 0.1


def test_open_recordings__a_format_of_two_packages_is_refused(install, tmp_path: Path) -> None:
    install("lab_two")
    install("lab_three")
    expected = r"'mine' is offered by lab_three:open_mine and lab_two:open_mine; uninstall one of the packages"
    with pytest.raises(ConfigError, match=expected):
        open_recordings("mine", tmp_path)


def test_open_recordings__the_same_package_found_twice_is_one(install, tmp_path: Path, monkeypatch) -> None:
    install("lab_four")
    monkeypatch.syspath_prepend(tmp_path / "lab_four")
    monkeypatch.syspath_prepend(f"{tmp_path}/./lab_four")
    assert open_recordings("mine", tmp_path).path == tmp_path


@pytest.mark.parametrize(
    ("distribution", "code", "value", "match"),
    [
        ("lab_five", "import a_reader_not_there\n", None, "lab_five:open_mine cannot be loaded .*a_reader_not_there"),
        ("lab_six", "", None, "lab_six:open_mine cannot be loaded .*open_mine"),
        ("lab_seven", "", "lab_sevn:open_mine", "lab_sevn:open_mine cannot be loaded .*lab_sevn"),
    ],
)
def test_open_recordings__a_format_that_cannot_be_imported(
    install, tmp_path: Path, distribution: str, code: str, value: str | None, match: str
) -> None:
    install(distribution, code, value)
    with pytest.raises(ConfigError, match=rf"recording format 'mine': {match}"):
        open_recordings("mine", tmp_path)


def test_open_recordings__an_unknown_format_lists_those_of_all_packages(install, tmp_path: Path) -> None:
    install("lab_eight")
    with pytest.raises(
        ConfigError, match=r"'theirs' is unknown; expected one of generic, mine, ucdavis, ucsf\. A package"
    ):
        open_recordings("theirs", tmp_path)


UCSF = "distributed_trf.recordings.ucsf.reader:UCSFRecordings"


def refuse(path: Path) -> None:
    """An opener of another package that cannot even fail properly."""
    raise KeyError("trials")


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch):
    """Make these formats, and no others, the registered ones."""

    def apply(**values: str) -> None:
        points = [EntryPoint(name, value, opening.GROUP) for name, value in values.items()]
        monkeypatch.setattr(opening, "entry_points", lambda group: points)

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
