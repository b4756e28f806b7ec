"""Results with known effects, to try an analysis on, or to see what a study of some size could find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from distributed_trf import names
from distributed_trf.config.extraction import FIXED
from distributed_trf.errors import DataError
from distributed_trf.features.table import load_table
from distributed_trf.recordings.simulation.ucsf_layout import sites
from distributed_trf.results.layers import SPECTROGRAM
from distributed_trf.results.open_results import portable, with_rho
from distributed_trf.store.result_grid import Grid

NETWORKS = ("wav2letter", "wav2vec2", "speech2text", "whisper_tiny", "whisper_base", "deepspeech2")
"""Those of Ahmed et al. (2025), Fig 3."""
RHO, OF_UNITS, OF_FITS = 0.5, 0.1, 0.045
"""Mean of the true rho, its standard deviation over units, and that of each fit around its unit's."""
TEST_ERRORS, CV_ERRORS = (0.06, 0.04), (0.02, 0.01)
"""Standard deviations of errors of rho as tested and as cross-validated: of what all fits of a unit share, and of each.

As of units with a normaliser of 0.05 to 0.15, tested on 335 bins of 50 ms that were repeated eleven times (ten
sentences), and cross-validated on 17 000 bins of single trials (489 sentences)."""
WIDTH = 1.5
"""Layers around a unit's preferred one, of which rho is higher: standard deviation of a bell."""
NULL_STD = 0.06
LOG_NORMALISER = (-5.6, 2.85)
"""Mean and standard deviation of the logarithm of normalisers: as of the published units, 44 % are above a tenth of the
null's standard deviation, 24 % above half, 18 % above one and 10 % above 2.5."""
HIGHEST_NORMALISER, OF_UNIT = 0.9, 0.95
"""Its limit, and the correlation of its logarithm between stimulus sets."""


