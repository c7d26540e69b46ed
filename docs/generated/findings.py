"""Every finding of the audit, from its table of codes, and of the check, from the calls that make one."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from itertools import chain
from types import ModuleType

from flask_mixamo_privacy.audit import checks, model_checks
from flask_mixamo_privacy.audit.browser.findings import CODES
from flask_mixamo_privacy.audit.source import scan
from flask_mixamo_privacy.tracking import backlog

from .markdown import literals, sentence, table

#: The modules with findings of ``flask privacy check``; the last one only with ``--templates``.
_MODULES = (checks, model_checks, backlog, scan)
_LEVELS = ("error", "warning")
_UNKNOWN = "…"


def of_audit() -> str:
    """Return every code of the audit with its meaning and the next step."""
    return table(
        ("finding", "meaning", "next step"),
        ((f"`{code}`", literals(text.message), literals(text.hint)) for code, text in CODES.items()),
    )


def of_check() -> str:
    """Return every finding of the check: level, key and message."""
    found = sorted({*all_check_findings(), ("error", "the key", "The declaration or a setting cannot be read.")})
    return table(("level", "key", "finding"), ((level, f"`{key}`", literals(message)) for level, key, message in found))


def all_check_findings() -> Iterator[tuple[str, str, str]]:
    """Yield level, key and message of each finding that the code makes. What the app decides is in capital letters."""
    return chain.from_iterable(map(_of_module, _MODULES))


def _of_module(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    for function in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(function, ast.FunctionDef):
            yield from _of_function(function)


def _of_function(function: ast.FunctionDef) -> Iterator[tuple[str, str, str]]:
    docstring = re.split(r"[.:](?:\s|$)", ast.get_docstring(function) or "")[0]
    purpose = sentence(docstring.removeprefix("Report ").removeprefix("Yield "))
    texts: dict[str, list[str]] = {}
    for node in _in_order(function):
        if isinstance(node, ast.Assign):
            for name, value in _assigned(node):
                texts.setdefault(name, []).append(_text(value, texts))
        arguments = _arguments(node)
        if len(arguments) >= 3 and isinstance(arguments[0], ast.Constant) and arguments[0].value in _LEVELS:
            values = [argument for argument in arguments[1:] if not ast.unparse(argument).endswith("place")]
            yield from _rows(str(arguments[0].value), values[0], values[1], texts, purpose)
            texts.clear()


def _rows(
    level: str, key: ast.expr, message: ast.expr, texts: dict[str, list[str]], purpose: str
) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each branch that assigned the key or the message."""
    keys = texts.get(key.id, []) if isinstance(key, ast.Name) else []
    messages = texts.get(message.id, []) if isinstance(message, ast.Name) else []
    rows = zip(keys, messages, strict=True) if len(keys) == len(messages) > 0 else None
    for one, other in rows or [(_text(key, texts), text) for text in messages or [_text(message, texts)]]:
        yield level, one, purpose if other.isupper() or other == _UNKNOWN else other


def _in_order(function: ast.FunctionDef) -> list[ast.AST]:
    nodes = [node for node in ast.walk(function) if hasattr(node, "lineno")]
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


def _assigned(node: ast.Assign) -> list[tuple[str, ast.expr]]:
    target, value = node.targets[0], node.value
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts, strict=True))
    return [(name.id, each) for name, each in pairs if isinstance(name, ast.Name)]


def _arguments(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("CheckFinding", "_finding"):
        return node.args
    return node.elts if isinstance(node, ast.Tuple) else []


def _text(node: ast.expr, texts: dict[str, list[str]]) -> str:
    """Return what an expression results in. What only the app decides is in capital letters."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name) and node.id in texts:
        return texts[node.id][-1]
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else _text(getattr(part, "value", part), texts)
            for part in node.values
        )
    return _name(node)


def _name(node: ast.expr) -> str:
    """Return the last name in an expression, in capital letters."""
    if isinstance(node, ast.IfExp | ast.BoolOp):
        return _name(node.body if isinstance(node, ast.IfExp) else node.values[0])
    if isinstance(node, ast.Call) and node.args:
        return _name(node.args[0])
    if isinstance(node, ast.Attribute):
        return _name(node.value) if node.attr.startswith("__") else node.attr.upper()
    return node.id.upper() if isinstance(node, ast.Name) else _UNKNOWN
