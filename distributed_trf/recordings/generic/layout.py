"""Where the files of the generic layout are, and what their names say.

::

    <path>/sessions.csv                               optional: what is known of each session
    <path>/recordings.yaml                            optional: names of columns in the NWB files
    <path>/stimuli/<stimulus set>/train/<id>.wav      sounds of which one presentation is used
    <path>/stimuli/<stimulus set>/test/<id>.wav       sounds kept for testing, all presentations of which are used
    <path>/stimuli/<stimulus set>/<id>.wav            instead of both folders: sounds none of which is kept for testing
    <path>/sessions/<session>/                        a folder with tables or arrays
    <path>/sessions/<session>.nwb                     or an NWB file
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from distributed_trf.errors import RecordingError

STIMULI, SESSIONS = "stimuli", "sessions"
TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class SoundFile:
    """The file of one stimulus; its stem is the stimulus id."""

    path: Path
    is_test: bool


def natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Key that sorts runs of digits as numbers: ``s2`` before ``s10``."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(part[0] not in "0123456789", int(part) if part[0] in "0123456789" else 0, part) for part in parts], name


def check_folder(path: Path) -> None:
    """Raise RecordingError unless ``path`` is the folder with the stimuli and the sessions in it."""
    expected = f"the folders {STIMULI} and {SESSIONS}"
    if not path.is_dir():
        raise RecordingError(f"{path}: there is no such folder; expected the one that holds {expected}")
    missing = [name for name in (STIMULI, SESSIONS) if not (path / name).is_dir()]
    if missing:
        inner = [p.name for p in _visible(path) if all((p / name).is_dir() for name in (STIMULI, SESSIONS))]
        remedy = f"Give {path / inner[0]} instead" if inner else "Add it, or correct the path"
        raise RecordingError(
            f"{path}: {' and '.join(missing)} is missing; expected {expected} in this folder. {remedy}"
        )


def find_sounds(path: Path) -> dict[str, dict[str, SoundFile]]:
    """Return the sounds of each stimulus set by id, in natural order of their ids, training and test sounds together.

    Raises
    ------
    RecordingError
        If there is no stimulus set, or one has two sounds of the same id, or lacks training or test sounds and does
        not have all of them in its own folder.
    """
    sets = [p for p in _visible(path / STIMULI) if p.is_dir()]
    if not sets:
        raise RecordingError(
            f"{path / STIMULI}: holds no folder; expected one per stimulus set, with folders {TRAIN} and {TEST} in it, "
            "or with its sounds"
        )
    return {folder.name: _sounds_of_set(folder) for folder in sets}


def find_sessions(path: Path) -> dict[str, list[Path]]:
    """Return the folder and the NWB file of each session by name, of which there should be one; sorted by name."""
    found: dict[str, list[Path]] = {}
    for entry in _visible(path / SESSIONS):
        if entry.is_dir():
            found.setdefault(entry.name, []).append(entry)
        elif entry.suffix.lower() == ".nwb":
            found.setdefault(entry.stem, []).append(entry)
    return dict(sorted(found.items()))


def table_file(folder: Path, name: str) -> Path | None:
    """Return ``<name>.csv`` or ``<name>.csv.gz`` of a folder, or None where there is neither.

    Raises
    ------
    RecordingError
        If there are both.
    """
    found = [p for p in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if p.is_file()]
    if len(found) > 1:
        raise RecordingError(
            f"{folder}: holds {found[0].name} and {found[1].name}; expected one of them. Remove the other"
        )
    return found[0] if found else None


def _sounds_of_set(folder: Path) -> dict[str, SoundFile]:
    sounds: dict[str, SoundFile] = {}
    directly = [p for p in _visible(folder) if p.suffix.lower() == ".wav" and p.is_file()]
    if directly:
        parts = [part for part in (TRAIN, TEST) if (folder / part).is_dir()]
        if parts:
            raise RecordingError(
                f"{folder}: holds {len(directly)} sounds, such as {directly[0].name}, and {' and '.join(parts)}; "
                f"expected sounds in {TRAIN} and {TEST}, or no such folders and no fixed test set. Move them"
            )
        return {p.stem: SoundFile(p, is_test=False) for p in sorted(directly, key=lambda p: natural(p.stem))}
    for part in (TRAIN, TEST):
        inner = folder / part
        files = [p for p in _visible(inner) if p.suffix.lower() == ".wav"] if inner.is_dir() else []
        if not files:
            found = ", ".join(p.name for p in _visible(inner)[:3]) or "no files" if inner.is_dir() else "no such folder"
            raise RecordingError(f"{inner}: found {found}; expected at least one sound, as <stimulus id>.wav. Add them")
        for file in files:
            if file.stem in sounds:
                raise RecordingError(
                    f"{folder}: stimulus {file.stem} is there as {sounds[file.stem].path.relative_to(folder)} and as "
                    f"{file.relative_to(folder)}; expected one file per id. Remove or rename one of them"
                )
            sounds[file.stem] = SoundFile(file, part == TEST)
    return {i: sounds[i] for i in sorted(sounds, key=natural)}


def _visible(folder: Path) -> list[Path]:
    """What a folder holds, sorted, without the hidden files and folders that copies made on a Mac bring."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
