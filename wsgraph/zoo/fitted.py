"""The result of a fit: the weights of many INRs, and what they show."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from wsgraph.errors import WSGraphError
from wsgraph.files import read_tensors, write_tensors
from wsgraph.zoo.render import render_states
from wsgraph.zoo.siren import Siren
from wsgraph.zoo.states import state_shapes, state_sizes
from wsgraph.zoo.write_fitted import write_fitted

if TYPE_CHECKING:
    from wsgraph.datasets import WeightDataset

_FORMAT = "wsgraph.zoo.FittedINRs 1"


@dataclass(frozen=True, eq=False, repr=False)
class FittedINRs:
    """n SIRENs of one architecture, each fitted to an image, a waveform or a shape.

    Attributes:
        states: Stacked tensors ``[n, ...]`` under the names of :meth:`Siren.state_dict`.
        psnr: ``[n]``, the peak signal-to-noise ratio in dB for a peak of 1: the range of uint8 images (after division
            by 255) and of floating ones in [0, 1].
        image_index: ``[n]``, int64: which image (waveform, shape) each network fits.
        omega: The frequency of the sine layers.
        image_size: Height and width of the images in pixels; ``(T,)`` of waveforms; the grid of shapes, or ``()``.
    """

    states: dict[str, Tensor]
    psnr: Tensor
    image_index: Tensor
    omega: float
    image_size: tuple[int, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The widths of the networks from input to output."""
        return state_sizes(self.states)

    def model(self) -> Siren:
        """A fresh network of this architecture, ready to load one of the states.

        Example:
            >>> import torch
            >>> from wsgraph.zoo import fit_inrs
            >>> fitted = fit_inrs(torch.rand(3, 4, 4), hidden=(8,), steps=10)
            >>> model = fitted.model()
            >>> model.load_state_dict({name: stack[0] for name, stack in fitted.states.items()})
            <All keys matched successfully>
        """
        in_features, *hidden, out_features = self.sizes
        return Siren(in_features, hidden, out_features, self.omega).to(self.states["layers.0.weight"].dtype)

    def render(
        self,
        networks: int | slice | Tensor | Mapping[str, Tensor] = slice(None),
        size: Sequence[int] | None = None,
    ) -> Tensor:
        """The images (waveforms, fields) that networks represent.

        Args:
            networks: Which of these networks, by number, slice, or tensor of indices or booleans; or other stacked
                states ``[k, ...]`` of SIRENs with the same frequency.
            size: Height and width in pixels, or one number for each coordinate; None for that of the fitted images.

        Returns:
            ``[k, C, H, W]``, or ``[k, C, *size]``.

        Raises:
            WSGraphError: The states given are not stacked SIRENs of as many coordinates as the size has numbers.
            IndexError: There is no such network.
        """
        states = networks if isinstance(networks, Mapping) else self._select(networks)
        return render_states(states, size or self.image_size, self.omega)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one safetensors file; whenever the process dies, the path holds the old file or the new one."""
        states = {f"states.{name}": stack for name, stack in self.states.items()}
        metadata = {"format": _FORMAT, "omega": json.dumps(self.omega), "image_size": json.dumps(self.image_size)}
        write_tensors(Path(path), {**states, "psnr": self.psnr, "image_index": self.image_index}, metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FittedINRs:
        """Read a file written by :meth:`save`.

        Raises:
            WSGraphError: The file is of another kind.
            FileNotFoundError: There is no file.
        """
        tensors, metadata = read_tensors(Path(path))
        if metadata.get("format") != _FORMAT:
            raise WSGraphError(f"Expected a file written by FittedINRs.save, but the metadata of {path} is {metadata}.")
        psnr, image_index = tensors.pop("psnr"), tensors.pop("image_index")
        states = {name.removeprefix("states."): stack for name, stack in tensors.items()}
        return cls(
            states={name: states[name] for name in state_shapes(state_sizes(states))},
            psnr=psnr,
            image_index=image_index,
            omega=json.loads(metadata["omega"]),
            image_size=tuple(json.loads(metadata["image_size"])),
        )

    def to_dataset(
        self, folder: str | os.PathLike[str], labels: Tensor | ArrayLike | None = None, *, shard_size: int = 10_000
    ) -> WeightDataset:
        """Write the networks to a data set, with columns ``image_index``, ``psnr`` and, if there are any, ``label``.

        Args:
            folder: Of the data set. The same call, after an interruption, goes on there.
            labels: ``[N]``, one number for each image.
            shard_size: Networks a shard.

        Raises:
            WSGraphError: There are too few labels, or the folder holds something else.

        Example:
            >>> import tempfile, torch
            >>> from wsgraph.zoo import fit_inrs
            >>> fitted = fit_inrs(torch.rand(3, 4, 4), hidden=(8,), steps=10, fits_per_image=2)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     fitted.to_dataset(folder, labels=[7, 8, 9]).table["label"].tolist()
            [7, 7, 8, 8, 9, 9]
        """
        return write_fitted(self, folder, labels, shard_size)

    def __len__(self) -> int:
        return len(self.psnr)

    def __repr__(self) -> str:
        widths = " -> ".join(map(str, self.sizes))
        return f"FittedINRs({len(self)} Sirens {widths}, omega={self.omega}, mean PSNR {self.psnr.mean():.1f} dB)"

    def _select(self, networks: int | slice | Tensor) -> dict[str, Tensor]:
        index = torch.arange(len(self))[networks].reshape(-1)
        return {name: stack[index] for name, stack in self.states.items()}
