"""Traces in scripts: literal hosts and names that a script loads and stores.

tree-sitter parses the script, so a syntax error does not stop the scan.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from .traces import UNKNOWN, LoadTrace, SourcePlace, StoredTrace, Trace, host_in

_STORES = {"localStorage": "local", "sessionStorage": "session"}
_LOADS = {
    **dict.fromkeys(("WebSocket", "EventSource", "Request", "fetch", "sendBeacon"), "connect"),
    **dict.fromkeys(("Worker", "SharedWorker", "importScripts", "import"), "script"),
}
_ATTRIBUTES = ("src", "srcset", "poster")
_METHODS = ("GET", "POST", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS")
_DELETES = re.compile(
    rf"max-age=(0(?![0-9])|-)|expires=thu, 0?1[ -]jan[ -](19)?70|^[^=;]*=\s*;.*expires={UNKNOWN}", re.IGNORECASE
)
_IMPORTED = re.compile(r':\s*"([^"]+)"')


#: Yields the loads of HTML that a script inserts at this place.
OfHtml = Callable[[str, SourcePlace], Iterator[Trace]]


def of_script(text: str, place: SourcePlace, of_html: OfHtml) -> Iterator[Trace]:
    """Yield the traces of a script whose first line is at the place."""
    source = text.encode()
    root = _parser().parse(source).root_node
    nodes = list(_all(root))
    yield from _ScriptScanner(place, _constants(nodes), of_html).traces(nodes)


def of_import_map(text: str, place: SourcePlace) -> Iterator[Trace]:
    """Yield the loads of an import map. It is not parsed as JSON, because it may contain expressions of a template."""
    for line, content in enumerate(text.split("\n"), place.line):
        for host in filter(None, map(host_in, _IMPORTED.findall(content))):
            yield LoadTrace(replace(place, line=line), host, "script")


@cache
def _parser() -> Any:
    import tree_sitter_javascript
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_javascript.language()))


def _all(root: Any) -> Iterator[Any]:
    """Yield every node in the order of the text, without recursion: a minified file nests deeper than Python's stack."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _constants(nodes: list[Any]) -> dict[str, str]:
    """Return the strings of names that are assigned once."""
    assigned: dict[str, list[str]] = {}
    for node in nodes:
        if node.type == "variable_declarator" and (value := node.child_by_field_name("value")) is not None:
            assigned.setdefault(_text(node.child_by_field_name("name")), []).append(_literal(value, {}))
    return {name: values[0] for name, values in assigned.items() if len(values) == 1 and UNKNOWN not in values[0]}


def _literal(node: Any, constants: dict[str, str]) -> str:
    """Return the string of an expression; parts that are not literal are :data:`UNKNOWN`."""
    match node.type:
        case "string" | "template_string":
            return "".join(_literal(child, constants) for child in node.named_children)
        case "string_fragment":
            return _text(node)
        case "escape_sequence":
            return _text(node)[1:] if _text(node)[1:] in tuple("/\\'\"`") else _text(node)
        case "template_substitution" | "parenthesized_expression":
            return _literal(node.named_children[0], constants) if node.named_children else UNKNOWN
        case "binary_expression" if node.child_by_field_name("operator").type == "+":
            return "".join(_literal(node.child_by_field_name(side), constants) for side in ("left", "right"))
        case "identifier":
            return constants.get(_text(node), UNKNOWN)
    return UNKNOWN


def _text(node: Any) -> str:
    return node.text.decode(errors="replace") if node is not None else ""


def _last(node: Any) -> str:
    """Return the last name of a member expression: ``localStorage`` of ``window.localStorage``."""
    return _text(node.child_by_field_name("property")) if node.type == "member_expression" else _text(node)


