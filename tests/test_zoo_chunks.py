"""Chunks of work in threads: in order, and stopped together."""

import threading

import pytest
import torch

from wsgraph.zoo.chunks import run_chunks

CPU = torch.device("cpu")


class Doubling:
    """Later chunks are done sooner."""

    def work(self, chunk):
        return 1

    def fit(self, chunk, advance):
        threading.Event().wait(0.05 * (3 - chunk))
        advance(1)
        return 2 * chunk


class Endless:
    """The first chunk fails, the others never end."""

    def __init__(self):
        self.begun = threading.Event()

    def work(self, chunk):
        return 1

    def fit(self, chunk, advance):
        if chunk == 0:
            assert self.begun.wait(60)
            raise ValueError("the first one")
        while True:
            self.begun.set()
            advance(0)


@pytest.fixture
def three_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("three_threads")
def test_chunks_come_in_order_of_their_numbers():
    done = list(run_chunks(Doubling(), {4: 0, 7: 1, 9: 2}, "Doubling", device=CPU))
    assert done == [(4, 0), (7, 2), (9, 4)]


@pytest.mark.usefixtures("three_threads")
def test_an_error_stops_the_other_chunks():
    with pytest.raises(ValueError, match="the first one"):
        list(run_chunks(Endless(), {0: 0, 1: 1, 2: 2}, "Endless", device=CPU))
    assert all(not thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate())


@pytest.mark.usefixtures("three_threads")
def test_a_caller_that_leaves_stops_the_work():
    class One(Endless):
        def fit(self, chunk, advance):
            return 1 if chunk == 0 else super().fit(chunk, advance)

    chunks = run_chunks(One(), {0: 0, 1: 1}, "Endless", device=CPU)
    assert next(chunks) == (0, 1)
    chunks.close()


def test_nothing_to_do_is_done():
    assert list(run_chunks(Doubling(), {}, "Doubling", device=CPU)) == []
