"""Reading only the tensors of a file of ``torch.save``.

Such a file is a pickle that names classes and functions to call. Published checkpoints hold more than tensors: settings
and schedules, of classes that no longer exist. Here only a few names of a pickle have a meaning: ordered dicts, number
types, and tensors as views of their storages. Every other name is inert. So no file can import or execute anything,
and a file with other objects next to its tensors can still be read.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

from distributed_trf.features.weights.unpickle import INERT, unpickle

if TYPE_CHECKING:
    import torch

    NewStorage = Callable[[str, torch.dtype, int], torch.Tensor]
    """Makes a storage, given its key, type and number of elements."""

ZIP_START = b"PK\x03\x04"
MAGIC_NUMBER = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What the first of the pickles in a file of torch before 1.6 holds."""

MOST_DIMENSIONS = 64
ROOM = 1 << 20
"""Bytes that are read at once without checking how many are left."""

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


class _Storage:
    """Numbers that tensors are views of; a pickle has no access to them."""

    def __init__(self, numbers: torch.Tensor) -> None:
        self.numbers = numbers


class _Tensors:
    """Rebuilds the tensors of a pickle as views of flat tensors, which represent their storages.

    Parameters
    ----------
    new_storage
        Makes a storage.
    n_bytes
        Of the file, which holds all of them.
    """

    def __init__(self, new_storage: NewStorage, n_bytes: int) -> None:
        self.new_storage = new_storage
        self.left = n_bytes
        self.storages: dict[str, _Storage] = {}
        self.pairs: dict[int, tuple[Any, dict[str, Any]]] = {}
        """Lists of pairs with the dict made of each: a pickle may refer to a list many times."""

    def read(self, stream: IO[bytes]) -> Any:
        """Read a pickle."""
        import torch

        rebuilt = {
            ("collections", "OrderedDict"): self._ordered_dict,
            ("torch._utils", "_rebuild_tensor"): self._view,
            ("torch._utils", "_rebuild_tensor_v2"): self._view,
            ("torch._utils", "_rebuild_parameter"): _first,
            ("torch._utils", "_rebuild_parameter_with_state"): _first,
            ("torch._tensor", "_rebuild_from_type_v2"): _without_type,
        }
        return unpickle(
            stream, rebuilt | {("torch", kind): getattr(torch, name) for kind, name in DTYPES.items()}, self._storage
        )

    def _storage(self, saved: Any) -> Any:
        """Return the object of a reference: (storage, type, key, device, number of elements, in old files a view)."""
        import torch

        if type(saved) is not tuple or len(saved) < 2 or type(saved[0]) is not str:
            raise UnpicklingError(f"unknown kind of reference: a {type(saved).__name__} that names no storage")
        if saved[0] == "module":  # a class of torch.nn with its source
            return INERT
        if saved[0] != "storage" or len(saved) < 5 or not all(view is None for view in saved[5:]):
            raise UnpicklingError(f"unknown kind of reference: {saved[0][:40]!r} with {len(saved) - 1} values")
        dtype, key, _device, n = saved[1:5]
        if dtype is INERT:
            return INERT
        if not isinstance(dtype, torch.dtype) or type(key) is not str or not _is_count(n):
            raise UnpicklingError("a storage is not described by its type, key and size")
        if key not in self.storages:
            self.left -= n * dtype.itemsize
            if self.left < 0:
                raise UnpicklingError(f"storage {key[:40]!r} claims {n} numbers of {dtype}, more than the file holds")
            self.storages[key] = _Storage(self.new_storage(key, dtype, n))
        storage = self.storages[key]
        if (storage.numbers.dtype, storage.numbers.numel()) != (dtype, n):
            raise UnpicklingError(f"storage {key[:40]!r} is described with two sizes or types")
        return storage

    def _view(self, storage: Any, offset: Any, size: Any, stride: Any, *_grad: Any) -> Any:
        if storage is INERT:
            return INERT
        are_tuples = type(size) is type(stride) is tuple and len(size) == len(stride) <= MOST_DIMENSIONS
        if type(storage) is not _Storage or not are_tuples or not all(map(_is_count, (offset, *size, *stride))):
            raise UnpicklingError("a tensor is not described by its storage, offset, size and strides")
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if 0 not in size and last >= storage.numbers.numel():
            raise UnpicklingError(f"a tensor reaches beyond its storage of {storage.numbers.numel()} numbers")
        return storage.numbers.as_strided(size, stride, offset)

    def _ordered_dict(self, *arguments: Any) -> dict[str, Any]:
        """Return an empty dict, to be filled later, or a dict of pairs, as in pickles of Python 2."""
        if not arguments or type(arguments[0]) is not list:
            return {}
        pairs = arguments[0]
        if id(pairs) not in self.pairs:
            self.pairs[id(pairs)] = pairs, {name: value for name, value in pairs if type(name) is str}
        return self.pairs[id(pairs)][1]


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _first(tensor: Any, *_grad_and_state: Any) -> Any:
    return tensor


