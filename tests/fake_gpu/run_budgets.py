"""Counts of what a fit of the pipeline asks of the card; each case's are told in a line; started by test_budgets.py."""

import json
import sys
from unittest import mock

import fake_card
import numpy as np

from distributed_trf.arrays import to_numpy
from distributed_trf.config.study import StudySettings
from distributed_trf.errors import DeviceError
from distributed_trf.features.resample import KEPT_RATE
from distributed_trf.pipeline.items import Fit
from distributed_trf.pipeline.stages import design_data
from distributed_trf.pipeline.stages.fit import fit_units
from distributed_trf.pipeline.stages.unit_scores import Scoring
from distributed_trf.recordings.recording_set import lead_in_bins, rows
from distributed_trf.store.features import FeatureLayout, StoredLayer
from distributed_trf.store.receipts import Receipt
from distributed_trf.store.stored_recordings import BinnedResponses
from tests.fake_gpu.processes import tell

BUDGETED = ("launches", "syncs", "h2d", "d2h", "fft_plans", "factor_copies")
LEAD_IN, BIN_WIDTH, WIDTH, UNITS, REPEATS, TEST, BATCH = 0.35, 50.0, 8, 40, 11, 10, 16


class InMemory:
    """Features as a store gives them."""

    def __init__(self, seconds):
        rng = np.random.default_rng(0)
        frames = tuple(2 * int((KEPT_RATE * (s + LEAD_IN) + 1) // 2) + 1 for s in seconds)
        ids = tuple(str(k) for k in range(len(seconds)))
        batches = tuple(len(part) for part in np.array_split(np.arange(len(ids)), -(-len(ids) // BATCH)))
        layer = StoredLayer(0, "layer", "conv", KEPT_RATE, WIDTH, frames, frames)
        self.layout = FeatureLayout(ids, tuple(seconds), batches, (layer,), LEAD_IN)
        self._frames = [rng.normal(size=(n, WIDTH)).astype(np.float32) for n in frames]

    def layer(self, layer):
        return self.layout.layers[0]

    def rows(self, layer, batch):
        first, last = self.layout.batch_borders[batch]
        return np.concatenate(self._frames[first:last])


def responses(seconds, n_sessions, n_test=TEST):
    """Spike counts of sessions that heard everything; the first sounds are the test."""
    rng = np.random.default_rng(1)
    lead_in = lead_in_bins(LEAD_IN, BIN_WIDTH)
    bins = {str(k): rows(s, LEAD_IN, BIN_WIDTH) - lead_in for k, s in enumerate(seconds)}
    train, test = tuple(bins)[n_test:], tuple(bins)[:n_test]
    shapes = [sum(bins[i] for i in train), REPEATS * sum(bins[i] for i in test), 0]
    found = {}
    for k in range(n_sessions):
        counts = [rng.poisson(1.0, (n, UNITS)).astype(np.uint16) for n in shapes]
        found[str(k)] = BinnedResponses(
            train, test, *counts[:2], (REPEATS,) * n_test, bins, (1,) * len(train), counts[2]
        )
    return found


def fitted(study, seconds, sessions, device):
    """Fit a layer as the pipeline does it, from memory where it would read a folder."""
    read = {
        "NetworkFeatures": lambda *_: InMemory(seconds),
        "session_units": lambda _: {name: slice(k * UNITS, (k + 1) * UNITS) for k, name in enumerate(sessions)},
        "read_intact_receipt": lambda store, stage, key: Receipt(
            {}, {"digests": {f"{BIN_WIDTH:g}": f"{key} of {len(sessions)}, {len(seconds)} sounds"}}
        ),
        "load_responses": lambda store, stimuli, width, session: sessions[session],
    }
    with mock.patch.multiple(design_data, feature_files=mock.Mock(), **read):
        fit = Fit("timit", "net", "reset", 0, BIN_WIDTH)
        data = design_data.LayerData(fit, [fit.space], study, mock.Mock(), device)
    return fit_units(data, study, device, Scoring.of(study))[0]


FIXED = {"set": "test"}


def study_of(test=None, **ridge):
    return StudySettings(name="budget", recordings={"format": "ucsf", "path": "."}, output=".", test=test or FIXED,
                         networks=[{"name": "mel_whisper"}], ridge=ridge)  # fmt: skip


def counted(n_sounds, n_sessions, test=None, **ridge):
    """Fit on the card and on the CPU; return what the card was asked for, and by which lines most."""
    study, seconds = study_of(test, **ridge), np.random.default_rng(2).uniform(0.9, 3.6, n_sounds)
    sessions = responses(seconds, n_sessions, 0 if test else TEST)
    fake_card.CALLERS.clear()
    with fake_card.counted() as counts:
        found = fitted(study, seconds, sessions, "cuda")
    callers = {what: fake_card.by_caller(what) for what in BUDGETED}
    for name, values in fitted(study, seconds, sessions, "cpu").items():
        np.testing.assert_allclose(to_numpy(found[name]), values, rtol=1e-9, atol=1e-9, err_msg=name)
    return {"counts": {what: counts[what] for what in BUDGETED}, "callers": callers}


def without_room():
    """Fit a layer on a card that is too small, and return what is told."""
    seconds = np.full(30, 1.0)
    fake_card.set_memory(200_000)
    try:
        fitted(study_of(), seconds, responses(seconds, 2), "cuda")
    except DeviceError as error:
        return str(error)
    finally:
        fake_card.set_memory(fake_card.TOTAL)
    return "nothing"


if __name__ == "__main__":
    tell("without room", without_room())
    for case in json.loads(sys.argv[1]):
        tell(json.dumps(case), json.dumps(counted(**case)))
