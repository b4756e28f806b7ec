"""Files and folders are there whole or not at all, also after SIGKILL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distributed_trf.store.atomic import TEMPORARY, new_folder, sweep, write_json
from distributed_trf.store.study_store import StudyStore


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def killed(code: str, *arguments: Path) -> None:
    """Run code in another process until it says so, then kill it."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_write_json__makes_folders_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "a/b/c.json"
    write_json(path, {"one": 1})
    write_json(path, {"two": [1.5, None, "ü"]})
    assert json.loads(path.read_text()) == {"two": [1.5, None, "ü"]}
    assert names(tmp_path) == ["a", "a/b", "a/b/c.json"]


@pytest.mark.parametrize("content", [{"x": float("nan")}, {"x": object()}, {"ok": 1, "x": {1, 2}}])
def test_write_json__content_that_is_no_json_leaves_the_old_file_and_nothing_else(tmp_path, content):
    path = tmp_path / "c.json"
    write_json(path, {"old": 1})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, content)
    assert json.loads(path.read_text()) == {"old": 1}
    assert names(tmp_path) == ["c.json"]


def test_write_json__killed_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.json"
    write_json(path, {"old": 1})
    code = """if True:
        import os, sys, time
        from pathlib import Path
        from distributed_trf.store.atomic import write_json
        def stop(descriptor):
            print("now", flush=True)
            time.sleep(60)
        os.fsync = stop
        write_json(Path(sys.argv[1]), {"new": 2})
    """
    killed(code, path)
    assert json.loads(path.read_text()) == {"old": 1}
    assert len(names(tmp_path)) == 2
    sweep(tmp_path)
    assert names(tmp_path) == ["c.json"]


def test_new_folder__takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "deep/folder"
    for content in ("old", "new"):
        with new_folder(path) as folder:
            assert folder.parent == path.parent
            (folder / content).write_text(content)
            assert (path / "new").exists() is False
    assert names(tmp_path) == ["deep", "deep/folder", "deep/folder/new"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_new_folder__an_error_leaves_the_old_one_and_nothing_else(tmp_path, error):
    path = tmp_path / "folder"
    with new_folder(path) as folder:
        (folder / "old").write_text("old")

    def fail():
        with new_folder(path) as folder:
            (folder / "new").write_text("new")
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == ["folder", "folder/old"]


def test_new_folder__killed_in_the_middle_leaves_the_old_one(tmp_path):
    path = tmp_path / "folder"
    with new_folder(path) as folder:
        (folder / "old").write_text("old")
    code = """if True:
        import sys, time
        from pathlib import Path
        from distributed_trf.store.atomic import new_folder
        with new_folder(Path(sys.argv[1])) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "new").write_text("new")
            print("now", flush=True)
            time.sleep(60)
    """
    killed(code, path)
    assert (path / "old").read_text() == "old"
    assert len(names(tmp_path)) == 5
    sweep(tmp_path)
    assert names(tmp_path) == ["folder", "folder/old"]


def test_new_folder__killed_while_removing_the_old_one_leaves_the_new_one(tmp_path):
    path = tmp_path / "folder"
    with new_folder(path) as folder:
        (folder / "old").write_text("old")
    code = """if True:
        import shutil, sys, time
        from pathlib import Path
        from distributed_trf.store.atomic import new_folder
        remove = shutil.rmtree
        def stop(path, **options):
            if (path / "old").exists():
                print("now", flush=True)
                time.sleep(60)
            remove(path, **options)
        shutil.rmtree = stop
        with new_folder(Path(sys.argv[1])) as folder:
            (folder / "new").write_text("new")
    """
    killed(code, path)
    assert (path / "new").read_text() == "new"
    sweep(tmp_path)
    assert names(tmp_path) == ["folder", "folder/new"]


def test_new_folder__killed_between_the_two_renames_gets_the_old_one_back(tmp_path):
    path = tmp_path / "folder"
    with new_folder(path) as folder:
        (folder / "old").write_text("old")
    code = """if True:
        import sys, time
        from pathlib import Path
        from distributed_trf.store.atomic import new_folder
        rename = Path.rename
        def stop(source, target):
            if (source / "new").exists():
                print("now", flush=True)
                time.sleep(60)
            return rename(source, target)
        Path.rename = stop
        with new_folder(Path(sys.argv[1])) as folder:
            (folder / "new").write_text("new")
    """
    killed(code, path)
    assert not path.exists()
    sweep(tmp_path)
    assert names(tmp_path) == ["folder", "folder/old"]


def test_sweep__removes_leftovers_at_any_depth_and_nothing_else(tmp_path):
    for name in ("a/kept.json", "a/partial", f"a/b.json{TEMPORARY}12", "c/x.zarr/c/0/0.1a.partial"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / f"d.zarr{TEMPORARY}34" / f"e{TEMPORARY}56").mkdir(parents=True)
    sweep(tmp_path)
    assert names(tmp_path) == ["a", "a/kept.json", "a/partial", "c", "c/x.zarr", "c/x.zarr/c", "c/x.zarr/c/0"]


def test_study_folder__whose_making_was_killed_can_be_made_again(tmp_path):
    root = tmp_path / "study"
    root.mkdir()
    (root / f"store.json{TEMPORARY}12345678").write_text("{")
    assert StudyStore.create(root).root == root


def test_write_json__many_writers_leave_one_whole_file(tmp_path):
    path = tmp_path / "c.json"
    code = """if True:
        import sys
        from pathlib import Path
        from distributed_trf.store.atomic import write_json
        for k in range(30):
            write_json(Path(sys.argv[1]), {"writer": int(sys.argv[2]), "long": [k] * 2000})
    """
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(k)]) for k in range(2)]
    while any(w.poll() is None for w in writers):
        if path.exists():
            found = json.loads(path.read_text())
            assert len(set(found["long"])) == 1
            assert len(found["long"]) == 2000
    assert [w.returncode for w in writers] == [0, 0]
    assert names(tmp_path) == ["c.json"]


TWO_WRITERS = """
import sys
from pathlib import Path
from distributed_trf.store.atomic import new_folder
for k in range(300):
    with new_folder(Path(sys.argv[1])) as folder:
        (folder / "whole").write_text("x" * 1000)
        (folder / "too").write_text("x" * 1000)
"""


def test_new_folder__several_writers_of_one_leave_a_whole_one_and_no_trace(tmp_path):
    """As when a worker that was cut off comes back while another does its item."""
    path = tmp_path / "a.zarr"
    writers = [subprocess.Popen([sys.executable, "-c", TWO_WRITERS, path], stderr=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        assert writer.wait(60) == 0, writer.stderr.read()
        writer.stderr.close()
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]
    assert {f.name: len(f.read_text()) for f in path.iterdir()} == {"whole": 1000, "too": 1000}
