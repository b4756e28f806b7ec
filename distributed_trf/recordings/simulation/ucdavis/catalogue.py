"""Lists of the sounds of simulated UC Davis recordings: those that were used and some that were not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distributed_trf.recordings.simulation.monkey_calls import KINDS
from distributed_trf.recordings.simulation.plan import CALL, SCHEDULE, SENTENCE, Plan

SEXES = ("male", "female")
MOST_SENTENCES, REPEATED_SENTENCES, UNUSED_SENTENCES = 497, 46, 2
MOST_CALLS, REPEATED_CALLS, UNUSED_CALLS = 1568, 153, 1478
LEAST_REPEATED = 2
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
CUES_PER_SOURCE = 99


@dataclass(frozen=True)
class Entry:
    """One sound that a list names."""

    name: str
    """By which the reader knows it: its file without the ending."""
    group: str
    """Sex of a speaker or kind of a call."""
    used: bool
    repeated: bool
    """Whether a session heard it several times, rather than once."""


def draw_sentences(plan: Plan) -> tuple[Entry, ...]:
    """Draw the list of sentences; all of them have a file, and two are not used."""
    repeated = _share(plan.sentences, REPEATED_SENTENCES, MOST_SENTENCES)
    used, again = _choose(plan.sentences, UNUSED_SENTENCES, repeated, plan.rng(SCHEDULE, 0))
    names = []
    for i in range(used.size):
        rng = plan.rng(SENTENCE, i, 0)
        sex = rng.integers(len(SEXES))
        speaker = f"{SEXES[sex][0]}{''.join(rng.choice(LETTERS, 3))}{rng.integers(2)}"
        names.append((f"{i + 1}-{speaker}_s{'aix'[rng.integers(3)]}{rng.integers(1, 2400)}", SEXES[sex]))
    return _entries(names, used, again)


def draw_calls(plan: Plan) -> tuple[Entry, ...]:
    """Draw the list of calls, about half of which are not used and have no file."""
    unused = max(LEAST_REPEATED, round(plan.calls * UNUSED_CALLS / MOST_CALLS))
    repeated = _share(plan.calls, REPEATED_CALLS, MOST_CALLS)
    used, again = _choose(plan.calls, unused, repeated, plan.rng(SCHEDULE, 1))
    names = []
    for i in range(used.size):
        kind = str(plan.rng(CALL, i, 0).choice(KINDS))
        source, cue = (n + 1 for n in divmod(i, CUES_PER_SOURCE))
        names.append((f"{source:02d}-Cue-{cue:02d}-{kind.capitalize()}", kind))
    return _entries(names, used, again)


def indices(entries: Sequence[Entry], groups: Sequence[str]) -> dict[str, np.ndarray]:
    """Return where, counted from 1 in the whole list, the used sounds of each group are, as the published files do."""
    return {
        f"{group}{kind}": np.array(
            [i for i, e in enumerate(entries, start=1) if e.used and e.group == group and e.repeated == repeated],
            dtype=np.float64,
        )
        for kind, repeated in (("Repeat", True), ("Unique", False))
        for group in groups
    }


def _share(n: int, repeated: int, most: int) -> int:
    return max(LEAST_REPEATED, round(n * repeated / most))


def _choose(n: int, unused: int, repeated: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw which of ``n + unused`` entries are used and which of these are repeated."""
    order = rng.permutation(n + unused)
    used, again = np.ones(order.size, dtype=bool), np.zeros(order.size, dtype=bool)
    used[order[:unused]] = False
    again[order[unused : unused + repeated]] = True
    return used, again


def _entries(names: list[tuple[str, str]], used: np.ndarray, repeated: np.ndarray) -> tuple[Entry, ...]:
    triples = zip(names, used.tolist(), repeated.tolist(), strict=True)
    return tuple(Entry(name, group, is_used, again) for (name, group), is_used, again in triples)
