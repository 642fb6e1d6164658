"""Laws of batched training: each network is what it would be alone, whatever interrupts the work."""

import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import wsgraph
from wsgraph.datasets import WeightDataset
from wsgraph.errors import WSGraphError
from wsgraph.zoo import Choice, Constant, Hyperparameters, LogUniform, Uniform, small_cnn, train_classifiers
from wsgraph.zoo.dropout import KeyedDropout, key_dropouts, step_keys
from wsgraph.zoo.runs import stream


def bn_mlp():
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)
    )


def bn_mlp_of_larger_weights():
    model = bn_mlp()
    nn.init.uniform_(model[0].weight, -2, 2)
    return model


class Tied(nn.Module):
    """Tied weights, a scalar parameter, a buffer of random numbers, and one that is not in the state dict."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.factor = nn.Parameter(torch.tensor(1.5))
        self.register_buffer("offset", torch.rand(6))
        self.register_buffer("shift", torch.full((6,), 0.1), persistent=False)

    def forward(self, x):
        return self.factor * self.second(torch.tanh(self.first(x + self.offset)) + self.shift)[:, :3]


def some_data(count=90, dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(count, 6, generator=generator, dtype=dtype)
    y = (x[:, :3] + 0.3 * x[:, 3:]).argmax(1)
    return x[:60], y[:60], x[60:], y[60:]


PLAIN = Hyperparameters(fraction=Constant(1.0), epochs=Constant(3))
VARIED = Hyperparameters(
    lr=LogUniform(1e-3, 1e-2), dropout=Uniform(0.0, 0.5), fraction=Choice(0.3, 0.7, 1.0), epochs=Choice(1, 2, 4)
)
QUICK = {"batch_size": 10, "progress": False}


def assert_same(first, second, *, atol=0.0):
    """Equal networks: tables to the last bit of what is drawn, weights and scores up to a tolerance."""
    measured = [name for name in first.table if name.endswith(("loss", "accuracy"))]
    assert first.table.drop(columns=measured).equals(second.table.drop(columns=measured))
    for name in measured:
        torch.testing.assert_close(
            torch.tensor(first.table[name]), torch.tensor(second.table[name]), rtol=0, atol=atol, equal_nan=True
        )
    torch.testing.assert_close(first.weights(), second.weights(), rtol=0, atol=atol, equal_nan=True)


def state_of(dataset, row):
    return wsgraph.to_state_dict(dataset[row])


# Many at once


@pytest.mark.parametrize("factory", [bn_mlp, Tied], ids=["batch norm and dropout", "tied"])
def test_a_network_among_many_is_the_network_alone(tmp_path, factory):
    settings = {"hyperparameters": VARIED if factory is bn_mlp else Hyperparameters(epochs=Choice(1, 3)), **QUICK}
    every = train_classifiers(factory, some_data(), tmp_path / "all", count=5, seed=3, checkpoints=[0, 1], **settings)
    assert every.table["optimizer"].nunique() > 1
    assert every.table["epochs"].nunique() > 1
    for network, seed in enumerate(every.table.groupby("network")["seed"].first()):
        alone = train_classifiers(
            factory, some_data(), tmp_path / str(network), count=1, seed=[seed], checkpoints=[0, 1], **settings
        )
        rows = every.where(f"network == {network}")
        alone.table["network"] = network
        torch.testing.assert_close(rows.weights(), alone.weights(), rtol=0, atol=1e-9)
        for name in ("train_loss", "test_loss", "train_accuracy"):
            torch.testing.assert_close(rows.column(name), alone.column(name), rtol=0, atol=1e-6)


def train_alone(model, optimizer, x, y, row):
    """The dense twin: one network, autograd, an optimiser of torch; the order of data and the masks are the same."""
    generator = stream(int(row.seed), "data")
    part = torch.randperm(len(x), generator=generator)[: round(row.fraction * len(x))]
    model.train()
    step = 0
    for _ in range(row.epochs):
        order = part[torch.randperm(len(part), generator=generator)]
        for places in order.split(10):
            if len(places) == 10:
                model[3].key = step_keys(torch.tensor([row.seed]), step)[0]
                optimizer.zero_grad()
                F.cross_entropy(model(x[places]), y[places]).backward()
                optimizer.step()
                step += 1


@pytest.mark.parametrize("kind", ["sgd", "adam", "rmsprop"])
def test_training_is_that_of_torch(tmp_path, kind):
    kinds = {
        "sgd": lambda parameters, row, **shared: torch.optim.SGD(parameters, momentum=row.momentum, **shared),
        "adam": lambda parameters, row, **shared: torch.optim.Adam(parameters, **shared),
        "rmsprop": lambda parameters, row, **shared: torch.optim.RMSprop(parameters, **shared),
    }
    hyperparameters = Hyperparameters(
        optimizer=Constant(kind), momentum=Uniform(0.5, 0.9), dropout=Uniform(0.0, 0.5), fraction=Choice(0.45, 1.0),
        epochs=Choice(2, 3), lr=LogUniform(1e-3, 1e-2), weight_decay=LogUniform(1e-4, 1e-1),
    )  # fmt: skip
    x, y, *_ = some_data()
    dataset = train_classifiers(bn_mlp, (x, y), tmp_path, count=4, seed=1, hyperparameters=hyperparameters, **QUICK)
    for i, row in enumerate(dataset.table.itertuples()):
        torch.manual_seed(row.seed)
        model = bn_mlp().double()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(row.initial_scale if parameter.ndim > 1 else 1.0)
        model[3] = KeyedDropout(row.dropout, number=0)
        optimizer = kinds[kind](model.parameters(), row, lr=row.lr, weight_decay=row.weight_decay)
        train_alone(model, optimizer, x, y, row)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(state_of(dataset, i)[name], value.detach(), rtol=1e-9, atol=1e-9, msg=name)


def test_the_table_tells_what_the_weights_do(tmp_path):
    x, y, x_test, y_test = some_data()
    hyperparameters = Hyperparameters(fraction=Constant(0.5), epochs=Constant(2))
    dataset = train_classifiers(bn_mlp, some_data(), tmp_path, count=3, hyperparameters=hyperparameters, **QUICK)
    for i, row in enumerate(dataset.table.itertuples()):
        model = bn_mlp().double().eval()
        model.load_state_dict(state_of(dataset, i))
        part = torch.randperm(60, generator=stream(row.seed, "data"))[:30]
        for inputs, classes, loss, accuracy in [
            (x[part], y[part], row.train_loss, row.train_accuracy),
            (x_test, y_test, row.test_loss, row.test_accuracy),
        ]:
            outputs = model(inputs)
            assert loss == pytest.approx(F.cross_entropy(outputs, classes).item(), abs=1e-9)
            assert accuracy == pytest.approx((outputs.argmax(1) == classes).double().mean().item(), abs=1e-9)


def test_networks_learn(tmp_path):
    hyperparameters = Hyperparameters(
        optimizer=Constant("adam"), lr=Constant(1e-2), fraction=Constant(1.0), epochs=Constant(15)
    )
    dataset = train_classifiers(bn_mlp, some_data(), tmp_path, count=3, hyperparameters=hyperparameters, **QUICK)
    assert dataset.table["train_accuracy"].min() > 0.8
    assert dataset.table["test_accuracy"].min() > 0.5  # chance is a third


def test_checkpoints_are_kept(tmp_path):
    hyperparameters = Hyperparameters(epochs=Choice(2, 5), fraction=Choice(0.4, 1.0))
    settings = {"count": 6, "chunk_size": 4, "hyperparameters": hyperparameters, **QUICK}
    dataset = train_classifiers(bn_mlp, some_data(), tmp_path / "a", checkpoints=[0, 2, 3], **settings)
    for _, rows in dataset.table.groupby("network"):
        epochs = rows["epochs"].iloc[0]
        assert rows["epoch"].tolist() == [epoch for epoch in (0, 2, 3) if epoch < epochs] + [epochs]
    assert dataset.table["network"].is_monotonic_increasing
    last = train_classifiers(bn_mlp, some_data(), tmp_path / "b", **settings)
    assert torch.equal(dataset.where("epoch == epochs").weights(), last.weights())
    first = dataset.where("epoch == 0")
    torch.manual_seed(int(first.table["seed"][0]))
    scale = first.table["initial_scale"][0]
    torch.testing.assert_close(state_of(first, 0)["0.weight"], bn_mlp().double()[0].weight.detach() * scale)


def test_several_architectures_make_several_spaces(tmp_path):
    factories = {name: lambda name=name: small_cnn(activation=name) for name in ("relu", "tanh")}
    images = torch.rand(20, 1, 6, 6), torch.arange(20) % 10
    dataset = train_classifiers(
        factories, images, tmp_path, count=8, chunk_size=2, hyperparameters=PLAIN, batch_size=10, progress=False
    )
    assert len(dataset.spaces) == 2
    assert set(dataset.table["architecture"]) == {"relu", "tanh"}
    assert sorted(dataset.table["network"]) == list(range(8))
    for i, name in enumerate(dataset.table["architecture"]):
        assert dataset[i].space == wsgraph.trace(small_cnn(activation=name), (images[0][:2],))


def test_networks_that_diverge_stay_and_are_flagged(tmp_path):
    x, y, *_ = some_data()
    hyperparameters = Hyperparameters(
        optimizer=Constant("sgd"), lr=Choice(1e-2, 1e200), fraction=Constant(1.0), epochs=Constant(2)
    )
    dataset = train_classifiers(
        lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3)), (x, y), tmp_path,
        count=8, hyperparameters=hyperparameters, **QUICK,
    )  # fmt: skip
    assert dataset.table["finite"].tolist() == (dataset.table["lr"] < 1).tolist()
    assert dataset.table["finite"].nunique() == 2
    assert dataset.weights().isfinite().all(1).tolist() == dataset.table["finite"].tolist()


def test_the_callers_random_numbers_stay(tmp_path):
    before = torch.random.get_rng_state()
    train_classifiers(bn_mlp, some_data(), tmp_path, count=2, hyperparameters=PLAIN, **QUICK)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seeds_and_chunks(tmp_path):
    def trained(name, **settings):
        return train_classifiers(
            bn_mlp, some_data(), tmp_path / name, hyperparameters=VARIED, **{**QUICK, "count": 4, **settings}
        )

    first = trained("a")
    assert_same(first, trained("b"))
    assert_same(first, trained("c", chunk_size=3), atol=1e-9)
    assert_same(first, trained("d", count=6).where("network < 4"), atol=1e-9)
    other = trained("e", seed=1)
    assert set(first.table["seed"]).isdisjoint(other.table["seed"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_makes_the_same_networks(tmp_path):
    settings = {"count": 4, "hyperparameters": VARIED, "checkpoints": [0, 1], **QUICK}
    here = train_classifiers(bn_mlp, some_data(), tmp_path / "cpu", **settings)
    there = train_classifiers(bn_mlp, some_data(), tmp_path / "cuda", device="cuda", **settings)
    assert_same(here, there, atol=1e-7)


# Dropout


def test_dropout_keeps_the_mean_at_each_networks_rate():
    model = KeyedDropout(0.5, number=0)
    x = torch.ones(4, 50_000)
    rates, keys = torch.tensor([0.0, 0.1, 0.5, 0.9], dtype=torch.float64), step_keys(torch.arange(4), 7)

    def call(rate, key, x):
        return torch.func.functional_call(model, {"rate": rate, "key": key}, (x,))

    out = torch.func.vmap(call)(rates, keys, x)
    assert out.dtype == x.dtype
    torch.testing.assert_close((out == 0).double().mean(1), rates, rtol=0, atol=0.01)
    torch.testing.assert_close(out.mean(1), torch.ones(4), rtol=0, atol=0.03)
    assert torch.equal(model.eval()(x), x)


def test_dropout_modules_are_replaced_wherever_they_are():
    shared = nn.Dropout(0.3)
    model = nn.Sequential(shared, nn.Sequential(shared, nn.Dropout(0.0)), nn.Linear(2, 2))
    assert key_dropouts(model, drawn=False) == ["0", "1.0"]
    assert isinstance(model[1][1], nn.Identity)
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())
    assert list(model.state_dict()) == ["2.weight", "2.bias"]
    model = nn.Sequential(nn.Dropout(0.0))
    assert key_dropouts(model, drawn=True) == ["0"]


def test_masks_of_networks_steps_and_modules_are_independent():
    def mask(seed, step, number):
        model = KeyedDropout(0.5, number)
        model.key = step_keys(torch.tensor([seed]), step)[0]
        return (model(torch.ones(20_000)) > 0).double()

    others = [(seed, step, number) for seed in range(1, 7) for step in range(3) for number in range(2)]
    masks = [mask(*args) for args in [*others, (2**40 + 1, 0, 0)]]
    correlation = torch.corrcoef(torch.stack(masks))
    assert (correlation - torch.eye(len(masks))).abs().max() < 0.04
    neighbours = torch.corrcoef(torch.stack([masks[0][:-1], masks[0][1:]]))[0, 1]
    assert neighbours.abs() < 0.04
    assert torch.equal(masks[0], mask(1, 0, 0))


# Hyperparameters


@pytest.mark.parametrize(
    ("distribution", "low", "middle"),
    [
        (Uniform(-1.0, 3.0), -1.0, 1.0),
        (LogUniform(1e-4, 1.0), 1e-4, 1e-2),
        (Choice("a", 2), "a", 2),
        (Constant(7), 7, 7),
    ],
    ids=str,
)
def test_distributions_are_their_quantiles(distribution, low, middle):
    assert eval(repr(distribution)) == distribution
    assert hash(eval(repr(distribution))) == hash(distribution)
    assert distribution.at(0.0) == pytest.approx(low)
    assert distribution.at(0.5) == pytest.approx(middle)


def test_hyperparameters_go_through_json():
    for hyperparameters in (Hyperparameters(), VARIED, PLAIN):
        assert Hyperparameters.from_json(hyperparameters.to_json()) == hyperparameters
    with pytest.raises(WSGraphError, match=r"Expected one of the distributions Uniform, .*, but got 'Normal'"):
        Hyperparameters.from_json(PLAIN.to_json().replace("LogUniform", "Normal"))


def test_draws_do_not_depend_on_the_other_hyperparameters():
    generators = [torch.Generator().manual_seed(4) for _ in range(2)]
    first, second = Hyperparameters().draw(generators[0]), VARIED.draw(generators[1])
    assert (first.optimizer, first.weight_decay) == (second.optimizer, second.weight_decay)
    assert 0 <= second.dropout <= 0.5
    assert first.dropout is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(1.0, 0.0), "the low one first, but got Uniform(low=1.0, high=0.0)"),
        (lambda: Uniform(0.0, math.inf), "two finite ends"),
        (lambda: LogUniform(0.0, 1.0), "a positive low end, but got LogUniform(low=0.0, high=1.0)"),
        (lambda: Choice(), "at least one option"),
        (lambda: Hyperparameters(optimizer=Constant("lion")), "Expected optimizer out of sgd, adam, rmsprop"),
        (lambda: Hyperparameters(lr=Constant(0.0)), "Expected lr of more than 0, but Constant(value=0.0) may give 0.0"),
        (lambda: Hyperparameters(dropout=Uniform(0.0, 1.0)), "Expected dropout from 0 to below 1"),
        (lambda: Hyperparameters(epochs=Uniform(1.0, 2.0)), "Expected epochs that are whole numbers of at least 1"),
        (lambda: Hyperparameters(fraction=Constant("all")), "Expected fraction of more than 0, at most 1"),
    ],
)
def test_bad_hyperparameters_are_refused(make, message):
    with pytest.raises(WSGraphError, match=re.escape(message)):
        make()


class Loud(nn.Module):
    def __init__(self):
        super().__init__()
        self.only = nn.Linear(6, 3)

    def forward(self, x):
        return self.only(F.dropout(x, 0.5, self.training))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": some_data()[:3]}, "Expected data (x, y) or (x, y, x_test, y_test), but got 3 tensors"),
        ({"data": (torch.ones(4, 6).long(), torch.ones(4).long())}, "Expected floating inputs of one dtype and shape"),
        ({"data": (torch.ones(40, 6), torch.ones(40))}, "Expected one class (int64) for each of the 40 inputs"),
        ({"data": (torch.ones(40, 6), torch.ones(41).long())}, "for each of the 40 inputs, at least one, but got"),
        ({"batch_size": 61}, "Expected a batch_size of at most the 60 inputs, got 61"),
        ({"count": 0}, "Expected count of at least 1, but got 0"),
        ({"chunk_size": 0}, "Expected chunk_size of at least 1"),
        ({"checkpoints": [-1]}, "Expected epochs from 0 as checkpoints, but got [-1]"),
        ({"seed": [1]}, "Expected a seed, or 2 seeds"),
        ({"factory": {}}, "Expected a factory, or several by name"),
        ({"factory": Loud}, "cannot be trained together with others"),
        ({"factory": Tied, "hyperparameters": VARIED}, "the network has no nn.Dropout"),
        ({"ray": 0}, "Expected at least 1 Ray task at a time, but got 0"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else next(iter(value)),
)
def test_bad_calls_are_refused(tmp_path, changes, message):
    settings = {"factory": bn_mlp, "data": some_data(), "count": 2, "hyperparameters": PLAIN, **QUICK, **changes}
    with pytest.raises(WSGraphError, match=re.escape(message)):
        train_classifiers(folder=tmp_path, **settings)


# Interruptions

KILLED = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from test_zoo_classifiers import train_for_the_kill
print("ready", flush=True)
train_for_the_kill(sys.argv[2])
"""


