"""cupy.fft: a transform of another length, kind or number than one of the last sixteen of a thread makes a plan."""

import threading
from collections import OrderedDict

import fake_card as card
import numpy as np

from . import _functions, _names
from ._array import launch, ndarray

PLANS = 16
_local = threading.local()
_functions.fill("cupy.fft", globals(), np.fft)


def _transform(name: str):
    signature = _names.signature(_names.of("cupy.fft")[name][1])
    run = getattr(np.fft, name)

    def call(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        a, n, axis = (given.arguments[k] for k in ("a", "n", "axis"))
        axis = -1 if axis is None else axis
        if not isinstance(a, ndarray):
            raise TypeError(f"cupy.fft.{name} of {type(a)} at {card.caller()}")
        length = n or (2 * (a.shape[axis] - 1) if name == "irfft" else a.shape[axis])
        plan = (length, name, a.size // a.shape[axis], a.dtype.str)
        known = _local.__dict__.setdefault("known", OrderedDict())
        if known.pop(plan, None) is None:
            card.count("fft_plans")
        known[plan] = True
        if len(known) > PLANS:
            known.popitem(last=False)
        turned = a.ndim > 1 and axis not in (-1, a.ndim - 1)
        launch(2 + 2 * turned, "fft", (a,))  # the transform and its scaling; copies before and after for other axes
        found = run(a._a, n=n, axis=axis, norm=given.arguments["norm"])
        if a.dtype in (np.float32, np.complex64):
            found = found.astype(np.complex64 if found.dtype.kind == "c" else np.float32)
        return ndarray._w(found)

    return call


for _name in ("fft", "ifft", "rfft", "irfft"):
    globals()[_name] = _transform(_name)
