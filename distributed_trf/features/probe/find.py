"""Finding out the table of a network from a hub id or a folder: files tell the class, a few sounds tell the layers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from distributed_trf.config.extraction import LayerChoice
from distributed_trf.errors import DistributedTRFError, FeatureError
from distributed_trf.features.families.shapes_only import built_of_shapes
from distributed_trf.features.families.user_transformer import UserTransformer
from distributed_trf.features.families.weightless import weightless
from distributed_trf.features.frame_rule import FrameRule, find_rules
from distributed_trf.features.probe.grids import Tiling, is_tiled, tiling
from distributed_trf.features.probe.modules import (
    LONG,
    SHORT,
    FrameCounts,
    FrameModule,
    Passes,
    frame_input,
    frame_modules,
)
from distributed_trf.features.probe.picked import Picked
from distributed_trf.features.probe.receptive_fields import receptive_fields
from distributed_trf.features.probe.stack import pick
from distributed_trf.features.probe.tower import Tower, audio_tower
from distributed_trf.features.table import Layer, NetworkTable
from distributed_trf.features.weights.model_files import ModelFiles, model_files
from distributed_trf.store.fingerprint import digest

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

LONGEST, LONGEST_ON_CPU = 19.3, 5.1
"""Seconds of the longest sound that is passed: on shapes alone, which costs nothing, and with numbers."""

DEFAULT = LayerChoice()


@dataclass(frozen=True)
class FoundNetwork:
    """What was found out about a network."""

    table: NetworkTable
    notes: tuple[str, ...]
    """What was guessed or left out, a sentence each."""
    what: dict[int, str]
    """The place of each layer in the network, by layer id."""


def find_network(source: str, name: str, *, revision: str | None = None, choice: LayerChoice = DEFAULT) -> FoundNetwork:
    """Make the table of a network from its own files; no weights are read.

    Parameters
    ----------
    source
        Folder, or id in the Hugging Face hub.
    name
        Name of the table.
    revision
        Commit of the hub id; looked up if it is not given.
    choice
        Which layers it gets.

    Raises
    ------
    FeatureError
        If the files cannot be had or read, describe no network that hears sound, or the network cannot be run.
    ConfigError
        If the network has no such layers.
    """
    files = model_files(source, revision)
    tower = audio_tower(files.config, files.preprocessor, source)
    draft = _draft(name, files, tower)
    passes, device = _built(draft)
    modules = frame_modules(passes, tower.sfreq, tower.window, of_patches=is_tiled(tower.model))
    input_of = partial(frame_input, passes, sfreq=tower.sfreq) if tower.window is None else lambda _: None
    picked, left_out = pick(passes.model, modules, choice, input_of)
    rules, rates = ({}, {}) if tower.window is not None else _rules(passes, picked, tower.sfreq, device)
    fields = _fields(passes.model, modules) if tower.window is None else {}
    layers: list[Layer] = []
    what: dict[int, str] = {}
    notes = [*tower.notes, *left_out]
    for one in picked:
        made = _layer(len(layers), one, tower, passes.model, rules, rates, fields, choice)
        if made is None:
            notes.append(f"{one.module.name} is left out: its {one.module.frames} tokens are no whole grid")
            continue
        what[made.id] = one.what
        layers.append(made)
    if not layers:
        raise FeatureError(f"{source}: no module that was chosen has frames; choose others with `layers`")
    unruled = [layer.name for layer in layers if layer.hop is None]
    if unruled:
        notes.append(
            f"{len(unruled)} layers, such as {unruled[0]}, have no simple rule for their number of frames; it is "
            "found out for every length of sound, which takes longer"
        )
    table = draft.model_copy(
        update={"layers": layers, "parameters": sum(p.numel() for p in passes.model.parameters()),
                "gflop_per_second": _gflop_per_second(passes, tower), "made_from": origin(files, choice)}
    )  # fmt: skip
    return FoundNetwork(NetworkTable.model_validate(table.model_dump()), tuple(notes), what)


def origin(files: ModelFiles, choice: LayerChoice) -> str:
    """Return a digest of what a table is made from: the files of a network and the choice of its layers."""
    return digest([files.config, files.preprocessor, files.commit, choice.model_dump()])


def _draft(name: str, files: ModelFiles, tower: Tower) -> NetworkTable:
    """Return the table but for its layers; the one in their place is never used."""
    config: dict[str, Any] = {"class": tower.model}
    where = (("part", tower.part), ("prefix", tower.prefix), ("run", tower.run))
    config |= {field: value for field, value in where if value}
    # All three, empty ones as well: such a table needs no connection to a hub later.
    config |= {"extractor": tower.extractor, "extractor_options": tower.extractor_options}
    config |= {"architecture": tower.architecture}
    return NetworkTable(
        name=name, family="transformers", sfreq=tower.sfreq, source=files.source, revision=files.commit,
        licence=files.licence, config=config, window=tower.window,
        layers=[Layer(id=0, name="", type="transformer", width=1, rate=1)],
    )  # fmt: skip


def _built(table: NetworkTable) -> tuple[Passes, str]:
    """Build a network without its weights: on shapes alone, or with zeros if it looks at numbers; return its device."""
    family, n_samples = UserTransformer(), round(table.sfreq * min(SHORT, table.window or SHORT))
    passes = _passes(table, built_of_shapes(family, table), "meta")
    try:
        passes.whole(1, n_samples)
        return passes, "meta"
    except DistributedTRFError:
        raise
    except Exception as error:  # noqa: BLE001 - networks that look at numbers raise anything on shapes
        log.debug("%s does not run on shapes alone: %r", table.name, error)
    try:
        passes = _passes(table, weightless(lambda: family.new(table)).eval(), "cpu")
        passes.whole(1, n_samples)
    except DistributedTRFError:
        raise
    except Exception as error:
        raise FeatureError(f"{table.source}: {table.config['class']} cannot hear a sound of 1 s: {error}") from error
    return passes, "cpu"


def _passes(table: NetworkTable, model: nn.Module, device: str) -> Passes:
    import torch

    family = UserTransformer()

    def run(n_sounds: int, n_samples: int) -> None:
        sounds: Sequence[np.ndarray] = list(np.random.default_rng(0).standard_normal((n_sounds, n_samples)))
        # Not in inference mode: there operations on parametrised weights cannot be counted.
        with torch.inference_mode(mode=False), torch.no_grad():
            family.run(model, sounds, device, torch.float32)

    return Passes(model, run)


def _rules(
    passes: Passes, picked: Sequence[Picked], sfreq: float, device: str
) -> tuple[dict[str, FrameRule | None], dict[str, float]]:
    """Return the rule of each module's frames, and the rate of those without one, in frames per second."""
    modules = list({one.module.name: one.module for one in picked}.values())
    short, long = round(SHORT * sfreq), round(LONG * sfreq)
    longest = round((LONGEST if device == "meta" else LONGEST_ON_CPU) * sfreq)
    counts = FrameCounts(passes, modules, (short, long))
    rules = find_rules(counts, short, longest)
    unruled = [name for name, rule in rules.items() if rule is None]
    # Of the frames that a longer sound has more: at its ends a network may pad, or leave out, some.
    ends = (counts(short), counts(longest)) if unruled else ({}, {})
    return rules, {name: (ends[1][name] - ends[0][name]) * sfreq / (longest - short) for name in unruled}


