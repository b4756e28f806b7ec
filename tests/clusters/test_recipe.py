"""Recipes: what is read from a file, and what is refused."""

from __future__ import annotations

import os

import pytest

from distributed_trf import start_cluster
from distributed_trf.clusters.recipe import KINDS, load_recipe
from distributed_trf.clusters.recipe_machines import usable_cores
from distributed_trf.config.load import shipped
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
        ("kind: slrum", f"kind = 'slrum'; expected one of {', '.join(KINDS)}; did you mean 'slurm'"),
        ("kind: [slurm]", r"kind = \['slurm'\]; expected one of local"),
        ("workers: 2", "kind: this field is required; expected one of local, local_cuda, slurm"),
        ("kind: local\nworkers: 0", "workers = 0"),
        ("kind: local\nworkers: some", "workers = 'some'"),
        ("kind: local\nthreads: 0", "threads = 0"),
        ("kind: local\nmemory: much", "memory = 'much'"),
        ("kind: local\ndashboard: here", "dashboard = 'here'"),
        ("kind: local\nitem_limit: 5 hours", "item_limit = '5 hours': expected a duration such as 90 s, 30 min"),
        ("kind: local\nworker_ttl: 0", "worker_ttl = 0"),
        ("kind: local\ndevice: gpu", "device = 'gpu': input should be 'cpu'"),
        ("kind: local\ndevice: cuda", "device = 'cuda': workers on the GPUs of this machine are `kind: local_cuda`"),
    ],
)
def test_recipe__that_cannot_be_used_is_named_and_nothing_is_started(recipe, text, problem):
    with pytest.raises(ConfigError, match=rf"cluster/mine\.yaml: {problem}"), start_cluster(recipe(text)):
        pytest.fail("a cluster was started")


JOBS = "kind: slurm\njobs: 2\nmemory: 2GiB\nwalltime: 1:30:00\ninterface: lo\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (JOBS.replace("interface: lo", ""), "interface: this field is required"),
        (JOBS + "partition: gpu", "partition = 'gpu': unknown field; known fields: account, cores"),
        (JOBS + "reservation_spec: x", "reservation_spec = 'x': unknown field"),
        (JOBS + "interfaces: x", "interfaces = 'x': unknown field; did you mean 'interface'"),
        (JOBS + "resource_spec: mem=2G", "resource_spec = 'mem=2G': unknown field"),  # it is not for Slurm
        (JOBS.replace("1:30:00", "1:30"), "walltime = '1:30': expected a duration such as .* 4:00:00"),
        (JOBS.replace("1:30:00", "30 s"), "walltime = '30 s': expected a minute at least"),
        (JOBS + "queue: a b", "queue = 'a b'"),
        (JOBS + "log_directory: /my logs", "log_directory = '/my logs': a folder in a job script must have no spaces"),
        (JOBS + 'directives: ["a\\nb"]', "directives.0 = 'a\\\\nb'"),
        (JOBS + "device: cuda", "device is cuda, but the recipe requests no GPU; add a request, such as --gres=gpu:1"),
        (JOBS.replace("slurm", "sge") + "cores: 2", "cores = 2 needs parallel_environment"),
        ("kind: ssh\ninterface: lo\nhosts: []", r"hosts = \[\]"),
        ("kind: ssh\ninterface: lo\nhosts: [a, a]", "hosts = .*: expected each host once"),
        ("kind: local_cuda\ngpus: [0, 0]", r"gpus = \[0, 0\]: expected each GPU once"),
        ("kind: local_cuda\ndevice: cpu", "device = 'cpu'"),
    ],
)
def test_recipe_of_jobs_or_machines__that_cannot_be_used_is_named(recipe, text, problem):
    with pytest.raises(ConfigError, match=rf"cluster/mine\.yaml: {problem}"):
        load_recipe(recipe(text))


@pytest.mark.parametrize(
    "asked",
    ["--gres=gpu:2", "--gres=gpu:a100:4", "--gpus=2", "--gpus-per-node=8", "--gpus 2", '-gpu "num=2:mode=shared"',
     "-l gpu=2", "-l ngpus=4"],
)  # fmt: skip
def test_jobs_on_several_gpus__are_refused_as_each_is_one_worker(recipe, asked):
    with pytest.raises(ConfigError, match="a job requests several GPUs, but each job is one worker on one GPU"):
        load_recipe(recipe(JOBS), device="cuda", directives=[asked])


@pytest.mark.parametrize(
    "asked",
    ["--gres=gpu:1", "--gres=gpu:a100:1", "--gres=gpu:a100_80:1", "--gpus=1", "--gpus-per-task=1", '-gpu "num=1"',
     "-l gpu=1", "--gres=gpu"],
)  # fmt: skip
def test_jobs_on_one_gpu__are_taken(recipe, asked):
    assert load_recipe(recipe(JOBS), device="cuda", directives=[asked]).device == "cuda"


def test_jobs_on_gpus_of_pbs__ask_in_their_resources(recipe):
    text = JOBS.replace("slurm", "pbs") + "device: cuda\nresource_spec: select=1:ncpus=8:ngpus={}:mem=64gb"
    assert load_recipe(recipe(text.format(1))).device == "cuda"
    with pytest.raises(ConfigError, match="several GPUs"):
        load_recipe(recipe(text.format(4)))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1:30:00", 5400),
        ("12:00:00", 43200),
        ("08:00:00", 28800),
        ("1-00:00:00", 86400),
        ("90 min", 5400),
        ("600", 600),
    ],
)
def test_walltime__is_read_as_written_and_never_in_base_60(recipe, written, seconds):
    assert load_recipe(recipe(JOBS.replace("1:30:00", written))).walltime == seconds


def test_every_recipe__says_what_a_run_needs_to_know(recipe):
    for path in shipped("cluster").glob("*.yaml"):
        found = load_recipe(path)
        assert found.device in ("cpu", "cuda")
        assert found.threads >= 1
        assert found.dashboard.startswith("127.0.0.1:")
        assert (found.item_limit, found.worker_ttl) == (6 * 3600, 1800)
        if found.kind != "local_cuda":  # which counts the GPUs of this machine
            assert found.n_workers >= 1
            assert found.worker_bytes is None or found.worker_bytes > 1 << 30
    assert {load_recipe(path).kind for path in shipped("cluster").glob("*.yaml")} == set(KINDS)


def test_readme_beside_the_recipes__names_every_field_and_marks_those_that_must_be_given():
    rows = (shipped("cluster") / "README.md").read_text()
    for kind, model in KINDS.items():
        for name, field in model.model_fields.items():
            assert name == "kind" or f"`{name}`" in rows, f"{kind}: {name}"
            if field.is_required() and name != "kind":
                assert f"**`{name}`**" in rows, f"{kind}: {name}"


def test_recipe__stays_the_same_when_it_is_written_down_and_read_again(recipe):
    for path in shipped("cluster").glob("*.yaml"):
        found = load_recipe(path)
        again = type(found).model_validate(found.model_dump(mode="json"))
        assert again == found


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