@dataclass(frozen=True)
class _ScriptScanner:
    place: SourcePlace
    constants: dict[str, str]
    of_html: OfHtml

    def traces(self, nodes: list[Any]) -> Iterator[Trace]:
        handlers: dict[str, Callable[[Any], Iterator[Trace]]] = {
            "assignment_expression": self._assignment,
            "augmented_assignment_expression": self._assignment,
            "update_expression": self._update,
            "call_expression": self._call,
            "new_expression": self._new,
            "import_statement": self._module,
            "export_statement": self._module,
        }
        for node in nodes:
            if node.type in handlers:
                yield from handlers[node.type](node)

    def _at(self, node: Any) -> SourcePlace:
        return replace(self.place, line=self.place.line + node.start_point[0])

    def _value(self, node: Any) -> str:
        return _literal(node, self.constants)

    def _assignment(self, node: Any) -> Iterator[Trace]:
        left, value = node.child_by_field_name("left"), self._value(node.child_by_field_name("right"))
        owner = left.child_by_field_name("object")
        if owner is None:
            return
        name = self._member(left)
        if name == "cookie" and _last(owner) == "document":
            yield from self._cookie(node, value)
        elif _last(owner) in _STORES:
            yield StoredTrace(self._at(node), _STORES[_last(owner)], name)
        elif name in _ATTRIBUTES and (host := host_in(value)):
            yield LoadTrace(self._at(node), host, "")
        elif name in ("innerHTML", "outerHTML"):
            yield from self.of_html(value, self._at(node))

    def _update(self, node: Any) -> Iterator[Trace]:
        target = node.child_by_field_name("argument")
        owner = target.child_by_field_name("object")
        if owner is not None and _last(owner) in _STORES:
            yield StoredTrace(self._at(node), _STORES[_last(owner)], self._member(target))

    def _member(self, node: Any) -> str | None:
        """Return the name after a dot, or in brackets; None if it is not literal."""
        if node.type == "member_expression":
            return _text(node.child_by_field_name("property"))
        return _known(self._value(node.child_by_field_name("index")))

    def _cookie(self, node: Any, value: str) -> Iterator[Trace]:
        name, equals, _ = value.partition("=")
        if not _DELETES.search(value):
            yield StoredTrace(self._at(node), "js", _known(name.strip()) if equals else None)

    def _call(self, node: Any) -> Iterator[Trace]:
        function = node.child_by_field_name("function")
        arguments = node.child_by_field_name("arguments")
        values = arguments.named_children if arguments is not None else []
        if not values:
            return
        name, value = _last(function), self._value(values[0])
        owner = function.child_by_field_name("object")
        owner_name = _last(owner) if owner is not None else ""
        if name == "setItem" and owner_name in _STORES:
            yield StoredTrace(self._at(node), _STORES[owner_name], _known(value))
        elif (name, owner_name) == ("open", "indexedDB"):
            yield StoredTrace(self._at(node), "idb", _known(value))
        elif (name == "set" and owner_name in ("cookieStore", "Cookies")) or (
            name == "cookie" and owner_name in ("$", "jQuery") and values[1:]
        ):
            yield StoredTrace(self._at(node), "js", _known(self._named(values[0])))
        elif name == "setAttribute" and value in _ATTRIBUTES:
            yield from self._load(node, values[1:], "")
        elif name == "open" and value.upper() in _METHODS:
            yield from self._load(node, values[1:], "connect")
        elif name in _LOADS:
            for argument in values if name == "importScripts" else values[:1]:
                yield from self._load(node, [argument], _LOADS[name])
        else:
            yield from self._inserted(node, name, owner_name, values)

    def _inserted(self, node: Any, name: str, owner_name: str, values: list[Any]) -> Iterator[Trace]:
        if name in ("write", "writeln") and owner_name == "document":
            yield from self.of_html(self._value(values[0]), self._at(node))
        elif name == "insertAdjacentHTML" and values[1:]:
            yield from self.of_html(self._value(values[1]), self._at(node))

    def _named(self, node: Any) -> str:
        """Return a name that is passed as a string or as ``{name: "…"}``."""
        for pair in node.named_children if node.type == "object" else ():
            if pair.type == "pair" and _text(pair.child_by_field_name("key")) == "name":
                return self._value(pair.child_by_field_name("value"))
        return self._value(node)

    def _new(self, node: Any) -> Iterator[Trace]:
        name, arguments = _last(node.child_by_field_name("constructor")), node.child_by_field_name("arguments")
        if name in _LOADS and arguments is not None:
            yield from self._load(node, arguments.named_children, _LOADS[name])

    def _module(self, node: Any) -> Iterator[Trace]:
        source = node.child_by_field_name("source")
        yield from self._load(node, [source] if source is not None else [], "script")

    def _load(self, node: Any, arguments: list[Any], load: str) -> Iterator[Trace]:
        for argument in arguments[:1]:
            if host := host_in(self._value(argument)):
                yield LoadTrace(self._at(node), host, load)


def _known(name: str) -> str | None:
    """Return a literal name, or None."""
    return None if UNKNOWN in name or not name else name
