"""Sums over blocks of trials from which moments follow, with the lag structure still in them."""

from __future__ import annotations

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, like, namespace, to_numpy
from distributed_trf.trf.correlation import varies
from distributed_trf.trf.lags import LaggedRows
from distributed_trf.trf.moments import Gram, in_both
from distributed_trf.trf.separate_columns import SeparateColumns

EDGE_ROWS = 1024
"""Rows at trials' edges that are summed at once: they are few, and each sum of them touches all of X'X."""
CLEAR = 1e-3
"""Of the squares that the lag structure carries from one lag to the next, what a column must have at every lag: three
of 16 digits are then lost at most. Features with less are summed separately, see ``SeparateColumns``."""


class BlockSums:
    """Sums over blocks of trials; row 0 of weights and sums belongs to the Gram, row 1 + g to group g.

    Each block is summed about its own means, and those of X'X are merged as Chan, Golub & LeVeque (1983) do. Means of
    columns are kept as distances from ``reference``, those of the first block, so that a large offset takes no digits.
    """

    def __init__(self, lags: tuple[int, ...], groups: list[int]) -> None:
        self.lags, self.groups = lags, groups
        self.edges: list[tuple[Array, Array]] = []
        self.edge_rows = 0
        self.means: list[tuple[Array, float]] = []
        self.moves: list[tuple[Array, Array]] = []
        self.separate: Array | None = None
        """With its transpose it belongs to X'X, beside what the lag structure gives."""
        self.constants = False
        """Whether any column may never vary."""
        self.started = False

    def add(self, rows: LaggedRows, y: Array, lengths: list[int], weights: list[list[float]]) -> None:
        """Add a block of trials; the lag structure is undone in ``moments``."""
        if not self.started:
            self._start(rows, y)
        # Rows that count: n_g = sum_i w_gi T_i over the trials i of the block, with w_0i = how often the trial counts
        # and w_gi = w_0i where group g was presented with it, else 0.
        n = [sum(row[g] * length for row, length in zip(weights, lengths, strict=True)) for g in range(len(self.n))]
        if not n[0]:
            return
        plain = all(w == 1 for row in weights for w in row)
        by_row = None if plain else _by_row(weights, lengths, y)  # (rows, 1 + groups)
        if not all(self.n):
            self._centre_units(y, by_row)
        xp, F = namespace(y), self.n_features
        centre = rows.mean
        # Constants taken off x and y change no centred sum, and the products below lose no digits to an offset.
        rows.subtract(centre)
        y -= self.y_centre
        weighted = y if by_row is None else y * xp.take(by_row, self.owner, axis=1)
        y_sums = _double(xp.sum(weighted, axis=0))
        self.y += y_sums
        self.yy += _double(xp.sum(weighted * y, axis=0))

        per_trial = xp.asarray(weights, dtype=y.dtype, device=device_of(y))
        first, *edges = self._ends(rows)
        sums, clear = self._at_all_lags(first, edges, by_row, per_trial, n)
        centre = xp.tile(_double(centre), (len(self.lags),))
        constant = xp.full_like(sums, xp.nan)
        clear = to_numpy(xp.stack([xp.all(clear, axis=(0, 1)), xp.all(clear[0, :, :], axis=0)]))  # waits for a GPU
        if not clear.all():
            apart = SeparateColumns.of(rows, self.lags, ~clear[0, :], ~clear[1, :], by_row, n)
            centre, sums, constant = apart.replace(centre, sums, constant)
            self.constants = True
            if (products := apart.products(weighted)) is not None:
                self.separate = products[0] if self.separate is None else self.separate + products[0]
                self.xy += products[1]
            first, *edges = self._ends(rows)
        self._merge(n, centre, sums, constant, y_sums)

        # Of X'X only the first block row is summed over all rows t, for every lag b, each row with its weight:
        #   X'X[0, b] = sum_t w_t x(t - l_0) x(t - l_b)'         (F, F), L products instead of L (L + 1) / 2;
        # X'Y[a] = sum_t x(t - l_a) w_t y(t)' (F, U) has no such structure and is summed for each lag a.
        left = (first if by_row is None else first * by_row[:, :1]).T
        for a, lag in enumerate(self.lags):
            block = slice(a * F, (a + 1) * F)
            columns = rows.at(lag) if a else first
            self.xy[block, :] += _double(columns.T @ weighted)
            self.xx[:F, block] += _double(left @ columns)
        # The rest follows from the first block row. In a trial with responses at t = 0 ... T - 1,
        #   X'X[a + 1, b + 1] = sum_t x(t - 1 - l_a) x(t - 1 - l_b)' = X'X[a, b] + e_a e_b' - o_a o_b',
        # the same sum moved by one row: it gains e, the lagged row at t = -1 (``before_first``), and loses o, the
        # lagged row at t = T - 1 (``last``). It is an identity, for any values outside the trial, so nothing is
        # approximated.
        for edge, times in zip(edges, (per_trial[:, :1], -per_trial[:, :1]), strict=False):
            self.edges.append((edge, times))
            self.edge_rows += len(lengths)
        if self.edge_rows >= EDGE_ROWS:
            self._add_edges()
        if len(self.means) >= EDGE_ROWS:
            self.separate, self.means = self._half(), []
            self._add_moves()

    def moments(self) -> tuple[Gram, list[tuple[float, Array, Array, Array, Array, Array]]]:
        """Return the Gram, and each group's sums in the order of ``Cross``."""
        if self.edges:
            self._add_edges()
        if self.moves:
            self._add_moves()
        half = self._half()
        xp, F, L = namespace(self.xx), self.n_features, len(self.lags)
        blocks = [slice(a * F, (a + 1) * F) for a in range(L)]
        xx = xp.asarray(self.xx, copy=True)
        # ``self.xx`` holds X'X[0, b] in its first block row and the edges' gains and losses in all blocks below it.
        # Adding each block row to the next, moved by one block along the diagonal, runs the identity from lag to lag; a
        # <= b suffices.
        for a in range(L - 1):  # from lags (a, b) to (a + 1, b + 1), for all b at once
            xx[blocks[a + 1], (a + 1) * F :] += xx[blocks[a], a * F : (L - 1) * F]
        for a in range(L):
            # What the lag structure does not carry comes on top, as half + half', the upper part of which is all that
            # is needed.
            above = xx[blocks[a], a * F :]
            if half is not None:
                above += half[blocks[a], a * F :] + half[a * F :, blocks[a]].T
            above[:, :F] = (above[:, :F] + above[:, :F].T) / 2
            xx[(a + 1) * F :, blocks[a]] = above[:, F:].T
        means = [self._mean(g) for g in range(len(self.n))]
        alive = xp.isnan(self.constant)
        if self.constants:
            xx = xp.where(alive[0, :, None] & alive[0, None, :], xx, xp.zeros_like(xx))
        gram = Gram(self.n[0], means[0], xx, self.constant[0, :])

        groups, start = [], 0
        for g, size in enumerate(self.groups, start=1):
            units, n = slice(start, start + size), self.n[g] or 1.0
            y = self.y[units]
            # sum_t (x - m_x)(y - m_y)' = sum_t x y' - (sum_t x)(sum_t y)' / n, with x about ``reference`` and y about
            # ``y_centre``: both are near the means, so what is subtracted is small beside the sum and takes no digits
            # from it.
            xy = self.xy[:, units] - self.x[g, :][:, None] * (y / n)[None, :]
            xy = xp.where(alive[g, :, None], xy, xp.zeros_like(xy)) if self.constants else xy
            y_mean = _double(self.y_centre[units]) + y / n
            yy = self.yy[units] - y * y / n
            epsilon = float(xp.finfo(self.y_centre.dtype).eps)
            yy = xp.where(varies(yy, y_mean, n, epsilon), yy, xp.zeros_like(yy))
            groups.append((self.n[g], y_mean, yy, means[g], xy, self.constant[g, :]))
            start += size
        return gram, groups

    def _start(self, rows: LaggedRows, y: Array) -> None:
        """Make the sums, all zero."""
        xp, device = namespace(y), device_of(y)
        owner = [g for g, size in enumerate(self.groups, start=1) for _ in range(size)]
        self.owner = xp.asarray(owner, dtype=xp.int64, device=device)
        self.y_centre = xp.zeros_like(y[0, :])
        self.n_features = rows.mean.shape[0]
        d, units = self.n_features * len(self.lags), y.shape[1]

        def zeros(*shape: int) -> Array:
            return xp.zeros(shape, dtype=xp.float64, device=device)

        self.n, self.x, self.y = [0.0] * (1 + len(self.groups)), zeros(1 + len(self.groups), d), zeros(units)
        self.xx, self.xy, self.yy = zeros(d, d), zeros(d, units), zeros(units)
        self.reference, self.constant = zeros(d), xp.full_like(self.x, xp.nan)
        self.started = True

    def _centre_units(self, y: Array, by_row: Array | None) -> None:
        """Choose the provisional means of units to which nothing was presented before this block."""
        xp = namespace(y)
        if by_row is None:
            centre = xp.mean(y, axis=0)
        else:  # over what was presented, so that a unit that never varies is centred to exactly zero
            count = xp.take(xp.sum(by_row, axis=0), self.owner)
            total = xp.sum(y * xp.take(by_row, self.owner, axis=1), axis=0)
            centre = total / xp.where(count > 0, count, xp.ones_like(count))
        new = xp.take(xp.asarray([n == 0 for n in self.n], device=device_of(y)), self.owner)
        self.y_centre = xp.where(new, centre, self.y_centre)

    def _ends(self, rows: LaggedRows) -> list[Array]:
        """Rows at the first lag, and where there is a next one, what enters and what leaves on the way to it."""
        first, later = rows.at(self.lags[0]), self.lags[:-1]
        return [first, rows.before_first(later), rows.last(later)] if later else [first]

    def _at_all_lags(
        self, first: Array, edges: list[Array], by_row: Array | None, per_trial: Array, n: list[float]
    ) -> tuple[Array, Array]:
        """Sum up columns over a block, at the first lag over its rows and from there on over what enters and leaves.

        Returns
        -------
        sums, clear
            Sums of the columns, shape (1 + groups, d), and which columns surely vary enough for the lag structure to
            leave them their digits, (1 + groups, L, F).
        """
        xp, L = namespace(per_trial), len(self.lags)
        shape = (per_trial.shape[1], L - 1, self.n_features)
        if by_row is None:
            at_first = [xp.broadcast_to(_double(xp.sum(a, axis=0)), shape[::2])[:, None, :] for a in (first, first**2)]
        else:
            at_first = [_double(by_row.T @ a)[:, None, :] for a in (first, first**2)]
        (sums, power), carried = at_first, at_first[1]
        if edges:
            times, (enter, leave) = per_trial.T, edges
            # The same identity for sums over one column: s(l + 1) = s(l) + e(l) - o(l), p(l + 1) = p(l) + e(l)^2 -
            # o(l)^2, with e and o of shape (trials, L - 1, F), so that a cumulative sum over lags gives s and p at
            # every lag, (1 + G, L, F).
            steps, grown, lost = (_double(xp.reshape(times @ a, shape)) for a in (enter - leave, enter**2, leave**2))
            sums = xp.concat([sums, sums + xp.cumulative_sum(steps, axis=1)], axis=1)
            # All squares that ever pass through the sums of a column. Rounding is of their size; what is left at a lag
            # must not be far below it (``CLEAR``), or its digits are gone.
            carried = power + xp.sum(grown + lost, axis=1, keepdims=True)
            power = xp.concat([power, power + xp.cumulative_sum(grown - lost, axis=1)], axis=1)
        count = like(n, self.x)[:, None, None]
        # n var = sum x^2 - (sum x)^2 / n.
        centred_power = power - sums**2 / xp.where(count > 0, count, xp.ones_like(count))
        return xp.reshape(sums, (shape[0], -1)), (centred_power > CLEAR * carried) | (count == 0)

    def _merge(self, n: list[float], centre: Array, sums: Array, constant: Array, y_sums: Array) -> None:
        """Merge the means of a block, whose sums are about ``centre`` (d,), into those of the blocks before it."""
        xp = namespace(sums)
        # The first block's means are the reference o of all x. A block is summed about its centre c = o + ``moved``:
        #   sum (x - o) = sum (x - c) + n moved,   sum (x - o)(y - m)' = sum (x - c)(y - m)' + moved (sum (y - m))',
        # of which ``_add_moves`` adds the second term for many blocks at once.
        if not self.n[0]:
            self.reference = centre + sums[0, :] / n[0]
        moved = centre - self.reference
        self.moves.append((moved, y_sums))
        # About the centre c, X'X of the block is too large by n d d', with d (d,) the distance of its mean from c:
        # taken off here.
        self.means.append((sums[0, :] / n[0], -n[0]))
        if self.n[0]:
            # Chan, Golub & LeVeque (1983): sums about the means of two sets A and B, whose means are d apart, make the
            # sum about their common mean when n_A n_B / (n_A + n_B) d d' is added. No large numbers are subtracted.
            apart = moved + sums[0, :] / n[0] - self.x[0, :] / self.n[0]
            self.means.append((apart, n[0] * self.n[0] / (n[0] + self.n[0])))
        presented, new = (
            xp.asarray(mask, device=device_of(sums))[:, None] for mask in ([m > 0 for m in n], [not m for m in self.n])
        )
        constant = xp.where(new, constant, in_both(self.constant, constant))
        self.constant = xp.where(presented, constant, self.constant)
        self.n = [a + b for a, b in zip(self.n, n, strict=True)]
        self.x += sums + like(n, sums)[:, None] * moved[None, :]

    def _mean(self, g: int) -> Array:
        """Mean of each lagged column, exactly its value where it is constant, shape (d,)."""
        xp = namespace(self.x)
        mean = self.reference + self.x[g, :] / (self.n[g] or 1.0)
        return xp.where(xp.isnan(self.constant[g, :]), mean, self.constant[g, :])

    def _add_edges(self) -> None:
        """Add what enters and take off what leaves at the trials' edges, from one lag to the next."""
        xp, F = namespace(self.xx), self.n_features
        edges, times = (xp.concat(part) for part in zip(*self.edges, strict=True))
        # Edges are lagged rows at L - 1 lags, (trials, (L - 1) F): E' diag(w) E adds e_a e_b' - o_a o_b' for all a, b
        # at once, at the place of (a + 1, b + 1).
        self.xx[F:, F:] += _double((edges * times).T @ edges)
        self.edges, self.edge_rows = [], 0

    def _half(self) -> Array | None:
        """Half of what X'X gains beside the lag structure, what the blocks' own means make included, shape (d, d)."""
        if not self.means:
            return self.separate
        xp = namespace(self.xx)
        # sum_k t_k m_k m_k' over many blocks k as one product M' diag(t) M; halved, as its transpose is added in
        # ``moments``.
        means, times = xp.stack([m for m, _ in self.means]), like([t / 2 for _, t in self.means], self.xx)
        half = (means * times[:, None]).T @ means
        return half if self.separate is None else self.separate + half

    def _add_moves(self) -> None:
        """Take X'Y of each block, summed about its own centre, about the reference means."""
        xp = namespace(self.xx)
        moves, y_sums = (xp.stack(part) for part in zip(*self.moves, strict=True))
        self.xy += moves.T @ y_sums
        self.moves = []


def _double(array: Array) -> Array:
    xp = namespace(array)
    return xp.astype(array, xp.float64, copy=False)


def _by_row(weights: list[list[float]], lengths: list[int], like: Array) -> Array:
    """Repeat each trial's weights for each of its rows, shape (rows, 1 + groups)."""
    xp = namespace(like)
    per_trial = xp.asarray(weights, dtype=like.dtype, device=device_of(like))
    trial = xp.asarray([i for i, n in enumerate(lengths) for _ in range(n)], dtype=xp.int64, device=device_of(like))
    return xp.take(per_trial, trial, axis=0)
