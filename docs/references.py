"""The references in docstrings: links to what the site documents, and plain names for the rest of Python.

A docstring of this package names an error or a method as a reader does: ``SettingError``, ``Privacy.track``. A name that
exists nowhere is left to Sphinx, which reports it.
"""

from __future__ import annotations

import builtins
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

_PACKAGE = Path(__file__).parents[1] / "flask_mixamo_privacy"


def resolve(app: Any, env: Any, node: Any, content: nodes.Element) -> nodes.Element | None:
    """Return the link or the plain name for a reference that Sphinx has not found, or None."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].partition("[")[0].lstrip("~.")
    objects = env.get_domain("py").objects
    found = sorted(each for each in objects if each == name or each.endswith(f".{name}"))
    if len(found) == 1:
        entry = objects[found[0]]
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, found[0])
    return content if _exists(name) else None


def _exists(name: str) -> bool:
    """Return whether a name is a builtin, importable, or a class or a type variable of this package."""
    module, _, attribute = name.rpartition(".")
    if not module:
        return hasattr(builtins, name) or name in _own_names()
    try:
        return hasattr(import_module(module), attribute)
    except ImportError:
        return attribute in _own_names()


@cache
def _own_names() -> frozenset[str]:
    """Return the names that this package defines or imports."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in _PACKAGE.rglob("*.py"))
    imported = re.findall(r"^\s*from [\w.]+ import (.+)$", sources, re.MULTILINE)
    defined = re.findall(r"^(?:class )?(\w+)(?:\(|:| =)", sources, re.MULTILINE)
    return frozenset((*defined, *re.findall(r"\w+", " ".join(imported))))
