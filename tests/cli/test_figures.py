"""``dtrf figures``: what is drawn into the study's folder, and what is said of the rest."""

from __future__ import annotations

import pytest
import yaml
from typer.testing import CliRunner

from distributed_trf import simulate_results
from distributed_trf.cli.app import app
from distributed_trf.figures.gallery import FIGURES
from tests.figures.whole_study import write_results
from tests.published_files import word_errors


@pytest.fixture
def folder(tmp_path):
    """Results of one network, trained and untrained, and of one spectrogram."""
    ds = simulate_results(["whisper_tiny"], stimuli=("timit",), sessions=3, channels=15)
    return write_results(tmp_path / "study", ds).root


def figures(*arguments):
    return CliRunner().invoke(app, ["figures", *map(str, arguments)], env={"COLUMNS": "80"})


def drawn(folder):
    return {file.name for file in (folder / "figures").iterdir()}


def test_figures__draws_all_that_can_be_drawn_and_says_why_the_rest_cannot(folder):
    done = figures(folder)
    assert done.exit_code == 0, done.output
    left_out = {"4", "S4", "S5", "S7", "S9", "shares", "partition"}
    assert drawn(folder) == {f"figure_{d.name}.png" for d in FIGURES if d.name not in left_out}
    said = done.output.splitlines()
    for name in drawn(folder):
        assert f"figure: {folder / 'figures' / name}" in said
    words = " ".join(done.output.split())
    assert "note: not in these results: mel_librosa, wavelet, mel_speech2text, mel_deepspeech2, mel_whisper" in words
    assert {line.split()[2].rstrip(":") for line in said if line.startswith("no figure ")} == left_out
    assert "no figure 4: no fits on low-passed features are here; set them under `lowpass` in the study" in words
    assert max(len(line) for line in said if "/" not in line) <= 80


def test_figures__only_some_in_several_formats_at_once(folder):
    done = figures(folder, "--only", "s2,Fig. 3", "--format", "pdf,svg", "--dpi", "60")
    assert done.exit_code == 0, done.output
    assert drawn(folder) == {f"figure_{name}.{ending}" for name in ("3", "S2") for ending in ("pdf", "svg")}
    assert "no figure" not in done.output


def test_figures__for_one_column_stand_beside_those_for_two(folder):
    for more in ([], ["--width", "single"]):
        done = figures(folder, "--only", "S2", "--format", "svg", *more)
        assert done.exit_code == 0, done.output
    assert drawn(folder) == {"figure_S2.svg", "figure_S2_single.svg"}
    widths = {name: (folder / "figures" / name).read_text().split('width="')[1].split('"')[0] for name in drawn(folder)}
    assert widths == {"figure_S2.svg": "540pt", "figure_S2_single.svg": "252pt"}


def test_figures__at_another_delta_and_bin_width(folder):
    done = figures(folder, "--only", "3", "--format", "svg", "--delta", "1.5", "--bin-width", "50")
    assert done.exit_code == 0, done.output
    assert drawn(folder) == {"figure_3_50ms.svg"}
    assert "highly tuned units (δ = 1.5)" in (folder / "figures/figure_3_50ms.svg").read_text()
    done = figures(folder, "--only", "3", "--bin-width", "20")
    assert done.exit_code == 2
    assert "figure 3: no fit of timit at 20 ms is in these results" in done.output


def test_figures__published_tests_are_over_units_and_the_usual_ones_over_sessions(folder):
    for tests, said in (([], "no stars, as no p below"), (["--tests", "published"], "stars: Wilcoxon signed-rank")):
        done = figures(folder, "--only", "3", "--format", "svg", *tests)
        assert done.exit_code == 0, done.output
        assert said in " ".join(done.output.split())
    done = figures(folder, "--only", "3", "--tests", "units")
    assert done.exit_code == 2
    assert "'units' is not one of default, published" in " ".join(done.output.split())


