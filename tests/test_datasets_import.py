"""Data sets from folders of state dicts, back, and to the Hub: nothing is lost, run as code, or left out in silence."""

import errno
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import wsgraph
from wsgraph.datasets import (
    WeightDataset,
    WeightWriter,
    export_states,
    import_states,
    importing,
    pull_from_hub,
    push_to_hub,
)
from wsgraph.errors import WSGraphError


def network(seed=0):
    """With a buffer of integers."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    model(torch.rand(5, 2))
    return model


SPACE = wsgraph.trace(network(), torch.rand(3, 2))
ROW = 4 * SPACE.num_weights + 8 * SPACE.num_integers + 1


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        return self.head(torch.relu(self.embedding(ids)))


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr(importing, "SHARD_BYTES", 4 * ROW)


@pytest.fixture
def source(tmp_path):
    """Ten networks in files of every kind, one in a folder; beside them, files that are none."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    for i in range(10):
        state = network(i).state_dict()
        if i % 3 == 0:
            save_file(state, folder / f"net{i}.safetensors")
        elif i % 3 == 1:
            torch.save({"epoch": i, "state_dict": state}, folder / ("deep" if i == 4 else ".") / f"net{i}.pt")
        else:
            torch.save(state, folder / f"net{i}.pth")
    (folder / "notes.txt").write_text("no network")
    (folder / ".net0.pt.12.partial").write_text("no network")
    (folder / ".hidden.pt").write_text("no network")
    return folder


def assert_networks(dataset, seeds):
    """The networks with these seeds, bit for bit, in this order."""
    assert len(dataset) == len(seeds)
    for graph, seed in zip(dataset, seeds, strict=True):
        found, expected = wsgraph.to_state_dict(graph), network(seed).state_dict()
        assert list(found) == list(expected)
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_become_networks_in_the_order_of_their_names(source, tmp_path):
    dataset, skipped = import_states(source, tmp_path / "set", SPACE)
    assert dataset.table.file.tolist()[:3] == ["deep/net4.pt", "net0.safetensors", "net1.pt"]
    assert_networks(dataset, [4, 0, 1, 2, 3, 5, 6, 7, 8, 9])
    assert skipped == {}
    assert len(list((tmp_path / "set" / "weights").iterdir())) == 3
    dataset.check()


def test_the_data_set_may_lie_among_its_sources(source):
    import_states(source, source / "set", SPACE)
    assert len(import_states(source, source / "set", SPACE).dataset) == 10


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_metadata_is_joined_by_file_name(source, tmp_path, kind):
    names = [("deep/" if i == 4 else "") + f"net{i}" for i in range(10)]
    frame = pandas.DataFrame({"run": range(10), "file": names, "activation": ["relu"] * 10})
    frame = pandas.concat([frame[::-1], pandas.DataFrame({"run": [99], "file": ["failed"], "activation": ["?"]})])
    table = frame if kind == "frame" else tmp_path / f"runs.{kind}"
    if kind == "csv":
        frame.to_csv(table, index=False)
    elif kind == "parquet":
        frame.to_parquet(table)
    dataset, _ = import_states(source, tmp_path / "set", SPACE, table=table)
    assert dataset.column("run").tolist() == [4, 0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert list(dataset.table.columns) == ["file", "run", "activation"]
    assert_networks(dataset.where("run == 7"), [7])


def test_names_that_look_like_numbers_stay_names(tmp_path):
    (tmp_path / "runs").mkdir()
    for name in ("007", "7", "1e3"):
        torch.save(network().state_dict(), tmp_path / "runs" / f"{name}.pt")
    (tmp_path / "runs.csv").write_text("run,file\n0,7\n1,007\n2,1e3\n")
    dataset, _ = import_states(tmp_path / "runs", tmp_path / "set", SPACE, table=tmp_path / "runs.csv")
    assert dict(zip(dataset.table.file, dataset.table.run, strict=True)) == {"7.pt": 0, "007.pt": 1, "1e3.pt": 2}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["net0"]}, "Expected a column 'file' with the names of files in the table, found 'name'"),
        ({"file": ["net0"]}, "9 files have no row in the table: 'deep/net4.pt', 'net1.pt', 'net2.pth' ..."),
        ({"file": ["deep/net4", *(f"net{i}" for i in range(10)), "net3"]}, "several for 'net3'"),
        ("runs.csv", "There is no table 'runs.csv'"),
        ("runs.json", "Expected a table that ends in .csv or .parquet, got 'runs.json'"),
    ],
)
def test_metadata_that_does_not_fit(source, tmp_path, table, message):
    table = table if isinstance(table, str) else pandas.DataFrame(table)
    with pytest.raises(WSGraphError, match=re.escape(message)):
        import_states(source, tmp_path / "set", SPACE, table=table)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("code_was_run",)


