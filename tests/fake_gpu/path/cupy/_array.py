"""The array: numpy's numbers, with what cupy's refuses refused, and what it costs counted."""

import builtins
import sys

import fake_card as card
import numpy as np

from . import _names

SCALARS = (builtins.int, builtins.float, builtins.complex, builtins.bool, np.generic)


def pool():
    """Return what gives memory to arrays."""
    return sys.modules["cupy"].cuda.memory.current_pool()


def root(a: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory of a view."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


def launch(n: int = 1, of: str = "", reads=(), writes=()) -> None:
    """Count kernels on the current stream, and check what they read and write."""
    card.count("launches", n, of=of)
    if len(card.Stream.every) > 1:
        keys = [tuple(id(root(x._a)) for x in xs if isinstance(x, ndarray)) for xs in (reads, writes)]
        card.touch(pool(), *keys)


def refuse(x, name: str):
    raise TypeError(f"Unsupported type {type(x)} in {name} at {card.caller()}")


class ndarray:
    """An array on the card."""

    __slots__ = ("_a", "__weakref__")
    __array_priority__ = 100
    __hash__ = None

    def __new__(cls, shape=(), dtype=builtins.float, memptr=None, strides=None, order="C"):
        return cls._w(garbage(shape, dtype, order))

    @classmethod
    def _w(cls, a):
        """Let a numpy array, which nothing else holds, live on the card."""
        self = object.__new__(cls)
        self._a = a if type(a) is np.ndarray else np.asarray(a)
        base = root(self._a)
        if not pool().owned(id(base)):
            pool().own(base, id(base), base.nbytes)
        return self

    # what is refused
    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy "
                        "array explicitly.")  # fmt: skip

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__" or _names.KINDS.get(f"cupy.{ufunc.__name__}", ("",))[0] != "ufunc":
            return NotImplemented
        return getattr(sys.modules["cupy"], ufunc.__name__)(*inputs, **kwargs)

    def __array_function__(self, func, types, args, kwargs):
        card.NOTES[f"numpy.{func.__name__} of a cupy array at {card.caller()}"] += 1
        module = sys.modules["cupy" + func.__module__.removeprefix("numpy")]
        found = getattr(module, func.__name__, None)
        return NotImplemented if found is None else found(*args, **kwargs)

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **kwargs):
        raise BufferError("the stand-in has no memory of a device to export")

    # to and from the host
    def get(self, stream=None, order="C", out=None, blocking=True):
        before = card.use(stream._s) if stream is not None else None
        try:
            card.count("d2h")
            card.count("d2h_bytes", self._a.nbytes)
            if len(card.Stream.every) > 1:
                card.touch(pool(), (id(root(self._a)),))
            value = np.array(self._a, order="C" if order in ("C", "A", None) else order)
            if out is not None:
                if not isinstance(out, np.ndarray):
                    raise TypeError(f"Only numpy.ndarray can be obtained from cupy.ndarray, not {type(out)}")
                if out.dtype != value.dtype or out.shape != value.shape:
                    raise ValueError(f"out is {out.dtype} {out.shape}, the array {value.dtype} {value.shape}")
                if not out.flags.c_contiguous and not out.flags.f_contiguous:
                    raise RuntimeError("`out` cannot be specified when copying to non-contiguous ndarray")
            if not blocking and out is not None and card.is_pinned(out.__array_interface__["data"][0]):
                card.Copy(out, value)
                return out
            card.sync("get")
            if out is None:
                return value
            out[...] = value
            return out
        finally:
            if before is not None:
                card.use(before)

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self.flags.c_contiguous and not self.flags.f_contiguous:
            raise RuntimeError("Cannot set to non-contiguous array")
        before = card.use(stream._s) if stream is not None else None
        try:
            upload(arr, self)
        finally:
            if before is not None:
                card.use(before)

    def item(self, *args):
        card.sync("item")
        return self._a.item(*args)

    def tolist(self):
        card.sync("tolist")
        return self._a.tolist()

    def __len__(self):
        if self._a.ndim == 0:
            raise TypeError("len() of unsized object")
        return len(self._a)

    def __iter__(self):
        if self._a.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._a)))

    def __repr__(self):
        return "cupy " + repr(self._a)

    # views and copies
    @property
    def shape(self):
        return self._a.shape

    @shape.setter
    def shape(self, shape):
        new = self._a.reshape(shape)
        if root(new) is not root(self._a):
            raise AttributeError("incompatible shape for a non-contiguous array")
        self._a = new

    @property
    def data(self):
        return sys.modules["cupy"].cuda.MemoryPointer(self)

    @property
    def device(self):
        return sys.modules["cupy"].cuda.Device(0)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        if not copy and self._a.dtype == np.dtype(dtype):
            return self
        launch(1, "astype", (self,))
        return ndarray._w(self._a.astype(dtype, order=order, copy=True))

    def copy(self, order="C"):
        launch(1, "copy", (self,))
        return ndarray._w(self._a.copy(order=order))

    def view(self, dtype=None):
        return ndarray._w(self._a.view() if dtype is None else self._a.view(dtype))

    def reshape(self, *shape, order="C"):
        new = self._a.reshape(*shape, order=order)
        if root(new) is not root(self._a):
            launch(1, "copy of reshape", (self,))
        return ndarray._w(new)

    def ravel(self, order="C"):
        return self.reshape(-1, order=order)

    def transpose(self, *axes):
        return ndarray._w(self._a.transpose(*axes))

    def swapaxes(self, axis1, axis2):
        return ndarray._w(self._a.swapaxes(axis1, axis2))

    def fill(self, value):
        launch(1, "fill", (), (self,))
        self._a.fill(value._a if isinstance(value, ndarray) else value)

    def __getitem__(self, key):
        found = self._a[_index(key)]
        if isinstance(found, np.ndarray) and found.base is not None and root(found) is root(self._a):
            return ndarray._w(found)
        if isinstance(found, np.generic) and not any(isinstance(k, ndarray) for k in _parts(key)):
            return ndarray._w(self._a[(*_parts(_index(key)), Ellipsis)])  # of numbers cupy gives a view without axes
        launch(1, "getitem", (self, *_parts(key)))
        return ndarray._w(found)

    def __setitem__(self, key, value):
        if isinstance(value, np.ndarray) and value.ndim:
            refuse(value, "setitem")
        launch(1, "setitem", (value, *_parts(key)), (self,))
        self._a[_index(key)] = value._a if isinstance(value, ndarray) else value


