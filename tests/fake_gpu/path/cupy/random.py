"""cupy.random: numpy's numbers; those of a real card are others."""

import numpy as np

from . import _functions

_functions.fill("cupy.random", globals(), np.random)
