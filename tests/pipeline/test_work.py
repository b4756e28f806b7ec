"""The table of the kinds of work: complete, in order, and true of what items leave on disk."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from distributed_trf import Study
from distributed_trf.config.analyses import analysis_branches
from distributed_trf.pipeline.check_study import open_context
from distributed_trf.pipeline.dependencies import Dependencies
from distributed_trf.pipeline.items import STAGES, Analysis
from distributed_trf.pipeline.work import KINDS, items, kind_of
from distributed_trf.pipeline.work_kind import Execution
from distributed_trf.store.fingerprint import fingerprint

EVERYTHING = {
    "networks": [{"name": "mel_librosa"}, {"name": "mel_deepspeech2"}],
    "bin_widths": [50, 20],
    "lags": {"tmin": 0.0, "tmax": 0.05},
    "ridge": {"alphas": [1.0, 1000.0]},
    "reliability": {"draws": 50, "shifts": 9, "splits": 2},
    "extraction": {"batch": 24},
    "together": [{"network": "mel_librosa", "candidates": 2}],
    "joint": [{"name": "both", "spaces": ["mel_librosa", "mel_deepspeech2"], "candidates": 2}],
    "partition": [{"name": "parts", "spaces": ["mel_librosa", "mel_deepspeech2"], "candidates": 2}],
    "beyond": ["mel_librosa"],
    "lowpass": [{"network": "mel_librosa", "layer": 0, "weights": "fixed", "lowpass_bins": [100, 200]}],
    "bootstraps": [
        {
            "network": network,
            "layer": 0,
            "weights": "fixed",
            "training_percent": [60, 100],
            "test_percent": [50],
            "n_repeats": [2],
            "draws": 2,
        }
        for network in ("mel_librosa", "mel_deepspeech2")
    ],
}
FIT = ("features", "responses", "training", "lags", "bin width", "ridge", "versions")
INPUTS = {
    "ReadSounds": ("sound files", "recording format", "versions"),
    "ReadSession": (
        *("recording files", "stimuli", "recording format", "delay"),
        *("bin width in ms: 50", "bin width in ms: 20", "versions"),
    ),
    "Assess": ("responses", "reliability", "versions"),
    "Extract": ("sounds", "weights", "network", "layer: 0", "versions", "lead-in", "batch", "dtype", "keep"),
    "Fit": (*FIT, "chance", "halves of repeats", "noise correction"),
    "FitTogether": (*FIT, "together"),
    "FitJoint": (*FIT, "joint"),
    "FitPartition": (*FIT, "partition"),
    "FitBeyond": (*FIT, "beyond"),
    "FitLowpass": (*FIT, "lowpass"),
    "BootstrapTraining": (*FIT, "bootstrap"),
    "BootstrapTest": (*FIT, "bootstrap", "test"),
}
"""Names and order of what fingerprints have digests of; to change one makes the items of all studies stale."""


def test_table__has_each_analysis_that_settings_ask_for():
    kinds = {item.kind for item in KINDS if issubclass(item, Analysis)}
    assert kinds == {kind for kind, _ in analysis_branches().values()}
    assert not [(a, b) for a in kinds for b in kinds if a != b and f"{b}-".startswith(f"{a}-")]  # keys begin with them
    stages = [kind.stage for kind in KINDS.values()]
    assert stages == sorted(stages, key=STAGES.index)


def test_items__are_listed_set_by_set_and_bin_width_by_bin_width(write_study):
    context = open_context(Study.load(write_study(**EVERYTHING)).settings)
    listed = [item.key for item in items(context, "analyse")]
    assert len(set(listed)) == len(listed) == 2 * (1 + 3 + 2 + 2 * 3)
    first, second = (listed[k * 12 : k * 12 + 12] for k in (0, 1))
    assert all("-50ms" in key for key in first)
    assert [key.replace("-50ms", "-20ms") for key in first] == second
    lowpass, bootstraps = [f"lowpass-timit-mel_librosa-fixed-00-50ms-{cut}ms" for cut in (100, 200)], []
    for network in ("mel_librosa", "mel_deepspeech2"):
        fit = f"timit-{network}-fixed-00-50ms"
        bootstraps += [f"bootstrap-training-{fit}-60percent", f"bootstrap-training-{fit}-100percent"]
        bootstraps += [f"bootstrap-test-{fit}"]
    spaces = ["joint-timit-both-50ms", "partition-timit-parts-50ms"]
    spaces += ["beyond-timit-mel_deepspeech2-fixed-00-50ms-mel_librosa"]
    assert first == ["together-timit-mel_librosa-fixed-50ms", *spaces, *lowpass, *bootstraps]


def test_every_kind__names_its_inputs_and_what_it_wrote(studied):
    study = Study.load(studied(**EVERYTHING))
    context = open_context(study.settings)
    dependencies, every = Dependencies(context), [item for stage in STAGES for item in items(context, stage)]
    assert {type(item) for item in every} == set(KINDS)
    assert {type(item).__name__: tuple(dependencies.of(item)) for item in every} == INPUTS
    for item in every:
        settings = fingerprint(kind_of(item).settings(item, study.settings))
        assert settings.items() <= dependencies.of(item).items(), item
        kind, written = kind_of(item), json.loads(Path(f"study/receipts/{item.stage}/{item.key}.json").read_text())
        names = [f.name for f in fields(kind.finding) if not f.metadata]  # others are left out where they are None
        assert list(written["details"]) == [*names, *(f.name for f in fields(Execution))], item
        outputs = {context.store.name(path) for path in kind.outputs(item, context) if path.exists()}
        groups = set(written["details"]["files"]) - {"results.zarr"}
        assert groups == outputs, item
