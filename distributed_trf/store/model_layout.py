"""What a saved model consists of on disk, and how its weights are cut into chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from distributed_trf import names
from distributed_trf.names import Variable

FORMAT, FORMAT_VERSION = "distributed_trf model", 1
CHUNK_BYTES = 32 << 20
"""No chunk of weights is larger, unless one unit is."""

FEATURE, LAG, STIMULUS = "feature", "lag", "stimulus"
VARIABLES: dict[str, tuple[tuple[str, ...], Variable]] = {
    "coef": (
        (names.UNIT, FEATURE, LAG),
        Variable("weight", "1", "of raw features; times x_scale it is the weight of the scaled lagged column"),
    ),
    "intercept": ((names.UNIT,), Variable("predicted count where every feature is zero", "1")),
    "alpha": ((names.UNIT,), Variable("ridge penalty", "1", "NaN for a unit that never varies or was not fitted")),
    "x_mean": (
        (FEATURE, LAG),
        Variable("mean of the lagged column over the training rows", "1", "NaN where sessions differ in it"),
    ),
    "x_scale": (
        (FEATURE, LAG),
        Variable("what the lagged column is divided by in the fit", "1", "0 where it never varies; NaN as x_mean is"),
    ),
    LAG: ((LAG,), Variable("delay from sound to response", "s", "positive is past sound")),
    "session": ((names.UNIT,), names.COORDS["session"]),
    "channel": ((names.UNIT,), names.COORDS["channel"]),
    STIMULUS: ((STIMULUS,), Variable("stimulus", "")),
    "bins": ((STIMULUS,), Variable("number of bins of the stimulus", "1")),
}
"""Dimensions and description of each array."""
OF_UNITS = ("coef", "intercept", "alpha")
"""What is labelled by session and channel."""


def units_per_chunk(sessions: Sequence[str], unit_bytes: int) -> int:
    """Cut the unit axis of the weights, so that reading one session reads little else.

    Parameters
    ----------
    sessions
        The session of each unit.
    unit_bytes
        Size of one unit's weights.

    Returns
    -------
    int
        As many units as a session usually has, fewer where these are more than ``CHUNK_BYTES``.

    Examples
    --------
    >>> units_per_chunk(["s1"] * 16 + ["s2"] * 16, unit_bytes=8 * 384 * 5)
    16
    >>> units_per_chunk(["s1"] * 16 + ["s2"] * 16, unit_bytes=20 << 20)
    1
    """
    usual = int(median(Counter(sessions).values()))
    return max(1, min(usual, CHUNK_BYTES // unit_bytes))
