"""The first notebooks run top to bottom; the others do in another process, so that two share the time."""

from __future__ import annotations

import re

import pytest

from tests.notebooks.executed import FIRST_HALF, execute, html, n_pictures, printed, told_on_stderr

PICTURES = {
    "01_quickstart": 1,
    "02_recordings": 4,
    "03_features": 2,
    "04_one_fit_by_hand": 4,
    "05_query_results": 2,
}
FOUND_AND_PUT_IN = 2 * ["{'whisper_tiny': [2, 3, 4], 'wav2vec2': [9, 10, 11]}"]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FIRST_HALF)
def test_notebook__runs_from_a_clean_folder(name, tmp_path):
    executed = execute(name, tmp_path)
    assert told_on_stderr(executed) == []
    assert n_pictures(executed) == PICTURES[name]
    if name == "01_quickstart":
        assert "everything done: True" in printed(executed)
        assert "done now: nothing" in printed(executed)
        assert re.search(r'<a href="http://127\.0\.0\.1:\d+/study"', html(executed))
        assert re.search(r"fit layers.*?9/9", html(executed))
    if name == "05_query_results":
        assert re.findall(r"{'whisper_tiny': \[.*\]}", printed(executed)) == FOUND_AND_PUT_IN
