"""Pieces of work side by side: their order, their products' threads, their errors and their seconds."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from distributed_trf.cores import BLAS, cores_for, side_by_side
from distributed_trf.timing import recording, timed


def threads_of_products():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_pieces__meet_and_come_back_in_their_order():
    met = threading.Barrier(2, timeout=20)  # one after the other, none would pass it

    def work(k):
        met.wait()
        return k, threading.get_ident()

    found = side_by_side(work, iter(range(4)), 2)
    assert [k for k, _ in found] == [0, 1, 2, 3]
    assert len({thread for _, thread in found}) == 2


def test_products_of_pieces__take_one_thread_and_afterwards_as_many_as_before():
    with threadpool_limits(2, user_api="blas"):
        assert side_by_side(lambda k: threads_of_products(), range(2), 2) == [{1}, {1}]
        assert threads_of_products() == {2}


def test_two_callers__get_back_their_threads_with_the_last():
    with threadpool_limits(2, user_api="blas"):
        with BLAS.one_each():
            with BLAS.one_each():
                assert BLAS.allowed == 2
            assert threads_of_products() == {1}
        assert threads_of_products() == {2}


def test_cores__are_those_of_products_and_one_within_a_piece():
    array = np.zeros(1)
    with threadpool_limits(2, user_api="blas"):
        assert cores_for(array) == 2
        assert side_by_side(lambda k: cores_for(array), range(2), 2) == [1, 1]
    with threadpool_limits(1, user_api="blas"):
        assert cores_for(array) == 1


def test_piece_that_fails__raises_its_own_error_and_gives_the_threads_back():
    def work(k):
        if k:
            raise KeyError("of a piece")

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(KeyError, match="of a piece"):
            side_by_side(work, range(2), 2)
        assert threads_of_products() == {2}


def test_seconds_of_pieces__add_up_to_no_more_than_what_went_by():
    def work(k):
        with timed("product"):
            threading.Event().wait(0.2)

    with recording() as seconds, timed("search"):
        side_by_side(work, range(4), 4)
    assert sorted(seconds) == ["product", "search"]
    assert 0.15 < seconds["product"] < 0.75  # of the four times 0.2 s, which went by at once
    assert seconds["search"] < seconds["product"]
