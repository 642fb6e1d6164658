"""Small data sets in the layouts in which others publish theirs, written anew for every test."""

import json
import sys
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

# ------------------------------------------------------------------------------------------------------ small CNN zoo

KERAS = (
    ("sequential/conv2d/bias:0", (4,)),
    ("sequential/conv2d/kernel:0", (3, 3, 1, 4)),
    ("sequential/conv2d_1/bias:0", (5,)),
    ("sequential/conv2d_1/kernel:0", (3, 3, 4, 5)),
    ("sequential/dense/bias:0", (3,)),
    ("sequential/dense/kernel:0", (5, 3)),
)


def write_small_cnn_zoo(folder: Path, runs: int = 10, steps: tuple[int, ...] = (0, 86), seed: int = 0) -> np.ndarray:
    """The three files, and ``order.csv``; returns the weights. Every second run has tanh."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    ends = np.cumsum([int(np.prod(shape)) for _, shape in KERAS])
    starts = [0, *ends[:-1]]
    layout = [(name, start, end, str(shape)) for (name, shape), start, end in zip(KERAS, starts, ends, strict=True)]
    pd.DataFrame(layout, columns=["varname", "start_idx", "end_idx", "shape"]).to_csv(folder / "layout.csv")
    rows = runs * len(steps)
    weights = rng.standard_normal((rows, ends[-1])).astype(np.float32)
    np.save(folder / "weights.npy", weights)
    metrics = pd.DataFrame(
        {
            "config.activation": [("relu", "tanh")[run % 2] for run in range(runs) for _ in steps],
            "config.learning_rate": rng.random(rows),
            "modeldir": [f"/runs/{run}" for run in range(runs) for _ in steps],
            "step": [step for _ in range(runs) for step in steps],
            "test_accuracy": rng.random(rows),
        }
    )
    metrics.to_csv(folder / "metrics.csv.gz", compression="gzip")
    pd.DataFrame(rng.permutation(rows)).to_csv(folder / "order.csv", index=False)  # its first line is a name: 0
    return weights


# --------------------------------------------------------------------------------------------------------------- INRs


def random_siren(names: tuple[str, ...], sizes: tuple[int, ...], seed: int) -> dict[str, torch.Tensor]:
    """Weights and biases of the layers with these names."""
    rng = torch.Generator().manual_seed(seed)
    state = {}
    for name, fan_in, fan_out in zip(names, sizes, sizes[1:], strict=False):
        state[f"{name}.weight"] = torch.rand(fan_out, fan_in, generator=rng) / 10 - 0.05
        state[f"{name}.bias"] = torch.rand(fan_out, generator=rng) / 10
    return state


NAVON = ("seq.0", "seq.1", "seq.2")
NFN = ("net.0.linear", "net.1.linear", "net.2")


def write_mnist_inrs(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Six INRs and ``splits.json``, whose paths are those of another machine; returns states by path."""
    states = {}
    for image, (kind, label) in enumerate([("training", 7), ("training", 0), ("training", 2), ("training", 7)]):
        states[f"mnist_png_{kind}_{label}_{image}/checkpoints/model_final.pth"] = random_siren(
            NAVON, (2, 32, 32, 1), image
        )
    for image, label in enumerate([4, 9]):
        path = f"mnist_png_testing_{label}_{image}/checkpoints/model_final.pth"
        states[path] = random_siren(NAVON, (2, 32, 32, 1), 10 + image)
    for name, state in states.items():
        save(folder / name, state)
    save(folder / "__MACOSX" / "mnist_png_training_3_99" / "checkpoints" / "model_final.pth", {})
    train, val, test = [], [], []
    for name in states:
        part = test if "testing" in name else val if "_0_" in name else train
        part.append(f"/elsewhere/mnist-inrs/{name}")
    splits = {split: {"path": paths, "label": [0] * len(paths)} for split, paths in zip3(train, val, test)}
    (folder / "splits.json").write_text(json.dumps(splits))
    return states


