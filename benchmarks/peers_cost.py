"""What a computation costs in floating-point operations and in bytes, and what the machine allows of both."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class ByteCounter(TorchDispatchMode):
    """Counts the bytes of the tensors that operators read and write; views cost nothing.

    What a cache holds between two operators is counted as well, so that the rate of a computation on small tensors
    can be above that of a copy through memory. Operators inside a fused one are not seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and count."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            seen = {id(t): t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)}
            self.bytes += sum(_stored(tensor) for tensor in seen.values())
        return result


def _stored(tensor: Tensor) -> int:
    """Bytes behind a tensor; an expanded axis is stored once."""
    sizes = [size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride]
    return tensor.element_size() * int(torch.Size(sizes).numel())


def cost(run: Callable[[], object]) -> tuple[float, float]:
    """Floating-point operations of the matrix products of a run, and the bytes that all its operators move."""
    with FlopCounterMode(display=False) as flops, ByteCounter() as bytes_:
        run()
    return float(flops.get_total_flops()), float(bytes_.bytes)


def machine(device: str, seconds: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Bytes a second of a copy (read and written) and operations a second of a product of large matrices, the best."""
    source = torch.randn(2**26 if device == "cpu" else 2**28, device=device)
    target, a = torch.empty_like(source), torch.randn(2048, 2048, device=device)

    def rate(run: Callable[[], object], amount: float) -> float:
        return max(amount / duration(run, device, seconds) for _ in range(8))

    return {
        "copy": rate(lambda: target.copy_(source), 2 * source.nbytes),
        "matrix": rate(lambda: a @ a, 2 * 2048**3),
    }


def duration(run: Callable[[], object], device: str, seconds: Callable[[], float]) -> float:
    """Seconds of a run, to the end of what it began on the device."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = seconds()
    run()
    if device != "cpu":
        torch.cuda.synchronize()
    return seconds() - start
