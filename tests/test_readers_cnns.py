"""Readers of zoos of CNNs: the network that is read computes what the published layout computes."""

import json
import os
import random
import warnings
from collections import Counter, defaultdict
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
import torch
from readers_fixtures import (
    KERAS,
    WILD,
    ZOO_LAYERS,
    omegaconf,
    save,
    wild_config,
    write_model_zoo,
    write_model_zoo_file,
    write_small_cnn_zoo,
    write_wild_park,
)
from readers_numpy import activate, conv_hwio, conv_oihw, max_pool

import wsgraph
from wsgraph.datasets import WeightDataset, readers
from wsgraph.datasets.readers import SmallCNN, WildCNN, ZooCNN
from wsgraph.datasets.readers.pickles import Inert, load_inert, load_plain
from wsgraph.errors import WSGraphError
from wsgraph.trace import trace


def outputs(dataset, index, model, images):
    """What a network of the data set computes, in double precision; its weight space is that of the model."""
    assert dataset[index].space == trace(model, torch.zeros(1, *images.shape[1:]))
    model.load_state_dict(wsgraph.to_state_dict(dataset[index]))
    return model.double().eval()(torch.from_numpy(images)).detach().numpy()


def arrays(state):
    return {name: tensor.double().numpy() for name, tensor in state.items()}


def some_images(channels, size):
    return np.random.default_rng(1).standard_normal((2, channels, size, size))


# ------------------------------------------------------------------------------------------------------ small CNN zoo


def keras_network(row, activation, images):
    """The published network on images ``[B, H, W, 1]``, by a row of weights in the published layout."""
    ends = np.cumsum([int(np.prod(shape)) for _, shape in KERAS])
    parts = np.split(row.astype(np.float64), ends[:-1])
    b1, k1, b2, k2, b3, k3 = (part.reshape(shape) for part, (_, shape) in zip(parts, KERAS, strict=True))
    x = activate(activation, conv_hwio(images, k1, b1, 2))
    x = activate(activation, conv_hwio(x, k2, b2, 2))
    return x.mean((1, 2)) @ k3 + b3


def test_small_cnns_compute_what_the_tensorflow_layout_says(tmp_path):
    weights = write_small_cnn_zoo(tmp_path / "raw")
    dataset = readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "set", shard_size=3)
    images = some_images(1, 13)
    assert len(dataset) == 10
    assert len(dataset.spaces) == 2
    for i, row in dataset.table.iterrows():
        expected = keras_network(weights[row["row"]], row["activation"], images.transpose(0, 2, 3, 1))
        found = outputs(dataset, i, SmallCNN((1, 4, 5), 3, row["activation"]), images)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (dataset.table["step"] == 86).all()
    assert not any(str(name).startswith(("config.", "Unnamed")) for name in dataset.table.columns)


def test_small_cnns_keep_the_values_of_their_rows(tmp_path):
    write_small_cnn_zoo(tmp_path / "raw")
    metrics = pd.read_csv(tmp_path / "raw" / "metrics.csv.gz")
    table = readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "set", steps=None).table.set_index("row")
    assert sorted(table.index) == list(range(20))
    for name in ("step", "test_accuracy", "modeldir"):
        assert (table[name].sort_index().to_numpy() == metrics[name].to_numpy()).all()


def test_small_cnns_are_split_as_by_the_loaders_of_others(tmp_path):
    """Their rule: the final networks in the fixed order; the second half is for tests, the first shuffled by seed 0."""
    write_small_cnn_zoo(tmp_path / "raw", runs=24)
    order = pd.read_csv(tmp_path / "raw" / "order.csv")["0"].tolist()
    final = [row for row in order if row % 2 == 1]  # every run has the steps 0 and 86
    first = list(range(12))
    random.Random(0).shuffle(first)
    expected = {
        **{final[i]: "train" for i in first[:9]},
        **{final[i]: "val" for i in first[9:]},
        **dict.fromkeys(final[12:], "test"),
    }
    dataset = readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "set", order=tmp_path / "raw" / "order.csv")
    assert dict(zip(dataset.table["row"], dataset.table["split"], strict=True)) == expected
    headless = tmp_path / "headless.csv"
    headless.write_text("\n".join(map(str, order)))
    again = readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "again", order=headless)
    assert dict(zip(again.table["row"], again.table["split"], strict=True)) == expected


