"""The packages and their order, from the contract that import-linter enforces."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from .markdown import literals, table

_ROOT = Path(__file__).parents[2]
_PACKAGE = _ROOT / "flask_mixamo_privacy"


def layers() -> list[list[str]]:
    """Return the layers from the lowest to the highest, each with its names."""
    setup = ConfigParser()
    setup.read(_ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["importlinter:contract:layers"]["layers"].split("\n")
    return [[name.strip() for name in line.split("|")] for line in reversed(lines) if line.strip()]


def packages() -> str:
    """Return a table of the packages: each imports only from those above it."""
    known = [name for layer in layers() for name in layer]
    rows = [
        (f"`{name}`", _purpose(name), ", ".join(f"`{each}`" for each in known if each in _imports(name))) for name in known
    ]
    return table(("package", "for", "imports"), rows)


def _files(name: str) -> list[Path]:
    folder = _PACKAGE / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def _purpose(name: str) -> str:
    path = _PACKAGE / name / "__init__.py"
    text = (
        ast.get_docstring(ast.parse((path if path.exists() else _PACKAGE / f"{name}.py").read_text(encoding="utf-8"))) or ""
    )
    return literals(" ".join(text.split("\n\n")[0].split()))


def _imports(name: str) -> set[str]:
    """Return the names below the package that a package's modules import, also late, but not for a type checker alone."""
    found = set()
    for path in _files(name):
        depth = len(path.relative_to(_PACKAGE).parts)
        for node in _executed(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == depth:
                found |= {node.module.partition(".")[0]} if node.module else {alias.name for alias in node.names}
    return found - {name}


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Return a node and every node below it, except the bodies of ``if TYPE_CHECKING``."""
    yield node
    is_for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in node.orelse if is_for_types else ast.iter_child_nodes(node):
        yield from _executed(child)
