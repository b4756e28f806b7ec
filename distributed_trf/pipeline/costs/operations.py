"""What one work item needs: operations by the kind of arithmetic, traffic with the disk, and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distributed_trf.pipeline.study_context import Context
from distributed_trf.recordings.recording_set import Session, stimulus_bins

EIGH = 9
"""Floating-point operations of a symmetric eigendecomposition with vectors, per d^3 (Golub & Van Loan)."""


@dataclass(frozen=True)
class Operations:
    """Floating-point operations, by kinds that run at rates of their own."""

    single: float = 0.0
    """Products and convolutions in single precision: networks."""
    double: float = 0.0
    """Products in double precision: fits."""
    eigh: float = 0.0
    """Eigendecompositions in double precision."""
    transform: float = 0.0
    """What touches every number a few times: Fourier transforms, look-ups, ranking."""

    @property
    def kinds(self) -> tuple[float, ...]:
        """Each kind, in order; ``dataclasses.astuple`` would copy them, which is slow for thousands of items."""
        return (self.single, self.double, self.eigh, self.transform)

    @property
    def flops(self) -> float:
        """All kinds together."""
        return sum(self.kinds)

    def __mul__(self, times: float) -> Operations:
        return Operations(*(n * times for n in self.kinds))


@dataclass(frozen=True)
class Cost:
    """Needs of a work item."""

    read: int
    """Bytes read from disk."""
    written: int
    """Bytes on disk, before compression."""
    files: int
    """Files written, the receipt among them."""
    host: int
    """Bytes of a worker's memory, beside those of its libraries."""
    device: int = 0
    """Bytes of the GPU's memory, beside those of its context; 0 where the CPU calculates."""
    operations: Operations = Operations()

    @property
    def flops(self) -> float:
        """Floating-point operations of all kinds."""
        return self.operations.flops

    @property
    def size(self) -> int:
        """Bytes of both memories: how large the item is among others."""
        return self.host + self.device


REPEATS = 12
"""Presentations of each test stimulus that are taken of sessions that are not read yet."""


def training_bins(context: Context, stimuli: str, bin_width: float) -> int:
    """Count the bins of all training stimuli of a set, as often as each is a trial."""
    times = context.training_trials[stimuli]
    return sum(times[s.id] * stimulus_bins(s.duration, bin_width) for s in context.stimuli[stimuli] if not s.is_test)


def test_bins(context: Context, stimuli: str, bin_width: float) -> int:
    """Count the bins of all test stimuli of a set, once each."""
    return sum(stimulus_bins(s.duration, bin_width) for s in context.stimuli[stimuli] if s.is_test)


def response_bytes(context: Context, stimuli: str, bin_width: float, sessions: Sequence[Session]) -> int:
    """Return the bytes of the counts of all units of some sessions, as they are stored."""
    bins = training_bins(context, stimuli, bin_width) + REPEATS * test_bins(context, stimuli, bin_width)
    return 2 * bins * sum(len(s.channels) for s in sessions)
