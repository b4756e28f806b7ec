"""Where the files of the UCSF recordings (doi 10.5281/zenodo.16175377) are and what their names say.

::

    <path>/sessions_metadata.yml
    <path>/sessions/<YYMMDD>/<animal>_<YYMMDD>_Ch<N>_MUspk.mat       one per channel
    <path>/stimuli/out_sentence_details_timit_all_loudness.mat       sentences
    <path>/stimuli/SqMoPhys_MVOCStimcodes.mat                        vocalisations: which came when
    <path>/stimuli/MonkVocs_15Blocks.wav                             vocalisations: their sound, one after another
"""

from __future__ import annotations

import re
from pathlib import Path

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.ucsf.metadata import METADATA_FILE

TEST_IDS = (12, 13, 32, 43, 56, 163, 212, 218, 287, 308)
"""Sentences kept for testing, by position from 1; every session heard each of them about eleven times."""
SILENCE = 0.5
"""Seconds of silence at either end of each stored sentence. The file's own field for it is empty in two sentences."""
N_TEST_PRESENTATIONS = 15
"""Vocalisations presented exactly this often are kept for testing; others, even if presented more often, are not."""
SENTENCE_FILE = Path("stimuli", "out_sentence_details_timit_all_loudness.mat")
CODE_FILE = Path("stimuli", "SqMoPhys_MVOCStimcodes.mat")
VOCALISATION_FILE = Path("stimuli", "MonkVocs_15Blocks.wav")
CACHE_FILE = Path("stimuli", "mVoc_stim_details.pkl")
"""What other software may have left behind: a pickle, so it is never read."""
SESSIONS_FOLDER = "sessions"
CHANNEL_FILES = "*MUspk*.mat"
CHANNEL_LABEL = re.compile(r"_(Ch\d+(?:ps2|s2|p)?)_MUspk")


def check_folder(path: Path) -> None:
    """Raise RecordingError unless ``path`` is the folder with the metadata file and the sessions in it."""
    if (path / METADATA_FILE).is_file() and (path / SESSIONS_FOLDER).is_dir():
        return
    expected = f"{METADATA_FILE} and a folder {SESSIONS_FOLDER}"
    if not path.is_dir():
        raise RecordingError(f"{path}: there is no such folder; expected the one that holds {expected}")
    near = [*sorted(path.iterdir()), *path.absolute().parents[:2]]
    meant = [p for p in near if (p / METADATA_FILE).is_file() and (p / SESSIONS_FOLDER).is_dir()]
    remedy = f"Give {meant[0]} instead" if meant else "Copy the recordings again, or correct the path"
    raise RecordingError(f"{path}: expected {expected} in this folder. {remedy}")


def channel_files(folder: Path) -> tuple[Path, ...]:
    """Return the channel files of a session's folder, sorted as plain strings.

    Raises
    ------
    RecordingError
        If there is none.
    """
    names = sorted(p.name for p in folder.glob(CHANNEL_FILES) if not p.name.startswith("."))
    if not names:
        raise RecordingError(
            f"{folder}: no file {CHANNEL_FILES}; expected one per channel. "
            "Copy the session again or add it to bad_sessions"
        )
    return tuple(folder / name for name in names)


def channel_labels(files: tuple[Path, ...]) -> tuple[str, ...]:
    """Return a short label per channel file, or its whole stem where short ones would not tell the files apart."""
    found = [CHANNEL_LABEL.search(path.name) for path in files]
    labels = tuple(m.group(1) if m else path.stem for m, path in zip(found, files, strict=True))
    if len(set(labels)) < len(labels):
        return tuple(path.stem for path in files)
    return labels
