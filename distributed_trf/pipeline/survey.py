"""The items of a study and what is left to do of them, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from distributed_trf.pipeline.asked import Asked
from distributed_trf.pipeline.dependencies import Dependencies, Fingerprint, Waiting
from distributed_trf.pipeline.items import (
    ANALYSE,
    ASSESS,
    EXTRACT,
    FIT,
    READ,
    STAGES,
    Assess,
    BootstrapTest,
    BootstrapTraining,
    Extract,
    Fit,
    FitLowpass,
    FitTogether,
    Item,
    ReadSession,
    ReadSounds,
)
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.item_locks import Holder
from distributed_trf.store.receipts import has_receipt, read_failure, read_receipt


class State(StrEnum):
    """Where a work item stands."""

    DONE = "done"
    PENDING = "pending"
    STALE = "stale"
    """It was done with other settings or inputs."""
    FAILED = "failed"
    WAITING = "waiting"
    """Something that it depends on is not done."""
    RUNNING = "running"
    """A process is at it."""


@dataclass(frozen=True)
class Planned:
    """A work item and where it stands."""

    item: Item
    state: State
    reason: str
    """Why it is not done; of one that is, what is worth knowing."""
    fingerprint: Fingerprint | None
    """What its receipt must carry; None while it waits."""
    median_r: float | None = None
    """Of a fit that is done: median test correlation over units, None if none varies."""

    def seen(self, at_work: Mapping[tuple[str, str], Holder]) -> Planned:
        """Say that it is running if a process is at it."""
        who = at_work.get((self.item.stage, self.item.key))
        if who is None or self.state is State.DONE:
            return self
        return replace(self, state=State.RUNNING, reason=f"on {who.host}, process {who.process}, since {who.since}")


def items(asked: Asked, stage: str) -> Iterator[Item]:
    """List the work items of a stage."""
    study = asked.study
    if stage == ANALYSE:
        yield from _analyses(asked)
    if stage == EXTRACT:
        yield from _extractions(asked)
    for stimuli in study.stimuli:
        if stage == READ:
            yield ReadSounds(stimuli)
            for session in asked.heard(stimuli):
                yield ReadSession(stimuli, session)
        if stage == ASSESS and study.reliability is not None:
            for bin_width in study.bin_widths:
                for session in asked.heard(stimuli):
                    yield Assess(stimuli, bin_width, session)
        for network in study.networks if stage == FIT else ():
            for weights in asked.weights(network):
                for layer in asked.layers(network):
                    for bin_width in study.bin_widths:
                        yield Fit(stimuli, network.name, weights, layer.id, bin_width)


def _extractions(asked: Asked) -> Iterator[Item]:
    """List extractions network by network, so that a worker builds each as seldom as can be."""
    for network in asked.study.networks:
        for weights in asked.weights(network):
            for stimuli in asked.study.stimuli:
                for batch in range(len(asked.batches(stimuli))):
                    yield Extract(stimuli, network.name, weights, batch)


def _analyses(asked: Asked) -> Iterator[Item]:
    study = asked.study
    for stimuli in study.stimuli:
        for bin_width in study.bin_widths:
            for together in study.together:
                network = next(n for n in study.networks if n.name == together.network)
                for weights in asked.weights(network):
                    yield FitTogether(stimuli, together.network, weights, bin_width)
            for p in study.lowpass:
                for lowpass_bin in p.lowpass_bins:
                    yield FitLowpass(stimuli, p.network, p.weights, p.layer, bin_width, lowpass_bin)
            for b in study.bootstraps:
                for percent in b.training_percent:
                    yield BootstrapTraining(stimuli, b.network, b.weights, b.layer, bin_width, percent)
                if b.test_percent:
                    yield BootstrapTest(stimuli, b.network, b.weights, b.layer, bin_width)


def survey_all(context: Context) -> list[Planned]:
    """Find out where every item of a study stands; each receipt is read once."""
    expectations = Dependencies(context)
    return [planned for stage in STAGES for planned in survey(context, stage, expectations)]


def survey(context: Context, stage: str, expectations: Dependencies | None = None) -> list[Planned]:
    """Find out where every item of a stage stands; a session that cannot be read has nothing to be assessed."""
    expectations = expectations or Dependencies(context)
    return [
        _place(context, expectations, item)
        for item in items(context, stage)
        if not (isinstance(item, Assess) and expectations.unreadable(ReadSession(item.stimuli, item.session)))
    ]


def _place(context: Context, expectations: Dependencies, item: Item) -> Planned:
    store = context.store
    try:
        expected = expectations.of(item)
    except Waiting as waiting:
        return Planned(item, State.WAITING, str(waiting), None)
    done = expectations.receipt(item)
    if done is not None:
        parts = done.details.get("heard_in_parts", 1)
        reason = f"heard in {parts} parts" if parts > 1 else ""
        return Planned(item, State.DONE, reason, expected, done.details.get("median_r"))
    receipt = read_receipt(store, item.stage, item.key)
    failure = read_failure(store, item.stage, item.key)
    if failure is not None and failure.fingerprint == expected:
        return Planned(item, State.FAILED, failure.details["message"], expected)
    if receipt is not None and receipt.lacks(expected) and not expectations.gone(item, receipt):
        return Planned(item, State.PENDING, f"{', '.join(receipt.lacks(expected))} is new", expected)
    if receipt is not None:
        changed = receipt.changed(expected)
        reason = f"changed: {', '.join(changed)}" if changed else expectations.gone(item, receipt)
        return Planned(item, State.STALE, reason, expected)
    if has_receipt(store, item.stage, item.key):
        return Planned(item, State.STALE, "its receipt is damaged", expected)
    return Planned(item, State.PENDING, "", expected)
