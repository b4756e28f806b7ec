"""The read stage: sounds and responses are read from the recordings; responses are brought to bins of every width.

Spikes are stored as well as their counts, so that another bin width does not read the recordings again: their files
are large and slow to parse. Of signals only the bins are stored: parts of them can be read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path

import numpy as np

from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DamagedError
from distributed_trf.features.resample import check_sound
from distributed_trf.pipeline.costs import Cost, Operations, response_bytes
from distributed_trf.pipeline.evaluation import stimuli_of
from distributed_trf.pipeline.items import ReadSession, ReadSounds, bins_part
from distributed_trf.pipeline.response_check import check_responses
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.study_scope import ItemSource
from distributed_trf.pipeline.work_kind import Files, Finding, Inputs, Job, Remarks, Upstream, WorkKind
from distributed_trf.recordings.bin_responses import bin_responses
from distributed_trf.recordings.continuous import Responses, responses
from distributed_trf.recordings.open_recordings import find_session
from distributed_trf.recordings.plausibility import with_doubts
from distributed_trf.recordings.recording_set import RecordingSet, Session, SpikeTrials
from distributed_trf.recordings.signal_binning import READ_VALUES
from distributed_trf.store.checked_files import check_files
from distributed_trf.store.fingerprint import digest_array, file_stamps
from distributed_trf.store.receipts import SPIKES, Receipt, read_receipt, revoke_receipt, write_receipt
from distributed_trf.store.stored_recordings import write_responses, write_sounds
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import attributes, member, open_group, read, write_group
from distributed_trf.timing import timed

SOUNDS_REVISION, SESSION_REVISION, BINNING_REVISION = 3, 5, 1
"""Raise this number when the code gives other numbers than before, so that earlier results become stale."""
OF_SPIKES = ("recording files", "recording format", "stimuli", "versions")
"""Inputs in an item's fingerprint that the spikes depend on; the counts depend on all inputs."""
SOUND_RATE = 16_000
"""Samples per second that are assumed for sounds that are not read yet."""
CHUNK = 32 << 20
"""Bytes of a chunk of arrays that are written at once."""
SMALLER = "recordings in smaller files"


@dataclass(frozen=True)
class SoundsRead(Finding):
    """The sounds of a stimulus set, in its order."""

    ids: list[str] = field(default_factory=list)
    is_test: list[bool] = field(default_factory=list)
    n_samples: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    """Digest of the samples of each sound."""
    sfreq: float = 0.0
    """Hertz."""
    files: Files = field(default_factory=dict)


@dataclass(frozen=True)
class SessionRead(Finding):
    """The responses of a session."""

    digests: dict[str, str] = field(default_factory=dict)
    """Digests of the counts, by bin width in milliseconds."""
    notes: list[str] = field(default_factory=list)
    """What was left out while reading."""
    doubts: list[str] = field(default_factory=list)
    """What looks inconsistent in the recordings."""
    units: int = 0
    trials: int = 0
    further: int = 0
    """Presentations of training stimuli beyond the first of each."""
    files: Files = field(default_factory=dict)

    def remarks(self) -> Remarks:
        """Return what is reported about the item."""
        return Remarks(notes=self.notes, doubts=self.doubts)


def session_settings(study: StudySettings) -> Inputs:
    """Return the settings that the responses of a session depend on, at any bin width."""
    return {"recording format": study.recordings.format, "delay": study.delay}


def read_sounds(item: ReadSounds, job: Job) -> SoundsRead:
    """Read and store the sounds of a stimulus set.

    Raises
    ------
    DataError
        If a sound is empty, not finite or has several channels.
    """
    recordings = job.open_recordings()
    stimuli = recordings.stimuli(item.stimuli)
    with timed("load"):
        sounds, sfreq = recordings.sounds(item.stimuli)
    for s in stimuli:
        check_sound(sounds[s.id], f"stimulus {s.id!r} of {item.stimuli}")
    waves = [sounds[s.id] for s in stimuli]
    finding = SoundsRead(
        ids=[s.id for s in stimuli],
        is_test=[s.is_test for s in stimuli],
        n_samples=[wave.shape[0] for wave in waves],
        digests=[digest_array(wave) for wave in waves],
        sfreq=sfreq,
    )
    attrs = {name: value for name, value in finding.to_json().items() if name != "files"}
    return replace(finding, files=write_sounds(job.store, item.stimuli, waves, attrs))


