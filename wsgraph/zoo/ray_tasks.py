"""Chunks of work as tasks of `Ray <https://docs.ray.io>`_, on this machine or on a cluster."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from wsgraph.errors import WSGraphError


def ray_tasks(job: Any, pending: Mapping[int, Any], count: int, advance: Callable[[int], None]) -> Iterator[Any]:
    """Do chunks in tasks of one core each, ``count`` at a time, and yield each with its number, in order.

    The cluster that the caller is connected to is used, or one of ``count`` cores is started here and stopped in the
    end. Results are those of threads: a chunk knows its number, wherever and whenever it is done.

    Raises:
        WSGraphError: Ray is not installed, or ``count`` is not positive.
    """
    if count < 1:
        raise WSGraphError(f"Expected at least 1 Ray task at a time, but got {count}.")
    with _connected(count) as ray:
        task, shared = ray.remote(num_cpus=1)(_fit), ray.put(job)
        waiting, sent = deque(pending.items()), deque[tuple[int, Any]]()
        while waiting or sent:
            while waiting and len(sent) < 2 * count:  # those beyond the cores are next in turn
                number, chunk = waiting.popleft()
                sent.append((number, task.remote(shared, chunk)))
            number, answer = sent.popleft()
            yield number, _result(ray, answer)
            advance(job.work(pending[number]))


def _result(ray: Any, answer: Any) -> Any:
    try:
        return ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, WSGraphError):
            raise error.cause from error  # a sentence, as without Ray
        raise


def _fit(job: Any, chunk: Any) -> Any:
    torch.set_num_threads(1)
    return job.fit(chunk, lambda amount: None)


@contextmanager
def _connected(count: int) -> Iterator[Any]:
    try:
        import ray
    except ImportError as error:
        raise WSGraphError('Ray is not installed: pip install "wsgraph[ray]", or go without it.') from error
    if ray.is_initialized():
        yield ray
        return
    ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield ray
    finally:
        ray.shutdown()
