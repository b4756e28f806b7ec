"""Networks whose tokens are patches of a spectrogram: how the tokens tile frequency and time.

The order in which a network lays its patches out is in its code alone, so each such network is named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

from distributed_trf.features.table import Grid

MEL_HOP = 0.01
"""Seconds between the frames of AST's spectrogram, which is Kaldi's."""


@dataclass(frozen=True)
class Tiling:
    """The tokens of one module."""

    grid: Grid
    columns: int
    """Patches along time, those of all folds."""
    hop: float | None
    """Seconds from patch to patch; None if all patches fill the network's window."""
    patch: float | None = None
    """Seconds of sound in a patch, where patches overlap; one that is not whole in the sound is left out."""


def tiling(model_class: str, config: Any, n_tokens: int, keep: Literal["flatten", "mean"]) -> Tiling | None:
    """Return how the tokens of a module tile frequency and time.

    Parameters
    ----------
    model_class
        Class of transformers.
    config
        Its configuration.
    n_tokens
        Tokens that the module gives for one sound.
    keep
        What becomes of the bands (see ``Grid``).

    Returns
    -------
    Tiling or None
        None if the network has no patches, or this module's output is no whole grid.
    """
    code = _TILINGS.get(model_class)
    return None if code is None else code(config, n_tokens, keep)


def is_tiled(model_class: str) -> bool:
    """Tell whether the tokens of a network are patches."""
    return model_class in _TILINGS


def _ast(config: Any, n_tokens: int, keep: Literal["flatten", "mean"]) -> Tiling | None:
    """Lay out the Audio Spectrogram Transformer (Gong et al. 2021): all times of a band, then the next band; in front
    a class and a distillation token, but for the patch embedding.
    """
    bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    columns = (config.max_length - config.patch_size) // config.time_stride + 1
    special = n_tokens - bands * columns
    if special not in (0, 2):
        return None
    grid = Grid(bands=bands, special=special, keep=keep)
    return Tiling(grid, columns, config.time_stride * MEL_HOP, config.patch_size * MEL_HOP)


def _clap(config: Any, n_tokens: int, keep: Literal["flatten", "mean"]) -> Tiling | None:
    """Lay out HTSAT (Chen et al. 2022), CLAP's: its window is cut into pieces of time that are stacked along frequency
    to a square image, of which each stage halves both sides.
    """
    folds, side = config.spec_size // config.num_mel_bins, isqrt(n_tokens)
    if side * side != n_tokens or side % folds:
        return None
    return Tiling(Grid(bands=side // folds, folds=folds, keep=keep), side * folds, None)


_TILINGS: dict[str, Callable[[Any, int, Literal["flatten", "mean"]], Tiling | None]] = {
    "ASTModel": _ast,
    "ClapAudioModel": _clap,
}
