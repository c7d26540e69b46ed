"""What the visitor decided: read against the policy, and changed by a choice."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .errors import UndeclaredPurpose
from .policy import Policy

State = Literal["unasked", "granted", "refused"]
Choice = Literal["accept_all", "reject_all", "save"]
Kind = Literal["grant", "refusal", "withdrawal"]

CHOICES: tuple[Choice, ...] = ("accept_all", "reject_all", "save")
_WIDTH = 6  # characters of one purpose's fingerprint


class BadRecord(ValueError):
    """A text that is no record of a decision, or an expired one."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the consent cookie says. A refusal has no receipt, and is the same for all who refuse on one day."""

    day: int  # of the decision, in days since 1970-01-01 UTC
    decided: tuple[str, ...]  # fingerprints of the purposes decided on, in declared order
    granted: frozenset[str] = frozenset()  # fingerprints
    receipt: str = ""
    gpc: bool = False  # whether Sec-GPC was sent with the grant

    def encode(self) -> str:
        """The compact text that is signed: ``r.<day>.<decided>`` or ``g.<day>.<decided>.<bits>.<receipt>.<gpc>``."""
        decided = "".join(self.decided)
        if not self.granted:
            return f"r.{self.day:x}.{decided}"
        bits = sum(1 << place for place, mark in enumerate(self.decided) if mark in self.granted)
        return f"g.{self.day:x}.{decided}.{bits:x}.{self.receipt}.{int(self.gpc)}"

    @classmethod
    def decode(cls, text: str, today: int, days: int) -> Record:
        """Read a signed text again; raises :class:`BadRecord` unless it is whole and not older than so many days."""
        kind, *rest = text.split(".")
        if len(rest) != {"r": 2, "g": 5}.get(kind):
            raise BadRecord(text)
        decided = tuple(rest[1][at : at + _WIDTH] for at in range(0, len(rest[1]), _WIDTH))
        day = _number(rest[0])
        # Another of the site's machines may have a clock that is a little ahead, hence the one day.
        if not today - days < day <= today + 1:
            raise BadRecord(text)
        if kind == "r":
            return cls(day, decided)
        bits = _number(rest[2])
        granted = frozenset(mark for place, mark in enumerate(decided) if bits >> place & 1)
        return cls(day, decided, granted, rest[3], rest[4] == "1")


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise BadRecord(text) from None


@dataclass(frozen=True, slots=True)
class Consent:
    """A record held against the policy in force and Global Privacy Control: what is allowed now."""

    states: Mapping[str, State]
    granted: frozenset[str]  # optional purposes that are granted now
    held: frozenset[str]  # optional purposes that the record grants, suspended or not
    must_ask: bool
    record: Record | None

    def state(self, purpose: str) -> State:
        """``"unasked"``, ``"granted"`` or ``"refused"``; raises :class:`UndeclaredPurpose`."""
        try:
            return self.states[purpose]
        except (KeyError, TypeError):
            raise UndeclaredPurpose(purpose, self.states) from None

    def allows(self, purpose: str) -> bool:
        """Whether the purpose is necessary or granted; raises :class:`UndeclaredPurpose`."""
        return self.state(purpose) == "granted"


def decide(policy: Policy, record: Record | None, gpc: bool) -> Consent:
    """Set what a visitor decided against the policy and ``Sec-GPC``.

    Without a decision, GPC reads as a refusal and nobody is asked. A grant made while GPC was sent stands; one made
    without it is suspended for as long as it is sent.
    """
    # What one signs up to at a form is no matter of this browser: a browser has not been asked for it.
    states: dict[str, State] = {p.id: "unasked" if p.basis == "consent" else "granted" for p in policy.purposes}
    held = set()
    for purpose, mark in policy.marks.items():
        states[purpose] = state = _state(record, mark)
        if state == "granted":
            held.add(purpose)
    must_ask = not gpc and any(states[purpose] == "unasked" for purpose in policy.marks)
    if gpc:
        stands = record is not None and record.gpc
        states.update({purpose: "refused" for purpose in policy.marks if not (stands and states[purpose] == "granted")})
    granted = frozenset(purpose for purpose in policy.marks if states[purpose] == "granted")
    return Consent(states, granted, frozenset(held), must_ask, record)


def _state(record: Record | None, fingerprint: str) -> State:
    if record is None or fingerprint not in record.decided:
        return "unasked"
    return "granted" if fingerprint in record.granted else "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a choice comes to: the record to set, and what the ledger is told (nothing, when nothing changed)."""

    kind: Kind | None
    record: Record
    granted: frozenset[str]
    withdrawn: frozenset[str]
    replaces: str  # the receipt of the grant that this decision ends, or ""
    fallback: Record | None  # the record to set when a grant cannot be written; None leaves the cookie alone


def choose(policy: Policy, before: Consent, choice: Choice, purposes: Collection[str], *, gpc: bool, today: int) -> Decision:
    """Turn a choice into a decision; raises :class:`UndeclaredPurpose` for a purpose the policy does not have."""
    wanted = _wanted(policy, choice, purposes)
    withdrawn = before.held - wanted
    replaces = before.record.receipt if before.record else ""
    if not wanted:
        kind: Kind | None = "withdrawal" if replaces else None if _is_refusal(policy, before) else "refusal"
        return Decision(kind, refusal(policy, today), wanted, withdrawn, replaces, None)
    if wanted <= before.held and _stands(policy, before, gpc):
        assert before.record is not None
        kept = replace(before.record, granted=_marks(policy, wanted))
        return Decision("withdrawal" if withdrawn else None, kept, wanted, withdrawn, replaces, None)
    record = Record(today, _decided(policy), _marks(policy, wanted), secrets.token_urlsafe(16), gpc)
    fallback = _without(policy, before, withdrawn, today) if withdrawn else None
    return Decision("grant", record, wanted, withdrawn, replaces, fallback)


def refusal(policy: Policy, today: int) -> Record:
    """The record of everyone who refuses today."""
    return Record(today, _decided(policy))


def _wanted(policy: Policy, choice: Choice, purposes: Collection[str]) -> frozenset[str]:
    if choice == "reject_all":
        return frozenset()
    if choice == "accept_all":
        return frozenset(policy.marks)
    for purpose in purposes:
        if policy.purpose(purpose).basis == "consent" and purpose not in policy.marks:
            raise UndeclaredPurpose(purpose, policy.marks)  # one signs up to it at a form, not in a browser
    return frozenset(purposes) & policy.marks.keys()


def _decided(policy: Policy) -> tuple[str, ...]:
    return tuple(policy.marks.values())


def _marks(policy: Policy, purposes: Collection[str]) -> frozenset[str]:
    return frozenset(policy.marks[purpose] for purpose in purposes)


def _is_refusal(policy: Policy, before: Consent) -> bool:
    record = before.record
    return record is not None and not record.granted and record.decided == _decided(policy)


def _stands(policy: Policy, before: Consent, gpc: bool) -> bool:
    """Whether the grant at hand was made about this very policy, and is not suspended by GPC."""
    record = before.record
    return record is not None and record.decided == _decided(policy) and (record.gpc or not gpc)


def _without(policy: Policy, before: Consent, withdrawn: frozenset[str], today: int) -> Record:
    """The record at hand less what was withdrawn: what takes effect although a new grant could not be written."""
    assert before.record is not None
    remaining = before.record.granted - _marks(policy, withdrawn)
    return replace(before.record, granted=remaining) if remaining else refusal(policy, today)
