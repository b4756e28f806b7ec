"""cupy.cuda.memory: pools, whose bytes are of the one card."""

import fake_card as card


class OutOfMemoryError(MemoryError):
    """The card has not that much left."""

    def __init__(self, size: int, total: int = 0, limit: int = 0) -> None:
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class MemoryPool:
    """Memory that is kept for the next array."""

    def __init__(self, allocator=None) -> None:
        self._p = card.Pool(lambda n: OutOfMemoryError(n, self._p.used + self._p.kept))

    def malloc(self, size):
        return MemoryPointer(None)

    def used_bytes(self):
        return self._p.used

    def free_bytes(self):
        return self._p.kept

    def total_bytes(self):
        return self._p.used + self._p.kept

    def n_free_blocks(self):
        return int(self._p.kept > 0)

    def free_all_blocks(self, stream=None):
        card.count("free_all_blocks")
        self._p.kept = 0

    def set_limit(self, size=None, fraction=None):
        size = int(card.limit * fraction) if fraction is not None else size
        self._p.bound = size or None

    def get_limit(self):
        return self._p.bound or 0


class PythonFunctionAllocator:
    """Memory that another library gives: ``malloc(size, device)`` and ``free(pointer, device)``."""

    def __init__(self, malloc_func, free_func) -> None:
        self._p = _Other(malloc_func, free_func)

    def malloc(self, size):
        return MemoryPointer(None)


class _Other(card.Pool):
    def __init__(self, malloc, free) -> None:
        super().__init__(MemoryError)
        self._malloc, self._free = malloc, free

    def take(self, n):
        return self._malloc(n, 0)

    def give(self, n, handle=0):
        self._free(handle, 0)


class MemoryPointer:
    """Where an array is."""

    def __init__(self, of) -> None:
        self.ptr, self.mem, self.device_id = 0 if of is None else of._a.ctypes.data, None, 0


class MemoryHook:
    """Nothing calls it here."""


class CFunctionAllocator:
    def __init__(self, *args) -> None:
        raise NotImplementedError("the stand-in calls no C functions")


_default = MemoryPool()
_current = _default._p


def current_pool() -> card.Pool:
    """Return what gives memory to new arrays."""
    return _current


def set_allocator(allocator=None):
    global _current
    owner = getattr(allocator, "__self__", None)
    if not isinstance(owner, (MemoryPool, PythonFunctionAllocator)):
        raise NotImplementedError(f"the stand-in takes the malloc of a pool or of a function allocator: {allocator}")
    _current = owner._p


def get_allocator():
    return _default.malloc


def get_default_memory_pool():
    return _default
