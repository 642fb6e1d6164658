"""ScaleGMN gives the same numbers with torch-scatter and without it."""

import pytest
import torch
import torch_geometric.typing
from networks import SMALL, mlp, siren
from torch import nn
from torch_geometric.data import Batch

from wsgraph import trace
from wsgraph.nn import Freedom, ScaleEquivariantConv, ScaleGMN
from wsgraph.testing import random_graphs

torch_scatter = pytest.importorskip("torch_scatter", reason="torch-scatter is not installed")


class Counted:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        return self.function(*args, **kwargs)


@pytest.fixture
def compared(monkeypatch):
    """Run something with torch-scatter, and without it; the two results, and how often each called segment_csr."""

    def compare(run):
        found = {}
        for with_scatter in (True, False):
            spy = Counted(torch_scatter.segment_csr)
            with monkeypatch.context() as patch:
                patch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", with_scatter)
                patch.setattr(torch_scatter, "segment_csr", spy)
                found[with_scatter] = run(), spy.calls
        return found[True], found[False]

    return compare


def batch_of_two_spaces() -> Batch:
    spaces = [trace(siren((2, 8, 8, 1))), trace(mlp(nn.ReLU(), (2, 5, 1)))]
    graphs = [random_graphs(space, 2, dtype=torch.double) for space in spaces]
    return Batch.from_data_list([graphs[0][0], graphs[1][0], graphs[1][1], graphs[0][1]])


@pytest.mark.parametrize("out_channels", [3, None])
@pytest.mark.parametrize("name", ["siren", "cnn", "residual_mlp", "two spaces"])
def test_scale_gmn_needs_no_torch_scatter(compared, name, out_channels):
    if name == "two spaces":
        graphs = batch_of_two_spaces()
    else:
        factory, shape = SMALL[name]
        graphs = random_graphs(trace(factory().eval(), torch.zeros(shape)), 3, dtype=torch.double)
    model = ScaleGMN(graphs.spaces[0], 8, 2, out_channels=out_channels).double()

    def run():
        matrix = graphs.weights.clone().requires_grad_()
        answer = model.sparse(_with(graphs, matrix))
        values = answer if out_channels else answer.weights
        (gradient,) = torch.autograd.grad(values.square().sum(), matrix)
        return values.detach(), gradient

    (with_scatter, calls), (without, no_calls) = compared(run)
    assert calls >= model.num_layers  # one sum of messages a layer
    assert no_calls == 0
    for got, expected in zip(without, with_scatter, strict=True):
        assert bool(expected.any())
        torch.testing.assert_close(got, expected, rtol=1e-11, atol=1e-12)


@torch.no_grad()
@pytest.mark.parametrize("is_sorted", [True, False])
def test_conv_needs_no_torch_scatter(compared, rng, is_sorted):
    conv = ScaleEquivariantConv(4).double()
    x, e = (torch.randn(n, 4, generator=rng, dtype=torch.double) for n in (6, 9))
    targets = torch.tensor([0, 0, 2, 2, 2, 3, 4, 4, 4])  # nodes 1 and 5 have no source
    edges = torch.stack([torch.randint(6, (9,), generator=rng), targets if is_sorted else targets.flip(0)])
    flags = torch.tensor([[True], [False]] * 3)

    def run():
        (state,), features = conv((x,), edges, e, Freedom(flags, ~flags))
        return state, features

    (with_scatter, calls), (without, no_calls) = compared(run)
    assert (calls, no_calls) == (1, 0)
    for got, expected in zip(without, with_scatter, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def _with(graphs, weights):
    changed = graphs.clone()
    changed.weights = weights
    return changed
