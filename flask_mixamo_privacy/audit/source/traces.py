"""Traces: what a line of a template, script or style sheet loads, stores or runs in a visitor's browser."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...policy.parts import host_of

#: Placeholder for the value of an expression, which is unknown before it runs.
UNKNOWN = "\ue000"

_COMPLETE_HOST = re.compile(r"\.[a-z][a-z0-9-]*[a-z0-9](:\d+)?$")

#: The consent that a line requires: None, or the purposes and services that its condition names.
Gate = frozenset[str] | None


@dataclass(frozen=True)
class SourcePlace:
    """A line of a file, from 1, and the consent that it requires."""

    file: str
    line: int
    gate: Gate = None


@dataclass(frozen=True)
class LoadTrace:
    """A load from another host."""

    place: SourcePlace
    host: str  # such as "stats.example" or "stats.example:8000"
    what: str  # one of a service's ``loads``; empty if a script decides


@dataclass(frozen=True)
class StoredTrace:
    """An item that a script stores on the device."""

    place: SourcePlace
    kind: str  # of a declared cookie: "js", "local", "session", "idb"
    name: str | None  # None if it is not literal


@dataclass(frozen=True)
class InlineTrace:
    """An inline script."""

    place: SourcePlace
    what: str  # such as "<script>", "onclick" or "javascript:"


Trace = LoadTrace | StoredTrace | InlineTrace


def host_in(address: str) -> str:
    """Return the literal host of a URL; "" for a path, for no URL, or if an expression contains the host.

    An expression after a complete host name, as in ``API + path``, is taken for a path.
    """
    host, unknown, _ = host_of(address).partition(UNKNOWN)
    return "" if unknown and not _COMPLETE_HOST.search(host) else host
