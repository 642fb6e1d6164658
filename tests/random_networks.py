"""Random architectures: recipes that print as what makes them, the networks that they stand for, and strategies."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import random_steps  # noqa: F401  registers steps
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from networks import randomize
from recipes import BODY, IMAGE, KINDS, SAME, TOKENS, VECTOR, Formula, Kind, Place, Step, affine, chain, step
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

MAX_DEPTH = 2
"""Of bodies in bodies."""


@dataclass(frozen=True)
class Recipe:
    """All that is needed to make a network; the repr makes an equal one."""

    start: str = VECTOR
    steps: tuple[Step, ...] = ()
    head: str = "linear"
    width: int = 4
    seed: int = 0


# -------------------------------------------------------------------------------------------------------- networks


@dataclass(frozen=True)
class Start:
    """What a network begins with: its first layer, what flows behind that, and an input."""

    stem: Callable[[int], nn.Module]
    place: Callable[[int], Place]
    example: Callable[[torch.Generator], tuple[Tensor, ...]]


class Pair(nn.Module):
    """Layers of two inputs, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, width), nn.Linear(2, width, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.first(x) + self.second(y)


STARTS = {
    VECTOR: Start(
        lambda width: nn.Linear(3, width),
        lambda width: Place(VECTOR, width),
        lambda rng: (torch.randn(3, 3, generator=rng),),
    ),
    TOKENS: Start(
        lambda width: nn.Linear(3, width),
        lambda width: Place(TOKENS, width, 4),
        lambda rng: (torch.randn(2, 4, 3, generator=rng),),
    ),
    "pair": Start(
        lambda width: Pair(width),
        lambda width: Place(VECTOR, width),
        lambda rng: (torch.randn(3, 3, generator=rng), torch.randn(3, 2, generator=rng)),
    ),
    "words": Start(
        lambda width: nn.Embedding(5, width),
        lambda width: Place(TOKENS, width, 4),
        lambda rng: (torch.randint(5, (2, 4), generator=rng),),
    ),
    IMAGE: Start(
        lambda width: nn.Conv2d(2, width, 3, padding=1),
        lambda width: Place(IMAGE, width, 4),
        lambda rng: (torch.randn(2, 2, 4, 4, generator=rng),),
    ),
}


def pooled(x: Tensor) -> Tensor:
    """The mean over tokens or pixels."""
    return x if x.dim() == 2 else x.mean(1) if x.dim() == 3 else x.mean((2, 3))


def tied(at: Place, stem: nn.Module) -> nn.Module:
    """A head that is the transpose of the first layer, or its table."""
    rows = (stem.first if isinstance(stem, Pair) else stem).weight.flatten(1)
    if isinstance(stem, nn.Embedding):
        return Formula(lambda x, f, stem: F.linear(f(pooled(x)), stem.weight), nn.Linear(at.width, rows.shape[1]), stem)
    return Formula(
        lambda x, f, w: f(pooled(x)) @ w.flatten(1),
        nn.Linear(at.width, len(rows)),
        (stem.first if isinstance(stem, Pair) else stem).weight,
    )


HEADS: dict[str, Callable[[Place, nn.Module], nn.Module]] = {
    "linear": lambda at, stem: Formula(lambda x, f: f(pooled(x)), nn.Linear(at.width, 2)),
    "everywhere": lambda at, stem: affine(at, 2),
    "flat": lambda at, stem: nn.Sequential(nn.Flatten(), nn.Linear(at.width * max(at.size, 1) ** len(at.positions), 2)),
    "tied": tied,
    "two": lambda at, stem: Formula(lambda x, f, g: {"a": f(x), "b": torch.tanh(g(x))}, affine(at, 2), affine(at, 1)),
    "with_features": lambda at, stem: Formula(lambda x, f: (f(x), x.narrow(at.dim, 0, 1)), affine(at, 2)),
    "sum_of_units": lambda at, stem: Formula(lambda x: x.sum(at.dim) + torch.tanh(x).amax(at.dim)),
    "all_units": lambda at, stem: Formula(lambda x: x),
    "probabilities": lambda at, stem: Formula(lambda x, f: f(pooled(x)).log_softmax(-1), nn.Linear(at.width, 3)),
    "prototypes": lambda at, stem: Formula(
        lambda x, f, c: torch.cdist(f(pooled(x)), c), nn.Linear(at.width, 3), nn.Parameter(torch.zeros(2, 3))
    ),
    "cosines": lambda at, stem: Formula(
        lambda x, f, c: F.normalize(f(pooled(x)), dim=-1) @ F.normalize(c, dim=0),
        *(nn.Linear(at.width, 3), nn.Parameter(torch.zeros(3, 2))),
    ),
    "distances_of_samples": lambda at, stem: Formula(
        lambda x, f: (lambda z: z @ z.t())(f(pooled(x))), nn.Linear(at.width, 3)
    ),
}


class RandomNetwork(nn.Module):
    """The network of a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        start = STARTS[recipe.start]
        self.stem = start.stem(recipe.width)
        self.body, at = chain(recipe.steps, start.place(recipe.width))
        self.head = HEADS[recipe.head](at, self.stem)

    def forward(self, *inputs: Tensor) -> object:
        return self.head(self.body(self.stem(*inputs)))


def build(recipe: Recipe) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network of a recipe, with random parameters and buffers, and its inputs.

    Numbers are drawn again, some times, while the outputs do not depend on them: see :func:`depends_on_its_weights`.
    """
    for attempt in range(5):
        rng = torch.Generator().manual_seed(recipe.seed + 100 * attempt)
        model, inputs = randomize(RandomNetwork(recipe), rng).eval(), STARTS[recipe.start].example(rng)
        if depends_on_its_weights(model, inputs, rng):
            break
    return model, inputs


def depends_on_its_weights(model: nn.Module, inputs: tuple[Tensor, ...], rng: torch.Generator) -> bool:
    """Whether outputs are of a size that float64 can compare, and other numbers in all tensors give other outputs."""
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in twin.state_dict().values():
            if tensor.is_floating_point():
                tensor.mul_(1 + 0.3 * torch.rand(tensor.shape, generator=rng))
        before, after = (torch.cat([y.flatten() for y in tree_leaves(m(*inputs))]) for m in (model, twin))
    size = before.abs().max()
    return bool(1e-6 < size < 1e6) and bool((after - before).abs().max() > 1e-4 * size)


# ------------------------------------------------------------------------------------------------------ strategies


def plain_steps(everywhere: bool = False) -> list[tuple[str, Step]]:
    """Every kind of step in every place where it may stand, and each of its choices in one of them, or in all."""
    found: dict[tuple[str, Step], None] = {}
    for name, kind in KINDS.items():
        found.update({(place, Step(name)): None for place in kind.places})
        for option, choices in kind.options.items():
            for i, choice in enumerate(choices[1:] if choices is not BODY else ()):
                places = kind.places if everywhere else (kind.places[i % len(kind.places)],)
                found.update({(place, Step(name, ((option, choice),))): None for place in places})
    return list(found)


@st.composite
def one_step(draw: st.DrawFn, place: str, names: tuple[str, ...], depth: int = 0) -> Step:
    """A step that may stand there; in a body one that keeps its place, and without a body of its own if too deep."""

    def may_stand(kind: Kind) -> bool:
        too_deep = depth >= MAX_DEPTH and BODY in kind.options.values()
        return place in kind.places and not (depth and kind.to) and not too_deep

    name = draw(st.sampled_from([name for name in names if may_stand(KINDS[name])]))
    inside = st.lists(one_step(place, names, depth + 1), min_size=1, max_size=2).map(tuple)
    kind = KINDS[name]
    chosen = {o: draw(inside if choices is BODY else st.sampled_from(choices)) for o, choices in kind.options.items()}
    return step(name, **chosen)


@st.composite
def recipes(draw: st.DrawFn, start: str, names: tuple[str, ...] = tuple(KINDS), max_steps: int = 4) -> Recipe:
    """Recipes that begin so, of these kinds of steps."""
    place, steps = STARTS[start].place(0).kind, []
    for _ in range(draw(st.integers(1, max_steps))):
        steps.append(draw(one_step(place, names)))
        to = KINDS[steps[-1].name].to
        place = place if to in (None, SAME) else to
    head, width = draw(st.sampled_from(tuple(HEADS))), draw(st.sampled_from((4, 2, 3, 6)))
    return Recipe(start, tuple(steps), head, width, draw(st.integers(0, 9)))
