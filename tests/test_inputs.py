"""Inputs that are found for a model: the model accepts them, and they are of the shape that its first layer has."""

from types import SimpleNamespace

import pytest
import torch
from networks_attention import NETWORKS
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from wsgraph import TraceError
from wsgraph.trace.inputs import find_arguments

MODULES = {
    "linear": (nn.Linear(5, 3), [(2, 5)]),
    "lstm": (nn.LSTM(5, 3), [(2, 8, 5)]),
    "gru": (nn.GRU(5, 3, batch_first=True), [(2, 8, 5)]),
    "lstm_cell": (nn.LSTMCell(5, 3), [(2, 5)]),
    "conv1d": (nn.Sequential(nn.Conv1d(4, 6, 5), nn.Flatten(), nn.Linear(6 * 8, 2)), [(2, 4, 12)]),
    "conv3d": (nn.Conv3d(2, 4, 3, groups=2), [(2, 2, 32, 32, 32)]),
    "depthwise": (nn.Conv2d(6, 6, 3, groups=6), [(2, 6, 64, 64)]),
    "transposed1d": (nn.ConvTranspose1d(4, 6, 2), [(2, 4, 64)]),
    "transposed2d": (nn.ConvTranspose2d(4, 6, 2, groups=2), [(2, 4, 64, 64)]),
    "transposed3d": (nn.ConvTranspose3d(4, 6, 2), [(2, 4, 32, 32, 32)]),
    "weight_norm": (weight_norm(nn.Conv2d(3, 4, 3, bias=False)), [(2, 3, 64, 64)]),
    "norm": (nn.Sequential(nn.BatchNorm1d(7), nn.Linear(7, 2)), [(2, 7)]),
    "embedding": (nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)), [(2, 8)]),
    "bag": (nn.EmbeddingBag(9, 4), [(2, 8)]),
    "attention": (nn.MultiheadAttention(8, 2), [(2, 8, 8)] * 3),
    "transformer": (nn.Transformer(8, 2, 1, 1, 8, batch_first=True), [(2, 8, 8)] * 2),
    "encoder": (nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), [(2, 8, 8)]),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shapes(name, dtype):
    model, shapes = MODULES[name]
    model = model.to(dtype).eval()
    args, kwargs = find_arguments(model)
    assert [tuple(x.shape) for x in args] == shapes
    assert kwargs == {}
    assert all(x.dtype in (dtype, torch.long) for x in args)
    assert all(len(x.unique()) > 2 for x in args)
    with torch.no_grad():
        model(*args)


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "multihead_attention"])
def test_networks(name):
    model, _ = NETWORKS[name]()
    args, kwargs = find_arguments(model)
    with torch.no_grad():
        model.eval()(*args, **kwargs)


def test_modules_without_numbers():
    with torch.device("meta"):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))
    args, _ = find_arguments(model)
    assert args[0].device.type == "meta"
    assert args[0].shape == (2, 3, 8, 8)


class Named(nn.Module):
    """A model that says what it takes, as those of transformers do."""

    def __init__(self, main, needed, call, **config):
        super().__init__()
        self.main_input_name, self.needed, self.call = main, needed, call
        self.config = SimpleNamespace(**config)
        self.table, self.frames = nn.Embedding(11, 4), nn.Linear(5, 4)

    def forward(self, input_ids=None, pixel_values=None, input_features=None, decoder_input_ids=None):
        given = {name: value for name, value in locals().items() if name in self.needed}
        return self.call(self, **given)


NAMED = {
    "text": Named("input_ids", {"input_ids"}, lambda m, input_ids: m.table(input_ids)),
    "translation": Named(
        "input_ids",
        {"input_ids", "decoder_input_ids"},
        lambda m, input_ids, decoder_input_ids: m.table(input_ids).sum(1) + m.table(decoder_input_ids).sum(1),
    ),
    "image": Named("pixel_values", {"pixel_values"}, lambda m, pixel_values: m.frames(pixel_values[:, :, :, :5])),
    "both": Named(
        "input_ids",
        {"input_ids", "pixel_values"},
        lambda m, input_ids, pixel_values: m.table(input_ids).sum() + m.frames(pixel_values).sum(),
        vision_config=SimpleNamespace(image_size=(6, 5), num_channels=1),
    ),
    "speech": Named(
        "input_features",
        {"input_features", "decoder_input_ids"},
        lambda m, input_features, decoder_input_ids: m.frames(input_features.mT) + m.table(decoder_input_ids).sum(),
        num_mel_bins=5,
        max_source_positions=7,
    ),
    "control_flow": Named(
        "input_ids", {"input_ids"}, lambda m, input_ids: m.table(input_ids) * (2 if input_ids.sum().item() > 3 else 1)
    ),
}
EXPECTED = {
    "text": {"input_ids": (2, 8)},
    "translation": {"input_ids": (2, 8), "decoder_input_ids": (2, 6)},
    "image": {"pixel_values": (2, 3, 64, 64)},
    "both": {"input_ids": (2, 8), "pixel_values": (2, 1, 6, 5)},
    "speech": {"input_features": (2, 5, 14), "decoder_input_ids": (2, 6)},
    "control_flow": {"input_ids": (2, 8)},
}


@pytest.mark.parametrize("name", NAMED)
def test_names(name):
    args, kwargs = find_arguments(NAMED[name])
    assert args == ()
    assert {key: tuple(x.shape) for key, x in kwargs.items() if key in EXPECTED[name]} == EXPECTED[name]
    NAMED[name](**kwargs)


class OnlyEven(nn.Module):
    """Refuses what cannot be split, and depends on values otherwise."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 2)

    def forward(self, x):
        y = self.map(x)
        return y * 2 if y.sum().item() > 0 else y


def test_control_flow_is_no_fault_of_the_shape():
    assert find_arguments(OnlyEven())[0][0].shape == (2, 4)


def test_complaints_say_what_was_tried(capfd):
    with pytest.raises(TraceError, match=r"Linear after 5 shapes \(the last failed with: .*Pass one: trace\(model, "):
        find_arguments(broken())
    with pytest.raises(TraceError, match=r"Flatten after 0 shapes .*no parameters to guess a shape from"):
        find_arguments(nn.Flatten())
    assert capfd.readouterr() == ("", "")


def fail(module, args, output):
    raise ValueError("never")


def broken():
    model = nn.Linear(3, 4)
    model.register_forward_hook(fail)
    return model