def test_small_cnns_that_are_not_finite_are_marked(tmp_path):
    weights = write_small_cnn_zoo(tmp_path / "raw")
    weights[5, 3] = np.nan
    np.save(tmp_path / "raw" / "weights.npy", weights)
    table = readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "set").table
    assert list(table["row"][~table["finite"]]) == [5]


def test_wrong_files_of_the_small_cnn_zoo_are_named(tmp_path):
    write_small_cnn_zoo(tmp_path / "raw")

    def read(**arguments):
        return readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "set", **arguments)

    def spoiled(name, change, match, **arguments):
        path = tmp_path / "raw" / name
        content = path.read_bytes()
        change(path)
        with pytest.raises(WSGraphError, match=match):
            read(**arguments)
        path.write_bytes(content)

    def cut(path):
        path.write_bytes(path.read_bytes()[:-40])

    spoiled("weights.npy", cut, r"weights\.npy")
    spoiled("weights.npy", lambda path: path.unlink(), r"weights\.npy")
    spoiled("weights.npy", lambda path: np.save(path, np.zeros((20, 7), np.float32)), "lays out")
    spoiled("metrics.csv.gz", cut, r"metrics\.csv\.gz")
    spoiled("metrics.csv.gz", lambda path: pd.DataFrame({"step": [86]}).to_csv(path), "expected 20 rows")
    spoiled("layout.csv", lambda path: path.unlink(), r"layout\.csv")
    spoiled(
        "layout.csv", lambda path: path.write_text(path.read_text().replace("(4,)", "(3,)")), "as long as its shape"
    )
    spoiled("layout.csv", lambda path: path.write_text(path.read_text().replace("kernel:0", "gamma:0")), "gamma:0")
    order = tmp_path / "raw" / "order.csv"
    spoiled("order.csv", lambda path: path.write_text("0\n1\n1\n"), "each once", order=order)
    assert len(read()) == 10


# ------------------------------------------------------------------------------------------------------ CNN wild park


def wild_network(state, run, images):
    """The published network, by the state dict and the configuration in a checkpoint."""
    config, x, kept = wild_config(run), images, []
    for i, kernel in enumerate(config["kernel_size"]):
        x = conv_oihw(x, state[f"layers.{i}.weight"], state[f"layers.{i}.bias"], kernel // 2)
        source = config["residual"][i]
        if source >= 0:
            shared = min(x.shape[1], kept[source].shape[1])
            x[:, :shared] += kept[source][:, :shared]
        x = activate(config["activation"][i], x)
        kept.append(x)
    return x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]


def test_wild_cnns_compute_what_the_checkpoints_say(tmp_path):
    states = write_wild_park(tmp_path / "raw")
    dataset = readers.read_cnn_wild_park(tmp_path / "raw", tmp_path / "set", splits=tmp_path / "raw" / "splits.json")
    images = some_images(3, 8)
    assert len(dataset) == len(states) == 6
    assert len(dataset.spaces) == 2  # two runs have one architecture
    for i, row in dataset.table.iterrows():
        expected = wild_network(arrays(states[row["path"]]), row["run"], images)
        found = outputs(dataset, i, WildCNN.from_json(row["config"]), images)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_wild_cnns_have_the_columns_of_their_checkpoints(tmp_path):
    write_wild_park(tmp_path / "raw")
    splits = tmp_path / "raw" / "splits.json"
    table = readers.read_cnn_wild_park(tmp_path / "raw", tmp_path / "set", splits=splits).table
    assert dict(zip(table["run"], table["split"], strict=True)) == dict(
        zip(WILD, ("train", "val", "test"), strict=True)
    )
    assert set(zip(table["step"], table["test_accuracy"], strict=True)) == {(10, 0.09), (20, 0.19)}
    assert (table["num_layers"] == 3).all()


def test_a_wild_checkpoint_of_another_configuration_is_an_error(tmp_path):
    states = write_wild_park(tmp_path / "raw")
    path = max(path for path in states if "run_b" in path)
    with omegaconf() as wrapped:
        content = {
            "model": states[path],
            "config": wrapped({**wild_config("run_b"), "activation": ["relu"] * 3}),
            "iteration": 1,
            "last_result": {"test/acc": 0.5},
        }
        save(tmp_path / "raw" / path, content)
    with pytest.raises(WSGraphError, match=r"run_b/checkpoint_000019.*configuration of its run"):
        readers.read_cnn_wild_park(tmp_path / "raw", tmp_path / "set")
    save(tmp_path / "raw" / path, states[path])
    with pytest.raises(WSGraphError, match=r"run_b/checkpoint_000019.*expected a checkpoint with model"):
        readers.read_cnn_wild_park(tmp_path / "raw", tmp_path / "set")


