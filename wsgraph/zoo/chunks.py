"""Independent pieces of work by number: in threads of this process, or in tasks of Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from threading import Event
from typing import Protocol, TypeVar

import torch

from wsgraph.progress import patient_progress
from wsgraph.zoo.ray_tasks import ray_tasks
from wsgraph.zoo.workers import one_core_workers

Chunk = TypeVar("Chunk", contravariant=True)
Result = TypeVar("Result", covariant=True)
Advance = Callable[[int], None]


class Work(Protocol[Chunk, Result]):
    """A function of one chunk, which can be sent to another process."""

    def work(self, chunk: Chunk) -> int:
        """The amount of work, in any unit."""
        ...

    def fit(self, chunk: Chunk, advance: Advance) -> Result:
        """Do it, and say along the way how much was just done."""
        ...


def run_chunks(
    job: Work[Chunk, Result],
    pending: Mapping[int, Chunk],
    label: str,
    *,
    device: torch.device,
    ray: int | None = None,
    progress: bool = True,
) -> Iterator[tuple[int, Result]]:
    """Do all pending chunks, a few at a time, and yield each with its number, in order.

    Args:
        job: What to do with a chunk.
        pending: Chunks by number.
        label: Said beside the progress bar.
        device: Where the work is done. On a CPU there is a thread for each core that PyTorch may use.
        ray: Number of Ray tasks at a time; None for threads of this process.
        progress: Whether there may be a progress bar.
    """
    total = sum(map(job.work, pending.values()))
    with patient_progress(label, total, enabled=progress) as advance:
        if ray is not None:
            yield from ray_tasks(job, pending, ray, advance)
            return
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        stop = Event()

        def advance_unless_stopped(amount: int) -> None:
            if stop.is_set():
                raise CancelledError
            advance(amount)

        with one_core_workers(workers) as pool:
            futures: dict[int, Future[Result]] = {
                n: pool.submit(job.fit, chunk, advance_unless_stopped) for n, chunk in pending.items()
            }
            try:
                for number in list(futures):
                    yield number, futures.pop(number).result()
            finally:  # after an error or an interruption, nobody waits for the other chunks
                stop.set()
