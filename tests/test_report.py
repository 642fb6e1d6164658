"""Reports of weight spaces: sentences, tables, and their short form for large networks."""

import io
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import dropwhile, takewhile

import networks
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from wsgraph import WeightSpace, trace
from wsgraph.space import MatrixSet, NeuronGroup, Pin
from wsgraph.space.operators import Operator, calls, operators
from wsgraph.space.repeats import Row, find_repeats, merged, pattern, summarised
from wsgraph.space.report import Report
from wsgraph.space.report_tables import shorten


@pytest.fixture(scope="module")
def spaces() -> dict[str, WeightSpace]:
    return {name: trace(factory(), torch.randn(shape)) for name, (factory, shape) in networks.SMALL.items()}


@pytest.fixture(scope="module")
def densenet() -> WeightSpace:
    factory, shape = networks.LARGE["densenet121"]
    return trace(factory(), torch.zeros(shape))


def words_of(space: WeightSpace) -> str:
    """The sentences of a report, on one line."""
    text = str(Report(space))
    return " ".join(text.split("\n", 1)[1].split("  ")[0].split())


def rows_of(text: str, title: str) -> list[list[str]]:
    """The cells of the table under a title, those that are not empty."""
    lines = iter(text.split(title, 1)[1].splitlines())
    rows = takewhile(str.strip, dropwhile(lambda line: "──" in line, dropwhile(lambda line: "──" not in line, lines)))
    return [re.split(r"\s{2,}", line.strip()) for line in rows]


# ---------------------------------------------------------------------------------------------------- sentences


def test_it_begins_with_the_space_and_says_it_in_words(spaces: dict[str, WeightSpace]) -> None:
    text = str(spaces["mlp"].report())
    assert text.startswith(f"{spaces['mlp']!r}\n")
    assert text == repr(Report(spaces["mlp"]))
    assert words_of(spaces["mlp"]) == (
        "16 units in 2 groups can be permuted. Values may be multiplied by positive numbers (2 classes). "
        "98.4% of the 122 parameters are moved by some symmetry. 3 inputs and 2 outputs stay in place. "
        "Nothing was pinned."
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("siren", "sign flips (2 classes)"),
        ("cnn", "nonzero numbers"),
        ("instance_norm_cnn_plain", "No values may be multiplied."),
        ("Unknown", "Pinned are what cumsum reads: 8 units, which leaves"),
    ],
)
def test_sentences_say_what_acts_and_what_stays(name: str, words: str, spaces: dict[str, WeightSpace]) -> None:
    assert words in words_of(spaces[name])


def test_nothing_moves() -> None:
    assert words_of(trace(nn.Linear(3, 2))) == (
        "No units can be permuted. No values may be multiplied. 0.0% of the 8 parameters are moved by some symmetry. "
        "3 inputs and 2 outputs stay in place. Nothing was pinned."
    )


def test_shares_are_100_percent_only_if_nothing_is_left() -> None:
    wide = nn.Sequential(nn.Linear(400, 400), nn.ReLU(), nn.Linear(400, 1))
    assert "99.9% of the 160,801 parameters" in words_of(trace(wide))  # all but one


def test_half_turns_of_sines(spaces: dict[str, WeightSpace]) -> None:
    assert "The sines of 32 units may be shifted by half turns." in words_of(spaces["siren"])
    assert "hidden.0: half turns" in str(Report(spaces["siren"]))


def test_groups_of_convolutions_swap_as_wholes() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 12, 3, groups=4), nn.ReLU()),
        *(nn.Conv2d(12, 8, 1), nn.Flatten(), nn.Linear(8 * 16, 3)),
    )
    space = trace(model, torch.zeros(2, 3, 8, 8))
    assert "4 groups of a convolution swap as wholes." in words_of(space)
    assert "4 × 3   in each, and as wholes" in str(Report(space))


class Attention(nn.Module):
    """Two blocks of self-attention around one stream."""

    def __init__(self, heads: Sequence[int] = (4, 4)) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.MultiheadAttention(8, h, batch_first=True) for h in heads)
        self.stem, self.head = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x, x, x, need_weights=False)[0]
        return self.head(x)


