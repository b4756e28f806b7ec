"""What a study's folder keeps beside what the study asks for, until somebody says that it may go.

Taking something out of a study, or running another study file into the same folder, deletes nothing: asked for again,
it is held against the settings then, and is done if they agree.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from distributed_trf.errors import StoreError
from distributed_trf.pipeline.allocate import follow, gather_reliability, is_well, result_grid
from distributed_trf.pipeline.items import ASSESS, EXTRACT, FIT, READ, STAGES, Extract, Fit
from distributed_trf.pipeline.status import State, survey
from distributed_trf.pipeline.study_context import Context
from distributed_trf.pipeline.work import items, kind_of
from distributed_trf.store.allocation import allocation_if_any, forget_allocation
from distributed_trf.store.feature_arrays import drop_layers, stored_layers
from distributed_trf.store.receipts import SPIKES, read_receipt, revoke_receipt, write_receipt
from distributed_trf.store.result_allocation import allocate_result_arrays
from distributed_trf.store.results import filled_cells, fit_chunks, stored_attributes, stored_grid, withheld_cells
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.zarr_store import REMEDY


@dataclass(frozen=True)
class Beside:
    """Work that is kept though the study does not ask for it."""

    items: tuple[tuple[str, str], ...]
    """Stage and key of each item that is done."""
    failures: tuple[Path, ...]
    """What is known of items that failed."""
    outputs: tuple[Path, ...]
    """Groups that such items, or such parts of items, have written."""
    layers: tuple[tuple[Path, int], ...]
    """Layers of networks of which the study asks for others: the features of the network, and the layer."""
    fits: tuple[Path, ...]
    """Chunks of the results."""
    networks: frozenset[str]
    """Of those."""

    def __bool__(self) -> bool:
        return bool(self.items or self.failures or self.outputs or self.layers)

    @cached_property
    def n_bytes(self) -> int:
        """How much it is on disk."""
        folders = [*self.outputs, *(path / str(layer) for path, layer in self.layers)]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in (*files, *self.fits, *self.failures))

    @property
    def counted(self) -> dict[str, int]:
        """Number of items by stage."""
        return dict(Counter(stage for stage, _ in self.items))

    def __str__(self) -> str:
        """Say what it is, in half a line."""
        fits = self.counted.get(FIT, 0)
        others = len(self.items) - fits
        counts = [f"{_counted(fits, 'fit')} of {_counted(len(self.networks), 'network')}"] if fits else []
        counts += [f"{_counted(others, 'other item' if fits else 'item')}"] if others else []
        parts = len(self.outputs) + len(self.layers)
        return " and ".join(counts) or f"{_counted(parts, 'part')} of items"


def find_extra_items(context: Context) -> Beside:
    """Find what the study's folder keeps that the study does not ask for."""
    store = context.store
    asked = {stage: {item.key: item for item in items(context, stage)} for stage in STAGES}
    done = [
        (stage, path.stem)
        for stage in STAGES
        for path in sorted((store.receipts / stage).glob("*.json"))
        if path.stem not in asked[stage]
    ]
    failures = [
        path for s in STAGES for path in sorted((store.failures / s).glob("*.json")) if path.stem not in asked[s]
    ]
    fits = {item.cell for item in asked[FIT].values() if isinstance(item, Fit)}
    chunks, networks = [], set()
    if any(stage == FIT for stage, _ in done) and allocation_if_any(store.root, store.results) is not None:
        for place in filled_cells(store.results) - fits:
            chunks += fit_chunks(store.results, place)
            networks.add(place[1])
    wanted = set(_outputs(context))
    return Beside(
        items=tuple(done),
        failures=tuple(failures),
        outputs=tuple(path for path in store.outputs() if path not in wanted),
        layers=tuple(_layers(context)),
        fits=tuple(chunks),
        networks=frozenset(networks),
    )


def prune_study(context: Context) -> Beside:
    """Remove what the study's folder keeps that the study does not ask for; what that was.

    Raises
    ------
    StoreBusyError
        If a run is writing in the folder.
    StoreError
        If results that the study asks for are damaged.
    """
    store = context.store
    with run_lock(store):
        beside = find_extra_items(context)
        for stage, key in beside.items:
            revoke_receipt(store, stage, key)
            if stage == READ:
                revoke_receipt(store, SPIKES, key)
        _forget_parts(context)
        for path, layer in beside.layers:
            drop_layers(store, path, [layer])
        for path in beside.outputs:
            forget_allocation(store.root, path)
            shutil.rmtree(path, ignore_errors=True)
            _remove_empty(path.parent, store.root)
        for failure in beside.failures:
            failure.unlink(missing_ok=True)
        known = allocation_if_any(store.root, store.results) is not None
        if known and (beside.fits or stored_grid(store.results) != result_grid(context)):
            _lay_asked(context)
    return beside


def _lay_asked(context: Context) -> None:
    """Lay the results anew with the fits that are asked for alone, done or not."""
    store, fits = context.store, {item.cell for item in items(context, FIT) if isinstance(item, Fit)}
    kept, withheld = filled_cells(store.results) & fits, withheld_cells(store.results) & fits
    damaged = [place for place in kept if read_receipt(store, FIT, Fit(*place).key) and not is_well(store, place)]
    if damaged:
        raise StoreError(f"{store.results}: the fit of {damaged[0]} is damaged, and {len(damaged) - 1} more; {REMEDY}")
    kept = {place for place in kept if is_well(store, place)}
    attrs, grid = stored_attributes(store.results), result_grid(context)
    allocate_result_arrays(store.results, grid, kept, attrs, withheld=withheld & kept, moved=follow(store))
    assessed = [p.item for p in survey(context, ASSESS) if p.state is State.DONE]
    gather_reliability(context, assessed)


def _outputs(context: Context) -> Iterator[Path]:
    """List the groups that the items of a study write, but for the results."""
    for item in (item for stage in STAGES for item in items(context, stage)):
        yield from kind_of(item).outputs(item, context)


def _layers(context: Context) -> Iterator[tuple[Path, int]]:
    for stimuli in context.study.stimuli:
        for network in context.study.networks:
            asked = {layer.id for layer in context.layers(network)}
            for weights in context.weights(network):
                path = context.store.features(stimuli, network.name, weights)
                yield from ((path, layer.id) for layer in stored_layers(context.store, path) if layer.id not in asked)


def _forget_parts(context: Context) -> None:
    """Take the parts that the study does not ask for out of receipts."""
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
        with suppress(OSError):  # something is in it
            folder.rmdir()
        folder = folder.parent


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
