"""The tensors of a file of ``torch.save``, and nothing else of it.

Such a file is a pickle that names classes and functions to call. Published checkpoints hold more than tensors: settings
and schedules, of classes that no longer exist. Here a pickle's names stand for nothing but ordered dicts, number types
and the views that tensors are of their storages; every other name is inert, so that no file can import or execute
anything, and one that holds foreign objects beside its tensors can be read all the same.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZipFile

if TYPE_CHECKING:
    import torch

    NewStorage = Callable[[Any, torch.dtype, int], torch.Tensor]
    """Makes a storage, given its key, type and number of elements."""

ZIP_START = b"PK\x03\x04"
MAGIC_NUMBER = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What the first of the pickles in a file of torch before 1.6 holds."""

DTYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}


class _InertType(type):
    """Of ``_Inert``: takes whatever a pickle does to an object, and does nothing."""

    def __call__(cls, *_args: Any, **_kwargs: Any) -> Any:
        return cls

    def __setstate__(cls, _state: Any) -> None: ...

    def __setitem__(cls, _key: Any, _value: Any) -> None: ...

    def extend(cls, _values: Any) -> None: ...

    def add(cls, _value: Any) -> None: ...


class _Inert(metaclass=_InertType):
    """Stands for every class and function that is foreign, and for whatever they would make.

    A class, since a pickle makes instances of what it names; it is its own instance, since that may be a class again.
    """

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Any:
        return cls


class _TensorUnpickler(pickle.Unpickler):
    """Rebuilds tensors as views of flat ones, which stand for their storages."""

    def __init__(self, file: IO[bytes], new_storage: NewStorage) -> None:
        super().__init__(file)
        self.new_storage = new_storage
        self.storages: dict[Any, torch.Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        import torch

        if module == "torch" and name in DTYPES:
            return getattr(torch, DTYPES[name])
        # Bound methods, since a pickle could change the defaults of functions.
        allowed = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor"): self._view,
            ("torch._utils", "_rebuild_tensor_v2"): self._view,
            ("torch._utils", "_rebuild_parameter"): self._first,
            ("torch._utils", "_rebuild_parameter_with_state"): self._first,
            ("torch._tensor", "_rebuild_from_type_v2"): self._without_type,
        }
        return allowed.get((module, name), _Inert)

    def persistent_load(self, saved: Any) -> Any:
        import torch

        what, *about = saved
        if what == "module":  # a class of torch.nn with its source
            return _Inert
        dtype, key, _device, n, *view = about
        if what != "storage" or any(view):
            raise pickle.UnpicklingError(f"unknown kind of reference {saved}")
        if not isinstance(dtype, torch.dtype):
            return _Inert
        if key not in self.storages:
            self.storages[key] = self.new_storage(key, dtype, n)
        return self.storages[key]

    def _view(self, storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_grad: Any) -> Any:
        return storage.as_strided(size, stride, offset)

    def _first(self, tensor: Any, *_grad_and_state: Any) -> Any:
        return tensor

    def _without_type(self, rebuild: Any, _type: Any, arguments: tuple[Any, ...], _state: Any) -> Any:
        return rebuild(*arguments)


def read_pickled(file: Path) -> Any:
    """Read a file of ``torch.save``, of any version of torch since 0.4, onto the CPU.

    Returns
    -------
    object
        What was saved, where it consists of tensors and Python's own containers; all else is inert.

    Raises
    ------
    Exception
        Of many kinds, if the file is damaged or of another format.
    """
    with file.open("rb") as stream:
        start = stream.read(32)
        stream.seek(0)
        if start.startswith(ZIP_START):
            return _read_zip(stream)
        if MAGIC_NUMBER in start:
            return _read_legacy(stream)
    raise pickle.UnpicklingError(f"no file of torch.save begins with {start[:16]!r}")


def _read_zip(stream: IO[bytes]) -> Any:
    import torch

    with ZipFile(stream) as archive:
        roots = [name.removesuffix("data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise pickle.UnpicklingError(f"{len(roots)} members of the archive are called data.pkl, expected 1")
        root = roots[0]
        if f"{root}byteorder" in archive.namelist():
            _check_byte_order(archive.read(f"{root}byteorder").decode())

        def read(key: Any, dtype: torch.dtype, n: int) -> torch.Tensor:
            member = archive.getinfo(f"{root}data/{key}")
            if member.file_size != n * dtype.itemsize:
                raise pickle.UnpicklingError(f"{member.filename} has {member.file_size} bytes, not {n} of {dtype}")
            storage = torch.empty(n, dtype=dtype)
            with archive.open(member) as content:
                _fill(storage, content)
            return storage

        return _TensorUnpickler(BytesIO(archive.read(f"{root}data.pkl")), read).load()


def _read_legacy(stream: IO[bytes]) -> Any:
    import torch

    n_bytes = os.fstat(stream.fileno()).st_size

    def reserve(key: Any, dtype: torch.dtype, n: int) -> torch.Tensor:
        if n * dtype.itemsize > n_bytes:
            raise pickle.UnpicklingError(f"storage {key} is said to have {n} of {dtype}, more than the file")
        return torch.empty(n, dtype=dtype)

    _magic_number, _protocol, system = (_TensorUnpickler(stream, reserve).load() for _ in range(3))
    _check_byte_order("little" if system["little_endian"] else "big")
    unpickler = _TensorUnpickler(stream, reserve)
    found = unpickler.load()
    keys = _TensorUnpickler(stream, reserve).load()
    if set(keys) != set(unpickler.storages):
        raise pickle.UnpicklingError(f"storages {keys} follow, expected {[*unpickler.storages]}")
    for key in keys:
        (n,) = struct.unpack("=q", stream.read(8))
        if n != unpickler.storages[key].numel():
            raise pickle.UnpicklingError(f"storage {key} has {n} elements, not {unpickler.storages[key].numel()}")
        _fill(unpickler.storages[key], stream)
    return found


def _check_byte_order(order: str) -> None:
    if order != sys.byteorder:
        raise pickle.UnpicklingError(f"its numbers are {order}-endian, those of this machine {sys.byteorder}-endian")


def _fill(storage: torch.Tensor, content: IO[bytes]) -> None:
    import torch

    numbers: Any = storage.view(torch.uint8).numpy()
    if content.readinto(numbers) != numbers.nbytes:  # type: ignore[attr-defined]  # IO has no readinto, files and BytesIO do
        raise EOFError(f"it ends within a storage of {numbers.nbytes} bytes")