def spoil(path, kind):
    """A file that cannot be a network of the space."""
    state = dict(network().state_dict())
    if kind == "code":
        torch.save({"0.weight": Evil()}, path)
    elif kind == "old code":
        path.write_bytes(pickle.dumps({"0.weight": Evil()}))
    elif kind == "module":
        torch.save(network(), path)
    elif kind == "cut":
        torch.save(state, path)
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "architecture":
        torch.save(nn.Linear(2, 4).state_dict(), path)
    elif kind == "shape":
        torch.save(state | {"0.weight": torch.zeros(5, 2)}, path)
    elif kind == "dtype":
        torch.save({n: t.double() if t.is_floating_point() else t for n, t in state.items()}, path)
    elif kind == "stack":
        torch.save({n: torch.stack([t, t]) for n, t in state.items()}, path)
    elif kind == "numbers":
        torch.save([1, 2], path)
    elif kind == "other things":
        torch.save({"weights": state}, path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("code", "is not a file of tensors alone, and anything else is not read, since it could run code"),
        ("old code", "is not a file of tensors alone"),
        ("module", "is not a file of tensors alone"),
        ("cut", "cannot be read as a PyTorch file"),
        ("architecture", "The state dict does not belong to this weight space: missing '0.weight'"),
        ("shape", "Tensor '0.weight': expected shape [4, 2]"),
        ("dtype", "expected torch.float32, as in the files before it, got torch.float64"),
        ("stack", "expected the state dict of one network, got a stack of 2"),
        ("numbers", "Expected a state dict (names and tensors) in"),
        ("other things", "found a dictionary with weights"),
    ],
)
def test_bad_files_are_named_or_skipped_and_listed(source, tmp_path, monkeypatch, kind, message):
    monkeypatch.chdir(tmp_path)
    path = source / "net5x.pth"
    spoil(path, kind)
    with pytest.raises(WSGraphError, match=re.escape(message)) as error:
        import_states(source, "set", SPACE)
    assert str(path) in str(error.value)
    assert len(WeightDataset("set")) == 4  # what was finished before is kept
    dataset, skipped = import_states(source, "set", SPACE, skip_bad=True)
    assert_networks(dataset, [4, 0, 1, 2, 3, 5, 6, 7, 8, 9])
    assert list(skipped) == ["net5x.pth"]
    assert message in skipped["net5x.pth"]
    assert import_states(source, "set", SPACE).skipped == skipped  # of an import that is done
    assert not Path("code_was_run").exists()


def test_a_shard_of_bad_files_alone(source, tmp_path):
    for i in range(9):
        (source / f"a{i}.safetensors").write_bytes(b"")
    dataset, skipped = import_states(source, tmp_path / "set", SPACE, skip_bad=True)
    assert_networks(dataset, [4, 0, 1, 2, 3, 5, 6, 7, 8, 9])
    assert len(skipped) == 9


def test_tied_tensors_may_be_stored_once(tmp_path):
    torch.manual_seed(0)
    model = Tied()
    space = wsgraph.trace(model, torch.arange(3))
    weight = model.head.weight.detach()
    for name in ("embedding.weight", "head.weight"):
        folder = tmp_path / name
        folder.mkdir()
        save_file({name: weight}, folder / "net.safetensors")
        dataset, _ = import_states(folder, folder / "set", space)
        assert all(torch.equal(value, weight) for value in wsgraph.to_state_dict(dataset[0]).values())


