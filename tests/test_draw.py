"""Pictures of neuron graphs."""

import itertools
import os
import re
from pathlib import Path

import matplotlib
import networks
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import nn

import wsgraph
from wsgraph.graph.drawing import draw
from wsgraph.graph.drawing.canvas import FIXED
from wsgraph.graph.drawing.unit_marks import NEGATIVE, POSITIVE
from wsgraph.graph.drawing.unit_numbers import Numbers
from wsgraph.graph.links import links
from wsgraph.graph.topology import topology

SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml"}


def graph_of(name: str) -> wsgraph.NeuronGraph:
    factory, shape = networks.SMALL[name]
    torch.manual_seed(0)
    return wsgraph.to_graph(factory(), example_inputs=torch.zeros(shape))


def svg_of(graph: wsgraph.NeuronGraph, path: Path, max_units: int = 32) -> str:
    graph.draw(path / "graph.svg", max_units)
    return (path / "graph.svg").read_text(encoding="utf-8")


def tints(svg: str) -> list[str]:
    """The colour of each layer's box."""
    found = re.findall(r'<g id="layer-(\d+)">.*?fill: (#[0-9a-f]{6})', svg, re.DOTALL)
    return [color for _, color in sorted(found, key=lambda pair: int(pair[0]))]


@pytest.mark.parametrize("ending", ["png", "svg", "SVG"])
@pytest.mark.parametrize("name", ["siren", "cnn", "pre_activation_resnet"])
def test_writes_the_format_of_the_ending(name: str, ending: str, tmp_path: Path) -> None:
    graph_of(name).draw(tmp_path / f"graph.{ending}")
    assert (tmp_path / f"graph.{ending}").read_bytes().startswith(SIGNATURES[ending.lower()])
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_same_graph_same_bytes_whatever_the_settings(ending: str, tmp_path: Path) -> None:
    graph = graph_of("residual_mlp")
    graph.draw(str(tmp_path / f"first.{ending}"))
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "path", "savefig.dpi": 10}):
        graph.draw(str(tmp_path / f"second.{ending}"))
        assert matplotlib.rcParams["font.size"] == 20
    assert (tmp_path / f"first.{ending}").read_bytes() == (tmp_path / f"second.{ending}").read_bytes()


def test_labels_name_layers_units_operators_groups_and_symmetries(tmp_path: Path) -> None:
    svg = svg_of(graph_of("siren"), tmp_path)
    for text in ("hidden.0", "16 units", "1 unit · output", "linear → mul(30.0) → sin", "group head", "permuted · ±"):
        assert f">{text}</text>" in svg
    cnn = svg_of(graph_of("cnn"), tmp_path)
    for text in ("batch_norm → relu", "permuted · ≠0", "permuted · &gt;0", "fixed"):
        assert f">{text}</text>" in cnn
    assert "Kernels: their norm, with the sign of their sum." in cnn
    assert "Kernels" not in svg


def test_thinned_layers_say_so(tmp_path: Path) -> None:
    graph = graph_of("siren")
    thinned = svg_of(graph, tmp_path, max_units=5)
    assert thinned.count("5 of 16 units") == 2
    assert "thinned" in thinned
    assert "thinned" not in svg_of(graph, tmp_path, max_units=16)
    assert "1 of 16 units" in svg_of(graph, tmp_path, max_units=1)


def test_many_weights_are_cut_and_the_picture_says_so(tmp_path: Path) -> None:
    graph = wsgraph.to_graph(nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Linear(50, 40)))
    assert "In 1 connection only the strongest 1,500 weights" in svg_of(graph, tmp_path, max_units=50)
    assert "strongest" not in svg_of(graph, tmp_path, max_units=20)


def test_signs_have_colours_and_zeros_no_line(tmp_path: Path) -> None:
    graph = wsgraph.to_graph(nn.Linear(3, 1, bias=False))
    for weights, positive, negative in (((1.0, 2.0, 0.0), 2, 0), ((1.0, -1.0, -2.0), 1, 2), ((0.0, 0.0, 0.0), 0, 0)):
        graph.weights = torch.tensor(weights)
        svg = svg_of(graph, tmp_path)
        assert svg.count(f"stroke: {POSITIVE}") == positive + 1  # one in the legend
        assert svg.count(f"stroke: {NEGATIVE}") == negative + 1


