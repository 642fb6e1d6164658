"""Pictures of large networks, layer by layer: what is in them, and that nothing is in the way of anything else."""

import itertools
import re
import time
from pathlib import Path

import networks
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

import wsgraph
from wsgraph.graph.drawing import draw, shows_units
from wsgraph.graph.drawing.layer_layout import HEIGHT, LayerLayout
from wsgraph.graph.drawing.layer_picture import LayerPicture
from wsgraph.graph.drawing.layer_routes import Point, Route, Routes
from wsgraph.space import NeuronGroup, NeuronLayer, WeightSpace


class Inception(nn.Module):
    """Branches of several depths beside each other, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 8)
        self.stages = nn.ModuleList(nn.ModuleList([self.branch(8, depth) for depth in (1, 2, 3)]) for _ in range(5))
        self.joins = nn.ModuleList(nn.Linear(24, 8) for _ in range(5))

    @staticmethod
    def branch(width: int, depth: int) -> nn.Sequential:
        return nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage, join in zip(self.stages, self.joins, strict=True):
            x = x + join(torch.cat([branch(x) for branch in stage], dim=-1))
        return x


class Attention(nn.Module):
    """Blocks of self-attention around one stream."""

    def __init__(self, blocks: int = 4) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 8), nn.Linear(8, 2)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0) for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


MORE = {"inception": (Inception, (2, 3)), "attention": (Attention, (2, 5, 3))}
NAMES = ["resnet18", "densenet121", "shufflenet_v2", "grouped_cnn", "dense_concat", "Unknown", *MORE]


def space_of(name: str) -> WeightSpace:
    factory, shape = {**networks.SMALL, **networks.LARGE, **MORE}[name]
    return wsgraph.trace(factory(), torch.zeros(shape))


@pytest.fixture(scope="module")
def spaces() -> dict[str, WeightSpace]:
    return {name: space_of(name) for name in NAMES}


def routes_of(space: WeightSpace) -> tuple[Routes, list[Route]]:
    routes = Routes(LayerLayout(space))
    return routes, list(routes.routes())


def random_space(rng: np.random.Generator, num: int) -> WeightSpace:
    """Layers of two units, each of which reads some that came before."""
    names = [f"block{i // 6}.{i % 6}" if rng.random() < 0.8 else f"add_{i}" for i in range(num)]
    layers = [NeuronLayer(name, 0, operator="input" if i == 0 else "linear") for i, name in enumerate(names)]
    connections = []
    for target in range(1, num):
        reach = 1 if rng.random() < 0.6 else min(target, 12)
        count = 1 + (rng.random() < 0.4) + (rng.random() < 0.1)
        for source in {int(target - 1 - rng.integers(reach)) for _ in range(count)}:
            connections.append(wsgraph.space.Connection("operand", target, source))
    return WeightSpace((), (NeuronGroup("g", 2),), (), tuple(layers), (), tuple(connections))


# ------------------------------------------------------------------------------------------------------- geometry


def check(space: WeightSpace) -> None:
    """Boxes stand apart, every reading has one line from box to box, and no line runs through another box."""
    routes, lines = routes_of(space)
    boxes, places = routes.layout.boxes, routes.places
    assert sorted(places) == list(range(len(boxes.boxes)))
    for a, b in itertools.combinations(places.values(), 2):
        assert a.right < b.left or b.right < a.left or a.bottom < b.top or b.bottom < a.top
    touching = {
        (source, target)
        for target, sources in enumerate(boxes.sources)
        for source in sources
        if abs(places[source].bottom - places[target].top) < 0.03 and places[source].left == places[target].left
    }
    drawn = [(line.source, line.target) for line in lines]
    assert len(set(drawn)) == len(drawn)
    assert {(s, t) for t, sources in enumerate(boxes.sources) for s in sources} == touching | set(drawn)
    assert all(0 < x < routes.right + 0.2 and 0 < y < routes.bottom for line in lines for x, y in line.points)
    for line in lines:
        assert on_edge(routes, line.source, line.points[0])
        assert on_edge(routes, line.target, line.points[-1])
        for (x, y), (u, v) in itertools.pairwise(line.points):
            assert line.curved or x == u or y == v
            assert not crossed(routes, (min(x, u), min(y, v), max(x, u), max(y, v)))


def on_edge(routes: Routes, box: int, point: Point) -> bool:
    place, (x, y) = routes.places[box], point
    across = x in (place.left, place.right) and place.top <= y <= place.bottom
    return across or (y in (place.top, place.bottom) and place.left <= x <= place.right)


def crossed(routes: Routes, part: tuple[float, float, float, float]) -> bool:
    """Whether a box has something of a rectangle (a line, or the place of a curve) inside."""
    left, top, right, bottom = part
    return any(
        left < p.right - 1e-6 and right > p.left + 1e-6 and top < p.bottom - 1e-6 and bottom > p.top + 1e-6
        for p in routes.places.values()
    )


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_in_the_way(name: str, spaces: dict[str, WeightSpace]) -> None:
    check(spaces[name])


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_in_the_way_of_random_graphs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    check(random_space(rng, int(rng.integers(2, 120))))


@pytest.mark.parametrize("name", ["resnet18", "inception", "attention", "densenet121"])
def test_texts_do_not_overlap(
    name: str, spaces: dict[str, WeightSpace], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda canvas, file: figures.append(canvas.figure))
    draw(spaces[name], tmp_path / "picture.png")
    boxes = [text.get_window_extent() for text in figures[0].axes[0].texts]
    assert len(boxes) > 3 * len(set(spaces[name].layers)) / 8
    edges = np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes])
    for i, (x0, y0, x1, y1) in enumerate(edges):
        across = np.minimum(x1, edges[i + 1 :, 2]) - np.maximum(x0, edges[i + 1 :, 0])
        down = np.minimum(y1, edges[i + 1 :, 3]) - np.maximum(y0, edges[i + 1 :, 1])
        assert not ((across > 0) & (down > 0.015 * figures[0].dpi)).any()
    assert (edges[:, 0] >= 0).all()
    assert (edges[:, 2] <= figures[0].bbox.x1).all()


def test_pages_are_cut_into_a_readable_shape(spaces: dict[str, WeightSpace]) -> None:
    for name in ("resnet18", "densenet121", "attention"):
        picture = LayerPicture(spaces[name])
        assert 0.5 < picture.width / picture.height < 3.2
    chain = WeightSpace(
        (),
        (NeuronGroup("g", 2),),
        (),
        tuple(NeuronLayer(str(i), 0) for i in range(400)),
        (),
        tuple(wsgraph.space.Connection("operand", i + 1, i) for i in range(399)),
    )
    assert len(LayerLayout(chain).pages) > 1


# -------------------------------------------------------------------------------------------------------- content


def test_attention_stands_side_by_side(spaces: dict[str, WeightSpace]) -> None:
    layout = LayerLayout(spaces["attention"])
    names = [box.name for box in layout.boxes.boxes]
    parts = [i for i, name in enumerate(names) if name.startswith("blocks.1.self_attn[")]
    assert len(parts) == 3
    assert len({layout.rows.row[i] for i in parts}) == 1
    assert [layout.rows.slot[i] for i in parts] == [0, 1, 2]
    assert layout.labels[parts[0]][1] == "GL(4)"
    assert layout.labels[parts[0]][3] == "2 × 4"


def test_a_residual_stream_is_one_colour(spaces: dict[str, WeightSpace]) -> None:
    picture = LayerPicture(spaces["attention"])
    stream = spaces["attention"].layers[1].group
    boxes = [i for i in range(len(picture.layout.boxes.boxes)) if set(picture.layout.boxes.groups(i)) == {stream}]
    assert len(boxes) > 8
    assert len({picture._ink(box) for box in boxes}) == 1


def test_modules_are_bands(spaces: dict[str, WeightSpace]) -> None:
    bands = LayerLayout(spaces["densenet121"]).rows.bands
    names = [band.name for band in bands]
    assert len(set(names)) == len(names)
    assert sum("denselayer" in name for name in names) == 6 + 12 + 24 + 16
    rows = LayerLayout(spaces["attention"]).rows
    assert [band.name for band in rows.bands if band.name.startswith("blocks")][:2] == ["blocks.0", "blocks.1"]


def test_the_picture_says_what_is_in_it(spaces: dict[str, WeightSpace], tmp_path: Path) -> None:
    draw(spaces["attention"], tmp_path / "net.svg")
    svg = (tmp_path / "net.svg").read_text(encoding="utf-8")
    space = spaces["attention"]
    title = f"{len(space.layers)} layers · {space.num_nodes:,} units · {space.num_weights:,} weights"
    for text in (title, "blocks.0", "linear1", "layer_norm", "GL(4)", "2 × 4", "linear · output", "fixed units"):
        assert f">{text}</text>" in svg
    assert "Stripes" not in svg
    assert "GL(d)" in svg
    draw(spaces["densenet121"], tmp_path / "net.svg")
    svg = (tmp_path / "net.svg").read_text(encoding="utf-8")
    assert "Stripes: units of several groups." in svg
    assert "GL(" not in svg


def test_stripes_are_as_wide_as_their_groups(spaces: dict[str, WeightSpace]) -> None:
    boxes = LayerLayout(spaces["densenet121"]).boxes
    (transition,) = [
        i for i, box in enumerate(boxes.boxes) if re.search(r"transition1\.norm$|transitions\.0\.0$", box.name)
    ]
    assert list(boxes.groups(transition).values()) == [64, *[32] * 6]


@pytest.mark.parametrize("name", ["densenet121", "resnet18"])
def test_large_networks_are_drawn_soon(name: str, spaces: dict[str, WeightSpace], tmp_path: Path) -> None:
    began = time.process_time()
    draw(spaces[name], tmp_path / "net.png")
    assert time.process_time() - began < 10


# ---------------------------------------------------------------------------------------------------------- level


def test_auto_chooses_by_size(tmp_path: Path) -> None:
    small, deep, wide = (
        wsgraph.to_graph(nn.Sequential(*(nn.Linear(n, n) for _ in range(count))))
        for count, n in ((3, 4), (40, 2), (2, 2000))
    )
    for graph, units in ((small, True), (deep, False), (wide, False)):
        assert shows_units(graph.space) == units
        graph.draw(tmp_path / "auto.svg")
        text = (tmp_path / "auto.svg").read_text(encoding="utf-8")
        assert ("read through weights" in text) != units
        draw(graph.space, tmp_path / "space.svg")
        assert ((tmp_path / "space.svg").read_text(encoding="utf-8") == text) != units
    small.draw(tmp_path / "layers.svg", level="layers")
    assert "read through weights" in (tmp_path / "layers.svg").read_text(encoding="utf-8")
    deep.draw(tmp_path / "units.svg", level="units")
    assert "positive weight" in (tmp_path / "units.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_same_space_same_bytes(ending: str, spaces: dict[str, WeightSpace], tmp_path: Path) -> None:
    for name in ("first", "second"):
        draw(space_of("inception"), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"first.{ending}").read_bytes() == (tmp_path / f"second.{ending}").read_bytes()


def test_one_layer(tmp_path: Path) -> None:
    draw(wsgraph.trace(nn.Linear(3, 2)), tmp_path / "net.png")
    assert (tmp_path / "net.png").stat().st_size > 1000
    assert HEIGHT > 0
