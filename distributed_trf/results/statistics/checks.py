"""Settings of tests that would give a number without a meaning."""

from __future__ import annotations

from numbers import Integral, Real

from distributed_trf.errors import DataError, shown


def check_draws(draws: object, seed: object) -> None:
    """Make sure that rearrangements can be drawn.

    Raises
    ------
    DataError
        If ``draws`` is no whole number above zero, or ``seed`` none of zero or more.
    """
    for name, value, least in (("draws", draws, 1), ("seed", seed, 0)):
        if not isinstance(value, Integral) or int(value) < least:
            raise DataError(f"{name} is {shown(value)}; expected a whole number of {least} or more")


def check_share(name: str, value: object) -> None:
    """Make sure that a level of tests, or a power, is between 0 and 1.

    Raises
    ------
    DataError
        If it is not.
    """
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise DataError(f"{name} is {shown(value)}; expected a number between 0 and 1")
