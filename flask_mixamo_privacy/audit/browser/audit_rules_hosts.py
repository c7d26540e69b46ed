"""Which other companies' hosts a page reaches out to, and what for."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from .evidence import Asked, Evidence
from .finding import Told

_REFUSED = " The browser refused it because of a Content-Security-Policy; the page asks all the same."


def hosts(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for asked in evidence.asked:
        if not asked.third or not asked.load:
            continue
        service = policy.service_for(asked.host)
        if service is None:
            yield Told("host-not-declared", asked.host, asked.place, _says(asked), "services")
        elif asked.load not in (*service.loads, "prefetch") and not asked.inside and not asked.refused:
            says = f"It is declared for {', '.join(service.loads)}; the page loads {_what(asked)} from it."
            yield Told("host-not-declared", asked.host, asked.place, says, f"services.{service.id}.loads")


def _says(asked: Asked) -> str:
    who = f"A frame of {asked.inside}" if asked.inside else "The page"
    return f"{who} asks it for {_what(asked)}." + (_REFUSED if asked.refused else "")


def _what(asked: Asked) -> str:
    """What was asked for, without the query, in which there may be anything."""
    return f"{asked.load} {asked.url.partition('?')[0]}"
