"""Units at crossings of two larger units: heads of queries that share a key, gains that all heads share."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from networks import randomize
from networks_nested import Gains, SharedKeys
from torch import nn

from wsgraph import SpaceError, WeightSpace, trace

SIZE = 3


class OneCall(SharedKeys):
    """The same as one operator."""

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (-1, SIZE)).transpose(-3, -2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True, scale=1.0)
        return self.out(y.transpose(-3, -2).flatten(-2))


class Expanded(SharedKeys):
    """The same with keys that are expanded."""

    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (-1, SIZE)).transpose(-3, -2) for f in (self.q, self.k, self.v))
        times = self.heads // self.keys
        k, v = (y[:, :, None].expand(-1, -1, times, -1, -1).flatten(1, 2) for y in (k, v))
        return self.out(((q @ k.mT).softmax(-1) @ v).transpose(-3, -2).flatten(-2))


CASES = {
    "one_key": (lambda: SharedKeys(3, 1), 3, 1),
    "two_keys": (lambda: SharedKeys(4, 2), 4, 2),
    "one_call": (lambda: OneCall(4, 2), 4, 2),
    "one_call_one_key": (lambda: OneCall(4, 1), 4, 1),
    "expanded": (lambda: Expanded(4, 2), 4, 2),
    "expanded_one_key": (lambda: Expanded(2, 1), 2, 1),
    "norms": (lambda: SharedKeys(4, 2, nn.RMSNorm), 4, 2),
    "layer_norms": (lambda: SharedKeys(4, 2, nn.LayerNorm), 4, 2),
    "written_norms": (lambda: SharedKeys(4, 2, Gains), 4, 2),
    "norms_of_own_keys": (lambda: SharedKeys(3, 3, nn.RMSNorm), 3, 3),
}


@pytest.fixture
def found(request, case):
    """Marks the case in which heads are not seen to swap: a gain that is multiplied on, without a norm's own rule."""
    if request.node.callspec.params["case"] == "written_norms":
        request.applymarker(pytest.mark.xfail(strict=True, reason="no side of the crossing is known to be shared"))


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A network, its space, an input, and the number of heads and of keys."""
    make, heads, keys = CASES[request.param]
    rng = torch.Generator().manual_seed(0)
    model = randomize(make().double(), rng).eval()
    x = torch.randn(2, 5, 6, generator=rng, dtype=torch.double)
    return model, trace(model, x), x, heads, keys


def error(a, b):
    return max(float((a[n] - b[n]).abs().max() / b[n].abs().max().clamp_min(1)) for n in a)


@pytest.mark.usefixtures("found")
def test_all_permutations_are_found(case):
    model, space, _, heads, keys = case
    count = 1
    for number, group in enumerate(space.groups):
        if not group.fixed:
            pieces = space.num_pieces(number)
            count *= math.factorial(group.size // pieces) ** pieces
    wreath = math.factorial(heads // keys) ** keys * math.factorial(keys)
    of_queries = math.factorial(SIZE) ** (1 if "q_norm.weight" in model.state_dict() else keys)
    of_values = math.factorial(SIZE) ** keys
    assert count == wreath * of_queries * of_values


def test_the_function_stays(case, rng):
    model, space, x, *_ = case
    before, state = model(x), model.state_dict()
    for linear in (False, True):
        moved = space.random_symmetry(rng, max_scale=3.0, linear=linear)(state)
        after = torch.func.functional_call(model, moved, (x,))
        assert error(moved, state) > 1e-2
        assert (after - before).abs().max() < 1e-11 * before.abs().max()


@pytest.mark.usefixtures("found")
def test_heads_of_one_key_change_places(case, rng):
    model, space, _, heads, keys = case
    if heads == keys:
        return
    moved = space.random_symmetry(rng, scale=False, batch_size=100)(model.state_dict())
    keys_stay = (moved["k.weight"] == model.state_dict()["k.weight"]).flatten(1).all(1)
    queries_stay = (moved["q.weight"] == model.state_dict()["q.weight"]).flatten(1).all(1)
    assert (keys_stay & ~queries_stay).any()


def test_symmetries_are_a_group(case, rng):
    model, space, *_ = case
    state = model.state_dict()
    g, h = (space.random_symmetry(rng, max_scale=3.0, linear=linear) for linear in (True, False))
    for first, second in ((g, h), (h, g)):
        assert error((second @ first)(state), second(first(state))) < 1e-12
    for one in (g, h):
        assert error((one.inverse() @ one)(state), state) < 1e-12
        assert error((one @ one.inverse())(state), state) < 1e-12
    assert error(space.identity()(state), state) == 0


def test_canonical_forms_are_the_same_on_an_orbit(case, rng):
    model, space, x, *_ = case
    form = space.canonicalize(model.state_dict())
    assert error(space.canonicalize(form), form) < 1e-9
    for linear in (False, True):
        moved = space.random_symmetry(rng, max_scale=3.0, linear=linear)(model.state_dict())
        assert error(space.canonicalize(moved), form) < 1e-9
    before = model(x)
    assert (torch.func.functional_call(model, form, (x,)) - before).abs().max() < 1e-11 * before.abs().max()


@pytest.mark.usefixtures("found")
def test_descriptions_and_reports_tell_of_crossings(case):
    _, space, *_ = case
    assert WeightSpace.from_json(space.to_json()) == space
    assert "swap as wholes" in str(space.report())


def test_broken_crossings_are_refused():
    tree = json.loads(trace(SharedKeys(4, 2), torch.zeros(2, 5, 6)).to_json())
    (queries,) = (i for i, group in enumerate(tree["groups"]) if group["name"] == "q")
    for change in (
        {"parent": None},
        {"across": queries},
        {"fixed": False},
        {"across": tree["groups"][queries]["parent"]},
    ):
        broken = json.loads(json.dumps(tree))
        broken["groups"][queries].update(change)
        with pytest.raises(SpaceError):
            WeightSpace.from_json(json.dumps(broken))


def test_copies_that_differ_do_not_change_places(rng):
    class Positions(nn.Module):
        """Heads that see the same key at places of their own."""

        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = nn.Linear(6, 6), nn.Linear(6, SIZE), nn.Linear(6, SIZE)
            self.out = nn.Linear(6, 2)

        def forward(self, x):
            q = self.q(x).unflatten(-1, (2, SIZE)).transpose(1, 2)
            k, v = (torch.stack((y, y.roll(1, 1)), 1) for y in (self.k(x), self.v(x).cos()))
            return self.out(((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2).cumsum(1))

    model = randomize(Positions().double(), rng).eval()
    x = torch.randn(2, 5, 6, generator=rng, dtype=torch.double)
    space, before = trace(model, x), model(x)
    for _ in range(10):
        after = torch.func.functional_call(model, space.random_symmetry(rng)(model.state_dict()), (x,))
        assert (after - before).abs().max() < 1e-11 * before.abs().max()
