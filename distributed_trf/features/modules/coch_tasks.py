"""What the cochlear networks were trained to tell from a sound."""

from __future__ import annotations

from torch import nn

TASKS = {"signal/word_int": 794, "signal/speaker_int": 433, "noise/labels_binary_via_int": 517}
"""Classes of each task: words, speakers, and AudioSet's sounds."""


def heads(n_features: int) -> nn.ModuleDict:
    """Make one linear read-out for each task. They are held, not run: none of what they give has a time."""
    return nn.ModuleDict({task: nn.Linear(n_features, n) for task, n in TASKS.items()})
