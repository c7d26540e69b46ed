"""What happens without the consent that it needs: before it, after a refusal, after a withdrawal, against the signal."""

from __future__ import annotations

from collections.abc import Iterator

from ...policy.model import Policy
from .evidence import Evidence, Written
from .finding import Told
from .states import GPC, UNASKED, WITHDRAWN

_CODES = {UNASKED: "before-consent", GPC: "ignores-gpc", WITHDRAWN: "survives-withdrawal"}


def consent(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    yield from _stored(evidence, policy)
    yield from _asked(evidence, policy)
    yield from _left(evidence, policy)


def _stored(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for written in evidence.written:
        cookie, state = policy.cookie(written.name, written.kind), written.place.state
        if cookie is not None and _needs(policy, cookie.purpose, evidence.granted[state]) and not _is_choice(written):
            says = f"It is set, and its purpose {cookie.purpose} is not granted."
            yield Told(_code(state), cookie.name, written.place, says, f"cookies.{cookie.name}")


def _is_choice(written: Written) -> bool:
    """A choice works without consent too, for the browser session: it is what the visitor asked for."""
    return written.name.removeprefix("__Host-") == "privacy_choices" and written.seconds is None


def _asked(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for asked in evidence.asked:
        service, state = policy.service_for(asked.host), asked.place.state
        if (
            service is not None
            and asked.load
            and not asked.refused
            and _needs(policy, service.purpose, evidence.granted[state])
        ):
            says = f"{asked.url.partition('?')[0]} is asked for, and its purpose {service.purpose} is not granted."
            yield Told(_code(state), service.id, asked.place, says, f"services.{service.id}")


def _left(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for left in evidence.left:
        cookie = policy.cookie(left.name, left.kind)
        if cookie is not None and _needs(policy, cookie.purpose, evidence.granted[left.place.state]):
            if left.kind == "http" and cookie.name == "privacy_choices":
                continue  # kept for the session, as before the grant
            says = f"It is still on the device after {cookie.purpose} was withdrawn."
            yield Told("survives-withdrawal", cookie.name, left.place, says, f"cookies.{cookie.name}")


def _code(state: str) -> str:
    return _CODES.get(state, "after-reject")


def _needs(policy: Policy, purpose: str, granted: frozenset[str]) -> bool:
    """Whether the purpose is the visitor's to grant, and is not granted."""
    return policy.purpose(purpose).optional and purpose not in granted
