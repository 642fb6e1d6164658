"""Forests of larger units: found where units lie in one another, and refused where they do not."""

import numpy as np
from hypothesis import given, settings, strategies as st

from wsgraph.trace.legs import Legs
from wsgraph.trace.nesting import nesting
from wsgraph.trace.tracer import make_label


def forest(count, pairs):
    """The forest of so many slots and pairs (part, larger unit)."""
    legs = Legs()
    ids = legs.new(count)
    for part, whole in pairs:
        legs.nest(make_label(ids[[part]], -1), parent=make_label(ids[[whole]], -1))
    return nesting(legs.records, np.arange(count))


@st.composite
def any_pairs(draw):
    count = draw(st.integers(2, 8))
    slot = st.integers(0, count - 1)
    return count, draw(st.lists(st.tuples(slot, slot), max_size=12))


@st.composite
def trees(draw):
    """The parent of every slot, at least two parts in every larger unit."""
    parents, leaves = [-1], [0]
    for _ in range(draw(st.integers(1, 4))):
        above = leaves.pop(draw(st.integers(0, len(leaves) - 1)))
        for _ in range(draw(st.integers(2, 3))):
            leaves.append(len(parents))
            parents.append(above)
    return parents


@settings(max_examples=300, deadline=None, derandomize=True)
@given(any_pairs())
def test_whatever_is_said_becomes_a_forest(given_pairs):
    tree = forest(*given_pairs)
    for slot, parent in enumerate(tree.parent):
        assert tree.depth[slot] == (tree.depth[parent] + 1 if parent >= 0 else 0)
    assert not tree.crossing[tree.parent[tree.parent >= 0]].any()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(trees(), st.randoms(use_true_random=False))
def test_parents_are_the_smallest_larger_units(parents, random):
    pairs = []
    for slot in range(len(parents)):
        above = parents[slot]
        while above >= 0:
            pairs.append((slot, above))
            above = parents[above]
    random.shuffle(pairs)
    tree = forest(len(parents), pairs)
    assert not tree.crossing.any()
    for slot, parent in enumerate(parents):
        assert tree.parent[tree.slot[slot]] == (-1 if parent < 0 else tree.slot[parent])


def test_larger_units_that_cross_stay():
    pairs = [(row * 3 + column, whole) for row in range(2) for column in range(3) for whole in (6 + row, 8 + column)]
    tree = forest(11, pairs)  # rows of three, columns of two
    assert tree.crossing[tree.slot].tolist() == [False] * 6 + [True] * 5


def test_a_part_of_itself_stays():
    tree = forest(4, [(3, 3), (0, 1), (2, 3), (0, 3), (1, 0)])
    assert tree.crossing[tree.slot].tolist() == [True, True, False, False]
    assert tree.parent[tree.slot[2]] == tree.slot[3]
