"""Writing a simulated recording set in the layout of the published UCSF recordings, one part at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.io import savemat

from distributed_trf.recordings.simulation.spike_trains import SpikeTrains
from distributed_trf.recordings.simulation.trial_table import CLOCK, N_REPEATS, TrialTable
from distributed_trf.recordings.simulation.ucsf_sites import BAD_SESSIONS, CORE, NON_PRIMARY, Site
from distributed_trf.recordings.ucsf.layout import SENTENCE_FILE, SESSIONS_FOLDER, SILENCE, channel_labels
from distributed_trf.recordings.ucsf.metadata import METADATA_FILE, SUBJECTS

N_SENTENCES = 499
SNIPPET = np.round(-900 * np.diff(np.exp(-0.5 * ((np.arange(22) - 8) / 2.5) ** 2))).astype(np.int16)
"""Voltage around a spike, 21 samples; the same for every spike because no analysis reads it."""
CLASSES = ("am", "fm", "dmr", "mVoc", "timit")
HEADER_SIZE = 116
"""Bytes of free text at the start of a MATLAB 5 file."""


def write_session(path: Path, site: Site, table: TrialTable, trains: SpikeTrains) -> tuple[str, ...]:
    """Write one file per unit below ``path``.

    Returns
    -------
    tuple of str
        The label of each unit's channel. The reader sorts ``Ch10`` before ``Ch1_``, so units take their channel in that
        order.
    """
    folder = path / SESSIONS_FOLDER / site.session
    prefix = f"{site.subject[0]}_{site.session}"
    files = sorted(folder / f"{prefix}_Ch{number}_MUspk.mat" for number in range(1, len(trains.ticks) + 1))
    for file, ticks, trial in zip(files, trains.ticks, trains.trial, strict=True):
        _save(file, _channel(table, ticks, trial))
    return channel_labels(tuple(files))


def _channel(table: TrialTable, ticks: np.ndarray, trial: np.ndarray) -> dict[str, Any]:
    """Content of the file of one unit; every unit of a session repeats the trial table."""
    stimon, spktimes = table.onset / CLOCK, ticks / CLOCK
    before = trial == 0
    onset = np.where(before, stimon[0], stimon[trial - 1])
    nothing = np.zeros(table.onset.size, dtype=np.uint16)
    codes = {f"{name}Stimcode": nothing for name in CLASSES}
    codes["dmrStimcode"] = table.other.astype(np.uint16)
    codes["timitStimcode"] = table.sentence.astype(np.uint16)
    spike = {
        "events": np.broadcast_to(SNIPPET, (ticks.size, SNIPPET.size)),
        "spktimes": spktimes,
        "stimlock": spktimes - onset,
        "trial": trial.astype(np.float64),
        **{name: np.where(before, np.uint16(0), code[trial - 1]) for name, code in codes.items()},
    }
    return {"spike": spike, "trial": {"stimon": stimon, **codes}}


def write_sentences(path: Path, sounds: Mapping[int, np.ndarray], sfreq: int) -> None:
    """Write the sentence file below ``path``.

    Parameters
    ----------
    path
        Folder of the recording set.
    sounds
        Waveforms from onset to offset, each of shape (n_samples,), by position from 1; all others stay empty.
    sfreq
        Their sampling rate in hertz.
    """
    names = ("name", "sentId", "sound", "soundf", "dataf", "duration", "befaft")
    sentences = np.empty((1, N_SENTENCES), dtype=[(name, object) for name in names])
    silence, empty = np.zeros(round(SILENCE * sfreq)), np.empty((0, 0))
    for i in range(1, N_SENTENCES + 1):
        name = f"simulated_{i:03d}"
        if i in sounds:
            sound = np.concatenate([silence, sounds[i], silence])
            befaft = np.full(2, SILENCE)
            sentences[0, i - 1] = (name, float(i), sound, float(sfreq), 100.0, sound.size / sfreq, befaft)
        else:
            sentences[0, i - 1] = (name, float(i), empty, float(sfreq), 100.0, empty, empty)
    _save(path / SENTENCE_FILE, {"sentdet": sentences})


def write_metadata(path: Path, sites: tuple[Site, ...]) -> None:
    """Write the metadata file below ``path``, with all the fields of the published one."""
    content: dict[str, Any] = {"stim_wise_num_repeats": {"timit": N_REPEATS, "mVocs": 15}}
    for subject in SUBJECTS:
        content[f"{subject}_sessions"] = [int(s.session) for s in sites if s.subject == subject]
    content["area_wise_sessions"] = {
        area: [int(s.session) for s in sites if s.area == area] for area in (CORE, NON_PRIMARY)
    }
    content["bad_sessions"] = list(BAD_SESSIONS)
    content["session_coordinates"] = {int(s.session): [s.x, s.y] for s in sites}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=100)
    (path / METADATA_FILE).write_text(text, encoding="utf-8")


def _save(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content, oned_as="column")
    with path.open("r+b") as file:  # scipy puts the time of day there, and equal calls should write equal files
        file.write(b"MATLAB 5.0 MAT-file, simulated by distributed_trf".ljust(HEADER_SIZE))