@pytest.mark.parametrize("residual", [[-1, 1], [0, -1]])
def test_a_wild_cnn_adds_earlier_layers_only(residual):
    with pytest.raises(WSGraphError, match="earlier layers"):
        WildCNN([3, 4, 4], [3, 3], [1, 1], [1, 1], residual, ["relu", "relu"])


# --------------------------------------------------------------------------------------------------------- model zoos


def zoo_network(state, layers, pools, nlin, images):
    """The published network, by the state dict in a checkpoint."""
    x = images
    for i, layer in enumerate(layers[:3]):
        x = conv_oihw(x, state[f"module_list.{layer}.weight"], state[f"module_list.{layer}.bias"])
        x = activate(nlin, max_pool(x) if i < pools else x)
    x = x.reshape(len(x), -1)
    x = activate(nlin, x @ state[f"module_list.{layers[3]}.weight"].T + state[f"module_list.{layers[3]}.bias"])
    return x @ state[f"module_list.{layers[4]}.weight"].T + state[f"module_list.{layers[4]}.bias"]


@pytest.mark.parametrize("kind", ["CNN", "CNN3"])
def test_zoo_cnns_compute_what_the_checkpoints_say(tmp_path, kind):
    states = write_model_zoo(tmp_path / "raw", kind, epochs=(3,))
    dataset = readers.read_model_zoo(tmp_path / "raw", tmp_path / "set")
    images = some_images(1 if kind == "CNN" else 3, 28 if kind == "CNN" else 32)
    assert len(dataset) == 3
    assert len(dataset.spaces) == 2
    for i, row in dataset.table.iterrows():
        layers = ZOO_LAYERS["CNN with dropout" if kind == "CNN" and row["model_dropout"] else kind]
        expected = zoo_network(
            arrays(states[row["path"]]), layers, 3 if kind == "CNN3" else 2, row["model_nlin"], images
        )
        found = outputs(dataset, i, ZooCNN(kind, images.shape[1], row["model_nlin"]), images)
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_zoo_cnns_have_the_results_of_their_epoch(tmp_path):
    write_model_zoo(tmp_path / "raw")
    table = readers.read_model_zoo(tmp_path / "raw", tmp_path / "set").table
    assert len(table) == 6
    assert set(table["epoch"]) == {0, 5}
    assert np.allclose(table["test_acc"], table["epoch"] / 10 + table["seed"] / 100)
    assert set(table["trial"]) == {f"NN_tune_trainable_{i:05d}" for i in range(3)}
    assert "training_checkpoint_dir" not in table.columns
    only = readers.read_model_zoo(tmp_path / "raw", tmp_path / "only", epochs=[5]).table
    assert set(only["epoch"]) == {5}


def test_wrong_model_zoos_are_errors(tmp_path):
    with pytest.raises(WSGraphError, match=r"params\.json"):
        readers.read_model_zoo(tmp_path, tmp_path / "set")
    save(tmp_path / "dataset.pt", {})
    with pytest.raises(WSGraphError, match="read_model_zoo_file"):
        readers.read_model_zoo(tmp_path / "dataset.pt", tmp_path / "set")
    states = write_model_zoo(tmp_path / "raw")
    with pytest.raises(WSGraphError, match=r"epochs \[7\]"):
        readers.read_model_zoo(tmp_path / "raw", tmp_path / "set", epochs=[7])
    save(tmp_path / "raw" / max(states), {"fc.weight": torch.zeros(2)})
    with pytest.raises(WSGraphError, match=r"00002/checkpoint_000005.*module_list"):
        readers.read_model_zoo(tmp_path / "raw", tmp_path / "set")
    params = tmp_path / "raw" / "NN_tune_trainable_00000" / "params.json"
    params.write_text(json.dumps({"model::type": "Resnet18"}))
    with pytest.raises(WSGraphError, match="Resnet18"):
        readers.read_model_zoo(tmp_path / "raw", tmp_path / "other")
    params.write_text("{")
    with pytest.raises(WSGraphError, match=r"00000/params\.json"):
        readers.read_model_zoo(tmp_path / "raw", tmp_path / "other")


