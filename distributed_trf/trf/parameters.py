"""An estimator's parameters in scikit-learn's manner, without scikit-learn, and checks of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from distributed_trf.arrays import to_numpy
from distributed_trf.errors import ConfigError


@dataclass(eq=False)
class Parameters:
    """A dataclass whose fields are the parameters; what is fitted are other attributes."""

    def get_params(self, *, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, as scikit-learn's ``clone`` needs them."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters by name.

        Raises
        ------
        ConfigError
            If there is no such parameter.
        """
        parameters = {f.name for f in fields(self)}
        for name, value in params.items():
            if name not in parameters:
                raise ConfigError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(sorted(parameters))}"
                )
            setattr(self, name, value)
        return self


def whole(name: str, value: object, least: int) -> int:
    """Return a whole number, whether Python's, numpy's or a float such as 7.0.

    Raises
    ------
    ConfigError
        If it is none, or below ``least``.
    """
    numbers = _numbers(value)
    if numbers is None or numbers.ndim or not np.isfinite(numbers) or numbers != np.floor(numbers) or numbers < least:
        raise ConfigError(f"{name}={value!r} must be a whole number, {least} or more")
    return int(numbers)


def number(name: str, value: object, unit: str) -> float:
    """Return a finite number.

    Raises
    ------
    ConfigError
        If it is none.
    """
    numbers = _numbers(value)
    if numbers is None or numbers.ndim or not np.isfinite(numbers):
        raise ConfigError(f"{name}={value!r} must be a finite number, in {unit}")
    return float(numbers)


def check_alphas(alphas: Sequence[float] | np.ndarray) -> list[float]:
    """Return the penalties as floats, or raise ConfigError if they are not positive and ascending."""
    numbers = _numbers(alphas)
    values = None if numbers is None else np.atleast_1d(numbers.astype(np.float64))
    if values is None or values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ConfigError(f"alphas={_short(alphas)} must be a list of finite, real numbers")
    if (values <= 0).any() or (np.diff(values) <= 0).any():
        raise ConfigError(f"alphas={values.tolist()} must be a list of positive numbers in ascending order")
    return values.tolist()


def _numbers(value: object) -> np.ndarray | None:
    """Return host integers or floats of any kind as an array; None of any other."""
    if isinstance(value, np.ma.MaskedArray):
        return None
    try:
        numbers = to_numpy(value)
    except (TypeError, ValueError):  # lists of lists of different lengths, for one
        return None
    return numbers if numbers.dtype.kind in "iuf" else None


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:200]}..."
