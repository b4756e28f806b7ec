"""Functions and ufuncs: numpy's, called as the real wheel lets them be called, on arrays of the card alone."""

import builtins
import sys

import fake_card as card
import numpy as np

from . import _names
from ._array import SCALARS, garbage, launch, ndarray, refuse, root, upload

SYNCING = {"nonzero", "unique", "flatnonzero", "argwhere", "extract", "unique_values", "unique_all", "unique_counts",
           "unique_inverse", "setdiff1d", "union1d", "intersect1d", "bincount", "histogram"}  # fmt: skip
"""Functions that wait, as the size of what they return is a value on the card."""
JOINS = {"concatenate", "concat", "stack", "vstack", "hstack", "dstack", "column_stack"}


class ufunc:
    """An elementwise function."""

    def __init__(self, name: str) -> None:
        self.__name__, self._np = name, getattr(np, name, None)

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", where=None):
        if self._np is None or where is not None:
            raise NotImplementedError(f"the stand-in has no {self.__name__} like this")
        for x in args:
            if not isinstance(x, (ndarray, *SCALARS)):
                refuse(x, self.__name__)
        out = out[0] if isinstance(out, tuple) else out
        launch(1, self.__name__, args, () if out is None else (out,))
        values = [x._a if isinstance(x, ndarray) else x for x in args]
        keywords = {"casting": casting} | ({} if dtype is None else {"dtype": dtype})
        with np.errstate(all="ignore"):
            if out is not None:
                self._np(*values, out=out._a, **keywords)
                return out
            return wrap(self._np(*values, **keywords))


def unwrap(x, name: str):
    """Return the numbers of arrays of the card; refuse others."""
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, np.ndarray):
        refuse(x, name)
    return type(x)(unwrap(v, name) for v in x) if type(x) in (list, tuple) else x


def wrap(found):
    """Let results live on the card."""
    if isinstance(found, (np.ndarray, np.generic)):
        return ndarray._w(found)
    if isinstance(found, (list, tuple)):
        parts = [wrap(v) for v in found]
        return type(found)(parts) if type(found) in (list, tuple) else type(found)(*parts)
    return found


def _arrays(values):
    for x in values:
        if isinstance(x, ndarray):
            yield x
        elif isinstance(x, (list, tuple)):
            yield from _arrays(x)


def function(module: str, name: str, text: str, target):
    """Make a function that is called as the real one may be, and counts."""
    signature, full = _names.signature(text), f"{module}.{name}"

    def call(*args, **kwargs):
        if signature is not None:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{full}: {error} at {card.caller()}") from None
        if target is None:
            raise NotImplementedError(f"the stand-in has no {full}")
        if name in JOINS:
            parts = args[0] if args else kwargs.pop("tup")
            for x in parts:
                if not isinstance(x, ndarray):
                    raise TypeError(f"{full}: Only cupy arrays can be concatenated, not {type(x)} at {card.caller()}")
            args = args or (parts,)
        values = [unwrap(x, name) for x in args]
        keywords = {n: unwrap(v, name) for n, v in kwargs.items() if n not in ("subok", "blocking")}
        read, out = tuple(_arrays((*args, *kwargs.values()))), kwargs.get("out")
        if name in SYNCING or (name == "where" and len(args) == 1):
            card.sync(name)
        with np.errstate(all="ignore"):
            found = target(*values, **keywords)
        if out is not None:
            launch(1, name, read, (out,))
            return out
        seen = {id(root(x._a)) for x in read}
        if not (isinstance(found, np.ndarray) and id(root(found)) in seen):  # views cost nothing
            launch(1, name, read)
        return wrap(found)

    call.__name__ = name
    return call


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    return array(a, dtype, copy, order or "K", blocking=blocking)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    if isinstance(obj, ndarray):
        turned = order in ("C", "F") and not obj._a.flags[f"{order}_CONTIGUOUS"]
        if not copy and not turned and dtype in (None, obj.dtype):
            return obj
        if copy is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        launch(1, "array", (obj,))
        return ndarray._w(np.array(obj._a, dtype=dtype, order=order, copy=True, ndmin=ndmin))
    if isinstance(obj, (list, tuple)) and any(True for _ in _arrays(obj)):
        launch(len(obj), "array of arrays", tuple(_arrays(obj)))
        return ndarray._w(np.array(unwrap(obj, "array"), dtype=dtype, ndmin=ndmin))
    if type(obj).__module__.startswith("torch"):
        raise NotImplementedError("the stand-ins share no memory")
    host = np.array(obj, dtype=dtype, order=order, copy=None, ndmin=ndmin)
    if host.dtype.kind not in "biufc":
        raise ValueError(f"Unsupported dtype {host.dtype}")
    made = ndarray._w(np.empty(host.shape, host.dtype, "F" if host.flags.fnc else "C"))
    if host.ndim == 0:
        made.fill(host)
    else:
        upload(host, made)
    if blocking:
        card.sync("array")
    return made


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    if isinstance(a, ndarray):
        return a.get(stream=stream, order=order, out=out, blocking=blocking)
    return np.asarray(a, order=order)


def empty(shape, dtype=builtins.float, order="C"):
    return ndarray._w(garbage(shape, dtype, order))


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    like = np.empty_like(unwrap(prototype, "empty_like"), dtype=dtype, order=order, shape=shape)
    like[...] = garbage((), like.dtype)
    return ndarray._w(like)


def isdtype(dtype, kind):
    return np.isdtype(dtype, kind)


def get_array_module(*args):
    return sys.modules["cupy" if any(True for _ in _arrays(args)) else "numpy"]


MADE_HERE = {f.__name__: f for f in (asarray, array, asnumpy, empty, empty_like, isdtype, get_array_module)}


def fill(module: str, into: dict, source) -> None:
    """Give a module the functions of the real one; what numpy has not is there and says so when it is called."""
    for name, (kind, text) in _names.of(module).items():
        if kind == "ufunc":
            into[name] = ufunc(name)
        elif kind == "function":
            into[name] = function(module, name, text, getattr(source, name, None))
        elif kind in ("type", "value") and hasattr(source, name):
            into[name] = getattr(source, name)
