"""Statistics of groups of units, written from their definitions for one cell at a time."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import scipy.stats


def by_group(values, group):
    """The numbers of each group that has some."""
    known = ~np.isnan(values)
    return [values[known & (group == g)] for g in np.unique(group[known])]


def icc_about_zero(groups):
    """What stays if signs of groups change."""
    free = sum(len(g) - 1 for g in groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / free if free else 0.0
    between = max(np.mean([g.mean() ** 2 - within / len(g) for g in groups]), 0)
    return between / (between + within) if between + within > 0 else 1.0


def anova_icc(groups):
    """By a one-way analysis of variance."""
    every = np.concatenate(groups)
    n, sizes = every.size, np.array([len(g) for g in groups])
    between = sum(len(g) * (g.mean() - every.mean()) ** 2 for g in groups) / (len(groups) - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (n - len(groups))
    n0 = (n - (sizes**2).sum() / n) / (len(groups) - 1)
    return float(np.clip((between - within) / (between + (n0 - 1) * within), 0, 1))


def weights(sizes, icc):
    """Independent units that each group is worth."""
    return np.array([n / (1 + (n - 1) * icc) for n in sizes])


def sign_flip(groups, alternative, icc=None):
    """p and the statistic, by writing out every pattern of signs."""
    w = weights([len(g) for g in groups], icc_about_zero(groups) if icc is None else icc)
    weighted = w * [g.mean() for g in groups]
    observed = weighted.sum()
    null = np.array([np.dot(signs, weighted) for signs in product([1, -1], repeat=len(groups))])
    return share(null, observed, alternative), observed


def share(null, observed, alternative):
    """Part of the null distribution that is as extreme, equal within rounding counted."""
    side = {"greater": lambda t: t, "less": lambda t: -t, "two-sided": np.abs}[alternative]
    return float(np.mean(side(null) >= side(observed) - 1e-10))


def welch(means, w, in_a):
    """Difference b minus a of weighted means over its standard error."""
    found = []
    for side in (in_a, ~in_a):
        g = w[side] / w[side].sum()
        mean = (g * means[side]).sum()
        found.append((mean, (g**2 * (means[side] - mean) ** 2).sum() * side.sum() / (side.sum() - 1)))
    return (found[1][0] - found[0][0]) / np.sqrt(found[0][1] + found[1][1])


def relabelled(means, w, in_a, alternative):
    """p and the statistic, by writing out every way to deal labels."""
    n = len(means)
    null = []
    for chosen in combinations(range(n), in_a.sum()):
        null.append(welch(means, w, np.isin(np.arange(n), chosen)))
    observed = welch(means, w, in_a)
    return share(np.array(null), observed, alternative), observed


def form_of(w):
    """Matrix of the variance's quadratic form, if groups vary by 1 / w."""
    g = w / w.sum()
    b = np.diag(g / (1 - g)) @ (np.eye(len(w)) - np.outer(np.ones(len(w)), g))
    return b @ np.diag(1 / w) @ b.T


def left_out_one(m, w):
    """Weighted mean, its variance by leaving out one group at a time, and Satterthwaite's degrees of freedom."""
    g = w / w.sum()
    mean = (g * m).sum()
    variance = 0.0
    for s in range(len(m)):
        rest = np.arange(len(m)) != s
        without = (w[rest] * m[rest]).sum() / w[rest].sum()
        variance += (mean - without) ** 2
    form = form_of(w)
    return mean, variance, np.trace(form) ** 2 / np.trace(form @ form)


def interval(m, w):
    """95 % interval of a weighted mean."""
    mean, variance, free = left_out_one(m, w)
    half = scipy.stats.t.ppf(0.975, free) * np.sqrt(variance)
    return mean - half, mean + half


def difference_interval(m, w, in_a):
    """95 % interval of the weighted mean of b minus that of a."""
    means, variances, forms = [], [], []
    for side in (in_a, ~in_a):
        mean, variance, _ = left_out_one(m[side], w[side])
        means.append(mean)
        variances.append(variance)
        forms.append(form_of(w[side]))
    free = sum(map(np.trace, forms)) ** 2 / sum(np.trace(f @ f) for f in forms)
    half = scipy.stats.t.ppf(0.975, free) * np.sqrt(sum(variances))
    return means[1] - means[0] - half, means[1] - means[0] + half


def woodruff(values, group):
    """95 % interval of the median over units."""
    groups = by_group(values, group)
    known = values[~np.isnan(values)]
    median = np.median(known)
    part = np.array([np.mean((g < median) + 0.5 * (g == median)) for g in groups])
    _, variance, free = left_out_one(part, np.array([float(len(g)) for g in groups]))
    half = scipy.stats.t.ppf(0.975, free) * np.sqrt(variance)
    if half > 0.5:
        return -np.inf, np.inf
    return tuple(np.quantile(known, [0.5 - half, 0.5 + half]))
