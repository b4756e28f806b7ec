"""How often a fit asks something of a GPU: launches, waits, copies and plans, each of which costs microseconds."""

from __future__ import annotations

import json

import pytest

from tests.fake_gpu.processes import outcomes

FIRST = {"n_sounds": 499, "n_sessions": 5}
MORE_SESSIONS = {"n_sounds": 499, "n_sessions": 20}
EIGH = {"n_sounds": 499, "n_sessions": 5, "solver": "eigh", "standardize": False}
FOLDS = {"n_sounds": 120, "n_sessions": 3, "test": {"folds": 4}}
BUDGETS = [
    (FIRST, {"launches": 3850, "syncs": 23, "h2d": 355, "d2h": 15, "fft_plans": 11, "factor_copies": 0}),
    (MORE_SESSIONS, {"launches": 3300, "syncs": 23, "h2d": 355, "d2h": 15, "fft_plans": 11, "factor_copies": 0}),
    (EIGH, {"launches": 3050, "syncs": 23, "h2d": 300, "d2h": 15, "fft_plans": 11, "factor_copies": 0}),
    (FOLDS, {"launches": 6800, "syncs": 68, "h2d": 560, "d2h": 48, "fft_plans": 11, "factor_copies": 0}),
]
"""Of fits one after another in one process, about 10 % above what was counted; the first makes the resampling matrices.
Plans are of shifted predictions, two for each length that stimuli are padded to, and of the spectra of noise. Of the
launches about 900 are of scores corrected for noise, most of them for a few numbers per unit, and none waits.

A fit of a study of 499 sentences, once 15 000 launches, 900 plans and 230 waits. Neither more sounds nor more sessions
may bring more waits or plans.
"""


@pytest.fixture(scope="module")
def told():
    return outcomes("run_budgets.py", json.dumps([case for case, _ in BUDGETS]))


@pytest.mark.parametrize(("case", "budget"), BUDGETS)
def test_fit__stays_within_what_it_may_ask_of_a_gpu(told, case, budget):
    found = json.loads(told[json.dumps(case)])
    over = [
        f"{found['counts'][what]} {what}, budget {most}; most often from\n{found['callers'][what]}"
        for what, most in budget.items()
        if found["counts"][what] > most
    ]
    assert not over, "\n".join(over)


def test_layer__for_which_a_gpu_has_no_room_is_told(told):
    assert "net, layer 0: the GPU has no room for 8 features at 5 lags and 80 units" in told["without room"]
