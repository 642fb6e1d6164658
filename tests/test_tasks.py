"""Tasks: they learn, keep the symmetries, come back from their checkpoints, and refuse what does not fit."""

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip("lightning", reason="Lightning is not installed")

from lightning import seed_everything
from typer.testing import CliRunner

from wsgraph import WSGraphError, trace
from wsgraph.cli import app
from wsgraph.datasets import WeightDataset, WeightWriter
from wsgraph.tasks import (
    FAMILIES,
    TASKS,
    ClassifyINRs,
    EditINRs,
    EmbedNetworks,
    PredictGeneralization,
    PredictHyperparameters,
    Target,
    Task,
    TaskMaker,
    WeightData,
    compare,
    fit,
)
from wsgraph.tasks.budget import epochs_within
from wsgraph.tasks.embed_networks import retrieval
from wsgraph.tasks.inr_images import render
from wsgraph.transforms import RandomSymmetry
from wsgraph.zoo import Siren, fit_inrs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:lightning.*", "ignore::DeprecationWarning")

OMEGA = 5.0


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def inrs(tmp_path_factory) -> WeightDataset:
    """96 INRs of images of three kinds: dark, bright, and a bright half."""
    folder = tmp_path_factory.mktemp("inrs")
    label = torch.arange(96) % 3
    images = 0.1 * torch.rand(96, 6, 6, generator=seeded())
    images[label == 1] += 0.8
    images[label == 2, :3] += 0.8
    fitted = fit_inrs(images, hidden=(8, 8), omega=OMEGA, steps=60, lr=1e-2, generator=seeded(), progress=False)
    space = trace(fitted.model())
    settings = {"omega": OMEGA, "image_size": [6, 6]}
    table = {
        "label": label,
        "image_index": torch.arange(96),
        "test_accuracy": images.mean((1, 2)),
        "lr": 10.0 ** -(label.double() + 1),
        "optimizer": ["adam" if i % 2 else "sgd" for i in range(96)],
    }
    WeightWriter(folder, settings=settings).write(0, space, space.flatten(fitted.states)[0], table)
    return WeightDataset(folder).loaded()


def made(name, inrs, family="dualflow", **options):
    targets = ("lr", "optimizer") if name == "hyperparameters" else ()
    return TaskMaker(name, targets)(inrs, family, hidden_channels=8, **options)


def data_for(task, inrs, **options):
    return WeightData(inrs, 16, columns=task.columns, categories=task.categories, **options)


def fitted(name, inrs, folder, **options):
    seed_everything(0, verbose=False)
    task = made(name, inrs)
    return fit(task, data_for(task, inrs), folder, accelerator="cpu", progress=False, **options)


def one_batch(task, inrs):
    return next(iter(data_for(task, inrs).test_dataloader()))


# ------------------------------------------------------------------------------------------------------------- learning


def test_inrs_are_classified(inrs, tmp_path):
    found = fitted("classify", inrs, tmp_path, epochs=12)
    assert found.scores["accuracy"] > 0.7
    assert "accuracy" in repr(found)


def test_numbers_are_predicted(inrs, tmp_path):
    assert fitted("generalization", inrs, tmp_path, epochs=15).scores["kendall"] > 0.4


def test_edits_are_better_than_doing_nothing(inrs, tmp_path):
    scores = fitted("edit", inrs, tmp_path, epochs=15).scores
    assert scores["mse"] < 0.5 * scores["nothing"]


def test_networks_that_show_the_same_are_found(inrs, tmp_path):
    assert fitted("embed", inrs, tmp_path, epochs=5).scores["retrieval"] > 0.5


def test_several_columns_are_predicted_at_once(inrs, tmp_path):
    scores = fitted("hyperparameters", inrs, tmp_path, epochs=15).scores
    assert set(scores) == {"r2_lr", "accuracy_optimizer", "score"}
    assert scores["r2_lr"] > 0.3
    assert scores["score"] == pytest.approx((scores["r2_lr"] + scores["accuracy_optimizer"]) / 2)