def simulate_results(
    networks: Sequence[str] = NETWORKS,
    *,
    spectrograms: Sequence[str] = ("cochleagram",),
    weights: Sequence[str] = ("trained", "reset"),
    stimuli: Sequence[str] = ("timit", "mvocs"),
    sessions: int = 41,
    channels: int | None = None,
    better: Mapping[str, Sequence[int]] | None = None,
    gain: float = 0.08,
    depth: tuple[float, float] | None = None,
    preference: float = 0.1,
    within_session: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """Draw results as ``open_results`` would give them, with effects that are known.

    Parameters
    ----------
    networks, spectrograms
        Names of tables in ``configs/networks``.
    weights
        Of the networks.
    stimuli
        Stimulus sets.
    sessions
        The published ones, then invented ones, half of them in the core.
    channels
        Units of each session; by default as many as published.
    better
        Layers of each network in which trained weights raise the rho of every unit by ``gain``, at all stimulus sets;
        everywhere else trained weights are no better than others.
    gain
        See ``better``.
    depth
        Where units of core and non-primary sites prefer a layer, on average, from 0 (first) to 1 (last); None for units
        that prefer none.
    preference
        How much higher rho is at the preferred layer of a unit, whatever the weights.
    within_session
        Correlation of units of one session, 0 to 1: of how well they are predicted, of what each fit is better or
        worse by, and of the layers that they prefer. Normalisers are independent.
    seed
        The same seed and arguments give the same numbers.

    Returns
    -------
    xarray.Dataset
        ``r``, ``alpha``, ``cv_score``, ``normaliser``, ``silent_repeats`` (none), ``null_mean``, ``null_std``,
        ``tuned_p`` and ``rho``, in memory. Every unit and fit has a number. As of the published units, about a quarter
        is highly tuned.

    Raises
    ------
    DataError
        If ``within_session`` is not from 0 to 1, there is no session, or what is to be better is not simulated.

    Notes
    -----
    A fit has a true rho; ``rho`` and ``cv_score`` show it with errors of their own, which are independent, so that a
    layer that was chosen by one is not lucky in the other. ``cv_score`` is the squared r of single trials, negative
    where that r is.

    Examples
    --------
    >>> ds = simulate_results(["whisper_tiny"], better={"whisper_tiny": [1, 2]}, sessions=6, channels=8)
    >>> ds.sizes["unit"], ds.network.values.tolist()
    (48, ['whisper_tiny', 'cochleagram'])
    """
    if not 0 <= within_session <= 1:
        raise DataError(f"within_session is {within_session!r}; it is a correlation, from 0 to 1")
    if not isinstance(sessions, int) or sessions < 1:
        raise DataError(f"sessions is {sessions!r}; expected a whole number of 1 or more")
    rng = np.random.default_rng(seed)
    grid = _grid(networks, spectrograms, weights, stimuli, sessions, channels)
    for network, of in (better or {}).items():
        there = [int(layer) for layer in grid.layers.get(network, ())] if network in networks else []
        unknown = [layer for layer in of if layer not in there]
        if unknown or not there:
            raise DataError(
                f"better: {f'layer {unknown[0]} of ' if there else ''}{network!r} is not simulated; expected "
                + (f"layers {there[0]} to {there[-1]}" if there else f"one of {', '.join(networks) or 'no network'}")
            )
    of_units = _Units(rng, np.array(grid.units["session"]), within_session)
    rho = RHO + OF_UNITS * of_units.draw()
    core = np.array(grid.units["area"]) == "core"
    true = np.full((*(len(grid.axes[dim]) for dim in names.GRID), grid.n_units), np.nan)
    for n, network in enumerate(grid.axes[names.NETWORK]):
        layers = [int(layer) for layer in grid.layers[network]]
        indices = [grid.axes[names.LAYER].index(layer) for layer in layers]
        kinds = [FIXED] if network in spectrograms else list(weights)
        bell = np.zeros((len(layers), grid.n_units))
        if depth is not None and network not in spectrograms:
            wanted = np.where(core, *depth) + 0.2 * of_units.draw()
            away = np.arange(len(layers))[:, None] - np.clip(wanted, 0, 1) * (len(layers) - 1)
            bell = preference * np.exp(-(away**2) / (2 * WIDTH**2))
        for kind in kinds:
            w = grid.axes[names.WEIGHTS].index(kind)
            rise = np.isin(layers, list((better or {}).get(network, ()))) * gain * (kind == "trained")
            fits = OF_FITS * of_units.draw(len(stimuli), len(layers))
            true[:, n, w, indices, 0] = rho + bell + rise[:, None] + fits
    tested, validated = (
        true + of_all * of_units.draw(len(stimuli), 1, 1, 1, 1) + of_each * of_units.draw(*true.shape[:-1])
        for of_all, of_each in (TEST_ERRORS, CV_ERRORS)
    )
    return _dataset(grid, tested, validated, rng)


@dataclass(frozen=True)
class _Units:
    """Draws for units that are correlated within sessions."""

    rng: np.random.Generator
    session: np.ndarray
    """Label of each unit, shape (units,)."""
    correlation: float

    def draw(self, *shape: int) -> np.ndarray:
        """Draw normal numbers of mean 0 and standard deviation 1, shape (*shape, units)."""
        labels, index = np.unique(self.session, return_inverse=True)
        own = self.rng.normal(size=(*shape, index.size))
        if not self.correlation:
            return own
        shared = self.rng.normal(size=(*shape, labels.size))[..., index]
        return np.sqrt(self.correlation) * shared + np.sqrt(1 - self.correlation) * own


def _grid(
    networks: Sequence[str],
    spectrograms: Sequence[str],
    weights: Sequence[str],
    stimuli: Sequence[str],
    sessions: int,
    channels: int | None,
) -> Grid:
    tables = {name: load_table(name) for name in (*networks, *spectrograms)}
    layers: dict[str, dict[str, tuple[str, str]]] = {
        name: {str(layer.id): (layer.name, layer.type) for layer in t.layers} for name, t in tables.items()
    }
    layers |= {name: {"0": (name, SPECTROGRAM)} for name in spectrograms}
    units = [
        (site, label)
        for site in sites(sessions)
        for label in sorted(
            (f"Ch{k + 1}" for k in range(site.channels if channels is None else channels)), key="{}_".format
        )
    ]  # in the order of file names, where an underscore follows
    kinds = [*(weights if networks else ()), *([FIXED] if spectrograms else [])]
    return Grid(
        axes={
            names.STIMULI: tuple(stimuli),
            names.NETWORK: tuple(tables),
            names.WEIGHTS: tuple(dict.fromkeys(kinds)),
            names.LAYER: tuple(sorted({int(layer) for of in layers.values() for layer in of})),
            names.BIN_WIDTH: (50.0,),
        },
        units={
            "session": tuple(site.session for site, _ in units),
            "channel": tuple(label for _, label in units),
            "area": tuple(site.area for site, _ in units),
            "subject": tuple(site.subject for site, _ in units),
            "x": tuple(site.x for site, _ in units),
            "y": tuple(site.y for site, _ in units),
        },
        layers=layers,
    )


def _dataset(grid: Grid, tested: np.ndarray, validated: np.ndarray, rng: np.random.Generator) -> xr.Dataset:
    """Turn rho, tested and cross-validated, into what fits give, with what assessments give of each unit."""
    shape = (len(grid.axes[names.STIMULI]), 1, grid.n_units)
    mean, std = LOG_NORMALISER
    of_unit, of_set = rng.normal(0, OF_UNIT * std, grid.n_units), rng.normal(0, (1 - OF_UNIT**2) ** 0.5 * std, shape)
    normaliser = np.minimum(np.exp(mean + of_unit + of_set), HIGHEST_NORMALISER)
    null_mean = rng.normal(0, 0.005, shape)
    measured = {
        "normaliser": normaliser,
        "silent_repeats": np.zeros(shape),
        "null_mean": null_mean,
        "null_std": np.full(shape, NULL_STD),
        "tuned_p": np.where(normaliser > 2 * NULL_STD, 0.001, rng.uniform(0, 1, shape)),
    }
    r, cv_r = (rho * np.sqrt(normaliser)[:, None, None, None] for rho in (tested, validated))
    fitted = {
        "r": r,
        "alpha": np.where(np.isnan(r), np.nan, 10.0 ** rng.integers(0, 4, r.shape)),
        "cv_score": np.abs(cv_r) * cv_r,
    }
    ds = grid.coords().assign_attrs(source="simulate_results")
    for name, values in (*fitted.items(), *measured.items()):
        described = names.RESULTS.get(name) or names.RELIABILITY[name]
        ds[name] = (names.RESULT_DIMS if name in fitted else names.RELIABILITY_DIMS, values, described.attrs)
    return portable(with_rho(ds))
