"""The folder of one study: the path of everything in it, and the version of its layout."""

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
MARKER, ALLOCATIONS = "store.json", "laid"


@dataclass(frozen=True)
class StudyStore:
    """Paths in a study's folder."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> StudyStore:
        """Open the folder of a study; create it first if it is missing or empty.

        Raises
        ------
        StoreError
            If the folder holds something else, or a store of another format version, or cannot be created or written.
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
            If it does not exist, is no folder of a study, or is of another format version.
        """
        root = root.resolve()
        marker = root / MARKER
        if root.exists() and not root.is_dir():
            raise StoreError(f"{root}: this is a file, expected the folder of a study; choose another output")
        if not root.is_dir():
            raise StoreError(f"{root}: there is no study folder here; run the study first: dtrf run STUDY")
        # Older versions lack the folder of allocations. If it exists, only the marker file is damaged.
        lost = f"; restore its content: {json.dumps(CONTENT)}" if (root / ALLOCATIONS).is_dir() else ""
        try:
            found = json.loads(marker.read_bytes())
        except FileNotFoundError:
            raise StoreError(
                f"{root}: no {MARKER}, so this is not the folder of a study; {_near(root)}{lost}"
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
        """Open the folder of a study; if it is missing or empty, only its path is checked and nothing is created."""
        if not _is_new(root):
            return cls.open(root)
        check_folder(root)
        return cls(root.resolve())

    def name(self, path: Path) -> str:
        """Return a path relative to the folder, as text."""
        return path.relative_to(self.root).as_posix()

    @property
    def receipts(self) -> Path:
        """One small file per finished work item."""
        return self.root / "receipts"

    @property
    def allocations(self) -> Path:
        """One small file per group of arrays that a driver allocates and workers fill."""
        return self.root / ALLOCATIONS

    @property
    def failures(self) -> Path:
        """One small file per work item that failed for good."""
        return self.root / "failures"

    @property
    def claims(self) -> Path:
        """One small file per work item that a process runs."""
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
        """List every group that a work item has written, except the results."""
        patterns = ("sounds/*", "spikes/*/*", "counts/*/*/*", "reliability/*/*/*", "features/*/*/*", "analyses/*")
        return sorted(path for p in (*patterns, "models/*/*/*/*") for path in self.root.glob(f"{p}.zarr"))

    def sounds(self, stimuli: str) -> Path:
        """The cut sounds of a stimulus set."""
        return self.root / "sounds" / f"{stimuli}.zarr"

    def spikes(self, stimuli: str, session: str) -> Path:
        """The spike times of one session, as read from the recordings."""
        return self.root / "spikes" / stimuli / f"{session}.zarr"

    def reliability(self, stimuli: str, bin_width: float, session: str) -> Path:
        """How well the units of one session repeat themselves."""
        return self.root / "reliability" / stimuli / f"{bin_width:g}ms" / f"{session}.zarr"

    def responses(self, stimuli: str, bin_width: float, session: str) -> Path:
        """The binned responses of one session."""
        return self.root / "counts" / stimuli / f"{bin_width:g}ms" / f"{session}.zarr"

    def features(self, stimuli: str, network: str, weights: str) -> Path:
        """The features of all layers of a network."""
        return self.root / "features" / stimuli / network / f"{weights}.zarr"

    def all_features(self) -> dict[tuple[str, str, str], Path]:
        """Every network's stored features, by (stimuli, network, weights)."""
        paths = sorted((self.allocations / "features").glob("*/*/*.json"))
        keys = [(path.parent.parent.name, path.parent.name, path.stem) for path in paths]
        return {key: self.features(*key) for key in keys}

    def stimulus_set(self, given: str | None) -> str:
        """Return what was given, or else the only stimulus set of which features or responses are stored.

        Raises
        ------
        StoreError
            If nothing was given, and none or several are stored.
        """
        if given is not None:
            return given
        kinds = ("features", "counts")
        found = sorted({path.parts[-3] for kind in kinds for path in (self.allocations / kind).glob("*/*/*.json")})
        if len(found) != 1:
            if found:
                problem = f"there are {', '.join(found)}; name one as `stimuli`"
            else:
                problem = "no features or responses are stored yet, and imported results have none: dtrf run STUDY"
            raise StoreError(f"{self.root}: {problem}")
        return found[0]

    def analysis(self, key: str) -> Path:
        """The result of an analysis outside the grid of fits; ``key`` is that of its work item."""
        return self.root / "analyses" / f"{key}.zarr"

    def model(self, stimuli: str, network: str, weights: str, layer: int, bin_width: float) -> Path:
        """The weights of one fit; the arguments are its cell in the results."""
        return self.root / "models" / stimuli / network / weights / f"{layer:02d}-{bin_width:g}ms.zarr"

    def all_models(self) -> dict[tuple[str, str, str, int, float], Path]:
        """Every fit's stored weights, by (stimuli, network, weights, layer, bin width in ms)."""
        return self.model_paths(self.name(path) for path in (self.root / "models").glob("*/*/*/*ms.zarr"))

    def model_paths(self, groups: Iterable[str]) -> dict[tuple[str, str, str, int, float], Path]:
        """Return the path of each group that is a model, by the cell of its fit."""
        models = {}
        for group in groups:
            kind, *rest = PurePosixPath(group).parts
            if kind == "models":
                stimuli, network, weights, file = rest
                layer, _, bin_width = file.removesuffix("ms.zarr").partition("-")
                models[stimuli, network, weights, int(layer), float(bin_width)] = self.root / group
        return dict(sorted(models.items()))


def _near(root: Path) -> str:
    """Say which folders beside this one are of studies."""
    found = [path.parent for path in sorted(root.glob(f"*/{MARKER}"))]
    found += [folder for folder in root.parents if (folder / MARKER).is_file()]
    return f"perhaps {' or '.join(map(str, found[:3]))} is meant" if found else "choose another output"


def _is_new(root: Path) -> bool:
    """Tell whether a folder is missing or empty; temporary files of a killed process do not count."""
    return not root.exists() or (root.is_dir() and all(TEMPORARY in path.name for path in root.iterdir()))
