"""A flipped bit, a torn file: never other numbers, always an error that names it, and made anew by the next runs."""

from __future__ import annotations

import subprocess

import pytest

from distributed_trf.errors import DistributedTRFError
from tests.faults.conftest import DTRF
from tests.store_damage import flip_a_bit

SOUNDS = "sounds/timit.zarr"
COUNTS = "counts/timit/50ms/180413.zarr"
RELIABILITY = "reliability/timit/50ms/180413.zarr"
FEATURES = "features/timit/mel_deepspeech2/fixed.zarr"
CHUNKS = {
    f"{SOUNDS}/sound/c/0": "read timit-sounds",
    f"{COUNTS}/train/c/0/0": "read timit-180413",
    f"{RELIABILITY}/normaliser/c/0": "assess timit-50ms-180413",
    f"{FEATURES}/0/c/4/0": "extract timit-mel_deepspeech2-fixed-0004",
    "results.zarr/r/c/0/0/0/0/0/0": "fit timit-mel_deepspeech2-fixed-00-50ms",
    "results.zarr/session/c/0": "laid results",  # no item's: made again in place
}


def tear(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(("chunk", "item"), CHUNKS.items())
def test_flipped_bit__is_found_by_repair_and_made_anew(done, chunk, item):
    flip_a_bit(done.folder / chunk, 20)
    found = done.study.repair()
    assert [f"{i.stage} {i.key}" for i in found] == [item]
    assert all(chunk.partition(".zarr")[0] in damage for damage in found.values())
    done.run_here()
    done.assert_undisturbed()
    assert done.study.repair() == {}


@pytest.mark.parametrize("chunk", [f"{COUNTS}/train/c/0/0", f"{FEATURES}/0/c/4/0"])
def test_flipped_bit__that_fits_meet_fails_them_and_is_made_anew_by_the_run_after(done, chunk):
    flip_a_bit(done.folder / chunk, 20)
    done.write_study(ridge={**done.study.settings.model_dump()["ridge"], "alphas": [1.0, 100.0]})
    report = done.run_here()
    assert report.failed
    for message in report.failed.values():
        assert f"{chunk}: damaged, its content is not what was written; `dtrf repair STUDY`" in message
    done.write_study()
    report = done.run_here()
    assert report.ok
    done.assert_undisturbed()


@pytest.mark.parametrize(
    "file",
    [
        "receipts/extract/timit-mel_deepspeech2-fixed-0004.json",
        f"{SOUNDS}/zarr.json",
        f"{COUNTS}/train/zarr.json",
        f"{FEATURES}/zarr.json",
        f"{FEATURES}/0/zarr.json",
        "results.zarr/zarr.json",
        "results.zarr/alpha/zarr.json",
    ],
)
def test_torn_file__is_seen_and_made_anew_by_the_next_run(done, file):
    tear(done.folder / file)
    assert set(done.states().values()) > {"done"}
    assert done.run_here().ok
    done.assert_undisturbed()


def test_torn_store_file__is_named_with_what_to_do(done):
    tear(done.folder / "store.json")
    with pytest.raises(DistributedTRFError, match=r"store\.json: not valid JSON .*restore it or choose another output"):
        done.run_here()


def test_damaged_results__are_an_error_of_dtrf_results_that_names_the_remedy(done):
    flip_a_bit(done.folder / "results.zarr/r/c/0/0/0/0/0/0", 20)
    shown = subprocess.run([*DTRF, "results", "study.yaml"], capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert "`dtrf repair STUDY` finds all damaged files" in shown.stderr
    assert "Traceback" not in shown.stderr
