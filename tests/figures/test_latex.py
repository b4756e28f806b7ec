"""Figures that LaTeX reads: names as they are, the same bytes each time, and refused where there is no TeX."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from matplotlib.text import Text

from distributed_trf import simulate_results
from distributed_trf.errors import ConfigError
from distributed_trf.figures import figure_map, figure_s2, page
from distributed_trf.figures.latex import TEX, escaped, texts_escaped
from distributed_trf.figures.style import new_figure, save_figure

needs_tex = pytest.mark.skipif(shutil.which(TEX) is None, reason=f"no {TEX} here")
ODD = r"a_b & 50% #1 $x$ {y} ~ ^ \z < > | ü"
DOCUMENT = r"\documentclass{article}\usepackage{pgf}\begin{document}\input{%s}\end{document}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("whisper_tiny, 5 %", r"whisper\_tiny, 5 \%"),
        ("ρ and δ = 0.5", r"\ensuremath{\rho} and \ensuremath{\delta} = 0.5"),
        ("R² < 1", r"R\ensuremath{^2} \ensuremath{<} 1"),
        ("a\\b", r"a\textbackslash{}b"),
        ("$", r"\textdollar{}"),
        ("units × networks", r"units \ensuremath{\times} networks"),
    ],
)
def test_escaped__is_what_latex_sets_as_it_was_written(words, expected):
    assert escaped(words) == expected


def odd_figure():
    """Odd names in a title, at ticks that two panels share, and in a legend."""
    figure = new_figure(7.0, 2.0)
    axes = figure.subplots(1, 2, sharey=True)
    axes[0].set_title(ODD)
    axes[0].set_yticks([0, 1], ["whisper_tiny", ODD])
    axes[1].plot([0, 1], [0, 1], label="δ_1")
    axes[1].legend()
    return figure


def test_texts_escaped__are_escaped_once_and_then_as_before():
    figure = odd_figure()
    figure.set_layout_engine("none")  # as it is when a figure is saved

    def written():
        figure.draw_without_rendering()
        return [text.get_text() for text in figure.findobj(Text) if text.get_text()]

    before = written()
    with texts_escaped(figure):
        inside = written()
    assert inside == [escaped(words) if words in ("whisper_tiny", ODD, "δ_1") else words for words in before]
    assert inside != before
    assert written() == before


def test_save_figure__without_tex_refuses_before_a_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"format pgf: pdflatex is not on this machine.* or take svg or pdf"):
        save_figure(odd_figure(), tmp_path / "figures", "odd", ["svg", "pgf"])
    assert not (tmp_path / "figures").exists()


@needs_tex
def test_save_figure__as_pgf_is_set_by_latex_with_every_sign(tmp_path):
    first, svg = save_figure(odd_figure(), tmp_path, "odd", ["pgf", "svg"])
    assert "whisper_tiny" in svg.read_text()
    (tmp_path / "document.tex").write_text(DOCUMENT % first.name)
    done = subprocess.run([TEX, "-halt-on-error", "document.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-1000:]
    again, _ = save_figure(odd_figure(), tmp_path / "again", "odd", ["pgf", "svg"])
    assert first.read_bytes() == again.read_bytes()


@needs_tex
def test_save_figure__as_pgf_names_no_place_of_this_machine_and_keeps_images_beside(tmp_path):
    ds = simulate_results(["whisper_tiny"], stimuli=["timit"], sessions=3, channels=20)
    with page("single"):
        files = [
            *save_figure(figure_s2(ds), tmp_path, "figure_S2", ["pgf"]),
            *save_figure(figure_map(ds), tmp_path, "figure_map", ["pgf"]),
        ]
    for file in files:
        assert file.read_text(encoding="ascii").startswith("%% Creator: Matplotlib, PGF backend")
        assert "Path=" not in file.read_text()
    assert r"normalised test correlation \ensuremath{\rho}" in files[0].read_text()
    assert (tmp_path / "figure_map-img0.png").is_file()


@needs_tex
def test_save_figure__as_pgf_of_a_sign_that_latex_does_not_know_says_which(tmp_path):
    figure = new_figure(3.0, 2.0)
    figure.subplots().set_title("a \N{SNOWMAN}")
    with pytest.raises(ConfigError, match=r"cannot set text of this figure: .*2603.*take svg or pdf"):
        save_figure(figure, tmp_path, "odd", ["pgf"])
