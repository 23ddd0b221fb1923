"""The package's shape: imports point up the list of layers and never down."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import idiolect

SOURCE = Path(idiolect.__file__).parent
LAYERS = """
    _native errors config disk checkpoints hub artifact making signals compute journal engine figures landscape plane
    report text tokenizers data nn models embeddings gguf objectives train generate evaluation model_card model_folder
    language_model text_classifier pretraining comparing stages recipes cli
""".split()
"""From the ground up: a module may import from its own layer and from those before it."""
ABOVE_ALL = {"__init__", "__main__"}
"""The doors of the package: they see every layer."""

MODULES = sorted(SOURCE.rglob("*.py"))


def layer_of(module: str) -> str:
    """The layer of `idiolect.<layer>...`."""
    return module.split(".")[1]


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported, inside functions too, but not where only a type checker looks."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (name for branch in node.orelse for name in imports_of(ast.Module([branch], [])))
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("idiolect."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            if node.module == "idiolect":
                yield from (f"idiolect.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("idiolect."):
                yield node.module
        yield from imports_of(node)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_up_the_list(path: Path) -> None:
    layer = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if layer in ABOVE_ALL:
        return
    assert layer in LAYERS, f"{layer} has no place in the list of layers yet"
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    strangers = [name for name in imports_of(ast.parse(path.read_text("utf-8"))) if layer_of(name) not in allowed]
    assert not strangers, f"{path.name} is in {layer} and must not import {strangers}"


def test_stages_never_import_stages() -> None:
    sources = {path.stem: path.read_text("utf-8") for path in (SOURCE / "stages").glob("*.py")}
    stages = {f"idiolect.stages.{name}" for name, source in sources.items() if "\n@verb\n" in source}
    for source in sources.values():
        assert not stages & set(imports_of(ast.parse(source)))


def test_the_test_sees_imports_wherever_they_hide() -> None:
    code = """
from typing import TYPE_CHECKING
import idiolect.cli as door
if TYPE_CHECKING:
    from idiolect.stages.encode import encode
else:
    from idiolect import train
def late():
    with open("x"):
        from idiolect.train.loop import fit
"""
    assert list(imports_of(ast.parse(code))) == ["idiolect.cli", "idiolect.train", "idiolect.train.loop"]
