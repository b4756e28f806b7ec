"""What is set in the process or in a library is set for a block, and is as before after it, also after an error."""

from __future__ import annotations

import ast
import logging
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import dask
import numpy as np
import pytest
import scipy.linalg  # noqa: F401  its BLAS counts too
import torch
from threadpoolctl import threadpool_info

from distributed_trf.cli.console import interruptible
from distributed_trf.clusters import start, start_local
from distributed_trf.clusters.dask_internals import quiet_heartbeats
from distributed_trf.clusters.fork_server import forked_workers
from distributed_trf.clusters.recipe import load_recipe
from distributed_trf.clusters.this_machine import with_variables
from distributed_trf.clusters.thread_limits import limited_threads
from distributed_trf.clusters.worker_setup import WorkerSetup
from distributed_trf.config.load import shipped
from distributed_trf.cores import BLAS
from distributed_trf.errors import FeatureError
from distributed_trf.features.torch_internals import SettingForBlocks, plain_float32, without_onednn
from distributed_trf.features.weights.controls import apply_control
from distributed_trf.features.weights.transformers_internals import without_remarks

PACKAGE = Path(__file__).resolve().parents[2] / "distributed_trf"


MODEL, UNKNOWN = torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.Linear(3, 4))
UNKNOWN.register_parameter("bare", torch.nn.Parameter(torch.ones(2)))


class Broken(Exception):  # noqa: N818
    """Stands for whatever a block may raise."""


@contextmanager
def worker_set_up():
    """What every worker does when it starts, and undoes when its plugin goes."""
    setup = WorkerSetup(1)
    setup.setup(None)
    try:
        yield
    finally:
        setup.teardown(None)


@contextmanager
def weights_changed():
    """A control of weights that draws, and one that raises after it has drawn."""
    apply_control(deepcopy(MODEL), "random-3")
    with pytest.raises(FeatureError, match="cannot reset bare"):
        apply_control(UNKNOWN, "reset-3")
    yield


