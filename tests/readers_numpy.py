"""The published networks, evaluated in numpy from the published layouts, with loops and without torch."""

import math

import numpy as np

SELU = 1.0507009873554805, 1.6732632423543772


def activate(name: str, x: np.ndarray) -> np.ndarray:
    """An activation function by its published name."""
    if name == "gelu":
        return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2
    return {
        "relu": lambda: np.maximum(x, 0),
        "leaky_relu": lambda: np.where(x > 0, x, 0.01 * x),
        "tanh": lambda: np.tanh(x),
        "sigmoid": lambda: 1 / (1 + np.exp(-x)),
        "none": lambda: x,
    }[name]()


def conv_hwio(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int) -> np.ndarray:
    """A convolution of TensorFlow without padding: ``x`` ``[B, H, W, in]``, kernel ``[h, w, in, out]``."""
    size = kernel.shape[0]
    places = [(n - size) // stride + 1 for n in x.shape[1:3]]
    out = np.empty((len(x), *places, kernel.shape[-1]))
    for i in range(places[0]):
        for j in range(places[1]):
            patch = x[:, i * stride : i * stride + size, j * stride : j * stride + size]
            out[:, i, j] = np.tensordot(patch, kernel, 3) + bias
    return out


def conv_oihw(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, padding: int = 0, stride: int = 1) -> np.ndarray:
    """A convolution of PyTorch: ``x`` ``[B, in, H, W]``, kernel ``[out, in, h, w]``."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out = conv_hwio(x.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0), bias, stride)
    return out.transpose(0, 3, 1, 2)


def max_pool(x: np.ndarray) -> np.ndarray:
    """The maxima of 2 × 2 places, without what is left over at the end."""
    height, width = x.shape[2] // 2, x.shape[3] // 2
    x = x[:, :, : 2 * height, : 2 * width]
    return x.reshape(*x.shape[:2], height, 2, width, 2).max((3, 5))


def siren(weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray, offset: float) -> np.ndarray:
    """A SIREN at points ``[n, in]``."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = np.sin(30 * (x @ weight.T + bias))
    return x @ weights[-1].T + biases[-1] + offset


def norm(x: np.ndarray) -> np.ndarray:
    """A LayerNorm without parameters over the last axis."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def attention(state: dict[str, np.ndarray], prefix: str, x: np.ndarray, heads: int) -> np.ndarray:
    """Attention on tokens ``[L, E]``, head by head: rows of queries, keys and values, columns of the output."""
    q, k, v, out = (state[f"{prefix}.{part}.weight"] for part in ("queries", "keys", "values", "out_projection"))
    size = len(q) // heads
    total = np.zeros_like(x)
    for head in range(heads):
        rows = slice(head * size, (head + 1) * size)
        scores = (x @ q[rows].T) @ (x @ k[rows].T).T / math.sqrt(size)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        total += scores / scores.sum(-1, keepdims=True) @ (x @ v[rows].T) @ out[:, rows].T
    return total
