"""What docs/responses.md says is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from distributed_trf.config.study import LagSettings, StudySettings
from distributed_trf.recordings.generic.session_files import SessionSettings
from distributed_trf.recordings.signal_binning import BETA, HALF
from distributed_trf.trf.lags import lag_samples

TEXT = (Path(__file__).parents[2] / "docs/responses.md").read_text()
SESSION, STUDY = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))


def test_session_file__shows_every_field():
    assert set(SESSION) == set(SessionSettings.model_fields)
    assert SessionSettings.model_validate(SESSION).gaps == "mask"


def test_filter__is_the_one_that_is_used():
    assert (
        f"h(d) = sinc(d) I0({BETA:g} sqrt(1 - (d / {HALF:g})^2)) / I0({BETA:g})   for |d| < {HALF:g}, otherwise 0"
        in TEXT
    )


def test_fmri__has_a_lag_for_each_volume():
    assert set(STUDY) <= set(StudySettings.model_fields)
    lags = LagSettings.model_validate(STUDY["lags"])
    assert lag_samples(lags.tmin, lags.tmax, 1000 / STUDY["bin_widths"][0]) == (0, 1, 2, 3, 4, 5)
