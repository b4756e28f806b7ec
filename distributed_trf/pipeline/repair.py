"""What is damaged on disk loses its receipt, so that the next run makes it anew.

Chunks carry checksums: damage never reads back as other numbers, it is an error. Whoever meets one cannot tell whether
others are at work with the rest, so the items that wrote it are found before the next run begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from distributed_trf import names
from distributed_trf.errors import DamagedError
from distributed_trf.pipeline.context import Context
from distributed_trf.pipeline.expected import Expectations
from distributed_trf.pipeline.items import FIT, STAGES, Extract, Fit, Item
from distributed_trf.pipeline.lay import lay_anew
from distributed_trf.pipeline.survey import Planned, State, survey
from distributed_trf.store.features import NetworkFeatures
from distributed_trf.store.lock import run_lock
from distributed_trf.store.receipts import read_failure, read_receipt, revoke_receipt
from distributed_trf.store.results import read_fit
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_arrays import check_group


def repair_study(context: Context) -> dict[Item, str]:
    """Read all that is done, and take back the receipts of what is damaged; what is wrong with each.

    Raises
    ------
    StoreBusyError
        If a run is at work in the folder.
    """
    found, store = {}, context.store
    with run_lock(store):
        for stage in STAGES:
            done = [p.item for p in survey(context, stage) if p.state is State.DONE]
            for item in done:
                damage = _damage(context, item)
                if damage:
                    revoke_receipt(store, item.stage, item.key)
                    found[item] = damage
            if stage == FIT and done and not _labels_are_well(store):
                lay_anew(context, [item for item in done if item not in found])
    return found


def take_back_met_damage(context: Context, planned: Sequence[Planned]) -> None:
    """Take back the receipts of items that wrote what others failed on because it is damaged."""
    met = set()
    for p in planned:
        failure = read_failure(context.store, p.item.stage, p.item.key) if p.state is not State.DONE else None
        if failure is not None and "damaged" in failure.details:
            met.add(Path(failure.details["damaged"]))
    if not met:
        return
    expectations = Expectations(context)
    for p in planned:
        for path in expectations.outputs(p.item) if p.state is State.DONE else ():
            arrays = {damaged.name for damaged in met if damaged.parent == path}
            if path in met or any(_damage(context, p.item, only=name) for name in arrays):
                revoke_receipt(context.store, p.item.stage, p.item.key)


def _damage(context: Context, item: Item, *, only: str | None = None) -> str:
    """Say what is damaged of all that an item wrote, or of one array; nothing if it is all well."""
    store = context.store
    try:
        if isinstance(item, Extract):
            features = NetworkFeatures(store.features(item.stimuli, item.network, item.weights))
            receipt = read_receipt(store, item.stage, item.key)
            made = receipt.details["digests"] if receipt is not None else ()
            for layer in made if only is None else [only]:
                for _ in features.batch(int(layer), item.batch):
                    pass
        elif isinstance(item, Fit):
            r, receipt = read_fit(store.results, item.place)["r"], read_receipt(store, item.stage, item.key)
            if receipt is not None and receipt.details["median_r"] is not None and np.isnan(r).all():
                return f"{store.results}: there are no numbers of it"
            model = store.model(*item.place)
            if model.is_dir():
                check_group(model)
        else:
            for path in Expectations(context).outputs(item):
                check_group(path, only)
    except DamagedError as error:
        return str(error)
    return ""


def _labels_are_well(store: StudyStore) -> bool:
    """Tell whether what the results hold beside the fits can be read: labels, and measures of reliability."""
    try:
        for array in sorted(p.parent.name for p in store.results.glob("*/zarr.json")):
            if array not in names.RESULTS:
                check_group(store.results, array)
    except DamagedError:
        return False
    return True
