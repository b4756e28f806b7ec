"""Loaded by the fork server: it loads what its environment names (see ``forked_workers``).

What cannot be loaded is left out, so that the item that needs it fails alone, and says why.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module

VARIABLE = "DISTRIBUTED_TRF_PRELOAD"

for name in os.environ.get(VARIABLE, "").split():
    with suppress(Exception):
        import_module(name)
