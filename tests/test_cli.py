"""The command line, inside this process and in processes of its own."""

import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

import wsgraph
from wsgraph.cli import app
from wsgraph.cli.console import CommandError, patience
from wsgraph.cli.inputs import describe_inputs, parse_inputs
from wsgraph.cli.loading import load_model
from wsgraph.errors import WSGraphError

NETS = '''
"""Networks that the tests of the command line inspect."""

import time

import torch
from torch import nn

print("said while importing")

def mlp():
    print("said while making")
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3))

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(torch.relu(self.embedding(ids)))

class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(torch.relu(self.first(x))) * torch.rand(())

class Picky(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x, *, mask):
        return self.last(torch.relu(self.first(x)) * mask.unsqueeze(-1))

class Pinned(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.last(torch.cumsum(torch.relu(self.first(x)), dim=-1))

class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.only = nn.Linear(3, 2)

    def forward(self, x):
        if self.only.weight.dtype == torch.float64:
            raise ValueError("this is too wide")
        return self.only(x)

def deep():
    return nn.Sequential(*(layer for _ in range(60) for layer in (nn.Linear(4, 4), nn.ReLU())))

def wants(size): return nn.Linear(size, 1)
def fails(): raise KeyError("what fails is said")
def leaves(): raise SystemExit(5)
def nothing(): return None

ready, number = nn.Linear(2, 2), 3
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli")
    (path / "cli_nets.py").write_text(NETS)
    (path / "cli_broken.py").write_text("1 / 0\n")
    (path / "cli_needs.py").write_text("import a_package_that_is_nowhere\n")
    (path / "cli_leaves.py").write_text("raise SystemExit\n")
    return path


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in the folder, and forget what was imported from it."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith("cli_")]:
        del sys.modules[name]


class Answer:
    def __init__(self, *words: str) -> None:
        result = CliRunner().invoke(app, ["inspect", *words])
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in self.out + self.err


def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(Path(wsgraph.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment}
    command = [sys.executable, "-m", "wsgraph", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, encoding="utf-8")


# ------------------------------------------------------------------------------------------------------- answers


def test_says_what_was_found() -> None:
    answer = Answer("cli_nets:mlp")
    assert answer.code == 0
    first, second, third = answer.out.splitlines()[:3]
    assert first == "cli_nets:mlp, traced with --input 2x2"
    assert second == "WeightSpace(3 layers, 99 parameters, 1 free group of 16 units, POSITIVE)"
    assert third.startswith("16 units in 1 group can be permuted. Values may be multiplied by positive numbers")
    assert re.search(r"^Verified: random symmetries change the outputs by \d\.\de-1\d of", answer.out, re.MULTILINE)
    assert "said while" not in answer.out
    assert "said while making" in answer.err
    for line in ("WeightSpace(", "Verified", "Neuron groups"):
        assert answer.out.count(line) == 1


def test_classes_and_modules_are_models_too() -> None:
    assert "WeightSpace(2 layers, 6 parameters" in Answer("cli_nets:ready").out
    assert "tokens" in Answer("cli_nets:Tied", "--no-verify").out
    assert "Verified" not in Answer("cli_nets:mlp", "--no-verify").out
    assert "no symmetry but the identity" in Answer("cli_nets:ready").out


def test_json_is_all_there_is_and_complete() -> None:
    answer = Answer("cli_nets:mlp", "--json")
    facts = json.loads(answer.out)
    space = wsgraph.trace(load_model("cli_nets:mlp"))
    assert facts["model"] == "cli_nets:mlp"
    assert facts["inputs"] == ["2x2"]
    assert facts["digest"] == space.digest
    assert facts["parameters"] == 99
    assert facts["moved_parameters"] == 96
    assert facts["moved_share"] == pytest.approx(96 / 99)
    assert [(layer["name"], layer["units"]) for layer in facts["layers"]] == [("input", 2), ("0", 16), ("2", 3)]
    assert facts["layers"][1]["computes"] == ["linear", "relu"]
    assert [group["moves"] for group in facts["groups"]] == [False, True, False]
    assert [c["values"] for c in facts["scales"]] == ["POSITIVE"]
    assert facts["pins"] == []
    assert facts["verify"]["passed"] is True
    assert facts["verify"]["error"] < facts["verify"]["tolerance"] == 1e-8
    assert json.loads(Answer("cli_nets:mlp", "--json", "--no-verify").out)["verify"] is None


def test_pins_are_facts_and_words() -> None:
    (pin,) = json.loads(Answer("cli_nets:Pinned", "--json").out)["pins"]
    assert pin == {"where": "", "operator": "cumsum", "reason": pin["reason"], "units": 8}
    assert "CONTRIBUTING.md" in Answer("cli_nets:Pinned").out


def test_a_failed_verification_is_exit_code_one() -> None:
    answer = Answer("cli_nets:Random")
    assert answer.code == 1
    assert "NOT VERIFIED" in answer.out
    answer = Answer("cli_nets:Random", "--json")
    assert answer.code == 1
    assert json.loads(answer.out)["verify"]["passed"] is False


def test_large_networks_are_summarised_unless_in_full() -> None:
    short, full = Answer("cli_nets:deep", "--no-verify").out, Answer("cli_nets:deep", "--no-verify", "--full").out
    assert len(short.splitlines()) < 40
    assert len(full.splitlines()) > 100
    assert "summarised" in short
    assert "summarised" not in full


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_draws(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    answer = Answer("cli_nets:mlp", "--no-verify", "--draw", str(path))
    assert answer.code == 0
    assert f"Drawn: {path}" in answer.out
    assert path.stat().st_size > 1000


def test_draws_layers_where_units_are_too_many(tmp_path: Path) -> None:
    path = tmp_path / "net.svg"
    assert Answer("cli_nets:deep", "--no-verify", "--draw", str(path)).code == 0
    assert "read through weights" in path.read_text(encoding="utf-8")


# -------------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("words", "shapes"),
    [
        (["1x3x8x8"], [(1, 3, 8, 8)]),
        (["4", "2x16:int"], [(4,), (2, 16)]),
        (["x=1x3", "mask=1:bool"], [(1, 3), (1,)]),
    ],
)
def test_inputs_from_words(words: list[str], shapes: list[tuple[int, ...]]) -> None:
    found = parse_inputs(words, nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4)).double())
    values = list(found.values()) if isinstance(found, dict) else list(found)
    assert [tuple(value.shape) for value in values] == shapes
    assert describe_inputs(found) == words
    kinds = {"int": torch.int64, "bool": torch.bool}
    assert [value.dtype for value in values] == [kinds.get(word.partition(":")[2], torch.float64) for word in words]
    assert all(int(value.max()) < 3 for value in values if value.dtype == torch.int64)


@pytest.mark.parametrize("word", ["", "x", "1x", "1x3:half", "1,3", "-1x3", "1 x 3", "=1x3"])
def test_words_that_are_no_input(word: str) -> None:
    with pytest.raises(CommandError, match=re.escape(f"got {word!r}")):
        parse_inputs([word], nn.Linear(1, 1))


def test_inputs_with_names() -> None:
    answer = Answer("cli_nets:Picky", "--input", "x=2x3", "--input", "mask=2:bool")
    assert answer.code == 0
    assert "traced with --input x=2x3 --input mask=2:bool" in answer.out
    answer = Answer("cli_nets:Picky", "--input", "x=2x3", "--input", "2:bool")
    assert answer.code == 2
    assert "Give every --input a name of its own" in answer.err


# -------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cli_nets"], r"Expected a model as package\.module:factory, got 'cli_nets'.*'cli_nets:make_model'"),
        (["cli_nets.mlp"], r"as in 'cli_nets:mlp'"),
        (["cli_nets.py"], r"as in 'cli_nets:make_model'"),
        (["nets/cli_nets.py"], r"as in 'nets\.cli_nets:make_model'"),
        ([":"], r"Expected a model as"),
        (["cli_nowhere:mlp"], r"no Python module 'cli_nowhere'.*Run the command in the folder that holds it"),
        (["cli_needs:mlp"], r"needs the package 'a_package_that_is_nowhere', which is not installed"),
        (["cli_broken:mlp"], r"Importing 'cli_broken' failed at .*cli_broken\.py:1.*division by zero"),
        (["cli_leaves:mlp"], r"Importing 'cli_leaves' ended the program"),
        (["cli_nets:mlq"], r"'cli_nets' has no 'mlq'\. Did you mean 'mlp'\?"),
        (["cli_nets:Tied.nope"], r"'Tied' has no 'nope'"),
        (["cli_nets:wants"], r"cannot be called without arguments.*'size'.*Write a function that calls it"),
        (["cli_nets:fails"], r"'cli_nets:fails' failed at .*cli_nets\.py:\d+.*what fails is said"),
        (["cli_nets:leaves"], r"'cli_nets:leaves' ended the program"),
        (["cli_nets:nothing"], r"'cli_nets:nothing' gave NoneType; expected a torch\.nn\.Module"),
        (["cli_nets:number"], r"'cli_nets:number' is int; expected a function or class"),
        (["cli_nets:Picky"], r"No example input was found for Picky.*--input 1x3x224x224"),
        (["cli_nets:mlp", "--input", "4x5"], r"Sequential cannot be exported.*--input 1x3x224x224"),
        (["cli_nets:mlp", "--input", "4xfive"], r"Expected an input such as 1x3x224x224.*got '4xfive'"),
        (["cli_nets:mlp", "--draw", "net.pdf"], r"Expected --draw to name a \.png or \.svg file, got 'net\.pdf'"),
        (["cli_nets:mlp", "--draw", "nowhere/net.png"], r"no folder 'nowhere' for the picture"),
        (["cli_nets:mlp", "--checkpoint", "nowhere.pt"], r"There is no file 'nowhere\.pt'"),
        (["cli_nets:mlp", "--checkpoint", "cli_nets.py"], r"ends in \.safetensors, \.pt or \.pth, got 'cli_nets\.py'"),
        (
            ["cli_nets:Narrow"],
            r"runs a copy of the model in double precision, which failed at .*this is too wide.*--no-verify",
        ),
    ],
)
def test_errors_say_what_came_and_what_to_do(words: list[str], message: str) -> None:
    for option in ([], ["--json"]):
        answer = Answer(*words, *option)
        assert answer.code == 2
        assert answer.out == ""
        said = answer.err.splitlines()[-1]
        assert said.startswith("Error: ")
        assert re.search(message, said)
        assert answer.err.count("Error:") == 1


def test_usage_errors() -> None:
    for words in ([], ["inspect"], ["inspect", "a:b", "--nonsense"], ["no-such-command"]):
        assert CliRunner().invoke(app, words).exit_code == 2


# --------------------------------------------------------------------------------------------------- checkpoints


def saved(state: dict[str, Tensor], path: Path) -> Path:
    save_file({k: v.contiguous() for k, v in state.items()}, path) if path.suffix == ".safetensors" else torch.save(
        state, path
    )
    return path


@pytest.mark.parametrize("ending", ["pt", "pth", "safetensors"])
def test_checkpoints_are_loaded(ending: str, tmp_path: Path) -> None:
    state = {key: torch.randn_like(value) for key, value in load_model("cli_nets:mlp").state_dict().items()}
    path = saved(state, tmp_path / f"weights.{ending}")
    model = load_model("cli_nets:mlp", path)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    answer = Answer("cli_nets:mlp", "--checkpoint", str(path))
    assert answer.code == 0
    assert f"cli_nets:mlp with {path}" in answer.out


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_state_dicts_inside_training_checkpoints(key: str, tmp_path: Path) -> None:
    state = {k: torch.randn_like(v) for k, v in load_model("cli_nets:mlp").state_dict().items()}
    torch.save({"epoch": 3, key: state}, tmp_path / "last.pt")
    model = load_model("cli_nets:mlp", tmp_path / "last.pt")
    assert torch.equal(model.state_dict()["0.weight"], state["0.weight"])
    torch.save({"epoch": 3, "weights": state}, tmp_path / "other.pt")
    with pytest.raises(WSGraphError, match=r"found a dictionary with epoch, weights\."):
        load_model("cli_nets:mlp", tmp_path / "other.pt")


def test_tied_tensors_may_be_stored_once(tmp_path: Path) -> None:
    path = saved({"embedding.weight": torch.ones(7, 4)}, tmp_path / "tied.safetensors")
    model = load_model("cli_nets:Tied", path)
    assert float(model.state_dict()["head.weight"].sum()) == 28


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.weight"), r"1 missing:\n  0\.weight$"),
        (lambda s: s.update(extra=torch.ones(1)), r"1 unexpected:\n  extra$"),
        (lambda s: s.update({"2.bias": torch.ones(4)}), r"does not fit Sequential:\n  size mismatch for 2\.bias"),
        (lambda s: s.update({f"a{i}": torch.ones(1) for i in range(12)}), r"12 unexpected:[\s\S]*\.\.\. and 2 more$"),
        (lambda s: [s.update({f"module.{k}": s.pop(k)}) for k in list(s)], r"begin with 'module\.': save .*\.module"),
    ],
)
def test_keys_must_agree(change: Callable[[dict[str, Tensor]], object], message: str, tmp_path: Path) -> None:
    state = dict(load_model("cli_nets:mlp").state_dict())
    change(state)
    answer = Answer("cli_nets:mlp", "--checkpoint", str(saved(state, tmp_path / "other.pt")))
    assert answer.code == 2
    assert re.search(message, answer.err.strip())


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("code_was_run",)


@pytest.mark.parametrize("legacy", [True, False])
def test_files_with_code_are_refused(legacy: bool, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "evil.pt"
    if legacy:
        path.write_bytes(pickle.dumps({"0.weight": Evil()}))
    else:
        torch.save({"0.weight": Evil()}, path)
    answer = Answer("cli_nets:mlp", "--checkpoint", str(path))
    assert answer.code == 2
    assert "is not a file of tensors alone, and anything else is not read, since it could run code" in answer.err
    assert not (folder / "code_was_run").exists()
    torch.save(nn.Linear(2, 2), path)
    assert Answer("cli_nets:mlp", "--checkpoint", str(path)).code == 2
    (tmp_path / "bad.safetensors").write_bytes(b"not tensors")
    answer = Answer("cli_nets:mlp", "--checkpoint", str(tmp_path / "bad.safetensors"))
    assert "cannot be read as safetensors" in answer.err


# ------------------------------------------------------------------------------------------------------ processes


def test_in_a_pipe() -> None:
    result = run("inspect", "cli_nets:mlp", COLUMNS="20")
    assert result.returncode == 0
    assert "\x1b" not in result.stdout + result.stderr
    assert "  1   0            16      linear     relu         0       0      " in result.stdout.splitlines()
    assert result.stdout.startswith("cli_nets:mlp, traced")


def test_failures_in_a_pipe() -> None:
    result = run("inspect", "cli_nets:Random", "--json", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 1
    assert json.loads(result.stdout)["verify"]["passed"] is False
    result = run("inspect", "cli_nets:fails")
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == wsgraph.__version__


def test_help_has_examples() -> None:
    result = CliRunner().invoke(app, ["inspect", "--help"])
    assert result.exit_code == 0
    for text in ("wsgraph inspect torchvision.models:resnet18\n", "--checkpoint", "--no-verify", "Exit codes"):
        assert text.strip() in result.stdout
    assert "inspect" in CliRunner().invoke(app, ["--help"]).stdout


# ------------------------------------------------------------------------------------------------------- patience


def test_a_spinner_for_what_takes_long(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("wsgraph.cli.console.PATIENCE", 0.05)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    with patience("Working [hard]"):
        time.sleep(0.3)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Working [hard]" in err
    with patience("Soon done"):
        pass
    assert "Soon done" not in capsys.readouterr().err
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    with patience("In a pipe"):
        time.sleep(0.1)
        print("said by the model")
    assert capsys.readouterr() == ("", "said by the model\n")
