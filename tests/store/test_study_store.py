"""The folder of a study: recognised, versioned, held by one run."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distributed_trf.errors import StoreBusyError, StoreError
from distributed_trf.results.open_results import open_results
from distributed_trf.store.allocation import Allocation, write_allocation
from distributed_trf.store.features import open_features
from distributed_trf.store.study_lock import run_lock
from distributed_trf.store.study_store import FORMAT, FORMAT_VERSION, StudyStore


def test_create__makes_a_folder_that_opens_and_opens_one_that_is_there(tmp_path):
    store = StudyStore.create(tmp_path / "deep/study")
    inode = (store.root / "store.json").stat().st_ino
    assert StudyStore.create(tmp_path / "deep/study") == StudyStore.open(tmp_path / "deep/study") == store
    assert (store.root / "store.json").stat().st_ino == inode


def test_create__takes_an_empty_folder(tmp_path):
    assert StudyStore.create(tmp_path).root == tmp_path.resolve()


def test_root__is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from pathlib import Path

    assert StudyStore.create(Path("study")).root == tmp_path / "study"
    assert StudyStore.at(Path("elsewhere")).root == tmp_path / "elsewhere"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("open_it", [StudyStore.open, open_results, open_features])
def test_missing_folder__says_to_run_the_study(tmp_path, open_it):
    with pytest.raises(StoreError, match=r"gone: there is no study folder here; run the study first: dtrf run"):
        open_it(tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("open_it", [StudyStore.open, StudyStore.create, StudyStore.at, open_results, open_features])
def test_folder_of_something_else__is_refused_and_left_alone(tmp_path, open_it):
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(StoreError, match=r"no store\.json, so this is not the folder of a study; choose another"):
        open_it(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_folder_beside_a_study__is_refused_with_the_one_that_may_be_meant(tmp_path):
    StudyStore.create(tmp_path / "mine/study")
    (tmp_path / "mine/study.yaml").write_text("")
    with pytest.raises(StoreError, match=r"perhaps \S*/mine/study is meant"):
        open_results(tmp_path / "mine")
    (tmp_path / "mine/study/figures").mkdir()
    (tmp_path / "mine/study/figures/one.png").write_text("")
    with pytest.raises(StoreError, match=r"perhaps \S*/mine/study is meant"):
        open_results(tmp_path / "mine/study/figures")


def test_file_in_place_of_a_folder__is_refused(tmp_path):
    (tmp_path / "study").write_text("x")
    with pytest.raises(StoreError, match="this is a file, expected the folder of a study"):
        StudyStore.create(tmp_path / "study")


@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"format": "other", "format_version": 1}'])
def test_store_of_another_format__is_refused(tmp_path, content):
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(StoreError, match=r"store\.json: format is not 'distributed_trf study'"):
        StudyStore.open(tmp_path)


@pytest.mark.parametrize("content", ["", "{", '{"format": '])
def test_torn_marker__is_named_with_a_remedy(tmp_path, content):
    (tmp_path / "store.json").write_text(content)
    with pytest.raises(StoreError, match=r"store\.json: not valid JSON .*restore it or choose another"):
        StudyStore.open(tmp_path)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 0, None, str(FORMAT_VERSION)])
def test_other_format_version__is_refused_with_both_versions_and_the_remedy(tmp_path, version):
    (tmp_path / "store.json").write_text(json.dumps({"format": FORMAT, "format_version": version}))
    with pytest.raises(StoreError) as caught:
        StudyStore.create(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'store.json'}: format_version is {version!r}, ")
    assert f"reads {FORMAT_VERSION}" in message
    assert "use the version that wrote it, or choose another output folder" in message


HOLD = """if True:
    import sys, time
    from pathlib import Path
    from distributed_trf.store.study_lock import run_lock
    from distributed_trf.store.study_store import StudyStore
    with run_lock(StudyStore.open(Path(sys.argv[1]))):
        print("held", flush=True)
        sys.stdin.readline()
"""


def test_run_lock__second_process_is_refused_with_the_holder_until_that_is_killed(tmp_path):
    store = StudyStore.create(tmp_path / "study")
    command = [sys.executable, "-c", HOLD, str(store.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        for _ in range(2):  # being refused changes nothing
            with pytest.raises(StoreBusyError) as caught, run_lock(store):
                pytest.fail("two runs hold the folder")
            assert f"{store.root}: another run is writing here (process {holder.pid} on " in str(caught.value)
        holder.kill()
    with run_lock(store):
        assert f"process {os.getpid()} on " in (store.root / "run.lock").read_text()
        assert str(holder.pid) not in (store.root / "run.lock").read_text().split()


def test_run_lock__is_let_go_after_an_error(tmp_path):
    store = StudyStore.create(tmp_path / "study")
    with pytest.raises(KeyError), run_lock(store):
        raise KeyError
    with run_lock(store):
        pass
    assert (store.root / "run.lock").read_text() == ""


def test_all_features__are_found_by_what_they_are(tmp_path):
    store = StudyStore.create(tmp_path / "study")
    for key in (("timit", "net", "reset"), ("mvocs", "net", "trained")):
        write_allocation(store.root, store.features(*key), Allocation({}, {}))
    found = store.all_features()
    assert found == {key: store.features(*key) for key in [("mvocs", "net", "trained"), ("timit", "net", "reset")]}


def test_folder_without_the_right_to_write__may_be_read_and_is_not_run_in(tmp_path, monkeypatch):
    StudyStore.create(tmp_path / "study")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert StudyStore.at(tmp_path / "study").root == tmp_path / "study"
    with pytest.raises(
        StoreError, match=r"study: cannot be written to: you have no permission to write in .*study; choose another"
    ):
        StudyStore.create(tmp_path / "study")
    with pytest.raises(StoreError, match=r"new: cannot be written to: you have no permission to write in"):
        StudyStore.at(tmp_path / "new")


@pytest.mark.parametrize(("number", "error"), [(errno.EROFS, StoreError), (errno.EIO, OSError)])
def test_folder_that_is_refused__is_told_and_what_may_pass_is_raised_as_it_is(tmp_path, monkeypatch, number, error):
    def mkdir(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(error, match=os.strerror(number)) as caught:
        StudyStore.create(tmp_path / "new")
    assert isinstance(caught.value, StoreError) == (error is StoreError)
