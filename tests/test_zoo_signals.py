"""Laws of fits to sounds and shapes, and of INRs as data sets: one mechanism with the fits to images."""

import re

import numpy as np
import pytest
import torch

import wsgraph
from wsgraph.datasets import WeightDataset
from wsgraph.errors import WSGraphError
from wsgraph.zoo import FittedINRs, fit_audio, fit_inr_dataset, fit_inrs, fit_shapes, pixel_grid
from wsgraph.zoo.inr_dataset import _Shards


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random(*shape, dtype=torch.float32):
    return torch.rand(*shape, generator=seeded(9), dtype=dtype)


def assert_shows(fitted, points, signals, psnr):
    """The model, loaded with each state, has this error on the signals ``[n, C, p]``."""
    model = fitted.model()
    for i in range(len(fitted)):
        model.load_state_dict({name: stack[i] for name, stack in fitted.states.items()})
        error = (model(points).T - signals[fitted.image_index[i]]).square().mean()
        assert psnr[i].item() == pytest.approx(-10 * error.log10().item(), abs=1e-6)


# Sounds


@pytest.mark.parametrize("shape", [(3, 20), (2, 2, 20)], ids=str)
def test_sounds_are_fitted_over_time(shape):
    waves = random(*shape, dtype=torch.float64)
    fitted = fit_audio(waves, (8, 8), 20.0, 30, fits_per_image=2, generator=seeded(), dtype=torch.float64)
    assert fitted.sizes == (1, 8, 8, 1 if len(shape) == 2 else 2)
    assert fitted.image_size == (20,)
    assert fitted.image_index.tolist() == [i for i in range(shape[0]) for _ in range(2)]
    points = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    assert_shows(fitted, points, waves.reshape(shape[0], -1, 20), fitted.psnr)
    assert fitted.render(0).shape == (1, fitted.sizes[-1], 20)
    assert fitted.render(size=[7]).shape == (len(fitted), fitted.sizes[-1], 7)


def test_samples_of_16_bits_are_divided():
    waves = torch.randint(-(2**15), 2**15, (2, 12), generator=seeded(), dtype=torch.int16)
    settings = {"hidden": (4,), "steps": 5}
    first, second = (fit_audio(w, generator=seeded(), **settings) for w in (waves, waves.float() / 2**15))
    assert torch.equal(first.states["layers.0.weight"], second.states["layers.0.weight"])


def test_a_tone_is_learnt():
    tone = torch.sin(torch.linspace(0, 30, 200))[None]
    assert fit_audio(tone, (24, 24), steps=300, generator=seeded()).psnr.item() > 35


# Shapes


def test_shapes_on_a_grid_are_those_at_its_points():
    points = pixel_grid(5, 4)
    distances = points.norm(dim=1) - torch.tensor([[0.3], [0.7]])
    settings = {"hidden": (8,), "steps": 20}
    on_grid = fit_shapes(distances.view(2, 5, 4), generator=seeded(), **settings)
    at_points = fit_shapes((points, distances), generator=seeded(), **settings)
    assert (on_grid.image_size, at_points.image_size) == ((5, 4), ())
    assert torch.equal(on_grid.psnr, at_points.psnr)
    as_images = fit_inrs(distances.view(2, 5, 4), generator=seeded(), **settings)
    assert all(torch.equal(on_grid.states[name], stack) for name, stack in as_images.states.items())


def test_solids_are_fitted_in_three_coordinates():
    distances = random(2, 4, 3, 5, dtype=torch.float64)
    fitted = fit_shapes(distances, (6,), steps=10, generator=seeded(), dtype=torch.float64)
    assert fitted.sizes == (3, 6, 1)
    axes = (torch.linspace(-1, 1, size, dtype=torch.float64) for size in (4, 3, 5))
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    assert_shows(fitted, points, distances.reshape(2, 1, -1), fitted.psnr)
    assert fitted.render(0).shape == (1, 1, 4, 3, 5)


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda: fit_audio(torch.rand(5)), "waveforms [N, T] or [N, C, T], but their shape is [5]"),
        (lambda: fit_audio(torch.ones(2, 5).int()), "Expected int16 or floating waveforms, but they are torch.int32"),
        (lambda: fit_audio(torch.rand(0, 5)), "at least one waveform with at least one sample"),
        (lambda: fit_shapes(torch.rand(4, 5)), "distances [N, H, W] or [N, D, H, W], but their shape is [4, 5]"),
        (lambda: fit_shapes(np.ones((1, 2, 2), int)), "Expected floating distances, but they are torch.int64"),
        (lambda: fit_shapes((torch.rand(7, 4), torch.rand(2, 7))), "their shapes are [7, 4] and [2, 7]"),
        (lambda: fit_shapes((torch.rand(7, 2), torch.rand(2, 6))), "their shapes are [7, 2] and [2, 6]"),
        (lambda: fit_shapes((torch.rand(7, 2), torch.full((1, 7), torch.nan))), "Expected finite distances"),
        (lambda: fit_audio(torch.rand(1, 5), steps=0), "Expected steps of at least 1"),
    ],
)
def test_bad_signals_are_refused(fit, message):
    with pytest.raises(WSGraphError, match=re.escape(message)):
        fit()