def read_session(item: ReadSession, job: Job) -> SessionRead:
    """Store the responses of one session at the bin widths that are among the parts."""
    recordings, store, study = job.open_recordings(), job.store, job.study
    stimuli, session = stimuli_of(study, recordings, item.stimuli), find_session(recordings, item.session)
    found, files = _responses(session, item, recordings, job)
    notes, doubts = [note for note in found.notes if note not in found.doubts], list(found.doubts)
    digests = {}
    for bin_width in (width for width in study.bin_widths if bins_part(width) in job.parts):
        binned = bin_responses(found, stimuli, bin_width, session=session, delay=study.delay)
        written, digests[f"{bin_width:g}"] = write_responses(
            store, item.stimuli, bin_width, item.session, binned.responses
        )
        files |= written
        notes, doubts = notes + list(binned.notes), doubts + list(binned.doubts)
    presented = Counter(found.stimulus)
    return SessionRead(
        digests=digests,
        notes=list(dict.fromkeys(notes)),
        doubts=list(dict.fromkeys(doubts)),
        units=len(session.channels),
        trials=len(found.stimulus),
        further=sum(presented[s.id] - 1 for s in stimuli if not s.is_test and presented[s.id]),
        files=files,
    )


def _responses(
    session: Session, item: ReadSession, recordings: RecordingSet, job: Job
) -> tuple[Responses, dict[str, dict[str, str]]]:
    """Read what a session has, and the digests of what is stored of that; nothing is of what are not spikes."""
    if session.response == "spikes":
        return _spikes(item, recordings, job.store, {name: job.fingerprint[name] for name in OF_SPIKES})
    with timed("load"):
        return responses(recordings, session, item.stimuli), {}


def _spikes(
    item: ReadSession, recordings: RecordingSet, store: StudyStore, fingerprint: dict[str, str]
) -> tuple[SpikeTrials, dict[str, dict[str, str]]]:
    """Read spikes from the study's folder if they are up to date, otherwise from the recordings.

    They have their own receipt, which stays when the receipt of the counts is revoked. Its digests are returned too.
    """
    receipt = read_receipt(store, SPIKES, item.key)
    if receipt is not None and receipt.fingerprint == fingerprint:
        with suppress(DamagedError):  # then they are read again from the recordings
            return _load(store, item, receipt), receipt.files
    session = find_session(recordings, item.session)
    with timed("load"):
        spikes = with_doubts(recordings.spikes(session, item.stimuli), recordings.stimuli(item.stimuli), session)
    arrays = {
        "times": np.concatenate(spikes.times),
        "trial": np.concatenate(spikes.trial).astype(np.int32),
        "n_spikes": np.array([times.size for times in spikes.times]),
        "onset": spikes.onset,
    }
    revoke_receipt(store, SPIKES, item.key)
    path = store.spikes(item.stimuli, item.session)
    attrs = {"stimulus": spikes.stimulus, "notes": spikes.notes, "doubts": spikes.doubts}
    files = {store.name(path): write_group(path, arrays, attrs)}
    write_receipt(store, SPIKES, item.key, Receipt(fingerprint, {"files": files}))
    return spikes, files


