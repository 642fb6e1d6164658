"""Laws of ``wsgraph.datasets``: what is read is what was written, whatever the way, and whatever interrupts it."""

import copy
import errno
import io
import json
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from torch import nn
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

import wsgraph
from wsgraph.datasets import WeightDataset, WeightWriter, batches as batches_module, store as store_module
from wsgraph.errors import WSGraphError
from wsgraph.transforms import WeightNoise

SMALL = wsgraph.trace(nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1)))
NORMED = wsgraph.trace(nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)), torch.rand(3, 2))


def some_rows(space, count, seed=0, dtype=torch.float32):
    """Weights, a table and integers of networks."""
    rng = torch.Generator().manual_seed(seed)
    weights = torch.randn(count, space.num_weights, generator=rng, dtype=dtype)
    table = {
        "accuracy": torch.rand(count, generator=rng),
        "network": torch.arange(count) // 3 + 100 * seed,
        "epoch": torch.arange(count) % 3,
        "activation": ["relu", "tanh"][seed % 2 :] * count if seed == 1 else ["relu"] * count,
        "diverged": [i % 4 == 0 for i in range(count)],
    }
    table["activation"] = table["activation"][:count]
    return weights, table, torch.randint(9, (count, space.num_integers), generator=rng)


def written(folder, *shards, **settings):
    """A data set of shards ``(number, space, count)``."""
    writer = WeightWriter(folder, settings=settings)
    for number, space, count in shards:
        weights, table, integers = some_rows(space, count, number)
        writer.write(number, space, weights, table, integers)
    return WeightDataset(folder)


@pytest.fixture
def mixed(tmp_path):
    return written(tmp_path / "mixed", (0, SMALL, 7), (4, NORMED, 6), (2, SMALL, 5), omega=30.0)


@pytest.fixture
def plain(tmp_path):
    return written(tmp_path / "plain", (0, SMALL, 7), (1, SMALL, 8), (2, SMALL, 5))


def assert_same_graphs(first, second):
    """Same attributes with the same values, of graphs or batches."""
    first, second = first.to_dict(), second.to_dict()
    assert set(first) == set(second)
    for name, value in first.items():
        same = torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value == second[name]
        assert same, name


def networks_of(batches):
    """The graphs of all batches one by one."""
    return [graph for batch in batches for graph in batch.to_data_list()]


# -------------------------------------------------------------------------------------------------- what was written


def test_shards_are_read_in_the_order_of_their_numbers(mixed):
    expected = [
        (number, space, some_rows(space, count, number))
        for number, space, count in ((0, SMALL, 7), (2, SMALL, 5), (4, NORMED, 6))
    ]
    assert len(mixed) == 18
    assert mixed.spaces == [SMALL, NORMED]
    position = 0
    for _, space, (weights, table, integers) in expected:
        for i in range(len(weights)):
            graph = mixed[position]
            assert graph.space == space
            assert torch.equal(graph.weights, weights[i])
            assert torch.equal(graph.integers, integers[i])
            assert mixed.table.accuracy[position] == table["accuracy"][i]
            assert mixed.table.activation[position] == table["activation"][i]
            position += 1


def test_bytes_survive(tmp_path):
    weights = torch.tensor([[float("nan"), -0.0, float("inf"), 1e-45, 1.0, 2.0, 3.0, 4.0]])
    space = wsgraph.trace(nn.Linear(3, 2))
    for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16):
        folder = tmp_path / str(dtype)
        WeightWriter(folder).write(0, space, weights.to(dtype), {})
        dataset = WeightDataset(folder)
        for found in (dataset.weights(), dataset.loaded().weights(), next(iter(dataset.batches(1))).weights[None]):
            assert found.dtype == dtype
            assert torch.equal(found.view(torch.uint8), weights.to(dtype).view(torch.uint8))


