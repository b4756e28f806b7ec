from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.matlab import field, number, numbers, read_mat


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    path = tmp_path / "some.mat"
    savemat(path, {"a": {"many": np.arange(40.0), "one": 7.0, "none": []}, "b": np.arange(3)})
    return path


@pytest.mark.parametrize(("name", "expected"), [("many", list(range(40))), ("one", [7]), ("none", [])])
def test_numbers__any_length_is_a_row(mat: Path, name: str, expected: list[float]) -> None:
    values = numbers(read_mat(mat, ("a",))["a"], name, mat)
    assert values.tolist() == expected


def test_read_mat__reads_only_what_was_asked_for(mat: Path) -> None:
    assert set(read_mat(mat, ("b",))) == {"b"}


@pytest.mark.parametrize("keep", [0, 4, 100, 127, 130, 200, 400, 0.5, 0.9, -1])
def test_read_mat__truncated_file_is_named(mat: Path, keep: float) -> None:
    content = mat.read_bytes()
    mat.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(
        RecordingError,
        match=r"some\.mat: its .* are no complete MATLAB 5 file .*Copy it again|some\.mat: variable . is missing",
    ) as caught:
        read_mat(mat, ("a", "b"))
    assert str(mat) in str(caught.value)


@pytest.mark.parametrize("content", [b"\0" * 500, b"\xff" * 500, b"version https://git-lfs.github.com/spec/v1\n" * 9])
def test_read_mat__something_else_is_named(mat: Path, content: bytes) -> None:
    mat.write_bytes(content)
    with pytest.raises(RecordingError, match=r"some\.mat"):
        read_mat(mat, ("a",))


def test_read_mat__version_7_3_says_how_to_save(mat: Path) -> None:
    content = bytearray(mat.read_bytes())
    content[124:128] = b"\x00\x02IM"
    mat.write_bytes(content)
    with pytest.raises(RecordingError, match=r"some\.mat: .*MATLAB 7\.3 are HDF5.*-v7"):
        read_mat(mat, ("a",))


def test_read_mat__missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone\.mat: there is no such file"):
        read_mat(tmp_path / "gone.mat", ("a",))


def test_read_mat__missing_variable_names_it(mat: Path) -> None:
    with pytest.raises(RecordingError, match=r"some\.mat: variable spike is missing; found b"):
        read_mat(mat, ("b", "spike"))


def test_field__missing_names_file_and_field(mat: Path) -> None:
    content = read_mat(mat, ("a", "b"))
    with pytest.raises(RecordingError, match=r"some\.mat: field times is missing; found many, one, none"):
        field(content["a"], "times", mat)
    with pytest.raises(RecordingError, match=r"some\.mat: field times is missing; found no struct but ndarray"):
        field(content["b"], "times", mat)


@pytest.mark.parametrize("values", [np.ones((2, 3)), "text", np.array([1j, 2]), np.array([None, "x"], dtype=object)])
def test_numbers__refuses_what_is_not_a_row_of_real_numbers(values: object) -> None:
    with pytest.raises(RecordingError, match=r"x\.mat: field f has shape .*expected a row of real numbers"):
        numbers(SimpleNamespace(f=values), "f", Path("x.mat"))


@pytest.mark.parametrize("values", [[], [1.0, 2.0], np.nan, np.inf])
def test_number__refuses_all_but_one_finite_number(values: object) -> None:
    with pytest.raises(RecordingError, match=r"x\.mat: field f holds .*expected one finite number"):
        number(SimpleNamespace(f=values), "f", Path("x.mat"))
