"""Markdown from code: tables, literals, docstrings and the comments beside fields."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Sequence
from types import ModuleType

# What is a literal in a plain sentence: settings, Python's constants, quoted values, files and RST's literals.
_LITERAL = re.compile(
    r"``[^`]+``|`[^`]+`|\bPRIVACY_[A-Z_]+\b|\b[A-Z]+_[A-Z_]+\b|\b(?:None|True|False)\b"
    r'|"[^"\s]+"|\b[\w-]+\.(?:toml|sqlite|json|mmdb|md)\b'
)
_ROLE = re.compile(r":(?:\w+:)*\w+:`~?\.?([^`]+)`")


def literals(text: str) -> str:
    """Return a sentence of the code with its names and values as literals."""
    return _LITERAL.sub(lambda found: f"`{found[0].strip('`')}`", _ROLE.sub(r"`\1`", text))


def docstring(thing: object) -> str:
    """Return a docstring, which is reStructuredText, as Markdown."""
    return _ROLE.sub(r"`\1`", (inspect.getdoc(thing) or "").replace("``", "`"))


def summary(thing: object) -> str:
    """Return the first paragraph of a docstring, on one line."""
    return " ".join(docstring(thing).partition("\n\n")[0].split())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def block(directive: str, argument: str, body: str, **options: str) -> str:
    """Return a directive. Its options and its body are Markdown."""
    lines = [f":{name}: {value}" for name, value in options.items() if value]
    return "\n".join([f"::::{{{directive}}} {argument}", *lines, "", body, "::::", ""])


def comments_of(module: ModuleType) -> dict[str, str]:
    """Return the comment of each field of the module's classes, such as ``Purpose.basis``, and of each name.

    A comment stands behind the field, or above it after ``#:``.
    """
    source = inspect.getsource(module)
    comments = {token.start[0]: token for token in tokenize.generate_tokens(io.StringIO(source).readline)
                if token.type == tokenize.COMMENT}  # fmt: skip
    found = {}
    for scope, body in _scopes(ast.parse(source)):
        for node in body:
            target = (
                node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
            )
            if isinstance(target, ast.Name):
                found[f"{scope}{target.id}"] = _comment(node, comments)
    return found


def _scopes(tree: ast.Module) -> Iterable[tuple[str, list[ast.stmt]]]:
    yield "", tree.body
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield f"{node.name}.", node.body


def _comment(node: ast.stmt, comments: dict[int, tokenize.TokenInfo]) -> str:
    above, line = [], node.lineno - 1
    while line in comments and comments[line].string.startswith("#:"):
        above.insert(0, comments[line].string.removeprefix("#:").strip())
        line -= 1
    behind = [
        comments[line].string.lstrip("# ") for line in range(node.lineno, (node.end_lineno or 0) + 1) if line in comments
    ]
    return " ".join([*above, *behind])


def sentence(text: str) -> str:
    """Return a comment as a sentence."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text.endswith((".", "…")) else ".")
