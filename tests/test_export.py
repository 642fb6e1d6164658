"""What the front end makes of odd modules: one flat graph that computes the same, and a module left as it was."""

import copy
import operator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from networks import mlp
from torch import fx, nn
from torch.export.graph_signature import InputKind, OutputKind

from wsgraph import TraceError, trace
from wsgraph.trace.export import evaluating, export
from wsgraph.trace.inline import inline, prune
from wsgraph.trace.nested import map_tensors, tensors_of


def run(program, model, tensors):
    """The tensors that a program computes from a model's numbers and the tensors in its inputs."""
    state = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    inputs = iter(tensors)
    values = []
    for spec in program.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            values.append(next(inputs))
        else:
            values.append(state[spec.target] if spec.target in state else program.constants[spec.target])
    assert next(inputs, None) is None
    with torch.no_grad():
        results = fx.Interpreter(program.graph_module).run(*copy.deepcopy(values))
    kinds = [spec.kind for spec in program.graph_signature.output_specs]
    return [result for result, kind in zip(results, kinds, strict=True) if kind == OutputKind.USER_OUTPUT]


def assert_same(model, *args, tolerance=0.0, **kwargs):
    """The program computes what the model does; returns the program."""
    program = export(model, args, kwargs)
    unique = {id(t): t for t in tensors_of((args, kwargs))}
    with evaluating(copy.deepcopy(model)), torch.no_grad():
        expected = tensors_of(copy.deepcopy(model).eval()(*copy.deepcopy(args), **copy.deepcopy(kwargs)))
    found = run(program, model, unique.values())
    assert len(found) == len(expected) > 0
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a.double() - b.double()).abs().max() <= tolerance * b.double().abs().max()
    return program


def operators(program):
    return [str(n.target) for n in program.graph.nodes if n.op == "call_function"]


def paths(program, name):
    """Paths of the modules in which an operator is called."""
    nodes = [n for n in program.graph.nodes if name in str(n.target)]
    return [list(n.meta["nn_module_stack"].values())[-1][0] for n in nodes]


class Net(nn.Module):
    """Two linear maps and something between them."""

    def __init__(self, function=None):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)
        self.register_buffer("step", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(8))
        self.function = function

    def forward(self, x, *others, **options):
        return self.function(self, x, *others, **options)


X = torch.linspace(-1, 1, 8).reshape(2, 4)


# ------------------------------------------------------------------------------------------------------------ regions


def gradient(mode):
    def forward(net, x):
        with mode():
            hidden = net.first(x)
            with torch.enable_grad():
                hidden = hidden.relu()
        return net.second(hidden)

    return forward


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_regions_of_gradient_modes_are_put_in_their_place(mode):
    program = assert_same(Net(gradient(mode)), X)
    assert [o for o in operators(program) if "detach" not in o] == [
        "aten.linear.default",
        "aten.relu.default",
        "aten.linear.default",
    ]
    assert paths(program, "linear") == ["first", "second"]
    assert all("val" in node.meta for node in program.graph.nodes if node.op != "output")


