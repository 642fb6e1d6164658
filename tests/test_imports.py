"""What the package shows, what it loads, and in which direction its parts import each other."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import wsgraph

ROOT = Path(wsgraph.__file__).parent
OPTIONAL = (
    *("lightning", "matplotlib", "pandas", "pyarrow", "pytorch_lightning", "ray", "tensorboard", "torch_scatter"),
    *("torchmetrics", "typer"),
)
ORDER = (
    "errors",
    "files",
    "progress",
    "space",
    "trace",
    "graph",
    "nn",
    "transforms",
    "datasets",
    "zoo",
    "align",
    "tasks",
    "testing",
    "cli",
)
"""A part may import itself and the parts before it; ``wsgraph/__init__.py`` imports all."""
FORBIDDEN = {("zoo", "nn")}
"""Training networks needs no networks over networks."""


def load(name: str) -> ModuleType:
    """The module; the test is skipped if it needs an optional package that is not here."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").split(".")[0] in OPTIONAL:
            pytest.skip(f"{name} needs {error.name}")
        raise


PACKAGES = ["wsgraph", *(m.name for m in pkgutil.walk_packages([str(ROOT)], "wsgraph.", lambda name: None) if m.ispkg)]


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_what_can_be_imported(package: str) -> None:
    module = load(package)
    names = module.__all__
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(module, name), f"{package}.__all__ names {name}, which is not there"
    public = {n for n, value in vars(module).items() if not n.startswith("_") and not isinstance(value, ModuleType)}
    assert public <= set(names), f"{package} shows {sorted(public - set(names))} outside __all__"


@pytest.mark.parametrize("package", PACKAGES)
def test_public_classes_and_functions_are_documented(package: str) -> None:
    module = load(package)
    objects = {name: getattr(module, name) for name in module.__all__}
    bare = [n for n, o in objects.items() if (inspect.isclass(o) or inspect.isfunction(o)) and not inspect.getdoc(o)]
    assert bare == []


# ----------------------------------------------------------------------------------------------------------- lightness


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_wsgraph_loads_no_optional_package() -> None:
    """Beyond what torch and torch_geometric load for themselves."""
    code = (
        "import sys, torch_geometric.data; before = set(sys.modules)\n"
        "import wsgraph; print(*(set(sys.modules) - before))"
    )
    loaded = {name.split(".")[0] for name in run(code).split()}
    assert "wsgraph" in loaded
    assert loaded.isdisjoint(OPTIONAL)


def test_wsgraph_works_without_the_optional_packages() -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL}))\n"
        "import torch, wsgraph, wsgraph.testing\n"
        "print(wsgraph.to_graph(torch.nn.Linear(3, 2)))"
    )
    assert run(code) == "NeuronGraph(5 nodes, 6 edges, 8 weights)"


# ----------------------------------------------------------------------------------------------------------- direction


def part_of(module: str) -> str:
    """``"graph"`` for ``"wsgraph.graph.convert"``; ``""`` for the package itself."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything of wsgraph that a file imports, inside functions too."""
    here = path.relative_to(ROOT.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*here[: -node.level], *filter(None, [node.module])]) if node.level else node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "wsgraph" else [base]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "wsgraph")


def complaints(path: Path) -> Iterator[str]:
    """Imports of a file that point the wrong way."""
    part = path.relative_to(ROOT).with_suffix("").parts[0]
    for line, name in imports(path):
        target = part_of(name)
        place = f"{path.relative_to(ROOT.parent)}:{line} imports {name}"
        if target not in ORDER:
            yield f"{place}: name the part, not the package"
        elif ORDER.index(target) > ORDER.index(part) or (part, target) in FORBIDDEN:
            yield f"{place}: {part} may not import {target}"


def test_imports_point_one_way() -> None:
    files = [path for path in ROOT.rglob("*.py") if path.parent != ROOT]
    assert {path.relative_to(ROOT).parts[0] for path in files} <= set(ORDER)
    assert [complaint for path in sorted(files) for complaint in complaints(path)] == []


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        ("space/a.py", "from wsgraph.trace import trace", "space may not import trace"),
        ("space/a.py", "def f():\n    import wsgraph.nn.conv", "space may not import nn"),
        ("graph/a.py", "from wsgraph import to_graph", "name the part"),
        ("graph/a.py", "import wsgraph", "name the part"),
        ("graph/a.py", "from ..nn import conv", "graph may not import nn"),
        ("zoo/a.py", "from wsgraph.nn import DualFlow", "zoo may not import nn"),
        ("tasks/deep/a.py", "from wsgraph.testing import x", "tasks may not import testing"),
        ("nn/conv/a.py", "from wsgraph.graph import x\nfrom ..readout import y\nfrom wsgraph.errors import z", None),
        ("zoo/a.py", "from wsgraph.graph import to_graphs\nimport torch.nn", None),
        ("testing/a.py", "from wsgraph.zoo import fit_inrs\nfrom wsgraph import space", None),
    ],
)
def test_the_direction_is_really_checked(
    file: str, code: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wsgraph" / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    monkeypatch.setitem(globals(), "ROOT", tmp_path / "wsgraph")
    found = list(complaints(path))
    assert (found == []) if expected is None else (expected in found[0])


def test_the_changelog_is_about_this_version():
    text = (Path(wsgraph.__file__).parents[1] / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[(.+?)\]", text, re.MULTILINE)[1] == wsgraph.__version__
