"""The visitor's decision: its record, what it allows under the policy, and how a choice changes it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

from ..errors import UndeclaredPurpose
from ..policy.model import Policy

State = Literal["unasked", "granted", "refused"]
Choice = Literal["accept_all", "reject_all", "save"]
Kind = Literal["grant", "refusal", "withdrawal"]

Selection = tuple[Choice, list[str], list[str]]  # a choice, and the purposes and services that it names

CHOICES: tuple[Choice, ...] = ("accept_all", "reject_all", "save")
_WIDTH = 6  # characters of one purpose's fingerprint


class BadRecord(ValueError):
    """A text that is not a record of a decision, or that has expired."""


class ConsentRecord(NamedTuple):
    """The content of the consent cookie. A refusal has no receipt, and is the same for all visitors of one day."""

    day: int  # of the decision, in days since 1970-01-01 UTC
    decided: tuple[str, ...]  # fingerprints of the purposes decided on, in declared order
    granted: frozenset[str] = frozenset()  # fingerprints
    receipt: str = ""
    gpc: bool = False  # whether Sec-GPC was sent with the grant
    services_left_out: Mapping[str, int] = MappingProxyType({})  # by fingerprint; a bit for each service

    def encode(self) -> str:
        """Return the compact text that is signed.

        A refusal is ``r.<day>.<decided>``. A grant is
        ``g.<day>.<decided>.<bits>.<services left out, one number for each purpose>.<receipt>.<gpc>``.
        """
        decided = "".join(self.decided)
        if not self.granted:
            return f"r.{self.day:x}.{decided}"
        bits = sum(1 << index for index, purpose in enumerate(self.decided) if purpose in self.granted)
        left_out = (
            "-".join(f"{self.services_left_out.get(purpose, 0):x}" for purpose in self.decided)
            if any(self.services_left_out.values())
            else ""
        )
        return f"g.{self.day:x}.{decided}.{bits:x}.{left_out}.{self.receipt}.{int(self.gpc)}"

    @classmethod
    def decode(cls, text: str, today: int, days: int) -> ConsentRecord:
        """Parse a signed text; raises :class:`BadRecord` if it is malformed or older than ``days`` days."""
        kind, *rest = text.split(".")
        if len(rest) != {"r": 2, "g": 6}.get(kind):
            raise BadRecord(text)
        decided = tuple(rest[1][start : start + _WIDTH] for start in range(0, len(rest[1]), _WIDTH))
        day = _number(rest[0])
        # The clock of another of the site's machines may be ahead, so a record from tomorrow is accepted.
        if not today - days < day <= today + 1:
            raise BadRecord(text)
        if kind == "r":
            return cls(day, decided)
        bits = _number(rest[2])
        granted = frozenset(purpose for index, purpose in enumerate(decided) if bits >> index & 1)
        numbers = map(_number, rest[3].split("-")) if rest[3] else ()
        left_out = {purpose: bits for purpose, bits in zip(decided, numbers, strict=False) if bits}
        return cls(day, decided, granted, rest[4], rest[5] == "1", left_out)

    def reduced_by(self, purposes: Iterable[str], services: Iterable[tuple[str, int]]) -> ConsentRecord:
        """Return the record without these purposes and services.

        ``purposes`` holds fingerprints, and ``services`` holds ``(fingerprint of the purpose, bit)``.
        """
        left_out = dict(self.services_left_out)
        for purpose, bit in services:
            left_out[purpose] = left_out.get(purpose, 0) | bit
        granted = self.granted.difference(purposes)
        return self._replace(
            granted=granted,
            services_left_out={purpose: bits for purpose, bits in left_out.items() if purpose in granted},
        )


def _number(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise BadRecord(text) from None


class Consent(NamedTuple):
    """What a record allows now, under the current policy and Global Privacy Control."""

    states: Mapping[str, State]
    granted: frozenset[str]  # optional purposes that are granted now
    held: frozenset[str]  # optional purposes that the record grants, suspended or not
    must_ask: bool
    record: ConsentRecord | None
    services: frozenset[str] = frozenset()  # services that may be loaded now, including necessary ones
    held_services: frozenset[str] = frozenset()  # services that the record grants, suspended or not

    def state(self, purpose: str) -> State:
        """Return ``"unasked"``, ``"granted"`` or ``"refused"``; raises :class:`UndeclaredPurpose`."""
        try:
            return self.states[purpose]
        except (KeyError, TypeError):
            raise UndeclaredPurpose(purpose, self.states) from None

    def allows(self, purpose: str) -> bool:
        """Whether the purpose is necessary or granted; raises :class:`UndeclaredPurpose`."""
        return self.state(purpose) == "granted"

    def under(self, receipt: str) -> Consent:
        """Return the consent of a grant that has another receipt, and is the same in all else."""
        record = self.record
        assert record is not None
        left_out = record.services_left_out
        record = ConsentRecord(record.day, record.decided, record.granted, receipt, record.gpc, left_out)
        return Consent(self.states, self.granted, self.held, self.must_ask, record, self.services, self.held_services)


def decide(policy: Policy, record: ConsentRecord | None, gpc: bool) -> Consent:
    """Evaluate a visitor's record under the policy and ``Sec-GPC``.

    Without a record, GPC counts as a refusal, and the visitor is not asked. A grant made while GPC was sent is valid. A
    grant made without GPC is suspended while GPC is sent.
    """
    # Visitors sign up to some purposes at a form. The banner never asks for those, so they stay "unasked" here.
    states: dict[str, State] = {p.id: "unasked" if p.basis == "consent" else "granted" for p in policy.purposes}
    states.update({purpose: _state(record, fingerprint) for purpose, fingerprint in policy.purpose_fingerprints.items()})
    held = frozenset(purpose for purpose in policy.purpose_fingerprints if states[purpose] == "granted")
    must_ask = not gpc and any(states[purpose] == "unasked" for purpose in policy.purpose_fingerprints)
    if gpc:
        was_sent_with_grant = record is not None and record.gpc
        states.update(
            {purpose: "refused" for purpose in policy.purpose_fingerprints if not (was_sent_with_grant and purpose in held)}
        )
    granted = frozenset(purpose for purpose in policy.purpose_fingerprints if states[purpose] == "granted")
    held_services = frozenset(s.id for s in policy.services if s.purpose in held and not _left_out(policy, record, s.id))
    services = frozenset(
        s.id
        for s in policy.services
        if (s.id in held_services if s.purpose in policy.purpose_fingerprints else True) and states[s.purpose] == "granted"
    )
    return Consent(states, granted, held, must_ask, record, services, held_services)


def limit_consent_for_minor(policy: Policy, consent: Consent) -> Consent:
    """Return the consent of a known minor: purposes not declared for minors are refused, and not asked for."""
    off = frozenset(purpose.id for purpose in policy.optional if not purpose.minors)
    states: dict[str, State] = {**consent.states, **dict.fromkeys(off, "refused")}
    services = frozenset(service for service in consent.services if policy.service(service).purpose not in off)
    must_ask = consent.must_ask and any(states[purpose] == "unasked" for purpose in policy.purpose_fingerprints)
    return consent._replace(states=states, granted=consent.granted - off, services=services, must_ask=must_ask)


def limit_choice_for_minor(policy: Policy, choice: Choice, purposes: Iterable[str], services: Iterable[str]) -> Selection:
    """Return the part of a choice that a known minor may make."""
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
    fingerprint, bit = policy.service_bits[service]
    return record is not None and bool(record.services_left_out.get(fingerprint, 0) & bit)


class Granted(NamedTuple):
    """Optional purposes and their services."""

    purposes: frozenset[str]
    services: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a choice: the record to set, and the kind of ledger entry to write.

    ``kind`` is None if nothing changed.
    """

    kind: Kind | None
    record: ConsentRecord
    granted: frozenset[str]
    services: frozenset[str]  # granted
    withdrawn: frozenset[str]
    withdrawn_services: frozenset[str]
    replaces: str = ""  # the receipt of the grant that this decision ends
    fallback: ConsentRecord | None = None  # the record to set if the grant cannot be written; None keeps the cookie

    @property
    def withdraws_something(self) -> bool:
        """Whether the decision withdraws a purpose or a service."""
        return bool(self.withdrawn or self.withdrawn_services)

    def withdrawal_only(self, before: Consent) -> Decision:
        """Return the withdrawals of this decision, for a grant that could not be written."""
        assert self.fallback is not None
        purposes, services = before.held - self.withdrawn, before.held_services - self.withdrawn_services
        return replace(self, kind="withdrawal", record=self.fallback, granted=purposes, services=services, fallback=None)


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

    ``save`` grants exactly the named purposes and services. With ``keep``, it adds them to the existing grant, and the
    visitor is still asked about undecided purposes.

    A purpose named without any of its services grants all of them. A service named without its purpose grants that
    service alone. With ``listed``, the form has a switch for every purpose and service: a named purpose does not imply its
    services, and a named service is granted only if its purpose is named too.

    Raises :class:`UndeclaredPurpose` and :class:`UndeclaredService` for a name that the policy does not declare.
    """
    selected, decided = _selected(policy, choice, purposes, services, listed), _decided(policy)
    if keep and choice == "save":
        # Allowing one service must not grant again what Global Privacy Control suspends.
        active = before.services & before.held_services
        selected = Granted(selected.purposes | before.granted, selected.services | active)
        settled = _fingerprints(policy, selected.purposes).union(before.record.decided if before.record else ())
        decided = tuple(fingerprint for fingerprint in decided if fingerprint in settled)
    withdrawn = Granted(before.held - selected.purposes, before.held_services - selected.services)
    replaces = before.record.receipt if before.record else ""

    def decision(kind: Kind | None, record: ConsentRecord, fallback: ConsentRecord | None = None) -> Decision:
        return Decision(kind, record, *selected, *withdrawn, replaces, fallback)

    if not selected.purposes:
        kind: Kind | None = "withdrawal" if replaces else None if _is_refusal(policy, before) else "refusal"
        return decision(kind, refusal(policy, today))
    if (
        selected.purposes <= before.held
        and selected.services <= before.held_services
        and _is_still_valid(before, decided, gpc)
    ):
        return decision("withdrawal" if any(withdrawn) else None, _reduced_record(policy, before, withdrawn, today))
    record = ConsentRecord(today, decided, _fingerprints(policy, selected.purposes), secrets.token_urlsafe(16), gpc)
    left_out = _services_of(policy, selected.purposes) - selected.services
    record = record.reduced_by((), [policy.service_bits[service] for service in left_out])
    return decision("grant", record, _reduced_record(policy, before, withdrawn, today) if any(withdrawn) else None)


def refusal(policy: Policy, today: int) -> ConsentRecord:
    """Return the record of a refusal, which is the same for all visitors who refuse today."""
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
            # Visitors sign up to such a purpose at a form, not in the banner.
            raise UndeclaredPurpose(purpose, policy.purpose_fingerprints)
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
    """Whether the current grant was decided about exactly these purposes and is not suspended by GPC."""
    record = before.record
    return record is not None and record.decided == decided and (record.gpc or not gpc)


def _reduced_record(policy: Policy, before: Consent, withdrawn: Granted, today: int) -> ConsentRecord:
    """Return the current record without the withdrawn purposes and services. It takes effect even if a new grant fails."""
    assert before.record is not None
    reduced = before.record.reduced_by(
        _fingerprints(policy, withdrawn.purposes), [policy.service_bits[s] for s in withdrawn.services]
    )
    return reduced if reduced.granted else refusal(policy, today)
