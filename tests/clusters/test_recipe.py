"""Recipes: what is read from a file, and what is refused."""

from __future__ import annotations

import os

import pytest

from distributed_trf import start_cluster
from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.clusters.recipe_local import usable_cores
from distributed_trf.errors import ConfigError


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Write ``cluster/mine.yaml`` in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cluster").mkdir()

    def write(text):
        (tmp_path / "cluster/mine.yaml").write_text(text)
        return "mine"

    return write


def test_recipe__fields_come_from_the_file_and_the_rest_from_defaults(recipe):
    found = load_recipe(recipe("kind: local\nworkers: 3\nmemory: 4GiB\n"))
    assert (found.workers, found.n_workers, found.threads, found.memory) == (3, 3, 1, 4 << 30)
    assert (found.device, found.dashboard) == ("cpu", "127.0.0.1:8787")


def test_recipe__overrides_come_before_the_file(recipe):
    found = load_recipe(recipe("kind: local\nworkers: 3\nmemory: 4GiB\n"), workers=2, tls=True)
    assert (found.workers, found.tls, found.memory) == (2, True, 4 << 30)


def test_recipe__unknown_override_is_named_with_the_nearest_field(recipe):
    message = r"cluster/mine\.yaml with overrides: worker = 2: unknown field; did you mean 'workers'\?"
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe("kind: local"), worker=2)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: slrum", "kind = 'slrum'"),
        ("workers: 2", "kind: this field is required"),
        ("kind: local\nworkers: 0", "workers = 0"),
        ("kind: local\nworkers: some", "workers = 'some'"),
        ("kind: local\nthreads: 0", "threads = 0"),
        ("kind: local\nmemory: much", "memory = 'much'"),
        ("kind: local\ndevice: gpu", "device = 'gpu': input should be 'cpu'"),
        ("kind: local\ndevice: cuda", "device = 'cuda': workers on the GPUs of this machine are `kind: local_cuda`"),
    ],
)
def test_recipe__that_cannot_be_used_is_named_and_nothing_is_started(recipe, text, problem):
    with pytest.raises(ConfigError, match=rf"cluster/mine\.yaml: {problem}"), start_cluster(recipe(text)):
        pytest.fail("a cluster was started")


def test_recipe__unknown_device_as_an_override_is_refused(recipe):
    with pytest.raises(ConfigError, match=r"device = 'tpu': input should be 'cpu'"):
        load_recipe("local", device="tpu")


def test_unknown_recipe__is_told_what_ships():
    with pytest.raises(ConfigError, match=r"lcoal: no such file; .* Shipped in cluster/: .*local"):
        load_recipe("lcoal")


@pytest.mark.parametrize(("allocated", "expected"), [("3", 3), ("", None), ("3(x2)", None), (None, None)])
def test_usable_cores__are_what_slurm_allocated_or_this_process_may_use(monkeypatch, allocated, expected):
    if allocated is None:
        monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    else:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", allocated)
    cores = len(os.sched_getaffinity(0)) if expected is None else expected
    assert usable_cores() == load_recipe("local").n_workers == cores


def test_usable_cores__are_fewer_when_the_process_is_held_to_fewer(monkeypatch):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
