"""What figures are drawn from: a study's results, and what else its folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import xarray as xr

from distributed_trf.errors import StoreError
from distributed_trf.results.analyses import open_lowpass, open_together
from distributed_trf.results.open import open_results


@dataclass(frozen=True)
class Inputs:
    """The folder of a study, or of imported results; what is not there is None."""

    folder: Path
    delta: float = 0.5
    """Of the rule for highly tuned units that figures show."""

    @cached_property
    def results(self) -> xr.Dataset:
        """All fits."""
        return open_results(self.folder)

    @cached_property
    def lowpass(self) -> xr.Dataset | None:
        """Fits on low-passed features."""
        try:
            return open_lowpass(self.folder)
        except StoreError:
            return None

    @cached_property
    def together(self) -> xr.Dataset | None:
        """Fits of several layers as one model."""
        try:
            return open_together(self.folder)
        except StoreError:
            return None
