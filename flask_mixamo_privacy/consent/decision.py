"""What the visitor decided: read against the policy, and changed by a choice."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from ..errors import UndeclaredPurpose
from ..policy.model import Policy

State = Literal["unasked", "granted", "refused"]
Choice = Literal["accept_all", "reject_all", "save"]
Kind = Literal["grant", "refusal", "withdrawal"]

Selection = tuple[Choice, list[str], list[str]]  # a choice, the purposes and the services that it names

CHOICES: tuple[Choice, ...] = ("accept_all", "reject_all", "save")
_WIDTH = 6  # characters of one purpose's fingerprint


class BadRecord(ValueError):
    """A text that is no record of a decision, or an expired one."""


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """What the consent cookie says. A refusal has no receipt, and is the same for all who refuse on one day."""

    day: int  # of the decision, in days since 1970-01-01 UTC
    decided: tuple[str, ...]  # fingerprints of the purposes decided on, in declared order
    granted: frozenset[str] = frozenset()  # fingerprints
    receipt: str = ""
    gpc: bool = False  # whether Sec-GPC was sent with the grant
    services_left_out: Mapping[str, int] = field(
        default_factory=dict
    )  # by fingerprint, a bit for each of its services left out

    def encode(self) -> str:
        """The compact text that is signed: ``r.<day>.<decided>``, or of a grant ``g.<day>.<decided>.<bits>`` and on with
        ``.<services left out, a number each purpose>.<receipt>.<gpc>``."""
        decided = "".join(self.decided)
        if not self.granted:
            return f"r.{self.day:x}.{decided}"
        bits = sum(1 << place for place, mark in enumerate(self.decided) if mark in self.granted)
        without = (
            "-".join(f"{self.services_left_out.get(mark, 0):x}" for mark in self.decided)
            if any(self.services_left_out.values())
            else ""
        )
        return f"g.{self.day:x}.{decided}.{bits:x}.{without}.{self.receipt}.{int(self.gpc)}"

    @classmethod
    def decode(cls, text: str, today: int, days: int) -> ConsentRecord:
        """Read a signed text again; raises :class:`BadRecord` unless it is whole and not older than so many days."""
        kind, *rest = text.split(".")
        if len(rest) != {"r": 2, "g": 6}.get(kind):
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
        numbers = map(_number, rest[3].split("-")) if rest[3] else ()
        without = {mark: bits for mark, bits in zip(decided, numbers, strict=False) if bits}
        return cls(day, decided, granted, rest[4], rest[5] == "1", without)

    def reduced_by(self, purposes: Iterable[str], services: Iterable[tuple[str, int]]) -> ConsentRecord:
        """The same without these purposes' fingerprints, and without these services' bits."""
        without = dict(self.services_left_out)
        for mark, bit in services:
            without[mark] = without.get(mark, 0) | bit
        granted = self.granted.difference(purposes)
        return replace(
            self, granted=granted, services_left_out={mark: bits for mark, bits in without.items() if mark in granted}
        )


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
    record: ConsentRecord | None
    services: frozenset[str] = frozenset()  # those that may be loaded now, necessary ones among them
    held_services: frozenset[str] = frozenset()  # those that the record grants, suspended or not

    def state(self, purpose: str) -> State:
        """``"unasked"``, ``"granted"`` or ``"refused"``; raises :class:`UndeclaredPurpose`."""
        try:
            return self.states[purpose]
        except (KeyError, TypeError):
            raise UndeclaredPurpose(purpose, self.states) from None

    def allows(self, purpose: str) -> bool:
        """Whether the purpose is necessary or granted; raises :class:`UndeclaredPurpose`."""
        return self.state(purpose) == "granted"


def decide(policy: Policy, record: ConsentRecord | None, gpc: bool) -> Consent:
    """Set what a visitor decided against the policy and ``Sec-GPC``.

    Without a decision, GPC reads as a refusal and nobody is asked. A grant made while GPC was sent stands; one made
    without it is suspended for as long as it is sent.
    """
    # What one signs up to at a form is no matter of this browser: a browser has not been asked for it.
    states: dict[str, State] = {p.id: "unasked" if p.basis == "consent" else "granted" for p in policy.purposes}
    states.update({purpose: _state(record, mark) for purpose, mark in policy.purpose_fingerprints.items()})
    held = frozenset(purpose for purpose in policy.purpose_fingerprints if states[purpose] == "granted")
    must_ask = not gpc and any(states[purpose] == "unasked" for purpose in policy.purpose_fingerprints)
    if gpc:
        stands = record is not None and record.gpc
        states.update({purpose: "refused" for purpose in policy.purpose_fingerprints if not (stands and purpose in held)})
    granted = frozenset(purpose for purpose in policy.purpose_fingerprints if states[purpose] == "granted")
    held_services = frozenset(s.id for s in policy.services if s.purpose in held and not _left_out(policy, record, s.id))
    services = frozenset(
        s.id
        for s in policy.services
        if (s.id in held_services if s.purpose in policy.purpose_fingerprints else True) and states[s.purpose] == "granted"
    )
    return Consent(states, granted, held, must_ask, record, services, held_services)


def limit_consent_for_minor(policy: Policy, consent: Consent) -> Consent:
    """The same for a known child: what is not declared to be for children is off, and not asked for."""
    off = frozenset(purpose.id for purpose in policy.optional if not purpose.minors)
    states: dict[str, State] = {**consent.states, **dict.fromkeys(off, "refused")}
    services = frozenset(service for service in consent.services if policy.service(service).purpose not in off)
    must_ask = consent.must_ask and any(states[purpose] == "unasked" for purpose in policy.purpose_fingerprints)
    return replace(consent, states=states, granted=consent.granted - off, services=services, must_ask=must_ask)


def limit_choice_for_minor(policy: Policy, choice: Choice, purposes: Iterable[str], services: Iterable[str]) -> Selection:
    """What a known child may choose of what was chosen."""
    allowed = [purpose.id for purpose in policy.optional if purpose.minors]
    if choice == "reject_all":
        return choice, [], []
    chosen = allowed if choice == "accept_all" else [purpose for purpose in purposes if purpose in allowed]
    return "save", chosen, [service for service in services if policy.service(service).purpose in allowed]


def _state(record: ConsentRecord | None, fingerprint: str) -> State:
    if record is None or fingerprint not in record.decided:
        return "unasked"
    return "granted" if fingerprint in record.granted else "refused"


def _left_out(policy: Policy, record: ConsentRecord | None, service: str) -> bool:
    mark, bit = policy.service_bits[service]
    return record is not None and bool(record.services_left_out.get(mark, 0) & bit)


class Granted(NamedTuple):
    """Optional purposes, and services of theirs."""

    purposes: frozenset[str]
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a choice comes to: the record to set, and what the ledger is told (nothing, when nothing changed)."""

    kind: Kind | None
    record: ConsentRecord
    granted: frozenset[str]
    services: frozenset[str]  # granted
    withdrawn: frozenset[str]
    withdrawn_services: frozenset[str]
    replaces: str = ""  # the receipt of the grant that this decision ends
    fallback: ConsentRecord | None = None  # the record to set when a grant cannot be written; None leaves the cookie alone

    @property
    def withdraws_something(self) -> bool:
        """Whether something that was granted is not any more."""
        return bool(self.withdrawn or self.withdrawn_services)

    def withdrawal_only(self, before: Consent) -> Decision:
        """What is left of this decision when its grant could not be written."""
        assert self.fallback is not None
        kept, services = before.held - self.withdrawn, before.held_services - self.withdrawn_services
        return replace(self, kind="withdrawal", record=self.fallback, granted=kept, services=services, fallback=None)


