"""The networks of a zoo before they are trained: seeds, hyperparameters, and initial weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor, nn

from wsgraph.errors import WSGraphError
from wsgraph.zoo.hyperparameters import Drawn, Hyperparameters

Factory = Callable[[], nn.Module]

_STREAMS = ("architecture", "hyperparameters", "data")
_LARGEST_SEED = 2**53  # what JSON and float64 hold exactly
_global_generator = Lock()


@dataclass(frozen=True)
class Run:
    """One network to be trained.

    Attributes:
        network: Its number in the zoo.
        seed: Of everything random about it.
        architecture: The name of its factory.
        drawn: Its hyperparameters.
    """

    network: int
    seed: int
    architecture: str
    drawn: Drawn


def stream(seed: int, name: str) -> torch.Generator:
    """One of the sources of randomness of a network, by name; they are independent of each other."""
    number = (seed + (1 + _STREAMS.index(name)) * 0x9E3779B97F4A7C15) % 2**63
    return torch.Generator().manual_seed(number)


def plan_runs(
    count: int, seed: int | Sequence[int], architectures: Sequence[str], hyperparameters: Hyperparameters
) -> list[Run]:
    """All networks of a zoo. A network depends on its own seed alone, and the first k not on the count.

    Raises:
        WSGraphError: Other than ``count`` seeds, or one out of range.
    """
    runs = []
    for network, own in enumerate(_seeds(count, seed)):
        which = torch.randint(len(architectures), (), generator=stream(own, "architecture"))
        drawn = hyperparameters.draw(stream(own, "hyperparameters"))
        runs.append(Run(network, own, architectures[int(which)], drawn))
    return runs


@contextmanager
def torch_seed(seed: int) -> Iterator[None]:
    """Inside, torch's global generator (on the CPU) has this seed; outside, what it had. One thread at a time."""
    with _global_generator, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # a millisecond less than torch.manual_seed, which looks for devices
        yield


def initial_states(factory: Factory, runs: Sequence[Run], dtype: torch.dtype) -> dict[str, Tensor]:
    """The state dicts of ``torch.manual_seed(seed); factory()``, scaled, stacked ``[n, ...]``."""
    states = []
    for run in runs:
        with torch_seed(run.seed):
            model = factory().to(dtype)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(run.drawn.initial_scale)
        states.append(model.state_dict())
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


def _seeds(count: int, seed: int | Sequence[int]) -> list[int]:
    if isinstance(seed, int):
        return torch.randint(_LARGEST_SEED, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
    seeds = [int(own) for own in seed]
    if len(seeds) != count or not all(0 <= own < _LARGEST_SEED for own in seeds):
        raise WSGraphError(f"Expected a seed, or {count} seeds from 0 to below 2**53, but got {seeds}.")
    return seeds
