"""What receipts hold is read back typed, whichever release wrote it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import pytest

from distributed_trf.errors import StoreError
from distributed_trf.pipeline.stages.extract import Extracted
from distributed_trf.pipeline.stages.fit import Fitted
from distributed_trf.pipeline.work import KINDS
from distributed_trf.pipeline.work_kind import Execution, Finding
from distributed_trf.store.receipts import Receipt


@dataclass(frozen=True)
class Changed(Finding):
    """One whose fields have another meaning than at first."""

    version: ClassVar[int] = 2
    units: int = 0


FINDINGS = sorted({kind.finding for kind in KINDS.values()}, key=lambda finding: finding.__name__)


@pytest.mark.parametrize("finding", FINDINGS)
def test_finding__is_read_back_and_says_no_version_while_it_is_the_first(finding):
    found = finding()
    written = found.to_json()
    assert "version" not in written
    assert list(written) == [
        f.name for f in fields(finding) if getattr(found, f.name) is not None or f.name == "median_r"
    ]
    assert finding.of(Receipt({}, written | Execution(seconds=1.5).to_json())) == found


def test_older_receipt__has_the_defaults_of_what_it_lacks():
    assert Fitted.of(Receipt({}, {"median_r": 0.5, "gone": 1})) == Fitted(median_r=0.5)
    assert Execution.of(Receipt({}, {"device": "cpu"})) == Execution(device="cpu")


def test_changed_parameters__are_written_of_controls_alone():
    assert Extracted(parameters_changed=3).to_json()["parameters_changed"] == 3
    assert "parameters_changed" not in Extracted().to_json()


def test_rate_of_sounds_below_the_network_s__is_told():
    assert Extracted(upsampled="16000 to 20000 Hz").remarks().upsampled == "16000 to 20000 Hz"
    assert "upsampled" not in Extracted().to_json()


def test_other_version__is_an_error_and_not_misread():
    written = Changed(units=4).to_json()
    assert written == {"version": 2, "units": 4}
    assert Changed.of(Receipt({}, written)) == Changed(units=4)
    with pytest.raises(StoreError, match="a Fitted of version 2, but this distributed_trf reads version 1"):
        Fitted.of(Receipt({}, written))
    with pytest.raises(StoreError, match="a Changed of version 1, but this distributed_trf reads version 2"):
        Changed.of(Receipt({}, {"units": 4}))
