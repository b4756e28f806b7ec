"""Scoring penalties in single precision first, and in double precision those that could win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from array_api_compat import device as device_of

from distributed_trf.arrays import Array, blocks, namespace, scatter
from distributed_trf.trf.symmetric import inner
from distributed_trf.trf.validation import SharedForms, Validation, held_out_forms, linear_parts

SINGLE = 2.0**-24
"""Unit roundoff of float32."""


def screened_gains(v: Validation, values: Array, alphas: Sequence[float], unit_block: int) -> tuple[Array, Array]:
    """Score every penalty with quadratic forms in single precision, and bound the error.

    Parameters
    ----------
    v
        A fold whose solver is diagonal, with eigenvalues ``values``.
    values, alphas, unit_block
        Shape (k,); penalties; units at once.

    Returns
    -------
    gain, error : arrays of shape (A, U)
        The error of a form over k coordinates is taken as ``8 sqrt(2 k) u |w|'|H||w|``, the probabilistic bound of
        Higham & Mary (2019, SIAM J Sci Comput 41) with a chance below 1e-13 per form to be exceeded, and
        ``|w|'|H||w| <= rho sum H_ii w_i^2`` with rho the largest row sum of ``|H|`` scaled to a unit diagonal.
    """
    xp = namespace(v.target)
    # H over its largest element and w times the root of it: single precision has no room for features of extreme size.
    size = float(xp.max(xp.linalg.diagonal(v.quadratic))) or 1.0
    quadratic, projected = v.quadratic / size, v.projected / size**0.5
    inverse = xp.stack([size / (values + v.n * alpha) for alpha in alphas])
    diagonal = xp.linalg.diagonal(quadratic)
    root = xp.sqrt(xp.where(diagonal > 0, diagonal, xp.ones_like(diagonal)))
    rho = float(xp.max(xp.sum(xp.abs(quadratic) / root[None, :], axis=1) / root))
    unit_error = 8 * (2 * quadratic.shape[0]) ** 0.5 * SINGLE * rho
    bound = unit_error * xp.concat(
        [inverse**2 @ (diagonal[:, None] * projected[:, b] ** 2) for b in blocks(v.base.shape[0], unit_block)], axis=1
    )
    quadratic, projected, inverse = (xp.astype(a, xp.float32) for a in (quadratic, projected, inverse))
    removed = None if v.removed is None else xp.astype(v.removed / size**0.5, xp.float32)
    narrow = replace(v, removed=removed)
    shared, linear = SharedForms(v), linear_parts(v, values, alphas, unit_block)
    gain = []
    for a, alpha in enumerate(alphas):
        shift, forms = v.n * alpha, []
        apply = v.solver.at(shift)
        for block in blocks(v.base.shape[0], unit_block):
            if shared.holds(shift):
                forms.append(shared.form(apply(v.projected[:, block]), shift, block))
            else:
                forms.append(held_out_forms(narrow, quadratic, projected[:, block] * inverse[a, :][:, None]))
        gain.append(linear[a, :] - xp.concat(forms))
    negligible = xp.asarray([shared.holds(v.n * alpha) for alpha in alphas], device=device_of(bound))
    return xp.stack(gain), xp.where(negligible[:, None], xp.zeros_like(bound), bound)


def gains_where(v: Validation, alphas: Sequence[float], wanted: Array, unit_block: int) -> Array:
    """Score only some penalties of some units: ``wanted`` (A, U); zero elsewhere."""
    xp = namespace(v.target)
    rows = []
    for a, alpha in enumerate(alphas):
        units = xp.nonzero(wanted[a, :])[0]
        if units.shape[0] == 0:
            rows.append(xp.zeros_like(v.base))
            continue
        apply, parts = v.solver.at(v.n * alpha), []
        for block in blocks(units.shape[0], unit_block):
            w = apply(xp.take(v.projected, units[block], axis=1))
            parts.append(2 * inner(w, xp.take(v.target, units[block], axis=1)) - held_out_forms(v, v.quadratic, w))
        rows.append(scatter(xp.concat(parts), wanted[a, :]))
    return xp.stack(rows)
