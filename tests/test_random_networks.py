"""Random architectures: whatever is composed, the trace is sound and loses nothing."""

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from random_networks import HEADS, STARTS, Recipe, build, depends_on_its_weights, plain_steps, recipes
from recipes import step

from wsgraph import WeightSpace, to_graph, to_state_dict, trace, verify

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

VERIFY = {"max_scale": 4.0, "num_samples": 2}
"""How ``verify`` draws symmetries."""


PINNED = {
    "special_attention": ("bilinear_score", "output_for_each_head"),
    "bilinear": ("outer_product", "einsum_of_three", "quadratic_form"),
    "linear_by_hand": ("tensordot",),
    "parametrised": ("orthogonal",),
    "made_weights": ("low_rank", "low_rank_added", "masked", "viewed", "cut_from_one_vector", "by_a_network"),
    "shared_weights": ("gram",),
    "nested": ("for_each_sample",),
    "units": (
        "windows",
        "assigned",
        "slice_assigned",
        "slice_replaced",
        "one_unit_replaced",
        "half_activated_in_place",
        "scattered",
        "gathered",
        "in_order_of_size",
        "diagonal_matrix",
        "sorted",
        "top",
    ),
    "reduced": ("log_sum_exp", "median", "product", "running_sum", "running_maximum", "fourier"),
    "over_positions": ("fourier",),
    "reshaped": ("pairs_averaged",),
    "pool": ("unpooled",),
    "changed_attention": ("one_token_first",),
    "rearranged": ("unfold",),
}
"""Forms of steps that may pin units, by kind."""
ORDINARY = (
    *("linear", "activation", "residual", "concatenated", "split", "norm", "multiplied", "gate", "two_branches"),
    *("attention", "recurrent", "convolution", "pool", "to_tokens", "to_vector"),
)
"""Kinds of steps that pin nothing, however they are composed."""
SOME = (step("activation"), step("linear"), step("activation", function="tanh"))


ONCE_UNSOUND = (
    Recipe("vector", (step("from_vector", form="units"), step("bilinear")), "sum_of_units", 3),
    Recipe("vector", (step("from_vector"), step("norm", form="instance", affine=False)), "sum_of_units", 6, seed=3),
    Recipe("tokens", (step("across_tokens"), step("bilinear", form="of_two_branches")), "sum_of_units", 6, seed=8),
    Recipe(
        "tokens",
        (step("to_vector", form="mean_and_maximum"), *SOME[::2], step("units", form="overlapping")),
        "linear",
        3,
    ),
    Recipe(
        "tokens",
        (
            step(
                "changed_attention",
                queries="one_token_first",
                keys="constant_of_units",
                values="gain_of_both",
                results="one_token_first",
                scores="relu",
                fused=True,
            ),
        ),
        seed=1,
    ),
)
"""What once had too many symmetries."""


def check(model, x):
    """All laws that a traced network must keep; returns its weight space."""
    space = trace(model, x)
    assert verify(model, space, example_inputs=x, **VERIFY) <= 1e-8
    assert WeightSpace.from_json(space.to_json()) == space
    state = model.state_dict()
    back = to_state_dict(to_graph(model, space))
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) for name in state)
    return space


@pytest.mark.parametrize(("place", "one"), plain_steps(), ids=repr)
def test_every_step_keeps_all_laws_and_pins_nothing_else_than_told(place, one):
    model, x = build(Recipe(place, (SOME[0], one, *SOME[1:])))
    assert depends_on_its_weights(model, x, torch.Generator().manual_seed(0)), "this proves nothing"
    space = check(model, x)
    if not one.name.startswith("changed"):  # whose changes pin in some places
        allowed = set(dict(one.options).values()) & set(PINNED.get(one.name, ()))
        assert allowed or not space.pins, space.pins


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("head", HEADS)
def test_every_start_and_head_keeps_all_laws(start, head):
    model, x = build(Recipe(start, SOME, head))
    assert depends_on_its_weights(model, x, torch.Generator().manual_seed(0)), "this proves nothing"
    check(model, x)


@pytest.mark.parametrize("recipe", ONCE_UNSOUND, ids=range(len(ONCE_UNSOUND)))
def test_what_once_had_too_many_symmetries(recipe):
    model, x = build(recipe)
    assert depends_on_its_weights(model, x, torch.Generator().manual_seed(0)), "this proves nothing"
    check(model, x)


@pytest.mark.parametrize("start", STARTS)
def test_any_composition_keeps_all_laws(start):
    @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(recipe=recipes(start))
    def law(recipe):
        model, x = build(recipe)
        assume(depends_on_its_weights(model, x, torch.Generator().manual_seed(0)))
        check(model, x)

    law()


@pytest.mark.parametrize("start", STARTS)
def test_compositions_of_ordinary_steps_pin_nothing(start):
    @settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(recipe=recipes(start, ORDINARY))
    def law(recipe):
        assume("local_response" not in repr(recipe) and recipe.head != "prototypes")
        model, x = build(recipe)
        assert trace(model, x).pins == ()

    law()


@pytest.mark.parametrize("start", STARTS)
def test_recipes_print_as_what_makes_them(start):
    @settings(max_examples=50, deadline=None, derandomize=True)
    @given(recipe=recipes(start))
    def law(recipe):
        assert eval(repr(recipe), {"Recipe": Recipe, "step": step}) == recipe

    law()
