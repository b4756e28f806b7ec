"""cupy.cuda.pinned_memory: host memory that the card copies from while the host goes on."""

import fake_card as card
import numpy as np


class PinnedMemoryPointer(bytearray):
    """A pinned buffer; it goes back to its pool when nothing holds it."""


def alloc_pinned_memory(size):
    made = PinnedMemoryPointer(max(int(size), 1))
    card.pin(made, np.frombuffer(made, np.uint8).ctypes.data, int(size))
    return made


class PinnedMemoryPool:
    """The pool of pinned buffers."""

    def __init__(self, allocator=None) -> None:
        pass

    def malloc(self, size):
        return alloc_pinned_memory(size)

    def free_all_blocks(self):
        pass

    def n_free_blocks(self):
        return 0


_default = PinnedMemoryPool()


def get_default_pinned_memory_pool():
    return _default
