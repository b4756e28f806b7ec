"""What the stand-in itself refuses, counts and finds out, each case in a line; see test_rehearsal.py."""

import traceback
from pathlib import Path

import cupy
import cupyx
import fake_card
import numpy as np
import pytest
from cupy import _names
from cupyx.scipy.linalg import solve_triangular
from fake_card import RaceError

from tests.fake_gpu.processes import tell

side, null = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Stream.null


def pinned():
    made = cupyx.empty_pinned(4)
    made[:] = 1.0
    return made


def uploaded(host):
    with side:
        there = cupy.empty(4)
        there.set(host)
    return there


def upload_on_another_stream__is_used_after_an_event():
    host = pinned()
    there = uploaded(host)
    null.wait_event(side.record())
    assert (there + 1).get().tolist() == [2.0] * 4
    side.synchronize()
    host[:] = 5.0


def upload_on_another_stream__used_without_an_event_is_a_race():
    there = uploaded(host := pinned())
    with pytest.raises(RaceError, match="stream 0 reads what stream 1 may not have written"):
        there + 1
    side.synchronize()
    del host


def memory_of_one_stream__written_by_another_is_a_race():
    host, there = pinned(), cupy.empty(4)
    with pytest.raises(RaceError, match="writes what stream 0 may still use"):
        there.set(host, stream=side)


def memory_given_out_again__while_another_stream_may_use_it_is_a_race():
    host = pinned()
    there = uploaded(host)
    null.wait_event(side.record())
    there + 1
    del there
    with pytest.raises(RaceError, match="may be given out again"):
        uploaded(host)
    cupy.cuda.Device().synchronize()


def buffer__changed_or_freed_before_its_copy_is_waited_for_is_a_race():
    host = pinned()
    there = uploaded(host)
    host[:] = 2.0
    with pytest.raises(RaceError, match="written to before"):
        side.synchronize()
    fake_card.FAULTS.clear()
    there = uploaded(host)
    del host
    with pytest.raises(RaceError, match="freed before"):
        side.synchronize()
    fake_card.FAULTS.clear()
    del there


def download__holds_garbage_until_it_is_waited_for():
    there, host = cupy.ones(4), pinned()
    there.get(out=host, blocking=False)
    assert (host != 1).all()
    null.synchronize()
    assert (host == 1).all()


def numpy_arrays__are_refused():
    there = cupy.ones(4)
    for wrong in (lambda: there + np.ones(4), lambda: cupy.add(there, np.ones(4)), lambda: np.asarray(there),
                  lambda: cupy.concatenate([there, np.ones(4)]), lambda: np.ones(4) * there):  # fmt: skip
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(TypeError, match="unexpected keyword argument 'keepdim'"):
        cupy.sum(there, keepdim=True)
    with pytest.raises(AttributeError):
        cupy.no_such_function  # noqa: B018


def names__are_those_of_the_real_wheel():
    for module in (cupy.ndarray, cupy.cuda.Stream, cupy.cuda.Event, cupy.cuda.MemoryPool, cupy.cuda.Device):
        public = {n for n in vars(module) if not n.startswith("_")}
        assert public <= set(_names.of(module.__name__)) | {"compute_capability"}, module


def memory__runs_out_for_the_sum_of_what_lives():
    fake_card.set_memory(fake_card.limit - fake_card.free() + 10_000)
    kept = cupy.zeros(1000)
    with pytest.raises(cupy.cuda.memory.OutOfMemoryError, match="Out of memory allocating 8,000 bytes"):
        cupy.zeros(1000)
    view = kept[5:]
    del kept
    assert cupy.get_default_memory_pool().used_bytes() >= 8000
    del view
    cupy.zeros(1000)
    fake_card.set_memory(fake_card.TOTAL)


def cholesky__tells_of_failure_only_when_asked():
    stack = cupy.asarray(np.stack([np.eye(3), -np.eye(3)]))
    assert cupy.linalg.cholesky(stack).shape == (2, 3, 3)
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError, match="potrfBatched"):
        cupy.linalg.cholesky(stack)


def triangular_solve__copies_a_factor_that_is_not_fortran_ordered():
    lower, b = cupy.linalg.cholesky(4 * cupy.eye(3)), cupy.ones((3, 2))
    with fake_card.counted() as counts:
        solve_triangular(lower, b, lower=True)
        assert solve_triangular(lower.T, b, trans="T").get().tolist() == [[0.5] * 2] * 3
    assert counts["factor_copies"] == 1


def transforms__of_new_lengths_make_plans():
    with fake_card.counted() as counts:
        for n in (8, 9, 8):
            cupy.fft.rfft(cupy.ones((n, 2)), axis=0)
    assert counts["fft_plans"] == 2


def callers__are_told():
    cupy.ones(3) + 1
    assert Path(__file__).name in fake_card.by_caller("launches", 99)


if __name__ == "__main__":
    for name, run in list(globals().items()):
        if "__" in name.strip("_") and callable(run):
            try:
                run()
                tell(name, "ok")
            except Exception:  # noqa: BLE001  the next case is told as well
                tell(name, traceback.format_exc(limit=-3))
