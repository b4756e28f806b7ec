"""Parameters of a ``TRF`` and trials, checked against one another and ready to be summed up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

import numpy as np

from distributed_trf.arrays import Array
from distributed_trf.errors import ConfigError
from distributed_trf.trf.banded import BandedFit, band_candidates, check_bands, fit_banded, lagged_bands
from distributed_trf.trf.crossval import Folds
from distributed_trf.trf.lags import lag_samples
from distributed_trf.trf.parameters import Parameters, check_alphas, whole
from distributed_trf.trf.solver_choice import Precision, SolverName
from distributed_trf.trf.trials import as_features, as_responses, check_lags, check_range

Padding = Literal["zero", "mean"]


@dataclass(eq=False, repr=False)
class TRFParameters(Parameters):
    """What ``TRF`` is made with, and described there."""

    tmin: float = 0.0
    tmax: float = 0.2
    sfreq: float = 20.0
    alphas: Sequence[float] | np.ndarray = field(default_factory=lambda: np.logspace(-5, 15, 21))
    n_folds: int = 3
    lead_in: int = 0
    standardize: bool = True
    seed: int = 0
    solver: SolverName = "auto"
    precision: Precision = "float64"
    all_scores: bool = True
    bands: Sequence[int] | None = None
    candidates: int = 100
    padding: Padding = "zero"

    def __repr__(self) -> str:
        """Write what differs from the defaults, as scikit-learn does; of many penalties their number and range."""
        plain = type(self)().get_params()
        changed = {name: value for name, value in self.get_params().items() if not _same(value, plain[name])}
        return f"{type(self).__name__}({', '.join(f'{name}={_short(value)}' for name, value in changed.items())})"


@dataclass(frozen=True)
class Prepared:
    """Checked parameters and trials."""

    lags: tuple[int, ...]
    """In samples."""
    lead_in: int
    alphas: list[float]
    bands: np.ndarray | None
    """Band of each lagged column, shape (d,)."""
    candidates: np.ndarray | None
    """Weights of the bands to try, shape (N, B)."""
    X: list[Array]
    """Of shape (lead_in + T_i, F)."""
    Y: list[Array]
    """Of shape (T_i, U), or all (R, T_i, U)."""
    unreached: list[int]
    """Lags at which no response sees a row of features."""

    @classmethod
    def of(cls, parameters: TRFParameters, X: Sequence[Any], Y: Sequence[Any], *, repeats: bool = False) -> Self:
        """Check parameters and trials; ``repeats`` takes responses of shape (R, T_i, U) as well.

        Raises
        ------
        DataError
            If trials do not fit together, or hold anything but finite real numbers.
        ConfigError
            If a parameter cannot be used, or no lag reaches sound in any trial.
        """
        lead_in = whole("lead_in", parameters.lead_in, 0)
        if parameters.padding not in get_args(Padding):
            raise ConfigError(f"padding={parameters.padding!r} must be one of {', '.join(get_args(Padding))}")
        alphas = check_alphas(parameters.alphas)
        lags = lag_samples(parameters.tmin, parameters.tmax, parameters.sfreq)
        X = as_features(X, lead_in=lead_in)
        bands = candidates = None
        if parameters.bands is not None:
            widths = check_bands(parameters.bands)
            if sum(widths) != X[0].shape[1]:
                raise ConfigError(
                    f"bands={widths} have {sum(widths)} features together, but X has {X[0].shape[1]}; give the "
                    "number of features of each band, in the order of the columns of X"
                )
            bands = lagged_bands(widths, len(lags))
            candidates = band_candidates(len(widths), parameters.candidates, parameters.seed)
        Y = as_responses(X, Y, lead_in=lead_in, repeats=repeats)
        unreached = check_lags(lags, X, lead_in, parameters.sfreq)
        if parameters.precision in get_args(Precision):  # any other is refused later
            check_range(X, len(lags), parameters.precision)
        return cls(lags, lead_in, alphas, bands, candidates, X, Y, unreached)

    def fit_banded(self, folds: Folds) -> BandedFit:
        """Fit bands with a penalty each."""
        assert self.bands is not None  # for the type checker: callers look
        assert self.candidates is not None
        return fit_banded(folds, self.alphas, self.bands, self.candidates)


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(
        np.all(np.shape(value) == np.shape(default)) and np.all(value == default)
    )


def _short(value: Any) -> str:
    if np.ndim(value) == 0 or len(value) <= 4:
        return repr(value)
    return f"{len(value)} from {value[0]:g} to {value[-1]:g}"
