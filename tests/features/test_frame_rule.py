"""The rule of a layer's number of frames, found from few lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_trf.features.frame_rule import FrameRule, find_rules, frame_rule


@st.composite
def convolution(draw):
    """Kernel, stride, padding at both sides, dilation."""
    kernel, dilation = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    return kernel, draw(st.integers(1, 6)), draw(st.integers(0, dilation * (kernel - 1))), dilation


CHAINS = st.lists(convolution(), min_size=1, max_size=6)


def frames_of(chain, n):
    """Frames after each convolution, counted as its definition says: where the kernel fits."""
    counts = []
    for kernel, stride, padding, dilation in chain:
        n = len(range(0, n + padding - dilation * (kernel - 1), stride))
        counts.append(n)
    return dict(enumerate(counts))


@given(chain=CHAINS, n=st.integers(20_000, 90_000), others=st.lists(st.integers(10_000, 900_000), max_size=20))
def test_rules__of_convolutions_one_after_the_other_hold_at_every_length(chain, n, others):
    rules = find_rules(lambda m: frames_of(chain, m), n, 2 * n)
    for m in (n, *others):
        if min(frames_of(chain, m).values()):
            assert {key: rule.n_frames(m) for key, rule in rules.items()} == frames_of(chain, m)
    hop = 1
    for key, (_, stride, _, _) in enumerate(chain):
        hop *= stride
        assert rules[key].hop == hop


def test_rules__of_a_chain_take_the_passes_of_its_last_layer():
    chain = [(10, 5, 0, 1), *4 * [(3, 2, 0, 1)], *2 * [(2, 2, 0, 1)]]  # of wav2vec 2.0
    passes = []

    def count(n):
        passes.append(n)
        return frames_of(chain, n)

    rules = find_rules(count, 16_000, 32_000)
    assert rules[6] == FrameRule(320, -80)
    assert rules[0] == FrameRule(5, -5)
    assert len(passes) == len(set(passes)) < 26
    assert max(n for n in passes if n < 31_000) < 16_000 + 3 * 320
    assert max(passes) <= 32_000


def test_rules__of_branches_are_found_one_by_one():
    rules = find_rules(lambda n: {"slow": 1 + n // 512, "other": (n + 3) // 300, "fast": n // 7}, 30_000, 60_000)
    assert rules == {"slow": (512, 512), "other": (300, 3), "fast": (7, 0)}


@pytest.mark.parametrize(
    "count",
    [
        lambda n: 1500,  # padded to one length
        lambda n: 2 * (n // 160),  # two frames at a time
        lambda n: round(n * 49.3 / 16_000),  # no whole number of samples
    ],
)
def test_rules__that_are_of_another_kind_are_none(count):
    assert find_rules(lambda n: {0: count(n)}, 16_000, 32_000)[0] is None


@given(
    hop=st.integers(1, 40),
    offset=st.integers(-60, 60),
    lengths=st.lists(st.integers(100, 900), min_size=2, max_size=30, unique=True),
)
def test_rule__is_the_only_one_that_fits(hop, offset, lengths):
    counts = {n: (n + offset) // hop for n in lengths}
    hops, offsets = np.arange(1, 121)[:, None], np.arange(-1_000, 1_001)
    fits = np.all([(n + offsets) // hops == c for n, c in counts.items()], axis=0)
    assert fits[hop - 1, offset + 1_000]
    assert frame_rule(counts) == ((hop, offset) if fits.sum() == 1 else None)


def test_rule__of_counts_that_fall_or_tell_too_little_is_none():
    assert frame_rule({}) is None
    assert frame_rule({1_000: 5}) is None
    assert frame_rule({1_000: 5, 2_000: 4}) is None
    assert frame_rule({1_000: 5, 3_000: 15}) is None  # 200 is likely, 199 is possible
