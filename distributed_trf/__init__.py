"""How well does every layer of every audio network predict every recorded neuron?

The public names; each is imported when it is first used, so that ``import distributed_trf`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed_trf.clusters.start import start_cluster
    from distributed_trf.pipeline.study import Study
    from distributed_trf.recordings.binned_features import binned_features
    from distributed_trf.recordings.formats import open_recordings
    from distributed_trf.recordings.inventory import inventory
    from distributed_trf.recordings.simulation.simulate import simulate
    from distributed_trf.results.analyses import open_bootstraps, open_lowpass, open_together
    from distributed_trf.results.models import open_models
    from distributed_trf.results.open import open_results
    from distributed_trf.results.seeds import average_seeds
    from distributed_trf.store.features import open_features
    from distributed_trf.store.trf_model import load_trf, save_trf
    from distributed_trf.trf.estimator import TRF

_HOMES = {
    "TRF": "distributed_trf.trf.estimator",
    "Study": "distributed_trf.pipeline.study",
    "simulate": "distributed_trf.recordings.simulation.simulate",
    "average_seeds": "distributed_trf.results.seeds",
    "binned_features": "distributed_trf.recordings.binned_features",
    "open_recordings": "distributed_trf.recordings.formats",
    "inventory": "distributed_trf.recordings.inventory",
    "open_results": "distributed_trf.results.open",
    "open_features": "distributed_trf.store.features",
    "open_bootstraps": "distributed_trf.results.analyses",
    "open_lowpass": "distributed_trf.results.analyses",
    "open_models": "distributed_trf.results.models",
    "open_together": "distributed_trf.results.analyses",
    "save_trf": "distributed_trf.store.trf_model",
    "load_trf": "distributed_trf.store.trf_model",
    "start_cluster": "distributed_trf.clusters.start",
}

__all__ = [
    "TRF",
    "Study",
    "average_seeds",
    "binned_features",
    "inventory",
    "load_trf",
    "open_bootstraps",
    "open_features",
    "open_lowpass",
    "open_models",
    "open_recordings",
    "open_results",
    "open_together",
    "save_trf",
    "simulate",
    "start_cluster",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("distributed_trf")
    raise AttributeError(f"module 'distributed_trf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
