"""Words of errors."""

from __future__ import annotations

import numpy as np
import pytest

from distributed_trf.errors import in_one_line


def test_in_one_line__has_no_advice_to_load_pickles(tmp_path):
    (tmp_path / "x.npy").write_text("time,channel\n1,2\n")
    with pytest.raises(ValueError, match="allow_pickle") as found:
        np.load(tmp_path / "x.npy", allow_pickle=False)
    assert in_one_line(found.value) == "ValueError: no array in NumPy's format"
    assert in_one_line(OSError("a\n  b")) == "OSError: a b"