def garbage(shape, dtype, order="C") -> np.ndarray:
    """Make an array of what nobody should read, unless it is so large that writing it would take the host's memory."""
    made = np.empty(shape, dtype, order if order in ("C", "F") else "C")
    if made.nbytes > 64 << 20:
        return made
    made[...] = {"f": 7e77 if made.itemsize == 8 else 7e4, "b": True}.get(made.dtype.kind, 77)
    return made


def upload(host: np.ndarray, to: ndarray) -> None:
    """Copy to the card: from a pinned buffer later than one thinks, from other memory at once."""
    card.count("h2d")
    card.count("h2d_bytes", host.nbytes)
    if len(card.Stream.every) > 1:
        card.touch(pool(), (), (id(root(to._a)),))
    to._a[...] = host
    if card.is_pinned(host.__array_interface__["data"][0]):
        card.count("h2d_pinned")
        card.Copy(host)


def _parts(key):
    return key if isinstance(key, tuple) else (key,)


def _index(key):
    def one(k):
        if isinstance(k, ndarray):
            if k.dtype == builtins.bool:
                card.sync("boolean index")
            return k._a
        if isinstance(k, np.ndarray) and k.ndim:
            card.NOTES[f"numpy index array at {card.caller()}"] += 1
            card.count("h2d")
            card.count("h2d_bytes", k.nbytes)
        return k

    return tuple(one(k) for k in key) if isinstance(key, tuple) else one(key)


def _look(name: str, convert):
    def look(self):
        card.sync(name)
        return convert(self._a)

    return look


_CONVERT = {n: getattr(builtins, n) for n in ("bool", "float", "int", "complex")} | {"index": lambda a: a.__index__()}
for _name, _convert in _CONVERT.items():
    setattr(ndarray, f"__{_name}__", _look(_name, _convert))
for _name in ("dtype", "ndim", "size", "nbytes", "itemsize", "strides", "flags"):
    setattr(ndarray, _name, property(lambda self, n=_name: getattr(self._a, n)))
for _name in ("T", "mT", "real", "imag"):
    setattr(ndarray, _name, property(lambda self, n=_name: ndarray._w(getattr(self._a, n))))
ndarray.base = property(lambda self: None if self._a.base is None else ndarray._w(self._a.base))


def _operator(ufunc: str, *, reverse: bool = False, inplace: bool = False):
    run = getattr(np, ufunc)

    def operate(self, other):
        if isinstance(other, ndarray):
            value = other._a
        elif isinstance(other, SCALARS) or (isinstance(other, np.ndarray) and other.ndim == 0):
            value = other
        elif other is None or isinstance(other, (list, tuple, str)):
            return NotImplemented
        else:
            refuse(other, ufunc)
        launch(1, ufunc, (self, other), (self,) if inplace else ())
        with np.errstate(all="ignore"):
            if inplace:
                run(self._a, value, out=self._a, casting="same_kind")
                return self
            return ndarray._w(run(value, self._a) if reverse else run(self._a, value))

    return operate


for _op, _ufunc in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "mod": "remainder",
                    "floordiv": "floor_divide", "pow": "power", "matmul": "matmul", "and": "bitwise_and",
                    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
                    "rshift": "right_shift"}.items():  # fmt: skip
    setattr(ndarray, f"__{_op}__", _operator(_ufunc))
    setattr(ndarray, f"__r{_op}__", _operator(_ufunc, reverse=True))
    setattr(ndarray, f"__i{_op}__", _operator(_ufunc, inplace=True))
for _op, _ufunc in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                        "ne": "not_equal"}.items():  # fmt: skip
    setattr(ndarray, f"__{_op}__", _operator(_ufunc))


def _unary(ufunc: str):
    def operate(self):
        launch(1, ufunc, (self,))
        return ndarray._w(getattr(np, ufunc)(self._a))

    return operate


for _op, _ufunc in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
    setattr(ndarray, f"__{_op}__", _unary(_ufunc))
for _name in ("sum", "mean", "max", "min", "any", "all", "var", "std", "argmax", "argmin", "cumsum", "clip", "take",
              "squeeze", "trace", "diagonal", "repeat", "dot", "prod", "nonzero", "argsort"):  # fmt: skip
    setattr(ndarray, _name, lambda self, *a, n=_name, **k: getattr(sys.modules["cupy"], n)(self, *a, **k))
