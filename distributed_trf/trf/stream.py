"""Moments of a stream of trials: the lag structure makes them cheap; memory does not grow with the number of trials."""

from __future__ import annotations

from collections.abc import Sequence

from array_api_compat import is_cupy_namespace

from distributed_trf.arrays import Array, block_rows, joined, namespace
from distributed_trf.errors import ConfigError, DataError, shown
from distributed_trf.trf.block_sums import BlockSums
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.moments import Cross, Moments
from distributed_trf.trf.parameters import whole
from distributed_trf.trf.trials import as_features, as_responses

BLOCK_ROWS = 2048
"""Rows that are summed at once: enough for fast products, few enough to stay small beside X'X."""


class MomentStream:
    """Sums over trials that are added one by one, without ever building their lagged matrix.

    Parameters
    ----------
    lags
        Consecutive lags in samples, ascending; negative ones see future sound.
    lead_in
        Rows of a trial's features before its first response.
    groups
        Number of units in each group of units to which the same trials were presented; by default one group of all.
    dtype
        Of the products, ``"float64"`` or ``"float32"``; sums over blocks are float64 either way.
    block_rows
        Trials are collected until they have this many rows, then summed; by default ``BLOCK_ROWS``, on a GPU more.
    outside
        Values of the features outside a trial, shape (F,); by default zeros.

    Raises
    ------
    ConfigError
        If lags or lead_in are not like this.

    Notes
    -----
    Lagged columns are shifts of one another. Going from lags (a, b) to (a + 1, b + 1) every trial's sum gains the
    product just before its first response and loses the one at its last response, so only the first of the L block
    rows of X'X is a product over all rows, L times less work than X'X of the lagged matrix. The identity holds for any
    value outside the trial; with features centred by ``c`` a zero there is ``-c``.

    What passes from lag to lag must not be far larger than what is left at any of them. Features that may break this
    rule in a block (saturated but for the edges of trials, offsets without a lead-in, hardly any rows) are summed
    separately, from the rows of their own columns, about each column's mean in the block. Whether a column varies is
    decided by its values, not by its sums.
    """

    def __init__(
        self,
        lags: Sequence[int],
        lead_in: int,
        *,
        groups: Sequence[int] | None = None,
        dtype: str = "float64",
        block_rows: int | None = None,
        outside: Array | None = None,
    ) -> None:
        # Other lags would be summed as if they were consecutive, without a sign of it.
        if not len(lags) or [*lags] != [*range(int(lags[0]), int(lags[0]) + len(lags))]:
            raise ConfigError(
                f"lags={shown([*lags])} must be consecutive whole numbers of samples, ascending, such as range(0, 5)"
            )
        self._lags, self._groups, self._outside = tuple(int(lag) for lag in lags), groups, outside
        self._lead_in = whole("lead_in", lead_in, 0)
        self._dtype, self._block_rows = dtype, block_rows
        self._x: list[Array] = []
        self._y: list[Array] = []
        self._weights: list[list[float]] = []
        self._missing: list[list[Array]] = [[] for _ in groups or (0,)]
        self._rows = 0
        self.n_trials = 0
        self._sums: BlockSums | None = None

    def add(self, x: Array, y: Array, *, weight: float = 1.0, presented: Sequence[bool] | None = None) -> None:
        """Add a trial.

        Parameters
        ----------
        x
            Features, shape (lead_in + T, F).
        y
            Responses of all units of all groups, shape (T, U). Columns of groups to which the trial was not presented
            are ignored, but must be finite.
        weight
            How often the trial counts.
        presented
            Which groups it was presented to; by default all.
        """
        if not 0 <= weight < float("inf"):
            raise DataError(f"a trial has weight {weight:g}; it must be a number from 0 up")
        presented = [True] * len(self._missing) if presented is None else list(presented)
        if not all(presented) and weight != 1:
            raise DataError(
                f"a trial presented to only some units has weight {weight:g}; expected 1, or a trial presented to all"
            )
        self._x.append(x)
        self._y.append(y)
        self._weights.append([weight] + [weight * h for h in presented])
        self._rows += y.shape[0]
        self.n_trials += 1
        for group, was_presented in enumerate(presented):
            if not was_presented:
                rows = LaggedRows([x], self._lead_in, self._outside)
                self._missing[group].append(rows.matrix(self._lags))
        self._block_rows = self._block_rows or _block_rows(x, y)
        if self._rows >= self._block_rows:
            self._flush()

    def moments(self) -> Moments:
        """Return the moments of all trials added so far.

        Raises
        ------
        DataError
            If there were none.
        """
        if self._x:
            self._flush()
        if self._sums is None:
            raise DataError("no trial was added, so there are no moments; every fold needs at least one trial")
        gram, cross = self._sums.moments()
        xp = namespace(gram.xx)
        missing = [xp.concat(rows) if rows else None for rows in self._missing]
        return Moments(gram, tuple(Cross(*sums, rows) for sums, rows in zip(cross, missing, strict=True)))

    def _flush(self) -> None:
        xp = namespace(*self._x, *self._y)
        if self._sums is None:
            groups = [self._y[0].shape[1]] if self._groups is None else list(self._groups)
            self._sums = BlockSums(self._lags, groups)
        rows = LaggedRows(self._x, self._lead_in, self._outside, self._dtype)
        y = joined(self._y, getattr(xp, self._dtype))
        self._sums.add(rows, y, [y.shape[0] for y in self._y], self._weights)
        self._x, self._y, self._weights, self._rows = [], [], [], 0


def _block_rows(x: Array, y: Array) -> int:
    """On a GPU as many as keep it busy, so that it is waited for seldom; half a dozen arrays of them are in memory."""
    xp = namespace(x)
    if not is_cupy_namespace(xp):
        return BLOCK_ROWS
    return max(BLOCK_ROWS, block_rows(4 * (x.shape[1] + y.shape[1]), xp.zeros((0,), dtype=xp.float64)))


def moments_of(
    X: Sequence[Array], Y: Sequence[Array], lags: Sequence[int], lead_in: int, weights: Sequence[float] | None = None
) -> Moments:
    """Compute the moments of some trials.

    Parameters
    ----------
    X
        Features, one array of shape (lead_in + T_i, F) per trial.
    Y
        Responses, one array of shape (T_i, U) per trial.
    lags
        Consecutive lags in samples, ascending, such as ``range(0, 5)``; a positive lag is past sound.
    lead_in
        Rows of a trial's features before its first response.
    weights
        How often each trial counts; by default once.

    Raises
    ------
    DataError
        If trials do not fit together, or hold anything but finite real numbers; if weights are not one for each trial.
    ConfigError
        If lags are not consecutive, or lead_in is no number of rows.
    """
    lead_in = whole("lead_in", lead_in, 0)
    X = as_features(X, lead_in=lead_in)
    Y = as_responses(X, Y, lead_in=lead_in)
    stream = MomentStream(lags, lead_in)
    counted = [1.0] * len(X) if weights is None else list(weights)
    if len(counted) != len(X):
        raise DataError(f"there are {len(X)} trials and {len(counted)} weights; give one weight for each trial")
    for x, y, weight in zip(X, Y, counted, strict=True):
        stream.add(x, y, weight=float(weight))
    return stream.moments()
