"""Write what the real cupy offers, a name and its signature a line, to standard output; it imports without a GPU.

``pip install --target SITE --no-deps cupy-cuda12x==14.2.* cuda-pathfinder``, then
``PYTHONPATH=SITE python tests/fake_gpu/make_table.py > tests/fake_gpu/path/cupy/names.txt``.
"""

import importlib
import inspect
import types

import cupy

MODULES = ("cupy", "cupy.linalg", "cupy.fft", "cupy.random", "cupy.cuda", "cupy.cuda.runtime", "cupyx")
CLASSES = (cupy.ndarray, cupy.cuda.MemoryPool, cupy.cuda.PinnedMemoryPool, cupy.cuda.Stream, cupy.cuda.Event,
           cupy.cuda.Device)  # fmt: skip


def signature(function) -> str:
    """Return the parameters, the defaults as None: ``(a, axis=None)``; or an empty text where they cannot be known."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    plain = [p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else None)
             for p in found.parameters.values()]  # fmt: skip
    return str(inspect.Signature(plain))


def line(name: str, value) -> str:
    """Tell one name: what kind of thing it is, and how it is called."""
    if isinstance(value, types.ModuleType):
        return f"{name} module"
    if isinstance(value, cupy.ufunc):
        return f"{name} ufunc {value.nin}"
    if isinstance(value, type):
        return f"{name} type"
    return f"{name} function {signature(value)}".rstrip() if callable(value) else f"{name} value"


def main() -> None:
    """Go through the modules and classes that the package may use."""
    print(f"version {cupy.__version__}")
    for module in MODULES:
        found = importlib.import_module(module)
        for name in sorted(n for n in dir(found) if not n.startswith("_")):
            print(line(f"{module}.{name}", getattr(found, name)))
    for cls in CLASSES:
        for name in sorted(n for n in dir(cls) if not n.startswith("__")):
            print(line(f"{cls.__name__}.{name}", getattr(cls, name)))


if __name__ == "__main__":
    main()
