"""Zoos made by two workers of Ray on this machine are those made here."""

import pytest
import torch
from torch import nn

from wsgraph.errors import WSGraphError
from wsgraph.zoo import Constant, Hyperparameters, Uniform, fit_inr_dataset, fit_inrs, train_classifiers


@pytest.fixture(scope="module")
def two_workers():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("default::FutureWarning", "default::ResourceWarning", "default::DeprecationWarning")
@pytest.mark.usefixtures("two_workers")
def test_two_workers_make_what_one_process_makes(tmp_path):
    generator = torch.Generator().manual_seed(0)
    x, images = torch.rand(40, 4, generator=generator), torch.rand(5, 4, 4, generator=generator)
    hyperparameters = Hyperparameters(dropout=Uniform(0.0, 0.5), epochs=Constant(2))

    def mlp():  # of this function, not of this module, which the workers cannot import
        return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 2))

    def made(name, ray):
        return [
            train_classifiers(
                mlp, (x, (x.sum(1) > 2).long()), tmp_path / f"{name}-classifiers",
                count=5, hyperparameters=hyperparameters, batch_size=8, chunk_size=2, progress=False, ray=ray,
            ),
            fit_inr_dataset(images, tmp_path / f"{name}-inrs", hidden=(4,), steps=5, shard_size=2, ray=ray),
        ]  # fmt: skip

    for here, there in zip(made("here", None), made("there", 2), strict=True):
        assert here.table.equals(there.table)
        torch.testing.assert_close(here.weights(), there.weights(), rtol=0, atol=1e-6)
    settings = {"hidden": (4,), "steps": 5, "chunk_size": 2}
    here, there = (fit_inrs(images, generator=generator.manual_seed(1), ray=ray, **settings) for ray in (None, 2))
    torch.testing.assert_close(here.render(), there.render(), rtol=0, atol=1e-6)
    assert here.image_index.tolist() == there.image_index.tolist()

    def loud():
        return nn.Sequential(nn.Linear(4, 2), nn.RReLU())

    with pytest.raises(WSGraphError, match=r"^This network cannot be trained together with others"):
        train_classifiers(loud, (x, (x.sum(1) > 2).long()), tmp_path / "loud", count=1, batch_size=8, ray=2)
