"""Word error rates against a plain edit distance, pooled over words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.errors import DataError
from distributed_trf.speech_recognition.word_errors import Transcript, score

WORDS = st.lists(st.sampled_from(["red", "green", "blue"]), max_size=6).map(" ".join)


def distance(said, understood):
    """Fewest words to replace, drop or add."""
    previous = list(range(len(understood) + 1))
    for i, word in enumerate(said, 1):
        row = [i]
        for j, other in enumerate(understood, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (word != other)))
        previous = row
    return previous[-1]


def heard(said, understood, *, cut=False):
    return Transcript("x", said, understood, cut)


@given(pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_score__is_the_edit_distance_over_all_words(pairs):
    spoken = [(said.split(), understood.split()) for said, understood in pairs if said]
    transcripts = [heard(*pair) for pair in pairs]
    if not spoken:
        with pytest.raises(DataError, match="has a word in its reference"):
            score(transcripts)
        return
    found = score(transcripts)
    assert found["words"] == sum(len(said) for said, _ in spoken)
    assert found["utterances"] == len(spoken)
    wrong = sum(distance(*pair) for pair in spoken)
    assert found["substitutions"] + found["deletions"] + found["insertions"] == wrong
    assert found["wer"] == pytest.approx(100 * wrong / found["words"])


def test_score__pools_over_words_and_not_over_utterances():
    found = score([heard("red", "blue"), heard("red green blue red green blue red green blue", "red green blue " * 3)])
    assert found["wer"] == pytest.approx(10.0)


def test_score__both_sides_are_normalised():
    found = score([heard("IT IS MISTER JONES'S COLOUR", "It's Mr. Jones's color."), heard("TWENTY FIVE", "25")])
    assert found["wer"] == 0
    assert found["cut"] == 0


def test_score__utterances_without_words_are_left_out_and_cut_ones_counted():
    found = score([heard("[laughs]", "anything"), heard("red", "red", cut=True)])
    assert (found["wer"], found["utterances"], found["cut"]) == (0, 1, 1)
