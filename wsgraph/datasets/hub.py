"""Data sets on the Hugging Face Hub (``pip install wsgraph[hub]``)."""

from __future__ import annotations

import os
from types import ModuleType

from wsgraph.datasets.dataset import WeightDataset
from wsgraph.datasets.importing import SKIPPED
from wsgraph.datasets.index import INDEX, SPACES
from wsgraph.errors import WSGraphError

FILES = (INDEX, f"{SPACES}/*.json", SKIPPED, "weights/*.safetensors", "table/*.parquet", "README.md")
"""What a data set is made of."""


def push_to_hub(dataset: WeightDataset, repo_id: str, *, private: bool = False, message: str | None = None) -> str:
    """Upload the folder of a data set to the Hugging Face Hub, after a check of its files.

    Who pushes is whoever ``hf auth login`` has logged in; files that are there already are not sent again.

    Args:
        dataset: A whole data set, no selection.
        repo_id: ``"owner/name"``; made as a repository of kind "dataset" if it is not there.
        private: Whether nobody else sees it, if it is made.
        message: Of the commit.

    Returns:
        The address of the commit.

    Raises:
        WSGraphError: The data set is a selection or damaged, or the Hub refuses.
    """
    hub = _hub()
    whole = WeightDataset(dataset.folder)
    if len(whole) != len(dataset):
        raise WSGraphError(
            f"Expected a whole data set, but this is a selection of {len(dataset):,} of {len(whole):,} networks; push "
            "WeightDataset(dataset.folder), or write the selection to a folder of its own."
        )
    whole.check()
    try:
        hub.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id,
            folder_path=whole.folder,
            repo_type="dataset",
            allow_patterns=list(FILES),
            commit_message=message or f"{len(whole):,} networks",
        )
    except Exception as error:  # of the Hub, the network or the disk
        raise WSGraphError(f"The data set cannot be pushed to {repo_id!r}: {error}") from error
    return str(commit)


def pull_from_hub(
    repo_id: str, folder: str | os.PathLike[str] | None = None, *, revision: str | None = None
) -> WeightDataset:
    """Download a data set from the Hugging Face Hub, and check its files.

    Args:
        repo_id: ``"owner/name"``.
        folder: Where it goes; the cache of the Hub if not given. Files that are there already are not sent again.
        revision: A branch, tag or commit; the newest if not given.

    Raises:
        WSGraphError: There is no such repository, it cannot be reached, or it holds no undamaged data set.
    """
    hub = _hub()
    try:
        path = hub.snapshot_download(
            repo_id, repo_type="dataset", revision=revision, local_dir=folder, allow_patterns=list(FILES)
        )
    except Exception as error:  # of the Hub, the network or the disk
        raise WSGraphError(f"The data set {repo_id!r} cannot be pulled: {error}") from error
    dataset = WeightDataset(path)
    dataset.check()
    return dataset


def _hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise WSGraphError("The Hugging Face Hub needs huggingface_hub: pip install 'wsgraph[hub]'.") from error
    return huggingface_hub