def train_for_the_kill(folder):
    """Some seconds of work in eight shards, of which the first are done soon."""
    hyperparameters = Hyperparameters(epochs=Constant(5), dropout=Uniform(0.0, 0.3))
    return train_classifiers(
        bn_mlp, some_data(), folder, count=16, chunk_size=2, hyperparameters=hyperparameters, checkpoints=[1], **QUICK
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_call_goes_on_to_an_equal_result(tmp_path):
    index = tmp_path / "killed" / "dataset.json"
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(Path(__file__).parent), str(index.parent)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=Path(wsgraph.__file__).parents[1],
    ) as process:  # fmt: skip
        patience = time.monotonic() + 120
        while not (index.exists() and '"2"' in index.read_text()) and time.monotonic() < patience:
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    finished = len(WeightDataset(index.parent))
    assert 0 < finished < 32
    resumed, whole = train_for_the_kill(index.parent), train_for_the_kill(tmp_path / "whole")
    assert len(resumed) == 32
    assert_same(resumed, whole)
    times = {path: path.stat().st_mtime_ns for path in index.parent.rglob("*.safetensors")}
    assert_same(train_for_the_kill(index.parent), whole)
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_a_folder_of_other_networks_is_refused(tmp_path):
    settings = {"count": 2, "hyperparameters": PLAIN, **QUICK}
    train_classifiers(bn_mlp, some_data(), tmp_path, **settings)
    for factory, changes, key in [
        (bn_mlp, {"hyperparameters": VARIED}, "hyperparameters"),
        (bn_mlp, {"seed": 1}, "seeds"),
        (bn_mlp, {"checkpoints": [1]}, "checkpoints"),
        (Tied, {}, "architectures, initial weights"),
        (bn_mlp_of_larger_weights, {}, "other settings: initial weights"),
    ]:
        with pytest.raises(WSGraphError, match=key):
            train_classifiers(factory, some_data(), tmp_path, **{**settings, **changes})
