"""Simulated recordings in the layout of the published UCSF recordings: the sentence file, and one file per channel.

Sessions are at the published recording sites.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain, cycle, islice, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from distributed_trf.features.spectrograms.mel_of_networks import WHISPER_SFREQ
from distributed_trf.recordings.recording_set import MVOCS, TIMIT, n_bins
from distributed_trf.recordings.simulation.neurons import LEAD_IN, SpikeTrains, driving_feature
from distributed_trf.recordings.simulation.plan import (
    CLOCK,
    EXTRA,
    NOTHING,
    SCHEDULE,
    SENTENCE,
    SESSION,
    Limits,
    Plan,
    SimulatedTrials,
    StimulusSet,
    Trial,
    first_stimulus,
    on_clock,
    write_mat,
)
from distributed_trf.recordings.simulation.session import SimulatedSession, simulate_session
from distributed_trf.recordings.simulation.sounds import speech_like
from distributed_trf.recordings.simulation.ucsf_calls import (
    FEWEST_CALLS,
    MOST_CALLS,
    SENTENCE_REPEATS,
    Calls,
    write_metadata,
)
from distributed_trf.recordings.ucsf.metadata import (
    BAD_SESSIONS,
    CORE,
    NON_PRIMARY,
    SENTENCE_FILE,
    SESSIONS_FOLDER,
    SILENCE,
    SITES,
    TEST_IDS,
    WITHOUT_VOCALISATIONS,
    Site,
    channel_labels,
)

N_SENTENCES = 499
SHORTEST, LONGEST = 1.0, 2.6
"""Seconds that a sentence may last."""


def chosen_sentences(n_sentences: int) -> tuple[int, ...]:
    """Return positions from 1: of the ten test sentences and the first others."""
    others = [i for i in range(1, N_SENTENCES + 1) if i not in TEST_IDS]
    return tuple(sorted([*TEST_IDS, *others[: n_sentences - len(TEST_IDS)]]))


def write_sentences(path: Path, plan: Plan) -> StimulusSet:
    """Write the sentence file below ``path``; positions that were not chosen stay empty in it.

    Each sentence depends on its position and the seed only, not on how many there are.
    """
    sounds = {}
    for i in chosen_sentences(plan.sentences):
        rng = plan.rng(SENTENCE, i - 1)
        sounds[i] = speech_like(rng.uniform(SHORTEST, LONGEST), WHISPER_SFREQ, rng)
    write_mat(path / SENTENCE_FILE, {"sentdet": _structs(sounds)})
    seconds = np.array([sound.size / WHISPER_SFREQ for sound in sounds.values()])
    rows = (driving_feature(*pair, plan.bin_width) for pair in zip(sounds.values(), seconds, strict=True))
    return StimulusSet(
        name=TIMIT,
        ids=tuple(map(str, sounds)),
        is_test=np.isin(list(sounds), TEST_IDS),
        seconds=seconds,
        features=tuple(rows),
        lead_in=n_bins(LEAD_IN, plan.bin_width),
    )


def _structs(sounds: Mapping[int, np.ndarray]) -> np.ndarray:
    """Structs of all sentences, shape (1, 499), from the waveforms from onset to offset by position from 1."""
    names = ("name", "sentId", "sound", "soundf", "dataf", "duration", "befaft")
    sentences = np.empty((1, N_SENTENCES), dtype=[(name, object) for name in names])
    sfreq = float(WHISPER_SFREQ)
    silence, empty = np.zeros(round(SILENCE * sfreq)), np.empty((0, 0))
    for i in range(1, N_SENTENCES + 1):
        name = f"simulated_{i:03d}"
        if i in sounds:
            sound = np.concatenate([silence, sounds[i], silence])
            befaft = np.full(2, SILENCE)
            sentences[0, i - 1] = (name, float(i), sound, sfreq, 100.0, sound.size / sfreq, befaft)
        else:
            sentences[0, i - 1] = (name, float(i), empty, sfreq, 100.0, empty, empty)
    return sentences


BAD_SESSION = str(BAD_SESSIONS[-1])
"""The bad session that is simulated, broken off early. It sorts last among the published ones."""
FIRST_INVENTED_DAY = datetime.date(2021, 1, 1)


def sites(n_sessions: int) -> tuple[Site, ...]:
    """Return sites sorted by session, half of them in the core: the published ones, then invented ones."""
    by_area = ([s for s in SITES if s.area == area] for area in (CORE, NON_PRIMARY))
    alternating = [s for s in chain.from_iterable(zip_longest(*by_area)) if s is not None]
    days = (FIRST_INVENTED_DAY + datetime.timedelta(days=day) for day in range(max(0, n_sessions - len(SITES))))
    invented = (replace(site, session=f"{day:%y%m%d}") for site, day in zip(cycle(alternating), days, strict=False))
    return tuple(sorted(islice(chain(alternating, invented), n_sessions), key=lambda site: site.session))


SNIPPET = np.round(-150 * np.diff(np.exp(-0.5 * ((np.arange(22) - 8) / 2.5) ** 2))).astype(np.int8)
"""Voltage around a spike, 21 samples; the same for every spike, in one byte each, because no analysis reads it."""
CODE_CLASSES = ("am", "fm", "dmr", "mVoc", "timit")


def channel_names(subject: str, session: str, n_channels: int) -> tuple[Path, ...]:
    """Return the file of each channel below the recording set.

    The reader sorts ``Ch10`` before ``Ch1_``, so units take their channel in that order.
    """
    folder, prefix = Path(SESSIONS_FOLDER, session), f"{subject[0]}_{session}"
    return tuple(sorted(folder / f"{prefix}_Ch{number}_MUspk.mat" for number in range(1, n_channels + 1)))


def write_channels(
    path: Path, files: tuple[Path, ...], table: SimulatedTrials, codes: Mapping[str, np.ndarray], trains: SpikeTrains
) -> None:
    """Write one file per unit, one at a time.

    Parameters
    ----------
    path
        Folder of the recording set.
    files
        Of each unit, below ``path``.
    table
        What was presented when; every file of a session repeats it.
    codes
        Stimulus code of each trial by class, 0 in trials of another class, each of shape (n_trials,); classes that are
        not named were not presented.
    trains
        The spikes.
    """
    nothing = np.zeros(table.onset.size, dtype=np.uint16)
    trial_codes = {f"{name}Stimcode": codes.get(name, nothing).astype(np.uint16) for name in CODE_CLASSES}
    for unit, file in enumerate(files):
        write_mat(path / file, _channel(table.onset / CLOCK, trial_codes, *trains.unit(unit)))


def _channel(
    stimon: np.ndarray, codes: Mapping[str, np.ndarray], ticks: np.ndarray, trial: np.ndarray
) -> dict[str, Any]:
    """Content of the file of one unit."""
    before = trial == 0  # of spikes before the first trial, whose times are given from the first onset
    row = np.where(before, 0, trial - 1)
    spktimes = ticks / CLOCK
    spike = {
        "events": np.broadcast_to(SNIPPET, (ticks.size, SNIPPET.size)),
        "spktimes": spktimes,
        "stimlock": spktimes - stimon[row],
        "trial": trial.astype(np.float64),
        **{name: np.where(before, np.uint16(0), code[row]) for name, code in codes.items()},
    }
    return {"spike": spike, "trial": {"stimon": stimon, **codes}}


OTHER_SECONDS = 2.0
CLASSES = {TIMIT: "timit", MVOCS: "mVoc"}
"""What the files call a stimulus set."""
BAD_TRIALS = 12
"""Trials before the bad session was broken off."""


class UCSFLayout:
    """Sentences and vocalisations, one file per channel; see ``Layout``.

    Of every two sessions, vocalisations are presented before sentences in the second.
    """

    def __init__(self, plan: Plan) -> None:
        plan.check(Limits(sentences=(len(TEST_IDS) + 1, N_SENTENCES), calls=(FEWEST_CALLS, MOST_CALLS)))
        self.plan = plan
        self._sites = sites(plan.sessions)
        self._calls = Calls(plan)

    @property
    def sessions(self) -> tuple[str, ...]:
        """Days of the recordings."""
        return tuple(site.session for site in self._sites)

    def units(self, session: int) -> tuple[str, ...]:
        """Label of each channel."""
        return channel_labels(self._files(self._sites[session]))

    def write_shared(self, path: Path) -> tuple[StimulusSet, ...]:
        """Write sounds, metadata and a session that is known to be bad."""
        sets = [write_sentences(path, self.plan)]
        if self.plan.calls:
            sets.append(self._calls.write(path))
        write_metadata(path, self._sites)
        self._write_bad_session(path, tuple(sets))
        return tuple(sets)

    def trial_table(self, session: int, sets: tuple[StimulusSet, ...]) -> SimulatedTrials:
        """Sentences, mixed, and vocalisations, with a few other sounds around them."""
        rng = self.plan.rng(SESSION, session, SCHEDULE, 0)
        blocks = [self._sentence_trials(sets[0], rng)]
        if self.plan.calls and self._sites[session].session not in WITHOUT_VOCALISATIONS:
            blocks.append(self._calls.trials(session, first_stimulus(sets)[1]))
        if session % 2:
            blocks.reverse()
        trials = _other_trials(4, rng)
        for block in blocks:
            trials += [*block, *_other_trials(3, rng)]
        return on_clock(trials)

    def write_session(self, path: Path, session: int, simulated: SimulatedSession) -> None:
        """Write the files of all channels."""
        self._write_channels(path, self._files(self._sites[session]), simulated)

    def _write_channels(self, path: Path, files: tuple[Path, ...], simulated: SimulatedSession) -> None:
        table, first = simulated.table, first_stimulus(simulated.sets)
        codes = {"dmr": table.other}
        for k, stimuli in enumerate(simulated.sets):
            numbers = np.array(stimuli.ids, dtype=np.int64)
            code = np.zeros(first[-1] + 1, dtype=np.int64)  # with a last 0, for NOTHING
            code[first[k] : first[k + 1]] = numbers if stimuli.name == TIMIT else self._calls.codes[numbers]
            codes[CLASSES[stimuli.name]] = code[table.stimulus]
        write_channels(path, files, table, codes, simulated.trains)

    def _write_bad_session(self, path: Path, sets: tuple[StimulusSet, ...]) -> None:
        table = self.trial_table(0, sets).head(BAD_TRIALS)
        seed = self.plan.seed_of(EXTRA)
        simulated = simulate_session(sets, table, n_units=1, bin_width=self.plan.bin_width, seed=seed)
        self._write_channels(path, channel_names("b", BAD_SESSION, 1), simulated)

    def _sentence_trials(self, sentences: StimulusSet, rng: np.random.Generator) -> list[Trial]:
        repeats = np.where(sentences.is_test, SENTENCE_REPEATS, 1)
        order = rng.permutation(np.repeat(np.arange(repeats.size), repeats))
        window = sentences.seconds[order] + 2 * SILENCE + rng.uniform(0.1, 0.4, order.size)
        pairs = zip(order.tolist(), window.tolist(), strict=True)
        return [Trial(stimulus=i, lead=SILENCE, window=seconds, response_window=seconds) for i, seconds in pairs]

    def _files(self, site: Site) -> tuple[Path, ...]:
        published = self.plan.channels == "published"
        return channel_names(site.subject, site.session, site.channels if published else int(self.plan.channels))


def _other_trials(n: int, rng: np.random.Generator) -> list[Trial]:
    codes, window = rng.integers(1, 31, n).tolist(), OTHER_SECONDS + 2 * SILENCE
    return [Trial(NOTHING, lead=SILENCE, window=window, response_window=OTHER_SECONDS, other=code) for code in codes]