def write_fashion_inrs(folder: Path) -> dict[str, dict[str, Any]]:
    """Four INRs, their labels inside, and ``splits.json`` with bare lists; returns what the files hold by path."""
    content: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(("train/model_5.pth", "train/model_6.pth", "test/model_5.pth", "test/model_0.pth")):
        content[name] = {**random_siren(NAVON, (2, 32, 32, 1), i), "label": (3, 8, 1, 0)[i]}
        save(folder / name, content[name])
    lists = zip3(["a/train/model_6.pth"], ["a/train/model_5.pth"], ["a/test/model_5.pth", "a/test/model_0.pth"])
    (folder / "splits.json").write_text(json.dumps(dict(lists)))
    return content


def write_cifar_inrs(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """One INR for each of four images, and a further fit of two; returns states by path."""
    names = [f"randinit_smaller_{label}s/net{i}.pth" for i, label in enumerate((3, 1, 3, 0))]
    names += ["randinit_smaller_aug0_3s/net0.pth", "randinit_smaller_aug0_0s/net3.pth"]
    states = {name: random_siren(NFN, (2, 32, 32, 3), i) for i, name in enumerate(names)}
    for name, state in states.items():
        save(folder / name, state)
    return states


def zip3(train: list[str], val: list[str], test: list[str]) -> list[tuple[str, list[str]]]:
    """The three splits with their names."""
    return [("train", train), ("val", val), ("test", test)]


# ---------------------------------------------------------------------------------------------------- CNN wild park

WILD = {
    "run_a": ([3, 4, 6, 4], [3, 5, 3], [-1, -1, 0], ["relu", "none", "tanh"]),
    "run_b": ([3, 4, 6, 4], [3, 5, 3], [-1, -1, 0], ["relu", "none", "tanh"]),
    "run_c": ([3, 4, 4, 8], [3, 3, 7], [-1, -1, 0], ["gelu", "leaky_relu", "sigmoid"]),
}


def wild_config(run: str) -> dict[str, Any]:
    """The configuration of a run, as the published code writes it."""
    channels, kernels, residual, activation = WILD[run]
    depth = len(kernels)
    return {
        "n_layers": depth,
        "n_classes": 10,
        "channels": channels,
        "kernel_size": kernels,
        "stride": [1] * depth,
        "padding": [kernel // 2 for kernel in kernels],
        "residual": residual,
        "activation": activation,
    }


def write_wild_park(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Two checkpoints of each of three runs, and ``splits.json``; returns states by path."""
    rng = torch.Generator().manual_seed(0)
    states, paths = {}, {"train": [], "val": [], "test": []}
    for run, split in zip(WILD, paths, strict=True):
        config = wild_config(run)
        for epoch in (9, 19):
            state = {}
            for i, (fan_in, fan_out) in enumerate(zip(config["channels"], config["channels"][1:], strict=False)):
                kernel = config["kernel_size"][i]
                state[f"layers.{i}.weight"] = torch.randn(fan_out, fan_in, kernel, kernel, generator=rng) / 5
                state[f"layers.{i}.bias"] = torch.randn(fan_out, generator=rng)
            state["fc.weight"] = torch.randn(10, config["channels"][-1], generator=rng)
            state["fc.bias"] = torch.randn(10, generator=rng)
            name = f"cifar10_zooV2/{run}/checkpoint_{epoch:06d}/checkpoint.pt"
            with omegaconf() as wrapped:
                checkpoint = {
                    "model": state,
                    "optimizer": {"state": {}, "param_groups": [{"lr": 0.001}]},
                    "config": wrapped(config),
                    "iteration": epoch + 1,
                    "last_result": {"test/acc": epoch / 100, "config": {"path": PurePosixPath("/data/x.pt")}},
                }
                save(folder / name, checkpoint)
            states[name] = state
            paths[split].append(name)
    lists = {split: {"path": names, "score": [0.0] * len(names)} for split, names in paths.items()}
    (folder / "splits.json").write_text(json.dumps(lists))
    return states


@contextmanager
def omegaconf():
    """A function that wraps plain values as OmegaConf pickles them: in nodes that know their parents."""
    modules = {name: ModuleType(f"omegaconf.{name}") for name in ("dictconfig", "listconfig", "nodes", "base")}
    classes = {}
    for module, name in (
        ("dictconfig", "DictConfig"),
        ("listconfig", "ListConfig"),
        ("nodes", "AnyNode"),
        ("base", "Metadata"),
    ):
        classes[name] = type(name, (), {"__module__": f"omegaconf.{module}"})
        setattr(modules[module], name, classes[name])

    def wrap(value: Any, parent: Any = None) -> Any:
        kind = "DictConfig" if isinstance(value, dict) else "ListConfig" if isinstance(value, list) else "AnyNode"
        node = classes[kind]()
        metadata = classes["Metadata"]()
        metadata.__dict__.update(ref_type=Any, object_type=dict, optional=True, flags={})
        node.__dict__.update(_metadata=metadata, _parent=parent)
        if isinstance(value, dict):
            node.__dict__["_content"] = {key: wrap(entry, node) for key, entry in value.items()}
        elif isinstance(value, list):
            node.__dict__["_content"] = [wrap(entry, node) for entry in value]
        else:
            node.__dict__["_val"] = value
        return node

    names = {f"omegaconf.{name}": module for name, module in modules.items()} | {"omegaconf": ModuleType("omegaconf")}
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        yield wrap
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


# --------------------------------------------------------------------------------------------------------- model zoos

ZOO_LAYERS = {"CNN": (0, 3, 6, 9, 11), "CNN with dropout": (0, 4, 8, 11, 14), "CNN3": (0, 4, 8, 13, 16)}
ZOO_SHAPES = {
    "CNN": ((8, 1, 5, 5), (6, 8, 5, 5), (4, 6, 2, 2), (20, 36), (10, 20)),
    "CNN3": ((16, 3, 3, 3), (32, 16, 3, 3), (15, 32, 3, 3), (20, 60), (10, 20)),
}


def write_model_zoo(folder: Path, kind: str = "CNN", epochs: tuple[int, ...] = (0, 5)) -> dict[str, dict[str, Any]]:
    """Three trials of Ray Tune, one with dropout and relu; returns states by path."""
    rng = torch.Generator().manual_seed(0)
    states = {}
    for number, (nlin, dropout) in enumerate((("tanh", 0.0), ("relu", 0.5), ("tanh", 0.0))):
        trial = f"NN_tune_trainable_{number:05d}"
        (folder / trial).mkdir(parents=True)
        params = {
            "model::type": kind,
            "model::channels_in": ZOO_SHAPES[kind][0][1],
            "model::nlin": nlin,
            "model::dropout": dropout,
            "seed": number,
            "cuda": False,
            "training::checkpoint_dir": None,
        }
        (folder / trial / "params.json").write_text(json.dumps(params))
        lines = [
            {"training_iteration": i, "test_acc": i / 10 + number / 100, "train_loss": 1.0, "trial_id": "x"}
            for i in range(max(epochs) + 1)
        ]
        (folder / trial / "result.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
        layers = ZOO_LAYERS["CNN with dropout" if kind == "CNN" and dropout else kind]
        for epoch in epochs:
            state = {}
            for layer, shape in zip(layers, ZOO_SHAPES[kind], strict=True):
                state[f"module_list.{layer}.weight"] = torch.randn(shape, generator=rng) / 3
                state[f"module_list.{layer}.bias"] = torch.randn(shape[0], generator=rng) / 3
            states[f"{trial}/checkpoint_{epoch:06d}/checkpoints"] = state
            save(folder / trial / f"checkpoint_{epoch:06d}" / "checkpoints", state)
    return states


def write_model_zoo_file(path: Path, states: dict[str, dict[str, Any]], nlins: dict[str, str] | None) -> None:
    """A pickle of the authors' class: the trials 0, 1 and 2 are for training, validation and tests."""
    module = ModuleType("checkpoints_to_datasets.dataset_base")
    module.ModelDatasetBase = type("ModelDatasetBase", (), {"__module__": module.__name__})
    sys.modules.update({"checkpoints_to_datasets": ModuleType("checkpoints_to_datasets"), module.__name__: module})
    content = {}
    for number, name in enumerate(("trainset", "valset", "testset")):
        files = [file for file in states if file.startswith(f"NN_tune_trainable_{number:05d}")]
        properties = {"test_acc": [i / 10 for i in range(len(files))]}
        if nlins is not None:
            properties["model::nlin"] = [nlins[file.split("/")[0]] for file in files]
        content[name] = module.ModelDatasetBase()
        content[name].__dict__.update(
            data_in=[OrderedDict(states[file]) for file in files],
            paths=[PurePosixPath("/zoo", file.split("/")[0]) for file in files],
            epochs=[int(file.split("_")[-1].split("/")[0]) for file in files],
            properties=properties,
            mode="checkpoint",
        )
    save(path, content)
    del sys.modules["checkpoints_to_datasets"], sys.modules[module.__name__]


# --------------------------------------------------------------------------------------------------- transformer zoo


def write_transformer_zoo(folder: Path, name: str = "mnist", width: int = 8) -> dict[str, dict[str, torch.Tensor]]:
    """Two runs, each at epoch 75 and the best one; returns states by file."""
    rng = torch.Generator().manual_seed(0)
    states, rows = {}, []
    for run in ("abc123", "xyz789"):
        for epoch in ("75", "best1"):
            state = {}
            if name == "mnist":
                state["embedding.pos_embedding"] = torch.from_numpy(position_table(49, width)).float()
                state["embedding.conv1.weight"] = torch.randn(width, 1, 4, 4, generator=rng)
                state["embedding.conv1.bias"] = torch.randn(width, generator=rng)
            for block in range(2):
                for part in ("queries", "keys", "values", "out_projection"):
                    state[f"encoder.{block}.attention.{part}.weight"] = torch.randn(width, width, generator=rng)
                for layer, (fan_in, fan_out) in (("fc1", (width, 2 * width)), ("fc2", (2 * width, width))):
                    state[f"encoder.{block}.{layer}.weight"] = torch.randn(fan_out, fan_in, generator=rng)
                    state[f"encoder.{block}.{layer}.bias"] = torch.randn(fan_out, generator=rng)
            for layer, fan_out in (("fc1", width), ("fc2", 10)):
                state[f"classifier.{layer}.weight"] = torch.randn(fan_out, width, generator=rng)
                state[f"classifier.{layer}.bias"] = torch.randn(fan_out, generator=rng)
            file = f"{name}/{run}_{epoch}_{9000 + len(rows)}.pt"
            save(folder / file, state)
            states[file] = state
            accuracy = "test_top1_accuracy" if name == "mnist" else "test_accuracy"
            rows.append(
                {"lr": 0.001, "optimizer": "adam", "n_attention_heads": 2, "ckpt_epoch": epoch, "ckpt_file": file}
                | {accuracy: (9000 + len(rows)) / 10_000}
            )
    (folder / "metadata").mkdir()
    pd.DataFrame(rows).to_csv(folder / "metadata" / f"{name}.csv", index=False)
    return states


def position_table(tokens: int, width: int) -> np.ndarray:
    """Sinusoidal positions, entry by entry."""
    table = np.zeros((tokens, width))
    for place in range(tokens):
        for column in range(0, width, 2):
            angle = place / 10_000 ** (column / width)
            table[place, column], table[place, column + 1] = np.sin(angle), np.cos(angle)
    return table


def save(path: Path, content: Any) -> None:
    """``torch.save`` into a folder that may have to be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
