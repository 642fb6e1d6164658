"""``wsgraph data``: the same laws, told on a command line."""

import json
import sys

import pandas
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from wsgraph.cli import app
from wsgraph.datasets import WeightDataset

NETS = """
from torch import nn

def make():
    print("said while making")
    return nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1))
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Work in a folder with a factory, ten state dicts, and a table of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "data_nets.py").write_text(NETS)
    (tmp_path / "runs").mkdir()
    for i in range(10):
        torch.save(nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1)).state_dict(), f"runs/{i}.pt")
    table = {"file": [str(i) for i in range(10)], "accuracy": [i / 10 for i in range(10)], "kind": ["a", None] * 5}
    pandas.DataFrame(table).to_csv("table.csv", index=False)
    yield
    sys.modules.pop("data_nets", None)


def run(*words):
    """Exit code, answer and complaints of a command."""
    result = CliRunner().invoke(app, ["data", *words])
    return result.exit_code, result.stdout, result.stderr


def made():
    """Import the folder; what is said."""
    code, out, _ = run("import", "runs", "zoo", "--factory", "data_nets:make", "--table", "table.csv")
    assert code == 0
    return out


def facts(*words):
    code, out, err = run(*words, "--json")
    return code, json.loads(out), err


def test_a_folder_becomes_a_data_set_and_a_folder_again():
    assert made().startswith("WeightDataset(10 networks of WeightSpace(3 layers, 21 parameters")
    assert WeightDataset("zoo").column("accuracy").tolist() == pytest.approx([i / 10 for i in range(10)])
    code, out, _ = run("export", "zoo", "out", "--where", "accuracy > 0.65", "--format", "pt")
    assert (code, out.strip()) == (0, "3 networks as .pt files in out")
    for i in (7, 8, 9):
        first, second = (torch.load(f"{folder}/{i}.pt", weights_only=True) for folder in ("out", "runs"))
        assert all(torch.equal(first[name], second[name]) for name in second)
    code, found, _ = facts("export", "zoo", "all")
    assert (code, found) == (0, {"folder": "all", "networks": 10, "format": "safetensors"})


def test_bad_files_end_the_import_or_are_listed():
    torch.save({}, "runs/bad.pt")
    words = ("import", "runs", "zoo", "--factory", "data_nets:make")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert "Error: runs/bad.pt: The state dict does not belong" in err
    code, _, err = run(*words, "--skip-bad")
    assert code == 0
    assert "Skipped: 1\nruns/bad.pt: The state dict" in err
    code, found, _ = facts(*words, "--skip-bad")
    assert code == 0
    assert found["networks"] == 10
    assert list(found["skipped"]) == ["bad.pt"]


def test_info_tells_what_is_there():
    made()
    code, out, _ = run("info", "zoo")
    assert code == 0
    for text in ("zoo: 10 networks, 0.0 MiB", "WeightSpace(3 layers", "accuracy", "float64", "made_by"):
        assert text in out
    code, found, err = facts("info", "zoo")
    assert (code, err) == (0, "")
    assert found["networks"] == 10
    assert found["bytes"] == sum(path.stat().st_size for path in WeightDataset("zoo").folder.glob("*/*"))
    assert [(space["weights"], space["networks"]) for space in found["spaces"]] == [(21, 10)]
    assert found["settings"]["made_by"] == "import_states"
    file, accuracy, kind = found["columns"]
    assert file["different"] == 10
    assert accuracy == {"name": "accuracy", "kind": "float64", "missing": 0, "different": 10, "from": 0.0, "to": 0.9}
    assert (kind["missing"], kind["different"], kind["from"]) == (5, 1, None)


def test_check_is_exit_code_one_for_damage():
    made()
    code, out, err = run("check", "zoo")
    assert (code, err) == (0, "")
    assert "every file is as it was written" in out
    assert facts("check", "zoo")[:2] == (0, {"folder": "zoo", "networks": 10, "passed": True, "problems": []})
    path = WeightDataset("zoo").folder / "weights" / "00000.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    code, out, err = run("check", "zoo")
    assert (code, out) == (1, "")
    assert f"{path} is damaged" in err
    code, found, _ = facts("check", "zoo")
    assert (code, found["passed"], len(found["problems"])) == (1, False, 1)
    assert run("info", "zoo")[0] == 0
    assert run("export", "zoo", "out")[0] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["info", "nowhere"], "Error: There is no data set in 'nowhere'"),
        (["check", "runs"], "Error: There is no data set in 'runs'"),
        (["export", "nowhere", "out"], "Error: There is no data set"),
        (["import", "nowhere", "zoo", "--factory", "data_nets:make"], "Error: Expected a folder of state dicts"),
        (["import", "runs", "zoo", "--factory", "data_nets"], "Error: Expected a model as package.module:factory"),
        (["import", "runs", "zoo", "--factory", "data_nets:make", "--table", "no.csv"], "Error: There is no table"),
        (["import", "runs", "zoo", "--factory", "data_nets:make", "--input", "4x"], "Error: Expected an input such as"),
    ],
)
def test_what_cannot_be_used_is_exit_code_two(words, message):
    for option in ([], ["--json"]):
        code, out, err = run(*words, *option)
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err


def test_conditions_that_cannot_be_used():
    made()
    code, _, err = run("export", "zoo", "out", "--where", "loss < 1")
    assert code == 2
    assert "the columns 'file', 'accuracy', 'kind'" in err


def test_usage():
    for words in ([], ["info"], ["export", "zoo"], ["import", "runs", "zoo"], ["export", "a", "b", "--format", "onnx"]):
        assert run(*words)[0] == 2
    code, out, _ = run("--help")
    assert code == 0
    assert "wsgraph data import runs/ zoo/ --factory nets:make_model --table runs.csv" in out
    assert "Exit codes" in out
    for command in ("info", "check", "import", "export"):
        assert f"Example: wsgraph data {command} " in run(command, "--help")[1]