def test_preprocessed_zoo_cnns_compute_what_the_file_says(tmp_path):
    states = write_model_zoo(tmp_path / "raw")
    nlins = {f"NN_tune_trainable_{i:05d}": nlin for i, nlin in enumerate(("tanh", "relu", "tanh"))}
    write_model_zoo_file(tmp_path / "zoo.pt", states, nlins)
    dataset = readers.read_model_zoo_file(tmp_path / "zoo.pt", tmp_path / "set", shard_size=3)
    images = some_images(1, 28)
    assert len(dataset) == 6
    for i, row in dataset.table.iterrows():
        state = states[f"{row['trial']}/checkpoint_{row['epoch']:06d}/checkpoints"]
        layers = ZOO_LAYERS["CNN with dropout" if row["trial"].endswith("1") else "CNN"]
        expected = zoo_network(arrays(state), layers, 2, nlins[row["trial"]], images)
        found = outputs(dataset, i, ZooCNN("CNN", 1, row["model_nlin"]), images)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert row["split"] == ("train", "val", "test")[int(row["trial"][-1])]
        assert row["test_acc"] == (0.1 if row["epoch"] else 0.0)


def test_preprocessed_zoos_of_unknown_activations_ask_for_them(tmp_path):
    states = write_model_zoo(tmp_path / "raw", epochs=(1,))
    write_model_zoo_file(tmp_path / "zoo.pt", states, None)
    with pytest.raises(WSGraphError, match="activation='tanh'"):
        readers.read_model_zoo_file(tmp_path / "zoo.pt", tmp_path / "set")
    dataset = readers.read_model_zoo_file(tmp_path / "zoo.pt", tmp_path / "set", activation="silu")
    assert dataset.space == trace(ZooCNN("CNN", 1, "silu"), torch.zeros(1, 1, 28, 28))
    save(tmp_path / "zoo.pt", {"trainset": 1})
    with pytest.raises(WSGraphError, match=r"zoo\.pt: expected trainset, valset and testset"):
        readers.read_model_zoo_file(tmp_path / "zoo.pt", tmp_path / "other")


# ------------------------------------------------------------------------------------------------------------ pickles


class Trap:
    """Makes a folder when it is loaded as others load it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_run(tmp_path):
    others = [defaultdict(list, {"a": [1]}), PurePosixPath("/x/y"), np.float64(3.0), Counter("aab"), slice(3)]
    save(tmp_path / "file.pt", {"model": torch.ones(2), "trap": Trap(tmp_path / "made"), "others": others})
    content = load_inert(tmp_path / "file.pt")
    assert torch.equal(content["model"], torch.ones(2))
    assert all(isinstance(value, Inert) for value in [content["trap"], *content["others"]])
    with pytest.raises(WSGraphError, match=r"file\.pt.*code"):
        load_plain(tmp_path / "file.pt")
    assert not (tmp_path / "made").exists()
    torch.load(tmp_path / "file.pt", weights_only=False)
    assert (tmp_path / "made").exists()  # the trap works


@pytest.mark.parametrize("load", [load_inert, load_plain])
def test_a_file_that_is_absent_or_something_else_is_an_error(tmp_path, load):
    with pytest.raises(WSGraphError, match="there is none"):
        load(tmp_path / "file.pt")
    (tmp_path / "file.pt").write_bytes(b"something else")
    with pytest.raises(WSGraphError, match=r"file\.pt"):
        load(tmp_path / "file.pt")
    save(tmp_path / "file.pt", {"a": torch.zeros(100)})
    content = (tmp_path / "file.pt").read_bytes()
    (tmp_path / "file.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(WSGraphError, match=r"file\.pt"):
        load(tmp_path / "file.pt")


def test_programs_are_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "file.pt")
    with pytest.raises(WSGraphError, match="TorchScript"):
        load_inert(tmp_path / "file.pt")


def test_another_source_does_not_go_on_with_a_data_set(tmp_path):
    write_small_cnn_zoo(tmp_path / "raw")
    write_small_cnn_zoo(tmp_path / "other", seed=1)  # the same but for its numbers
    readers.read_small_cnn_zoo(tmp_path / "raw", tmp_path / "set")
    with pytest.raises(WSGraphError, match="tables"):
        readers.read_small_cnn_zoo(tmp_path / "other", tmp_path / "set")
    assert len(WeightDataset(tmp_path / "set")) == 10