def test_points_without_a_grid_need_a_size_to_be_rendered():
    fitted = fit_shapes((random(9, 2), random(1, 9)), (4,), steps=1)
    with pytest.raises(WSGraphError, match=r"Expected SIRENs of 0 coordinates, .* but these take 2; pass a size"):
        fitted.render()


@pytest.mark.parametrize("size", [(6,), (2, 3, 4)], ids=str)
def test_save_load_and_checkpoints_are_those_of_images(tmp_path, size):
    fit = fit_audio if len(size) == 1 else fit_shapes
    settings = {"hidden": (4,), "steps": 3, "chunk_size": 1, "checkpoint": tmp_path / "parts"}
    fitted = fit(random(2, *size), generator=seeded(), **settings)
    fitted.save(tmp_path / "zoo.safetensors")
    loaded = FittedINRs.load(tmp_path / "zoo.safetensors")
    assert loaded.image_size == size
    assert torch.equal(loaded.render(), fitted.render())
    again = fit(random(2, *size), generator=seeded(), **settings)
    assert torch.equal(again.psnr, fitted.psnr)
    with pytest.raises(WSGraphError, match="belongs to another call, with different images"):
        fit(random(2, *size) + 1, generator=seeded(), **settings)


# Data sets


def test_fits_become_a_data_set(tmp_path):
    fitted = fit_inrs(random(5, 4, 4), (6,), 12.0, 10, fits_per_image=2)
    networks = fitted.to_dataset(tmp_path, labels=[3, 1, 4, 1, 5], shard_size=4)
    assert networks.table["image_index"].tolist() == fitted.image_index.tolist()
    assert networks.table["label"].tolist() == [3, 3, 1, 1, 4, 4, 1, 1, 5, 5]
    assert torch.equal(networks.column("psnr"), fitted.psnr)
    assert networks.space == wsgraph.trace(fitted.model())
    state = wsgraph.to_state_dict(networks[7])
    assert all(torch.equal(state[name], stack[7]) for name, stack in fitted.states.items())
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(files) == 3
    fitted.to_dataset(tmp_path, labels=[3, 1, 4, 1, 5], shard_size=4)
    assert files == {path: path.stat().st_mtime_ns for path in files}
    with pytest.raises(WSGraphError, match="other settings: columns"):
        fitted.to_dataset(tmp_path, shard_size=4)
    with pytest.raises(WSGraphError, match=r"other settings: .*weights"):
        fit_inrs(random(5, 4, 4), (6,), 12.0, 10, fits_per_image=2).to_dataset(tmp_path)


def test_labels_must_be_one_an_image(tmp_path):
    fitted = fit_inrs(random(3, 4, 4), (6,), steps=1)
    assert "label" not in fitted.to_dataset(tmp_path / "none").table
    for labels in ([1, 2], [[1, 2, 3]]):
        with pytest.raises(WSGraphError, match="Expected one label for each of 3 images, but got labels"):
            fitted.to_dataset(tmp_path / "few", labels=labels)


def fit_shards(folder, **changes):
    settings = {"labels": torch.arange(5), "hidden": (6,), "steps": 10, "fits_per_image": 2, "shard_size": 4}
    return fit_inr_dataset(random(5, 4, 4), folder, **(settings | changes))


def test_a_data_set_of_fits_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    whole = fit_shards(tmp_path / "whole")
    assert whole.table["image_index"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert torch.equal(whole.column("label"), whole.column("image_index"))
    with monkeypatch.context() as patch:
        fit = _Shards.fit

        def interrupted(self, shard, advance):
            if shard[0] == 1:
                raise KeyboardInterrupt
            return fit(self, shard, advance)

        patch.setattr(_Shards, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit_shards(tmp_path / "parts")
    assert len(WeightDataset(tmp_path / "parts")) == 4
    resumed = fit_shards(tmp_path / "parts")
    assert torch.equal(resumed.weights(), whole.weights())
    assert resumed.table.equals(whole.table)
    for name, value in {"omega": 3.0, "seed": 1, "labels": None, "steps": 11}.items():
        with pytest.raises(WSGraphError, match=f"other settings: {name}"):
            fit_shards(tmp_path / "parts", **{name: value})


def test_networks_of_a_data_set_show_their_images(tmp_path):
    images = random(3, 4, 4)
    networks = fit_inr_dataset(images, tmp_path, hidden=(16, 16), steps=200, shard_size=2)
    shown = FittedINRs(
        wsgraph.to_state_dict(next(iter(networks.batches(3)))), networks.column("psnr"), torch.arange(3), 30.0, (4, 4)
    )
    error = (shown.render()[:, 0] - images).square().flatten(1).mean(1)
    torch.testing.assert_close(-10 * error.log10(), networks.column("psnr"), rtol=1e-3, atol=1e-3)
    assert networks.column("psnr").min() > 40
