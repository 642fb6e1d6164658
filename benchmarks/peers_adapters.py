"""Peers' released code in ``benchmarks/peers.py``: imported from a folder of checkouts and called as its authors do.

Models are built from the configurations in the checkouts, and state dicts go through their own data sets, item by
item, in one process; only the reading of files is left out. Nothing of theirs is part of wsgraph.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peers_case import Case, Contestant, State
from peers_checkouts import items, use, without_files, zoo_columns
from torch.utils.data import default_collate
from torch_geometric.data import Batch


def scalegmn(folder: Path, case: Case, direction: str) -> Contestant:
    """ScaleGMN, https://github.com/jkalogero/scalegmn: sign symmetry on SIRENs, scale symmetry on CNNs."""
    use(folder, "nfn", "nfn.common", "cv2", "rff", "rff.layers", "einops", "einops.layers", "einops.layers.torch")
    import yaml
    from src.data import LabeledINRDataset, NFNZooDataset
    from src.scalegmn.models import ScaleGMN
    from src.utils.helpers import mask_hidden, mask_input

    suffix = "_bidir" if direction == "bidirectional" else ""
    name = f"cifar10/scalegmn_relu{suffix}" if case.convolutional else f"mnist_cls/scalegmn{suffix}"
    config = yaml.safe_load((folder / "configs" / f"{name}.yml").read_text())
    config["scalegmn_args"]["layer_layout"] = config["data"]["layer_layout"] = list(case.layout)
    model = ScaleGMN(config["scalegmn_args"]).to(case.device)
    settings = {"direction": direction, "equiv_on_hidden": mask_hidden(config)}
    settings |= {"get_first_layer_mask": mask_input(config), "layer_layout": list(case.layout)}
    settings |= {key: config["data"][key] for key in ("node_pos_embed", "edge_pos_embed")}
    dataset = _zoo_graphs(NFNZooDataset, settings) if case.convolutional else _siren_graphs(LabeledINRDataset, settings)

    def convert(states: Sequence[State]) -> Any:
        vars(dataset).update(zoo_columns(states) if case.convolutional else {})
        return Batch.from_data_list(items(dataset, states)).to(case.device)

    layers = config["scalegmn_args"]["num_layers"]
    # its first layer replaces the batch's tensors
    return Contestant(model, convert, lambda batch: model(copy.copy(batch)), f"{config_width(config)} × {layers}")


def config_width(config: dict[str, Any]) -> int:
    """Channels of a ScaleGMN."""
    return int(config["scalegmn_args"]["gnn_args"]["d_hid"])


def _siren_graphs(kind: Any, settings: dict[str, Any]) -> Any:
    class FromMemory(kind):  # type: ignore[misc]
        def load_dataset(self, split_path: str) -> dict[str, Any]:
            return {"path": range(10**9), "label": [0] * 10**5}

    return FromMemory("labeled_mnist_inr", "", "", switch_to_canon=False, **settings)


def _zoo_graphs(kind: Any, settings: dict[str, Any]) -> Any:
    from src.data.data_utils import get_edge_types, get_node_types

    dataset = without_files(kind, max_kernel_size=(3, 3), linear_as_conv=False, flattening_method=None, **settings)
    dataset.data_format = "graph"
    dataset.node2type, dataset.edge2type = (f(settings["layer_layout"]) for f in (get_node_types, get_edge_types))
    dataset.hidden_nodes, dataset.first_layer_nodes = dataset.mark_hidden_nodes(), dataset.mark_input_nodes()
    return dataset


NEURAL_GRAPHS = {
    ("pna", False): ["model.gnn_backbone.dropout=0.2", "model.rev_edge_features=True"],
    ("rtransformer", False): ["model.dropout=0.2"],
    ("pna", True): ["data.linear_as_conv=False", "model.d_hid=256"],
    ("rtransformer", True): [
        *("model.d_node=128", "model.d_edge=64", "model.d_attn_hid=256"),
        *("model.d_node_hid=256", "model.d_edge_hid=128", "model.d_out_hid=256"),
    ],
}
"""What the scripts of neural-graphs override, by model and whether the networks are CNNs."""