def test_a_run_leaves_its_logs_and_checkpoints(inrs, tmp_path):
    fitted("classify", inrs, tmp_path, epochs=2)
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    assert {"train_loss", "val_accuracy"} <= set(lines[0].split(","))
    assert {"best.ckpt", "last.ckpt"} <= {path.name for path in tmp_path.iterdir()}
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_the_same_seed_gives_the_same_result(inrs, tmp_path):
    first, second = (fitted("classify", inrs, tmp_path / name, epochs=2) for name in "ab")
    assert first.scores == second.scores
    for a, b in zip(first.task.state_dict().values(), second.task.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_interrupted_runs_go_on(inrs, tmp_path):
    """Two epochs of three, then the rest: the same weights as three at once."""
    whole = fitted("classify", inrs, tmp_path / "whole", epochs=3)

    class Stop(Exception):
        pass

    class Interrupted(ClassifyINRs):
        def on_train_epoch_start(self):
            if self.current_epoch == 2:
                raise Stop

    seed_everything(0, verbose=False)
    task = Interrupted(inrs.space, hidden_channels=8, num_classes=3)
    with pytest.raises(Stop):
        fit(task, data_for(task, inrs), tmp_path / "cut", epochs=3, accelerator="cpu", progress=False)
    again = fitted("classify", inrs, tmp_path / "cut", epochs=3)
    last = [Task.load(tmp_path / name / "last.ckpt").state_dict() for name in ("whole", "cut")]
    assert again.epochs == whole.epochs == 3
    for name, tensor in last[0].items():
        torch.testing.assert_close(last[1][name], tensor)


def test_training_stops_when_nothing_gets_better(inrs, tmp_path):
    task = made("classify", inrs, lr=1e-12)
    found = fit(task, data_for(task, inrs), tmp_path, epochs=50, patience=2, accelerator="cpu", progress=False)
    assert found.epochs < 10


# ------------------------------------------------------------------------------------------------------------ symmetry


@pytest.mark.parametrize("family", ["dualflow", "scalegmn", "monomial"])
@pytest.mark.parametrize("name", TASKS)
def test_symmetries_change_no_answer(name, family, inrs):
    """Labels, numbers and embeddings stay; edited INRs show the same."""
    task = made(name, inrs, family).double().eval()
    task.look_at(data_for(task, inrs))
    graphs = one_batch(task, inrs)
    graphs.weights = graphs.weights.double()
    moved = RandomSymmetry(generator=seeded())(graphs)
    with torch.no_grad():
        if isinstance(task, EditINRs):
            before, after = (task.images(task(g)) for g in (graphs, moved))
            assert float((task.images(task(graphs)) - task.images(graphs)).abs().max()) > 1e-4
        else:
            before, after = task(graphs), task(moved)
    torch.testing.assert_close(after, before, rtol=1e-6, atol=1e-7)


# ---------------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("name", TASKS)
def test_checkpoints_come_back(name, inrs, tmp_path):
    found = fitted(name, inrs, tmp_path, epochs=1)
    again = Task.load(found.checkpoint)
    assert type(again) is type(found.task)
    assert again.space == inrs.space
    assert again.arguments() == found.task.arguments()
    graphs = one_batch(again, inrs)
    answers = [t(graphs) for t in (found.task, again)]
    first, second = (a if isinstance(a, torch.Tensor) else a.weights for a in answers)
    assert torch.equal(first, second)


def test_checkpoints_of_other_tasks_and_other_files_are_refused(inrs, tmp_path):
    found = fitted("classify", inrs, tmp_path, epochs=1)
    with pytest.raises(WSGraphError, match="ClassifyINRs, not of EditINRs"):
        EditINRs.load(found.checkpoint)
    with pytest.raises(WSGraphError, match="no checkpoint"):
        Task.load(tmp_path / "nothing.ckpt")
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.ckpt")
    with pytest.raises(WSGraphError, match="no checkpoint of a task"):
        Task.load(tmp_path / "other.ckpt")


class Evil:
    def __reduce__(self):
        return os.mkdir, (str(Path(os.environ["EVIL"])),)


def test_checkpoints_with_code_are_not_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("EVIL", str(tmp_path / "made"))
    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps(Evil()))
    torch.save({"wsgraph": Evil()}, tmp_path / "evil2.ckpt")
    for name in ("evil.ckpt", "evil2.ckpt"):
        with pytest.raises(WSGraphError, match="no checkpoint that can be read safely"):
            Task.load(tmp_path / name)
    assert not (tmp_path / "made").exists()


# ----------------------------------------------------------------------------------------------------------------- data


