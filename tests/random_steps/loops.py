"""Steps of random networks: recurrent layers, and loops that are written out."""

from collections.abc import Callable

import torch
from recipes import (
    TOKENS,
    Formula,
    Place,
    register,
    weight,
)
from torch import Tensor, nn


@register(
    TOKENS, cell=("RNN", "GRU", "LSTM"), layers=(1, 2), bidirectional=(False, True), bias=(True, False), form=("", "x")
)
def recurrent(at: Place, cell: str, layers: int, bidirectional: bool, bias: bool, form: str) -> nn.Module:
    """A recurrent module; in its other form an RNN with ReLU, or an LSTM with projections, or the last state."""
    options = {"RNN": {"nonlinearity": "relu"}, "LSTM": {"proj_size": 2}, "GRU": {}}[cell] if form else {}
    body = getattr(nn, cell)(at.width, 3, layers, bias=bias, batch_first=True, bidirectional=bidirectional, **options)
    if cell == "GRU" and form:
        return Formula(lambda x, f: (lambda out, last: out + last.mean(0)[:, None].mean(-1, keepdim=True))(*f(x)), body)
    return Formula(lambda x, f: f(x)[0], body)


def _scan(x: Tensor, update: Callable[[Tensor, Tensor], Tensor], state: Tensor) -> Tensor:
    states = []
    for token in x.unbind(1):
        state = update(token, state)
        states.append(state)
    return torch.stack(states, 1)


def _lstm_scan(x: Tensor, cell: nn.LSTMCell) -> Tensor:
    h = c = x.new_zeros(len(x), cell.hidden_size)
    states = []
    for token in x.unbind(1):
        h, c = cell(token, (h, c))
        states.append(h)
    return torch.stack(states, 1)


LOOPS = {
    "rnn_cell": lambda n: Formula(lambda x, f: _scan(x, f, x.new_zeros(len(x), 3)), nn.RNNCell(n, 3)),
    "gru_cell": lambda n: Formula(lambda x, f: _scan(x, f, x.new_zeros(len(x), 3)), nn.GRUCell(n, 3)),
    "lstm_cell": lambda n: Formula(_lstm_scan, nn.LSTMCell(n, 3)),
    "by_hand": lambda n: Formula(
        lambda x, f, g: _scan(x, lambda u, h: torch.tanh(f(u) + g(h)), x.new_zeros(len(x), 3)),
        *(nn.Linear(n, 3), nn.Linear(3, 3, bias=False)),
    ),
    "relu_with_a_first_state": lambda n: Formula(
        lambda x, f, g, h: _scan(x, lambda u, h: torch.relu(f(u) + g(h)), h.expand(len(x), -1)),
        *(nn.Linear(n, 3), nn.Linear(3, 3), weight(3)),
    ),
    "of_concatenation": lambda n: Formula(
        lambda x, f: _scan(x, lambda u, h: torch.tanh(f(torch.cat((u, h), -1))), x.new_zeros(len(x), 3)),
        nn.Linear(n + 3, 3),
    ),
    "minimal_gates": lambda n: Formula(
        lambda x, f, g: _scan(
            x, lambda u, h: (lambda z: (1 - z) * h + z * torch.tanh(g(u)))(torch.sigmoid(f(u))), x.new_zeros(len(x), 3)
        ),
        *(nn.Linear(n, 3), nn.Linear(n, 3)),
    ),
    "diagonal": lambda n: Formula(
        lambda x, f, a: _scan(x, lambda u, h: a * h + f(u), x.new_zeros(len(x), 3)), nn.Linear(n, 3), weight(3)
    ),
    "diagonal_with_activation": lambda n: Formula(
        lambda x, f, a, b: _scan(x, lambda u, h: torch.relu(a * h + f(u) + b), x.new_zeros(len(x), 3)),
        *(nn.Linear(n, 3), weight(3), weight(3)),
    ),
    "decay": lambda n: Formula(
        lambda x, f, a: _scan(x, lambda u, h: torch.sigmoid(a) * h + f(u), x.new_zeros(len(x), 3)),
        *(nn.Linear(n, 3), weight(3)),
    ),
    "state_space": lambda n: Formula(
        lambda x, a, b, c: _scan(x, lambda u, h: h @ a.t() + u @ b.t(), x.new_zeros(len(x), 3)) @ c.t(),
        *(weight(3, 3), weight(3, n), weight(2, 3)),
    ),
    "state_space_with_a_first_state": lambda n: Formula(
        lambda x, a, b, c, h: _scan(x, lambda u, h: h @ a.t() + u @ b.t(), h.expand(len(x), -1)) @ c.t(),
        *(weight(3, 3), weight(3, n), weight(2, 3), weight(3)),
    ),
    "outer_product_state": lambda n: Formula(
        lambda x, k, v, q: torch.einsum("btij,btj->bti", (v(x)[..., :, None] * k(x)[..., None, :]).cumsum(1), q(x)),
        *(nn.Linear(n, 2), nn.Linear(n, 3), nn.Linear(n, 2)),
    ),
    "residual_steps": lambda n: Formula(
        lambda x, f: (lambda y: y + 0.1 * torch.tanh(f(y)))(x + 0.1 * torch.tanh(f(x))), nn.Linear(n, n)
    ),
    "gradient_steps": lambda n: Formula(
        lambda x, w: (lambda z: torch.relu(z - 0.1 * (z @ w - x) @ w.t()))(torch.relu(x @ w.t())), weight(3, n)
    ),
}


@register(TOKENS, form=tuple(LOOPS))
def loop(at: Place, form: str) -> nn.Module:
    """Loops over tokens or steps, written out."""
    return LOOPS[form](at.width)