def test_folders_without_state_dicts(tmp_path):
    with pytest.raises(WSGraphError, match=r"no \.safetensors, \.pt or \.pth files in"):
        import_states(tmp_path, tmp_path / "set", SPACE)
    with pytest.raises(WSGraphError, match=r"Expected a folder of state dicts, but '.*nowhere' is none"):
        import_states(tmp_path / "nowhere", tmp_path / "set", SPACE)


# ------------------------------------------------------------------------------------------------------- interruptions

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
import wsgraph
from wsgraph.datasets import import_states, importing

source, target, row, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
space = wsgraph.WeightSpace.from_json((target / "space.json").read_text())
importing.SHARD_BYTES = 4 * row

def killed_before(name, moment):
    done, calls = getattr(os, name), []
    def counted(*args):
        calls.append(name)
        if len(calls) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return done(*args)
    setattr(os, name, counted)

for name in ("fsync", "replace"):
    for moment in range(1, last + 1):
        child = os.fork()
        if child == 0:
            killed_before(name, moment)
            import_states(source, target / f"{name}{moment}", space, skip_bad=True)
            os._exit(0)
        print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_an_import_that_is_killed_goes_on_where_it_was(source, tmp_path):
    """SIGKILL before every flush, and before every move of a file to its place."""
    (source / "net2x.pt").write_bytes(b"bad")
    (source / "net7x.pt").write_bytes(b"bad")
    import_states(source, tmp_path / "whole", SPACE, skip_bad=True)
    expected = contents(tmp_path / "whole")
    (tmp_path / "space.json").write_text(SPACE.to_json())
    moves = 1 + 1 + 3 * 3 + 2  # the empty index, the space, three files a shard, what is skipped twice
    command = [sys.executable, "-c", KILLED, *map(str, (source, tmp_path, ROW, moves + 1))]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == (["9"] * moves + ["0"]) * 2
    for name in ("fsync", "replace"):
        for moment in range(1, moves + 1):
            folder = tmp_path / f"{name}{moment}"
            assert contents(folder) != expected
            dataset, skipped = import_states(source, folder, SPACE, skip_bad=True)
            assert set(skipped) == {"net2x.pt", "net7x.pt"}
            assert len(dataset) == 10
            assert contents(folder) == expected


def test_an_import_of_other_files_is_another(source, tmp_path):
    import_states(source, tmp_path / "set", SPACE)
    (source / "net9.safetensors").unlink()
    with pytest.raises(WSGraphError, match="begun with other settings: files, table"):
        import_states(source, tmp_path / "set", SPACE)


# --------------------------------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_what_is_exported_is_what_was_imported(source, tmp_path, ending):
    table = pandas.DataFrame({"file": [f"net{i}" for i in range(10)], "run": range(10)}).replace("net4", "deep/net4")
    dataset, _ = import_states(source, tmp_path / "set", SPACE, table=table)
    files = export_states(dataset.where("run != 3"), tmp_path / "out", ending)
    assert files[0] == tmp_path / "out" / "deep" / f"net4.{ending}"
    state = load_file(files[1]) if ending == "safetensors" else torch.load(files[1], weights_only=True)
    network(0).load_state_dict(state)
    assert all(torch.equal(state[name], value) for name, value in network(0).state_dict().items())
    again, _ = import_states(tmp_path / "out", tmp_path / "again", SPACE, table=tmp_path / "out" / "table.parquet")
    assert_networks(again, [4, 0, 1, 2, 5, 6, 7, 8, 9])
    assert again.column("run").tolist() == [4, 0, 1, 2, 5, 6, 7, 8, 9]


def test_networks_without_names_of_their_own_are_numbered(tmp_path):
    writer = WeightWriter(tmp_path / "set")
    writer.write(0, SPACE, torch.zeros(11, SPACE.num_weights), {"file": ["a/x.pt"] * 11})
    files = export_states(WeightDataset(tmp_path / "set"), tmp_path / "out")
    assert [file.name for file in files] == [f"{i:02d}.safetensors" for i in range(11)]


