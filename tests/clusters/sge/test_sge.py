"""A study on workers that Grid Engine starts."""

from __future__ import annotations

import os

import pytest
import yaml

from tests.clusters.conftest import CHANGES
from tests.clusters.sge.one_host_sge import OneHostSge, missing
from tests.stored import contents

pytestmark = pytest.mark.slow


@pytest.fixture
def sge(tmp_path_factory):
    if reason := missing():
        pytest.skip(reason)
    engine = OneHostSge(tmp_path_factory.mktemp("sge"))
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


def test_study__survives_the_loss_of_a_job(write_study, workplace, sge, run, undisturbed):
    recipe = {
        "kind": "sge",
        "jobs": 2,
        "memory": "2GiB",
        "walltime": "0:10:00",
        "queue": "all.q",
        "interface": "lo",
        "dashboard": "127.0.0.1:0",
        "log_directory": str(workplace / "logs"),
        "scratch": str(workplace / "scratch"),
        "tls_directory": str(workplace / "keys"),
        "prologue": [f"export PYTHONPATH={os.environ.get('PYTHONPATH', '')}"],  # jobs begin with a clean environment
    }
    (workplace / "here.yaml").write_text(yaml.safe_dump(recipe))
    write_study(**CHANGES)
    ongoing = run(inside=sge.inside, env=sge.environment)
    ongoing.wait_for("extract", 2)
    sge.run("qdel", sge.jobs("r")[0])
    ongoing.end()
    sge.wait(lambda: not sge.jobs(), "end of the jobs")
    assert len([log for log in (workplace / "logs").iterdir() if log.stat().st_size]) == 3
    assert contents(workplace / "study") == undisturbed
