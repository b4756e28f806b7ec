"""A strict stand-in for CuPy on numpy: it offers what names.txt lists, and refuses what the real one refuses."""

import numpy as _np

from . import _array, _functions, _kernels, _names

__version__ = _names.VERSION
_functions.fill("cupy", globals(), _np)
globals().update(
    _functions.MADE_HERE,
    ndarray=_array.ndarray,
    ufunc=_functions.ufunc,
    ElementwiseKernel=_kernels.ElementwiseKernel,
)

from . import cuda, fft, linalg, random  # noqa: E402, F401
from .cuda.memory import get_default_memory_pool  # noqa: E402, F401
from .cuda.pinned_memory import get_default_pinned_memory_pool  # noqa: E402, F401


def __getattr__(name):
    raise AttributeError(f"cupy {_names.VERSION} has no {name!r}")