def _without_type(rebuild: Any, _type: Any, arguments: Any, *_state: Any) -> Any:
    if not callable(rebuild) or type(arguments) is not tuple:
        return INERT
    return rebuild(*arguments)


def read_pickled(file: Path, *, numbers: bool = True) -> Any:
    """Read a file of ``torch.save``, of any version of torch since 0.4, onto the CPU.

    Parameters
    ----------
    file
        The file.
    numbers
        Whether to read the tensors' numbers; without them they are on torch's device ``meta``.

    Returns
    -------
    object
        The saved object as far as it consists of tensors and Python's containers; everything else is inert.

    Raises
    ------
    Exception
        Of many kinds, if the file is damaged or of another format.
    """
    with file.open("rb") as stream:
        start = stream.read(32)
        stream.seek(0)
        if start.startswith(ZIP_START):
            return _read_zip(stream, "cpu" if numbers else "meta")
        if MAGIC_NUMBER in start:
            return _read_legacy(stream, "cpu" if numbers else "meta")
    raise UnpicklingError(f"no file of torch.save begins with {start[:16]!r}")


def _read_zip(stream: IO[bytes], device: str) -> Any:
    import torch

    with ZipFile(stream) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise UnpicklingError("members of the archive have the same name, so it is not clear which is meant")
        for name, member in members.items():
            if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
                raise UnpicklingError(f"member {name[:80]!r} of the archive is compressed, which torch.save never does")
        roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise UnpicklingError(f"{len(roots)} members of the archive are called data.pkl, expected 1")
        root = roots[0]
        if f"{root}byteorder" in members:
            _check_byte_order(archive.read(f"{root}byteorder"))

        def read(key: str, dtype: torch.dtype, n: int) -> torch.Tensor:
            member = archive.getinfo(f"{root}data/{key}")
            if member.file_size != n * dtype.itemsize:
                raise UnpicklingError(f"{member.filename[:80]} has {member.file_size} bytes, not {n} of {dtype}")
            storage = torch.empty(n, dtype=dtype, device=device)
            if device == "cpu":
                with archive.open(member) as content:
                    _fill(storage, content)
            return storage

        return _Tensors(read, _size(stream)).read(BytesIO(archive.read(f"{root}data.pkl")))


def _read_legacy(stream: IO[bytes], device: str) -> Any:
    import torch

    def reserve(_key: str, dtype: torch.dtype, n: int) -> torch.Tensor:
        return torch.empty(n, dtype=dtype, device=device)

    bounded: Any = _Bounded(stream)
    _magic_number, _protocol, system = (_Tensors(reserve, 0).read(bounded) for _ in range(3))
    if type(system) is not dict or type(system.get("little_endian")) is not bool:
        raise UnpicklingError("it does not say the byte order of its numbers")
    _check_byte_order(b"little" if system["little_endian"] else b"big")
    tensors = _Tensors(reserve, _size(stream))
    content = tensors.read(bounded)
    keys = _Tensors(reserve, 0).read(bounded)
    if type(keys) is not list or any(type(key) is not str for key in keys) or sorted(keys) != sorted(tensors.storages):
        raise UnpicklingError(f"the storages that follow are not the {len(tensors.storages)} of its tensors")
    for key in keys:
        (n,) = struct.unpack("=q", stream.read(8))
        numbers = tensors.storages[key].numbers
        if n != numbers.numel():
            raise UnpicklingError(f"storage {key[:40]!r} has {n} elements, not {numbers.numel()}")
        if device == "cpu":
            _fill(numbers, stream)
        elif stream.seek(numbers.nbytes, os.SEEK_CUR) > _size(stream):
            raise EOFError(f"it ends within a storage of {numbers.nbytes} bytes")
    return content


class _Bounded:
    """A stream that never allocates more memory than it has bytes left, however much is requested."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.size = stream, _size(stream)

    def read(self, n: int) -> bytes:
        return self.stream.read(n if n < ROOM else min(n, self.size - self.stream.tell()))

    def readline(self) -> bytes:
        return self.stream.readline(ROOM)


def _size(stream: IO[bytes]) -> int:
    return os.fstat(stream.fileno()).st_size


def _check_byte_order(order: bytes) -> None:
    if order != sys.byteorder.encode():
        found = f"{order.decode()}-endian" if order in (b"little", b"big") else f"of byte order {order[:20]!r}"
        raise UnpicklingError(f"its numbers are {found}, and this machine is {sys.byteorder}-endian")


def _fill(storage: torch.Tensor, content: IO[bytes]) -> None:
    import torch

    numbers: Any = storage.view(torch.uint8).numpy()
    if content.readinto(numbers) != numbers.nbytes:  # type: ignore[attr-defined]  # IO has no readinto, files and BytesIO do
        raise EOFError(f"it ends within a storage of {numbers.nbytes} bytes")
