"""Tables of weight spaces, made once for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def per_space(function: Callable[P, R]) -> Callable[P, R]:
    """Keep what a function says of the last 64 weight spaces; ``torch.compile`` takes it as a constant."""
    kept = lru_cache(maxsize=64)(function)

    @wraps(function)
    def read(*args: P.args, **kwargs: P.kwargs) -> R:
        return kept(*args, **kwargs)  # type: ignore[arg-type]

    return torch.compiler.assume_constant_result(read)
