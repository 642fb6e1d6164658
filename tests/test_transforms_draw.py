"""The random maps that InputAffine and OutputAffine draw."""

import math

import pytest
import torch
from transformed import seeded

from wsgraph import SpaceError
from wsgraph.transforms import InputAffine, OutputAffine


def test_draw_rotates_within_its_range():
    matrix, vector = InputAffine(rotation=30, generator=seeded()).draw(500, 2)
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0]).rad2deg()
    assert 29 < float(angle.abs().max()) <= 30
    assert float(angle.min()) < -25
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(2, dtype=torch.double).expand(500, 2, 2))
    assert matrix.dtype is vector.dtype is torch.float64
    assert bool((vector == 0).all())


def test_draw_rotates_in_every_plane():
    matrix, _ = InputAffine(rotation=90, generator=seeded()).draw(50, 3)
    torch.testing.assert_close(matrix @ matrix.mT, torch.eye(3, dtype=torch.double).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(50, dtype=torch.double))
    assert float(matrix.abs().mean(0).min()) > 0.1  # no coordinate keeps to itself


def test_draw_scales_within_its_range():
    matrix, _ = InputAffine(scale=(0.5, 4.0), generator=seeded()).draw(2000, 2)
    factors = matrix[:, 0, 0]
    assert torch.equal(matrix, factors[:, None, None] * torch.eye(2, dtype=torch.double))
    assert 0.5 <= float(factors.min()) < 0.52
    assert 3.9 < float(factors.max()) <= 4.0 + 1e-12
    assert abs(float(factors.log().mean()) - math.log(2) / 2) < 0.05  # uniform in the logarithm


def test_draw_shears_above_the_diagonal():
    matrix, _ = InputAffine(shear=0.3, generator=seeded()).draw(500, 3)
    assert torch.equal(matrix.tril(), torch.eye(3, dtype=torch.double).expand(500, 3, 3))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert 0.28 < float(matrix[:, i, j].abs().max()) <= 0.3


def test_draw_shifts_within_its_range():
    matrix, vector = InputAffine(shift=0.2, generator=seeded()).draw(500, 3)
    assert torch.equal(matrix, torch.eye(3, dtype=torch.double).expand(500, 3, 3))
    assert bool((vector.abs().amax(0) > 0.18).all())
    assert float(vector.abs().max()) <= 0.2


def test_draw_flips_half_of_the_coordinates():
    matrix, _ = InputAffine(flip=True, generator=seeded()).draw(1000, 2)
    signs = matrix.diagonal(dim1=1, dim2=2)
    assert torch.equal(matrix, torch.diag_embed(signs))
    assert torch.equal(signs.abs(), torch.ones_like(signs))
    assert bool(((signs < 0).double().mean(0) - 0.5).abs().max() < 0.06)
    assert len({tuple(row) for row in signs.tolist()}) == 4


def test_draw_permutes():
    matrix, vector = OutputAffine(permute=True, generator=seeded()).draw(600, 3)
    eye = torch.eye(3, dtype=torch.double)
    assert torch.equal(matrix.mT @ matrix, eye.expand(600, 3, 3))
    assert bool(((matrix == 0) | (matrix == 1)).all())
    assert bool((vector == 0).all())
    counts = torch.unique(matrix.reshape(600, -1), dim=0, return_counts=True)[1]
    assert len(counts) == 6
    assert int(counts.min()) > 70


def test_draw_keeps_the_center_in_place():
    matrix, vector = OutputAffine(rotation=90, scale=(0.5, 2), shear=0.3, center=0.7, generator=seeded()).draw(50, 3)
    center = torch.full((3,), 0.7, dtype=torch.double)
    torch.testing.assert_close(matrix @ center + vector, center.expand(50, 3))
    shifted = OutputAffine(scale=(0.5, 2), shift=0.2, center=0.7, generator=seeded()).draw(50, 3)
    moved = (shifted[0] @ center + shifted[1] - center).abs()
    assert 0.15 < float(moved.max()) <= 0.2


def test_draw_of_permutations_needs_no_shift_at_any_center():
    _, vector = InputAffine(permute=True, center=0.3, generator=seeded()).draw(20, 4)
    assert bool((vector == 0).all())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scale": (0.0, 1.0)}, r"scale must be a range \(low, high\) of positive numbers, got \(0.0, 1.0\)"),
        ({"scale": (2.0, 1.0)}, r"scale must be a range .*, got \(2.0, 1.0\)"),
        ({"scale": (-2.0, -1.0)}, r"scale must be a range .*, got \(-2.0, -1.0\)"),
        ({"scale": (math.nan, 1.0)}, r"scale must be a range .*, got \(nan, 1.0\)"),
        ({"scale": 0.9}, r"scale must be a range .*, got 0.9\."),
        ({"scale": (1.0, math.inf)}, r"scale must be a range .*, got \(1.0, inf\)"),
        ({"rotation": -1.0}, r"rotation is the half-width of a range and must be finite and not negative, got -1.0\."),
        ({"shear": -0.1}, "shear is the half-width of a range and must be finite and not negative, got -0.1"),
        ({"shift": -0.1}, "shift is the half-width of a range and must be finite and not negative, got -0.1"),
        ({"shift": math.nan}, "shift is the half-width .* got nan"),
        ({"shift": math.inf}, "shift is the half-width .* got inf"),
        ({"center": math.inf}, r"center must be a finite number, got inf\."),
    ],
)
@pytest.mark.parametrize("transform", [InputAffine, OutputAffine])
def test_ranges_that_are_none_are_refused(transform, arguments, words):
    with pytest.raises(SpaceError, match=words):
        transform(**arguments)