def _fields(model: nn.Module, modules: Sequence[FrameModule]) -> dict[str, int]:
    """Return receptive fields in samples, where the network's input is sound or a spectrogram of known windows."""
    preparation: Any = model.preparation
    extractor = preparation.extractor
    hop = getattr(extractor, "hop_length", None)
    takes_samples = extractor is None or extractor.model_input_names[0] == "input_values"
    if takes_samples:
        return receptive_fields(model, modules)
    window = getattr(extractor, "win_length", None) or getattr(extractor, "n_fft", None)
    return receptive_fields(model, modules, window, hop) if isinstance(hop, int) and isinstance(window, int) else {}


def _gflop_per_second(passes: Passes, tower: Tower) -> float:
    """Return operations per second of sound; of a network with a window, those of a window over its length."""
    seconds = LONG if tower.window is None else tower.window
    n_samples = round(tower.sfreq * (LONG if tower.window is None else min(tower.window, SHORT)))
    return float(f"{passes.flops(n_samples) / seconds / 1e9:.4g}")


def _layer(
    number: int,
    one: Picked,
    tower: Tower,
    model: nn.Module,
    rules: dict[str, FrameRule | None],
    rates: dict[str, float],
    fields: dict[str, int],
    choice: LayerChoice,
) -> Layer | None:
    """Return the table's entry of a module; None for tokens that fill no grid."""
    module = one.module
    frames, width, hop, offset, bands = module.frames, module.width, None, 0, 1
    grid: dict[str, Any] = {}
    if tower.window is not None:
        n_tokens = module.shape[1] if len(module.shape) == 3 else module.shape[-2] * module.shape[-1]
        laid = tiling(tower.model, getattr(model, "config", None), n_tokens, choice.grid)
        if laid is not None:
            grid, frames = {"grid": laid.grid}, laid.columns
            bands = laid.grid.bands if laid.grid.keep == "flatten" else 1
            width = (module.shape[2] if len(module.shape) == 3 else module.shape[1]) * bands
        elif is_tiled(tower.model):
            return None
        hop = _hop_in_window(tower, laid, frames)
        offset = _offset_in_window(tower, laid, hop)
    elif (rule := rules.get(module.name)) is not None:
        hop, offset = rule
    rate = tower.sfreq / hop if hop else rates[module.name]
    field = fields.get(module.name)
    options = dict(one.options)
    if "columns" in options:
        width = (options["columns"][1] - options["columns"][0]) * bands
    return Layer(
        id=number,
        name=module.name,
        type=one.kind,
        width=width,
        rate=float(f"{rate:.6g}"),
        receptive_field=None if field is None else float(f"{1000 * field / tower.sfreq:.4g}"),
        hop=hop,
        offset=offset,
        **module.axes,
        **grid,
        **options,
    )


def _hop_in_window(tower: Tower, laid: Tiling | None, frames: int) -> int:
    """Return the samples from frame to frame of a network that pads sounds to a window."""
    if laid is not None and laid.hop is not None:
        return round(laid.hop * tower.sfreq)
    return round((tower.window or 0) * tower.sfreq / frames)


def _offset_in_window(tower: Tower, laid: Tiling | None, hop: int) -> int:
    """Return the offset of a network that pads sounds to a window: which frames are the sound's, not the padding's.

    A frame counts if its middle is within the sound, as Whisper's in Ahmed et al. (2025). A patch that overlaps with
    the next counts if all of it is within the sound, because of a full window those are all that there are.
    """
    if laid is None or laid.patch is None:
        return hop // 2
    return hop - round(laid.patch * tower.sfreq)
