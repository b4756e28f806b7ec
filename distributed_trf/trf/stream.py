"""Moments of a stream of trials: the lag structure makes them cheap, and memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Sequence

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace
from distributed_trf.errors import DataError
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.moments import Cross, Gram, Moments

BLOCK_ROWS = 2048
"""Rows that are summed at once: enough for fast products, few enough to stay small beside X'X."""
EDGE_ROWS = 1024
"""Rows at trials' edges that are summed at once: they are few, and each sum of them touches all of X'X."""


class MomentStream:
    """Sums over trials that are added one by one, without ever building their lagged matrix.

    Parameters
    ----------
    lags
        Consecutive lags in samples, ascending; negative ones see future sound.
    lead_in
        Rows of a trial's features before its first response.
    groups
        Number of units in each group of units that hear the same trials; by default one group of all.
    dtype
        Of the products, ``"float64"`` or ``"float32"``; sums over blocks are float64 either way.
    block_rows
        Trials are collected until they have this many rows, then summed.

    Notes
    -----
    Lagged columns are shifts of one another. Going from lags (a, b) to (a + 1, b + 1) every trial's sum gains the
    product just before its first response and loses the one at its last response, so only the first of the L block
    rows of X'X is a product over all rows, L times less work than X'X of the lagged matrix. The identity holds for any
    value outside the trial; with features centred by ``c`` that value is ``-c``, because a lagged matrix holds zeros.
    Sums are taken about the means of the first block (of a group of units, the first that it heard), close enough to
    the true ones to lose no digits.
    """

    def __init__(
        self,
        lags: Sequence[int],
        lead_in: int,
        *,
        groups: Sequence[int] | None = None,
        dtype: str = "float64",
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self._lags, self._lead_in, self._groups = tuple(lags), lead_in, groups
        self._dtype, self._block_rows = dtype, block_rows
        self._x: list[Array] = []
        self._y: list[Array] = []
        self._weights: list[list[float]] = []
        self._missing: list[list[Array]] = [[] for _ in groups or (0,)]
        self._rows = 0
        self._sums: _Sums | None = None

    def add(self, x: Array, y: Array, *, weight: float = 1.0, heard: Sequence[bool] | None = None) -> None:
        """Add a trial.

        Parameters
        ----------
        x
            Features, shape (lead_in + T, F).
        y
            Responses of all units of all groups, shape (T, U); what stands in columns that did not hear the trial is
            not looked at, but must be finite.
        weight
            How often the trial counts.
        heard
            Which groups heard it; by default all.
        """
        if not 0 <= weight < float("inf"):
            raise DataError(f"a trial has weight {weight:g}; it must be a number from 0 up")
        heard = [True] * len(self._missing) if heard is None else list(heard)
        if not all(heard) and weight != 1:
            raise DataError(
                f"a trial that only some units heard has weight {weight:g}; weights need trials heard by all"
            )
        self._x.append(x)
        self._y.append(y)
        self._weights.append([weight] + [weight * h for h in heard])
        self._rows += y.shape[0]
        for group, was_heard in enumerate(heard):
            if not was_heard:
                xp = namespace(x)
                rows = LaggedRows([xp.astype(x, xp.float64, copy=False)], self._lead_in)
                self._missing[group].append(rows.matrix(self._lags))
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
        dtype = getattr(xp, self._dtype)
        X, Y = ([xp.astype(a, dtype, copy=False) for a in arrays] for arrays in (self._x, self._y))
        if self._sums is None:
            groups = [Y[0].shape[1]] if self._groups is None else list(self._groups)
            self._sums = _Sums(self._lags, groups)
        self._sums.add(LaggedRows(X, self._lead_in), xp.concat(Y), [y.shape[0] for y in Y], self._weights)
        self._x, self._y, self._weights, self._rows = [], [], [], 0


class _Sums:
    """Sums about provisional means; row 0 of weights and sums belongs to the Gram, row 1 + g to group g."""

    def __init__(self, lags: tuple[int, ...], groups: list[int]) -> None:
        self.lags, self.groups = lags, groups
        self.edges: list[tuple[Array, Array]] = []
        self.started = False

    def start(self, rows: LaggedRows, y: Array) -> None:
        """Choose the features' provisional means and make the sums, all zero."""
        xp, device = namespace(y), device_of(y)
        owner = [g for g, size in enumerate(self.groups, start=1) for _ in range(size)]
        self.owner = xp.asarray(owner, dtype=xp.int64, device=device)
        self.y_centre = xp.zeros_like(y[0, :])
        self.x_centre = rows.mean
        self.n_features = self.x_centre.shape[0]
        d, units = self.n_features * len(self.lags), y.shape[1]

        def zeros(*shape: int) -> Array:
            return xp.zeros(shape, dtype=xp.float64, device=device)

        self.n, self.x, self.y = [0.0] * (1 + len(self.groups)), zeros(1 + len(self.groups), d), zeros(units)
        self.x_power = zeros(d)  # the lag structure leaves rounding where a column never varies; this does not
        self.xx, self.xy, self.yy = zeros(d, d), zeros(d, units), zeros(units)
        self.started = True

    def centre_units(self, y: Array, by_row: Array | None) -> None:
        """Choose the provisional means of units that have heard nothing before this block."""
        xp = namespace(y)
        if by_row is None:
            centre = xp.mean(y, axis=0)
        else:  # over what was heard, so that a unit that never varies is centred to exactly zero
            count = xp.take(xp.sum(by_row, axis=0), self.owner)
            total = xp.sum(y * xp.take(by_row, self.owner, axis=1), axis=0)
            centre = total / xp.where(count > 0, count, xp.ones_like(count))
        new = xp.take(xp.asarray([n == 0 for n in self.n], device=device_of(y)), self.owner)
        self.y_centre = xp.where(new, centre, self.y_centre)

    def add(self, rows: LaggedRows, y: Array, lengths: list[int], weights: list[list[float]]) -> None:
        """Add a block of trials; the lag structure is undone in ``moments``."""
        plain = all(w == 1 for row in weights for w in row)
        by_row = None if plain else _by_row(weights, lengths, y)  # (rows, 1 + groups)
        if not self.started:
            self.start(rows, y)
        if not all(self.n):
            self.centre_units(y, by_row)
        xp, F = namespace(y), self.n_features
        rows.subtract(self.x_centre)
        y -= self.y_centre
        weighted = y if by_row is None else y * xp.take(by_row, self.owner, axis=1)
        for g in range(len(self.n)):
            self.n[g] += sum(row[g] * length for row, length in zip(weights, lengths, strict=True))
        self.y += _double(xp.sum(weighted, axis=0))
        self.yy += _double(xp.sum(weighted * y, axis=0))

        first = rows.at(self.lags[0])
        left = (first if by_row is None else first * by_row[:, :1]).T
        for a, lag in enumerate(self.lags):
            block = slice(a * F, (a + 1) * F)
            columns = rows.at(lag) if a else first
            sums = xp.sum(columns, axis=0)[None, :] if by_row is None else by_row.T @ columns
            self.x[:, block] += _double(sums)
            squares = columns * columns if by_row is None else columns * columns * by_row[:, :1]
            self.x_power[block] += _double(xp.sum(squares, axis=0))
            self.xy[block, :] += _double(columns.T @ weighted)
            self.xx[:F, block] += _double(left @ columns)
        if len(self.lags) > 1:
            times = xp.asarray([[row[0]] for row in weights], dtype=y.dtype, device=device_of(y))
            self.edges += [(rows.before_first(self.lags[:-1]), times), (rows.last(self.lags[:-1]), -times)]
            if sum(edge.shape[0] for edge, _ in self.edges) >= EDGE_ROWS:
                self.add_edges()

    def add_edges(self) -> None:
        """Add what enters and take off what leaves at the trials' edges, from one lag to the next."""
        xp, F = namespace(self.xx), self.n_features
        edges, times = (xp.concat(part) for part in zip(*self.edges, strict=True))
        self.xx[F:, F:] += _double((edges * times).T @ edges)
        self.edges = []

    def moments(self) -> tuple[Gram, list[tuple[float, Array, Array, Array, Array]]]:
        """Return the Gram, and each group's sums in the order of ``Cross``."""
        if self.edges:
            self.add_edges()
        xp, F, L = namespace(self.xx), self.n_features, len(self.lags)
        blocks = [slice(a * F, (a + 1) * F) for a in range(L)]
        xx = xp.asarray(self.xx, copy=True)
        for a in range(L - 1):
            for b in range(a, L - 1):
                xx[blocks[a + 1], blocks[b + 1]] += xx[blocks[a], blocks[b]]
                xx[blocks[b + 1], blocks[a + 1]] = xx[blocks[a + 1], blocks[b + 1]].T
            xx[blocks[a + 1], blocks[0]] = xx[blocks[0], blocks[a + 1]].T
        centre = xp.tile(_double(self.x_centre), (L,))
        n = self.n[0]
        mean = self.x[0, :] / (n or 1.0)
        xx -= (n * mean)[:, None] * mean[None, :]
        epsilon = float(xp.finfo(self.x_centre.dtype).eps)
        alive = varies(self.x_power - n * mean * mean, centre + mean, n, epsilon)
        if not xp.all(alive):
            xx = xp.where(alive[:, None] & alive[None, :], xx, xp.zeros_like(xx))
        gram = Gram(n, centre + mean, xx)

        groups, start = [], 0
        for g, size in enumerate(self.groups, start=1):
            units, n = slice(start, start + size), self.n[g] or 1.0
            x, y = self.x[g, :], self.y[units]
            xy = self.xy[:, units] - x[:, None] * (y / n)[None, :]
            y_mean = _double(self.y_centre[units]) + y / n
            yy = self.yy[units] - y * y / n
            yy = xp.where(varies(yy, y_mean, n, epsilon), yy, xp.zeros_like(yy))
            groups.append((self.n[g], y_mean, yy, centre + x / n, xy))
            start += size
        return gram, groups


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
    lags, lead_in
        As in ``MomentStream``.
    weights
        How often each trial counts; by default once.
    """
    stream = MomentStream(lags, lead_in)
    for x, y, weight in zip(X, Y, [1.0] * len(X) if weights is None else weights, strict=True):
        stream.add(x, y, weight=float(weight))
    return stream.moments()


def _double(array: Array) -> Array:
    xp = namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def _by_row(weights: list[list[float]], lengths: list[int], like: Array) -> Array:
    """Repeat each trial's weights for each of its rows, shape (rows, 1 + groups)."""
    xp = namespace(like)
    per_trial = xp.asarray(weights, dtype=like.dtype, device=device_of(like))
    trial = xp.asarray([i for i, n in enumerate(lengths) for _ in range(n)], dtype=xp.int64, device=device_of(like))
    return xp.take(per_trial, trial, axis=0)
