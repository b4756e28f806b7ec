"""The pages on public data sets, followed word by word in small folders of the published layouts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from distributed_trf import Study, open_partition, open_results
from distributed_trf.cli.app import app
from distributed_trf.config.load import shipped
from tests.data_sets import layouts

DOCUMENTS = Path(__file__).resolve().parents[2] / "docs/data_sets"
PAGES = sorted(path.stem for path in DOCUMENTS.glob("*.md") if path.stem != "README")
BLOCK = re.compile(r"^```(python|yaml|bash)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"`(configs/networks/\w+\.yaml)`")
LINES = 12
"""Of Python that a page may take to make the recordings, imports apart; with more, the package lacks something."""
QUICK = ("envelope", "podcast_words", "book_envelope", "book_words")
"""Networks of the studies that cost next to nothing; the others are planned alone."""


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """What stands before each block of a page, and the block."""
    text = (DOCUMENTS / f"{page}.md").read_text(encoding="utf-8")
    return [(text[: match.start()], match[2]) for match in BLOCK.finditer(text) if match[1] == language]


def follow(page: str, scope: dict[str, Any], n_blocks: int | None = None) -> None:
    """Do what a page says in the working directory: run its Python, and write its network tables."""
    for k, (_, code) in enumerate(blocks(page, "python")[:n_blocks]):
        exec(compile(code, f"{page}.md, block {k + 1}", "exec"), scope)  # the page's own words
    for before, table in blocks(page, "yaml"):
        file = Path(NAMED.findall(before)[-1])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(table)


def quick_study(page: str) -> Study:
    """Write the page's study as it ships, but with its quick networks alone and a rough measure of reliability."""
    study = yaml.safe_load((shipped("configs") / f"examples/{page}.yaml").read_text())
    study["networks"] = [network for network in study["networks"] if network["name"] in QUICK]
    for partition in study.get("partition", []):
        partition["candidates"] = 2
    Path("study.yaml").write_text(yaml.safe_dump(study | {"reliability": {"draws": 200, "shifts": 20, "splits": 10}}))
    return Study.load("study.yaml")


@pytest.fixture
def studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., xr.Dataset]:
    """Write a published layout, follow its page, plan its study as it ships, and run, show and draw the quick one."""

    def do(page: str, n_blocks: int | None = None) -> xr.Dataset:
        monkeypatch.chdir(tmp_path)
        getattr(layouts, f"write_{page}")(tmp_path)
        follow(page, {}, n_blocks)
        app(["plan", f"examples/{page}"], standalone_mode=False)
        study = quick_study(page)
        report = study.run(recipe=None)
        assert report.ok, {name: value for name, value in vars(report).items() if value}
        assert not report.doubts
        app(["results", "study.yaml"], standalone_mode=False)
        app(["figures", "study.yaml", "--only", "controls"], standalone_mode=False)
        app(["report", "study.yaml", "--output", "report.html"], standalone_mode=False)
        assert page in Path("report.html").read_text()
        assert list((study.output / "figures").glob("figure_controls.png"))
        return open_results(study.output).squeeze()

    return do


def test_tuckute23__has_a_session_for_each_listener_and_the_given_splits(studied) -> None:
    ds = studied("tuckute23")
    assert sorted(set(ds.subject.values)) == ["B2021_1", "B2021_2", "NH2015_1", "NH2015_2"]
    assert ds.sizes["split"] == 10
    silent = [not int(channel) % 4 for channel in ds.channel.values]  # of both, numbers and labels begin at 0 or 100
    median = ds.fold_r.median("split")
    assert (median[~np.array(silent)] > 0.6).all()
    assert (abs(ds.r[silent]) < 0.3).all()
    assert set(ds.region.values) == {"Primary", ""}
    assert set(ds.hemisphere.values) == {"lh", "rh"}
    assert (ds.normaliser[~np.array(silent)] > 0.5).all()
    splits = pd.read_csv("tuckute23/splits.csv")
    assert splits.groupby(["split", "part"]).size().unique().tolist() == [82, 83]
    np.random.seed(0)  # the published code draws from this generator
    first = set(np.random.choice(165, 83, replace=False))
    assert set(splits[(splits.split == "split0") & (splits.part == "train")].stimulus.index % 165) == first


