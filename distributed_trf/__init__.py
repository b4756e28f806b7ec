"""How well does every layer of every audio network predict every recorded neuron?

The public names; each is imported when it is first used, so that ``import distributed_trf`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed_trf.clusters.start import start_cluster
    from distributed_trf.features.probe.add import add_network
    from distributed_trf.pipeline.study import Study
    from distributed_trf.recordings.binned_features import binned_features
    from distributed_trf.recordings.generic.write_session import write_session
    from distributed_trf.recordings.generic.write_sound import write_sound
    from distributed_trf.recordings.inventory import inventory
    from distributed_trf.recordings.open_recordings import open_recordings
    from distributed_trf.recordings.simulation.simulate import simulate
    from distributed_trf.results.analyses import open_bootstraps, open_lowpass, open_together, open_tree
    from distributed_trf.results.combine import average_seeds, combine_results
    from distributed_trf.results.design import design
    from distributed_trf.results.inter_trial_draws import inter_trial_draws
    from distributed_trf.results.kernels import to_dataset
    from distributed_trf.results.layer_similarity import layer_similarity
    from distributed_trf.results.layers import best_layer, layer_profile, peak_layer
    from distributed_trf.results.models import open_models
    from distributed_trf.results.open_results import open_results
    from distributed_trf.results.partitions import open_beyond, open_joint, open_partition
    from distributed_trf.results.published.export_csv import write_published_csv
    from distributed_trf.results.published.import_csv import import_published_csv
    from distributed_trf.results.response_similarity import response_similarity
    from distributed_trf.results.selection import selection_table
    from distributed_trf.results.simulated import simulate_results
    from distributed_trf.results.statistics.area_tests import compare_areas
    from distributed_trf.results.statistics.compare import compare
    from distributed_trf.results.statistics.cutoffs import cutoff_tests
    from distributed_trf.results.statistics.describe import describe
    from distributed_trf.results.statistics.intervals import median_intervals
    from distributed_trf.results.statistics.layer_tests import layer_tests
    from distributed_trf.results.statistics.power import power
    from distributed_trf.results.tables import session_table, to_dataframe
    from distributed_trf.results.units import select_units
    from distributed_trf.similarity.cka import cka
    from distributed_trf.similarity.rsa import rsa, rsa_ceiling
    from distributed_trf.store.features import open_features
    from distributed_trf.store.trf_model import load_trf, save_trf
    from distributed_trf.trf.estimator import TRF
    from distributed_trf.trf.moment_folds import fit_moments
    from distributed_trf.trf.splits import given_splits, nested_folds
    from distributed_trf.trf.stream import moments_of

_HOMES = {
    "TRF": "distributed_trf.trf.estimator",
    "add_network": "distributed_trf.features.probe.add",
    "Study": "distributed_trf.pipeline.study",
    "simulate": "distributed_trf.recordings.simulation.simulate",
    "average_seeds": "distributed_trf.results.combine",
    "binned_features": "distributed_trf.recordings.binned_features",
    "open_recordings": "distributed_trf.recordings.open_recordings",
    "inventory": "distributed_trf.recordings.inventory",
    "write_session": "distributed_trf.recordings.generic.write_session",
    "write_sound": "distributed_trf.recordings.generic.write_sound",
    "open_results": "distributed_trf.results.open_results",
    "import_published_csv": "distributed_trf.results.published.import_csv",
    "write_published_csv": "distributed_trf.results.published.export_csv",
    "open_features": "distributed_trf.store.features",
    "open_bootstraps": "distributed_trf.results.analyses",
    "open_lowpass": "distributed_trf.results.analyses",
    "open_models": "distributed_trf.results.models",
    "open_together": "distributed_trf.results.analyses",
    "open_beyond": "distributed_trf.results.partitions",
    "open_joint": "distributed_trf.results.partitions",
    "open_partition": "distributed_trf.results.partitions",
    "save_trf": "distributed_trf.store.trf_model",
    "load_trf": "distributed_trf.store.trf_model",
    "start_cluster": "distributed_trf.clusters.start",
    "select_units": "distributed_trf.results.units",
    "selection_table": "distributed_trf.results.selection",
    "layer_profile": "distributed_trf.results.layers",
    "best_layer": "distributed_trf.results.layers",
    "peak_layer": "distributed_trf.results.layers",
    "compare": "distributed_trf.results.statistics.compare",
    "layer_tests": "distributed_trf.results.statistics.layer_tests",
    "power": "distributed_trf.results.statistics.power",
    "median_intervals": "distributed_trf.results.statistics.intervals",
    "compare_areas": "distributed_trf.results.statistics.area_tests",
    "cutoff_tests": "distributed_trf.results.statistics.cutoffs",
    "describe": "distributed_trf.results.statistics.describe",
    "to_dataframe": "distributed_trf.results.tables",
    "to_dataset": "distributed_trf.results.kernels",
    "session_table": "distributed_trf.results.tables",
    "design": "distributed_trf.results.design",
    "inter_trial_draws": "distributed_trf.results.inter_trial_draws",
    "combine_results": "distributed_trf.results.combine",
    "open_tree": "distributed_trf.results.analyses",
    "fit_moments": "distributed_trf.trf.moment_folds",
    "moments_of": "distributed_trf.trf.stream",
    "given_splits": "distributed_trf.trf.splits",
    "nested_folds": "distributed_trf.trf.splits",
    "simulate_results": "distributed_trf.results.simulated",
    "layer_similarity": "distributed_trf.results.layer_similarity",
    "response_similarity": "distributed_trf.results.response_similarity",
    "cka": "distributed_trf.similarity.cka",
    "rsa": "distributed_trf.similarity.rsa",
    "rsa_ceiling": "distributed_trf.similarity.rsa",
}

__all__ = [
    "TRF",
    "Study",
    "add_network",
    "average_seeds",
    "best_layer",
    "binned_features",
    "cka",
    "combine_results",
    "compare",
    "compare_areas",
    "cutoff_tests",
    "design",
    "describe",
    "fit_moments",
    "given_splits",
    "import_published_csv",
    "inter_trial_draws",
    "inventory",
    "layer_profile",
    "layer_similarity",
    "layer_tests",
    "load_trf",
    "median_intervals",
    "moments_of",
    "nested_folds",
    "open_beyond",
    "open_bootstraps",
    "open_features",
    "open_joint",
    "open_lowpass",
    "open_models",
    "open_partition",
    "open_recordings",
    "open_results",
    "open_together",
    "open_tree",
    "peak_layer",
    "power",
    "response_similarity",
    "rsa",
    "rsa_ceiling",
    "save_trf",
    "select_units",
    "selection_table",
    "session_table",
    "simulate",
    "simulate_results",
    "start_cluster",
    "to_dataframe",
    "to_dataset",
    "write_published_csv",
    "write_session",
    "write_sound",
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
