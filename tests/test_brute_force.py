"""The traced group against a search that knows nothing of it: nothing wrong in it, and nothing missing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from brute_force import Slot, columns, orbit, rows, search, slot
from networks import randomize
from torch import Tensor, nn

from wsgraph import trace


class Net(nn.Module):
    """A function of the input and of named parts."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        self.function, self.names = function, list(parts)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *(getattr(self, name) for name in self.names))


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.zeros(shape))


@dataclass(frozen=True)
class Case:
    """A network, the shape of one input, what is tried, and how many of these keep the function in theory.

    The twin computes the same, in operators that run on many weights at once.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    slots: tuple[Slot, ...]
    count: int
    twin: Callable[[], nn.Module] | None = None
    views: dict[str, tuple[int, ...]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def perceptron(activation: Callable[[Tensor], Tensor], width: int = 3) -> Callable[[], nn.Module]:
    return lambda: Net(lambda x, a, b: b(activation(a(x))), a=nn.Linear(2, width), b=nn.Linear(width, 1))


def leaky(x: Tensor) -> Tensor:
    """Positively homogeneous; no units are dead for all inputs, which would have symmetries of their own."""
    return F.leaky_relu(x, 0.2)


def normalised(
    norm: Callable[[], nn.Module], activation: Callable[[Tensor], Tensor] = leaky
) -> Callable[[], nn.Module]:
    return lambda: Net(
        lambda x, a, norm, b: b(activation(norm(a(x)))), a=nn.Linear(2, 3), norm=norm(), b=nn.Linear(3, 1)
    )


GAIN, SHIFT = slot(("norm.weight", 0)), slot(("norm.bias", 0))


# ------------------------------------------------------------------------------------------------------- networks


def deep(activation: Callable[[Tensor], Tensor]) -> nn.Module:
    return Net(
        lambda x, a, b, c: c(activation(b(activation(a(x))))), a=nn.Linear(2, 3), b=nn.Linear(3, 2), c=nn.Linear(2, 1)
    )


def residual(activation: Callable[[Tensor], Tensor]) -> nn.Module:
    return Net(
        lambda x, stem, a, b, head: (lambda y: head(activation(y + b(activation(a(y))))))(stem(x)),
        **{"stem": nn.Linear(2, 2), "a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "head": nn.Linear(2, 1)},
    )


def concatenated() -> nn.Module:
    return Net(
        lambda x, a, b, c: c(torch.cat((leaky(a(x)), torch.tanh(b(x))), -1)),
        **{"a": nn.Linear(2, 2), "b": nn.Linear(2, 2), "c": nn.Linear(4, 1)},
    )


def halves(join: Callable[[Tensor, Tensor], Tensor], outputs: int = 2) -> nn.Module:
    """Four units in two halves that are joined."""
    return Net(lambda x, a, b: b(join(*a(x).chunk(2, -1))), a=nn.Linear(2, 4), b=nn.Linear(outputs, 1))


def thirds(join: Callable[[Tensor, Tensor, Tensor], Tensor]) -> nn.Module:
    """Six units in three pieces that are joined."""
    return Net(lambda x, a, b: b(join(*a(x).chunk(3, -1))), a=nn.Linear(2, 6), b=nn.Linear(2, 1))


def sliced() -> nn.Module:
    """A layer reads all units, another one the first two."""
    return Net(
        lambda x, a, b, c: (lambda y: torch.cat((b(y), c(y[:, :2])), -1))(torch.tanh(a(x))),
        **{"a": nn.Linear(2, 4), "b": nn.Linear(4, 1), "c": nn.Linear(2, 1)},
    )


def with_slopes() -> nn.Module:
    return Net(lambda x, a, s, b: b(s(a(x))), a=nn.Linear(2, 3), s=nn.PReLU(3), b=nn.Linear(3, 1))


def tied() -> nn.Module:
    return Net(lambda x, w, b: F.linear(torch.tanh(F.linear(x, w, b)), w.t()), w=weight(3, 2), b=weight(3))


def batch_normalised(activation: Callable[[Tensor], Tensor]) -> nn.Module:
    return Net(
        lambda x, a, norm, b: b(activation(norm(a(x)))), a=nn.Linear(2, 2), norm=nn.BatchNorm1d(2), b=nn.Linear(2, 1)
    )


def grouped() -> nn.Module:
    """A convolution of two groups of two channels, between others."""
    return Net(
        lambda x, a, b, c: c(torch.tanh(b(torch.tanh(a(x))))).mean((2, 3)),
        **{"a": nn.Conv2d(1, 4, 1), "b": nn.Conv2d(4, 4, 1, groups=2), "c": nn.Conv2d(4, 1, 1)},
    )


def depthwise() -> nn.Module:
    return Net(
        lambda x, a, b, c: c(leaky(b(leaky(a(x))))).mean((2, 3)),
        **{"a": nn.Conv2d(1, 3, 1), "b": nn.Conv2d(3, 3, 2, groups=3), "c": nn.Conv2d(3, 1, 1)},
    )


def group_normalised() -> nn.Module:
    return Net(
        lambda x, a, norm, b: b(leaky(norm(a(x)))), a=nn.Linear(2, 4), norm=nn.GroupNorm(2, 4), b=nn.Linear(4, 1)
    )


def flattened() -> nn.Module:
    return Net(lambda x, a, b: b(torch.tanh(a(x)).flatten(1)), a=nn.Conv2d(1, 3, 1), b=nn.Linear(12, 1))


def shuffled() -> nn.Module:
    """Eight channels become four pixels of two channels."""
    return Net(
        lambda x, a, b: b(leaky(F.pixel_shuffle(a(x), 2))).square().mean((2, 3)),
        **{"a": nn.Conv2d(1, 8, 1), "b": nn.Conv2d(2, 1, 2)},
    )


def squeezed() -> nn.Module:
    return Net(
        lambda x, a, f, g, b: (lambda y: b(y * torch.sigmoid(g(leaky(f(y.mean((2, 3), True)))))))(leaky(a(x))).mean(
            (2, 3)
        ),
        **{"a": nn.Conv2d(1, 3, 1), "f": nn.Conv2d(3, 1, 1), "g": nn.Conv2d(1, 3, 1), "b": nn.Conv2d(3, 1, 1)},
    )


def attention(heads: int, size: int) -> nn.Module:
    """Attention by matrix products, of three tokens."""

    def forward(x: Tensor, q: nn.Module, k: nn.Module, v: nn.Module, out: nn.Module) -> Tensor:
        a, b, c = (f(x).unflatten(-1, (heads, size)).transpose(1, 2) for f in (q, k, v))
        return out(((a @ b.mT).softmax(-1) @ c).transpose(1, 2).flatten(2))

    n = heads * size
    return Net(forward, q=nn.Linear(2, n), k=nn.Linear(2, n), v=nn.Linear(2, n), out=nn.Linear(n, 1))


def step_loop() -> nn.Module:
    """An RNN, written out: three steps."""

    def forward(x: Tensor, a: nn.Module, b: nn.Module, head: nn.Module) -> Tensor:
        h = torch.tanh(a(x[:, 0]))
        for token in x.unbind(1)[1:]:
            h = torch.tanh(a(token) + b(h))
        return head(h)

    return Net(forward, a=nn.Linear(2, 2), b=nn.Linear(2, 2), head=nn.Linear(2, 1))


class Words(nn.Module):
    """A model of words with a tied head; the words are the signs of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.layer = nn.Embedding(2, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.table((x > 0).long())
        return F.linear(y.mean(1) + torch.tanh(self.layer(y)).sum(1), self.table.weight)


def shared_keys() -> nn.Module:
    """Two heads of queries, of two units each, read the same keys and values."""

    def forward(x: Tensor, q: nn.Module, k: nn.Module, v: nn.Module, out: nn.Module) -> Tensor:
        a = q(x).unflatten(-1, (2, 2)).transpose(1, 2)
        return out(((a @ k(x)[:, None].mT).softmax(-1) @ v(x)[:, None]).transpose(1, 2).flatten(2))

    return Net(forward, q=nn.Linear(2, 4), k=nn.Linear(2, 2), v=nn.Linear(2, 2), out=nn.Linear(4, 1))


def grouped_queries(heads: int, keys: int, size: int, norms: bool = False) -> nn.Module:
    """Heads of queries in groups that have one head of keys and values each; all heads may have one gain."""

    def forward(x: Tensor, q: nn.Module, k: nn.Module, v: nn.Module, out: nn.Module, *gains: Tensor) -> Tensor:
        a = q(x).unflatten(-1, (keys, heads // keys, size)).movedim(1, 3)
        b, c = (f(x).unflatten(-1, (keys, 1, size)).movedim(1, 3) for f in (k, v))
        if gains:
            a, b = (F.rms_norm(y, (size,), gain) for y, gain in zip((a, b), gains, strict=True))
        return out(((a @ b.mT).softmax(-1) @ c).movedim(3, 1).flatten(2))

    n, m = heads * size, keys * size
    gains = {"q_gain": weight(size), "k_gain": weight(size)} if norms else {}
    return Net(forward, q=nn.Linear(2, n), k=nn.Linear(2, m), v=nn.Linear(2, m), out=nn.Linear(n, 1), **gains)


class WrittenLSTM(nn.LSTMCell):
    """The same in operators that run on many weights at once."""

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        h, c = (x.new_zeros(len(x), 2),) * 2 if state is None else state
        i, f, g, o = (F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class WrittenGRU(nn.GRUCell):
    """The same in operators that run on many weights at once."""

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        h = x.new_zeros(len(x), 2) if h is None else h
        r, z, n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, 1)
        by_state = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, 1)
        r, z = torch.sigmoid(r + by_state[0]), torch.sigmoid(z + by_state[1])
        return (1 - z) * torch.tanh(n + r * by_state[2]) + z * h


class WrittenRNN(nn.RNNCell):
    """The same in operators that run on many weights at once."""

    def forward(self, x: Tensor, h: Tensor | None) -> Tensor:
        h = x.new_zeros(len(x), 2) if h is None else h
        return torch.tanh(F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh))


def recurrent(kind: type[nn.Module], twin: type[nn.Module], gates: int) -> Case:
    """Each gate's rows, the columns of the states, and the columns behind, on their own."""
    names = [f"cell.{kind}_{part}" for kind in ("weight", "bias") for part in ("ih", "hh")]
    rows = (slot(*((name, 1) for name in names), within=(i, i + 1)) for i in range(gates))
    shapes = {"weight": (gates, 2, 2), "bias": (gates, 2)}
    return Case(
        lambda: cells(kind),
        (3, 2),
        (*rows, slot(("cell.weight_hh", 2)), columns("head")),
        2 * 2**2,
        views={name: shapes[name[5:].split("_")[0]] for name in names},
        twin=lambda: cells(twin),
    )


def cells(kind: type[nn.Module]) -> nn.Module:
    """A recurrent cell of two units, three steps."""

    def forward(x: Tensor, cell: nn.Module, head: nn.Module) -> Tensor:
        state = None
        for token in x.unbind(1):
            state = cell(token, state)
        return head(state[0] if isinstance(state, tuple) else state)

    return Net(forward, cell=kind(2, 2), head=nn.Linear(2, 1))


def weight_normed() -> nn.Module:
    return Net(
        lambda x, v, g, b, head: head(torch.tanh(F.linear(x, g * v / v.norm(dim=1, keepdim=True), b))),
        **{"v": weight(2, 2), "g": weight(2, 1), "b": weight(2), "head": nn.Linear(2, 1)},
    )


def used_twice() -> nn.Module:
    return Net(
        lambda x, stem, a, head: head(torch.tanh(a(torch.tanh(a(torch.tanh(stem(x))))))),
        **{"stem": nn.Linear(2, 2), "a": nn.Linear(2, 2), "head": nn.Linear(2, 1)},
    )


def transposed() -> nn.Module:
    return Net(
        lambda x, a, b: b(torch.tanh(a(x))).mean((2, 3)), a=nn.ConvTranspose2d(1, 3, 2), b=nn.ConvTranspose2d(3, 1, 2)
    )


def gated() -> nn.Module:
    return Net(lambda x, a, b, c: c(F.silu(a(x)) * b(x)), a=nn.Linear(2, 2), b=nn.Linear(2, 2), c=nn.Linear(2, 1))


def experts() -> nn.Module:
    """Two perceptrons in one tensor, one unit each, weighted by a softmax."""
    return Net(
        lambda x, r, a, b: ((r(x).softmax(-1)) * torch.tanh(a(x)) * b).sum(-1, keepdim=True),
        **{"r": nn.Linear(2, 3), "a": nn.Linear(2, 3), "b": weight(3)},
    )


# ---------------------------------------------------------------------------------------------------------- cases


LONG = (slot(("a.weight", 0)), slot(("a.bias", 0)), columns("b"))
SHORT = (rows("a"), columns("b"))
STREAM = (rows("stem"), columns("a"), rows("a"), columns("b"), rows("b"), columns("head"))
HEADS = (rows("q"), rows("k"), rows("v"), columns("out"))
BATCH = (
    rows("a"),
    slot(("norm.running_mean", 0)),
    slot(("norm.running_var", 0), signs=False),
    GAIN,
    SHIFT,
    columns("b"),
)
IN_GROUPS = (slot(("b.weight", 1), within=(0, 2)), slot(("b.weight", 1), within=(2, 4)))
ORDERS, SIGNS = {"signs": False}, {"order": False}


def only(slots: tuple[Slot, ...], **options: bool) -> tuple[Slot, ...]:
    return tuple(replace(one, **options) for one in slots)


CASES = {
    "leaky_relu": Case(perceptron(leaky), (2,), LONG, 6),
    "tanh": Case(perceptron(torch.tanh), (2,), LONG, 6 * 2**3),
    "gelu": Case(perceptron(F.gelu), (2,), LONG, 6),
    "sine": Case(perceptron(torch.sin), (2,), LONG, 6 * 2**3),
    "identity": Case(perceptron(lambda x: x), (2,), LONG, 6 * 2**3),
    "absolute": Case(perceptron(torch.abs), (2,), LONG, 6 * 2**3),
    "square": Case(perceptron(torch.square), (2,), LONG, 6 * 2**3),
    "cosine": Case(perceptron(torch.cos), (2,), LONG, 6 * 2**3),
    "softmax": Case(perceptron(lambda x: x.softmax(-1)), (2,), LONG, 6),
    "times_mean": Case(perceptron(lambda x: torch.tanh(x) * x.mean(-1, keepdim=True)), (2,), LONG, 6 * 2),
    "slopes": Case(with_slopes, (2,), (rows("a"), slot(("s.weight", 0)), columns("b")), 6),
    "wide_tanh": Case(perceptron(torch.tanh, 4), (2,), SHORT, 24 * 2**4),
    "wide_gelu": Case(perceptron(F.gelu, 4), (2,), SHORT, 24),
    "deep_leaky_relu": Case(lambda: deep(leaky), (2,), (rows("a"), columns("b"), rows("b"), columns("c")), 6 * 2),
    "deep_tanh": Case(lambda: deep(torch.tanh), (2,), (rows("a"), columns("b"), rows("b"), columns("c")), 48 * 8),
    "residual_leaky_relu": Case(lambda: residual(leaky), (2,), STREAM, 2 * 2),
    "residual_tanh": Case(lambda: residual(torch.tanh), (2,), STREAM, 8 * 8),
    "concatenated": Case(concatenated, (2,), (rows("a"), rows("b"), columns("c")), 2 * 8),
    "sliced": Case(sliced, (2,), (rows("a"), columns("b"), columns("c")), (2 * 2**2) ** 2),
    "two_activations": Case(lambda: halves(lambda a, b: torch.cat((leaky(a), b.tanh()), -1), 4), (2,), SHORT, 2 * 8),
    "glu": Case(lambda: halves(lambda a, b: a * torch.sigmoid(b)), (2,), SHORT, 2 * 2**2),
    "product": Case(lambda: halves(torch.mul), (2,), SHORT, 2 * 4**2 * 2**2),
    "product_of_tanh": Case(lambda: halves(lambda a, b: a.tanh() * b.tanh()), (2,), SHORT, 2 * 4**2 * 2**2),
    "product_of_gelu": Case(lambda: halves(lambda a, b: F.gelu(a) * F.gelu(b)), (2,), SHORT, 2 * 2**2),
    "swiglu": Case(lambda: halves(lambda a, b: F.silu(a) * b), (2,), SHORT, 2 * 2**2),
    "product_of_three": Case(lambda: thirds(lambda a, b, c: a * (b * c)), (2,), SHORT, 2 * (6 * 2**3) ** 2),
    "product_and_slope": Case(lambda: halves(lambda a, b: leaky(a * b)), (2,), SHORT, 2 * (2 * 2) ** 2),
    "product_and_sigmoid": Case(lambda: halves(lambda a, b: torch.sigmoid(a * b)), (2,), SHORT, 2 * (2 * 2) ** 2),
    "three_and_sigmoid": Case(
        lambda: thirds(lambda a, b, c: torch.sigmoid(a * b * c)), (2,), SHORT, 2 * (6 * 2**2) ** 2
    ),
    "scalar_product": Case(
        lambda: Net(lambda x, a: (lambda p, q: (p * q).sum(-1))(*a(x).chunk(2, -1)), a=nn.Linear(2, 4)),
        (2,),
        (rows("a"),),
        2 * (2 * 2) ** 2,
    ),
    "product_of_all": Case(lambda: Net(lambda x, a: a(x).prod(-1), a=nn.Linear(2, 4)), (2,), (rows("a"),), 24 * 2**3),
    "product_along_axis": Case(
        lambda: Net(lambda x, a, b: b(a(x).unflatten(-1, (2, 3)).prod(-1)), a=nn.Linear(2, 6), b=nn.Linear(2, 1)),
        (2,),
        SHORT,
        2 * (6 * 2**3) ** 2,
    ),
    "sum_of_halves": Case(lambda: halves(lambda a, b: torch.tanh(a) + torch.tanh(b)), (2,), SHORT, 2 * 2**2 * 2**2),
    "maxout": Case(lambda: halves(torch.maximum), (2,), SHORT, 2 * 2**2),
    "tied": Case(tied, (2,), (slot(("w", 0)), slot(("b", 0))), 6 * 2**3),
    "layer_norm": Case(normalised(lambda: nn.LayerNorm(3)), (2,), (rows("a"), GAIN, SHIFT, columns("b")), 6 * 2),
    "layer_norm_tanh": Case(
        normalised(lambda: nn.LayerNorm(3), torch.tanh), (2,), (rows("a"), GAIN, SHIFT, columns("b")), 6 * 2 * 2**3
    ),
    "rms_norm": Case(normalised(lambda: nn.RMSNorm(3)), (2,), (rows("a"), GAIN, columns("b")), 6 * 2**3),
    "group_norm_orders": Case(
        group_normalised, (2,), only((rows("a"), GAIN, SHIFT, columns("b")), **ORDERS), 2**2 * 2, options=ORDERS
    ),
    "group_norm_signs": Case(
        group_normalised, (2,), only((rows("a"), GAIN, SHIFT, columns("b")), **SIGNS), 2**2, options=SIGNS
    ),
    "batch_norm_leaky_relu": Case(lambda: batch_normalised(leaky), (2,), BATCH, 2 * 2**2),
    "batch_norm_tanh": Case(lambda: batch_normalised(torch.tanh), (2,), BATCH, 2 * 2**2 * 2**2),
    "grouped_orders": Case(
        grouped,
        (1, 2, 2),
        only((rows("a"), rows("b"), columns("c"), *IN_GROUPS), **ORDERS),
        2**2 * 2**2 * 2,
        options=ORDERS,
    ),
    "grouped_signs": Case(
        grouped, (1, 2, 2), only((rows("a"), rows("b"), columns("c"), *IN_GROUPS), **SIGNS), 2**4 * 2**4, options=SIGNS
    ),
    "depthwise": Case(depthwise, (1, 3, 3), (rows("a"), slot(("b.weight", 0)), slot(("b.bias", 0)), columns("c")), 6),
    "flattened": Case(flattened, (1, 2, 2), SHORT, 6 * 2**3, views={"b.weight": (1, 3, 4)}),
    "pixel_shuffle": Case(shuffled, (1, 2, 2), only(SHORT, **ORDERS), 2, options=ORDERS),
    "squeeze_excite": Case(squeezed, (1, 2, 2), (rows("a"), columns("f"), rows("g"), columns("b")), 6),
    "attention_of_one_head": Case(lambda: attention(1, 2), (3, 2), HEADS, 8 * 8),
    "attention_of_single_units": Case(lambda: attention(2, 1), (3, 2), HEADS, 2 * 2**2 * 2**2),
    "attention_orders": Case(lambda: attention(2, 2), (3, 2), only(HEADS, **ORDERS), 2 * 2**2 * 2**2, options=ORDERS),
    "attention_signs": Case(lambda: attention(2, 2), (3, 2), only(HEADS, **SIGNS), 2**4 * 2**4, options=SIGNS),
    "step_loop": Case(step_loop, (3, 2), (rows("a"), rows("b"), columns("b"), columns("head")), 2 * 2**2),
    "words": Case(Words, (3,), (slot(("table.weight", 1)), columns("layer"), rows("layer")), 6 * 2**3),
    "shared_keys": Case(shared_keys, (3, 2), only(HEADS, **ORDERS), 2 * 2 * 2, options=ORDERS),
    "shared_keys_signs": Case(shared_keys, (3, 2), only(HEADS, **SIGNS), 2**2 * 2**2, options=SIGNS),
    "grouped_queries": Case(lambda: grouped_queries(4, 2, 1), (3, 2), only(HEADS, **ORDERS), 2**2 * 2, options=ORDERS),
    "grouped_queries_signs": Case(
        lambda: grouped_queries(4, 2, 1), (3, 2), only(HEADS, **SIGNS), 2**2 * 2**2, options=SIGNS
    ),
    "gains_of_all_heads": Case(
        lambda: grouped_queries(2, 1, 2, norms=True),
        (3, 2),
        only((*HEADS, slot(("q_gain", 0)), slot(("k_gain", 0))), **ORDERS),
        2 * 2 * 2,
        options=ORDERS,
    ),
    "lstm_cell": recurrent(nn.LSTMCell, WrittenLSTM, 4),
    "gru_cell": recurrent(nn.GRUCell, WrittenGRU, 3),
    "rnn_cell": recurrent(nn.RNNCell, WrittenRNN, 1),
    "weight_norm": Case(
        weight_normed, (2,), (slot(("v", 0)), slot(("g", 0)), slot(("b", 0)), columns("head")), 2 * 2**2 * 2**2
    ),
    "used_twice": Case(used_twice, (2,), (rows("stem"), columns("a"), rows("a"), columns("head")), 2 * 2**2),
    "transposed_convolution": Case(
        transposed, (1, 2, 2), (slot(("a.weight", 1)), slot(("a.bias", 0)), slot(("b.weight", 0))), 6 * 2**3
    ),
    "gated": Case(gated, (2,), (rows("a"), rows("b"), columns("c")), 2 * 2**2),
    "standardised": Case(
        perceptron(lambda x: torch.tanh((x - x.mean(-1, True)) / x.std(-1, keepdim=True))), (2,), SHORT, 6 * 2
    ),
    "normalised": Case(perceptron(lambda x: torch.tanh(F.normalize(x, dim=-1))), (2,), SHORT, 6 * 2**3),
    "experts": Case(experts, (2,), (rows("r"), rows("a"), slot(("b", 0))), 6 * 2**3),
}


@pytest.fixture(scope="module", params=CASES)
def searched(request):
    """The name of a case, what the search found, and what the weight space holds."""
    case, rng = CASES[request.param], torch.Generator().manual_seed(0)
    model = randomize(case.make().double(), rng).eval()
    x = torch.randn(32, *case.shape, dtype=torch.float64, generator=rng)
    twin = model
    if case.twin is not None:
        twin = case.twin().double()
        twin.load_state_dict(model.state_dict())
        assert torch.allclose(twin(x), model(x))
    return request.param, search(twin, x, case.slots, case.views), orbit(trace(model, x), model, **case.options)


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
def test_every_symmetry_of_the_space_is_among_those_found(searched):
    name, found, ours = searched
    assert len(found) == CASES[name].count
    wrong = len(ours - found)
    assert wrong == 0


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
def test_the_space_misses_none(searched):
    _, found, ours = searched
    ours, found = len(ours), len(found)
    assert ours == found