def choose(
    policy: Policy,
    before: Consent,
    choice: Choice,
    purposes: Collection[str] = (),
    services: Collection[str] = (),
    *,
    listed: bool = False,
    keep: bool = False,
    gpc: bool,
    today: int,
) -> Decision:
    """Turn a choice into a decision.

    ``save`` grants just what is named, or with ``keep`` that on top of what is granted already, and leaves what was not
    asked yet to be asked. A purpose named without
    any of its services means all of them, unless the form ``listed`` each service with a switch of its own; a service
    named without its purpose means that service alone, unless the form had a switch for the purpose too.

    Raises :class:`UndeclaredPurpose` and :class:`UndeclaredService` for what the policy does not have.
    """
    wanted, decided = _selected(policy, choice, purposes, services, listed), _decided(policy)
    if keep and choice == "save":
        # What Global Privacy Control suspends is not granted anew by allowing something else.
        held = before.services & before.held_services
        wanted = Granted(wanted.purposes | before.granted, wanted.services | held)
        settled = _fingerprints(policy, wanted.purposes).union(before.record.decided if before.record else ())
        decided = tuple(mark for mark in decided if mark in settled)
    gone = Granted(before.held - wanted.purposes, before.held_services - wanted.services)
    replaces = before.record.receipt if before.record else ""

    def decision(kind: Kind | None, record: ConsentRecord, fallback: ConsentRecord | None = None) -> Decision:
        return Decision(kind, record, *wanted, *gone, replaces, fallback)

    if not wanted.purposes:
        kind: Kind | None = "withdrawal" if replaces else None if _is_refusal(policy, before) else "refusal"
        return decision(kind, refusal(policy, today))
    if wanted.purposes <= before.held and wanted.services <= before.held_services and _is_still_valid(before, decided, gpc):
        return decision("withdrawal" if any(gone) else None, _reduced_record(policy, before, gone, today))
    record = ConsentRecord(today, decided, _fingerprints(policy, wanted.purposes), secrets.token_urlsafe(16), gpc)
    record = record.reduced_by((), [policy.service_bits[s] for s in _services_of(policy, wanted.purposes) - wanted.services])
    return decision("grant", record, _reduced_record(policy, before, gone, today) if any(gone) else None)


