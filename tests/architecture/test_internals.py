"""What the package uses of libraries beyond their documentation is there, and is used behind one door each.

Where a test of the first kind fails, the library has moved something: the door that it names is what must follow.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import logging
import pickletools
import re
import signal
import warnings
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from urllib.request import urlopen

import psutil
import pytest

from distributed_trf.clusters import dask_internals, jobqueue_internals
from distributed_trf.clusters.dask_settings import SCHEDULER_SETTINGS
from distributed_trf.features import torch_internals
from distributed_trf.features.weights import transformers_internals

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "distributed_trf"
DOORS = {
    "distributed": "distributed_trf/clusters/dask_internals.py",
    "Python": "distributed_trf/clusters/fork_server.py",
    "dask-jobqueue": "distributed_trf/clusters/jobqueue_internals.py",
    "torch": "distributed_trf/features/torch_internals.py",
    "transformers": "distributed_trf/features/weights/transformers_internals.py",
    "zarr": "distributed_trf/store/verified_store.py",
}


@pytest.fixture(scope="module")
def live():
    """A small cluster in this process: what the doors are for is there for as long as it runs."""
    import dask
    from distributed import Client, LocalCluster

    here = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        dask.config.set(SCHEDULER_SETTINGS),
        LocalCluster(n_workers=1, processes=False, threads_per_worker=1, **here) as cluster,
        Client(cluster) as client,
    ):
        (worker,) = cluster.workers.values()
        yield SimpleNamespace(cluster=cluster, client=client, scheduler=cluster.scheduler, worker=worker)


class Hidden(NamedTuple):
    """Something that a library does not document, and what fails where it is no longer as it was."""

    library: str
    what: str
    check: Callable


FOUND: list[Hidden] = []


def hidden(library, what):
    return lambda check: FOUND.append(Hidden(library, what, check))


@hidden("distributed", "distributed.utils.LoopRunner with start, stop and loop")
def _(live):
    runner = dask_internals.new_loop_runner()
    runner.start()
    assert runner.is_started()
    assert runner.loop is not None
    runner.stop()


@hidden("distributed", "distributed.deploy.ssh.Worker with options of each worker's own")
def _(live):
    taken = inspect.signature(dask_internals.ssh_worker_class()).parameters
    assert {"scheduler", "address", "connect_options", "kwargs", "remote_python"} <= taken.keys()


@hidden("distributed", "nannies that set only known variables of this process (Nanny.pre_spawn_env)")
def _(live):
    from distributed import Nanny

    async def variables():
        return set(Nanny(live.cluster.scheduler_address).pre_spawn_env)

    found = live.cluster.sync(variables)
    assert "OMP_NUM_THREADS" in found
    assert found <= dask_internals.variables_of_nannies()


@hidden("distributed", "distributed.utils._forkserver_preload_set, by which nannies leave the list of modules as it is")
def _(live):
    import distributed.utils

    assert "_forkserver_preload_set" in inspect.getsource(distributed.utils.get_mp_context)
    with dask_internals.own_preload():
        assert distributed.utils._forkserver_preload_set is True


@hidden("Python", "multiprocessing.forkserver._forkserver with _forkserver_pid, _preload_modules and _stop")
def _(live):
    from multiprocessing import forkserver

    server = forkserver._forkserver
    assert server._forkserver_pid is None
    before = server._preload_modules
    forkserver.set_forkserver_preload(["json"])
    assert server._preload_modules == ["json"]
    forkserver.set_forkserver_preload(before)
    forkserver.ensure_running()
    pid = server._forkserver_pid
    assert psutil.pid_exists(pid)
    server._stop()
    assert server._forkserver_pid is None
    assert not psutil.pid_exists(pid)


@hidden("distributed", "nannies that call their processes 'Dask Worker process'")
def _(live):
    import distributed.nanny

    assert 'name="Dask Worker process' in inspect.getsource(distributed.nanny)
    assert "Dask Worker process" in inspect.getsource(dask_internals.kill_workers)


@hidden("distributed", "SpecCluster.worker_spec, workers, new_worker_spec and _correct_state")
def _(live):
    jobs = jobqueue_internals.Jobs(live.cluster)
    jobs.add()
    before = jobs.submitted
    live.cluster.sync(jobs.submit)
    (added,) = jobs.submitted.keys() - before.keys()
    assert added in jobs.wanted
    worker = jobs.submitted[added]
    jobs.forget(added)
    assert (jobs.wanted, jobs.submitted) == ([*before], before)
    live.cluster.sync(jobqueue_internals.end_job, worker)


@hidden("distributed", "Scheduler.no_workers_timeout, by which tasks fail that no worker comes for")
def _(live):
    assert hasattr(live.scheduler, "no_workers_timeout")
    dask_internals.fail_without_workers_after(live.scheduler, 12.0)
    assert "self.no_workers_timeout" in inspect.getsource(type(live.scheduler))


@hidden("distributed", "Scheduler.handlers, and calls of them by name from Client.scheduler")
def _(live):
    taken = []
    dask_internals.take_messages(live.scheduler, "distributed_trf_test", lambda text: taken.append(text))
    assert dask_internals.send_message(live.client, "distributed_trf_test", 10.0, text="a")
    assert taken == ["a"]
    assert not dask_internals.send_message(SimpleNamespace(scheduler=None), "distributed_trf_test", 10.0)
    assert dask_internals.scheduler_address(live.client) == live.scheduler.address


@hidden("distributed", "Scheduler.http_application, which serves the pages of the dashboard")
def _(live):
    from tornado.web import RequestHandler

    class Page(RequestHandler):
        def initialize(self, said):
            self.said = said

        def get(self):
            self.finish(self.said)

    dask_internals.serve_pages(live.scheduler, [(r"/distributed_trf_test", Page, {"said": "here"})])
    with urlopen(f"http://127.0.0.1:{live.scheduler.http_server.port}/distributed_trf_test", timeout=30) as answer:
        assert answer.read() == b"here"


@hidden("distributed", "plugins of a scheduler and of a worker by their names")
def _(live):
    from distributed import SchedulerPlugin, WorkerPlugin

    ours, of_worker = SchedulerPlugin(), WorkerPlugin()
    of_worker.name = "ours"
    live.scheduler.add_plugin(ours, name="ours")
    assert dask_internals.plugin_of(live.scheduler, "ours") is ours
    live.scheduler.remove_plugin("ours")
    assert dask_internals.plugin_of(live.scheduler, "ours") is None
    live.client.register_plugin(of_worker)
    assert isinstance(dask_internals.plugin_of(live.worker, "ours"), WorkerPlugin)


@hidden("distributed", "Client.gather that leaves out what is lost, by key, within a time")
def _(live):
    future = live.client.submit(int, "7")
    future.result()
    assert dask_internals.gather_within(live.client, [future], 30.0) == {future: 7}


@hidden("distributed", "NoWorkerError, ClosedClientError and FutureCancelledError")
def _(live):
    from distributed import Client

    closed, cancelled = dask_internals.lost_client_errors()
    assert issubclass(dask_internals.no_worker_error(), Exception)
    gone = live.client.submit(int, "8")
    gone.cancel()
    with pytest.raises(cancelled):
        gone.result()
    other = Client(live.cluster, set_as_default=False)
    other.close()
    with pytest.raises(closed):
        other.submit(int, "9")


@hidden("distributed", "errors of connections that name their objects before '>: '")
def _(live):
    from distributed import Client

    with pytest.raises(OSError, match="127") as told:
        Client("tcp://127.0.0.1:1", timeout="0.3 s")
    assert dask_internals.reason(told.value)
    assert "<" not in dask_internals.reason(told.value)


@hidden("distributed", "logs of workers by the names distributed.worker and distributed.sizeof")
def _(live):
    import distributed.sizeof
    import distributed.worker

    for module in (distributed.worker, distributed.sizeof):
        assert module.logger.name == module.__name__
        assert f'"{module.__name__}"' in inspect.getsource(dask_internals.quiet_heartbeats)
    told = re.findall(r'logger\.exception\("(.*during heartbeat.*)"\)', inspect.getsource(distributed.worker))
    assert told
    error = (OSError, OSError("closed"), None)
    assert not dask_internals.is_news(logging.LogRecord("", logging.ERROR, "", 1, told[0], (), error))


@hidden("distributed", "Worker.status, loop and close_gracefully")
def _(live):
    from distributed import Status

    assert {"restart", "reason"} <= inspect.signature(live.worker.close_gracefully).parameters.keys()
    later = []
    worker = SimpleNamespace(
        status=live.worker.status,
        close_gracefully=live.worker.close_gracefully,
        loop=SimpleNamespace(call_later=lambda seconds, call, **how: later.append((seconds, call, how))),
    )
    assert callable(live.worker.loop.call_later)
    dask_internals.close_worker(worker, 1.0, restart=False, reason="r")
    assert (worker.status, len(later)) == (Status.paused, 1)


@hidden("distributed", "settings of the names that clusters/dask_settings.py gives")
def _(live):
    import dask

    from distributed_trf.clusters import dask_settings

    for key in {**dask_settings.WORKER_SETTINGS, **dask_settings.SCHEDULER_SETTINGS}:
        dask.config.get(key)


@hidden("dask-jobqueue", "job_cls, which writes the script of a job without a cluster")
def _(live):
    options = {"cores": 1, "processes": 1, "memory": "1GB", "walltime": "00:10:00"}
    for kind in jobqueue_internals.CLASSES:
        script = jobqueue_internals.job_script_of(kind, "tcp://127.0.0.1:1", "dtrf-0", options)
        assert script.startswith("#!")
        assert "tcp://127.0.0.1:1" in script


@hidden("dask-jobqueue", "clusters made of jobs by SpecCluster, with job_id, close and status")
def _(live):
    from distributed import SpecCluster

    for kind in jobqueue_internals.CLASSES:
        made = jobqueue_internals.cluster_class(kind)
        assert issubclass(made, SpecCluster)
        job = made.job_cls("tcp://127.0.0.1:1", name="a", cores=1, processes=1, memory="1GB", walltime="00:10:00")
        assert job.job_id is None
        jobqueue_internals.mark_refused(job)
        assert asyncio.iscoroutinefunction(job.close)


@hidden("dask-jobqueue", "errors of commands that quote what was said after 'stderr:'")
def _(live):
    jobqueue_internals.import_jobqueue()
    from dask_jobqueue.core import Job

    with pytest.raises(RuntimeError) as refused:
        asyncio.run(Job._call(["sh", "-c", "echo no such queue >&2; false"]))
    assert jobqueue_internals.refusal(refused.value) == "no such queue"


@hidden("torch", "settings of float32 precision in torch._C")
def _(live):
    import torch

    if hasattr(torch._C, "_set_fp32_precision_setter"):
        for setting in (*torch_internals.PARENTS, *torch_internals.CHILDREN):
            assert torch._C._get_fp32_precision_getter(*setting) in ("none", "ieee", "tf32", "bf16")
    else:
        assert tuple(map(int, torch.__version__.split(".")[:2])) < (2, 9)
    with torch_internals.plain_float32():
        assert torch._C._get_cublas_allow_tf32() is False


@hidden("torch", "torch.backends.mkldnn.enabled")
def _(live):
    import torch

    before = torch.backends.mkldnn.enabled
    with torch_internals.without_onednn():
        assert torch.backends.mkldnn.enabled is False
        assert torch._C._get_mkldnn_enabled() is False
    assert torch.backends.mkldnn.enabled is before


@hidden("torch", "an error on the CPU that says 'you tried to allocate'")
def _(live):
    import torch

    with pytest.raises(RuntimeError) as full:
        torch.empty(2**50)
    assert torch_internals.is_out_of_memory(full.value)
    assert not torch_internals.is_out_of_memory(RuntimeError("sizes do not match"))


@hidden("torch", "Module._forward_pre_hooks with WeightNorm and SpectralNorm")
def _(live):
    from torch import nn

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older of two ways
        found = [nn.utils.weight_norm(nn.Linear(2, 3)), nn.utils.spectral_norm(nn.Linear(2, 3))]
    for module in found:
        assert "weight" not in dict(module.named_parameters())
        torch_internals.remove_old_normalisations(module)
        assert "weight" in dict(module.named_parameters())


@hidden("torch", "MultiheadAttention._reset_parameters")
def _(live):
    from torch import nn

    module = nn.MultiheadAttention(4, 2)
    nn.init.zeros_(module.in_proj_weight)
    torch_internals.own_initialiser(module)()
    assert module.in_proj_weight.any()
    assert torch_internals.own_initialiser(nn.Linear(2, 3)) is None


@hidden("torch", "torch.utils.flop_counter")
def _(live):
    import torch

    with torch_internals.flop_counter() as counter:
        _ = torch.ones(2, 3) @ torch.ones(3, 5)
    assert counter.get_total_flops() == 2 * 2 * 3 * 5


@hidden("torch", "a hook on the parameters that modules get")
def _(live):
    from torch import nn

    with torch_internals.parameters_on_meta():
        within = nn.Linear(2, 3)
    assert (within.weight.is_meta, tuple(within.weight.shape)) == (True, (3, 2))
    assert not nn.Linear(2, 3).weight.is_meta


@hidden("torch", "the names that features/weights/pickled.py knows in files of torch.save")
def _(live):
    import torch

    from distributed_trf.features.weights import pickled

    saved = {"a": torch.ones(3), "b": torch.nn.Parameter(torch.zeros(2, 2))}
    torch.save(saved, file := io.BytesIO())
    with zipfile.ZipFile(file) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        named = {arg for op, arg, _ in pickletools.genops(archive.read(name)) if op.name == "GLOBAL"}
    source = inspect.getsource(pickled)
    for module, function in (name.split(" ") for name in named):
        assert f'"{function}"' in source, f"{module}.{function}"


@hidden("transformers", "PreTrainedConfig._attn_implementation and _experts_implementation")
def _(live):
    from transformers import PreTrainedConfig, Wav2Vec2Config

    for name in ("_attn_implementation", "_experts_implementation"):
        assert isinstance(inspect.getattr_static(PreTrainedConfig, name), property), name
    config = transformers_internals.as_we_compute(Wav2Vec2Config(attn_implementation="eager"))
    assert config._attn_implementation is None


@hidden("transformers", "sub_configs, attribute_map and to_dict of configurations")
def _(live):
    from transformers import ClapConfig, WhisperConfig

    names = transformers_internals.names_of_settings(WhisperConfig)
    assert names["d_model"] == "d_model"
    assert names["hidden_size"] == "d_model"
    assert "architectures" not in names
    content = {"audio_config": {"hidden_size": 8, "attn_implementation": "eager"}, "architectures": ["Clap"]}
    kept = transformers_internals.settings_of_networks(ClapConfig, content)
    assert kept == {"audio_config": {"hidden_size": 8}}


@hidden("transformers", "CONFIG_MAPPING_NAMES and FEATURE_EXTRACTOR_MAPPING_NAMES, and the places of models")
def _(live):
    from transformers import CsmConfig, MoonshineConfig, Qwen2AudioConfig, Qwen2AudioEncoderConfig

    inner = transformers_internals.transformers_class("MoonshineEncoder")
    assert inner is transformers_internals.models_of(MoonshineConfig)["MoonshineEncoder"]
    assert transformers_internals.config_class("qwen2_audio") is Qwen2AudioConfig
    assert transformers_internals.registered_model(Qwen2AudioConfig) == "Qwen2AudioModel"
    assert transformers_internals.registered_extractor(CsmConfig) == "EncodecFeatureExtractor"
    assert transformers_internals.registered_extractor(Qwen2AudioEncoderConfig) is None
    assert transformers_internals.registered_extractor(Qwen2AudioEncoderConfig, near=True) == "WhisperFeatureExtractor"
    assert isinstance(transformers_internals.parts_of(Qwen2AudioConfig)["audio_config"], Qwen2AudioEncoderConfig)
    assert transformers_internals.part_class(Qwen2AudioConfig, "audio_config", {}) is Qwen2AudioEncoderConfig


@hidden("transformers", "stand-ins, with is_dummy and _backends, for classes of a library that is not installed")
def _(live):
    from transformers.utils import DummyObject

    stand_in = DummyObject("Absent", (), {"_backends": ["nothing"]})
    assert (stand_in.is_dummy, stand_in._backends) == (True, ["nothing"])


@hidden("transformers", "PreTrainedModel._init_weights, and the mark _is_hf_initialized")
def _(live):
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    small = {"conv_dim": (4,), "conv_kernel": (3,), "conv_stride": (2,), "num_conv_pos_embedding_groups": 1}
    sizes = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    model = Wav2Vec2Model(Wav2Vec2Config(**small, **sizes, num_feat_extract_layers=1))
    linear = model.encoder.layers[0].attention.k_proj
    with torch.no_grad():
        linear.weight.fill_(float("nan"))
    linear.weight._is_hf_initialized = True
    draw = transformers_internals.model_initialiser(model)
    with torch.no_grad():
        draw(linear)
        assert linear.weight.isnan().all()
        transformers_internals.forget_loaded(linear.weight)
        draw(linear)
    assert not linear.weight.isnan().any()


@hidden("transformers", "conversions of tensor names by model and by type, each with rename_source_key")
def _(live):
    from transformers import ASTConfig, ASTModel

    small = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    model = ASTModel(ASTConfig(**small, max_length=32, num_mel_bins=32))
    name = transformers_internals.present_names(model)("encoder.layer.0.attention.attention.query.weight")
    assert name in model.state_dict()
    of_whole = transformers_internals.names_of_class("cohere_asr")
    assert of_whole("encoder.layers.0.self_attn.linear_q.weight") == "encoder.layers.0.self_attn.q_proj.weight"
    assert transformers_internals.names_of_class("no such type")("a.b") == "a.b"


READ_AS_WRITTEN = {"get", "get_sync", "exists", "list", "list_dir"}
NEVER_READ_BY_ZARR = {"get_partial_values", "getsize", "getsize_prefix", "is_empty", "list_prefix"}
WRITE_OR_TELL = {"clear", "close", "delete", "delete_dir", "delete_sync", "move", "open", "read_only", "set"} | {
    *("set_if_not_exists", "set_sync", "with_read_only"),
    *(f"supports_{what}" for what in ("consolidated_metadata", "deletes", "listing", "partial_writes", "writes")),
}


@hidden("zarr", "only those ways to read a store that VerifiedStore knows")
def _(live):
    from zarr.storage import LocalStore

    from distributed_trf.store.verified_store import VerifiedStore

    assert vars(VerifiedStore).keys() >= READ_AS_WRITTEN
    public = {name for name in dir(LocalStore) if not name.startswith("_")}
    assert public <= READ_AS_WRITTEN | NEVER_READ_BY_ZARR | WRITE_OR_TELL
    assert public >= READ_AS_WRITTEN


@pytest.mark.parametrize("one", FOUND, ids=[f"{one.library}: {one.what}" for one in FOUND])
def test_what_is_not_documented__is_as_it_was(request, one):
    live = request.getfixturevalue("live") if one.library == "distributed" else None
    try:
        one.check(live)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  whatever moved is told by its name
        pytest.fail(
            f"{one.library} {version(one.library)} no longer has {one.what}: see {DOORS[one.library]} ({error!r})"
        )


def test_import_of_dask_jobqueue__puts_the_handler_of_signals_back_though_it_fails(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dask_jobqueue", None)
    before = signal.signal
    with pytest.raises(ImportError, match="hpc"):
        jobqueue_internals.import_jobqueue()
    assert signal.signal is before


DOCUMENTED = {
    "dask": {"dask"},
    "dask_jobqueue": set(),
    "distributed": {"distributed", "distributed.metrics"},
    "torch": {"torch", "torch.nn", "torch.nn.functional", "torch.nn.utils", "torch.nn.utils.rnn"},
    "transformers": {"transformers", "transformers.audio_utils"},
    "zarr": {"zarr", "zarr.abc.buffer", "zarr.buffer", "zarr.codecs", "zarr.storage"},
}
"""Modules that the libraries' guides name."""
BEYOND = frozenset(
    ("worker_spec", "new_worker_spec", "job_cls", "http_application", "no_workers_timeout", "sub_configs")
    + ("pre_spawn_env", "close_gracefully", "callback_timeout")
)
"""Names without an underscore that the guides do not tell of."""
BY_NAME = ("getattr", "setattr", "hasattr", "delattr")
OF_SCIPY = {"_fieldnames"}
"""Of a struct that it read from MATLAB's files, as its guide has it."""


