"""From the tensor of a layer to one row of features per frame: axes, patch grids, and parts of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distributed_trf.errors import FeatureError
from distributed_trf.features.hooks import Tap
from distributed_trf.features.table import Grid, Layer

if TYPE_CHECKING:
    import torch


def tap(layer: Layer) -> Tap:
    """Return where in a forward pass a layer is recorded."""
    time_axis = -1 if layer.time_last else 0 if layer.packed else 1 if layer.time_axis is None else layer.time_axis
    return Tap(layer.name, layer.input, layer.call, layer.output, time_axis)


def as_frames(layer: Layer, output: torch.Tensor, n_sounds: int, network: str) -> torch.Tensor:
    """Lay out what was recorded of a batch as (sound, frame, feature).

    Parameters
    ----------
    layer
        Says how the axes of the tensor are ordered, and which features are taken.
    output
        As the module gave it.
    n_sounds
        Number of sounds of the batch.
    network
        Its name, for errors.

    Raises
    ------
    FeatureError
        If it has no such axes, or its tokens do not fill the grid of the table.
    """
    shape = tuple(output.shape)
    if layer.packed:
        fits = len(shape) == 2 and shape[0] % n_sounds == 0
        output = output.reshape(n_sounds, -1, shape[-1]) if fits else output
    elif layer.time_axis is not None:
        fits = layer.time_axis < len(shape) > 2 and shape[1 if layer.time_axis == 0 else 0] == n_sounds
        output = _time_second(output, layer.time_axis) if fits else output
    elif layer.time_last:
        fits = len(shape) > 2 and shape[0] == n_sounds
        output = _time_second(output, len(shape) - 1) if fits and layer.grid is None else output
    else:
        fits = len(shape) == 3 and shape[0] == n_sounds
    if fits and layer.grid is not None and layer.time_last:
        output = output.flatten(2).transpose(1, 2)
    if fits and layer.columns is not None:  # of each token, before those of several bands are put side by side
        fits = layer.columns[1] <= output.shape[2]
        output = output[..., slice(*layer.columns)]
    if fits and layer.grid is not None:
        fits, output = _from_grid(layer.grid, output)
    if not fits or output.shape[2] != layer.width:
        raise FeatureError(
            f"{network} layer {layer.id} ({layer.name}) gives shape {shape} for "
            f"{'one sound' if n_sounds == 1 else f'{n_sounds} sounds'}; "
            f"expected {_expected(layer, n_sounds)}. Correct `width` in the table, or where the axis of time is: "
            "`time_last: true`, `time_axis` or `packed`"
        )
    return output


def _time_second(output: torch.Tensor, axis: int) -> torch.Tensor:
    """Move sounds to the front and time behind them; flatten all other axes in their order."""
    if axis == 0:
        return output.transpose(0, 1).flatten(2)
    return output.movedim(axis, 1).flatten(2)


def _from_grid(grid: Grid, tokens: torch.Tensor) -> tuple[bool, torch.Tensor]:
    """Return whether tokens (sound, token, feature) fill a grid, and (sound, time, feature) of them."""
    tokens = tokens[:, grid.special :]
    n_sounds, n_tokens, width = tokens.shape
    rows = grid.bands * grid.folds
    if n_tokens == 0 or n_tokens % rows:
        return False, tokens
    columns = n_tokens // rows
    if grid.bands_first:
        laid = tokens.reshape(n_sounds, grid.folds, grid.bands, columns, width).transpose(2, 3)
    else:
        laid = tokens.reshape(n_sounds, columns, grid.folds, grid.bands, width).transpose(1, 2)
    laid = laid.reshape(n_sounds, grid.folds * columns, grid.bands, width)  # in the order of time
    return True, laid.mean(2) if grid.keep == "mean" else laid.flatten(2)


def _expected(layer: Layer, n_sounds: int) -> str:
    if layer.grid is not None:
        grid = layer.grid
        kept = f"{layer.width}" if grid.keep == "mean" else f"{layer.width // grid.bands}"
        return f"({n_sounds}, {grid.special} + {grid.bands * grid.folds} times the frames, {kept})"
    width = f"{layer.columns[1]} or more" if layer.columns is not None else f"{layer.width}"
    if layer.packed:
        return f"(frames of all, {width})"
    if layer.time_last:
        return f"({n_sounds}, {width} in all, frames)"
    if layer.time_axis is not None:
        return f"time on axis {layer.time_axis} and {width} features in all"
    return f"({n_sounds}, frames, {width})"
