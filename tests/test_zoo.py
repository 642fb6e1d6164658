"""Laws of ``wsgraph.zoo``: many fits at once are the same as each alone, whatever interrupts them."""

import math
import os
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from wsgraph import progress as progress_module, zoo
from wsgraph.errors import WSGraphError
from wsgraph.zoo import (
    FittedINRs,
    Siren,
    checkpoint as checkpoint_module,
    fit_inrs,
    pixel_grid,
)
from wsgraph.zoo.batch import SirenBatch
from wsgraph.zoo.initial import draw_states
from wsgraph.zoo.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread():
    """Small operators are fastest so, and chunks are fitted in order: an interruption strikes at a known one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(*shape, seed=7, dtype=torch.float32):
    return torch.rand(*shape, generator=seeded(seed), dtype=dtype)


def assert_same(first, second, *, rtol=0.0, atol=0.0):
    """Same networks, in the same order of names, with the same image and PSNR; by default bit for bit."""
    assert list(first.states) == list(second.states)
    for name in first.states:
        torch.testing.assert_close(first.states[name], second.states[name], rtol=rtol, atol=atol, msg=name)
    torch.testing.assert_close(first.psnr, second.psnr, rtol=rtol, atol=atol)
    assert torch.equal(first.image_index, second.image_index)
    assert (first.omega, first.image_size) == (second.omega, second.image_size)


def fit_alone(model, target, *, steps, lr):
    """The dense twin: one network, autograd, one optimiser. ``target`` is [C, H, W]."""
    points = pixel_grid(*target.shape[1:], dtype=target.dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr / 2 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        (model(points).T - target.flatten(1)).square().mean().backward()
        optimizer.step()
    error = (model(points).T - target.flatten(1)).square().mean()
    return -10 * torch.log10(error).detach()


# The network


def test_siren_is_the_formula():
    model = Siren(3, (5, 4), 2, omega=7.0).double()
    x = some_images(6, 3, dtype=torch.float64)
    first, second, last = model.layers
    hidden = torch.sin(7 * (x @ first.weight.T + first.bias))
    hidden = torch.sin(7 * (hidden @ second.weight.T + second.bias))
    torch.testing.assert_close(model(x), hidden @ last.weight.T + last.bias)


def test_siren_repr_is_its_call():
    model = Siren(3, (16, 8), 2, omega=20)
    assert repr(model) == "Siren(in_features=3, hidden=(16, 8), out_features=2, omega=20.0)"
    assert repr(eval(repr(model))) == repr(model)


def test_initial_weights_fill_the_ranges_of_the_paper():
    sizes, omega = (2, 40, 50, 3), 30.0
    states = draw_states(200, sizes, omega, generator=seeded())
    for layer, fan_in in enumerate(sizes[:-1]):
        weight = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
        for kind, bound in (("weight", weight), ("bias", 1 / math.sqrt(fan_in))):
            values = states[f"layers.{layer}.{kind}"]
            assert 0.97 * bound < values.abs().max() <= bound
            assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
            assert abs(values.mean().item()) < 0.1 * bound


def test_the_first_draws_do_not_depend_on_the_count():
    few, many = (draw_states(count, (2, 7, 1), 30.0, generator=seeded()) for count in (2, 5))
    assert all(torch.equal(few[name], many[name][:2]) for name in few)


def test_siren_draws_from_the_generator_only():
    global_state = torch.random.get_rng_state()
    models = [Siren(), Siren()]
    torch.random.set_rng_state(global_state)
    for model in models:
        model.reset_parameters(seeded(3))
    assert torch.equal(torch.random.get_rng_state(), global_state)
    first, second = (torch.nn.utils.parameters_to_vector(model.parameters()) for model in models)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden": ()}, "at least one hidden layer"),
        ({"hidden": (8, 0)}, "at least 1, but from input to output they are (2, 8, 0, 1)"),
        ({"in_features": 0}, "they are (0, 32, 32, 1)"),
        ({"omega": 0.0}, "positive and finite, not 0.0"),
        ({"omega": math.nan}, "positive and finite, not nan"),
    ],
)
def test_siren_refuses(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Siren(**arguments)


# Many at once


@pytest.mark.parametrize("sizes", [(2, 6, 1), (2, 9, 5, 3), (3, 4, 4, 4, 2)], ids=str)
def test_gradients_are_those_of_autograd(sizes):
    states = draw_states(4, sizes, 20.0, generator=seeded(), dtype=torch.float64)
    points = some_images(11, sizes[0], dtype=torch.float64)
    slope = some_images(4, sizes[-1], 11, seed=1, dtype=torch.float64)
    leaves = {name: stack.clone().requires_grad_() for name, stack in states.items()}
    model = Siren(sizes[0], sizes[1:-1], sizes[-1], 20.0)

    def evaluate(state):
        return torch.func.functional_call(model, state, points).T

    expected = torch.func.vmap(evaluate)(leaves)
    (expected * slope).sum().backward()
    batch = SirenBatch(states, points, 20.0)
    for _ in range(2):  # the second pass must not see what the first one left behind
        torch.testing.assert_close(batch.forward(), expected.detach(), rtol=1e-12, atol=1e-12)
        batch.backward(slope.clone())
    gradients = torch.cat([leaf.grad.flatten() for leaf in leaves.values()])
    torch.testing.assert_close(batch.gradients, gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("shape", "hidden", "fits"),
    [((3, 5, 4), (8, 8), 2), ((2, 3, 4, 4), (9,), 1), ((2, 1, 3, 6), (6, 5, 4), 2)],
    ids=str,
)
def test_a_fit_among_many_is_the_fit_alone(shape, hidden, fits):
    images = some_images(*shape, dtype=torch.float64)
    settings = {"steps": 20, "lr": 3e-3}
    fitted = fit_inrs(
        images, hidden, 25.0, generator=seeded(), fits_per_image=fits, chunk_size=3, dtype=torch.float64, **settings
    )
    assert fitted.image_index.tolist() == [image for image in range(len(images)) for _ in range(fits)]
    generator = seeded()
    for i, image in enumerate(fitted.image_index.tolist()):
        alone = fitted.model()
        alone.reset_parameters(generator)
        target = images[image] if images.ndim == 4 else images[image][None]
        psnr = fit_alone(alone, target, **settings)
        for name, value in alone.state_dict().items():
            torch.testing.assert_close(fitted.states[name][i], value, rtol=0, atol=1e-9, msg=name)
        torch.testing.assert_close(fitted.psnr[i], psnr, rtol=0, atol=1e-9)


def test_a_recipe_changes_neither_initial_weights_nor_targets():
    initial, targets = draw_states(2, (2, 4, 1), 30.0), some_images(2, 1, 9)
    before = {name: stack.clone() for name, stack in initial.items()}, targets.clone()
    Recipe(pixel_grid(3, 3), 30.0, steps=3, lr=1e-2).fit(initial, targets, lambda amount: None)
    assert all(torch.equal(initial[name], before[0][name]) for name in initial)
    assert torch.equal(targets, before[1])


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 100])
def test_chunks_do_not_matter(chunk_size):
    settings = {"hidden": (8, 8), "steps": 25, "dtype": torch.float64}
    images = some_images(5, 4, 4)
    whole = fit_inrs(images, generator=seeded(), **settings)
    parts = fit_inrs(images, generator=seeded(), chunk_size=chunk_size, **settings)
    assert_same(whole, parts, atol=1e-9)


def test_large_images_fit_in_chunks_of_one():
    fitted = fit_inrs(some_images(2, 200, 180), hidden=(64,), steps=2, generator=seeded())
    assert fitted.render(size=(3, 2)).shape == (2, 1, 3, 2)


def test_seeds_decide_everything():
    images = some_images(3, 4, 4)
    first, again, other = (fit_inrs(images, (8,), steps=10, generator=seeded(seed)) for seed in (0, 0, 1))
    assert_same(first, again)
    assert not torch.equal(first.states["layers.0.weight"], other.states["layers.0.weight"])


def test_fits_of_one_image_are_independent_networks():
    fitted = fit_inrs(some_images(1, 4, 4), (8,), steps=30, fits_per_image=4, generator=seeded())
    weights = fitted.states["layers.0.weight"].flatten(1)
    assert torch.pdist(weights).min() > 0.1


def test_digits_are_fitted_well():
    digits = load_digits().images[:64] / 16
    fitted = fit_inrs(digits, steps=200, generator=seeded())
    assert fitted.psnr.min() > 60
    torch.testing.assert_close(fitted.render()[:, 0], torch.tensor(digits).float(), rtol=0, atol=1e-2)


def test_the_number_of_threads_does_not_matter():
    fits = []
    for count in (1, 3):
        torch.set_num_threads(count)
        fits.append(fit_inrs(some_images(5, 6, 6), steps=30, generator=seeded(), chunk_size=2))
    assert_same(*fits)


def test_the_callers_threads_are_left_as_they_were():
    torch.set_num_threads(2)
    fit_inrs(some_images(4, 3, 3), (4,), steps=1, chunk_size=1)
    assert torch.get_num_threads() == 2
    with ThreadPoolExecutor() as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


# Images


def test_bytes_are_divided_by_255():
    images = torch.randint(256, (2, 4, 4), generator=seeded(), dtype=torch.uint8)
    settings = {"hidden": (8,), "steps": 5}
    from_bytes = fit_inrs(images, generator=seeded(), **settings)
    assert_same(from_bytes, fit_inrs(images.float() / 255, generator=seeded(), **settings))
    assert_same(from_bytes, fit_inrs(images.numpy(), generator=seeded(), **settings))


def test_images_may_be_frozen_arrays_and_are_never_modified():
    array = some_images(2, 4, 4).numpy()
    array.setflags(write=False)
    tensor = some_images(2, 1, 4, 4)
    before = tensor.clone()
    assert_same(fit_inrs(array, (8,), steps=5, generator=seeded()), fit_inrs(tensor, (8,), steps=5, generator=seeded()))
    assert torch.equal(tensor, before)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(4, 4), "their shape is [4, 4]; a single image needs a leading axis: image[None]"),
        (torch.rand(1, 1, 1, 4, 4), "their shape is [1, 1, 1, 4, 4]"),
        (torch.rand(0, 4, 4), "at least one image with at least one pixel, but the shape is [0, 4, 4]"),
        (torch.rand(2, 0, 4, 4), "at least one image with at least one pixel"),
        (torch.ones(2, 4, 4, dtype=torch.int64), "uint8 or floating images, but they are torch.int64"),
        (np.ones((2, 4, 4), dtype=bool), "uint8 or floating images, but they are torch.bool"),
        (np.full((2, 2, 2), np.nan), "Expected finite images, but the value at index [0, 0, 0] is nan"),
        (torch.tensor([[[0.0, math.inf]]]), "the value at index [0, 0, 1] is inf"),
        ([["a"]], "a tensor or a regular array of numbers"),
        ([[1.0], [1.0, 2.0]], "a tensor or a regular array of numbers"),
    ],
)
def test_bad_images_are_refused(images, message):
    with pytest.raises(WSGraphError, match=re.escape(message)):
        fit_inrs(images, steps=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "Expected steps of at least 1, but got 0"),
        ({"fits_per_image": 0}, "Expected fits_per_image of at least 1, but got 0"),
        ({"chunk_size": 0}, "Expected chunk_size of at least 1, but got 0"),
        ({"lr": 0.0}, "Expected a learning rate lr that is positive and finite, but got 0.0"),
        ({"dtype": torch.float16}, "Expected dtype torch.float32 or torch.float64, but got torch.float16"),
        ({"hidden": ()}, "at least one hidden layer"),
        ({"omega": -1.0}, "positive and finite, not -1.0"),
        ({"checkpoint": "anywhere"}, "pass a generator with a seed"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(WSGraphError, match=re.escape(message)):
        fit_inrs(torch.rand(2, 4, 4), **settings)


def test_the_grid_goes_row_by_row_between_the_corners():
    grid = pixel_grid(3, 2, dtype=torch.float64)
    expected = [[row, column] for row in (-1, 0, 1) for column in (-1, 1)]
    assert torch.equal(grid, torch.tensor(expected, dtype=torch.float64))


# Interruptions


class Interrupted(Exception):
    pass


def count_fits(monkeypatch, *, allowed=math.inf):
    """Count the chunks that are computed, and interrupt when more than ``allowed`` are begun."""
    sizes, fit = [], Recipe.fit

    def counted(self, initial, targets, advance):
        if len(sizes) >= allowed:
            raise Interrupted
        sizes.append(len(targets))
        return fit(self, initial, targets, advance)

    monkeypatch.setattr(Recipe, "fit", counted)
    return sizes


def fit_resumably(folder, **changes):
    arguments = {"images": some_images(4, 4, 4), "hidden": (8, 8), "omega": 30.0, "steps": 20, "generator": seeded()}
    return fit_inrs(**(arguments | {"fits_per_image": 2, "chunk_size": 2, "checkpoint": folder} | changes))


def test_an_interrupted_fit_resumes_bit_for_bit(tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "checkpoint"
    uninterrupted = fit_resumably(None)
    with monkeypatch.context() as patch:
        sizes = count_fits(patch, allowed=1)
        with pytest.raises(Interrupted):
            fit_resumably(folder)
        assert sizes == [2]
        assert [path.name for path in folder.iterdir()] == ["chunk-00000.safetensors"]
    sizes = count_fits(monkeypatch)
    generator = seeded()
    assert_same(uninterrupted, fit_resumably(folder, generator=generator))
    assert sizes == [2, 2, 2]  # of four chunks, one was kept
    assert_same(uninterrupted, fit_resumably(folder))
    assert sizes == [2, 2, 2]  # all were kept
    assert torch.equal(generator.get_state(), advanced(seeded()).get_state())


def advanced(generator):
    """The generator after a fit without a checkpoint: a resumed call leaves it in the same state."""
    fit_resumably(None, generator=generator, steps=1)
    return generator


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"images": some_images(4, 4, 4, seed=8)}, "images"),
        ({"images": some_images(4, 2, 8)}, "images"),
        ({"fits_per_image": 1}, "images, initial weights"),
        ({"generator": seeded(1)}, "initial weights"),
        ({"hidden": (8, 9)}, "initial weights"),
        ({"omega": 29.0}, "initial weights, omega"),
        ({"steps": 21}, "steps"),
        ({"lr": 1e-3}, "lr"),
        ({"chunk_size": 3}, "chunk_size"),
        ({"dtype": torch.float64}, "images, initial weights"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_checkpoint_of_another_call_is_refused(tmp_path, monkeypatch, changes, difference):
    count_fits(monkeypatch, allowed=1)
    with pytest.raises(Interrupted):
        fit_resumably(tmp_path)
    with pytest.raises(WSGraphError, match=re.escape(f"belongs to another call, with different {difference}. Repeat")):
        fit_resumably(tmp_path, **changes)


def test_foreign_files_are_refused_as_checkpoints(tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(WSGraphError, match=r"Expected a folder as checkpoint, but .*file is a file"):
        fit_resumably(file)
    (tmp_path / "chunk-00000.safetensors").write_bytes(b"torn")
    with pytest.raises(WSGraphError, match=r"Expected a safetensors file at .*chunk-00000"):
        fit_resumably(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "zoo.safetensors"
    fitted = fit_resumably(None)
    fitted.save(path)

    def full_disk(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint_module.os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        fit_resumably(None, generator=seeded(1)).save(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert_same(fitted, FittedINRs.load(path))


def test_a_file_is_replaced_never_rewritten(tmp_path):
    path, witness = tmp_path / "zoo.safetensors", tmp_path / "witness.safetensors"
    fitted = fit_resumably(None)
    fitted.save(path)
    os.link(path, witness)  # the same file, as a reader has it that opened it before
    fit_resumably(None, generator=seeded(1)).save(path)
    assert_same(fitted, FittedINRs.load(witness))


# The result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_save_and_load_round_trip(tmp_path, dtype):
    fitted = fit_inrs(some_images(3, 2, 4, 5), (8, 7), 12.5, 10, dtype=dtype)
    fitted.save(tmp_path / "zoo.safetensors")
    assert_same(fitted, FittedINRs.load(tmp_path / "zoo.safetensors"))


def test_load_refuses_other_files(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WSGraphError, match=r"Expected a file written by FittedINRs\.save"):
        FittedINRs.load(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError):
        FittedINRs.load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("size", [None, (9, 7)])
def test_states_load_into_a_siren_that_shows_what_is_rendered(size):
    fitted = fit_inrs(some_images(3, 2, 4, 5), (8, 7), 12.5, 10, dtype=torch.float64)
    height, width = size or (4, 5)
    rendered = fitted.render(size=size)
    assert rendered.shape == (3, 2, height, width)
    model = fitted.model()
    assert list(model.state_dict()) == list(fitted.states)
    for i in range(len(fitted)):
        model.load_state_dict({name: stack[i] for name, stack in fitted.states.items()})
        image = model(pixel_grid(height, width, dtype=torch.float64)).T.unflatten(1, (height, width))
        torch.testing.assert_close(rendered[i], image.detach(), rtol=1e-10, atol=1e-10)


def test_psnr_is_that_of_the_rendered_images():
    images = some_images(3, 2, 4, 5, dtype=torch.float64)
    fitted = fit_inrs(images, (8,), steps=10, fits_per_image=2, dtype=torch.float64)
    errors = (fitted.render() - images[fitted.image_index]).square().flatten(1).mean(1)
    torch.testing.assert_close(fitted.psnr, -10 * errors.log10())


def test_render_takes_numbers_slices_masks_and_states():
    fitted = fit_inrs(some_images(4, 3, 3), (8,), steps=5)
    every = fitted.render()
    assert torch.equal(fitted.render(2), every[2:3])
    assert torch.equal(fitted.render(-1), every[3:])
    assert torch.equal(fitted.render(slice(1, 3)), every[1:3])
    assert torch.equal(fitted.render(torch.tensor([3, 0])), every[[3, 0]])
    assert torch.equal(fitted.render(fitted.image_index == 1), every[1:2])
    assert torch.equal(fitted.render({name: stack[:2] for name, stack in fitted.states.items()}), every[:2])
    with pytest.raises(IndexError):
        fitted.render(4)


def test_render_refuses_other_states():
    fitted = fit_inrs(some_images(2, 3, 3), (8,), steps=1)
    with pytest.raises(
        WSGraphError, match=r"Expected the state dicts of SIRENs stacked .* got \{'layers.0.weight': \[8, 2\]"
    ):
        fitted.render(fitted.model().state_dict())
    with pytest.raises(WSGraphError, match=r"stacked along a first axis.*but got \{\}"):
        fitted.render({})
    with pytest.raises(WSGraphError, match=r"Expected SIRENs of 2 coordinates, .* but these take 3"):
        fitted.render(draw_states(2, (3, 8, 1), 30.0))


def test_repr_counts_and_judges():
    fitted = fit_inrs(some_images(2, 3, 3), (8, 4), steps=5, fits_per_image=3)
    assert len(fitted) == 6
    expected = f"FittedINRs(6 Sirens 2 -> 8 -> 4 -> 1, omega=30.0, mean PSNR {fitted.psnr.mean():.1f} dB)"
    assert repr(fitted) == expected


# Manners


def test_short_work_is_silent(capsys):
    fit_inrs(some_images(2, 3, 3), (4,), steps=5)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [True, False])
def test_long_work_shows_a_bar_on_standard_error(capsys, monkeypatch, progress):
    monkeypatch.setattr(progress_module, "PATIENCE", 0.0)
    monkeypatch.setattr(progress_module, "TRIAL", 0.0)
    fit_inrs(some_images(2, 3, 3), (4,), steps=5, progress=progress)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("Fitting INRs" in err and "100%" in err) is progress


def test_every_name_is_there_and_documented():
    assert zoo.__all__ == sorted(zoo.__all__)
    assert all(getattr(zoo, name).__doc__ for name in zoo.__all__)