@pytest.mark.parametrize(
    ("heads", "words"),
    [
        ((4,), "4 attention heads swap as wholes; GL(2) acts inside each of them."),
        ((4, 4), "In 2 places, 4 attention heads swap as wholes; GL(2) acts inside each of them."),
        ((2, 4), "2 attention heads swap as wholes; GL(4) acts inside each of them. 4 attention heads"),
    ],
)
def test_attention_heads_swap_as_wholes(heads: Sequence[int], words: str) -> None:
    assert words in words_of(trace(Attention(heads), torch.zeros(2, 5, 3)))


def test_linear_groups_without_larger_units(spaces: dict[str, WeightSpace]) -> None:
    linear = [MatrixSet.ONE if group.fixed else MatrixSet.GENERAL for group in spaces["mlp"].groups]
    groups = [replace(group, linear=kind) for group, kind in zip(spaces["mlp"].groups, linear, strict=True)]
    text = str(Report(replace(spaces["mlp"], groups=tuple(groups))))
    assert "GL(8) acts on 2 groups of 8 units." in text
    assert text.count("GL(8)") == 3  # and in the table of groups


# --------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("name", list(networks.SMALL))
def test_small_spaces_are_listed_in_full(name: str, spaces: dict[str, WeightSpace]) -> None:
    space = spaces[name]
    text = str(Report(space))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert "summarised" not in text
    assert len(lines) > len(space.layers) + len(space.groups)
    rows = rows_of(text, "Layers")
    assert [int(row[0]) for row in rows] == list(range(len(space.layers)))
    assert [row[1].removesuffix(" (output)") for row in rows] == [layer.name for layer in space.layers]


def test_pins_are_aggregated_and_hinted_at(spaces: dict[str, WeightSpace]) -> None:
    pins = [Pin(f"blocks.{i}.mix", "mystery", "no rule for mystery", 8) for i in range(12)]
    pins += [Pin(f"part{'abcdefg'[i]}", "strange", "strange in a case of its own", 3) for i in range(7)]
    text = str(Report(replace(spaces["mlp"], pins=tuple(pins))))
    (mystery,) = [line.split() for line in text.splitlines() if line.startswith("  mystery")]
    assert mystery == ["mystery", "no", "rule", "96", "12", "blocks.{0…11}.mix"]
    (strange,) = [line.split() for line in text.splitlines() if line.startswith("  strange")]
    assert strange[-3:] == ["21", "7", "parta"]
    assert "and 3 more" in text
    said = " ".join(text.split())
    assert "To free the units in front of mystery, register a rule with wsgraph.trace.rule: see CONTRIBUTING.md" in said
    assert "The rules of strange do not cover these cases" in said
    assert "Pinned are what mystery and strange read:" in said


def test_large_spaces_are_summarised(densenet: WeightSpace) -> None:
    text = str(Report(densenet))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    assert len(lines) < 80
    assert re.search(r"^  24 ×.*denselayer\{1…24\}\.norm1\s+256 … 992\s+batch_norm\s+relu", text, re.MULTILINE)
    assert re.search(r"features\.transition1\.norm\s+256\s+batch_norm\s+relu\s+\(7 groups\)\s+positive", text)
    full = str(Report(densenet, full=True))
    assert "summarised" not in full
    assert len(rows_of(full, "Layers")) == len(densenet.layers)
    assert max(map(len, full.splitlines())) <= 120


def test_a_summary_counts_every_operator_and_every_group(densenet: WeightSpace) -> None:
    text = str(Report(densenet))
    for title, expected in (("Layers", len(operators(densenet))), ("Neuron groups", len(densenet.groups))):
        rows = rows_of(text, f"{title}, summarised")
        assert sum(int(row[0].split()[0]) if "×" in row[0] else 1 for row in rows) == expected


def test_tables_are_as_wide_as_there_is_room(densenet: WeightSpace) -> None:
    for width, whole in ((80, False), (1000, True)):
        console = Console(width=width, file=io.StringIO())
        console.print(Report(densenet))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert max(map(len, text.splitlines())) <= width
        assert ("features.denseblock3.denselayer{1…24}.conv1  " in text.split("Neuron groups")[0]) == whole


# -------------------------------------------------------------------------------------------------------- repeats


def row(path: str, units: int = 8, key: str = "linear") -> Row:
    return Row(tuple(path.split(".")), (path, str(units)), key)


def test_blocks_that_repeat_are_said_once() -> None:
    rows = [row("stem"), *(row(f"blocks.{i}.{name}", 8 * i) for i in range(1, 5) for name in ("a", "b")), row("head")]
    assert list(summarised(rows)) == [
        (1, ("stem", "8")),
        (4, ("blocks.{1…4}.a", "8 … 32")),
        (4, ("blocks.{1…4}.b", "8 … 32")),
        (1, ("head", "8")),
    ]