def _load(store: StudyStore, item: ReadSession, receipt: Receipt) -> SpikeTrials:
    path = store.spikes(item.stimuli, item.session)
    files = receipt.files[store.name(path)]
    check_files(path, files)
    group = open_group(path, files)
    attrs = attributes(group)
    times, trial, n_spikes, onset = (read(member(group, name)) for name in ("times", "trial", "n_spikes", "onset"))
    borders = np.cumsum(n_spikes)[:-1]
    return SpikeTrials(
        tuple(attrs["stimulus"]),
        onset,
        tuple(np.split(times, borders)),
        tuple(np.split(trial, borders)),
        tuple(attrs["notes"]),
        tuple(attrs["doubts"]),
    )


def _sounds_inputs(item: ReadSounds, upstream: Upstream) -> Inputs:
    context = upstream.context
    return {
        "sound files": file_stamps(context.recordings.sound_files(item.stimuli)),
        "recording format": context.study.recordings.format,
        "versions": [SOUNDS_REVISION],
    }


def _session_inputs(item: ReadSession, upstream: Upstream) -> Inputs:
    context = upstream.context
    session = context.session(item.session)
    return {
        "recording files": file_stamps(context.recordings.session_files(session)),
        "stimuli": [[s.id, s.duration, s.is_test] for s in context.stimuli[item.stimuli]],
        **session_settings(context.study),
        **({} if session.response == "spikes" else {"response": [session.response, BINNING_REVISION]}),
        **{bins_part(width): width for width in context.study.bin_widths},
        "versions": [SESSION_REVISION],
    }


def _sessions(scope: ItemSource) -> Iterator[ReadSession]:
    return (ReadSession(name, session) for name in scope.study.stimuli for session in scope.sessions_of(name))


def _session_outputs(item: ReadSession, context: Context) -> Iterator[Path]:
    if context.session(item.session).response == "spikes":
        yield context.store.spikes(item.stimuli, item.session)
    for width in context.study.bin_widths:
        yield context.store.responses(item.stimuli, width, item.session)


def _sounds_cost(context: Context, item: ReadSounds, device: str) -> Cost:
    files = context.recordings.sound_files(item.stimuli)
    size = int(sum(s.duration for s in context.stimuli[item.stimuli]) * SOUND_RATE * 8)
    # Memory: the file, the sounds cut out of it, and one sound after another while they are written.
    return Cost(read=sum(f.stat().st_size for f in files), written=size, files=3 + ceil(size / CHUNK), host=5 * size)


def _session_cost(context: Context, item: ReadSession, device: str) -> Cost:
    study, session = context.study, context.session(item.session)
    files = [f.stat().st_size for f in context.recordings.session_files(session)]
    binned = [response_bytes(context, item.stimuli, width, [session]) for width in study.bin_widths]
    # Files hold more than the stored spikes, but spikes are most of what is read.
    spikes = sum(files) // 2 if session.response == "spikes" else 0
    held = sum(files) + 2 * max(files)
    if session.response == "signal":  # read part by part, each with a copy without its gaps
        held = min(held, 3 * 8 * READ_VALUES)
    return Cost(
        read=sum(files),
        written=spikes + sum(binned),
        files=10 + 5 * len(binned),
        host=held + 5 * max(binned),  # counts as int64, and a copy in the stored type
        operations=Operations(transform=40.0 * spikes / 8),
    )


SOUNDS = WorkKind(
    item=ReadSounds,
    finding=SoundsRead,
    items=lambda scope: (ReadSounds(stimuli) for stimuli in scope.study.stimuli),
    inputs=_sounds_inputs,
    outputs=lambda item, context: iter([context.store.sounds(item.stimuli)]),
    cost=_sounds_cost,
    run=read_sounds,
    settings=lambda item, study: {},
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
)
SESSIONS = WorkKind(
    item=ReadSession,
    finding=SessionRead,
    items=_sessions,
    inputs=_session_inputs,
    outputs=_session_outputs,
    cost=_session_cost,
    run=read_session,
    settings=lambda item, study: session_settings(study),
    check=check_responses,
    smaller=SMALLER,
    smaller_on_gpu=SMALLER,
)
