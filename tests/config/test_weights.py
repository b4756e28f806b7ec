"""The words for weights: one spelling for each, taken apart as they are put together."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from distributed_trf.config.extraction import Weights, factor_of, kind_of, seed_of

WORDS = TypeAdapter(Weights)


@pytest.mark.parametrize(
    ("word", "kind", "seed"),
    [
        ("reset", "reset", 0),
        ("permuted-12", "permuted", 12),
        ("random_uniform-3", "random_uniform", 3),
        ("projection_conv_gelu-1", "projection_conv_gelu", 1),
    ],
)
def test_drawn_weights__have_a_kind_and_a_seed(word, kind, seed):
    assert (WORDS.validate_python(word), kind_of(word), seed_of(word)) == (word, kind, seed)


@pytest.mark.parametrize(("word", "factor"), [("scaled-2.5", 2.5), ("scaled-0.001", 0.001), ("scaled-10", 10.0)])
def test_scaled_weights__have_a_factor(word, factor):
    assert (WORDS.validate_python(word), kind_of(word), factor_of(word)) == (word, "scaled", factor)


@pytest.mark.parametrize(
    "word",
    ["best", "reset-0", "reset-01", "reset--1", "reset-1.5", "reset-", "trained-1", "fixed-1", "projection", "scaled"]
    + [f"scaled-{number}" for number in ("0", "-1", "1", "1.0", "2.50", "inf", "nan", "x")],
)
def test_other_words__are_refused_with_those_there_are(word):
    with pytest.raises(ValidationError, match=r"is not among trained, reset, .*, scaled-FACTOR, fixed; a seed other"):
        WORDS.validate_python(word)