@contextmanager
def cluster_asked_for():
    """``start_cluster`` up to its workers, which are none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start, "_workers", lambda *_: contextmanager(_no_client)())
        with start.start_cluster(load_recipe(shipped("cluster") / "local.yaml", workers=1)):
            yield


def _no_client():
    raise Broken
    yield


def thread_limits():
    return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}


def levels():
    return {name: (log.level, list(log.filters)) for name in LOGGERS for log in [logging.getLogger(name)]}


LOGGERS = ("transformers", "distributed", "distributed.sizeof", "distributed.worker", "tornado.application", "asyncio")

STATE = {
    "environment": lambda: dict(os.environ),
    "threads of BLAS": thread_limits,
    "threads of torch": torch.get_num_threads,
    "float32 of torch": lambda: (torch.get_float32_matmul_precision(), torch._C._get_cublas_allow_tf32()),
    "oneDNN": lambda: torch.backends.mkldnn.enabled,
    "dtype of torch": torch.get_default_dtype,
    "random numbers of torch": lambda: torch.get_rng_state().tolist(),
    "gradients of torch": lambda: (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
    "deterministic torch": torch.are_deterministic_algorithms_enabled,
    "settings of dask": lambda: dask.config.config | {},
    "logs": levels,
    "handlers of signals": lambda: {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)},
    "signals that are blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
    "warnings": lambda: list(warnings.filters),
    "errors of numpy": np.geterr,
    "random numbers of numpy": lambda: np.random.get_state()[1].tolist(),
}
BLOCKS = {
    "threads": lambda: limited_threads(1),
    "a thread for each product": BLAS.one_each,
    "a fork server": lambda: forked_workers([]),
    "variables": lambda: with_variables({"OMP_NUM_THREADS": "77", "DISTRIBUTED_TRF_TEST": "1"}),
    "quiet heartbeats": quiet_heartbeats,
    "setting up a worker": worker_set_up,
    "plain float32": plain_float32,
    "no oneDNN": without_onednn,
    "weight controls": weights_changed,
    "no remarks of transformers": without_remarks,
    "heeding signals": interruptible,
    "an event loop without the signals of the terminal": start_local._loop_without_signals,
}
CHANGES = {
    "threads": ("environment", "threads of BLAS"),
    "a thread for each product": ("threads of BLAS",),
    "variables": ("environment",),
    "quiet heartbeats": ("logs",),
    "setting up a worker": ("environment", "threads of BLAS", "logs"),
    "no oneDNN": ("oneDNN",),
    "no remarks of transformers": ("logs",),
    "heeding signals": ("handlers of signals",),
}
"""What must be otherwise inside a block, or nothing would be shown."""


def state():
    return {name: ask() for name, ask in STATE.items()}


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """Start with more threads than blocks take, and with variables that they set and that they do not."""
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    torch.set_num_threads(2)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("raises", [False, True], ids=["ends", "raises"])
@pytest.mark.parametrize("name", BLOCKS)
def test_state__is_as_before_after_a_block(name, raises):
    before, inside = state(), None
    try:
        with BLOCKS[name]():
            inside = state()
            if raises:
                raise Broken
    except Broken:
        pass
    assert inside is not None
    assert {what for what in CHANGES.get(name, ()) if inside[what] == before[what]} == set()
    assert state() == before


def test_settings_of_dask__are_as_before_though_no_worker_starts():
    before = state()
    with pytest.raises(Broken), cluster_asked_for():
        pass
    assert state() == before


def test_environment__is_as_before_though_workers_do_not_start(monkeypatch):
    """Nannies had set what they set, in this process, when one of them failed."""

    def fail(*_):
        os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", PYTHONHASHSEED="6640")
        raise Broken

    monkeypatch.setattr(start_local, "_cluster", fail)
    before, threads = state(), threading.active_count()
    with pytest.raises(Broken), start_local.start_local(load_recipe(shipped("cluster") / "local.yaml", workers=1)):
        pass
    assert state() == before
    assert threading.active_count() == threads


def test_threads__are_what_torch_would_have_taken_where_it_is_loaded_inside(monkeypatch):
    """It is loaded with one thread then, by the environment of the block."""
    told = []
    monkeypatch.delitem(sys.modules, "torch")
    with limited_threads(1):
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(set_num_threads=told.append))
    assert told == [3]


def test_setting__is_put_back_by_the_last_of_the_blocks_that_overlap():
    told = []
    setting = SettingForBlocks(lambda: told.append("changed") or (lambda: told.append("put back")))
    first, second = setting(), setting()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert told == ["changed"]
    second.__exit__(None, None, None)
    assert told == ["changed", "put back"]


SETTERS = frozenset(
    ("set_num_threads", "set_num_interop_threads", "use_deterministic_algorithms", "set_float32_matmul_precision")
    + ("set_default_dtype", "set_default_device", "set_default_tensor_type", "manual_seed", "set_grad_enabled", "seed")
    + ("filterwarnings", "simplefilter", "basicConfig", "setLevel", "addFilter", "addHandler", "captureWarnings")
    + ("setlocale", "seterr", "setrlimit", "set_start_method", "umask", "chdir", "putenv", "setdefaulttimeout")
    + ("set_options", "set_option", "set_printoptions", "set_verbosity", "pthread_sigmask", "setrecursionlimit")
    + ("dump_traceback_later", "signal", "rcdefaults", "reconfigure", "tzset", "nice")
)
KNOWN = {
    ("cli/app.py", "main"): "the process of a command is its own: how it logs and prints, for as long as it lives",
    ("cli/console.py", "quieten_dask"): "as above",
    ("cli/console.py", "interruptible"): "put back with the block",
    ("cli/console.py", "_end"): "put back with the block of interruptible",
    ("clusters/dask_internals.py", "quiet_heartbeats"): "put back with the block",
    ("clusters/fork_server.py", "deaf_to_the_terminal"): "put back with the block",
    ("clusters/this_machine.py", "with_variables"): "put back with the block",
    ("clusters/this_machine.py", "put_back_variables"): "puts back",
    ("clusters/thread_limits.py", "_hold_torch"): "put back with the block of limited_threads",
    ("clusters/jobqueue_internals.py", "import_jobqueue"): "put back with the import",
    ("features/torch_internals.py", "_make_plain"): "put back with the block of plain_float32",
    ("features/torch_internals.py", "restore_old"): "puts back",
    ("features/torch_internals.py", "restore"): "puts back",
    ("features/torch_internals.py", "_switch_onednn_off"): "put back with the block of without_onednn",
    ("features/families/user_transformer.py", "_with_preparation"): "in warnings.catch_warnings",
    ("features/weights/controls.py", "apply_control"): "in torch.random.fork_rng, which puts back",
    ("features/weights/transformers_internals.py", "without_remarks"): "put back with the block",
    ("pipeline/execute.py", "_arm"): "ended with the block of limited",
    ("csv_table.py", "*"): "in warnings.catch_warnings",
    ("recordings/generic/nwb_file.py", "*"): "in warnings.catch_warnings",
}


def setters(tree):
    """Functions of a file that set something of the process, each with the line."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in SETTERS and not is_module(value):
                    yield function.name, node.lineno
                case ast.Call(func=ast.Attribute(attr="update" | "pop" | "setdefault" | "clear", value=value)) if (
                    ast.unparse(value) == "os.environ"
                ):
                    yield function.name, node.lineno
                case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()) if ast.unparse(value) == "os.environ":
                    yield function.name, node.lineno
                case ast.Attribute(value=value, ctx=ast.Store()) if ast.unparse(value).startswith("torch."):
                    yield function.name, node.lineno


def is_module(node):
    """Whether something is but a module called ``signal``, as scipy's."""
    return ast.unparse(node) == "scipy"


def test_process__is_set_in_known_places_alone():
    """If this fails, set it for a block that puts it back, add the block to BLOCKS above, and then its place here."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        for function, line in setters(ast.parse(path.read_text(encoding="utf-8"))):
            if (file, function) not in KNOWN and (file, "*") not in KNOWN:
                found[f"{file}:{line}"] = function
    assert found == {}


@pytest.mark.parametrize(
    "line",
    [
        "torch.set_num_threads(1)",
        "os.environ['A'] = '1'",
        "del os.environ['A']",
        "torch.backends.cudnn.deterministic = True",
        "warnings.simplefilter('ignore')",
        "logging.getLogger('a').setLevel(1)",
    ],
)
def test_setter__would_be_found(line):
    assert list(setters(ast.parse(f"def f():\n    {line}")))
