"""Data sets of trained networks on disk, read at the speed of memory."""

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.exporting import export_states
from wsgraph.datasets.hub import pull_from_hub, push_to_hub
from wsgraph.datasets.importing import Imported, import_states
from wsgraph.datasets.writer import WeightWriter

__all__ = [
    "Imported",
    "WeightDataset",
    "WeightWriter",
    "export_states",
    "import_states",
    "pull_from_hub",
    "push_to_hub",
]