def neural_graphs(folder: Path, case: Case, name: str) -> Contestant:
    """Neural graphs, https://github.com/mkofinas/neural-graphs: the GNN (PNA) or the relational transformer."""
    unneeded = ("experiments.transformer_generalization", "experiments.transformer_generalization.utils")
    use(folder, *unneeded, "torch_geometric.utils.trim_to_layer")
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("prod", lambda a, b: a * b)
    place = folder / "experiments" / ("cnn_generalization" if case.convolutional else "inr_classification") / "configs"
    data = "zoo_cifar_nfn" if case.convolutional else "mnist"
    config = OmegaConf.create(
        {
            "model": OmegaConf.load(place / "model" / f"{name}.yaml"),
            "data": OmegaConf.load(place / "data" / f"{data}.yaml"),
        }
    )
    config.merge_with_dotlist(NEURAL_GRAPHS[name, case.convolutional])
    if not case.convolutional and len(case.layout) != 4:
        config.data.stats = None  # those in the file are of three layers
    model = instantiate(config.model, layer_layout=list(case.layout)).to(case.device)
    size = f"{config.model.get('d_hid', config.model.get('d_node'))} × {len(getattr(model, 'layers', ())) or 4}"
    if not case.convolutional:
        return Contestant(model, partial(_pairs, "experiments.data", case), lambda b: model(b[:2]), size)
    from experiments.data_generalization import NFNZooDataset

    settings = {"linear_as_conv": config.data.linear_as_conv, "max_kernel_size": (3, 3), "flattening_method": None}
    settings |= {"data_format": "graph", "augmentation": False, "normalize": False}

    def convert(states: Sequence[State]) -> Any:
        dataset = without_files(NFNZooDataset, **settings, **zoo_columns(states))
        return Batch.from_data_list(items(dataset, states)).to(case.device)

    return Contestant(model, convert, lambda batch: model(copy.copy(batch)), size)


def _pairs(module: str, case: Case, states: Sequence[State]) -> Any:
    """A batch of weights and biases with a channel behind, by the data set that DWSNets and neural-graphs share."""
    kind = importlib.import_module(module).INRDataset
    columns = {"path": range(len(states)), "label": [0] * len(states)}
    dataset = without_files(kind, dataset=columns, augmentation=False, normalize=False, permutation=False)
    batch: Any = default_collate(items(dataset, states))
    return batch.to(case.device)


def dwsnets(folder: Path, case: Case) -> Contestant:
    """DWSNets, https://github.com/AvivNavon/DWSNets, with the defaults of its trainer; for perceptrons only."""
    use(folder, "rff", "rff.layers")
    from nn.models import DWSModelForClassification

    shapes = tuple(torch.Size(pair) for pair in zip(case.layout, case.layout[1:], strict=False))
    biases = tuple(torch.Size([size]) for size in case.layout[1:])
    model = DWSModelForClassification(shapes, biases, input_features=1, hidden_dim=32, n_hidden=4, bn=True)
    model = model.to(case.device)
    return Contestant(model, partial(_pairs, "experiments.data", case), lambda batch: model(batch[:2]), "32 × 4")


def functionals(folder: Path, case: Case, overrides: tuple[str, str]) -> Contestant:
    """NFN, https://github.com/AllanYangZhou/nfn, and Monomial-NFN, which is made from it."""
    use(folder, "cv2", "wandb")
    from experiments.data_utils import SirenDataset, ZooDataset
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate
    from nfn.common import WeightSpaceFeatures, network_spec_from_wsfeat

    configs = "predict_gen_configs" if case.convolutional else "classify_siren_configs"
    with initialize_config_dir(str(folder / "experiments" / configs), version_base="1.1"):
        config = compose("main", overrides=overrides[case.convolutional].split())

    def convert(states: Sequence[State]) -> Any:
        places = dict(enumerate(range(len(states))))
        if case.convolutional:
            dataset = without_files(ZooDataset, augment_factor=1, **zoo_columns(states))
        else:
            dataset = without_files(SirenDataset, idcs=places, idx_to_path=places, idx_to_label=places)
        weights_and_biases, _ = default_collate(items(dataset, states))
        return WeightSpaceFeatures(*weights_and_biases).to(case.device)

    spec = network_spec_from_wsfeat(convert(case.states()[:1]).to("cpu"), set_all_dims=not case.convolutional)
    model = instantiate(config.nfnet, spec).to(case.device)
    return Contestant(model, convert, model, ", ".join(map(str, config.nfnet.hchannels)))


Adapter = Callable[[Path, Case], Contestant]
ADAPTERS: dict[str, dict[str, Adapter]] = {
    "scalegmn": {
        "ScaleGMN": partial(scalegmn, direction="forward"),
        "ScaleGMN-B": partial(scalegmn, direction="bidirectional"),
    },
    "neural-graphs": {
        "NG-GNN": partial(neural_graphs, name="pna"),
        "NG-T": partial(neural_graphs, name="rtransformer"),
    },
    "DWSNets": {"DWSNets": dwsnets},
    "nfn": {
        "NFN (HNP)": partial(functionals, overrides=("+setup=mnist", "")),
        "NFN (NP)": partial(
            functionals, overrides=("+setup=mnist nfnet=inv_ff_io_mnist", "nfnet=np_inv nfnet.normalize=false")
        ),
    },
    "Monomial-NFN": {"Monomial-NFN": partial(functionals, overrides=("+setup=mnist_hnps", ""))},
}
"""By the name of the checkout's folder, its models."""
PERCEPTRONS_ONLY = {"DWSNets"}