def own_names(tree):
    """Names with an underscore that a file gives to what it defines."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            found.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def is_own(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def imported_modules(tree):
    return {
        (name.asname or name.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    }


def root_of(node):
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name != "_"


def beyond(text):
    """What a file uses of libraries beyond their documentation, with the line of each."""
    tree = ast.parse(text)
    own, modules = own_names(tree), imported_modules(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=name) if is_private(name) and not is_own(value) and name not in own:
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Attribute(attr=name) if name in BEYOND and not is_own(node.value):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.keyword(arg=name) if name in BEYOND:
                yield f"{node.value.lineno}: {name}"
            case ast.Call(func=ast.Name(id=how), args=[_, ast.Constant(value=str(name)), *_]) if how in BY_NAME:
                if (is_private(name) and name not in OF_SCIPY) or name in BEYOND:
                    yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from _imported(node, module, [name.name for name in names])
            case ast.Import(names=names):
                for name in names:
                    yield from _imported(node, name.name, [])
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Attribute) and root_of(target) in modules:
                        yield f"{node.lineno}: {ast.unparse(target)} is given another value"


def _imported(node, module, names):
    top = module.split(".")[0]
    if (
        "mock" in (*module.split("."), *names)
        or module == "unittest"
        or top in DOCUMENTED
        and module not in DOCUMENTED[top]
        and f"{module}.{''.join(names)}" not in DOCUMENTED[top]
    ):
        yield f"{node.lineno}: {module}"
    elif top in DOCUMENTED and any(map(is_private, names)):
        yield f"{node.lineno}: {module} {names}"


def test_private_parts__are_used_behind_the_doors_alone():
    doors = {ROOT / door for door in DOORS.values() if not door.endswith("verified_store.py")}
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path not in doors
        for line in beyond(path.read_text(encoding="utf-8"))
    ]
    assert not found, (
        "used beyond a library's documentation: "
        + "; ".join(found)
        + f". Put it into one of {', '.join(DOORS.values())}, "
        "with a test here that says what must be there"
    )


def test_doors__say_what_they_were_checked_against_and_mock_nothing():
    for library, door in DOORS.items():
        text = (ROOT / door).read_text(encoding="utf-8")
        told = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
        assert re.search(rf"checked against {library} \d+\.\d+", told, re.IGNORECASE), door
        assert "mock" not in text


@pytest.mark.parametrize(
    "text",
    [
        "cluster._correct_state()",
        "import torch\ntorch._C.f()",
        "import torch\ntorch.backends.cudnn.allow_tf32 = False",
        "from zarr.core.buffer import Buffer",
        "from distributed.utils import LoopRunner",
        "from torch import _C",
        "from unittest.mock import patch",
        "from unittest import mock",
        "import dask_jobqueue",
        "getattr(module, '_init_weights', None)",
        "scheduler.http_application.add_handlers('.*', [])",
        "client.sync(f, callback_timeout=1)",
        "import signal\nsignal.signal = print",
    ],
)
def test_private_part__would_be_found(text):
    assert list(beyond(text))


@pytest.mark.parametrize(
    "text",
    [
        "self._board = 1",
        "def _f(): pass\nmodule._f()",
        "from distributed import Client",
        "type(x).__name__",
        "import torch\ntorch.nn.Linear(1, 1)",
    ],
)
def test_public_part__is_let_be(text):
    assert not list(beyond(text))