def test_settings_are_kept_and_reprs_tell(mixed, plain):
    assert mixed.settings == {"omega": 30.0}
    assert re.fullmatch(r"WeightDataset\(18 networks of 2 weight spaces, on disk, from '.*mixed'\)", repr(mixed))
    assert "WeightDataset(3 of 20 networks of WeightSpace(3 layers" in repr(plain[:3])
    assert "in memory" in repr(plain.loaded())
    assert repr(plain.batches(8, shuffle=True)) == "Batches(3 of 8 networks, shuffled)"


def test_columns_are_tensors(plain):
    assert plain.column("accuracy").dtype == torch.float32
    assert plain.column("epoch").dtype == plain.column("diverged").dtype == torch.int64
    assert plain.column("epoch").tolist() == [0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 0, 1, 2, 0, 1, 0, 1, 2, 0, 1]
    with pytest.raises(WSGraphError, match=r"'activation' is .*; the numeric columns are 'accuracy', 'network', 'ep"):
        plain.column("activation")
    with pytest.raises(WSGraphError, match=r"no column 'loss'; the columns are 'accuracy', 'network', 'epoch'"):
        plain.column("loss")


def test_tables_may_have_other_columns_or_none(tmp_path):
    writer = WeightWriter(tmp_path)
    weights = torch.zeros(2, SMALL.num_weights)
    writer.write(0, SMALL, weights, {})
    writer.write(1, SMALL, weights, pandas.DataFrame({"a": [1, 2], "name": ["x", None]}, index=[7, 7]))
    writer.write(2, SMALL, weights, {"b": np.array([0.5, np.nan])})
    dataset = WeightDataset(tmp_path)
    assert dataset.table.a.isna().tolist() == [True, True, False, False, True, True]
    assert dataset.table.index.tolist() == list(range(6))
    assert dataset.where("a == 2").table.a.tolist() == [2]
    assert dataset.column("b").isnan().tolist() == [True] * 4 + [False, True]


