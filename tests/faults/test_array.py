"""Elements of a job array on one store: beside each other, beside a driver, killed, with other settings or clocks."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from distributed_trf.errors import ConfigError, StoreBusyError
from distributed_trf.pipeline.array_run import Element
from distributed_trf.store.item_locks import claim, holders
from distributed_trf.store.study_lock import ELEMENT, element_lock, run_lock
from distributed_trf.store.study_store import StudyStore
from tests.faults.conftest import ITEMS, ends, wait_for


def test_elements__share_the_work_and_make_what_a_driver_makes(bench):
    processes = [bench.start("--item", f"{k}/3") for k in (1, 2, 3)]
    for process in processes:
        code, said = ends(process)
        assert code == 0, said
        assert "items done now" in said
    bench.assert_undisturbed()
    assert len(bench.receipts()) == sum(ITEMS.values())


def test_killed_element__leaves_nothing_that_the_others_do_not_take_up(bench):
    first = bench.start("--item", "1/2")
    second = bench.start("--item", "2/2")
    wait_for(lambda: len(bench.receipts("extract")) >= 2, first)
    first.send_signal(signal.SIGKILL)
    ends(first)
    code, said = ends(second)
    assert code == 0, said
    bench.assert_undisturbed()


def test_element_that_comes_last__finds_all_done_and_changes_nothing(done):
    before = done.receipts()
    assert done.study.run("local", item="2/2").folder is None
    assert done.receipts() == before
    done.assert_undisturbed()


def test_element_alone__does_the_shares_of_all(bench):
    report = bench.study.run("local", item="2/5")
    assert report.ok
    assert report.done == ITEMS
    bench.assert_undisturbed()


def test_driver_and_element__refuse_each_other_by_name(done):
    store = StudyStore.open(done.folder)
    with (
        run_lock(store),
        pytest.raises(StoreBusyError, match=r"a run with its own workers .*\(process \d+ on .* sin"),
    ):
        done.study.run("local", item="1/2")
    with (
        element_lock(store),
        claim(store, ELEMENT, "1-of-2"),
        pytest.raises(StoreBusyError, match=r"another run is writing here \(element 1-of-2, process \d+ on .* since "),
    ):
        done.study.run(None)
    assert done.study.run(None).ok


def test_element__with_other_settings_than_those_at_work_is_refused_and_touches_nothing(done):
    store = StudyStore.open(done.folder)
    with element_lock(store), claim(store, ELEMENT, "1-of-2", digest="of other settings"):
        done.write_study(networks=[{"name": "mel_librosa"}])
        with pytest.raises(StoreBusyError, match=r"element 1-of-2 \(process .*\) is running here with other settings"):
            done.study.run("local", item="2/2")
        done.write_study()
    done.assert_undisturbed()


def test_running_items__have_host_process_and_start_and_dead_processes_do_not_count(done):
    store = StudyStore.open(done.folder)
    key = "timit-mel_librosa-fixed-00-50ms"
    (done.folder / f"receipts/fit/{key}.json").unlink()
    (done.folder / "claims/fit").mkdir(parents=True, exist_ok=True)
    (done.folder / f"claims/fit/{key}").write_text('{"host": "gone", "process": 1, "since": "long ago"}\n')
    assert done.states()[f"fit {key}"] == "pending"
    with claim(store, "fit", key):
        (running,) = [p for p in done.study.status() if p.state == "running"]
        assert running.item.key == key
        holder = holders(store)["fit", key]
        assert (holder.host, holder.process) == (socket.gethostname(), os.getpid())
        assert running.reason == f"process {holder.process} on {holder.host} since {holder.since}"
    assert done.run_here().done == {"read": 0, "assess": 0, "extract": 0, "fit": 1}
    done.assert_undisturbed()


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "-1/3", "a/b", "1/2/3"])
def test_item__counts_from_one_to_n(text):
    reason = "elements count from 1 here" if text == "0/3" else "expected"
    with pytest.raises(ConfigError, match=rf"--item {text}: .*{reason}"):
        Element.parse(text)


def test_item__takes_no_recipe_that_starts_workers_elsewhere(bench):
    bench.write_recipe("there", kind="existing", address="tcp://127.0.0.1:1", workers=1)
    with pytest.raises(ConfigError, match="workers of kind existing run elsewhere; take a recipe of kind local"):
        bench.study.run("there.yaml", item="1/2")
    assert not bench.folder.exists()
