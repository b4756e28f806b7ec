"""The report of a study, read as a reader does."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import yaml

from distributed_trf import (
    Study,
    best_layer,
    compare_areas,
    describe,
    import_published_csv,
    layer_tests,
    open_results,
    peak_layer,
    select_units,
    simulate_results,
    write_published_csv,
)
from distributed_trf.errors import DamagedError, DataError, NothingToDrawError, StoreError
from distributed_trf.figures import gallery
from distributed_trf.figures.controls import figure_controls
from distributed_trf.figures.gallery import Drawing
from distributed_trf.figures.html.figure_section import in_words, picture
from distributed_trf.figures.html.page import p_value
from distributed_trf.figures.html.study_report import write_report
from distributed_trf.figures.style import new_figure, note
from distributed_trf.pipeline.events import ItemEnded
from distributed_trf.results.best_layers import penalty_edges
from distributed_trf.results.tables import reliability_table
from distributed_trf.store.receipts import Failure, write_failure
from distributed_trf.store.result_allocation import allocate_result_arrays
from distributed_trf.store.study_store import StudyStore
from tests.figures.html.parsed import Parsed
from tests.figures.stored_results import store_results
from tests.small_results import GRID, write_small_study
from tests.store_damage import flip_a_bit

MEL = {"name": "mel_librosa"}
QUICK = {"draws": 50, "shifts": 9}
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;{{ 7777*7777 }}"
PAPER = "https://doi.org/10.1371/journal.pcbi.1013334"


def report_of(folder, **options):
    write_report(folder, folder / "report.html", **options)
    return Parsed(folder / "report.html")


def profile(inputs):
    figure = figure_controls(inputs.results)
    note(figure, "left out: a <b>unit</b>")
    return figure


def points(inputs):
    figure = new_figure(5.0, 2.5)
    axis = figure.subplots()
    axis.plot(np.random.default_rng(0).normal(size=20_000), ".")
    axis.set(title="noise", xlabel="sample", ylabel="value")
    return figure


def nothing(inputs):
    raise NothingToDrawError("no fit on low-passed features is here; ask for `lowpass` in the study")


def unfit(inputs):
    raise DataError("too few units")


@pytest.fixture(autouse=True)
def _no_gallery(monkeypatch):
    """Figures have tests of their own; here none is drawn unless a test asks for some."""
    monkeypatch.setattr(gallery, "FIGURES", ())


@pytest.fixture
def drawings(_no_gallery, monkeypatch):
    """A gallery of a small figure, one of many points, and two that cannot be drawn."""
    found = (
        Drawing("3", "Median of every layer", profile),
        Drawing("map", "Every unit", points),
        Drawing("4", "Cut-offs", nothing),
        Drawing("S6", "Preferred layers", unfit),
    )
    monkeypatch.setattr(gallery, "FIGURES", found)


def test_report__has_the_numbers_of_the_dataset(tmp_path):
    ds = simulate_results(["whisper_tiny"], better={"whisper_tiny": [1, 2]}, sessions=12, channels=20)
    folder = store_results(ds, tmp_path / "imported", {"source": "elsewhere", "runs": 3})
    page = report_of(folder)

    assert page.rows("12 sessions, 240 units") == [["non-primary", "6", "120"], ["core", "6", "120"]]
    sessions = page.rows("all sessions")
    assert [row[0] for row in sessions] == list(dict.fromkeys(ds["session"].values))
    assert {row[3] for row in sessions} == {"20"}

    counts = reliability_table(open_results(folder)).to_dict("records")
    for row, of in zip(page.rows("units that repeat themselves"), counts, strict=True):
        assert row[:5] == [of["stimuli"], "50 ms", "240", "0 %", f"{of['normaliser']:.3f}"]
        # The published test is not among these results: no count, rather than zero.
        assert row[5:] == [*(str(of[name]) for name in ("tuned", "tuned_bh", "tuned_holm")), "-", str(row[9])]
        assert row[9] == str(of["highly_tuned"])

    best = page.rows("best layer by median cv_score")
    assert len(best) == 2 * 3  # trained, reset and the cochleagram of both stimulus sets
    for stimuli, rows in (("timit", best[:3]), ("mvocs", best[3:])):
        tuned = select_units(ds, stimuli=stimuli, delta=0.5)
        for network, weights, layers, layer, module, kind, median, n in rows:
            of = tuned[["cv_score", "rho"]].sel(stimuli=stimuli, network=network, weights=weights, bin_width=50.0)
            medians = of.dropna("layer", how="all").median("unit")
            assert (int(layers), int(n)) == (medians.sizes["layer"], tuned.sizes["unit"])
            assert int(layer) == int(medians["layer"][int(medians.cv_score.argmax("layer"))])
            assert median == f"{float(medians.rho.sel(layer=int(layer))):.3f}"
            where = {"network": network, "layer": int(layer)}
            assert [module, kind] == [ds[name].sel(where).item() for name in ("layer_name", "layer_type")]

    tested = page.rows("trained layers that predict better (p < 0.01), over sessions")
    tests = layer_tests(select_units(ds, stimuli="timit", delta=0.5)).sel(stimuli="timit", bin_width=50)
    untrained = tests.sel(network="whisper_tiny", against="untrained", layer=int(tested[0][4 - 1]))
    assert tested[0][:3] == ["whisper_tiny", "reset", "2 of 6"]
    assert tested[1][:2] == ["whisper_tiny", "cochleagram"]
    low, high = (f"{float(untrained[name]):.3f}" for name in ("low", "high"))
    assert tested[0][4:7] == [
        f"{float(untrained['difference']):.3f}",
        f"{low} to {high}",
        f"{float(untrained['effect']):.3f}",
    ]
    assert tested[0][7:] == [
        "< 0.001",
        "< 0.001",
        p_value(float(untrained["p_adjusted"])),
        f"{int(untrained['n'])} in 12",
    ]


def test_report__says_in_words_what_tests_of_layers_and_areas_found(tmp_path):
    ds = simulate_results(
        ["whisper_tiny"],
        stimuli=["timit"],
        better={"whisper_tiny": [1, 2]},
        depth=(0.2, 0.6),
        sessions=12,
        channels=40,
    )
    page = report_of(store_results(ds, tmp_path / "imported", {}))
    units = select_units(ds, stimuli="timit", delta=0.5).sel(stimuli="timit", bin_width=50)
    tests = layer_tests(units)
    best = tests.sel(layer=int(best_layer(units).best_layer.sel(network="whisper_tiny", weights="trained")))
    areas = compare_areas(peak_layer(units.sel(network=["whisper_tiny"], weights="trained")))
    for found in (tests, best, areas):
        for sentence in describe(found).split("\n"):
            assert sentence in page.text
    assert "had significantly higher rho with trained weights than with reset weights at adjusted p < .01" in page.text


def test_report__of_three_sessions_has_no_interval_and_calls_no_layer_better(tmp_path):
    ds = simulate_results(["whisper_tiny"], better={"whisper_tiny": [1, 2]}, sessions=3, channels=60)
    page = report_of(store_results(ds, tmp_path / "imported", {}))
    rows = page.rows("trained layers that predict better (p < 0.01), over sessions")
    assert {(row[2], row[5], row[8]) for row in rows} == {("- of 6", "-", "0.125")}
    assert "whether layers are better cannot be told (-). An interval takes 4 sessions." in page.text
    assert "as no p below .125 is possible" in page.text
    assert "no confidence interval for 3 sessions" in page.text


def test_report__of_results_without_settings_says_that_no_run_made_them(tmp_path):
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=4)
    page = report_of(store_results(ds, tmp_path / "drawn", {"source": "elsewhere"}))
    assert "These results carry no settings of a study." in page.text
    assert "made with elsewhere" in page.text
    assert "No work item was done here." in page.text
    assert "No run made these results." in page.text
    assert "pre" not in page.tags


def test_report__of_imported_results_tells_what_was_read(tmp_path):
    settings = {"name": "drawn", "lags": {"tmin": 0.0, "tmax": 0.2}, "delay": 0.0, "recordings": {"format": "ucsf"}}
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=4)
    ds["cv_score"][...] = np.nan  # for which the published layout has no column
    drawn = store_results(ds, tmp_path / "drawn", {"study": settings})
    files = write_published_csv(open_results(drawn), tmp_path / "csv", identifier="again")
    (tmp_path / "csv/notes.csv").write_text("nothing\n")
    import_published_csv(tmp_path / "csv", tmp_path / "imported")
    page = report_of(tmp_path / "imported")
    assert page.text.startswith("again ")
    assert "These results were imported" in page.text
    assert all(file.name in page.text for file in files)
    assert "left out: notes.csv" in page.text
    assert "no cv_score in these results: the rho that is shown chose the layers" in page.text
    assert sorted(page.rows("best layer by median rho")) == sorted(report_of(drawn).rows("best layer by median rho"))
    assert {(row[3], *row[5:9]) for row in page.rows("units that repeat themselves")} == {("-",) * 5}


def test_report__without_reliability_is_of_r_of_all_units(tmp_path):
    ds = simulate_results(["whisper_tiny"], sessions=3, channels=4)
    unmeasured = ds.drop_vars(["normaliser", "silent_repeats", "null_mean", "null_std", "tuned_p"])
    page = report_of(store_results(unmeasured, tmp_path / "imported", {}))
    assert "The reliability of the units was not measured." in page.text
    assert (
        "Of 12 units; no reliability was measured for timit: all units are shown, by test correlation r." in page.text
    )
    assert page.headings("best layer by median cv_score")[-2:] == ["median r", "units"]


def test_report__of_a_study_tells_settings_failures_and_runs(write_study, workplace):
    write_study(
        networks=[MEL, {"name": "small_whisper", "weights": ["trained"]}], reliability=QUICK, bin_widths=[50, 100]
    )
    study = Study.load("study.yaml")
    ended = study.run(None)
    shutil.rmtree(workplace / "recordings")  # a report needs none
    page = report_of(workplace / "study")

    assert f"recordings ucsf, {workplace / 'recordings'}" in page.text
    assert "bin widths 50 ms, 100 ms" in page.text
    assert "network small_whisper all layers; weights trained" in page.text
    assert "21 penalties from 1e-05 to 1e+15" in page.text
    for _, row in penalty_edges(open_results("study")).iterrows():
        assert f"Chosen penalties: the smallest (1e-05) in {row['first'] / row['n']:.1%}, the largest" in page.text
    found = re.search(r"<pre[^>]*>(.*?)</pre>", (workplace / "study/report.html").read_text(), re.DOTALL)
    written = study.settings.with_sets(["timit"]).model_dump(mode="json")  # those that were presented
    assert yaml.safe_load(found[1].replace("&#39;", "'")) == written
    assert "numpy " + np.__version__ in page.text

    stages = {row[0]: row[1:] for row in page.rows("work items")}
    assert stages["fit layers"] == ["2", "0", "8"]
    assert stages["extract features"] == ["3", "3", "0"]
    (reason,) = set(ended.failed.values())
    assert f"3 failed: {' '.join(reason.split())}" in page.text
    for key in (*ended.failed, *ended.blocked):
        assert key in page.text
    assert "8 missing: waits for extract timit-small_whisper-trained-0000" in page.text
    for session, notes in ended.notes.items():
        assert f"{session} {'; '.join(notes)}" in page.text

    ((began, state, workers, done, failed, *seconds, code),) = page.rows("1 run")
    assert (state, workers, failed) == ("finished", "one process", "3")
    assert int(done) == sum(ended.done.values())
    assert seconds == [f"{ended.seconds[stage]:.1f}" for stage in ("read", "assess", "extract", "fit")]
    assert began.replace("-", "").replace(":", "").replace(" ", "T") == ended.folder.name.partition(".")[0]
    assert code.startswith("distributed_trf ")


def test_report__in_the_middle_of_a_run(write_study, workplace):
    write_study(networks=[MEL, {"name": "mel_whisper"}], reliability=None)
    pages = {}

    def watch(event):
        if isinstance(event, ItemEnded) and event.outcome.item.stage not in pages:
            pages[event.outcome.item.stage] = report_of(workplace / "study")

    assert Study.load("study.yaml").run(None, watcher=watch).ok
    early, late = pages["extract"], pages["fit"]
    assert "There are no results yet" in early.text
    assert "No fit is done yet." in early.text
    assert "network mel_whisper all layers" in early.text  # from the run, as there are no results
    assert {row[0]: row[1:] for row in early.rows("work items")}["fit layers"] == ["0", "0", "2"]
    assert early.rows("1 run")[0][1] == "running, or killed"
    assert "7 missing: not begun" in early.text  # of six extractions one is done, of two fits none
    assert [row[0] for row in late.rows("best layer by median cv_score")] == ["mel_librosa"]
    assert {row[0]: row[1:] for row in late.rows("work items")}["fit layers"] == ["1", "0", "1"]


def test_report__holds_figures_and_says_why_others_are_not_there(tmp_path, drawings):
    page = report_of(write_small_study(tmp_path / "study"))
    small, large = page.images
    assert small["src"].startswith("data:image/svg+xml;base64,")
    assert large["src"].startswith("data:image/png;base64,")
    assert small["alt"].startswith("panels net; x axis: layer")
    assert "y axis: test correlation r" in small["alt"]
    assert large["alt"] == "panels noise; x axis: sample; y axis: value"
    assert "Figure 3. Median of every layer" in page.text
    assert small["alt"].endswith(". left out: a <b>unit</b>")  # it stands in the picture, and once only
    assert "Figure 4: Cut-offs no fit on low-passed features is here" in page.text
    assert "Figure S6: Preferred layers too few units" in page.text
    assert "b" in page.tags


def test_report__without_matplotlib_has_all_but_figures(tmp_path, absent, drawings):
    absent("matplotlib")
    page = report_of(write_small_study(tmp_path / "study"))
    assert page.images == []
    assert "Median of every layer matplotlib is not installed; install it with: pip install" in page.text
    assert page.rows("best layer by median r")


def test_report__shows_names_and_messages_as_text(tmp_path):
    def hostile(labels):
        return tuple(f"{label}{HOSTILE}" if isinstance(label, str) else label for label in labels)

    axes = {name: hostile(labels) for name, labels in GRID.axes.items()}
    units = {name: hostile(labels) for name, labels in GRID.units.items()}
    layers = {f"{n}{HOSTILE}": {k: (HOSTILE, kind) for k, (_, kind) in of.items()} for n, of in GRID.layers.items()}
    store = StudyStore.create(tmp_path / "study")
    settings = {"name": HOSTILE, "networks": [HOSTILE]}
    grid = type(GRID)(axes, units, layers)
    allocate_result_arrays(store.results, grid, [], {"study": settings, "source": HOSTILE, HOSTILE: HOSTILE})
    write_failure(store, "fit", "key", Failure({}, HOSTILE))
    page = report_of(store.root)
    assert page.images == []
    assert page.handlers == []
    assert str(7777 * 7777) not in page.text
    assert f"made with {HOSTILE}" in page.text
    assert f"1 failed: {HOSTILE}" in page.text
    assert [row[0] for row in page.rows("all sessions")] == [f"s1{HOSTILE}", f"s2{HOSTILE}"]
    assert "This version does not understand the settings" in page.text


def test_report__needs_nothing_beside_it(tmp_path, drawings):
    page = report_of(write_small_study(tmp_path / "study"))
    outside = [r for r in page.references if not r.startswith(("#", "data:"))]
    assert outside == [PAPER]
    assert {r[1:] for r in page.references if r.startswith("#")} <= page.ids
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert "url(" not in page.styles
    assert "@import" not in page.styles
    assert page.tags.count("h1") == 1


def test_report__of_damaged_results_is_not_written(tmp_path):
    folder = write_small_study(tmp_path / "study")
    report_of(folder)
    before = (folder / "report.html").read_bytes()
    flip_a_bit(next((folder / "results.zarr/r/c").rglob("0/0/0/1/0")), -3)
    with pytest.raises(DamagedError, match="its content is not what was written"):
        write_report(folder, folder / "report.html")
    assert (folder / "report.html").read_bytes() == before


def test_report__of_no_study_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="there is no study folder here"):
        write_report(tmp_path / "none", tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_picture__is_the_same_every_time():
    first, second = (picture(points(None)) for _ in range(2))
    assert first == second
    assert (first.width, first.height) == (5.0, 2.5)


def test_picture__of_a_small_figure_is_a_vector_drawing():
    def line():
        figure = new_figure(3.0, 2.0)
        figure.subplots().plot([1, 2])
        return figure

    assert picture(line()) == picture(line())
    assert picture(line()).uri.startswith("data:image/svg+xml")
    assert in_words(line()) == ""


LIGHT, DARK = 0, 1


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_style__has_contrast_in_light_and_dark(tmp_path, scheme):
    """At least 4.5 to 1, as WCAG 2 asks of text."""
    page = report_of(write_small_study(tmp_path / "study"))
    roots = re.findall(r":root \{(.*?)\}", page.styles, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w{6})", roots[scheme]))
    assert set(colours) == {"ink", "quiet", "paper", "field", "line", "link", "failed"}
    for ground in ("paper", "field"):
        for name in ("ink", "quiet", "link", "failed"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def contrast(a, b):
    bright, dim = sorted((luminance(a), luminance(b)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour):
    """Relative luminance of WCAG 2."""
    parts = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
