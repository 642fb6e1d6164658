"""Multipliers that are products over the parts of a unit, and multipliers of parts whose product is 1."""

from dataclasses import replace

import pytest
import torch
from networks import SMALL, randomize
from torch import nn

import wsgraph.space.sampling
import wsgraph.space.symmetry
from wsgraph import WeightSpace, trace, verify
from wsgraph.errors import SpaceError
from wsgraph.space import ScaleSet
from wsgraph.space.check import check
from wsgraph.space.part_products import with_product


@pytest.fixture(scope="module")
def model():
    return randomize(SMALL["ProductsOfPieces"][0]().double(), torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def space(model):
    return trace(model, torch.zeros(2, 3, dtype=torch.double))


def products(space):
    return [(i, c) for i, c in enumerate(space.scales) if c.product_of is not None]


def bound(space):
    return [(i, c) for i, c in enumerate(space.scales) if c.unit_over is not None]


def assert_consistent(space, symmetry):
    for i, c in products(space):
        parts = symmetry.multipliers[c.product_of].unflatten(-1, (space.groups[c.group].size, -1))
        assert torch.allclose(symmetry.multipliers[i], parts.prod(-1), rtol=1e-12)
    for i, c in bound(space):
        parts = symmetry.multipliers[i].unflatten(-1, (space.groups[c.unit_over].size, -1))
        assert torch.allclose(parts.prod(-1), torch.ones_like(parts[..., 0]), rtol=1e-12)


def test_classes_of_a_network(space):
    free = [c for c in space.scales if c.product_of is None and c.unit_over is None]
    assert [(c.name, c.values) for c in free] == [("stem", ScaleSet.NONZERO), ("second", ScaleSet.SIGN)]
    assert [(c.name, c.values) for _, c in bound(space)] == [
        ("second.2", ScaleSet.POSITIVE),
        ("third", ScaleSet.NONZERO),
    ]
    assert [(c.name, c.values) for _, c in products(space)] == [
        ("Π stem", ScaleSet.NONZERO),
        ("Π second", ScaleSet.SIGN),
    ]
    sizes = [(space.groups[c.group].size, space.groups[c.unit_over].size) for _, c in bound(space)]
    assert sizes == [(9, 3), (6, 3)]


@pytest.mark.parametrize("batch_size", [None, 3])
def test_products_hold_in_all_elements_of_the_group(space, rng, batch_size):
    g, h = (space.random_symmetry(rng, batch_size=batch_size) for _ in range(2))
    for symmetry in (g, g @ h, g.inverse(), space.identity()):
        assert_consistent(space, symmetry)
    weights = torch.randn(space.num_weights, dtype=torch.double, generator=rng)
    assert torch.allclose((g @ h).act(weights), g.act(h.act(weights)), rtol=1e-9)
    assert torch.allclose((g.inverse() @ g).act(weights).expand(batch_size or 1, -1), weights[None], rtol=1e-9)


def test_products_follow_whatever_is_given(space, rng):
    symmetry = space.random_symmetry(rng)
    spoiled = replace(
        symmetry, multipliers=tuple(m + (i in dict(products(space))) for i, m in enumerate(symmetry.multipliers))
    )
    for ours, theirs in zip(symmetry.multipliers, spoiled.multipliers, strict=True):
        assert torch.equal(ours, theirs)


def test_signs_of_product_one_are_all_drawn(space, rng):
    number, scale_class = bound(space)[1]
    drawn = space.random_symmetry(rng, batch_size=2000).multipliers[number].sign()
    assert len(drawn.unique(dim=0)) == 2 ** (6 - 3)
    assert scale_class.values is ScaleSet.NONZERO


def test_multipliers_without_their_products_change_the_function(model, space, monkeypatch):
    assert verify(model, space, example_inputs=torch.randn(2, 3)) < 1e-9
    with monkeypatch.context() as patch:
        patch.setattr(wsgraph.space.symmetry, "with_products", lambda space, multipliers: tuple(multipliers))
        assert verify(model, space, example_inputs=torch.randn(2, 3)) > 1e-3
    with monkeypatch.context() as patch:
        patch.setattr(wsgraph.space.sampling, "with_product", lambda values, *_: values)
        assert verify(model, space, example_inputs=torch.randn(2, 3)) > 1e-3


def test_descriptions(space):
    again = WeightSpace.from_json(space.to_json())
    assert again == space
    assert again.scales == space.scales


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        (products, {"product_of": 99}, "class of the parts"),
        (products, {"group": 0}, "no parts of its own"),
        (products, {"values": ScaleSet.ONE}, "no product of free multipliers"),
        (bound, {"unit_over": 99}, "group of larger units"),
        (bound, {"unit_over": 0}, "no parts"),
        (bound, {"product_of": 0}, "no parts"),
    ],
)
def test_what_does_not_fit_is_refused(space, kind, changes, words):
    number, scale_class = kind(space)[0]
    scales = list(space.scales)
    scales[number] = replace(scale_class, **changes)
    with pytest.raises(SpaceError, match=words):
        check(replace(space, scales=tuple(scales)))


def test_the_report_says_what_products_are(space):
    text = str(space.report())
    assert "products over the parts" in text
    assert "positive multipliers of product 1" in text
    assert "nonzero numbers (2 classes)" in text


def test_a_given_product():
    values = torch.tensor([2.0, 3.0, -1.0, 5.0, 1.0, 1.0]).double()
    told = torch.tensor([True, True, True, True, False, False])
    weight = torch.tensor([3.0, 1.0, 2.0, 1.0, 9.0, 9.0]).double()
    found = with_product(values, told, weight, torch.tensor([1.0, -20.0]).double())
    assert torch.allclose(found[:3].prod(), torch.ones(()).double())
    assert found.sign().tolist() == [1, -1, -1, 1, -1, 1]  # of the least weight, and of what is not known
    assert torch.allclose(found[3:], torch.tensor([5.0, -2.0, 2.0]).double())
    assert torch.allclose(found[:3].abs() / values[:3].abs(), torch.full((3,), 6 ** (-1 / 3)).double())


class Repeated(nn.Module):
    """The product over five tokens of products of three pieces."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Linear(3, 12), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.stem(x).unflatten(-1, (4, 3)).prod(-1).prod(1))


def test_products_over_positions_are_powers():
    x = torch.randn(2, 5, 3)
    space = trace(Repeated(), x)
    powers = {f.power for layer in space.layers for f in layer.scale}
    assert powers == {1, 5}
    assert verify(Repeated(), space, example_inputs=x) < 1e-8
