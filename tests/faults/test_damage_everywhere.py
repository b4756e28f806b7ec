"""Damage of every kind to every kind of file of a finished study: put right, or named with what to do; never silent.

``DTRF_DAMAGES`` says how many are tried (300 for all of them), ``DTRF_FAULT_SEED`` gives them another seed.
"""

from __future__ import annotations

import json
import os
import random
import shutil

import numpy as np
import pytest
import yaml

from distributed_trf import Study, open_features, open_models, open_tree
from distributed_trf.errors import DistributedTRFError, StoreError
from tests.store_damage import flip_a_bit

SEED, DAMAGES = int(os.environ.get("DTRF_FAULT_SEED", "0")), int(os.environ.get("DTRF_DAMAGES", "24"))
MEL = {"network": "mel_librosa", "layer": 0, "weights": "fixed"}
STUDY = {
    "name": "damage",
    "recordings": {"format": "ucsf", "path": "recordings"},
    "output": "study",
    "networks": [{"name": "mel_deepspeech2"}, {"name": "mel_librosa"}],
    "bin_widths": [50, 100],
    "save_models": True,
    "ridge": {"alphas": {"min": 1e-2, "max": 1e8, "num": 3}},
    "reliability": {
        "draws": 50,
        "shifts": 9,
        "splits": 5,
        "bootstrap": {"percent_duration": [50.0], "n_repeats": [2], "draws": 3, "pairings": 5},
    },
    "extraction": {"batch": 12},
    "together": [{"network": "mel_librosa", "bands": "none"}],
    "lowpass": [{**MEL, "lowpass_bins": [200]}],
    "bootstraps": [{**MEL, "draws": 2, "training_percent": [60.0], "test_percent": [50.0], "n_repeats": [2]}],
}
LOCKS = ("run.lock", "lay.lock")
OF_RUNS = ("seconds", "timings", "process_peak_mib", "host", "process", "run", "finished", "digest")
"""What differs between runs in a receipt."""


