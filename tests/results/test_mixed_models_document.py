"""docs/mixed_models.md, run as written: its model finds what was planted, and what it prints is what stands there.

Where numbers of ``simulate_results`` change, this writes what is printed anew:
python tests/results/test_mixed_models_document.py
"""

from __future__ import annotations

import re
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/mixed_models.md"
PRINTED = re.compile(r"(?<=below -->\n```text\n).*?\n(?=```)", flags=re.DOTALL)


def follow():
    """Run every block; the names that they leave, and what each printed."""
    scope, printed = {}, []
    for k, code in enumerate(re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)):
        with redirect_stdout(StringIO()) as out:
            exec(compile(code, f"mixed_models.md, block {k + 1}", "exec"), scope)
        printed.append(out.getvalue())
    return scope, printed


def numbers(text):
    """What is printed, without the spaces that another version of pandas may put between."""
    return text.split()


@pytest.fixture(scope="module")
def followed():
    return follow()


def test_mixed_models__recover_what_was_planted(followed):
    fit, gain = followed[0]["fit"], followed[0]["gain"]
    assert fit.converged
    # Every unit counts as its session does: what is planted is the mean gain of sessions, and 0.08 in three layers.
    planted = 100 * np.mean(gain) + 8 * np.isin(range(6), [1, 2, 3])
    effects = [f"C(layer)[{k}]:trained" for k in range(6)]
    found, error = fit.fe_params[effects].values, fit.bse_fe[effects].values
    assert np.all(np.abs(found - planted) < 3 * error)
    assert np.all(error < 3)
    assert np.all(fit.pvalues[effects].values[1:4] < 0.05)
    better = found[[1, 2, 3]].mean() - found[[0, 4, 5]].mean()  # gains of sessions cancel
    assert abs(better - 8) < 2
    deviations = np.sqrt([fit.vcomp[0], fit.scale])
    np.testing.assert_allclose(deviations, [12, 6], rtol=0.25)


def test_mixed_models__print_what_the_document_shows(followed):
    (shown,) = PRINTED.findall(DOCUMENT.read_text())
    assert numbers(shown) == numbers("".join(followed[1])), (
        "other numbers than the document's: see above how to renew it"
    )


def test_mixed_models__without_gains_of_sessions_find_too_much():
    # Twelve sessions of four units, and gains as in the last rows of the table of the document.
    rng, found = np.random.default_rng(0), []
    for _ in range(25):
        session = np.repeat(np.arange(12), 4)
        units = rng.normal(0, 0.12, 48) + rng.normal(0, 0.08, 12)[session]
        gains = rng.normal(0, 0.05, 12)[session]
        rho = np.concatenate([units + rng.normal(0, 0.06, 48), units + gains + rng.normal(0, 0.06, 48)])
        table = pd.DataFrame(
            {
                "rho": rho,
                "trained": np.repeat([0, 1], 48),
                "session": np.tile(session, 2),
                "unit": np.tile(range(48), 2),
            }
        )
        of = {"groups": "session", "vc_formula": {"unit": "0 + C(unit)"}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # variances at 0, which are not what is tested
            fits = [smf.mixedlm("rho ~ trained", table, re_formula=re, **of).fit() for re in ("1", "1 + trained")]
        found.append([fit.pvalues["trained"] < 0.05 for fit in fits])
    without, with_gains = np.mean(found, axis=0)
    assert without > 0.16
    assert with_gains < without


if __name__ == "__main__":
    text, shown = DOCUMENT.read_text(), "".join(follow()[1])
    DOCUMENT.write_text(PRINTED.sub(lambda _: shown, text))
