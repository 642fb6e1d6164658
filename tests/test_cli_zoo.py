"""``wsgraph zoo``, inside this process."""

import json
import re

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from wsgraph.cli import app
from wsgraph.datasets import WeightDataset


def answer(*words, code=0):
    result = CliRunner().invoke(app, ["zoo", *map(str, words)], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout if code == 0 else re.sub(r"\s+", " ", result.stderr)


@pytest.fixture
def file(tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    x, y = generator.integers(256, size=(60, 6, 6), dtype=np.uint8), np.arange(60) % 3
    np.savez(path, x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])
    return path


def test_inrs_of_digits(tmp_path):
    words = ["inrs", "--count", 4, "--hidden", "8x6", "--steps", 30, "--fits-per-image", 2, "--omega", 20, "--json"]
    facts = json.loads(answer(*words, "--out", tmp_path / "zoo"))
    networks = WeightDataset(tmp_path / "zoo")
    assert facts["networks"] == len(networks) == 8
    assert facts["parameters"] == networks.space.num_parameters == 3 * 8 + 9 * 6 + 7
    assert facts["space"] == networks.space.digest
    assert facts["psnr"]["lowest"] == networks.column("psnr").min().item()
    assert networks.table["label"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]  # the first digits are in order
    before = networks.weights()
    answer(*words, "--out", tmp_path / "zoo")
    assert torch.equal(WeightDataset(tmp_path / "zoo").weights(), before)
    other = answer(*words, "--seed", 1, "--out", tmp_path / "zoo", code=2)
    assert "was begun with other settings: seed" in other


def test_inrs_of_a_file(tmp_path, file):
    out = answer("inrs", "--data", file, "--hidden", "4", "--steps", 2, "--out", tmp_path / "zoo")
    networks = WeightDataset(tmp_path / "zoo")
    assert "60 networks of WeightSpace(" in out
    assert "psnr" in out
    assert networks.table["label"].tolist() == [i % 3 for i in range(60)]


def test_classifiers_of_a_file(tmp_path, file):
    words = ["classifiers", "--data", file, "--count", 3, "--epochs", 1]
    facts = json.loads(answer(*words, "--activation", "tanh", "--json", "--out", tmp_path / "zoo"))
    networks = WeightDataset(tmp_path / "zoo")
    assert facts["networks"] == len(networks) == 3
    assert networks.space.num_parameters == 10 * 16 + 2 * (9 * 16 + 1) * 16 + 17 * 3
    assert 0 <= facts["test_accuracy"]["lowest"] <= facts["test_accuracy"]["highest"] <= 1
    assert set(networks.table["epochs"]) == {1}
    assert "3 networks of" in answer(*words, "--activation", "tanh", "--out", tmp_path / "zoo")
    assert "other settings: architectures" in answer(*words, "--out", tmp_path / "zoo", code=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["inrs", "--data", "cifar"], "Expected --data digits, or a .npz file that is there, got 'cifar'."),
        (["inrs", "--data", "bad.npz"], "bad.npz cannot be read as arrays of numbers"),
        (
            ["inrs", "--data", "other.npz"],
            "Expected arrays x_train/y_train or images/labels or x/y in other.npz, found a",
        ),
        (["inrs", "--data", "flat.npz"], "Expected images [N, H, W] or [N, C, H, W] of uint8 or floating numbers in"),
        (["inrs", "--data", "fewer.npz"], "Expected as many labels as images in fewer.npz, found 2 and 3."),
        (["classifiers", "--data", "bare.npz"], "Expected labels (y, y_train or labels) beside the images in bare.npz"),
        (["inrs", "--hidden", "big"], "Expected widths such as --hidden 32x32, got 'big'."),
        (["inrs", "--count", "0"], "Expected --count of at least 1, got 0."),
        (["inrs", "--steps", "0"], "Expected steps of at least 1, but got 0."),
        (["classifiers", "--epochs", "0"], "Expected --epochs of at least 1, got 0."),
        (["classifiers", "--activation", "gelu"], "Expected an activation out of relu, tanh, but got 'gelu'."),
        (["classifiers", "--ray", "0", "--count", "1"], "Expected at least 1 Ray task at a time, but got 0."),
    ],
    ids=lambda value: None if isinstance(value, list) else value[:30],
)
def test_what_cannot_be_used_is_said(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npz").write_bytes(b"no arrays")
    np.savez("other.npz", a=np.ones(3))
    np.savez("flat.npz", x=np.ones((3, 16)))
    np.savez("fewer.npz", images=np.ones((3, 4, 4)), labels=np.ones(2))
    np.savez("bare.npz", x=np.ones((3, 4, 4)))
    assert message in answer(*words, "--out", "zoo", code=2)


def test_help_has_examples():
    assert "wsgraph zoo inrs --data mnist.npz" in answer("inrs", "--help")
    assert "wsgraph zoo classifiers --count 1000" in answer("classifiers", "--help")
    assert "inrs" in answer("--help")
