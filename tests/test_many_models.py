"""Well-known architectures: all are traced, nearly all that they store moves, and their function stays.

Those of torch alone always run. ``pytest -m models`` runs those of torchvision and transformers: hundreds of networks,
for more than half an hour.
"""

import pytest
import torch
from model_list import CLASSIFIERS, DETECTORS, NAMES, SEGMENTERS, build, import_torchvision, installed, package

from wsgraph import to_graph, to_state_dict, trace, verify

pytestmark = pytest.mark.filterwarnings("ignore")

SHARE = 0.97
"""The least share of the stored numbers that symmetries move."""
LESS = {
    "torchvision/googlenet": (0.50, "the auxiliary heads are idle in evaluation"),
    "torchvision/inception_v3": (0.87, "the auxiliary head is idle in evaluation"),
    **dict.fromkeys(
        ("transformers/wav2vec2", "transformers/hubert"),
        (0.89, "a weight-normed convolution of several groups reads and writes the residual stream"),
    ),
    "transformers/fnet": (0.90, "the residual stream is Fourier transformed along its units"),
}
"""Less than that, and why."""
HUGE = 250_000_000
"""Networks with more parameters are traced, but not run four times in double precision."""


def marks(name: str) -> list[pytest.MarkDecorator]:
    missing = pytest.mark.skipif(not installed(name), reason=f"{package(name)} is not installed")
    return [] if package(name) == "torch" else [pytest.mark.models, missing]


@pytest.fixture(scope="module", params=[pytest.param(name, marks=marks(name), id=name) for name in NAMES])
def traced(request):
    """Name, model, inputs and space of an architecture."""
    model, inputs = build(request.param)
    return request.param, model, inputs, trace(model, inputs)


def test_symmetries_leave_the_function_alone(traced):
    _, model, inputs, space = traced
    if space.num_weights > HUGE:
        pytest.skip("too large to run")
    assert verify(model, space, example_inputs=inputs, num_samples=2, max_scale=3.0) <= 1e-8


def test_the_round_trip_is_exact(traced):
    _, model, _, space = traced
    state = model.state_dict()
    back = to_state_dict(to_graph(state, space))
    assert list(back) == list(state)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_nearly_all_that_is_stored_moves(traced):
    name, _, _, space = traced
    share, bound = space.num_moved / space.num_weights, LESS.get(name, (SHARE, ""))[0]
    assert share >= bound, f"{share:.4f} of {name} moves; pinned: {space.pins}"


def test_reasons_are_those_of_models():
    assert LESS.keys() <= set(NAMES)
    assert all(bound < SHARE and reason for bound, reason in LESS.values())


@pytest.mark.models
@pytest.mark.skipif(not installed("torchvision/"), reason="torchvision is not installed")
def test_the_list_is_complete():
    """All of torchvision but quantised networks, networks of videos and optical flow."""
    models = import_torchvision()
    places = (models, models.segmentation, models.detection)
    names = {name for place in places for name in models.list_models(module=place)}
    assert names == {*CLASSIFIERS, *SEGMENTERS, *DETECTORS}