def test_figures__one_that_is_asked_for_and_cannot_be_drawn_ends_with_2_and_the_reason(folder):
    done = figures(folder, "--only", "S2,S4")
    assert done.exit_code == 2
    assert "error: figure S4: no layer of wav2vec2 or w2v2_audioset is in these results" in done.output
    assert drawn(folder) == {"figure_S2.png"}


def test_figures__of_word_errors_take_the_table_that_wer_wrote(folder, tmp_path):
    settings = {
        "output": str(tmp_path / "rates"),
        "networks": [{"name": "whisper_tiny"}],
        "benchmarks": [{"name": "clean", "format": "librispeech", "path": str(tmp_path)}],
    }
    (tmp_path / "rates.yaml").write_text(yaml.safe_dump(settings))
    asked = (folder, "--only", "S5", "--format", "svg", "--word-errors", tmp_path / "rates.yaml")
    done = figures(*asked)
    assert done.exit_code == 2
    assert "word_error_rates.csv: no table of word error rates here; make it with `dtrf wer`" in done.output
    (tmp_path / "rates").mkdir()
    (tmp_path / "rates/word_error_rates.csv").write_text("network,benchmark,wer\nwhisper_tiny,clean,8.6\n")
    done = figures(*asked)
    assert done.exit_code == 0, done.output
    assert "word error rate (%)" in (folder / "figures/figure_S5.svg").read_text()


def test_figures__of_word_errors_take_the_published_table(tmp_path):
    networks = ["speech2text", "wav2vec2", "whisper_base", "whisper_tiny", "deepspeech2", "wav2letter"]
    ds = simulate_results(networks, sessions=3, channels=15)
    folder = write_results(tmp_path / "study", ds).root
    word_errors(tmp_path)
    table = tmp_path / "pretrained_networks_WERs.csv"
    done = figures(folder, "--only", "S5", "--format", "svg", "--word-errors", table)
    assert done.exit_code == 0, done.output
    assert "without a word error rate" not in done.output
    drawn = (folder / "figures/figure_S5.svg").read_text()
    assert [name in drawn for name in ("librispeech_clean", "voxpopuli", "wav2letter")] == [True] * 3
    table.write_text(table.read_text().replace("whisper_tiny,19.5", "whisper_tiny,0.195"))
    done = figures(folder, "--only", "S5", "--word-errors", table)
    assert done.exit_code == 2
    assert "column librispeech-test-other holds 0.195 in row 5" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--format", "png,gif"), "'gif' is not one of png, pdf, svg, pgf"),
        (("--width", "half"), "'half' is not one of single, double"),
        (("--only", "3,S11"), "there is no figure 'S11'; choose among 2, 3, 4, 5"),
    ],
)
def test_figures__misspelt_words_are_found_before_anything_is_drawn(folder, option, said):
    done = figures(folder, *option)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
    assert not (folder / "figures").exists()


def test_figures__as_pgf_without_tex_are_refused_before_anything_is_drawn(folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    done = figures(folder, "--format", "png,pgf")
    assert done.exit_code == 2
    assert "pdflatex is not on this machine" in " ".join(done.output.split())
    assert not (folder / "figures").exists()


def test_figures__of_damaged_results_are_not_drawn(folder):
    chunk = next(file for file in sorted((folder / "results.zarr/r/c").rglob("*")) if file.is_file())
    torn = bytearray(chunk.read_bytes())
    torn[-1] ^= 1
    chunk.write_bytes(bytes(torn))
    done = figures(folder)
    assert done.exit_code == 2
    assert "`dtrf repair STUDY` finds all damaged files" in done.output
    assert not (folder / "figures").exists()


def test_figures__before_any_fit_are_of_sites_and_tuning_only(tmp_path):
    ds = simulate_results(["whisper_tiny"], stimuli=("timit",), sessions=2, channels=2)
    root = write_results(tmp_path / "study", ds.assign(r=ds.r * float("nan"))).root
    done = figures(root)
    assert done.exit_code == 0, done.output
    assert drawn(root) == {"figure_2.png", "figure_S1.png"}
    done = figures(root, "--only", "3")
    assert done.exit_code == 2
    assert "no fit of timit is in these results that has a number; `dtrf results STUDY` says why" in done.output
