"""Recipes, and a real cluster on this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec

import psutil
import pytest

from distributed_trf import start_cluster
from distributed_trf.clusters.recipe import Recipe, load_recipe, usable_cores
from distributed_trf.config.locate import shipped
from distributed_trf.errors import ConfigError, DeviceError


def test_workers__keep_memory_that_arrays_come_back_for():
    """Where glibc gave it back after each use, as dask sets it, small arrays would cost several times what they do."""
    with start_cluster("local", workers=1) as client:
        (environment,) = client.run(lambda: dict(os.environ)).values()
    assert int(environment["MALLOC_TRIM_THRESHOLD_"]) >= 64 << 20
    assert int(environment["MALLOC_MMAP_THRESHOLD_"]) >= 16 << 20
    assert environment["MALLOC_ARENA_MAX"] == "1"  # and one heap for all threads that tasks run in


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
    found = load_recipe(recipe("kind: local\nworkers: 3\nmemory: 4GiB\n"), workers=2, device="cuda")
    assert (found.workers, found.device, found.memory) == (2, "cuda", 4 << 30)


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
        ("kind: local\ndevice: gpu", "device = 'gpu'; expected one of cpu, cuda"),
    ],
)
def test_recipe__that_cannot_be_used_is_named_and_nothing_is_started(recipe, text, problem):
    with pytest.raises(ConfigError, match=rf"cluster/mine\.yaml: {problem}"), start_cluster(recipe(text)):
        pytest.fail("a cluster was started")


def test_recipe__unknown_device_as_an_override_is_refused(recipe):
    with pytest.raises(ConfigError, match=r"device = 'tpu'; expected one of cpu, cuda"):
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


def listening(pid):
    return {c.laddr for c in psutil.Process(pid).net_connections("inet") if c.status == psutil.CONN_LISTEN}


def threads():
    import torch
    from threadpoolctl import threadpool_info

    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"], torch.get_num_threads()


def test_local_cluster__keeps_to_itself_and_leaves_nothing_behind(monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "2")  # a user's own setting, which the workers inherit
    before, bound = dict(os.environ), listening(os.getpid())
    with start_cluster("local", workers=1, dashboard="127.0.0.1:0") as client:
        assert dict(os.environ) == before
        ((address, pid),) = client.run(os.getpid).items()
        assert pid != os.getpid()
        new = listening(os.getpid()) - bound
        assert {a.ip for a in new | listening(pid)} == {"127.0.0.1"}
        ports = {a.port for a in new}
        assert int(client.scheduler.address.rsplit(":", 1)[1]) in ports
        assert int(client.dashboard_link.split(":")[2].split("/")[0]) in ports
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        pools, torch_threads = client.submit(threads).result()
        assert pools
        assert set(pools) == {torch_threads} == {1}
        assert client.scheduler_info()["workers"][address]["nthreads"] == 1

        os.environ["SET_INSIDE"] = "kept"
        psutil.Process(pid).kill()  # its nanny starts another, which is set up like the first
        second = client.submit(os.getpid, pure=False).result()
        assert second != pid
        assert client.submit(threads, pure=False).result() == (pools, 1)
    assert os.environ.pop("SET_INSIDE") == "kept"
    assert dict(os.environ) == before
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(second)
    assert listening(os.getpid()) == bound


def test_local_cluster__ends_with_an_error_in_the_block():
    before = dict(os.environ)
    pids = []

    def fail():
        with start_cluster(Recipe(kind="local", workers=1, dashboard="127.0.0.1:0")) as client:
            pids.extend(client.run(os.getpid).values())
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()
    assert len(pids) == 1
    assert not psutil.pid_exists(pids[0])
    assert dict(os.environ) == before


@pytest.mark.skipif(find_spec("cupy") is not None, reason="cupy is installed here")
def test_local_cluster__without_the_device_of_its_recipe_says_so_before_any_work():
    with (
        pytest.raises(DeviceError, match="device 'cuda' needs cupy"),
        start_cluster("local", workers=1, device="cuda", dashboard="127.0.0.1:0"),
    ):
        pytest.fail("the block ran")


def test_shipped_recipes__bind_to_loopback():
    for path in shipped("cluster").glob("*.yaml"):
        assert load_recipe(path).dashboard.startswith("127.0.0.1:")