def test_regions_of_precision_are_put_in_their_place():
    def forward(net, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.no_grad():
                hidden = net.first(x)
            with torch.autocast("cpu", enabled=False):
                hidden = hidden.float().relu()
            return net.second(hidden), hidden

    program = assert_same(Net(forward), X, tolerance=0.02)
    assert not any("wrap" in o for o in operators(program))
    assert paths(program, "linear") == ["first", "second"]


def test_regions_with_calls_in_place_are_put_in_their_place():
    def forward(net, x):
        with torch.enable_grad():
            hidden = net.first(x)
            hidden[:, :3].mul_(2)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = net.second(hidden)
            result.view(-1)[0].add_(1)
        return result.float()

    program = assert_same(Net(forward), X, tolerance=0.02)
    assert not any("wrap" in o or o.split(".")[1].endswith("_") for o in operators(program))


@pytest.mark.parametrize("name", ["wrap", "invoke_subgraph", "hints_wrapper", "strict_mode"])
def test_every_way_to_call_a_region(name):
    inner = fx.Graph()
    a, b = inner.placeholder("a"), inner.placeholder("b")
    inner.output((inner.call_function(torch.sub, (a, b)), b))
    graph = fx.Graph()
    x, y = graph.placeholder("x"), graph.placeholder("y")
    results = []
    for first, second in ((x, y), (y, x)):
        region = graph.get_attr("region")
        operands = {
            "invoke_subgraph": (region, "name", first, second),
            "hints_wrapper": (region, (first, second), {}, {"hint": 1}),
        }
        call = graph.call_function(getattr(torch.ops.higher_order, name), operands.get(name, (region, first, second)))
        results.append(graph.call_function(operator.getitem, (call, 0)))
    graph.output((*results, call))
    module = fx.GraphModule({"region": fx.GraphModule({}, inner)}, graph)
    inline(module)
    prune(module)
    assert [n.target for n in module.graph.nodes if n.op not in ("placeholder", "output")] == [torch.sub, torch.sub]
    assert module(5, 3) == (2, -2, (-2, 5))


def test_branches_stay():
    def forward(net, x):
        with torch.enable_grad():
            hidden = torch.cond(x.sum() > 0, lambda h: net.first(h).relu(), lambda h: net.first(h).tanh(), (x,))
        return net.second(hidden)

    program = assert_same(Net(forward), X)
    assert [o for o in operators(program) if "cond" in o]
    trace(Net(forward), X)


def test_checks_and_unused_values_are_gone():
    def forward(net, x):
        torch._assert_async(torch.isfinite(x).all())
        torch._check(x.shape[0] > 1)
        net.second(net.first(x))
        return net.first(x)

    assert operators(assert_same(Net(forward), X)) == ["aten.linear.default"]


# ------------------------------------------------------------------------------------------------- inputs and outputs


@dataclass
class Pair:
    left: torch.Tensor
    right: object = None
    name: str = "pair"


class Named(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


def nested(net, batch, scale=2.0, *, mode="x", **more):
    hidden = net.first(batch["x"]) * scale + more["extra"][0].left.sum()
    return Pair(net.second(hidden), {"hidden": hidden, "more": (Named(hidden, hidden), mode, None)})


def test_dictionaries_and_dataclasses_in_and_out():
    more = [Pair(torch.ones(2), {"unused": torch.zeros(1)})]
    program = assert_same(Net(nested), {"x": X, "name": "digits"}, 3.0, mode="y", extra=more)
    names = [s.arg.name for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    assert names == ["x_x", "extra_0_left", "extra_0_right_unused"]


def test_inputs_that_are_one_tensor_are_one_input():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(2, 5, 8)
    program = assert_same(attention, x, x, x, tolerance=1e-6)
    inputs = [s for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    assert [s.arg.name for s in inputs] == ["query"]
    assert len(operators(assert_same(attention, x, x + 1, x + 2, tolerance=1e-6))) > len(operators(program))


def test_objects_that_hold_tensors():
    def forward(net, x):
        return torch.distributions.Normal(net.first(x), 1.0), SimpleNamespace(logits=[net.second(net.first(x))])

    assert len(tensors_of(Net(forward)(X))) >= 3
    assert_same(Net(forward), X)


def test_tensors_are_replaced_wherever_they_are():
    value = {"a": [X, (X, "text")], "b": Pair(X, Named(X, X)), "c": {1, 2}, "d": None}
    new = map_tensors(lambda tensor, name: tensor + 1, value)
    assert [bool((t == X + 1).all()) for t in tensors_of(new)] == [True] * 5
    assert all(t is X for t in tensors_of(value))
    assert type(new["b"]) is Pair
    assert type(new["b"].right) is Named
    assert new["b"].name == "pair"
    assert new["c"] is value["c"]
    value["self"] = value
    assert len(tensors_of(value)) == 5


def test_complaints_about_arguments_name_them():
    with pytest.raises(TraceError, match=r"Linear cannot be exported: missing a required argument: 'input'.*pass them"):
        export(nn.Linear(3, 2), (), {})
    with pytest.raises(TraceError, match="unexpected keyword argument 'y'"):
        export(nn.Linear(3, 2), (X,), {"y": X})
    with pytest.raises(TraceError, match="Net returns no tensors"):
        export(Net(lambda net, x: [None, "text"]), (X,), {})


# -------------------------------------------------------------------------------------------------------- the module


def snapshot(model):
    return [(m, m.training, dict(vars(m))) for m in model.modules()], {
        k: (v, v.clone()) for k, v in model.state_dict(keep_vars=True).items()
    }


def assert_unchanged(model, before):
    modules, state = before
    for module, training, attributes in modules:
        assert module.training == training
        assert vars(module) == attributes
    for name, tensor in model.state_dict(keep_vars=True).items():
        assert tensor is state[name][0]
        assert torch.equal(tensor, state[name][1])


def fails(net, x):
    net.seen = net.first(x)
    if net.seen.sum().item() > 3:
        x = x * 2
    return net.second(net.first(x))


def remembers(net, x):
    net.seen = net.first(x)
    net.cache.setdefault("seen", []).append(net.seen)
    net.step = net.step + 1
    net.mean.mul_(0.9).add_(net.seen.mean(0))
    net.first.last = net.seen
    return net.second(net.seen.relu() - net.mean) / net.step


def test_a_module_is_left_as_it_was():
    model = Net(remembers)
    model.cache = {"old": [1]}
    model.first.eval()
    before = snapshot(model)
    program = assert_same(model, X, tolerance=1e-6)
    assert_unchanged(model, before)
    assert model.cache == {"old": [1]}
    assert not any(o.split(".")[1].endswith("_") for o in operators(program) if "copy_" not in o)


def test_a_module_is_left_as_it_was_by_failures(capfd):
    model = Net(fails)
    model.first.eval()
    before = snapshot(model)
    with pytest.raises(TraceError, match=r"Net cannot be exported at .*test_export.py:\d+, in \"if net.seen.sum"):
        export(model, (X,), {})
    assert_unchanged(model, before)
    assert capfd.readouterr() == ("", "")


def test_caches_are_off_for_the_time_of_a_trace():
    config, quiet = SimpleNamespace(use_cache=True), SimpleNamespace(use_cache=False)

    def forward(net, x):
        hidden = net.first(x)
        return (net.second(hidden), hidden) if net.config.use_cache else net.second(hidden)

    model = Net(forward)
    model.config, model.first.config = config, quiet
    assert len(model(X)) == 2
    assert len(export(model, (X,), {}).graph_signature.output_specs) == 1
    with pytest.raises(TraceError):
        export(model, (X[:, :3],), {})
    assert (config.use_cache, quiet.use_cache) == (True, False)


def test_hooks_run_once():
    model, calls = mlp(nn.ReLU(), (4, 8, 3)), []
    model.register_forward_pre_hook(lambda module, args: calls.append("before"))
    model.register_forward_hook(lambda module, args, output: calls.append("after") or output * 2)
    program = export(model, (X,), {})
    assert calls == ["before", "after"]
    assert "aten.mul.Tensor" in operators(program)


def test_compiled_modules_run_as_they_are_written():
    model = Net(lambda net, x: net.second(net.inner(x).relu()))
    model.inner = torch.compile(nn.Linear(4, 8))
    assert operators(assert_same(model, X)) == ["aten.linear.default", "aten.relu.default", "aten.linear.default"]


# --------------------------------------------------------------------------------------------- devices and precisions


def test_modules_without_numbers_have_the_space_of_those_with_them():
    def network():
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    with torch.device("meta"):
        empty = network()
    assert trace(empty, X.to("meta")) == trace(network(), X)
    assert trace(empty) == trace(network())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_has_the_same_space(dtype):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 3))
    expected = trace(model, torch.zeros(2, 3, 8, 8))
    assert trace(model.to(dtype), torch.zeros(2, 3, 8, 8, dtype=dtype)) == expected
    assert trace(model) == expected


def test_results_without_tensors_have_a_getitem_of_the_program():
    def forward(net, x):
        first, second = net.first(x).chunk(2, 1)
        return net.second(torch.cat([second, first], 1))

    program = assert_same(Net(forward), X)
    assert operator.getitem in [n.target for n in program.graph.nodes]
