"""All figures by name, and how each is drawn from a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed_trf.errors import ConfigError, NothingToDrawError
from distributed_trf.figures.controls import figure_controls
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.layer_profiles import STRICTER, figure_3, figure_s3, figure_s4, figure_s7
from distributed_trf.figures.lowpass_cutoffs import figure_4
from distributed_trf.figures.preferred_layers import figure_5, figure_s6
from distributed_trf.figures.responses_and_sites import figure_2
from distributed_trf.figures.spectrogram_boxes import figure_s2
from distributed_trf.figures.tuned_units import figure_s1
from distributed_trf.figures.unit_map import figure_map
from distributed_trf.figures.variance_partition import figure_partition
from distributed_trf.figures.variance_shares import figure_shares
from distributed_trf.figures.word_error_scatter import figure_s5

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn of a study."""

    name: str
    """As in ``--only`` and in the file's name: ``3``, ``S2``, ``controls``."""
    title: str
    draw: Callable[[Inputs], Figure]


def _of_fits(function: Callable[..., Figure]) -> Callable[[Inputs], Figure]:
    """Draw a figure of the grid of fits."""
    return lambda of: function(of.results, delta=of.delta, bin_width=of.bin_width)


def _tested(function: Callable[..., Figure], delta: float | None = None) -> Callable[[Inputs], Figure]:
    """Draw a figure of the grid of fits with tests, of units at the given delta unless the figure has another."""
    return lambda of: function(
        of.results, delta=of.delta if delta is None else delta, bin_width=of.bin_width, tests=of.tests
    )


FIGURES: tuple[Drawing, ...] = (
    Drawing("2", "responses, predictions and recording sites", figure_2),
    Drawing("3", "layers, trained and untrained, beside a spectrogram", _tested(figure_3)),
    Drawing("4", "how fast features must be", lambda of: figure_4(of.lowpass, delta=of.delta, tests=of.tests)),
    Drawing("5", "layers that areas prefer", _tested(figure_5)),
    Drawing("S1", "units above the threshold of tuning", lambda of: figure_s1(of.results, of.folder)),
    Drawing("S2", "spectrograms", _of_fits(figure_s2)),
    Drawing("S3", "ratio to a spectrogram", _tested(figure_s3)),
    Drawing("S4", "wav2vec2 trained on other sounds", _tested(figure_s4)),
    Drawing(
        "S5",
        "word error rates",
        lambda of: figure_s5(of.results, of.word_error_rates, delta=of.delta, bin_width=of.bin_width, tests=of.tests),
    ),
    Drawing("S6", "layers that areas prefer, network by network", _tested(figure_s6)),
    Drawing("S7", "cochlear networks, reset and permuted", _tested(figure_s7)),
    Drawing("S8", "as 3, of units tuned more highly", _tested(figure_3, STRICTER)),
    Drawing("S9", "as 4, of units tuned more highly", lambda of: figure_4(of.lowpass, delta=STRICTER, tests=of.tests)),
    Drawing("S10", "as 5, of units tuned more highly", _tested(figure_5, STRICTER)),
    Drawing("controls", "every kind of weights", _of_fits(figure_controls)),
    Drawing("map", "every unit along the layers", _of_fits(figure_map)),
    Drawing("shares", "each layer's share of the variance", lambda of: figure_shares(of.together, delta=of.delta)),
    Drawing("partition", "unique and shared variance", lambda of: figure_partition(of.partition, delta=of.delta)),
)


def chosen(only: Iterable[str] | None) -> list[Drawing]:
    """Return figures by name, in the order of the gallery; all of them for None.

    Raises
    ------
    ConfigError
        If there is none of a name.
    """
    if only is None:
        return list(FIGURES)
    known = {drawing.name.lower(): drawing for drawing in FIGURES}
    wanted = []
    for written in only:
        name = written.strip().lower().removeprefix("figure").removeprefix("fig").strip(" ._")
        if name not in known:
            raise ConfigError(f"there is no figure {written!r}; choose among {', '.join(d.name for d in FIGURES)}")
        wanted.append(name)
    return [drawing for drawing in FIGURES if drawing.name.lower() in wanted]


def draw(inputs: Inputs, only: Iterable[str] | None = None) -> Iterator[tuple[Drawing, Figure | str]]:
    """Draw figures one after another; a text instead of a figure says why there is nothing to draw."""
    for drawing in chosen(only):
        try:
            yield drawing, drawing.draw(inputs)
        except NothingToDrawError as error:
            yield drawing, str(error)
