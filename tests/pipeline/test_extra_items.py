"""What is taken out of a study is kept, not shown, and used again when the study includes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from distributed_trf import Study, open_models, open_results
from distributed_trf.store.results import filled_cells

MEL, WHISPER = {"name": "mel_librosa"}, {"name": "mel_whisper"}
SMALL = {"name": "small_whisper", "weights": ["reset"], "layers": [0, 2]}
QUICK = {"draws": 20, "shifts": 9, "splits": 2}


def run():
    """Run study.yaml in this process; how many items of each stage were done, of those where any was."""
    report = Study.load("study.yaml").run(recipe=None)
    assert report.ok
    return {stage: n for stage, n in report.done.items() if n}


def numbers(folder="study"):
    """What the results show, without what tells when they were made."""
    ds = open_results(folder).load()
    ds.attrs.clear()
    return ds


WHOLE = {
    "networks": [MEL, {**SMALL, "weights": ["reset", "reset-1"]}],
    "bin_widths": [50, 100],
    "reliability": QUICK,
    "save_models": True,
}
FEWER = {**SMALL, "weights": ["reset"], "layers": [2]}
"""Layer 0 of a spectrogram and layer 2 of a network span a cell of the network that is kept outside the study."""


@pytest.mark.parametrize(
    ("less", "alone"),
    [
        ({"networks": [MEL, FEWER], "bin_widths": [100]}, True),
        ({"networks": [{**SMALL, "layers": [0]}], "reliability": None}, False),
    ],
)
def test_taken_out__is_not_shown_and_not_done_again(studied, write_study, less, alone):
    studied(**WHOLE)
    before = numbers()
    write_study(**WHOLE | less)
    assert run() == {}
    shown = numbers()
    models = open_models("study").keys()
    assert len(models) == shown.r.notnull().any("unit").sum()
    assert all(shown.r.sel(dict(zip(shown.r.dims, place, strict=False))).notnull().any() for place in models)
    if alone:
        write_study(**WHOLE | less, output="alone")
        assert Study.load("study.yaml").run(recipe=None).ok
        xr.testing.assert_identical(shown, numbers("alone"))
    else:
        assert dict(shown.sizes) == {"stimuli": 1, "network": 1, "weights": 1, "layer": 1, "bin_width": 2, "unit": 6}
        np.testing.assert_array_equal(shown.r, before.r.sel({dim: shown[dim] for dim in shown.r.dims[:-1]}))
        assert shown.normaliser.isnull().all()
    write_study(**WHOLE)
    assert run() == {}
    xr.testing.assert_identical(numbers(), before)
    assert len(open_models("study").keys()) == 10


def files(folder="study"):
    """What is in a folder, without the records of runs and locks."""
    root = Path(folder)
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return {str(path) for path in found if path.parts[0] != "runs" and path.suffix != ".lock"}


def test_prune__leaves_what_the_study_asks_for_alone_and_valid(studied, write_study):
    studied(**WHOLE)
    less = {"networks": [MEL, FEWER], "bin_widths": [100]}
    write_study(**WHOLE | less)
    study = Study.load("study.yaml")
    before = study.run(recipe=None).beside
    shown = numbers()
    beside = study.beside()
    assert before == str(beside) == "8 fits of 2 networks and 5 other items"  # two assessments, three extractions
    assert beside.counted == {"assess": 2, "extract": 3, "fit": 8}
    everything = sum(path.stat().st_size for path in Path("study").rglob("*") if path.is_file())
    assert study.prune().counted == beside.counted
    assert everything - sum(path.stat().st_size for path in Path("study").rglob("*") if path.is_file()) > 0
    assert not study.beside()
    assert run() == {}
    xr.testing.assert_identical(numbers(), shown)
    named = [str(path) for path in Path("study").rglob("*") if not {"runs", "c"} & set(path.parts)]
    assert not [name for name in named if "reset-1" in name or "/50ms" in name or "fixed.zarr/2" in name]
    assert not Path("study/features/timit/small_whisper/reset.zarr/0").exists()
    write_study(**WHOLE)
    assert run() == {"read": 2, "assess": 2, "extract": 6, "fit": 8}


def test_two_study_files__with_one_output_find_their_work_done(workplace, write_study):
    """Whether a driver or an element of a job array looks for it."""
    one = write_study(networks=[MEL], bin_widths=[50], reliability=None).read_text()
    other = write_study(networks=[WHISPER], bin_widths=[50, 100], reliability=QUICK).read_text()
    shown = {}
    for turn in range(2):
        for name, text in (("one", one), ("other", other)):
            (workplace / "study.yaml").write_text(text)
            report = Study.load("study.yaml").run("local", item="1/1") if turn else Study.load("study.yaml").run(None)
            assert bool(report.folder) == (turn == 0)
            assert turn == 0 or numbers().identical(shown[name])
            shown[name] = numbers()


def test_session_that_goes_and_comes__leaves_kept_fits_whole(studied, write_study, workplace):
    """Its units are moved on the unit axis, and fits that nobody asks for meanwhile keep those of it."""
    studied(networks=[MEL, WHISPER], reliability=None)
    before = numbers()
    metadata = workplace / "recordings/sessions_metadata.yml"
    content = metadata.read_text()
    first = sorted(path.name for path in (workplace / "recordings/sessions").iterdir())[0]
    without = yaml.safe_load(content)
    without["bad_sessions"].append(int(first))
    metadata.write_text(yaml.safe_dump(without))
    write_study(networks=[MEL], reliability=None)
    assert run() == {"fit": 1}
    assert first not in open_results("study").session.values
    metadata.write_text(content)
    write_study(networks=[MEL, WHISPER], reliability=None)
    assert run() == {"fit": 1}
    xr.testing.assert_identical(numbers(), before)


def test_fits_whose_features_are_gone__outlast_a_failed_extraction(studied, write_study):
    """They cannot be judged while features are missing: they are not shown, and not thrown away."""
    studied(networks=[MEL, SMALL], reliability=None)
    before = numbers()
    shutil.rmtree("study/features/timit/small_whisper")
    table = Path("configs/networks/small_whisper.yaml")
    text = table.read_text()
    table.write_text(text.replace("encoder.conv1", "encoder.gone"))
    report = Study.load("study.yaml").run(recipe=None)
    assert len(report.failed) == 3
    assert open_results("study").r.sel(network="small_whisper").isnull().all()
    assert open_results("study").r.sel(network="mel_librosa", weights="fixed", layer=0).notnull().all()
    table.write_text(text)
    assert run() == {"extract": 3}
    xr.testing.assert_identical(numbers(), before)


def test_layers_of_another_layout__are_said_to_be_gone(studied, write_study):
    studied(networks=[SMALL], reliability=None)
    write_study(networks=[FEWER], reliability=None, lags={"lead_in": 0.5})
    assert Study.load("study.yaml").run(recipe=None).removed == ["features of timit, small_whisper, reset, layers 0"]


def test_lost_results__take_the_receipts_of_kept_fits_with_them(studied, write_study):
    studied(networks=[MEL, WHISPER], reliability=None)
    before = numbers()
    write_study(networks=[MEL], reliability=None)
    shutil.rmtree("study/results.zarr")
    assert run() == {"fit": 1}
    write_study(networks=[MEL, WHISPER], reliability=None)
    assert run() == {"fit": 1}
    xr.testing.assert_identical(numbers(), before)


def test_fit_without_a_receipt__is_not_kept(studied, write_study):
    """A process was killed before it wrote the receipt."""
    studied(networks=[MEL, WHISPER], reliability=None)
    Path("study/receipts/fit/timit-mel_whisper-fixed-00-50ms.json").unlink()
    write_study(networks=[MEL], reliability=None)
    assert run() == {}
    assert filled_cells(Path("study/results.zarr")) == {("timit", "mel_librosa", "fixed", 0, 50.0)}
