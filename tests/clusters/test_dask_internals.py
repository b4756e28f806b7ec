"""What a worker logs."""

from __future__ import annotations

import logging

import pytest
from distributed.comm import CommClosedError

from distributed_trf.clusters.dask_internals import is_news


@pytest.mark.parametrize(
    ("error", "message", "news"),
    [
        (CommClosedError("closed"), "Failed to communicate with scheduler during heartbeat.", False),
        (ValueError("other"), "Unexpected exception during heartbeat. Closing worker.", True),
        (CommClosedError("closed"), "Compute Failed", True),
        (None, "Failed to communicate with scheduler during heartbeat.", True),
    ],
)
def test_only_a_heartbeat_to_a_closed_scheduler__is_no_news(error, message, news):
    told = (type(error), error, None) if error else None
    record = logging.LogRecord("distributed.worker", logging.ERROR, __file__, 1, message, (), told)
    assert is_news(record) is news