def test_a_tint_for_each_group(tmp_path: Path) -> None:
    graph = graph_of("residual_mlp")
    groups = [layer.group for layer in graph.space.layers]
    colors = tints(svg_of(graph, tmp_path))
    assert len(colors) == len(groups)
    assert groups.count(groups[1]) == 7  # the residual stream
    for (first, a), (second, b) in itertools.combinations(zip(groups, colors, strict=True), 2):
        if first == second:
            assert a == b
        elif not (graph.space.groups[first].fixed and graph.space.groups[second].fixed):
            assert a != b
    assert colors[0] == colors[-1] == FIXED


@pytest.mark.parametrize("name", ["cnn", "dense_concat", "grouped_cnn", "Unknown"])
def test_texts_do_not_overlap(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda canvas, file: figures.append(canvas.figure))
    graph_of(name).draw(tmp_path / "graph.png", max_units=6)
    boxes = [text.get_window_extent() for text in figures[0].axes[0].texts]
    for a, b in itertools.combinations(boxes, 2):
        across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert across <= 0 or down <= 0.01 * figures[0].dpi
    assert all(figures[0].bbox.x0 <= box.x0 and box.x1 <= figures[0].bbox.x1 for box in boxes)


def test_weights_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    graph = graph_of("mlp")
    assert "not finite" not in svg_of(graph, tmp_path)
    graph.weights[0], graph.weights[30] = float("nan"), float("inf")
    graph.weights = graph.weights.to(torch.bfloat16).requires_grad_()
    assert "not finite" in svg_of(graph, tmp_path)


@pytest.mark.parametrize("name", ["grouped", *networks.SMALL])
def test_the_numbers_are_those_of_the_graph(name: str) -> None:
    if name == "grouped":
        convolutions = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3, groups=4), nn.ReLU(), nn.Conv2d(12, 8, 1))
        graph = wsgraph.to_graph(nn.Sequential(*convolutions), example_inputs=torch.zeros(2, 3, 8, 8))
        assert any(link.pieces == 4 and link.block is not None for link in links(graph.space))
    else:
        graph = graph_of(name)
    space = graph.space
    shown = [torch.arange(space.size(i)).numpy()[:: 1 + i % 2] for i in range(len(space.layers))]
    numbers = Numbers(graph, shown)
    edges = topology(space).edges
    for number, link in enumerate(links(space)):
        mine = edges.link == number
        total, norms = (torch.zeros(space.num_nodes, space.num_nodes, dtype=torch.float64) for _ in range(2))
        place = (edges.index[1, mine], edges.index[0, mine])
        total.index_put_(place, graph.edge_attr[mine].double().sum(1), accumulate=True)
        norms.index_put_(place, graph.edge_attr[mine].double().square().sum(1), accumulate=True)
        dense = norms.sqrt() * torch.where(total < 0, -1.0, 1.0)
        first_target, first_source = space.node_offsets[link.target], space.node_offsets[link.source]
        expected = dense[first_target + shown[link.target]][:, first_source + shown[link.source]]
        torch.testing.assert_close(torch.from_numpy(numbers.matrix(link)), expected)


def test_errors_leave_the_file_alone(tmp_path: Path) -> None:
    graph = graph_of("mlp")
    batch = wsgraph.to_graphs([graph_of("mlp").space.unflatten(graph.weights)] * 2, graph.space)
    for bad, name, options, message in (
        (graph, "graph.pdf", {}, r"ends in \.png or \.svg, got 'graph\.pdf'"),
        (graph, "graph", {}, "ends in"),
        (batch, "graph.png", {}, "batch of 2 graphs; draw one of them"),
        (graph, "graph.png", {"max_units": 0}, "max_units must be at least 1, got 0"),
        (graph, "graph.png", {"level": "weights"}, "Expected a level of 'auto', 'units', 'layers', got 'weights'"),
    ):
        (tmp_path / name).write_bytes(b"before")
        with pytest.raises(wsgraph.WSGraphError, match=message):
            bad.draw(tmp_path / name, **options)
        assert (tmp_path / name).read_bytes() == b"before"
    batch[1].draw(tmp_path / "graph.png")
    with pytest.raises(wsgraph.WSGraphError, match="A weight space has no weights to draw"):
        draw(graph.space, tmp_path / "graph.png", level="units")


def test_a_failed_write_leaves_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*paths: object) -> None:
        raise OSError("no space left")

    (tmp_path / "graph.svg").write_bytes(b"before")
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        graph_of("mlp").draw(tmp_path / "graph.svg")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("graph.svg", b"before")]
