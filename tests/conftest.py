"""What every test file shares: one thread, a seed, and a generator."""

import logging

import pytest
import torch

torch.set_num_threads(1)  # the networks are small
logging.getLogger("torch.__trace").addFilter(lambda record: False)  # thousands of lines on every failure


@pytest.fixture(autouse=True)
def _seed() -> None:
    """The initial weights of models are the same in every run, whatever runs before."""
    torch.manual_seed(0)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
