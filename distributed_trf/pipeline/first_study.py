"""A first study of recordings: a file with comments, of what was found in them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from distributed_trf.config.load import paths_from, read, validate
from distributed_trf.config.study import RidgeSettings, StudySettings
from distributed_trf.errors import ConfigError, RecordingError, counted
from distributed_trf.features.table import load_table
from distributed_trf.recordings.continuous import SignalTrials, responses
from distributed_trf.recordings.open_recordings import guess_format, open_recordings
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS, RecordingSet, Session
from distributed_trf.store.atomic import new_file

USUAL_BIN = 50.0
"""Milliseconds."""
SLOW_BIN, SLOW_LAG = 500.0, 10.0
"""From bins of so many milliseconds on a signal is taken for one that follows blood flow, whose lags reach so far."""
NETWORKS = ("whisper_tiny", "mel_whisper")
FEWEST_FOLDS, MOST_FOLDS = 3, 5
"""Of all sounds, where none is for testing."""
FEWEST_INNER, INNER = 2, RidgeSettings().n_folds
"""Folds of the training sounds."""


def write_first_study(
    file: str | Path,
    recordings: str | Path,
    *,
    format: str | None = None,
    networks: Sequence[str] = NETWORKS,
    weights: Sequence[str] = ("trained", "reset"),
) -> StudySettings:
    """Write a study file for recordings, with comments that say what was found.

    Parameters
    ----------
    file
        The study file; must not exist.
    recordings
        Folder of the recording set.
    format
        Its format; by default the one that opens it.
    networks
        Names of network tables.
    weights
        Of those networks that have any.

    Returns
    -------
    StudySettings
        The study that was written.

    Raises
    ------
    ConfigError
        If there is such a file, a network is unknown, or there is nothing to study; nothing is written then.
    RecordingError
        If the recordings cannot be opened.
    """
    file, folder = Path(file), Path(recordings)
    check_name(file)
    name, opened = (format, open_recordings(format, folder)) if format else guess_format(folder)
    text = "\n".join(_lines(_Found.of(opened), name, file, folder, networks, weights)) + "\n"
    with new_file(file) as draft:
        draft.write_text(text, encoding="utf-8")
        return validate(read(draft), StudySettings, source=str(file), folder=paths_from(file, "configs"))


def check_name(file: Path) -> None:
    """Raise ConfigError if a study file cannot be written there."""
    if os.path.lexists(file):
        raise ConfigError(f"{file}: is there already; name another file with --study, or edit this one")
    if file.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{file}: expected a name that ends in .yaml")


@dataclass(frozen=True)
class _Found:
    """What decides the settings of a study."""

    sets: dict[str, str]
    """What each stimulus set holds, in words."""
    n_sounds: int
    """Of the set that has fewest."""
    n_training: int
    """Likewise, without those for testing."""
    is_tested: bool
    """Whether every set has test sounds."""
    kinds: Counter[str]
    """Sessions by what was recorded in them."""
    rate: float | None
    """Samples per second of a signal, where there is one."""
    n_units: int

    @classmethod
    def of(cls, recordings: RecordingSet) -> _Found:
        sets = {name: recordings.heard(name) for name in recordings.stimulus_sets}
        sets = {name: sessions for name, sessions in sets.items() if sessions}
        if not sets:
            raise ConfigError(
                f"{recordings.path}: no stimulus set was presented in any session; see `dtrf recordings "
                f"{recordings.path}`"
            )
        words, sizes, tests, rate = {}, [], [], None
        for name, sessions in sets.items():
            sounds = recordings.stimuli(name)
            n_test = sum(s.is_test for s in sounds)
            seconds = sum(s.duration for s in sounds)
            split = f"{n_test} of them for testing" if n_test else "none of them for testing"
            where = f"presented in {counted(len(sessions), 'session')}"
            words[name] = f"{counted(len(sounds), 'sound')} of {seconds:.0f} s, {split}; {where}"
            sizes.append(len(sounds))
            tests.append(n_test)
            if rate is None:
                rate = next((r for s in sessions if (r := _rate(recordings, s, name)) is not None), None)
        kinds = Counter[str](session.response for session in recordings.sessions)
        n_units = sum(len(session.channels) for session in recordings.sessions)
        n_training = min(size - n for size, n in zip(sizes, tests, strict=True))
        return cls(words, min(sizes), n_training, all(tests), kinds, rate, n_units)

    @property
    def bin_width(self) -> float:
        """Milliseconds: what is usual, or as many as the signal needs; a whole sound of values."""
        if set(self.kinds) == {"values"}:
            return WHOLE_STIMULUS
        if self.rate is None or self.rate >= 1000 / USUAL_BIN:
            return USUAL_BIN
        width = round(1000 / self.rate, 3)
        return 2 * width if width == WHOLE_STIMULUS else width  # which would mean whole sounds


def _rate(recordings: RecordingSet, session: Session, stimuli: str) -> float | None:
    """Samples per second, if a session has a signal that can be read."""
    if session.response != "signal":
        return None
    try:
        found = responses(recordings, session, stimuli)
    except RecordingError:
        return None
    return found.rate if isinstance(found, SignalTrials) else None


def _lines(
    found: _Found, format: str, file: Path, folder: Path, networks: Sequence[str], weights: Sequence[str]
) -> Iterator[str]:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", folder.resolve().name).lstrip("_.-") or "study"
    kinds = ", ".join(f"{counted(n, 'session')} of {kind}" for kind, n in found.kinds.items())
    yield f"# {kinds}, {counted(found.n_units, 'unit')} in all. configs/example.yaml shows every field there is."
    yield from (f"name: {_text(name)}", "recordings:", f"  format: {_text(format)}")
    yield f"  path: {_text(_path(folder, file))} # from the folder of this file"
    yield f"output: {_text(f'{name}_study')} # everything that is computed; `dtrf report` writes report.html there"
    yield "stimuli: # each has results of its own"
    for stimuli, words in found.sets.items():
        yield f"  - {_text(stimuli)} # {words}"
    yield from _time(found)
    yield from _tested(found)
    yield "networks: # see `dtrf networks`, of which each layer is fitted"
    for network in networks:
        if load_table(network).is_fixed:
            yield f"  - {{ name: {_text(network)} }}"
        else:
            yield f"  - {{ name: {_text(network)}, weights: [{', '.join(weights)}] }} # reset: the untrained control"
    if not all(load_table(network).is_fixed for network in networks):
        what = "trained weights" if "trained" in weights else "add trained to the weights: they"
        yield f"  # {what} come from the hub, or from a folder that is given as `source: weights/NAME`"


def _time(found: _Found) -> Iterator[str]:
    width = found.bin_width
    if width == WHOLE_STIMULUS:
        yield f"bin_widths: [{width:g}] # ms, which means that a sound is one bin: there is one value of each"
        yield "lags: { tmin: 0.0, tmax: 0.0, lead_in: 0.0 } # s"
        return
    why = "" if width == USUAL_BIN else f"; the signal has {found.rate:g} samples per second"
    yield f"bin_widths: [{width:g}] # ms; several are fitted side by side{why}"
    lag = SLOW_LAG if width >= SLOW_BIN else 0.2
    slow = ", guessed for blood flow" if width >= SLOW_BIN else ""
    why = f"s; a response follows the sound by 0 to {lag:g} s{slow}"
    yield f"lags: {{ tmin: 0.0, tmax: {lag:g}, lead_in: 0.35 }} # {why}"


def _tested(found: _Found) -> Iterator[str]:
    if found.is_tested:
        if found.n_training < FEWEST_INNER:
            raise ConfigError(
                f"a stimulus set has {counted(found.n_training, 'sound')} for training; expected {FEWEST_INNER} or "
                "more, of which some choose the penalty. Cut long sounds into parts"
            )
        if found.n_training < INNER:
            yield f"ridge: {{ n_folds: {found.n_training} }} # as many as there are training sounds"
        return
    folds = min(MOST_FOLDS, found.n_sounds)
    if folds < FEWEST_FOLDS:
        raise ConfigError(
            f"a stimulus set has {counted(found.n_sounds, 'sound')} and none for testing; expected {FEWEST_FOLDS} or "
            "more, which are predicted in turn. Cut long sounds into parts"
        )
    yield f"test: {{ folds: {folds} }} # not all sets have test sounds, so all sounds are predicted in turn"


def _path(folder: Path, file: Path) -> str:
    """Write a path from the folder of the study file, or whole where it is elsewhere."""
    target, home = folder.absolute(), file.absolute().parent
    if home.name == "configs":  # as ``paths_from`` takes it
        home = home.parent
    return target.relative_to(home).as_posix() if target.is_relative_to(home) else str(target)


def _text(value: str) -> str:
    """Write text as YAML, in quotes where it needs them."""
    return yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()
