"""Threads that each run PyTorch on one core."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def one_core_workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of ``count`` threads, in each of which an operator of PyTorch runs on one core.

    For many independent pieces of work this beats the threads inside the operators: workers never wait for one another,
    so a busy machine costs its share of the time and no more, and no result depends on the number of threads. On an
    error, work that has not begun is dropped.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)
