"""The slow, obvious fit: an explicit lagged matrix and one ``numpy.linalg.solve`` per penalty and fold."""

from __future__ import annotations

import numpy as np


def lag_matrix(x: np.ndarray, lags, lead_in: int, outside=0.0) -> np.ndarray:
    """Rows (T, L * F) of one trial, (F,) values or zeros outside it; column ``lag_index * F + feature``."""
    n_bins, n_features = x.shape[0] - lead_in, x.shape[1]
    rows = np.zeros((n_bins, len(lags), n_features)) + outside
    rows = rows.reshape(n_bins, -1)
    for t in range(n_bins):
        for k, lag in enumerate(lags):
            source = lead_in + t - lag
            if 0 <= source < x.shape[0]:
                rows[t, k * n_features : (k + 1) * n_features] = x[source]
    return rows


def lag_rows(X, lags, lead_in: int, outside=0.0) -> np.ndarray:
    """Rows of several trials, one after another."""
    return np.concatenate([lag_matrix(x, lags, lead_in, outside) for x in X])


def explicit_moments(rows: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Means and centred sums of explicit rows, in extended precision, rounded once at the end."""
    rows, y = rows.astype(np.longdouble), y.astype(np.longdouble)
    x_mean, y_mean = rows.mean(axis=0), y.mean(axis=0)
    z, centred = rows - x_mean, y - y_mean
    sums = {"x_mean": x_mean, "y_mean": y_mean, "xx": z.T @ z, "xy": z.T @ centred, "yy": (centred**2).sum(axis=0)}
    return {name: value.astype(np.float64) for name, value in sums.items()}


def solve_ridge(rows: np.ndarray, y: np.ndarray, alpha: float, *, standardize: bool, scale_rows=None):
    """Return a function from rows to predictions, and the intercept to add to them.

    ``scale_rows`` are the rows that centre and scale the columns, by default those fitted.
    """
    scale_rows = rows if scale_rows is None else scale_rows
    mean = scale_rows.mean(axis=0)
    scale = scale_rows.std(axis=0) + 1e-6 if standardize else np.ones(rows.shape[1])
    z = (rows - mean) / scale
    gram = z.T @ z + rows.shape[0] * alpha * np.eye(z.shape[1])
    weights = np.linalg.solve(gram, z.T @ (y - y.mean(axis=0)))
    return (lambda new: ((new - mean) / scale) @ weights), y.mean(axis=0)


def r_squared(y: np.ndarray, moved: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """R^2 per unit; 0 where the unit never varies.

    In extended precision: between penalties of 1e14 and 1e15 the R^2 of a unit of pure noise differs by 1e-16, and in
    double precision rounding would decide which is the better one.
    """
    y, moved, intercept = (a.astype(np.longdouble) for a in (y, moved, intercept))
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    residual = ((y - (moved + intercept)) ** 2).sum(axis=0)
    return np.where(spread > 0, 1 - residual / np.where(spread > 0, spread, 1), 0)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r of two vectors, NaN where one never varies."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def fit_and_score(X, Y, X_test, Y_test, *, lags, lead_in, alphas, folds, standardize, unheard=None):
    """Cross-validate, refit each unit at its own penalty and test it.

    R^2 is the mean over folds, but pooled over them for units that vary within fewer than two, or where one is a single
    bin.

    ``unheard`` holds for each fold the trials that were not heard but take part in centring and scaling the columns of
    the training sets that the fold belongs to.

    Returns
    -------
    alpha (U,), cv_scores (A, U), r (U,), predictions (sum of T_i, U)
        ``Y_test`` holds arrays of shape (R, T_i, U); r is the mean over repeats.
    """
    rows = [lag_matrix(x, lags, lead_in) for x in X]
    extra = [[lag_matrix(x, lags, lead_in) for x in fold] for fold in unheard or [[] for _ in folds]]
    n_units = Y[0].shape[1]
    scores, errors = (np.zeros((len(alphas), n_units), dtype=np.longdouble) for _ in range(2))
    around, varying = np.zeros(n_units), np.zeros(n_units, dtype=int)
    for k, fold in enumerate(folds):
        train = [i for i in range(len(X)) if i not in set(fold)]
        scale_rows = np.concatenate([rows[i] for i in train] + sum(extra[:k] + extra[k + 1 :], []))
        train_rows, train_y = np.concatenate([rows[i] for i in train]), np.concatenate([Y[i] for i in train])
        held_rows, held_y = np.concatenate([rows[i] for i in fold]), np.concatenate([Y[i] for i in fold])
        for a, alpha in enumerate(alphas):
            predict, intercept = solve_ridge(train_rows, train_y, alpha, standardize=standardize, scale_rows=scale_rows)
            scores[a] += r_squared(held_y, predict(held_rows), intercept) / len(folds)
            errors[a] += ((held_y - predict(held_rows) - intercept).astype(np.longdouble) ** 2).sum(axis=0)
        around += ((held_y - train_y.mean(axis=0)) ** 2).sum(axis=0)
        varying += np.ptp(held_y, axis=0) > 0
    pooled = (varying < 2) | any(sum(len(Y[i]) for i in fold) == 1 for fold in folds)
    scores = np.where(pooled & (around > 0), 1 - errors / np.where(around > 0, around, 1), scores)
    best = scores.argmax(axis=0)
    all_rows, all_y = np.concatenate(rows), np.concatenate(Y)
    scale_rows = np.concatenate(rows + sum(extra, []))
    test_rows = np.concatenate([lag_matrix(x, lags, lead_in) for x in X_test])
    moved = np.zeros((test_rows.shape[0], n_units))  # predictions without the intercept, on which r does not depend:
    for a in np.unique(best):  # beside it the digits of weights shrunk by a penalty of 1e15 would be lost
        units = best == a
        predict, _ = solve_ridge(all_rows, all_y[:, units], alphas[a], standardize=standardize, scale_rows=scale_rows)
        moved[:, units] = predict(test_rows)
    recorded = np.concatenate(Y_test, axis=1)
    r = [np.mean([correlation(repeat[:, u], moved[:, u]) for repeat in recorded]) for u in range(n_units)]
    return np.asarray(alphas)[best], scores.astype(float), np.array(r), moved + all_y.mean(axis=0)


def extended_ridge(rows: np.ndarray, y: np.ndarray, alpha: float, *, standardize: bool):
    """Solve in extended precision, by a QR decomposition of the rows over ``sqrt(m alpha) I``: nothing is squared.

    Returns
    -------
    predict, condition
        A function from rows to predictions without the intercept ``y.mean(axis=0)``, and the condition number of the
        normal equations, ``(s_max^2 + m alpha) / (s_min^2 + m alpha)``.
    """
    rows, y = rows.astype(np.longdouble), y.astype(np.longdouble)
    mean, (m, d) = rows.mean(axis=0), rows.shape
    moved = rows - mean
    scale = np.sqrt((moved**2).mean(axis=0)) + np.longdouble(1e-6) if standardize else np.ones(d, np.longdouble)
    z = moved / scale
    shift = m * np.longdouble(alpha)
    system = np.concatenate([z, np.sqrt(shift) * np.eye(d, dtype=np.longdouble)])
    right = np.concatenate([y - y.mean(axis=0), np.zeros((d, y.shape[1]), np.longdouble)])
    for j in range(d):  # Householder
        v = system[j:, j].copy()
        v[0] += np.copysign(np.sqrt((v**2).sum()), v[0])
        v /= np.sqrt((v**2).sum())
        system[j:, j:] -= 2 * v[:, None] * (v @ system[j:, j:])
        right[j:] -= 2 * v[:, None] * (v @ right[j:])
    weights = np.zeros((d, y.shape[1]), np.longdouble)
    for j in reversed(range(d)):
        weights[j] = (right[j] - system[j, j + 1 : d] @ weights[j + 1 :]) / system[j, j]
    values = np.linalg.svd(z.astype(np.float64), compute_uv=False) ** 2
    smallest = values[-1] if m >= d else 0.0
    condition = (values[0] + float(shift)) / (smallest + float(shift))
    return (lambda new: ((new.astype(np.longdouble) - mean) / scale) @ weights), condition