@pytest.fixture(scope="module")
def finished(recordings, tmp_path_factory):
    """A working directory in which the study is done."""
    root = tmp_path_factory.mktemp("finished")
    shutil.copytree(recordings, root / "recordings")
    (root / "study.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert Study.load("study.yaml").run(None).ok
        yield root


@pytest.fixture(scope="module")
def undisturbed(finished):
    """All that is read from it, and all that is in it."""
    return read_everything(finished / "study") | {"files": comparable(finished / "study")}


def files_of(folder):
    """Every file by its name in the folder, but for locks."""
    return {
        f.relative_to(folder).as_posix(): f for f in sorted(folder.rglob("*")) if f.is_file() and f.name not in LOCKS
    }


def kind_of(name):
    """Name the kind of a file: where it is, of which array, and whether it holds numbers."""
    parts = name.split("/")
    if "zarr.json" in parts:
        return f"{parts[0]}: zarr.json{' of the group' if parts[-2].endswith('.zarr') else ''}"
    if "c" in parts:
        return f"{parts[0]}: {parts[parts.index('c') - 1] if parts[0] in ('results.zarr', 'spikes') else 'chunk'}"
    return f"{parts[0]}: {parts[-1] if parts[0] == 'runs' else parts[1] if len(parts) > 2 else ''}"


def damage(folder, rng):
    """Do one damage of a random kind to a file of a random kind; what was done, and to which file."""
    by_kind = {}
    for name in files_of(folder):
        by_kind.setdefault(kind_of(name), []).append(name)
    kind = rng.choice(sorted(by_kind))
    name = rng.choice(by_kind[kind])
    file, content = folder / name, (folder / name).read_bytes()
    others = [folder / n for n in by_kind[kind] if (folder / n).read_bytes() != content]
    what = rng.choice(["flip", "truncate", "zero", "delete", *(["swap", "replace"] if others else [])])
    other = rng.choice(others) if others else None
    if what == "flip":
        flip_a_bit(file, rng.randrange(len(content)))
    elif what == "truncate":
        file.write_bytes(content[: rng.randrange(len(content))])
    elif what == "zero":
        file.write_bytes(bytes(len(content)))
    elif what == "delete":
        file.unlink()
    else:
        file.write_bytes(other.read_bytes())
        if what == "swap":
            other.write_bytes(content)
    return what, name, *([] if what != "swap" else [other.relative_to(folder).as_posix()])


def read_everything(folder):
    """Every number that the ways of opening a folder give; of one that refuses, its message."""
    found = {}

    def look(name, read):
        try:
            found[name] = read()
        except StoreError as error:
            found[name] = str(error)

    def arrays(ds):
        return {str(name): np.asarray(ds[name].values) for name in sorted(map(str, ds.variables))}

    look("tree", lambda: {f"{node.path}/{n}": a for node in open_tree(folder).leaves for n, a in arrays(node).items()})
    for network in ("mel_librosa", "mel_deepspeech2"):
        key = ("timit", network, "fixed")
        look(f"features of {network}", lambda key=key: dict(open_features(folder)[key].iterate(0)))
        look(f"model of {network}", lambda key=key: arrays(open_models(folder)[(*key, 0, 50.0)].to_dataset()))
    return found


def without(content, *names):
    return {name: value for name, value in content.items() if name not in names}


def comparable(folder):
    """What a study's folder holds, without the times, names and machines of its runs."""
    found = {}
    for name, file in files_of(folder).items():
        if name.startswith("runs/"):
            continue
        content = file.read_bytes()
        if name.startswith("receipts/"):
            content = json.loads(content)
            content = without({**content, "details": without(content["details"], *OF_RUNS)}, "digest")
        elif name == "results.zarr/zarr.json":
            content = json.loads(content)
            about = without(content["attributes"], "written", "host")
            content["attributes"] = {**about, "study": without(about["study"], "output", "recordings")}
        elif name == "laid/results.json":
            content = without(json.loads(content), "digest")
            content["files"] = without(content["files"], "zarr.json")
        found[name] = content
    return found


def _repaired(study):
    try:
        return study.repair()
    except StoreError:
        return {}  # a run refuses as well


def same_or_missing(found, right):
    """Tell whether arrays are the same, or NaN where something is not done; a message is no array."""
    if isinstance(found, str):
        return True
    return all(_is_part(a, right[name]) for name, a in found.items())


def _is_part(found, right):
    if found.shape != right.shape:  # an analysis that is not done has no label on an axis
        return np.isin(found[found == found], right).all()
    return bool(np.all((found == right) | (found != found)))


@pytest.mark.parametrize("number", range(DAMAGES))
def test_damage__is_put_right_or_named_with_what_to_do(finished, undisturbed, monkeypatch, tmp_path, number):
    rng = random.Random(f"{SEED} {number}")
    folder = tmp_path / "study"
    shutil.copytree(finished / "study", folder)
    shutil.copy(finished / "study.yaml", tmp_path)
    (tmp_path / "recordings").symlink_to(finished / "recordings")
    done = damage(folder, rng)
    monkeypatch.chdir(tmp_path)

    for name, found in read_everything(folder).items():
        assert same_or_missing(found, undisturbed[name]), (done, name)
    study = Study.load("study.yaml")
    repaired, refused = " ".join(f"{d.stage} {d.key} {why}" for d, why in _repaired(study).items()), ""
    try:
        assert study.run(None).ok, done
        assert {p.state for p in study.status()} == {"done"}, done
    except DistributedTRFError as error:
        refused = str(error)
    if refused:
        assert any(name in refused for name in done[1:]), (done, refused)
        assert "restore its content" in refused, (done, refused)
        return
    no_receipt = done[0] == "delete" and done[1].startswith("receipts/")
    assert no_receipt or any(name in repaired for name in done[1:]), (done, repaired)
    found = comparable(folder)
    assert found.keys() == undisturbed["files"].keys(), done
    assert [name for name in found if found[name] != undisturbed["files"][name]] == [], done
    assert all(left.stage == "runs" for left in study.repair()), done
