"""All figures of a study, drawn and saved, and why some are not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from distributed_trf import open_lowpass, open_results, select_units, simulate_results
from distributed_trf.errors import ConfigError, MissingExtraError
from distributed_trf.figures.gallery import FIGURES, chosen, draw
from distributed_trf.figures.inputs import Inputs
from distributed_trf.figures.printed_page import HIGHEST, INCHES, page
from distributed_trf.figures.style import notes_of, save_figure
from tests.figures.drawn import headings, line, texts, titled, words_over_words
from tests.figures.whole_study import write_results, write_whole_study

STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


@pytest.fixture(scope="module")
def rates(tmp_path_factory):
    """Published word error rates, as the table of ``dtrf wer``."""
    read = json.loads((Path(__file__).parent / "digitised_values.json").read_text())["wer"]
    rows = [(network, benchmark, rate) for benchmark, of in read.items() for network, rate in of.items()]
    file = tmp_path_factory.mktemp("wer") / "word_error_rates.csv"
    pd.DataFrame(rows, columns=["network", "benchmark", "wer"]).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_whole_study(tmp_path_factory.mktemp("whole") / "study")


@pytest.fixture(scope="module")
def figures(folder, rates):
    """Every figure by name."""
    drawn = {drawing.name: figure for drawing, figure in draw(Inputs(folder, word_errors=rates))}
    assert list(drawn) == [drawing.name for drawing in FIGURES]
    assert not [found for found in drawn.values() if isinstance(found, str)]
    return drawn


def test_gallery__without_matplotlib_names_the_extra_for_every_figure(folder, rates, absent):
    absent("matplotlib")
    inputs = Inputs(folder, word_errors=rates)
    for drawing in FIGURES:
        with pytest.raises(MissingExtraError, match=r"matplotlib is not installed.*distributed_trf\[figures\]"):
            drawing.draw(inputs)


@pytest.mark.parametrize("name", [drawing.name for drawing in FIGURES])
def test_gallery__saves_every_figure_in_every_format_with_text_that_can_be_read(figures, name, tmp_path):
    figure = figures[name]
    files = save_figure(figure, tmp_path / "figures", f"figure_{name}", list(STARTS))
    assert [file.name for file in files] == [f"figure_{name}.{ending}" for ending in STARTS]
    for file in files:
        assert file.read_bytes().startswith(STARTS[file.suffix[1:]])
        assert file.stat().st_size > 5_000
    assert figure.get_figwidth() == INCHES["double"]
    assert figure.get_figheight() < 11
    assert min(text.get_fontsize() for text in texts(figure)) >= 6.5
    written = re.findall(r"<text[^>]*>([^<]+)</text>", files[2].read_text())
    assert any(word in text.get_text() for text in texts(figure) for word in written)
    assert b"/FontFile2" in files[1].read_bytes()  # embedded as a font, not drawn


@pytest.fixture(scope="module")
def narrow(folder, rates):
    """Every figure by name, for one column."""
    with page("single"):
        return {drawing.name: figure for drawing, figure in draw(Inputs(folder, word_errors=rates))}


@pytest.mark.parametrize("name", [drawing.name for drawing in FIGURES])
def test_gallery__of_one_column_has_the_same_text_sizes_and_all_of_it_on_the_page(narrow, figures, name):
    figure = narrow[name]
    assert figure.get_figwidth() == INCHES["single"]
    assert figure.get_figheight() < HIGHEST
    assert {text.get_fontsize() for text in texts(figure)} <= {text.get_fontsize() for text in texts(figures[name])}
    assert notes_of(figure) == notes_of(figures[name])
    assert len(figure.axes) == len(figures[name].axes)
    assert not words_over_words(figure)


@pytest.mark.parametrize("name", ["5", "map"])
def test_save_figure__gives_the_same_bytes_each_time(folder, name, tmp_path):
    for place in ("first", "second"):
        ((_, figure),) = draw(Inputs(folder), [name])
        save_figure(figure, tmp_path / place, "figure", list(STARTS))
    for ending in STARTS:
        first, second = ((tmp_path / place / f"figure.{ending}").read_bytes() for place in ("first", "second"))
        assert first == second, ending
    assert b"CreationDate" not in first


@pytest.mark.parametrize("width", ["figures", "narrow"])
def test_gallery__stays_within_the_figure(width, request):
    """Nothing that is written is cut off at the edge of the page."""
    for name, figure in request.getfixturevalue(width).items():
        figure.draw_without_rendering()
        drawn, page = figure.get_tightbbox(), figure.bbox_inches.padded(0.02)
        assert page.contains(*drawn.min), name
        assert page.contains(*drawn.max), name


def test_gallery__supplementary_figures_take_stricter_units(figures, folder):
    of = {
        "fits": select_units(open_results(folder), stimuli="timit", delta=1.0).sizes["unit"],
        "lowpass": select_units(open_lowpass(folder), delta=1.0).sizes["unit"],
    }
    loose = select_units(open_results(folder), stimuli="timit", delta=0.5).sizes["unit"]
    assert of["fits"] < loose
    assert headings(figures["S8"])[0] == f"timit, 50 ms bins: {of['fits']} highly tuned units (δ = 1)"
    assert headings(figures["3"])[0] == f"timit, 50 ms bins: {loose} highly tuned units (δ = 0.5)"
    assert headings(figures["S9"]) == [f"timit, 50 ms bins: {of['lowpass']} highly tuned units (δ = 1)"]
    assert figures["S10"].axes[0].get_title().startswith(f"timit, 50 ms bins: {of['fits']} highly tuned")
    assert len(titled(figures["shares"], "whisper_tiny")) == 1
    assert line(titled(figures["4"], "whisper_tiny, layer 2")[0], "median").get_xdata().size == 4


def test_gallery__draws_at_the_delta_that_is_asked_for(folder):
    ((_, figure),) = draw(Inputs(folder, delta=2.0), ["3"])
    assert headings(figure)[0].endswith("highly tuned units (δ = 2)")


def test_gallery__says_what_is_missing_and_how_to_get_it(tmp_path):
    ds = simulate_results(["whisper_tiny"], weights=("reset",), sessions=2, channels=30, stimuli=("timit",))
    root = write_results(tmp_path / "study", ds.assign(cv_score=ds.r**2)).root
    drawn = {drawing.name: found for drawing, found in draw(Inputs(root, word_errors=tmp_path / "none.csv"))}
    reasons = {name: found for name, found in drawn.items() if isinstance(found, str)}
    assert set(reasons) == {"4", "S4", "S5", "S7", "S9", "shares", "partition"}
    assert "set them under `lowpass` in the study" in reasons["4"]
    assert "no layer of wav2vec2 or w2v2_audioset is in these results" in reasons["S4"]
    assert reasons["S5"] == f"{tmp_path / 'none.csv'}: no table of word error rates here; make it with `dtrf wer`"
    assert "cochresnet50, cochcnn9" in reasons["S7"]
    assert "set them under `together` in the study" in reasons["shares"]
    assert any("no stars" in text for text in notes_of(drawn["3"]))
    ((_, reason),) = draw(Inputs(root), ["S5"])
    assert reason.startswith("no word error rates are named")


def test_chosen__takes_names_as_people_write_them_in_the_order_of_the_gallery():
    assert [drawing.name for drawing in chosen(["s2", " Fig. 3", "figure_map"])] == ["3", "S2", "map"]
    with pytest.raises(ConfigError, match="there is no figure 'S11'; choose among 2, 3, 4, 5"):
        chosen(["3", "S11"])
