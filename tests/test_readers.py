"""Readers of INRs and transformers: the network that is read computes what the published layout computes."""

import json

import numpy as np
import pytest
import torch
from readers_fixtures import (
    NAVON,
    position_table,
    random_siren,
    save,
    write_cifar_inrs,
    write_fashion_inrs,
    write_mnist_inrs,
    write_transformer_zoo,
)
from readers_numpy import attention, norm, siren

import wsgraph
from wsgraph.datasets import readers
from wsgraph.datasets.readers import SineNetwork, SmallTransformer, TransformerShape
from wsgraph.errors import WSGraphError
from wsgraph.trace import trace


def model_of(dataset, index, model, example):
    """The module with the weights of a network, in double precision; its weight space is that of the data set."""
    assert dataset[index].space == trace(model, example)
    model.load_state_dict(wsgraph.to_state_dict(dataset[index]))
    return model.double().eval()


def arrays(state):
    return {name: tensor.double().numpy() for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def assert_siren(dataset, index, state, offset):
    state = arrays(state)
    weights, biases = ([value for name, value in state.items() if kind in name] for kind in ("weight", "bias"))
    made_as = dataset.settings
    model = model_of(
        dataset, index, SineNetwork(made_as["sizes"], made_as["omega"], made_as["offset"]), torch.zeros(1, 2)
    )
    points = np.random.default_rng(0).uniform(-1, 1, (7, 2))
    expected = siren(weights, biases, points, offset)
    assert np.abs(expected).min() > 1e-6
    np.testing.assert_allclose(model(torch.from_numpy(points)).detach().numpy(), expected, rtol=1e-9)


# --------------------------------------------------------------------------------------------------------- MNIST INRs


def test_mnist_inrs_compute_what_the_files_say(tmp_path):
    states = write_mnist_inrs(tmp_path / "raw")
    dataset = readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", shard_size=4)
    assert len(dataset) == len(states) == 6
    for i, path in enumerate(dataset.table["path"]):
        assert_siren(dataset, i, states[path], 0.5)


def test_mnist_inrs_have_the_label_and_the_image_of_their_folder(tmp_path):
    write_mnist_inrs(tmp_path / "raw" / "mnist-inrs")
    table = readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set").table
    found = set(zip(table["source"], table["label"], table["image_index"], table["split"], strict=True))
    assert found == {
        ("training", 7, 0, "train"),
        ("training", 0, 1, "train"),
        ("training", 2, 2, "train"),
        ("training", 7, 3, "train"),
        ("testing", 4, 0, "test"),
        ("testing", 9, 1, "test"),
    }
    assert table["finite"].all()


def test_mnist_inrs_take_their_splits_from_a_file_of_another_machine(tmp_path):
    write_mnist_inrs(tmp_path / "raw")
    splits = tmp_path / "raw" / "splits.json"
    table = readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", splits=splits).table
    assert list(table["split"][table["label"] == 0]) == ["val"]
    assert table["split"].value_counts().to_dict() == {"train": 3, "val": 1, "test": 2}


def test_splits_that_name_absent_networks_are_an_error(tmp_path):
    write_mnist_inrs(tmp_path / "raw")
    splits = tmp_path / "raw" / "splits.json"
    splits.write_text(json.dumps({"train": ["x/mnist_png_training_1_55/checkpoints/model_final.pth"]}))
    with pytest.raises(WSGraphError, match="mnist_png_training_1_55"):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", splits=splits)
    splits.write_text("{")
    with pytest.raises(WSGraphError, match=r"splits\.json"):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", splits=splits)


def test_a_network_in_two_splits_is_an_error(tmp_path):
    states = write_mnist_inrs(tmp_path / "raw")
    splits = tmp_path / "raw" / "splits.json"
    splits.write_text(json.dumps({"train": [min(states)], "test": [min(states)]}))
    with pytest.raises(WSGraphError, match="is in train and in test"):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", splits=splits)


def test_other_networks_and_no_networks_are_errors(tmp_path):
    with pytest.raises(WSGraphError, match="mnist_png_training"):
        readers.read_mnist_inrs(tmp_path, tmp_path / "set")
    path = tmp_path / "raw" / "mnist_png_training_1_2" / "checkpoints" / "model_final.pth"
    save(path, random_siren(NAVON, (2, 16, 16, 1), 0))
    with pytest.raises(WSGraphError, match=r"model_final.*expected tensor 'layers.0.weight' of shape \[32, 2\]"):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set")
    save(path, {"bias": torch.zeros(2), "weight": torch.zeros(2, 2)})
    with pytest.raises(WSGraphError, match="weight and bias of one layer after the other"):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set")


def test_files_that_are_cut_off_are_named(tmp_path):
    states = write_mnist_inrs(tmp_path / "raw")
    path = tmp_path / "raw" / max(states)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(WSGraphError, match="mnist_png_training_7_3"):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set")


def test_a_reading_goes_on_where_it_was_interrupted(tmp_path):
    states = write_mnist_inrs(tmp_path / "raw")
    last = tmp_path / "raw" / max(states)
    content = last.read_bytes()
    last.write_bytes(b"")
    with pytest.raises(WSGraphError):
        readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", shard_size=2)
    finished = sorted(path for path in (tmp_path / "set" / "weights").iterdir())
    before = [path.stat().st_mtime_ns for path in finished]
    assert len(finished) == 2
    last.write_bytes(content)
    dataset = readers.read_mnist_inrs(tmp_path / "raw", tmp_path / "set", shard_size=2)
    assert [path.stat().st_mtime_ns for path in finished] == before
    assert sorted(dataset.table["path"]) == sorted(states)


# ------------------------------------------------------------------------------------------------- Fashion-MNIST INRs


def test_fashion_inrs_compute_what_the_files_say(tmp_path):
    content = write_fashion_inrs(tmp_path / "raw")
    dataset = readers.read_fashion_mnist_inrs(tmp_path / "raw", tmp_path / "set")
    assert len(dataset) == 4
    for i, row in dataset.table.iterrows():
        assert row["label"] == content[row["path"]]["label"]
        assert row["image_index"] == int(row["path"].split("_")[1].split(".")[0])
        assert_siren(dataset, i, content[row["path"]], 0.5)
    splits = dict(zip(dataset.table["path"], dataset.table["split"], strict=True))
    assert splits == {
        "train/model_5.pth": "val",
        "train/model_6.pth": "train",
        "test/model_5.pth": "test",
        "test/model_0.pth": "test",
    }


def test_fashion_inrs_without_a_label_are_an_error(tmp_path):
    write_fashion_inrs(tmp_path / "raw")
    save(tmp_path / "raw" / "train" / "model_5.pth", random_siren(NAVON, (2, 32, 32, 1), 0))
    with pytest.raises(WSGraphError, match=r"train/model_5\.pth.*label"):
        readers.read_fashion_mnist_inrs(tmp_path / "raw", tmp_path / "set")


# ------------------------------------------------------------------------------------------------------- CIFAR-10 INRs


@pytest.mark.parametrize("augmented", [False, True])
def test_cifar_inrs_compute_what_the_files_say(tmp_path, augmented):
    states = write_cifar_inrs(tmp_path / "raw")
    dataset = readers.read_cifar_inrs(tmp_path / "raw", tmp_path / "set", augmented=augmented, split_points=(2, 3))
    rows = dataset.table
    assert len(rows) == (6 if augmented else 4)
    for i, path in enumerate(rows["path"]):
        assert_siren(dataset, i, states[path], 0.0)
    first = rows[rows["fit"] == 0].sort_values("image_index")
    assert list(first["label"]) == [3, 1, 3, 0]
    assert list(first["split"]) == ["train", "train", "val", "test"]
    further = rows[rows["fit"] == 1].set_index("image_index")["split"]
    if augmented:
        assert further[0] == "train"
        assert further.isna()[3]


def test_cifar_inrs_of_the_same_image_are_an_error(tmp_path):
    states = write_cifar_inrs(tmp_path / "raw")
    save(tmp_path / "raw" / "randinit_smaller_5s" / "net0.pth", states[min(states)])
    with pytest.raises(WSGraphError, match=r"randinit_smaller_5s/net0\.pth is a second one"):
        readers.read_cifar_inrs(tmp_path / "raw", tmp_path / "set")


# ------------------------------------------------------------------------------------------------------- transformers


def transformer(state, tokens):
    """The published transformer on tokens ``[L, E]``."""
    x = tokens
    for block in range(2):
        prefix = f"encoder.{block}"
        x = norm(attention(state, f"{prefix}.attention", norm(x), 2))
        x = np.maximum(x @ state[f"{prefix}.fc1.weight"].T + state[f"{prefix}.fc1.bias"], 0)
        x = x @ state[f"{prefix}.fc2.weight"].T + state[f"{prefix}.fc2.bias"]
    x = norm(x).mean(0)
    x = np.maximum(x @ state["classifier.fc1.weight"].T + state["classifier.fc1.bias"], 0)
    return x @ state["classifier.fc2.weight"].T + state["classifier.fc2.bias"]


def test_transformers_for_images_compute_what_the_files_say(tmp_path):
    states = write_transformer_zoo(tmp_path / "raw")
    dataset = readers.read_small_transformer_zoo(tmp_path / "raw", tmp_path / "set")
    assert list(dataset.table["run"]) == ["abc123", "xyz789"]
    assert list(dataset.table["test_accuracy"]) == [0.9, 0.9002]
    image = np.random.default_rng(0).standard_normal((28, 28))
    patches = image.reshape(7, 4, 7, 4).transpose(0, 2, 1, 3).reshape(49, 16)
    for i, path in enumerate(dataset.table["path"]):
        state = arrays(states[path])
        tokens = patches @ state["embedding.conv1.weight"].reshape(8, 16).T + state["embedding.conv1.bias"]
        expected = transformer(state, tokens + position_table(49, 8))
        shape = TransformerShape(width=8, hidden=16)
        model = model_of(dataset, i, SmallTransformer(shape), shape.example)
        np.testing.assert_allclose(model(torch.from_numpy(image)[None, None])[0].detach(), expected, rtol=1e-4)


def test_transformers_for_text_compute_what_the_files_say(tmp_path):
    states = write_transformer_zoo(tmp_path / "raw", name="ag_news")
    dataset = readers.read_small_transformer_zoo(tmp_path / "raw", tmp_path / "set", name="ag_news", epochs=None)
    assert sorted(dataset.table["ckpt_epoch"]) == ["75", "75", "best1", "best1"]
    tokens = np.random.default_rng(0).standard_normal((12, 8))
    for i, path in enumerate(dataset.table["path"]):
        shape = TransformerShape(width=8, hidden=16, patch=None)
        model = model_of(dataset, i, SmallTransformer(shape), shape.example)
        expected = transformer(arrays(states[path]), tokens)
        np.testing.assert_allclose(model(torch.from_numpy(tokens)[None])[0].detach(), expected, rtol=1e-8)


def test_transformers_with_other_positions_are_an_error(tmp_path):
    states = write_transformer_zoo(tmp_path / "raw")
    path = sorted(states)[0]
    save(tmp_path / "raw" / path, {**states[path], "embedding.pos_embedding": torch.zeros(49, 8)})
    with pytest.raises(WSGraphError, match=r"abc123_75_9000\.pt: expected sinusoidal positions"):
        readers.read_small_transformer_zoo(tmp_path / "raw", tmp_path / "set")


def test_transformers_without_metadata_or_of_no_epoch_are_errors(tmp_path):
    write_transformer_zoo(tmp_path / "raw")
    with pytest.raises(WSGraphError, match=r"ag_news\.csv"):
        readers.read_small_transformer_zoo(tmp_path / "raw", tmp_path / "set", name="ag_news")
    with pytest.raises(WSGraphError, match="epochs"):
        readers.read_small_transformer_zoo(tmp_path / "raw", tmp_path / "set", epochs=["12"])
