"""Sums over blocks of trials from which moments follow, with the lag structure still in them."""

from __future__ import annotations

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, namespace
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.moments import Gram

EDGE_ROWS = 1024
"""Rows at trials' edges that are summed at once: they are few, and each sum of them touches all of X'X."""


class BlockSums:
    """Sums about provisional means; row 0 of weights and sums belongs to the Gram, row 1 + g to group g."""

    def __init__(self, lags: tuple[int, ...], groups: list[int]) -> None:
        self.lags, self.groups = lags, groups
        self.edges: list[tuple[Array, Array]] = []
        self.started = False

    def add(self, rows: LaggedRows, y: Array, lengths: list[int], weights: list[list[float]]) -> None:
        """Add a block of trials; the lag structure is undone in ``moments``."""
        plain = all(w == 1 for row in weights for w in row)
        by_row = None if plain else _by_row(weights, lengths, y)  # (rows, 1 + groups)
        if not self.started:
            self._start(rows, y)
        if not all(self.n):
            self._centre_units(y, by_row)
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
                self._add_edges()

    def moments(self) -> tuple[Gram, list[tuple[float, Array, Array, Array, Array]]]:
        """Return the Gram, and each group's sums in the order of ``Cross``."""
        if self.edges:
            self._add_edges()
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

    def _start(self, rows: LaggedRows, y: Array) -> None:
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

    def _centre_units(self, y: Array, by_row: Array | None) -> None:
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

    def _add_edges(self) -> None:
        """Add what enters and take off what leaves at the trials' edges, from one lag to the next."""
        xp, F = namespace(self.xx), self.n_features
        edges, times = (xp.concat(part) for part in zip(*self.edges, strict=True))
        self.xx[F:, F:] += _double((edges * times).T @ edges)
        self.edges = []


def _double(array: Array) -> Array:
    xp = namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def _by_row(weights: list[list[float]], lengths: list[int], like: Array) -> Array:
    """Repeat each trial's weights for each of its rows, shape (rows, 1 + groups)."""
    xp = namespace(like)
    per_trial = xp.asarray(weights, dtype=like.dtype, device=device_of(like))
    trial = xp.asarray([i for i, n in enumerate(lengths) for _ in range(n)], dtype=xp.int64, device=device_of(like))
    return xp.take(per_trial, trial, axis=0)
