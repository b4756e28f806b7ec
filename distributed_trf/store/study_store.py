"""The folder of one study: what lies where in it, and which version of the layout it is."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from distributed_trf.errors import StoreError
from distributed_trf.store.atomic import TEMPORARY, check_folder, write_json

FORMAT = "distributed_trf study"
FORMAT_VERSION = 5
CONTENT = {"format": FORMAT, "format_version": FORMAT_VERSION}
MARKER, LAID = "store.json", "laid"


@dataclass(frozen=True)
class StudyStore:
    """Places in a study's folder."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> StudyStore:
        """Open the folder of a study, making it first if it is missing or empty.

        Raises
        ------
        StoreError
            If the folder holds something else, or a store of another format version, or cannot be made or written to.
        """
        root = root.resolve()
        if _is_new(root):
            write_json(root / MARKER, CONTENT)
        store = cls.open(root)
        check_folder(root)
        return store

    @classmethod
    def open(cls, root: Path) -> StudyStore:
        """Open an existing folder of a study.

        Raises
        ------
        StoreError
            If there is none, or it is of another format version.
        """
        root = root.resolve()
        marker = root / MARKER
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root}: there is no study folder here but a file; choose another output")
        if not root.is_dir():
            raise StoreError(f"{root}: there is no study folder here; run the study first: dtrf run STUDY")
        # Folders of this version have one that older ones lack: then it is this small file alone that is damaged.
        lost = f"; put back what it held: {json.dumps(CONTENT)}" if (root / LAID).is_dir() else ""
        try:
            found = json.loads(marker.read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"{root}: no {MARKER}, so this is not the folder of a study; choose another output{lost}"
            ) from None
        except (ValueError, RecursionError, OSError) as error:
            raise StoreError(
                f"{marker}: not valid JSON ({error}); restore it or choose another output folder{lost}"
            ) from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise StoreError(f"{marker}: format is not {FORMAT!r}; this is not the folder of a study{lost}")
        if found != CONTENT:
            raise StoreError(
                f"{marker}: format_version is {found.get('format_version')!r}, but this distributed_trf reads "
                f"{FORMAT_VERSION}; use the version that wrote it, or choose another output folder and run again{lost}"
            )
        return cls(root)

    @classmethod
    def at(cls, root: Path) -> StudyStore:
        """Open the folder of a study, and only name its place if it is missing or empty; nothing is made."""
        if not _is_new(root):
            return cls.open(root)
        check_folder(root)
        return cls(root.resolve())

    def name(self, path: Path) -> str:
        """Name a place in the folder, whatever lies above it."""
        return path.relative_to(self.root).as_posix()

    @property
    def receipts(self) -> Path:
        """One small file per finished work item."""
        return self.root / "receipts"

    @property
    def laid(self) -> Path:
        """One small file for all arrays of a group that a driver makes and workers write into."""
        return self.root / LAID

    @property
    def failures(self) -> Path:
        """One small file per work item that failed for good."""
        return self.root / "failures"

    @property
    def claims(self) -> Path:
        """One small file per work item that a process is at."""
        return self.root / "claims"

    @property
    def runs(self) -> Path:
        """Manifest and performance report of each run."""
        return self.root / "runs"

    @property
    def results(self) -> Path:
        """The zarr store of correlations."""
        return self.root / "results.zarr"

    def outputs(self) -> list[Path]:
        """List every group that a work item has written, but for the results."""
        patterns = ("sounds/*", "spikes/*/*", "counts/*/*/*", "reliability/*/*/*", "features/*/*/*", "analyses/*")
        return sorted(path for p in (*patterns, "models/*/*/*/*") for path in self.root.glob(f"{p}.zarr"))

    def sounds(self, stimuli: str) -> Path:
        """The cut sounds of a stimulus set."""
        return self.root / "sounds" / f"{stimuli}.zarr"

    def spikes(self, stimuli: str, session: str) -> Path:
        """The spike times of one session, as they came out of the recordings."""
        return self.root / "spikes" / stimuli / f"{session}.zarr"

    def reliability(self, stimuli: str, bin_width: float, session: str) -> Path:
        """How well the units of one session repeat themselves."""
        return self.root / "reliability" / stimuli / f"{bin_width:g}ms" / f"{session}.zarr"

    def counts(self, stimuli: str, bin_width: float, session: str) -> Path:
        """The binned responses of one session."""
        return self.root / "counts" / stimuli / f"{bin_width:g}ms" / f"{session}.zarr"

    def features(self, stimuli: str, network: str, weights: str) -> Path:
        """The features of all layers of a network."""
        return self.root / "features" / stimuli / network / f"{weights}.zarr"

    def all_features(self) -> dict[tuple[str, str, str], Path]:
        """Every network's features in store, by (stimuli, network, weights)."""
        found = sorted((self.laid / "features").glob("*/*/*.json"))
        keys = [(path.parent.parent.name, path.parent.name, path.stem) for path in found]
        return {key: self.features(*key) for key in keys}

    def analysis(self, key: str) -> Path:
        """What an analysis beside the grid of fits found; ``key`` is that of its work item."""
        return self.root / "analyses" / f"{key}.zarr"

    def model(self, stimuli: str, network: str, weights: str, layer: int, bin_width: float) -> Path:
        """The weights of one fit; the arguments are its place in the results."""
        return self.root / "models" / stimuli / network / weights / f"{layer:02d}-{bin_width:g}ms.zarr"

    def all_models(self) -> dict[tuple[str, str, str, int, float], Path]:
        """Every fit's weights in store, by (stimuli, network, weights, layer, bin width in ms)."""
        return self.places(self.name(path) for path in (self.root / "models").glob("*/*/*/*ms.zarr"))

    def places(self, groups: Iterable[str]) -> dict[tuple[str, str, str, int, float], Path]:
        """Return the place of the fit of each group that is a model, by its name in the folder."""
        found = {}
        for group in groups:
            kind, *place = PurePosixPath(group).parts
            if kind == "models":
                stimuli, network, weights, file = place
                layer, _, bin_width = file.removesuffix("ms.zarr").partition("-")
                found[stimuli, network, weights, int(layer), float(bin_width)] = self.root / group
        return dict(sorted(found.items()))


def _is_new(root: Path) -> bool:
    """Tell whether a folder is missing or empty; what a process left that was killed here makes it nothing else."""
    return not root.exists() or (root.is_dir() and all(TEMPORARY in path.name for path in root.iterdir()))
