"""Pictures of results; each function returns a matplotlib figure, and is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed_trf.figures.controls import figure_controls
    from distributed_trf.figures.kernel import figure_kernels
    from distributed_trf.figures.layer_profiles import figure_3, figure_s3, figure_s4, figure_s7
    from distributed_trf.figures.lowpass_cutoffs import figure_4
    from distributed_trf.figures.power import figure_power
    from distributed_trf.figures.prediction import example_prediction
    from distributed_trf.figures.preferred_layers import figure_5, figure_s6
    from distributed_trf.figures.printed_page import page
    from distributed_trf.figures.raster import raster_figure
    from distributed_trf.figures.responses_and_sites import figure_2
    from distributed_trf.figures.session_map import session_layers, session_reliability
    from distributed_trf.figures.site_map import recording_sites
    from distributed_trf.figures.spectrogram_boxes import figure_s2
    from distributed_trf.figures.tuned_units import figure_s1
    from distributed_trf.figures.unit_map import figure_map
    from distributed_trf.figures.variance_partition import figure_partition
    from distributed_trf.figures.variance_shares import figure_shares
    from distributed_trf.figures.word_error_scatter import figure_s5

_HOMES = {
    "example_prediction": "prediction",
    "figure_2": "responses_and_sites",
    "figure_3": "layer_profiles",
    "figure_4": "lowpass_cutoffs",
    "figure_5": "preferred_layers",
    "figure_controls": "controls",
    "figure_kernels": "kernel",
    "figure_map": "unit_map",
    "figure_partition": "variance_partition",
    "figure_power": "power",
    "figure_s1": "tuned_units",
    "figure_s2": "spectrogram_boxes",
    "figure_s3": "layer_profiles",
    "figure_s4": "layer_profiles",
    "figure_s5": "word_error_scatter",
    "figure_s6": "preferred_layers",
    "figure_s7": "layer_profiles",
    "figure_shares": "variance_shares",
    "page": "printed_page",
    "raster_figure": "raster",
    "recording_sites": "site_map",
    "session_layers": "session_map",
    "session_reliability": "session_map",
}

__all__ = [
    "example_prediction",
    "figure_2",
    "figure_3",
    "figure_4",
    "figure_5",
    "figure_controls",
    "figure_kernels",
    "figure_map",
    "figure_partition",
    "figure_power",
    "figure_s1",
    "figure_s2",
    "figure_s3",
    "figure_s4",
    "figure_s5",
    "figure_s6",
    "figure_s7",
    "figure_shares",
    "page",
    "raster_figure",
    "recording_sites",
    "session_layers",
    "session_reliability",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
