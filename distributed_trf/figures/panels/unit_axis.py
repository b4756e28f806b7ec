"""The axis along which the units of one session stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from distributed_trf.figures.style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LABELS = 64
"""That can be read side by side on a page; of more units every second, third, ... is labelled."""


def label_units(axis: Axes, channels: np.ndarray) -> None:
    """Write the channels below an axis whose unit k stands at x = k."""
    step = -(-channels.size // MOST_LABELS)
    axis.set_xticks(np.arange(0, channels.size, step), channels[::step], rotation=90, fontsize=SMALL)
    axis.set_xlim(-0.5, channels.size - 0.5)
    axis.set_xlabel("unit", fontsize=SMALL)
