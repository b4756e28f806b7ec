"""Fig 2A: a sound, what one unit did in every repeat of it, and what was predicted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from distributed_trf.config.evaluation import EvaluationSettings
from distributed_trf.errors import NothingToDrawError
from distributed_trf.figures.panels.panel_grid import draw_spectrogram
from distributed_trf.figures.printed_page import page_width
from distributed_trf.figures.style import SMALL, network_style, new_figure, tidy
from distributed_trf.recordings.recording_set import WHOLE_STIMULUS
from distributed_trf.results.best_predicted import FIXED_ONLY, Example, predicted_response
from distributed_trf.results.models import Models, open_models
from distributed_trf.results.open_results import open_results, study_of
from distributed_trf.store.study_store import StudyStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 3.6, 3.2
"""Inches; the width is that of a page column."""
TRIAL_COLOUR, MEAN_COLOUR = "#777777", "#000000"


def example_prediction(
    folder: Path, example: Example, *, stimuli: str | None = None, bin_width: float = 50.0
) -> Figure:
    """Draw the spectrogram of a test sound, a unit's response in each repeat, their mean and the prediction.

    Parameters
    ----------
    folder
        The output folder of a study with ``save_models: true``.
    example
        Which unit, fit and sound.
    stimuli, bin_width
        Stimulus set, by default the only one there, and bin width in ms.

    Raises
    ------
    NothingToDrawError
        If no model was saved, or a whole sound is one bin.
    StoreError
        If there is no such unit, model or test sound.
    MissingExtraError
        If matplotlib is not installed.
    """
    figure = new_figure(min(WIDTH, page_width()), HEIGHT)
    saved_models(folder)
    stimuli = StudyStore.open(folder).stimulus_set(stimuli)
    response = example_response(folder, example, stimuli, bin_width)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.4))
    draw_example(top, bottom, response, network_style(example.network, [example.network])[0])
    top.set_title(example_title(example, response, stimuli), fontsize=SMALL)
    bottom.legend(fontsize=SMALL, frameon=False, loc="upper right", ncols=3, handlelength=1.6)
    figure.align_ylabels()
    return figure


def saved_models(folder: Path) -> Models:
    """Open the models in a study's folder.

    Raises
    ------
    NothingToDrawError
        If there are none.
    """
    models = open_models(folder)
    if not models.keys():
        raise NothingToDrawError(
            f"{folder}: no model was saved, so nothing can be predicted; set `save_models: true` in the study and run "
            "it"
        )
    study = study_of(open_results(folder))
    if study is not None and not EvaluationSettings.model_validate(study.get("test", {"set": "test"})).fixed:
        raise NothingToDrawError(
            f"{folder}: the study tests all stimuli in turn, and its models were fitted on all of them; {FIXED_ONLY}"
        )
    return models


def example_response(folder: Path, example: Example, stimuli: str, bin_width: float) -> xr.Dataset:
    """Read what an example shows.

    Raises
    ------
    NothingToDrawError
        If a whole sound is one bin.
    """
    if bin_width == WHOLE_STIMULUS:
        raise NothingToDrawError(f"at {bin_width:g} ms a sound is one bin, so there is no course in time to draw")
    return predicted_response(
        folder,
        example.session,
        example.channel,
        network=example.network,
        layer=example.layer,
        weights=example.weights,
        stimulus=example.stimulus,
        stimuli=stimuli,
        bin_width=bin_width,
    )


def draw_example(top: Axes, bottom: Axes, response: xr.Dataset, colour: str) -> None:
    """Draw what ``predicted_response`` returns into two axes that share time; values are at the middle of bins."""
    width = float(response["bin_width"]) / 1000
    of_spikes = "count" in response
    time, recorded = response["time"].values + width / 2, response["count" if of_spikes else "response"].values
    draw_spectrogram(top, response["sound"].values, response.attrs["sfreq"])
    single = bottom.plot(time, recorded.T, color=TRIAL_COLOUR, alpha=0.3, linewidth=0.7)
    single[0].set_label("single repeats")
    bottom.plot(time, recorded.mean(axis=0), color=MEAN_COLOUR, linewidth=1.3, label="mean")
    bottom.plot(time, response["predicted"].values, color=colour, linewidth=1.6, linestyle="--", label="prediction")
    drawn = np.concatenate([recorded.ravel(), response["predicted"].values, [0.0]])
    lowest = min(0, response["predicted"].values.min()) if of_spikes else drawn.min()
    bottom.set_ylim(lowest, 1.25 * drawn.max() or 1)  # room for the legend
    bottom.set_xlim(0, max(response.sizes["sample_time"] / response.attrs["sfreq"], time[-1] + width / 2))
    bottom.set_ylabel(f"spikes per {1000 * width:g} ms" if of_spikes else "response", fontsize=SMALL)
    bottom.set_xlabel("time from sound onset (s)", fontsize=SMALL)
    top.yaxis.label.set_fontsize(SMALL)
    top.tick_params(labelbottom=False)
    for axis in (top, bottom):
        tidy(axis)


def example_title(example: Example, response: xr.Dataset, stimuli: str) -> str:
    """Say which unit, fit and sound are shown, and how well the unit is predicted over all test sounds."""
    rho = float(response["rho"])
    reached = f"r = {float(response['r']):.2f}" + ("" if np.isnan(rho) else f", \N{GREEK SMALL LETTER RHO} = {rho:.2f}")
    fit = f"{example.network}, {example.weights}, layer {example.layer}"
    return (
        f"session {example.session}, {example.channel}: {stimuli} {response['stimulus'].item()}, "
        f"{response.sizes['repeat']} repeats\n{fit}: {reached}"
    )