@pytest.mark.parametrize("name", ["../net.pt", "/net.pt", "a/../../net.pt", ""])
def test_names_do_not_lead_out_of_the_folder(tmp_path, name):
    WeightWriter(tmp_path / "set").write(0, SPACE, torch.zeros(1, SPACE.num_weights), {"file": [name]})
    with pytest.raises(WSGraphError, match="leads out of the folder"):
        export_states(WeightDataset(tmp_path / "set"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_leaves_no_half_files(source, tmp_path, monkeypatch):
    dataset, _ = import_states(source, tmp_path / "set", SPACE)
    flush, calls = os.fsync, []

    def fails(descriptor):
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(WSGraphError, match="out cannot be written to: the disk is full"):
        export_states(dataset, tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == ["deep/net4.safetensors", "net0.safetensors", "net1.safetensors"]
    with pytest.raises(WSGraphError, match="Expected the format 'safetensors' or 'pt', got 'onnx'"):
        export_states(dataset, tmp_path / "out", "onnx")


# ------------------------------------------------------------------------------------------------------------------ hub


def as_the_real_one(function, real):
    """The function, if the real one takes the same arguments."""

    def called(*args, **kwargs):
        inspect.signature(real).bind(*args, **kwargs)
        return function(*args, **kwargs)

    return called


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub in a folder, called as the real one may be called."""
    hub = pytest.importorskip("huggingface_hub")
    place = tmp_path / "hub"

    def create_repo(repo_id, *, repo_type, private, exist_ok):
        assert (repo_type, exist_ok) == ("dataset", True)
        (place / repo_id).mkdir(parents=True, exist_ok=True)

    def upload_folder(*, repo_id, folder_path, repo_type, allow_patterns, commit_message):
        for path in filter(Path.is_file, Path(folder_path).rglob("*")):
            name = path.relative_to(folder_path)
            if any(Path(name).match(pattern) for pattern in allow_patterns):
                (place / repo_id / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place / repo_id / name)
        return f"https://hub/{repo_id}"

    def snapshot_download(repo_id, *, repo_type, revision, local_dir, allow_patterns):
        if not (place / repo_id).is_dir():
            raise FileNotFoundError(f"no repository {repo_id}")
        return str(place / repo_id) if local_dir is None else shutil.copytree(place / repo_id, local_dir)

    for function in (create_repo, upload_folder, snapshot_download):
        monkeypatch.setattr(hub, function.__name__, as_the_real_one(function, getattr(hub, function.__name__)))
    return place


def test_to_the_hub_and_back(hub, source, tmp_path):
    dataset, _ = import_states(source, tmp_path / "set", SPACE)
    (tmp_path / "set" / "weights" / ".00000.safetensors.1.partial").touch()
    assert push_to_hub(dataset, "me/nets") == "https://hub/me/nets"
    assert not list(hub.rglob("*.partial"))
    assert torch.equal(pull_from_hub("me/nets").weights(), dataset.weights())
    pulled = pull_from_hub("me/nets", tmp_path / "pulled")
    assert pulled.folder == tmp_path / "pulled"
    assert pulled.table.equals(dataset.table)


def test_what_the_hub_does_not_take_or_give(hub, source, tmp_path):
    dataset, _ = import_states(source, tmp_path / "set", SPACE)
    with pytest.raises(WSGraphError, match="this is a selection of 3 of 10 networks"):
        push_to_hub(dataset[:3], "me/nets")
    with pytest.raises(WSGraphError, match="'me/none' cannot be pulled: no repository me/none"):
        pull_from_hub("me/none")
    push_to_hub(dataset, "me/nets")
    for place in (hub / "me" / "nets", tmp_path / "set"):
        path = place / "weights" / "00001.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WSGraphError, match=r"00001\.safetensors is damaged"):
        pull_from_hub("me/nets")
    with pytest.raises(WSGraphError, match=r"00001\.safetensors is damaged"):
        push_to_hub(dataset, "me/nets")


def test_without_the_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WSGraphError, match=r"pip install 'wsgraph\[hub\]'"):
        pull_from_hub("me/nets")