def test_parts_do_not_share_images(inrs, tmp_path):
    table = inrs.table.assign(photo=inrs.table["image_index"] // 6)
    WeightWriter(tmp_path).write(0, inrs.space, inrs.weights(), table)
    data = WeightData(WeightDataset(tmp_path), 16, by="photo")
    photos = [set(part.table["photo"]) for part in data.parts.values()]
    assert sum(map(len, photos)) == len(set().union(*photos)) == 16


def test_every_pass_is_in_another_order_and_the_seed_decides(inrs):
    passes = [WeightData(inrs, 16, columns=("image_index",)).train_dataloader() for _ in range(2)]
    first, second = ([torch.cat([b.image_index for b in loader]) for _ in range(2)] for loader in passes)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first[0].sort()[0], first[1].sort()[0])
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_several_processes_share_the_work(inrs):
    data = WeightData(inrs, 16, columns=("image_index",))
    found = []
    for rank in range(2):
        loader = data.train_dataloader()
        loader.rank, loader.processes = rank, 2
        batches = list(loader)
        assert len(batches) == len(loader)
        found.append(torch.cat([b.image_index for b in batches]))
    assert len(found[0]) == len(found[1])
    assert not set(found[0].tolist()) & set(found[1].tolist())


def test_codes_are_the_numbers_of_values(inrs):
    data = WeightData(inrs, 16, columns=("image_index",), categories={"optimizer": ("sgd", "adam")})
    for batch in data.train_dataloader():
        assert torch.equal(batch.optimizer, batch.image_index % 2)
    with pytest.raises(WSGraphError, match="has the value 'adam'; expected one of"):
        next(iter(WeightData(inrs, 16, categories={"optimizer": ("sgd",)}).train_dataloader()))
    with pytest.raises(WSGraphError, match="There is no column 'nothing'"):
        next(iter(WeightData(inrs, 16, categories={"nothing": ()}).train_dataloader()))


def test_given_splits_are_kept(inrs, tmp_path):
    table = inrs.table.assign(split=["train", "val", "test"] * 32)
    WeightWriter(tmp_path).write(0, inrs.space, inrs.weights(), table)
    data = WeightData(WeightDataset(tmp_path), 16)
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 32, "val": 32, "test": 32}
    with pytest.raises(WSGraphError, match="val part"):
        WeightData(WeightDataset(tmp_path).where("split != 'val'"), 16)


# -------------------------------------------------------------------------------------------------------------- targets


def test_targets_suit_their_columns(inrs):
    lr, optimizer = (Target.of_column(inrs, name) for name in ("lr", "optimizer"))
    assert not lr.log  # from 0.001 to 0.1 is no more than a factor of 100
    assert optimizer.values == ("adam", "sgd")
    numbers = inrs.column("lr").double()
    standard = lr.standard(numbers)
    assert abs(float(standard.mean())) < 1e-6
    torch.testing.assert_close(lr.predict(standard[:, None]), numbers)
    assert Target.from_dict(json.loads(json.dumps(optimizer.to_dict()))) == optimizer
    with pytest.raises(WSGraphError, match="nothing to predict"):
        Target.of_column(inrs.where("label == 0"), "label")


def test_retrieval_is_what_a_loop_finds():
    vectors = nn.functional.normalize(torch.randn(50, 3, generator=seeded()), dim=1)
    labels = torch.randint(3, (50,), generator=seeded())
    hits = 0
    for i in range(50):
        others = [j for j in range(50) if j != i]
        nearest = max(others, key=lambda j: float(vectors[i] @ vectors[j]))
        hits += int(labels[i] == labels[nearest])
    assert float(retrieval(vectors, labels)) == pytest.approx(hits / 50)


# --------------------------------------------------------------------------------------------------------------- images


def test_rendering_is_what_the_module_computes(inrs):
    graphs = next(iter(inrs[:5].batches(5)))
    graphs.weights.requires_grad_()
    images = render(graphs, OMEGA, (4, 7))
    assert images.shape == (5, 1, 4, 7)
    (gradient,) = torch.autograd.grad(images.square().sum(), graphs.weights)
    assert bool(gradient.any())
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, 4), torch.linspace(-1, 1, 7), indexing="ij")
    model = Siren(2, (8, 8), 1, OMEGA)
    model.load_state_dict(inrs.space.unflatten(inrs.weights(3)))
    torch.testing.assert_close(images[3, 0], model(torch.stack([rows, columns], -1))[..., 0])


def test_other_networks_have_no_images(tmp_path):
    space = trace(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)))
    WeightWriter(tmp_path).write(0, space, torch.randn(4, space.num_weights), {"label": [0, 1, 0, 1]})
    others = WeightDataset(tmp_path)
    with pytest.raises(WSGraphError, match="lack image_size and omega: are these INRs"):
        TaskMaker("edit")(others, "dualflow")
    with pytest.raises(WSGraphError, match="Expected SIRENs of two coordinates"):
        render(next(iter(others.batches(4))), OMEGA, (4, 4))


