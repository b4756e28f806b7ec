"""Which library arrays belong to, and where they go."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import array_api_strict as strict
import numpy as np
import pytest
import torch

from distributed_trf import arrays
from distributed_trf.arrays import (
    TRIANGLE,
    all_to_device,
    cholesky_solver,
    like,
    namespace,
    scatter,
    to_device,
    to_numpy,
)
from distributed_trf.errors import DataError, DeviceError, MissingExtraError


def test_namespace__follows_the_data():
    assert namespace(strict.asarray([1.0]), strict.asarray([2])) is strict
    assert namespace(np.ones(2), np.ones((2, 3), np.float32)).asarray([1]).__class__ is np.ndarray


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ((np.ones(2), torch.ones(2)), r"numpy\.ndarray, torch\.Tensor"),
        ((np.ones(2), strict.asarray([1.0])), r"array_api_strict\..*, numpy\.ndarray"),
        (([1.0, 2.0],), r"builtins\.list"),
    ],
)
def test_namespace__of_mixed_arrays_or_none_names_what_it_got(arrays, named):
    with pytest.raises(DataError, match=rf"expected arrays of one library, .* but got {named}; convert them with"):
        namespace(*arrays)


def test_like__gives_float64_of_the_same_library():
    found = like([1, 2], strict.asarray([1.0], dtype=strict.float32))
    assert namespace(found) is strict
    assert found.dtype == strict.float64
    assert like([1, 2], np.ones(1, np.float32)).dtype == np.float64


def test_to_device__cpu_is_the_array_itself():
    x = np.ones(3)
    assert to_device(x, "cpu") is x


def test_to_numpy__of_a_tensor_brings_it_to_the_host_first():
    there = torch.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(to_numpy(there), [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):  # it is asked of the tensor
        to_numpy(there.to("meta"))


@pytest.mark.skipif(find_spec("cupy") is not None, reason="cupy is installed here")
def test_to_device__cuda_without_cupy_names_the_extra():
    with pytest.raises(DeviceError, match=r"needs cupy; install it with: pip install 'distributed_trf\[cuda12\]'"):
        to_device(np.ones(3), "cuda")


@pytest.mark.parametrize("device", ["gpu", "CPU", "cuda:1", ""])
def test_to_device__unknown_one_is_refused_with_the_known(device):
    with pytest.raises(DeviceError, match=rf"unknown device '{device}'; expected one of cpu, cuda"):
        to_device(np.ones(3), device)


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3), [[0, 1, 2], [3, 4, 5]]]
)
def test_to_numpy__gives_the_same_numbers(array):
    found = to_numpy(array)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, np.arange(6).reshape(2, 3))


@pytest.mark.skipif(find_spec("cupy") is None, reason="needs cupy")
def test_cupy__goes_there_and_back_and_raises_where_numpy_does():
    cupy = pytest.importorskip("cupy")
    x = np.arange(6.0).reshape(2, 3)
    there = to_device(x, "cuda")
    assert isinstance(there, cupy.ndarray)
    np.testing.assert_array_equal(to_numpy(there), x)


@pytest.mark.parametrize("k", [1, TRIANGLE - 1, TRIANGLE, TRIANGLE + 1, 3 * TRIANGLE])
@pytest.mark.parametrize("xp", [np, strict])
def test_cholesky__solves_as_numpy_does_whatever_the_number_of_blocks(k, xp):
    rng = np.random.default_rng(k)
    rows, b = rng.normal(size=(2 * k + 3, k)), rng.normal(size=(k, 4))
    matrix = rows.T @ rows
    found = to_numpy(cholesky_solver(xp.asarray(matrix))(xp.asarray(b)))
    np.testing.assert_allclose(found, np.linalg.solve(matrix, b), rtol=1e-9, atol=1e-12)


def test_cholesky__of_a_matrix_that_is_not_positive_definite_raises():
    with pytest.raises(np.linalg.LinAlgError):
        cholesky_solver(np.diag([1.0, -1.0]))


@pytest.mark.parametrize("xp", [np, strict])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("mask", [[False, True, True, False], [True, False, False, False], [False] * 4])
def test_scatter__puts_rows_where_the_mask_is_true(xp, shape, mask):
    values = 1.0 + np.arange(sum(mask) * int(np.prod(shape))).reshape(sum(mask), *shape)
    expected = np.zeros((4, *shape))
    expected[mask] = values
    np.testing.assert_array_equal(to_numpy(scatter(xp.asarray(values), xp.asarray(mask))), expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from missing_of_cupy import array", "No module named 'missing_of_cupy'"),
        ("raise ImportError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12: cannot open"),
    ],
)
def test_broken_cupy__is_told_with_its_own_text_and_not_as_missing(tmp_path, monkeypatch, text, said):
    (tmp_path / "cupy.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(DeviceError, match=f"cupy, which is installed, but cannot be imported: {said}"):
        to_device(np.ones(2), "cuda")


def test_broken_extra__is_told_with_its_own_text():
    absent = ModuleNotFoundError("No module named 'dask_cuda'", name="dask_cuda")
    assert "is not installed" in str(MissingExtraError("dask_cuda", "cuda12", absent))
    for error in (ImportError("cannot import name 'bindings' from 'cuda'", name="cuda"), ImportError("libcuda.so.1")):
        told = str(MissingExtraError("dask_cuda", "cuda12", error))
        assert f"cannot be imported: {error}; repair it, or: pip install 'distributed_trf[cuda12]'" in told


def test_all_to_device__is_one_copy_of_which_each_is_a_view(monkeypatch):
    copies = []
    monkeypatch.setattr(arrays, "to_device", lambda array, device: copies.append((array, device)) or array)
    given = [np.arange(24, dtype=np.uint16).reshape(2, 3, 4), np.arange(8, dtype=np.uint16).reshape(1, 2, 4)]
    found = all_to_device(given, "cuda")
    assert [(array.shape, array.dtype, device) for array, device in copies] == [((32,), np.uint16, "cuda")]
    for there, here in zip(found, given, strict=True):
        np.testing.assert_array_equal(there, here, strict=True)
        assert np.shares_memory(there, copies[0][0])


def test_all_to_device__copies_nothing_on_the_cpu():
    given = [np.zeros(3), np.ones((2, 1))]
    assert all(there is here for there, here in zip(all_to_device(given, "cpu"), given, strict=True))


STUB = """
class CUDARuntimeError(RuntimeError): pass
class cuda:
    is_available = lambda: {there}
    class runtime: CUDARuntimeError = CUDARuntimeError
def asarray(array): raise CUDARuntimeError("cudaErrorLaunchFailure")
"""


@pytest.mark.parametrize("there", [False, True])
def test_to_device__tells_a_gpu_that_is_not_there_from_one_that_something_became_of(tmp_path, monkeypatch, there):
    (tmp_path / "cupy.py").write_text(STUB.format(there=there))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(RuntimeError, match="cudaErrorLaunchFailure") as raised:
        to_device(np.ones(2), "cuda")
    assert isinstance(raised.value, DeviceError) != there
    del sys.modules["cupy"]
