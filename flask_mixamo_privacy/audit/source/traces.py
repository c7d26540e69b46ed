"""What a line of a template, a script or a style sheet does to a visitor's device."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...policy.parts import host_of

#: Stands in a template's text for what a Jinja expression would say, which nobody knows before it runs.
UNKNOWN = "\ue000"

_WHOLE = re.compile(r"\.[a-z][a-z0-9-]*[a-z0-9](:\d+)?$")

#: What a line stands under: None for nothing, else the purposes and services that its test names.
Gate = frozenset[str] | None


@dataclass(frozen=True)
class SourcePlace:
    """A line of a file, from 1, and the consent that it stands under."""

    file: str
    line: int
    gate: Gate = None


@dataclass(frozen=True)
class LoadTrace:
    """Something that a page asks of another host."""

    place: SourcePlace
    host: str  # such as "stats.example" or "stats.example:8000"
    what: str  # a word of a service's ``loads``; empty where a script decides


@dataclass(frozen=True)
class StoredTrace:
    """Something that a script keeps on the device."""

    place: SourcePlace
    kind: str  # of a declared cookie: "js", "local", "session", "idb"
    name: str | None  # None where it cannot be read


@dataclass(frozen=True)
class InlineTrace:
    """Script that stands in the page itself."""

    place: SourcePlace
    what: str  # such as "<script>", "onclick" or "javascript:"


Trace = LoadTrace | StoredTrace | InlineTrace


def host_in(address: str) -> str:
    """The host that an address names outright; empty for a path, for no address, and where an expression names it.

    What an expression adds to a whole name, as in ``API + path``, is taken for a path.
    """
    host, unknown, _ = host_of(address).partition(UNKNOWN)
    return "" if unknown and not _WHOLE.search(host) else host