# ---------------------------------------------------------------------------------------------------------- comparisons


def test_comparisons_are_written(inrs, tmp_path):
    found = compare(
        TaskMaker("classify"), inrs, tmp_path, ["dualflow", "flat"], seeds=(0, 1), epochs=1, accelerator="cpu"
    )
    head, *rows = found.table()
    assert head == ["model", "parameters", "accuracy", "epochs", "seconds"]
    assert {t.epochs for t in found.trials} == {1}
    assert [row[0] for row in rows] == ["dualflow", "flat"]
    assert "±" in rows[0][2]
    scores = [t.scores["accuracy"] for t in found.trials if t.family == "dualflow"]
    assert rows[0][2].startswith(f"{sum(scores) / 2:.4f}")
    assert json.loads((tmp_path / "comparison.json").read_text())["measure"] == "accuracy"
    assert (tmp_path / "comparison.md").read_text().count("\n") == 4
    assert len((tmp_path / "comparison.csv").read_text().splitlines()) == 5
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_epochs_that_fit_into_a_time(inrs, tmp_path):
    task = made("classify", inrs, "flat")
    data = WeightData(inrs, 32, columns=task.columns, categories=task.categories)
    before = copy.deepcopy(task.state_dict())
    assert epochs_within(1e-9, task, data, tmp_path / "short") == 1
    many = epochs_within(60.0, task, data, tmp_path / "long")
    assert many > 1
    assert epochs_within(1e-9, task, data, tmp_path / "long") == many, "a training that goes on keeps its number"
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())
    found = compare(TaskMaker("classify"), inrs, tmp_path, ["flat"], seeds=(0,), seconds=1e-9, accelerator="cpu")
    assert [t.epochs for t in found.trials] == [1]


def test_unknown_names_are_refused(inrs, tmp_path):
    with pytest.raises(WSGraphError, match=r"no task 'nothing'; there are classify"):
        TaskMaker("nothing")
    with pytest.raises(WSGraphError, match=f"no family 'nothing'; there are {', '.join(FAMILIES)}"):
        TaskMaker("classify")(inrs, "nothing")
    with pytest.raises(WSGraphError, match=r"needs the column 'digit'; there are 'label'"):
        TaskMaker("classify", ("digit",))(inrs, "flat")
    with pytest.raises(WSGraphError, match="no edit 'erase'"):
        TaskMaker("edit", edit="erase")(inrs, "flat")
    with pytest.raises(WSGraphError, match="at least one family"):
        compare(TaskMaker("classify"), inrs, tmp_path, [])


def test_kinds_are_those_of_the_names(inrs):
    kinds = [ClassifyINRs, PredictGeneralization, PredictHyperparameters, EditINRs, EmbedNetworks]
    assert [type(made(name, inrs)) for name in TASKS] == kinds


# -------------------------------------------------------------------------------------------------------- command line


def test_two_processes_train_together(inrs, tmp_path):
    """On the command line, which Lightning starts once more for the second process; only one of them answers."""
    options = ("--data", inrs.folder, "--epochs", 2, "--batch-size", 8, "--out", tmp_path, "--json")
    command = [sys.executable, "-m", "wsgraph", "train", "classify", *map(str, options), "--devices", "2"]
    found = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert found.returncode == 0, found.stderr
    (line,) = found.stdout.splitlines()
    assert json.loads(line)["epochs"] == 2
    assert Task.load(tmp_path / "best.ckpt").space == inrs.space


def test_compare_on_the_command_line(inrs, tmp_path):
    options = [
        "compare",
        "classify",
        "--data",
        str(inrs.folder),
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--out",
        str(tmp_path),
    ]
    found = CliRunner().invoke(app, [*options, "--model", "flat"])
    assert found.exit_code == 0, found.output
    assert "flat" in found.stdout
    assert (tmp_path / "comparison.md").exists()
    wrong = CliRunner().invoke(app, [*options, "--model", "nothing"])
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "there are dualflow" in wrong.stderr


def test_train_on_the_command_line(inrs, tmp_path):
    options = [
        "train",
        "edit",
        "--data",
        str(inrs.folder),
        "--epochs",
        "1",
        "--out",
        str(tmp_path),
        "--where",
        "label > 0",
    ]
    found = CliRunner().invoke(app, [*options, "--edit", "contrast", "--hidden-channels", "8"])
    assert found.exit_code == 0, found.output
    assert found.stdout.startswith("mse: ")
    assert Task.load(tmp_path / "best.ckpt").arguments()["edit"] == "contrast"