@pytest.mark.parametrize("source", ["disk", "memory"])
def test_batches_are_what_torch_geometric_makes_of_the_graphs(mixed, source):
    order = torch.randperm(18, generator=torch.Generator().manual_seed(1))
    for view in (mixed, mixed[order], mixed[order][3:11], mixed[::-1], mixed[:5]):
        expected = [view[i] for i in range(len(view))]
        dataset = view if source == "disk" else view.loaded()
        for size in (1, 4, 18):
            batches = list(dataset.batches(size, columns=["accuracy", "epoch"]))
            assert len(batches) == len(dataset.batches(size)) == -(-len(view) // size)
            for i, batch in enumerate(batches):
                part = expected[i * size : (i + 1) * size]
                places = slice(i * size, i * size + len(part))
                assert torch.equal(batch.accuracy, view.column("accuracy")[places])
                assert torch.equal(batch.epoch, view.column("epoch")[places])
                del batch.accuracy, batch.epoch
                assert_same_graphs(batch, Batch.from_data_list(part))
                for graph, other in zip(batch.to_data_list(), part, strict=True):
                    assert_same_graphs(graph, other)


@pytest.mark.parametrize("way", ["from disk", "from disk, ahead", "from memory"])
def test_shuffled_batches_have_every_network_once_with_its_row(mixed, way, rng, monkeypatch):
    dataset = mixed.loaded() if way == "from memory" else mixed
    if way == "from disk, ahead":
        monkeypatch.setattr(store_module, "MAPPED_BYTES", 100)
        monkeypatch.setattr(batches_module, "AHEAD_BYTES", 1700)  # two batches
    weights = [graph.weights for graph in mixed]
    orders = []
    batches = dataset.batches(5, shuffle=True, generator=rng, columns=["accuracy"])
    for _ in range(2):
        graphs = networks_of(batches)
        where = [next(i for i, w in enumerate(weights) if torch.equal(w, graph.weights)) for graph in graphs]
        assert sorted(where) == list(range(18))
        assert [graph.accuracy.item() for graph in graphs] == mixed.column("accuracy")[where].tolist()
        orders.append(where)
    assert orders[0] != orders[1]
    assert all(len(batch.runs()) <= 2 for batch in batches)


def test_seeds_decide_the_order(plain):
    first, again, other = (
        torch.cat(
            [batch.weights for batch in plain.batches(6, shuffle=True, generator=torch.Generator().manual_seed(s))]
        )
        for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_last_batch_may_be_dropped(plain):
    sizes = [len(batch) for batch in plain.batches(8, drop_last=True)]
    assert sizes == [8, 8]
    assert len(plain.batches(8, drop_last=True)) == 2
    assert list(plain[:0].batches(3)) == []


def test_what_is_read_may_be_written_to(plain):
    for dataset in (plain, plain.loaded()):
        before = dataset.weights()
        dataset.weights().zero_()
        dataset[0].weights.zero_()
        for batch in dataset.batches(7):
            batch.weights.zero_()
        assert torch.equal(dataset.weights(), before)
    assert torch.equal(WeightDataset(plain.folder).weights(), before)


def count_calls(run):
    """Calls of Python functions."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("spaces", [[SMALL], [SMALL, NORMED]], ids=["one space", "two spaces"])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_batch_costs_no_python_per_network(tmp_path, shuffle, spaces, loaded):
    dataset = written(tmp_path, *((number, space, 500) for number, space in enumerate(spaces)))
    dataset = dataset.loaded() if loaded else dataset

    def one_batch(size):
        batches = dataset.batches(size, shuffle=shuffle, columns=["accuracy"])
        return lambda: next(iter(batches))

    one_batch(500)()
    assert count_calls(one_batch(400)) == count_calls(one_batch(20))


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="counts the maps of the process")
@pytest.mark.parametrize("shuffle", [False, True])
def test_few_files_stay_mapped(tmp_path, monkeypatch, shuffle):
    monkeypatch.setattr(store_module, "MAPPED_BYTES" if shuffle else "RUN_BYTES", 3000)
    dataset = written(tmp_path, *((number, SMALL, 20) for number in range(30)))  # 1,680 bytes a shard
    most = 0
    for _ in dataset.batches(10, shuffle=shuffle, generator=torch.Generator().manual_seed(0)):
        most = max(most, Path("/proc/self/maps").read_text().count(str(tmp_path)))
    assert 1 <= most <= 10


# ---------------------------------------------------------------------------------------------------------- selections


def test_selections_are_views_with_their_rows(plain):
    order = torch.tensor([13, 2, 2, 19])
    chosen = plain[order]
    assert isinstance(chosen, WeightDataset)
    assert torch.equal(chosen.weights(), plain.weights()[order])
    assert torch.equal(chosen.column("accuracy"), plain.column("accuracy")[order])
    assert chosen.table.index.tolist() == [0, 1, 2, 3]
    mask = plain.column("epoch") == 1
    for index in (mask, mask.numpy(), mask.tolist(), mask.nonzero().flatten(), mask.nonzero().flatten().tolist()):
        assert plain[index].column("epoch").tolist() == [1] * int(mask.sum())
    assert torch.equal(plain[0.5:].weights(), plain.weights()[10:])
    assert torch.equal(plain[::-3].weights(), plain.weights().flip(0)[::3])
    assert torch.equal(plain[[3, 4]][1].weights, plain.weights(4))
    assert torch.equal(plain.weights([5, 1]), plain.weights()[[5, 1]])
    assert torch.equal(plain[-1].weights, plain.weights(-1))
    assert plain.shuffle().weights().shape == plain.weights().shape
    assert len(plain[[]]) == len(plain[:0]) == len(plain[5:3]) == 0
    assert plain[:0].weights().shape == (0, SMALL.num_weights)


@pytest.mark.parametrize("index", [[20], [-21], [0.5], "ab", torch.ones(3, dtype=torch.bool), torch.zeros(2, 2).long()])
def test_what_is_no_index(plain, index):
    with pytest.raises(IndexError):
        plain[index]


def test_loaded_views_are_the_views(mixed):
    order = torch.randperm(18, generator=torch.Generator().manual_seed(3))[:9]
    view = mixed[order]
    loaded = view.loaded()
    assert loaded.table.equals(view.table)
    for first, second in zip(loaded[::2], view[::2], strict=True):
        assert_same_graphs(first, second)
    assert torch.equal(mixed[:0].loaded().space_index, torch.empty(0).long())


def test_where(plain):
    good = plain.where("activation == 'relu' and accuracy > 0.4")
    expected = (plain.table.activation == "relu") & (plain.table.accuracy > 0.4)
    assert 0 < len(good) < 20
    assert torch.equal(good.weights(), plain.weights(torch.tensor(expected.to_numpy())))
    assert good.where("epoch in [0, 2]").table.epoch.isin([0, 2]).all()
    assert len(plain.where("diverged")) == int(plain.column("diverged").sum())
    assert len(plain.where("accuracy > 2")) == 0


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("loss > 1", "name 'loss' is not defined"),
        ("accuracy", "gives float32"),
        ("1 + 1", "gives int"),
        ("accuracy = 1", "gives DataFrame"),
        ("accuracy >", "cannot be evaluated"),
        ("accuracy > 'high'", "cannot be evaluated"),
        ("__import__('os').getcwd()", "cannot be evaluated"),
        ("", "cannot be evaluated"),
    ],
)
def test_conditions_that_are_none(plain, condition, message):
    with pytest.raises(WSGraphError, match=re.escape(message)) as error:
        plain.where(condition)
    assert "over the columns 'accuracy', 'network', 'epoch', 'activation', 'diverged'" in str(error.value).replace(
        "the columns are", "over the columns"
    )


def test_splits_are_random_disjoint_and_cover_all(plain):
    parts = plain.split(generator=torch.Generator().manual_seed(0))
    assert [len(part) for part in parts] == [16, 2, 2]
    rows = torch.cat([part.column("accuracy") for part in parts])
    assert torch.equal(rows.sort().values, plain.column("accuracy").sort().values)
    again = plain.split(generator=torch.Generator().manual_seed(0))
    other = plain.split(generator=torch.Generator().manual_seed(1))
    assert all(torch.equal(a.weights(), b.weights()) for a, b in zip(parts, again, strict=True))
    assert not torch.equal(parts[0].weights(), other[0].weights())
    assert [len(part) for part in plain.split((0.25, 0.5))] == [5, 10]


def test_splits_keep_the_checkpoints_of_a_network_together(plain):
    for seed in range(5):
        parts = plain.split((0.5, 0.3, 0.2), by="network", generator=torch.Generator().manual_seed(seed))
        names = [set(part.table.network) for part in parts]
        assert sum(map(len, parts)) == 20
        assert all(a.isdisjoint(b) for i, a in enumerate(names) for b in names[:i])
        assert all(abs(len(part) - 20 * share) <= 3 for part, share in zip(parts, (0.5, 0.3, 0.2), strict=True))


def test_splits_that_are_none(plain):
    for fractions in ((), (0.8, 0.3), (0.5, 0.0), (-0.1, 0.5)):
        with pytest.raises(WSGraphError, match="Expected positive fractions"):
            plain.split(fractions)
    with pytest.raises(WSGraphError, match="no column 'image' to split by; the columns are 'accuracy'"):
        plain.split(by="image")


# ------------------------------------------------------------------------------------------------------- torch and PyG


def test_loaders_and_transforms_of_torch_geometric(mixed):
    graphs = networks_of(DataLoader(mixed, batch_size=4))
    for first, second in zip(graphs, mixed, strict=True):
        assert_same_graphs(first, second)
    zeroed = WeightDataset(mixed.folder, transform=lambda graph: wsgraph.transforms.WeightNoise(0.0)(graph))
    assert_same_graphs(zeroed[3], mixed[3])
    noisy = WeightDataset(mixed.folder, transform=WeightNoise(0.5))
    assert not torch.equal(noisy[3].weights, mixed[3].weights)
    assert not torch.equal(next(iter(noisy[:3].batches(3))).weights, next(iter(mixed[:3].batches(3))).weights)
    assert torch.equal(noisy[:3].weights(), mixed[:3].weights())


def test_data_sets_are_sent_to_other_processes_without_their_weights(tmp_path):
    dataset = written(tmp_path, (0, SMALL, 4000))
    dataset.weights()
    buffer = io.BytesIO()
    pickle.dump(dataset, buffer)
    assert buffer.tell() < 100_000 < dataset.weights().nbytes
    assert torch.equal(pickle.loads(buffer.getvalue()).weights(), dataset.weights())
    assert torch.equal(copy.deepcopy(dataset).weights(), dataset.weights())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu_are_those_of_the_cpu(mixed):
    order = torch.randperm(18, generator=torch.Generator().manual_seed(0))
    for ways in (mixed[order].batches(5, columns=["epoch"], device="cuda"), mixed[order].loaded("cuda").batches(5)):
        for batch, expected in zip(ways, mixed[order].batches(5), strict=True):
            assert {value.device.type for value in batch.to_dict().values() if isinstance(value, torch.Tensor)} == {
                "cuda"
            }
            assert torch.equal(batch.weights.cpu(), expected.weights)
            assert torch.equal(batch.batch.cpu(), expected.batch)


def test_several_spaces_have_no_matrix(mixed):
    with pytest.raises(WSGraphError, match=r"Expected networks of one weight space, but .* has 2"):
        mixed.weights()
    with pytest.raises(WSGraphError, match="one weight space"):
        _ = mixed.space
    part = mixed[mixed.space_index == mixed.spaces.index(NORMED)]
    assert part.space == NORMED
    assert part.weights().shape == (6, NORMED.num_weights)


def test_columns_that_cannot_be_attributes(tmp_path):
    WeightWriter(tmp_path).write(0, SMALL, torch.zeros(1, 21), {"weights": [1.0], "x": [2.0], "keys": [3], "y": [4]})
    dataset = WeightDataset(tmp_path)
    for name in ("weights", "x", "keys"):
        with pytest.raises(WSGraphError, match=f"column '{name}' cannot become an attribute"):
            dataset.batches(1, columns=[name])
    assert next(iter(dataset.batches(1, columns=["y"]))).y.tolist() == [4]
    with pytest.raises(WSGraphError, match="batch_size of at least 1, got 0"):
        dataset.batches(0)


# -------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number": -1}, "to be at least 0, got -1"),
        ({"weights": torch.zeros(2, 20)}, "Expected weights [n, 21] of at least one network for shard 1"),
        ({"weights": torch.zeros(21)}, "Expected weights [n, 21]"),
        ({"weights": torch.zeros(0, 21), "table": {}}, "at least one network"),
        ({"weights": torch.zeros(2, 21).long()}, "floating dtype for shard 1, got torch.int64"),
        ({"weights": torch.zeros(2, 21).double()}, "Expected weights of torch.float32, as in the other shards"),
        ({"integers": torch.zeros(2, 1).long()}, "Expected integers [2, 0] of torch.int64 for shard 1, got [2, 1]"),
        ({"table": {"a": [1, 2, 3]}}, "Expected 2 values in column 'a', one for each network, got length 3"),
        ({"table": {"a": torch.zeros(2, 2)}}, "one for each network, got [2, 2]"),
        ({"table": {"a": "xy"}}, "Expected 2 values in column 'a'"),
        ({"table": {1: [1, 2]}}, "names of columns that are text and differ, got 1"),
        ({"table": pandas.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])}, "differ, got 'a'"),
        ({"table": {"a": [1, "x"]}}, "values of one kind in a column"),
    ],
)
def test_shards_that_do_not_fit(tmp_path, changes, message):
    writer = WeightWriter(tmp_path)
    good = {"number": 1, "space": SMALL, "weights": torch.zeros(2, 21), "table": {"a": [1, 2]}}
    writer.write(**(good | {"number": 0}))
    with pytest.raises(WSGraphError, match=re.escape(message)):
        writer.write(**(good | changes))
    assert writer.finished == {0}
    assert len(WeightDataset(tmp_path)) == 2


def test_writing_goes_on_with_the_same_settings_only(tmp_path):
    WeightWriter(tmp_path, settings={"seed": 0, "sizes": (2, 3)}).write(0, SMALL, torch.zeros(2, 21), {})
    assert WeightWriter(tmp_path, settings={"sizes": [2, 3], "seed": 0}).finished == {0}
    for other, different in (({}, "seed, sizes"), ({"seed": 1, "sizes": [2, 3]}, "seed (seed=0 there, seed=1 here)")):
        with pytest.raises(WSGraphError, match=re.escape(f"begun with other settings: {different}")):
            WeightWriter(tmp_path, settings=other)
    with pytest.raises(WSGraphError, match="settings that JSON can hold"):
        WeightWriter(tmp_path / "new", settings={"a": torch.zeros(1)})
    (tmp_path / "file").touch()
    with pytest.raises(WSGraphError, match="is a file; choose another path"):
        WeightWriter(tmp_path / "file")


def test_shards_may_be_written_again(tmp_path):
    before = written(tmp_path, (0, SMALL, 4), (1, SMALL, 3)).weights()
    weights, table, _ = some_rows(SMALL, 6, seed=5)
    WeightWriter(tmp_path).write(0, SMALL, weights, table)
    again = WeightDataset(tmp_path)
    assert torch.equal(again.weights(), torch.cat([weights, before[4:]]))
    again.check()


class Killed(BaseException):
    pass


def kill_at(monkeypatch, moment, error=Killed):
    """Raise an error instead of the n-th flush to the disk."""
    flush, calls = os.fsync, []

    def counted(descriptor):
        calls.append(descriptor)
        if len(calls) == moment:
            raise error
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", counted)


@pytest.mark.parametrize("moment", range(1, 7))
def test_what_was_finished_survives_a_full_disk(tmp_path, monkeypatch, moment):
    """Moments: weights, table and index of a shard, then space, weights and table of one of a new space."""
    folder = tmp_path / "set"
    before = written(folder, (0, SMALL, 4)).weights()
    with monkeypatch.context() as patch:
        kill_at(patch, moment, OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises(WSGraphError, match=r"Shard [12] of .*set cannot be written: the disk is full\. Free space"):
            written(folder, (1, SMALL, 3), (2, NORMED, 2))
    assert not list(folder.glob("**/*.partial"))
    dataset = WeightDataset(folder)
    dataset.check()
    assert torch.equal(dataset.weights(range(4)), before)
    assert written(folder, (1, SMALL, 3), (2, NORMED, 2)).table.equals(
        written(tmp_path / "whole", (0, SMALL, 4), (1, SMALL, 3), (2, NORMED, 2)).table
    )


def test_a_shard_is_there_when_the_index_names_it(tmp_path, monkeypatch):
    folder = tmp_path / "set"
    written(folder, (0, SMALL, 4))
    for moment in (1, 2, 3):
        with monkeypatch.context() as patch:
            kill_at(patch, moment)
            with pytest.raises(Killed):
                written(folder, (1, SMALL, 3))
        assert WeightWriter(folder).finished == {0}
        assert len(WeightDataset(folder)) == 4
    (folder / "weights" / ".00007.safetensors.123.partial").write_bytes(b"cut sh")
    whole = written(tmp_path / "whole", (0, SMALL, 4), (1, SMALL, 3)).folder
    again = written(folder, (1, SMALL, 3)).folder
    assert contents(again) == contents(whole)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_disk_that_cannot_be_written_to(tmp_path, monkeypatch):
    kill_at(monkeypatch, 1, PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(WSGraphError, match=r"set cannot be written to: .*Permission denied.* Mend that and repeat"):
        WeightWriter(tmp_path / "set")


# --------------------------------------------------------------------------------------------------------------- damage


def truncated(path):
    path.write_bytes(path.read_bytes()[:-4])


def flipped(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "damage", "message", "read"),
    [
        ("weights/00001.safetensors", truncated, r"is damaged: [\d,]+ bytes in place of", True),
        (
            "weights/00001.safetensors",
            lambda path: path.write_bytes(b"abc"),
            "is cut short or no safetensors file",
            True,
        ),
        ("weights/00001.safetensors", lambda path: path.write_bytes(b"\xff" * 99), "is cut short or no safeten", True),
        ("weights/00001.safetensors", Path.unlink, "is missing; restore it, or write its shard again", True),
        ("weights/00001.safetensors", flipped, "is damaged: its SHA-256 is not", False),
        ("table/00001.parquet", Path.unlink, "is missing; restore it", True),
        ("table/00001.parquet", truncated, "is damaged: ", True),
    ],
)
def test_damaged_files_are_named(plain, file, damage, message, read):
    path = plain.folder / file
    damage(path)
    found = re.escape(str(path)) + " " + message
    with pytest.raises(WSGraphError, match=f"(?m)^.*{found}"):
        WeightDataset(plain.folder).check()
    if read:
        with pytest.raises(WSGraphError, match=found):
            list(WeightDataset(plain.folder).batches(6, columns=["accuracy"]))


def test_shards_of_other_data_sets_are_refused(plain, tmp_path):
    other = written(tmp_path / "other", (1, NORMED, 8), (0, SMALL, 8))
    for number in (1, 0):
        path = plain.folder / "weights" / f"{number:05d}.safetensors"
        path.write_bytes((other.folder / "weights" / path.name).read_bytes())
        with pytest.raises(WSGraphError, match=rf"{re.escape(str(path))} does not fit .* \[{7 + number}, 21\]"):
            WeightDataset(plain.folder).weights()
    (plain.folder / "spaces/00000.json").write_bytes((other.folder / "spaces/00000.json").read_bytes())
    with pytest.raises(WSGraphError, match=r"00000\.json does not hold the weight space that dataset\.json names"):
        WeightDataset(plain.folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"dataset\.json is no JSON"),
        ("[]", r"Expected the format 'wsgraph\.WeightDataset 2' in .*dataset\.json, found None"),
        ('{"format": "wsgraph.WeightDataset 3"}', "found 'wsgraph.WeightDataset 3'"),
        ('{"format": "wsgraph.WeightDataset 2", "settings": {}, "spaces": []}', r"dataset\.json is damaged"),
        (
            '{"format": "wsgraph.WeightDataset 2", "settings": {}, "spaces": [], "shards": {"0": {"a": 1}}}',
            r"dataset\.json is damaged",
        ),
    ],
)
def test_an_index_that_is_none(tmp_path, content, message):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(WSGraphError, match=message):
        WeightDataset(tmp_path)


def test_folders_that_are_no_data_set(tmp_path, plain):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WSGraphError, match=r"There is no data set in .*: expected a folder with a dataset\.json"):
            WeightDataset(folder)
    (plain.folder / "spaces/00000.json").unlink()
    with pytest.raises(WSGraphError, match=r"00000\.json is missing"):
        WeightDataset(plain.folder)


def test_the_index_is_what_the_format_says(mixed):
    index = json.loads((mixed.folder / "dataset.json").read_text())
    assert index["format"] == "wsgraph.WeightDataset 2"
    assert index["spaces"] == [SMALL.digest, NORMED.digest]
    assert {number: (shard["space"], shard["rows"]) for number, shard in index["shards"].items()} == {
        "0": (0, 7),
        "2": (0, 5),
        "4": (1, 6),
    }
