"""From the words on a command line to a model: ``package.module:factory``, and a checkpoint."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from wsgraph.cli.console import CommandError
from wsgraph.trace.export import place_of, reason_of


def load_model(name: str, checkpoint: Path | None = None) -> nn.Module:
    """The model that a factory makes, with the weights of a checkpoint if there is one. Seeded with 0.

    Args:
        name: ``package.module:factory``, where the factory is a function without arguments, a class, or a module.
        checkpoint: A ``.safetensors``, ``.pt`` or ``.pth`` file with a state dict.

    Raises:
        CommandError: There is no such thing, or it does not fit.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise CommandError(
            f"Expected a model as package.module:factory, got {name!r}. Say which function or class makes it, as in "
            f"{_example(name)!r}."
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    torch.manual_seed(0)
    model = _made(name, _found(_imported(module), attribute))
    if checkpoint is not None:
        load_checkpoint(model, checkpoint)
    return model


def _example(name: str) -> str:
    """What may have been meant by a name without a colon."""
    path, _, last = name.strip(":").rpartition(".")
    if path and last != "py" and "/" not in name:
        return f"{path}:{last}"
    return f"{(path if last == 'py' else name.strip(':')).replace('/', '.') or 'nets'}:make_model"


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise CommandError(
                f"There is no Python module {error.name!r} among the installed packages and in {os.getcwd()!r}. "
                "Run the command in the folder that holds it."
            ) from error
        raise CommandError(f"{name!r} needs the package {error.name!r}, which is not installed.") from error
    except SystemExit as error:
        raise CommandError(f"Importing {name!r} ended the program.") from error
    except Exception as error:
        place = "" if "importlib" in (at := place_of(error)) else at
        raise CommandError(f"Importing {name!r} failed{place}: {reason_of(error)}") from error


def _found(module: ModuleType, path: str) -> Any:
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            near = difflib.get_close_matches(part, [n for n in dir(value) if not n.startswith("_")], n=3)
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise CommandError(f"{getattr(value, '__name__', path)!r} has no {part!r}.{hint}")
        value = getattr(value, part)
    return value


def _made(name: str, factory: Any) -> nn.Module:
    if isinstance(factory, nn.Module):
        return factory
    if not callable(factory):
        raise CommandError(f"{name!r} is {type(factory).__name__}; expected a function or class that makes a model.")
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise CommandError(
            f"{name!r} cannot be called without arguments: {error}. Write a function that calls it, and name that one."
        ) from error
    except ValueError:
        pass  # no signature to be had
    try:
        model = factory()
    except SystemExit as error:
        raise CommandError(f"{name!r} ended the program.") from error
    except Exception as error:
        raise CommandError(f"{name!r} failed{place_of(error)}: {reason_of(error)}") from error
    if not isinstance(model, nn.Module):
        raise CommandError(f"{name!r} gave {type(model).__name__}; expected a torch.nn.Module.")
    return model


# ---------------------------------------------------------------------------------------------------- checkpoints


def load_checkpoint(model: nn.Module, path: Path) -> None:
    """Load a state dict from a file into a model, every key of both.

    Raises:
        CommandError: The file cannot be read, holds something else, or its keys or shapes are others.
    """
    from wsgraph.datasets.state_files import read_state  # pandas, only where it is used

    state = read_state(path)
    own = model.state_dict(keep_vars=True)
    try:
        result = model.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise CommandError(f"{path} does not fit {type(model).__name__}:{_listed(lines)}") from error
    loaded = {id(own[key]) for key in own if key in state}  # tied tensors may be stored once
    missing = [key for key in result.missing_keys if key not in own or id(own[key]) not in loaded]
    kinds = {"missing": missing, "unexpected": result.unexpected_keys}
    found = [f"{len(keys)} {word}:{_listed(keys)}" for word, keys in kinds.items() if keys]
    if found and all(key.startswith("module.") for key in state):
        found.append("Its keys begin with 'module.': save the state dict of model.module instead.")
    if found:
        raise CommandError(f"The keys of {path} are not those of {type(model).__name__}; " + "\n".join(found))


def _listed(lines: Sequence[str], most: int = 10) -> str:
    more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    return "".join(f"\n  {line}" for line in [*lines[:most], *more])