def test_blocks_within_blocks() -> None:
    rows = [row(f"stages.{i}.{j}.{name}") for i in range(3) for j in range(5) for name in ("a", "b")]
    assert list(summarised(rows)) == [(15, (f"stages.{{0…2}}.{{0…4}}.{name}", "8")) for name in ("a", "b")]


def test_blocks_of_other_kinds_are_kept_apart() -> None:
    rows = [row("stages.0.a"), row("stages.0.down"), *(row(f"stages.{i}.a") for i in range(1, 4))]
    counts = [count for count, _ in summarised(rows)]
    assert counts == [1, 1, 3]
    rows = [row(f"blocks.{i}", key="linear" if i < 3 else "conv") for i in range(6)]
    assert [count for count, _ in summarised(rows)] == [3, 3]


def test_numbers_of_siblings_are_no_repetition() -> None:
    rows = [row("block.conv1"), row("block.conv2"), row("block.conv3")]
    assert [cells[0] for _, cells in summarised(rows)] == ["block.conv1", "block.conv2", "block.conv3"]


@pytest.mark.parametrize("text", ["", "a", "aaaa", "abababab", "abcabcab", "xaabaabaabyy", "abcdefg"])
def test_repeats_cover_everything_once(text: str) -> None:
    found = find_repeats(text)
    assert "".join(text[r.start : r.start + r.period] * r.times for r in found) == text
    assert [r.start for r in found] == [sum(s.period * s.times for s in found[:i]) for i in range(len(found))]


def test_merged_texts() -> None:
    assert merged(["x"]) == "x"
    assert merged(["add_2", "add_4", "add_9"]) == "add_…"
    assert merged(["matmul", "matmul_1"]) == "matmul_…"
    assert merged(["a.1.b", "a.2.b"]) == "a.{1,2}.b"
    assert merged(["a.0.1", "a.1.0", "a.2.5"]) == "a.{0…2}.{1…5}"
    assert pattern(["h", "12", "attn"]) == ("h", "#", "attn")


def test_operators_join_parts_but_not_queries_and_keys(densenet: WeightSpace) -> None:
    found = {operator.name: operator for operator in operators(densenet)}
    norms = [name for name in found if name.endswith("norm1")]
    assert [len(found[name].layers) for name in norms[:6]] == [1, 2, 3, 4, 5, 6]
    assert sorted(i for operator in found.values() for i in operator.layers) == list(range(len(densenet.layers)))
    attention = operators(trace(Attention(), torch.zeros(2, 5, 3)))
    assert [operator.name for operator in attention if "blocks.0[" in operator.name] == [
        f"blocks.0[{i}]" for i in range(3)
    ]


def test_operators_know_their_module(spaces: dict[str, WeightSpace]) -> None:
    layers = [replace(spaces["mlp"].layers[1], name=name) for name in ("a.b.c", "add_1", "a.b.d", "a.b", "a.x", "top")]
    found = operators(replace(spaces["mlp"], layers=tuple(layers)))
    assert [operator.module for operator in found] == [("a", "b"), ("a", "b"), ("a", "b"), ("a", "b"), ("a",), ()]
    assert [operator.path[-1] for operator in found] == ["c", "add", "d", "", "x", "top"]


def test_long_numbers_are_shortened(spaces: dict[str, WeightSpace]) -> None:
    layer = next(layer for layer in spaces["siren"].layers if layer.activation)
    call = replace(layer.activation[0], op="mul.Tensor", args=("$0", 0.1767766952966369))
    assert calls(replace(layer, activation=(call,))) == ["linear", "mul(0.1768)"]


@pytest.mark.parametrize(
    ("name", "length", "short"),
    [
        ("a.b.c", 10, "a.b.c"),
        ("encoder.layers.encoder_layer_0.ln_1", 24, "…encoder_layer_0.ln_1"),
        ("one_name_that_is_long", 12, "one_…is_long"),
    ],
)
def test_names_lose_their_beginning_first(name: str, length: int, short: str) -> None:
    assert shorten(name, length) == short
    assert len(short) <= length


def test_an_operator_is_a_plain_value() -> None:
    assert Operator("a.b", (1, 2), ("a",)) == Operator("a.b", (1, 2), ("a",))
    assert NeuronGroup("g", 4).parent is None
