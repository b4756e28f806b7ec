"""What each work item depends on, as fingerprints; upstream items count by the content they made.

Because an item depends on the *digests* of what earlier items wrote, reading a recording again whose bytes were only
touched, or extracting features again that come out the same, leaves everything after it valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from distributed_trf.config.study import ReliabilitySettings, StudySettings
from distributed_trf.errors import DamagedError
from distributed_trf.features.families.registry import versions
from distributed_trf.features.weights.source import weights_identity
from distributed_trf.pipeline.items import (
    Analysis,
    Assess,
    BootstrapTest,
    BootstrapTraining,
    Extract,
    Fit,
    FitLowpass,
    FitTogether,
    Item,
    ReadSession,
    ReadSounds,
    bins_part,
    layer_part,
)
from distributed_trf.pipeline.stages import (
    bootstrap,
    extract,
    fit,
    joint_fit,
    lowpass,
    read_recordings,
    reliability,
)
from distributed_trf.pipeline.study_context import Context
from distributed_trf.store.allocation import ROOT, read_allocation
from distributed_trf.store.fingerprint import file_stamps, fingerprint, library_versions
from distributed_trf.store.receipts import SPIKES, Receipt, read_failure, read_receipt
from distributed_trf.store.study_store import StudyStore
from distributed_trf.store.zarr_store import check_files

Fingerprint = dict[str, str]


def session_settings(study: StudySettings) -> dict[str, Any]:
    """Return the settings that the responses of a session depend on, at any bin width."""
    return {"recording format": study.recordings.format, "delay": study.delay}


def reliability_settings(settings: ReliabilitySettings) -> dict[str, Any]:
    """Return what an assessment of units depends on beside their responses."""
    return {
        "reliability": settings.model_dump(),
        "versions": [reliability.REVISION, library_versions("numpy", "scipy")],
    }


def extraction_settings(study: StudySettings, batch: int) -> dict[str, Any]:
    """Return the settings that a batch of features depends on, of any network."""
    return {
        "lead-in": study.lags.lead_in,
        "batch": [batch, study.extraction.stored],
        "dtype": study.extraction.dtype,
        "keep": study.extraction.keep,
    }


def fit_settings(study: StudySettings, item: Fit | Analysis, revision: int) -> dict[str, Any]:
    """Return what a fit depends on beside features and responses."""
    return {
        "lags": study.lags.model_dump(),
        "bin width": item.bin_width,
        "ridge": study.ridge.model_dump(exclude={"unit_block"}),
        "versions": [revision, library_versions("numpy", "scipy")],
    }


def training_setting(study: StudySettings, read: Iterable[Receipt | None]) -> str:
    """Return the study's ``training``, or the default where no session heard a training stimulus several times.

    Parameters
    ----------
    study
        The study.
    read
        Receipts of the sessions' responses.
    """
    several = any(receipt is not None and receipt.details.get("further") for receipt in read)
    return study.training if several else "first"


class Waiting(Exception):  # noqa: N818  nothing is wrong
    """Something that an item depends on is not there yet; the text says what."""


class Dependencies:
    """Fingerprints that the receipts of a study's items must carry.

    Parameters
    ----------
    context
        The study.

    Notes
    -----
    Receipts of earlier stages are read once each, so make a new object when they may have changed.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._done: dict[Item, Receipt | None] = {}
        self._expected: dict[Item, Fingerprint] = {}
        self._networks: dict[tuple[str, str], dict[str, Any]] = {}
        """What the extractions of a network with some weights have in common."""
        self._extractions: dict[tuple[str, str, str], list[Receipt] | Waiting] = {}
        self._laid: dict[Path, DamagedError | None] = {}

    def of(self, item: Item) -> Fingerprint:
        """Return the fingerprint an item's receipt must carry.

        Raises
        ------
        Waiting
            If it depends on an item that is not done.
        """
        if item not in self._expected:
            self._expected[item] = self._of(item)
        return self._expected[item]

    def _of(self, item: Item) -> Fingerprint:
        match item:
            case ReadSounds():
                return fingerprint(self._sounds(item))
            case ReadSession():
                return fingerprint(self._session(item))
            case Assess():
                return fingerprint(self._assess(item))
            case Extract():
                return fingerprint(self._extract(item))
            case Fit():
                return fingerprint(self._fit(item, [item.layer], fit.REVISION))
            case FitTogether():
                layers = joint_fit.layers(self._context.study, self._context.tables[item.network], item)
                asked = next(t for t in self._context.study.together if t.network == item.network)
                return fingerprint(self._fit(item, layers, joint_fit.REVISION) | {"together": asked.model_dump()})
            case FitLowpass():
                return fingerprint(self._fit(item, [item.layer], lowpass.REVISION) | {"lowpass": item.lowpass_bin})
            case BootstrapTraining() | BootstrapTest():
                return fingerprint(
                    self._fit(item, [item.layer], bootstrap.REVISION) | bootstrap.asked(self._context.study, item)
                )

    def receipt(self, item: Item) -> Receipt | None:
        """Return the receipt of an item if it is valid and what it vouches for is there."""
        if item not in self._done:
            found = read_receipt(self._context.store, item.stage, item.key)
            try:
                valid = found is not None and found.covers(self.of(item)) and not self.gone(item, found)
            except Waiting:
                valid = False
            self._done[item] = found if valid else None
        return self._done[item]

    def unreadable(self, item: ReadSession) -> bool:
        """Tell whether a session failed for good, so that the others go on without it."""
        failure = read_failure(self._context.store, item.stage, item.key)
        return failure is not None and failure.fingerprint == self.of(item)

    def gone(self, item: Item, receipt: Receipt) -> str:
        """Say what of that which an item wrote is damaged or gone, as far as metadata tells; nothing if it is well.

        Numbers are checked where they are read, and by a repair. A model is no part of the fingerprint, since it
        changes no number. It is missed only where the study asks for it.
        """
        store = self._context.store
        model, asked = store.model(*item.place) if isinstance(item, Fit) else None, self._context.study.save_models
        if model is not None and asked and store.name(model) not in receipt.files:
            return "its model was not saved"
        if isinstance(item, ReadSession) and read_receipt(store, SPIKES, item.key) is None:
            return "the receipt of its spikes is damaged or gone"
        for group, files in receipt.files.items():
            path = store.root / group
            if path == model and not asked:
                continue
            try:
                if isinstance(item, Extract | Fit) and path in (store.results, _features(store, item)):
                    self._check_laid(path)
                check_files(path, {key: digest for key, digest in files.items() if key.endswith(ROOT)})
            except DamagedError as error:
                return f"its output is {'damaged' if path.is_dir() else 'gone'} ({store.name(error.path)})"
        return ""

    def _check_laid(self, path: Path) -> None:
        """Make sure that what a driver made for items to write into is as it was made."""
        if path not in self._laid:
            try:
                check_files(path, read_allocation(self._context.store.root, path).files)
                self._laid[path] = None
            except DamagedError as error:
                self._laid[path] = error
        damaged = self._laid[path]
        if damaged is not None:
            raise damaged

    def _require(self, item: Item) -> Receipt:
        receipt = self.receipt(item)
        if receipt is None:
            raise Waiting(f"waits for {item.stage} {item.key}")
        return receipt

    def _sounds(self, item: ReadSounds) -> dict[str, Any]:
        recordings = self._context.recordings
        return {
            "sound files": file_stamps(recordings.sound_files(item.stimuli)),
            "recording format": self._context.study.recordings.format,
            "versions": [read_recordings.SOUNDS_REVISION],
        }

    def _session(self, item: ReadSession) -> dict[str, Any]:
        recordings = self._context.recordings
        session = next(s for s in recordings.sessions if s.name == item.session)
        stimuli = self._context.stimuli[item.stimuli]
        return {
            "recording files": file_stamps(recordings.session_files(session)),
            "stimuli": [[s.id, s.duration, s.is_test] for s in stimuli],
            **session_settings(self._context.study),
            **{bins_part(width): width for width in self._context.study.bin_widths},
            "versions": [read_recordings.SESSION_REVISION],
        }

    def _assess(self, item: Assess) -> dict[str, Any]:
        settings = self._context.study.reliability
        assert settings is not None
        counts = self._require(ReadSession(item.stimuli, item.session))
        return {
            "responses": counts.details["digests"][f"{item.bin_width:g}"],
            **reliability_settings(settings),
        }

    def _extract(self, item: Extract) -> dict[str, Any]:
        context, study = self._context, self._context.study
        sounds = self._require(ReadSounds(item.stimuli)).details
        size = study.extraction.stored
        first = item.batch * size
        last = min(first + size, len(context.stimuli[item.stimuli]))
        if (item.network, item.weights) not in self._networks:
            self._networks[item.network, item.weights] = self._network(item)
        return {
            "sounds": [[sounds[what][k] for what in ("ids", "digests")] for k in range(first, last)]
            + [sounds["sfreq"]],
            **self._networks[item.network, item.weights],
            **extraction_settings(study, item.batch),
        }

    def _network(self, item: Extract) -> dict[str, Any]:
        settings = extract.network_settings(self._context.study, item.network)
        table, layers = self._context.tables[item.network], self._context.layers(settings)
        return {
            "weights": weights_identity(table, settings, item.weights),
            "network": [table.family, table.sfreq],
            **{layer_part(layer.id): layer.model_dump() for layer in layers},
            "versions": [extract.REVISION, versions(table, item.weights)],
        }

    def _fit(self, item: Fit | Analysis, layers: Sequence[int], revision: int) -> dict[str, Any]:
        study, extractions = self._context.study, self._extracted(item)
        return {
            "features": [e.details["digests"][str(layer)] for e in extractions for layer in layers],
            "responses": self._responses(item),
            "training": training_setting(study, map(self.receipt, self._read(item))),
            **fit_settings(study, item, revision),
        }

    def _extracted(self, item: Fit | Analysis) -> list[Receipt]:
        """Return the receipts of all batches of an item's network, looked up once for all its layers."""
        place = (item.stimuli, item.network, item.weights)
        if place not in self._extractions:
            batches = range(len(self._context.batches(item.stimuli)))
            try:
                self._extractions[place] = [self._require(Extract(*place, batch)) for batch in batches]
            except Waiting as waiting:
                self._extractions[place] = waiting
        found = self._extractions[place]
        if isinstance(found, Waiting):
            raise Waiting(str(found))
        return found

    def _read(self, item: Fit | Analysis) -> list[ReadSession]:
        return [ReadSession(item.stimuli, session.name) for session in self._context.recordings.heard(item.stimuli)]

    def _responses(self, item: Fit | Analysis) -> dict[str, Any]:
        """Digests of the sessions' counts, and what units are called; a session that failed for good is left out."""
        found = {}
        for session in self._context.recordings.heard(item.stimuli):
            counts = ReadSession(item.stimuli, session.name)
            receipt = self.receipt(counts)
            if receipt is not None:
                found[session.name] = [receipt.details["digests"][f"{item.bin_width:g}"], *session.channels]
            elif not self.unreadable(counts):
                raise Waiting(f"waits for {counts.stage} {counts.key}")
        if not found:
            raise Waiting("no session could be read")
        return found


def _features(store: StudyStore, item: Extract | Fit) -> Path:
    return store.features(item.stimuli, item.network, item.weights)
