"""Work that a study's folder keeps outside the study, until ``dtrf prune`` removes it.

Nothing is deleted when something is taken out of a study, or when another study file is run into the same folder. When
a study includes it again, it is compared with the settings, and is done if they agree.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from distributed_trf.errors import StoreError, counted
from distributed_trf.pipeline.allocate import follow, gather_reliability, is_intact, result_grid
from distributed_trf.pipeline.items import ASSESS, EXTRACT, FIT, READ, STAGES, Extract, Fit
from distributed_trf.pipeline.status import State, survey
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import items, kind_of
from distributed_trf.store.allocation import allocation_if_any, forget_allocation
from distributed_trf.store.checked_files import REMEDY
from distributed_trf.store.feature_arrays import drop_layers, stored_layers
from distributed_trf.store.receipts import SPIKES, read_receipt, revoke_receipt, write_receipt
from distributed_trf.store.result_allocation import allocate_result_arrays
from distributed_trf.store.results import filled_cells, fit_chunks, stored_attributes, stored_grid, withheld_cells
from distributed_trf.store.study_lock import run_lock


@dataclass(frozen=True)
class Beside:
    """Work that is kept though it is outside the study."""

    items: tuple[tuple[str, str], ...]
    """Stage and key of each item that is done."""
    failures: tuple[Path, ...]
    """Records of items that failed."""
    outputs: tuple[Path, ...]
    """Groups that these items, or their parts, have written."""
    layers: tuple[tuple[Path, int], ...]
    """Further layers of the study's networks: path of the network's features, and id of the layer."""
    fits: tuple[Path, ...]
    """Chunks of the results that hold fits."""
    networks: frozenset[str]
    """Networks of these fits."""

    def __bool__(self) -> bool:
        return bool(self.items or self.failures or self.outputs or self.layers)

    @cached_property
    def n_bytes(self) -> int:
        """Bytes on disk."""
        folders = [*self.outputs, *(path / str(layer) for path, layer in self.layers)]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in (*files, *self.fits, *self.failures))

    @property
    def counted(self) -> dict[str, int]:
        """Number of items by stage."""
        return dict(Counter(stage for stage, _ in self.items))

    def __str__(self) -> str:
        """Summarise it in half a line."""
        fits = self.counted.get(FIT, 0)
        others = len(self.items) - fits
        counts = [f"{counted(fits, 'fit')} of {counted(len(self.networks), 'network')}"] if fits else []
        counts += [f"{counted(others, 'other item' if fits else 'item')}"] if others else []
        parts = len(self.outputs) + len(self.layers)
        return " and ".join(counts) or f"{counted(parts, 'part')} of items"


def find_extra_items(context: Context) -> Beside:
    """Find what the study's folder keeps outside the study."""
    store = context.store
    in_study = {stage: {item.key: item for item in items(context, stage)} for stage in STAGES}
    done = [
        (stage, path.stem)
        for stage in STAGES
        for path in sorted((store.receipts / stage).glob("*.json"))
        if path.stem not in in_study[stage]
    ]
    failures = [
        path for s in STAGES for path in sorted((store.failures / s).glob("*.json")) if path.stem not in in_study[s]
    ]
    fits = {item.cell for item in in_study[FIT].values() if isinstance(item, Fit)}
    chunks, networks = [], set()
    if any(stage == FIT for stage, _ in done) and allocation_if_any(store.root, store.results) is not None:
        for cell in filled_cells(store.results) - fits:
            chunks += fit_chunks(store.results, cell)
            networks.add(cell[1])
    outputs = set(_outputs(context))
    return Beside(
        items=tuple(done),
        failures=tuple(failures),
        outputs=tuple(path for path in store.outputs() if path not in outputs),
        layers=tuple(_layers(context)),
        fits=tuple(chunks),
        networks=frozenset(networks),
    )


def prune_study(context: Context) -> Beside:
    """Remove what the study's folder keeps outside the study, and return what was removed.

    Raises
    ------
    StoreBusyError
        If a run is writing in the folder.
    StoreError
        If results of the study are damaged.
    """
    store = context.store
    with run_lock(store):
        extra = find_extra_items(context)
        for stage, key in extra.items:
            revoke_receipt(store, stage, key)
            if stage == READ:
                revoke_receipt(store, SPIKES, key)
        _forget_parts(context)
        for path, layer in extra.layers:
            drop_layers(store, path, [layer])
        for path in extra.outputs:
            forget_allocation(store.root, path)
            shutil.rmtree(path, ignore_errors=True)
            _remove_empty(path.parent, store.root)
        for failure in extra.failures:
            failure.unlink(missing_ok=True)
        known = allocation_if_any(store.root, store.results) is not None
        if known and (extra.fits or stored_grid(store.results) != result_grid(context)):
            _allocate_study_fits(context)
    return extra


def _allocate_study_fits(context: Context) -> None:
    """Allocate the results again, with only the fits of the study."""
    store, fits = context.store, {item.cell for item in items(context, FIT) if isinstance(item, Fit)}
    kept, withheld = filled_cells(store.results) & fits, withheld_cells(store.results) & fits
    damaged = [cell for cell in kept if read_receipt(store, FIT, Fit(*cell).key) and not is_intact(store, cell)]
    if damaged:
        raise StoreError(f"{store.results}: the fit of {damaged[0]} is damaged, and {len(damaged) - 1} more; {REMEDY}")
    kept = {cell for cell in kept if is_intact(store, cell)}
    attrs, grid = stored_attributes(store.results), result_grid(context)
    allocate_result_arrays(store.results, grid, kept, attrs, withheld=withheld & kept, moved=follow(store))
    assessed = [p.item for p in survey(context, ASSESS) if p.state is State.DONE]
    gather_reliability(context, assessed)


def _outputs(context: Context) -> Iterator[Path]:
    """List the groups that the items of a study write, except the results."""
    for item in (item for stage in STAGES for item in items(context, stage)):
        yield from kind_of(item).outputs(item, context)


def _layers(context: Context) -> Iterator[tuple[Path, int]]:
    for stimuli in context.study.stimuli:
        for network in context.study.networks:
            included = {layer.id for layer in context.layers(network)}
            for weights in context.weights(network):
                path = context.store.features(stimuli, network.name, weights)
                yield from (
                    (path, layer.id) for layer in stored_layers(context.store, path) if layer.id not in included
                )


def _forget_parts(context: Context) -> None:
    """Remove the parts that are outside the study from receipts."""
    networks = {network.name: network for network in context.study.networks}
    widths = {f"{width:g}" for width in context.study.bin_widths}
    for stage in (READ, EXTRACT):
        for item in items(context, stage):
            receipt = read_receipt(context.store, stage, item.key)
            if receipt is not None:
                parts = widths
                if isinstance(item, Extract):
                    parts = {str(layer.id) for layer in context.layers(networks[item.network])}
                left = receipt.only(parts)
                if left != receipt:
                    write_receipt(context.store, stage, item.key, left)


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root:
        with suppress(OSError):  # the folder is not empty
            folder.rmdir()
        folder = folder.parent
