"""All figures by name, and how each is drawn from a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distributed_trf.errors import ConfigError, NothingToDrawError
from distributed_trf.figures.controls import figure_controls
from distributed_trf.figures.cutoffs import figure_4
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.layer_profiles import STRICTER, figure_3, figure_s4, figure_s7
from distributed_trf.figures.preferred_layers import figure_5, figure_s6
from distributed_trf.figures.ratios import figure_s3
from distributed_trf.figures.responses_and_sites import figure_2
from distributed_trf.figures.shares import figure_shares
from distributed_trf.figures.spectrogram_boxes import figure_s2
from distributed_trf.figures.tuned_units import figure_s1
from distributed_trf.figures.unit_map import figure_map
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


FIGURES: tuple[Drawing, ...] = (
    Drawing("2", "responses, predictions and recording sites", figure_2),
    Drawing(
        "3",
        "layers, trained and untrained, beside a spectrogram",
        lambda of: figure_3(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing("4", "how fast features must be", lambda of: figure_4(of.lowpass, delta=of.delta)),
    Drawing(
        "5",
        "layers that areas prefer",
        lambda of: figure_5(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing("S1", "units above the threshold of tuning", lambda inputs: figure_s1(inputs.results, inputs.folder)),
    Drawing("S2", "spectrograms", lambda of: figure_s2(of.results, delta=of.delta, bin_width=of.bin_width)),
    Drawing(
        "S3",
        "ratio to a spectrogram",
        lambda of: figure_s3(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing(
        "S4",
        "wav2vec2 trained on other sounds",
        lambda of: figure_s4(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing(
        "S5",
        "word error rates",
        lambda of: figure_s5(of.results, of.word_error_rates, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing(
        "S6",
        "layers that areas prefer, network by network",
        lambda of: figure_s6(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing(
        "S7",
        "cochlear networks, reset and permuted",
        lambda of: figure_s7(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing(
        "S8",
        "as 3, of units tuned more highly",
        lambda of: figure_3(of.results, delta=STRICTER, bin_width=of.bin_width),
    ),
    Drawing("S9", "as 4, of units tuned more highly", lambda of: figure_4(of.lowpass, delta=STRICTER)),
    Drawing(
        "S10",
        "as 5, of units tuned more highly",
        lambda of: figure_5(of.results, delta=STRICTER, bin_width=of.bin_width),
    ),
    Drawing("controls", "every kind of weights", lambda of: figure_controls(of.results, bin_width=of.bin_width)),
    Drawing(
        "map",
        "every unit along the layers",
        lambda of: figure_map(of.results, delta=of.delta, bin_width=of.bin_width),
    ),
    Drawing("shares", "each layer's share of the variance", lambda of: figure_shares(of.together, delta=of.delta)),
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