def test_podcast__is_read_from_the_files_of_mne(studied) -> None:
    ds = studied("podcast")
    assert list(ds.split.values) == [f"part{k}" for k in range(1, 7)]
    assert list(ds.channel.values) == ["LGA1", "LGA2", "G3", "DP4", "PO1", "PO2"]
    np.testing.assert_allclose(ds.x[:4], [0, 0.01, 0.02, 0.03], atol=1e-6)
    follows = [0, 1, 2, 4]
    assert (ds.r.sel(network="envelope")[follows] > 0.8).all()
    assert (abs(ds.r.sel(network="envelope")[[3, 5]]) < 0.2).all()
    assert ds.normaliser.isnull().all()
    unique = open_partition("podcast/study").unique.squeeze()
    assert (unique.sel(subset="envelope")[follows] > 0.5).all()
    assert (abs(unique.sel(subset="podcast_words")) < 0.1).all()
    events = pd.read_csv("podcast/words.csv")
    surprisal = pd.read_csv("ds005574/stimuli/gpt2-xl/transcript.tsv", sep="\t")
    total = -np.log2(surprisal.true_prob).sum()
    assert events[events.label == "surprisal"].value.sum() == pytest.approx(total)


def test_broderick18__is_predicted_from_envelopes_without_sounds(studied) -> None:
    ds = studied("broderick18")
    assert list(np.unique(ds.subject)) == ["Subject1", "Subject2"]
    r = ds.r.sel(network="book_envelope").values.reshape(2, 5)
    assert (r[:, :-1] > 0.6).all()
    assert (abs(r[:, -1]) < 0.2).all()
    assert (abs(ds.r.sel(network="book_words")) < 0.3).all()
    assert ds.sizes["split"] == 5
    unique = open_partition("broderick18/study").unique.squeeze()
    assert (unique.sel(subset="book_envelope").values.reshape(2, 5)[:, :-1] > 0.3).all()
    assert (abs(unique.sel(subset="book_words")) < 0.1).all()


def test_li23__follows_from_the_blocks_of_the_demonstration(studied) -> None:
    ds = studied("li23", n_blocks=1)
    assert (ds.r[:-1] > 0.5).all()
    assert abs(ds.r[-1]) < 0.3
    assert (ds.rho[:-1] > 0.7).all()


def test_li23__is_the_same_from_structures_called_out(studied, monkeypatch) -> None:
    write = layouts.write_li23

    def write_both(root: Path) -> None:
        write(root)
        layouts.write_out_structure(root / "out_HS11.mat", root / "asccd/data/timit")

    monkeypatch.setattr(layouts, "write_li23", write_both)
    ds = studied("li23")
    assert (ds.r[:-1] > 0.5).all()
    assert abs(ds.r[-1]) < 0.3


def test_lebel23__has_a_bin_for_each_volume(studied) -> None:
    ds = studied("lebel23")
    assert ds.bin_width == 2004.5
    r = ds.r.values.reshape(2, 260)
    assert (r[:, :-1] > 0.5).all()
    assert (abs(r[:, -1]) < 0.5).all()
    assert (ds.normaliser.values.reshape(2, 260)[:, :-1] > 0.3).all()


@pytest.mark.parametrize("page", PAGES)
def test_reader__takes_few_lines(page: str) -> None:
    first = blocks(page, "python")[0][1].splitlines()
    code = [line for line in first if line.strip() and not line.startswith(("from ", "import "))]
    assert 0 < len(code) <= LINES


@pytest.mark.parametrize("page", PAGES)
def test_page__names_its_study_and_how_it_is_run(page: str) -> None:
    (commands,) = (block for _, block in blocks(page, "bash"))
    assert commands == "".join(f"dtrf {what} examples/{page}\n" for what in ("plan", "run", "results", "figures"))
    links = re.findall(r"\]\(([^)#:]+\.yaml)\)", (DOCUMENTS / f"{page}.md").read_text())
    assert {(DOCUMENTS / link).resolve() for link in links} == {shipped("configs/examples").resolve() / f"{page}.yaml"}


def test_pages__studies_and_the_list_of_them_are_the_same() -> None:
    studies = sorted(path.stem for path in (shipped("configs") / "examples").glob("*.yaml"))
    listed = re.findall(r"^\| \[`(\w+)`\]\((\w+)\.md\)", (DOCUMENTS / "README.md").read_text(), flags=re.MULTILINE)
    assert studies == PAGES == sorted(name for name, _ in listed)
    assert all(name == page for name, page in listed)


def test_example_of_writing_sessions__runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow("README", {})
    assert sorted(path.name for path in (tmp_path / "mine/sessions").iterdir()) == ["one", "three", "two"]
