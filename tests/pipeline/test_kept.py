"""What a study does not ask for any more is kept, not shown, and found again when it is asked for."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from distributed_trf import Study, open_models, open_results

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
"""Layer 0 of a spectrogram and layer 2 of a network span a place of the network that is kept and not asked for."""


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
