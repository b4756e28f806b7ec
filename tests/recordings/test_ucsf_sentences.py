from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from distributed_trf.errors import RecordingError
from distributed_trf.recordings.ucsf.metadata import TEST_IDS
from distributed_trf.recordings.ucsf.sentences import Sentences

PHONEMES = ["aa", "b", "sil"]


def one_hot(labels: str) -> np.ndarray:
    """Rows of phonemes from one letter per frame, ``.`` for none, between 50 frames of ``s`` on either side."""
    frames = "s" * 50 + labels + "s" * 50
    return np.array([[letter == name for letter in frames] for name in "abs"], dtype=np.uint8)


def write_sentences(path: Path, phnmat: Any, names: Any = PHONEMES, dataf: float = 100.0) -> Sentences:
    """Write a file whose test sentences have the given labels and whose other sentences have no sound."""
    fields = ("sound", "soundf", "dataf", "duration", "phnmat")
    structs = np.empty((1, max(TEST_IDS)), dtype=[(name, object) for name in fields])
    for k in range(max(TEST_IDS)):
        has_sound = k + 1 in TEST_IDS
        structs[0, k] = (np.ones(1100 if has_sound else 0), 1000.0, dataf, 1.1, phnmat if has_sound else np.empty(0))
    savemat(path / "s.mat", {"sentdet": structs, "phnnames": np.array(names, dtype=object)})
    return Sentences(path / "s.mat")


def test_phonemes__one_label_per_frame_between_the_silences(tmp_path: Path) -> None:
    sentences = write_sentences(tmp_path, one_hot("aab.s.b"))
    labels = sentences.phonemes()
    assert list(labels) == [str(i) for i in TEST_IDS]
    assert all(frames.tolist() == ["aa", "aa", "b", "", "sil", "", "b"] for frames in labels.values())
    assert sentences.phoneme_rate == 100


def test_phonemes__the_silence_is_cut_at_the_rate_of_the_file(tmp_path: Path) -> None:
    sentences = write_sentences(tmp_path, one_hot("ab")[:, 25:-25], dataf=50.0)
    assert sentences.phonemes()["12"].tolist() == ["aa", "b"]
    assert sentences.phoneme_rate == 50


def test_phonemes__there_may_be_one_phoneme_only(tmp_path: Path) -> None:
    sentences = write_sentences(tmp_path, one_hot("a.a")[:1], names=["aa"])
    assert sentences.phonemes()["12"].tolist() == ["aa", "", "aa"]


@pytest.mark.parametrize(
    ("phnmat", "match"),
    [
        (one_hot("ab")[:2], r"field phnmat of sentence 12 has shape \(2, 102\) .*one row for each of the 3 phnnames"),
        (one_hot("abc").T, r"field phnmat of sentence 12 has shape \(103, 3\)"),
        ("text", "field phnmat of sentence 12 has shape"),
    ],
)
def test_phonemes__wrong_shapes_are_named(tmp_path: Path, phnmat: Any, match: str) -> None:
    with pytest.raises(RecordingError, match=rf"s\.mat: {match}"):
        write_sentences(tmp_path, phnmat).phonemes()


def test_phonemes__a_rate_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"s\.mat: field dataf is 0\.0; expected a rate in hertz"):
        write_sentences(tmp_path, one_hot("ab"), dataf=0.0).phonemes()


def test_test_sentences__are_those_of_the_paper() -> None:
    assert TEST_IDS == (12, 13, 32, 43, 56, 163, 212, 218, 287, 308)
