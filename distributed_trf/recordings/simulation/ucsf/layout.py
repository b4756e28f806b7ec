"""Simulated recordings in the layout of the published UCSF recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distributed_trf.recordings.recording_set import MVOCS, TIMIT
from distributed_trf.recordings.simulation.plan import EXTRA, SCHEDULE, SESSION, Limits, Plan
from distributed_trf.recordings.simulation.session import SimulatedSession, simulate_session
from distributed_trf.recordings.simulation.stimulus_set import StimulusSet, first_stimulus
from distributed_trf.recordings.simulation.trial_table import NOTHING, Trial, TrialTable, lay_out
from distributed_trf.recordings.simulation.ucsf.call_codes import FEWEST_CALLS, MOST_CALLS
from distributed_trf.recordings.simulation.ucsf.calls import Calls
from distributed_trf.recordings.simulation.ucsf.metadata import SENTENCE_REPEATS, write_metadata
from distributed_trf.recordings.simulation.ucsf.sentences import N_SENTENCES, write_sentences
from distributed_trf.recordings.simulation.ucsf.session_file import channel_names, write_channels
from distributed_trf.recordings.simulation.ucsf.sites import BAD_SESSION, sites
from distributed_trf.recordings.ucsf.layout import SILENCE, TEST_IDS, channel_labels
from distributed_trf.recordings.ucsf.published_sites import WITHOUT_VOCALISATIONS, Site

OTHER_SECONDS = 2.0
CLASSES = {TIMIT: "timit", MVOCS: "mVoc"}
"""What the files call a stimulus set."""
BAD_TRIALS = 12
"""Trials before the bad session was broken off."""


class UCSFLayout:
    """Sentences and vocalisations, one file per channel; see ``Layout``.

    Of every two sessions, the second hears the vocalisations before the sentences.
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

    def trial_table(self, session: int, sets: tuple[StimulusSet, ...]) -> TrialTable:
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
        return lay_out(trials)

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
        return [Trial(stimulus=i, lead=SILENCE, window=seconds, heard=seconds) for i, seconds in pairs]

    def _files(self, site: Site) -> tuple[Path, ...]:
        published = self.plan.channels == "published"
        return channel_names(site.subject, site.session, site.channels if published else int(self.plan.channels))


def _other_trials(n: int, rng: np.random.Generator) -> list[Trial]:
    codes, window = rng.integers(1, 31, n).tolist(), OTHER_SECONDS + 2 * SILENCE
    return [Trial(NOTHING, lead=SILENCE, window=window, heard=OTHER_SECONDS, other=code) for code in codes]