def refusal(policy: Policy, today: int) -> ConsentRecord:
    """The record of everyone who refuses today."""
    return ConsentRecord(today, _decided(policy))


def _selected(policy: Policy, choice: Choice, purposes: Collection[str], services: Collection[str], listed: bool) -> Granted:
    if choice == "reject_all":
        return Granted(frozenset(), frozenset())
    if choice == "accept_all":
        return Granted(frozenset(policy.purpose_fingerprints), _services_of(policy, policy.purpose_fingerprints))
    _check(policy, purposes, services)
    named = frozenset(s for s in services if policy.service(s).purpose in policy.purpose_fingerprints)
    chosen = frozenset(purposes) & policy.purpose_fingerprints.keys()
    if listed:
        named &= _services_of(policy, chosen)
    else:
        with_named = frozenset(policy.service(s).purpose for s in named)
        named |= _services_of(policy, chosen - with_named)
        chosen |= with_named
    return Granted(chosen, named)


def _check(policy: Policy, purposes: Iterable[str], services: Iterable[str]) -> None:
    for purpose in purposes:
        if policy.purpose(purpose).basis == "consent" and purpose not in policy.purpose_fingerprints:
            raise UndeclaredPurpose(purpose, policy.purpose_fingerprints)  # one signs up to it at a form, not in a browser
    for service in services:
        policy.service(service)


def _services_of(policy: Policy, purposes: Collection[str]) -> frozenset[str]:
    return frozenset(service.id for service in policy.services if service.purpose in purposes)


def _decided(policy: Policy) -> tuple[str, ...]:
    return tuple(policy.purpose_fingerprints.values())


def _fingerprints(policy: Policy, purposes: Iterable[str]) -> frozenset[str]:
    return frozenset(policy.purpose_fingerprints[purpose] for purpose in purposes)


def _is_refusal(policy: Policy, before: Consent) -> bool:
    record = before.record
    return record is not None and not record.granted and record.decided == _decided(policy)


def _is_still_valid(before: Consent, decided: tuple[str, ...], gpc: bool) -> bool:
    """Whether the grant at hand was made about these very purposes, and is not suspended by GPC."""
    record = before.record
    return record is not None and record.decided == decided and (record.gpc or not gpc)


def _reduced_record(policy: Policy, before: Consent, withdrawn: Granted, today: int) -> ConsentRecord:
    """The record at hand less what was withdrawn: what takes effect although a new grant could not be written."""
    assert before.record is not None
    left = before.record.reduced_by(
        _fingerprints(policy, withdrawn.purposes), [policy.service_bits[s] for s in withdrawn.services]
    )
    return left if left.granted else refusal(policy, today)
