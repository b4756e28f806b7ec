"""Provenance of results: the settings of the study, and the versions, machine and time that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
import yaml

from distributed_trf.config.extraction import NetworkSettings
from distributed_trf.config.study import AlphaGrid, ReliabilitySettings, RidgeSettings, StudySettings
from distributed_trf.pipeline.provenance import study_of
from distributed_trf.pipeline.run_record import PastRun, latest_provenance
from distributed_trf.results.open_results import unpacked
from distributed_trf.results.published.import_csv import IMPORTED

KNOWN = {
    "source": "made with",
    "git_revision": "revision of the code",
    "host": "machine",
    "written": "written",
    "versions": "versions",
    "method": "method",
}
"""Attributes of results, and what a reader calls them."""

Line = tuple[str, str]
"""What, and how it is."""


@dataclass(frozen=True)
class Provenance:
    """What results say of themselves, or the run that is about to make them."""

    attrs: Mapping[str, Any]

    @property
    def content(self) -> dict[str, Any] | None:
        """The settings as they were written; None if the results carry none, as imported ones do."""
        study = self.attrs.get("study")
        return study if isinstance(study, dict) else None

    @property
    def study(self) -> StudySettings | None:
        """The settings, if this version understands them."""
        return study_of(self.attrs)

    @property
    def name(self) -> str:
        """What the study is called, or the import; '' if nothing says."""
        return str((self.content or {}).get("name") or "")

    @property
    def imported(self) -> list[Line]:
        """From which files results were imported, what of them was left out and why; empty for those of a study."""
        of = self.attrs.get(IMPORTED)
        if not isinstance(of, dict):
            return []
        lines = [("files", ", ".join(of.get("files", {})))]
        lines += [(f"left out: {file}", str(why)) for file, why in dict(of.get("left_out", {})).items()]
        return [*lines, *(("note", str(text)) for text in of.get("notes", []))]

    @property
    def yaml(self) -> str:
        """The settings as a study file."""
        return "" if self.content is None else yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True)

    def lines(self) -> list[Line]:
        """Return what made the results, as far as it is known; other attributes follow under their names."""
        written = {label: _written(self.attrs[name]) for name, label in KNOWN.items() if self.attrs.get(name)}
        if "written" in written:
            written["written"] = in_utc(written["written"])
        others = {name: v for name, v in self.attrs.items() if name not in KNOWN and isinstance(v, str | int | float)}
        return [*written.items(), *((name, str(v)) for name, v in others.items())]


def provenance_of(ds: xr.Dataset | None, runs: Sequence[PastRun]) -> Provenance:
    """Return what made the results, or what the latest run has written so far if that is newer."""
    return Provenance(latest_provenance(None if ds is None else unpacked(ds.attrs), runs))


def settings_lines(study: StudySettings) -> list[Line]:
    """Write the settings of a study as a table for readers."""
    lags = study.lags
    lines = [
        ("recordings", f"{study.recordings.format}, {study.recordings.path}"),
        ("stimulus sets", ", ".join(study.stimuli)),
        ("bin widths", ", ".join(f"{width:g} ms" for width in study.bin_widths)),
        ("lags", f"{lags.tmin:g} to {lags.tmax:g} s, after {lags.lead_in:g} s of silence before each sound"),
    ]
    if study.delay:
        lines.append(("delay", f"the first bin of a response begins {study.delay:g} s after the onset of its sound"))
    lines += [(f"network {network.name}", _network(network)) for network in study.networks]
    if not study.test.fixed:
        lines.append(("tested", study.test.summary()))
    lines += [("ridge", _ridge(study.ridge)), ("reliability", _reliability(study.reliability))]
    lines += [settings.summary() for _, settings in study.analyses()]
    return lines


def in_utc(time: str) -> str:
    """Write a time that ``manifest.now`` gave for readers.

    Examples
    --------
    >>> in_utc("2026-01-31T10:20:30+00:00")
    '2026-01-31 10:20:30 UTC'
    """
    return time.replace("T", " ").replace("+00:00", " UTC")


def _network(network: NetworkSettings) -> str:
    weights = f"weights {', '.join(network.weights)}" if network.weights else "weights by default"
    source = f"; from {network.source}" if network.source else ""
    return f"{_layers(network.layers)}; {weights}{source}"


def _ridge(ridge: RidgeSettings) -> str:
    n = len(ridge.penalties)
    grid = "evenly spaced on a logarithmic scale, " if isinstance(ridge.alphas, AlphaGrid) else ""
    scaled = f"columns z-scored ({ridge.scaling})" if ridge.standardize else "columns as they are"
    return (
        f"{n} penalties from {ridge.penalties[0]:g} to {ridge.penalties[-1]:g}, {grid}one chosen for each unit over "
        f"{ridge.n_folds} folds ({ridge.folds}, seed {ridge.seed}); {scaled}; {ridge.precision}"
    )


def _reliability(reliability: ReliabilitySettings | None) -> str:
    if reliability is None:
        return "not measured"
    drawn = "; the normaliser of drawn sounds and repeats too" if reliability.bootstrap else ""
    return (
        f"{reliability.draws} draws, null shifted by {reliability.null_shift}, {reliability.shifts} shifts, "
        f"{reliability.splits} splits, seed {reliability.seed}{drawn}"
    )


def _layers(layers: str | list[int]) -> str:
    return "all layers" if isinstance(layers, str) else f"layers {_list(layers)}"


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _written(value: Any) -> str:
    return ", ".join(f"{name} {number}" for name, number in value.items()) if isinstance(value, dict) else str(value)
