"""Shifts: all that may be added, and nothing else; the laws of symmetries with them."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from networks import randomize
from test_brute_force import Net, weight
from torch import Tensor, nn
from translations import found_shifts, translations

from wsgraph import SpaceError, WeightSpace, to_graph, trace, verify
from wsgraph.space import Shift
from wsgraph.testing import assert_function_preserved
from wsgraph.transforms import Canonicalize, RandomSymmetry


def linear(*shape: int, **options: bool) -> nn.Linear:
    return nn.Linear(*shape, **options)


def stream(norm_first: bool = True, read: bool = False) -> nn.Module:
    """A residual stream of three units behind LayerNorms: before each layer, or behind each sum."""

    def forward(x: Tensor, stem: nn.Module, a: nn.Module, n: nn.Module, m: nn.Module, head: nn.Module) -> Tensor:
        y = stem(x)
        y = y + torch.tanh(a(n(y))) @ torch.ones(2, 3, dtype=x.dtype).tril() if norm_first else n(y + a(y))
        return head(m(y)) + (y.square().sum(-1, keepdim=True) if read else 0)

    n = 2 if norm_first else 3
    return Net(
        forward,
        **{"stem": linear(2, 3), "a": linear(3, n), "n": nn.LayerNorm(3), "m": nn.LayerNorm(3), "head": linear(3, 1)},
    )


def attention(scores=lambda s: s, keys=lambda k: k, fused: bool = False) -> nn.Module:
    """One head of two units on three tokens."""

    def forward(x: Tensor, q: nn.Module, k: nn.Module, v: nn.Module, head: nn.Module) -> Tensor:
        if fused:
            return head(F.scaled_dot_product_attention(q(x), keys(k(x)), v(x), scores(torch.zeros(3, 3))))
        return head(scores(q(x) @ keys(k(x)).mT / 2).softmax(-1) @ v(x))

    return Net(forward, q=linear(2, 2), k=linear(2, 2), v=linear(2, 2), head=linear(2, 1))


def turned(k: Tensor) -> Tensor:
    """Keys turned by their places."""
    angle = torch.arange(k.shape[1], dtype=k.dtype)[:, None]
    return k * angle.cos() + torch.stack((-k[..., 1], k[..., 0]), -1) * angle.sin()


def masked(fill: float):
    """Scores of later tokens filled with a number."""
    return lambda s: s.masked_fill(torch.ones(3, 3, dtype=torch.bool).triu(1), fill)


def added(s: Tensor) -> Tensor:
    return s + torch.full((3, 3), float("-inf"), dtype=s.dtype).triu(1)


def chosen(s: Tensor) -> Tensor:
    return torch.where(torch.ones(3, 3, dtype=torch.bool).tril(), s, float("-inf"))


def normed(norm: nn.Module, inputs: int = 1, width: int = 4, **options: bool) -> nn.Module:
    return Net(
        lambda x, a, norm, b: b(F.leaky_relu(norm(a(x)), 0.2).flatten(1)),
        **{"a": nn.Conv2d(inputs, width, 2, **options), "norm": norm, "b": linear(width * 4, 1)},
    )


def packed() -> nn.Module:
    """Queries, keys and values of one map, two heads."""

    def forward(x: Tensor, qkv: nn.Module, head: nn.Module) -> Tensor:
        q, k, v = qkv(x).view(2, 3, 3, 2, 1).permute(2, 0, 3, 1, 4)
        return head((q @ k.transpose(-1, -2)).softmax(-1).matmul(v).transpose(1, 2).reshape(2, 3, 2))

    return Net(forward, qkv=linear(2, 6), head=linear(2, 1))


def written_norm(x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-2).sqrt()


def table(once: bool = True) -> nn.Module:
    """A learned bias for each distance, on the scores of attention; read in another place, too."""
    places = torch.arange(3)[:, None] - torch.arange(3) + 2

    def forward(x: Tensor, q: nn.Module, t: Tensor, head: nn.Module) -> Tensor:
        y = head((q(x) @ x.mT + t[places]).softmax(-1) @ x)
        return y if once else y + t.square().sum()

    return Net(forward, q=linear(2, 2), t=weight(5), head=linear(2, 1))


TOKENS, VECTORS, IMAGES = (2, 3, 2), (5, 2), (2, 1, 3, 3)
CASES = {
    "pre_norm_stream": (stream, VECTORS, 2 + 1),  # a column and a bias of the stem; the other writer is constant
    "post_norm_stream": (lambda: stream(norm_first=False), VECTORS, (3 + 1) + 1),
    "a_stream_that_is_read": (lambda: stream(read=True), VECTORS, 0),
    "written_layer_norm": (
        lambda: Net(lambda x, a, b: b(written_norm(a(x))), a=linear(2, 3), b=linear(3, 1)),
        VECTORS,
        3 + 1,
    ),
    "rms_norm": (
        lambda: Net(lambda x, a, n, b: b(n(a(x))), a=linear(2, 3), n=nn.RMSNorm(3), b=linear(3, 1)),
        VECTORS,
        0,
    ),
    "keys": (attention, TOKENS, 2),
    "turned_keys": (lambda: attention(keys=turned), TOKENS, 0),
    "keys_through_tanh": (lambda: attention(keys=torch.tanh), TOKENS, 0),
    "normalised_keys": (lambda: attention(keys=lambda k: F.normalize(k, dim=-1)), TOKENS, 0),
    "masked_scores": (lambda: attention(masked(float("-inf"))), TOKENS, 2),
    "masked_by_the_least_number": (lambda: attention(masked(torch.finfo(torch.float).min)), TOKENS, 2),
    "masked_by_zero": (lambda: attention(masked(0.0)), TOKENS, 0),
    "mask_that_is_added": (lambda: attention(added), TOKENS, 2),
    "mask_that_chooses": (lambda: attention(chosen), TOKENS, 2),
    "scores_through_tanh": (lambda: attention(torch.tanh), TOKENS, 0),
    "packed_keys": (packed, TOKENS, 2),
    "table_of_distances": (table, TOKENS, 1),
    "table_that_is_read_twice": (lambda: table(once=False), TOKENS, 0),
    "instance_norm": (lambda: normed(nn.InstanceNorm2d(4, affine=True)), IMAGES, 4),
    "instance_norm_without_bias": (lambda: normed(nn.InstanceNorm2d(4), bias=False), IMAGES, 0),
    "group_norm": (lambda: normed(nn.GroupNorm(2, 4)), IMAGES, 2),
    "one_group": (lambda: normed(nn.GroupNorm(1, 4)), IMAGES, 1),
    "layer_norm_of_images": (lambda: normed(nn.LayerNorm((4, 2, 2))), IMAGES, 1),
    "probabilities": (
        lambda: Net(lambda x, a, b: b(torch.tanh(a(x))).softmax(-1), a=linear(2, 3), b=linear(3, 4)),
        VECTORS,
        3 + 1,
    ),
    "logits": (lambda: Net(lambda x, a, b: b(torch.tanh(a(x))), a=linear(2, 3), b=linear(3, 4)), VECTORS, 0),
    "pooled_before_the_norm": (
        lambda: Net(
            lambda x, a, n, b: b(n(F.max_pool2d(a(x), 1, 1)).square().flatten(1)),
            **{"a": nn.Conv2d(1, 2, 2), "n": nn.InstanceNorm2d(2), "b": linear(8, 1)},
        ),
        IMAGES,
        2,
    ),
    "low_rank": (
        lambda: Net(
            lambda x, a, u, v, b: b(written_norm(F.linear(x, a + u @ v))),
            **{"a": weight(3, 2), "u": weight(3, 1), "v": weight(1, 2), "b": linear(3, 1)},
        ),
        VECTORS,
        3 + 1,
    ),
    "put_beside_others": (
        lambda: Net(
            lambda x, a, b, n, c: c(n(torch.cat((a(x), torch.tanh(b(x))), -1))),
            **{"a": linear(2, 2), "b": linear(2, 2), "n": nn.LayerNorm(4), "c": linear(4, 1)},
        ),
        VECTORS,
        0,
    ),
}


def made(name: str):
    make, shape, _ = CASES[name]
    rng = torch.Generator().manual_seed(0)
    model = randomize(make().double().eval(), rng)
    return model, torch.randn(shape, generator=rng, dtype=torch.double)


@pytest.mark.parametrize("name", CASES)
def test_all_that_may_be_added_is_found_and_nothing_else(name):
    model, x = made(name)
    space = trace(model, x)
    found, expected = found_shifts(space), translations(model, space, (x,))
    assert found.shape[1] == expected.shape[1] == CASES[name][2]
    assert (found - expected @ (expected.T @ found)).abs().max() < 1e-8 if found.numel() else True


# ------------------------------------------------------------------------------------------------------------- the laws

LAWS = ["pre_norm_stream", "post_norm_stream", "packed_keys", "instance_norm", "group_norm", "probabilities"]


def drawn(space: WeightSpace, seed: int, batch: int | None = None):
    return space.random_symmetry(torch.Generator().manual_seed(seed), batch_size=batch, linear=True, shifts=True)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2]])
def test_the_function_stays(name):
    model, x = made(name)
    space = trace(model, x)
    assert verify(model, space, example_inputs=x) < 1e-9
    assert_function_preserved(model, space, example_inputs=x)
    state, moved = model.state_dict(), drawn(space, 0)(model.state_dict())
    still = space.random_symmetry(torch.Generator().manual_seed(0), permute=False, scale=False, shifts=True)(state)
    assert any(not torch.equal(still[n], state[n]) for n in state)
    before = model(x)
    model.load_state_dict(moved)
    assert (model(x) - before).abs().max() < 1e-9 * before.abs().max()


@pytest.mark.parametrize("batches", [(None, None), (4, None), (None, 4), (4, 4)])
@pytest.mark.parametrize("name", LAWS)
def test_products_and_inverses(name, batches):
    model, x = made(name)
    space = trace(model, x)
    weights = space.flatten(model.state_dict())[0]
    g, h = (drawn(space, seed, batch) for seed, batch in zip((1, 2), batches, strict=True))
    torch.testing.assert_close((g @ h).act(weights), g.act(h.act(weights)))
    for both in (g.inverse() @ g, g @ g.inverse()):
        torch.testing.assert_close(both.act(weights), weights.expand(*g.batch_shape, -1), atol=1e-9, rtol=1e-9)
    conjugate = g @ replace(space.identity(), shifts=h.shifts) @ g.inverse()
    added = conjugate.act(weights) - weights
    left = added - added @ (basis := found_shifts(space)) @ basis.T
    assert left.abs().max() < 1e-9 < added.abs().max(), "no normal subgroup"
    torch.testing.assert_close((g @ space.identity()).act(weights), g.act(weights))


@pytest.mark.parametrize("name", LAWS)
def test_canonical_forms_are_one_for_all(name):
    model, x = made(name)
    space = trace(model, x)
    weights = space.flatten(model.state_dict())[0]
    form = space.flatten(space.canonicalize(model.state_dict()))[0]
    for batch in (None, 3):
        moved = drawn(space, 5, batch).act(weights)
        again = space.flatten(space.canonicalize(space.unflatten(moved)))[0]
        torch.testing.assert_close(again, form.expand_as(again), atol=1e-8, rtol=1e-8)
    assert (form @ found_shifts(space)).abs().max() < 1e-12
    torch.testing.assert_close(space.flatten(space.canonicalize(space.unflatten(form)))[0], form, atol=1e-9, rtol=1e-9)


def test_they_are_drawn_if_asked_for():
    space = trace(*made("group_norm"))
    plain, shifted = space.random_symmetry(), space.random_symmetry(shifts=True, batch_size=2)
    assert plain.shifts == (None,)
    assert [s.shape for s in shifted.shifts] == [(2, 2)]
    assert "2 numbers added" in repr(shifted)
    assert "added" not in repr(plain)


def test_the_transform_adds_numbers_of_the_size_of_the_block():
    model, x = made("keys")
    space = trace(model, x)
    with torch.no_grad():
        model.k.bias.mul_(1e-3)
    graph = to_graph(model, space)
    draws = [RandomSymmetry(scale=False, generator=torch.Generator().manual_seed(i))(graph).weights for i in range(50)]
    number = next(i for i, b in enumerate(space.blocks) if b.tensor == "k.bias")
    spread = torch.stack([space.block_view(w, number) for w in draws]).std() / model.k.bias.square().mean().sqrt()
    assert 0.5 < spread < 2
    off = RandomSymmetry(permute=False, scale=False, shifts=False)(graph).weights
    assert torch.equal(off, graph.weights)
    torch.testing.assert_close(Canonicalize()(graph.clone()).weights, Canonicalize()(RandomSymmetry()(graph)).weights)


@pytest.mark.parametrize(("block", "runs"), [("a.bias", (3,)), ("a.weight", (1, 3)), ("a.bias", (2, 1)), (99, (1,))])
def test_shifts_that_do_not_fit_are_refused(block, runs):
    space = trace(*made("group_norm"))
    number = block if isinstance(block, int) else [b.tensor for b in space.blocks].index(block)
    with pytest.raises(SpaceError, match="shift"):
        WeightSpace.from_json(replace(space, shifts=(Shift(number, runs),)).to_json())


@pytest.mark.parametrize("runs", [(1, 1), (1, 2)])
def test_shifts_that_permutations_and_multipliers_tear_apart_are_refused(runs):
    space = trace(nn.Sequential(linear(2, 4), nn.ReLU(), linear(4, 1)))
    with pytest.raises(SpaceError, match="tear apart"):
        WeightSpace.from_json(replace(space, shifts=(Shift(0, runs),)).to_json())


@pytest.mark.parametrize("name", LAWS)
def test_spaces_with_shifts_survive_json(name):
    space = trace(*made(name))
    assert space.shifts
    assert WeightSpace.from_json(space.to_json()) == space
    assert replace(space, shifts=()) != space


def test_a_wrong_shift_is_noticed():
    model, x = made("logits")
    space = trace(model, x)
    number = [b.tensor for b in space.blocks].index("b.bias")
    wrong = replace(space, shifts=(Shift(number, (4,)),))
    assert verify(model, wrong, example_inputs=x) > 1e-3
    with pytest.raises(AssertionError, match=r"shifting 'b\.bias' alone"):
        assert_function_preserved(model, wrong, example_inputs=x)


def test_reports_say_it():
    words = str(trace(*made("keys")).report())
    assert "Anything may be added to 'k.bias'." in " ".join(words.split())
    words = " ".join(str(trace(*made("pre_norm_stream")).report()).split())
    assert "Shifts may add 3 numbers to many entries at once of 'stem.weight' and 'stem.bias'." in words


def test_a_dropout_in_place_hands_shifts_on():
    """Its argument has another name, ``self``."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(inplace=True), nn.LayerNorm(4), nn.Linear(4, 1)).eval()
    space = trace(model, torch.zeros(2, 3))
    assert [space.blocks[shift.block].tensor for shift in space.shifts] == ["0.weight", "0.bias"]
