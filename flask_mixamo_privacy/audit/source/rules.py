"""Holds what templates, scripts and style sheets do against the declaration."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from ...policy.model import Policy
from ..findings import Finding
from .trace import Gate, Inline, Load, Place, Stored, Trace

_PLACES = {"js": "cookie", "local": "local storage", "session": "session storage", "idb": "IndexedDB"}


class Rules:
    """One site's declaration, and the hosts that are its own."""

    def __init__(self, policy: Policy, own_hosts: Collection[str] = ()) -> None:
        self._policy = policy
        self._own = frozenset(own_hosts)

    def findings(self, traces: Iterable[Trace]) -> Iterator[Finding]:
        """What is not declared, not asked for, or no Content-Security-Policy can tell from an attack."""
        for trace in traces:
            if isinstance(trace, Load):
                yield from self._load(trace)
            elif isinstance(trace, Stored):
                yield from self._stored(trace)
            else:
                yield _inline(trace)

    def _load(self, load: Load) -> Iterator[Finding]:
        if load.host in self._own:
            return
        services = [service for service in self._policy.services if service.covers(load.host, load.what)]
        loads = f"The page loads from {load.host!r}{f' ({load.what})' if load.what else ''}"
        if not services:
            hint = "Declare it under [[services]] and load it by privacy.script, style or embed, or take it out."
            yield _finding("error", "host-not-declared", load.place, f"{loads}, which no service declares.", hint)
        elif not any(self._granted(service.purpose, service.id, load.place.gate) for service in services):
            service = services[0]
            says = f"{loads} before {service.purpose!r} is granted."
            hint = f'Load it by privacy.script, style or embed, or put it under {{% consent "{service.purpose}" %}}.'
            yield _finding("error", "before-consent", load.place, says, hint)

    def _stored(self, stored: Stored) -> Iterator[Finding]:
        where = _PLACES[stored.kind]
        if stored.name is None:
            says = f"A script writes to {where} under a name that cannot be read here."
            yield _finding("warning", "unreadable", stored.place, says, "Write the name out, or see `flask privacy audit`.")
        elif not self._declared(stored):
            says = f"A script keeps {stored.name!r} ({where}), which the policy does not declare."
            hint = f'Take it out, or add a [[cookies]] table with name = "{stored.name}" and kind = "{stored.kind}".'
            yield _finding("error", "used-not-declared", stored.place, says, hint)

    def _declared(self, stored: Stored) -> bool:
        return self._policy.cookie(stored.name or "", stored.kind) is not None

    def _granted(self, purpose: str, service: str, gate: Gate) -> bool:
        if not self._policy.purpose(purpose).optional:
            return True
        return gate is not None and (not gate or bool(gate & {purpose, service}))


def _inline(inline: Inline) -> Finding:
    says = f"Script stands in the page itself ({inline.what}): under script-src 'self' a browser does not run it."
    return _finding("warning", "inline-script", inline.place, says, "Put it into a file, or give its tag the site's nonce.")


def _finding(level: str, key: str, place: Place, says: str, hint: str) -> Finding:
    return Finding(level, key, says, hint, place.file, place.line)
