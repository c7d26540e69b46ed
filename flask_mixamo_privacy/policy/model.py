"""The policy: a validated declaration with look-ups by id and the fingerprints of its purposes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from ..errors import PolicyError, UndeclaredPurpose, UndeclaredService
from .parts import OWN_COOKIES, Cookie, Declaration, Period, Purpose, Recipient, Service
from .validation import problems_of


@dataclass(frozen=True)
class Policy(Declaration):
    """A validated declaration: the source of the policy page and of everything that the extension enforces."""

    def __post_init__(self) -> None:
        if problems := problems_of(self):
            raise PolicyError(problems)

    def __hash__(self) -> int:
        # Its texts by language are dicts, which have no hash. Equal policies have equal names and versions.
        return hash((self.site, self.version))

    @cached_property
    def _by_id(self) -> Mapping[str, Purpose]:
        return {purpose.id: purpose for purpose in self.purposes}

    def purpose(self, purpose_id: str) -> Purpose:
        """Return the purpose with this id, or raise :class:`UndeclaredPurpose`."""
        try:
            return self._by_id[purpose_id]
        except (KeyError, TypeError):
            raise UndeclaredPurpose(purpose_id, self._by_id) from None

    def service(self, service_id: str) -> Service:
        """Return the service with this id, or raise :class:`UndeclaredService`."""
        for service in self.services:
            if service.id == service_id:
                return service
        raise UndeclaredService(service_id, [service.id for service in self.services])

    def cookie(self, name: str, kind: str = "http", party: str = "") -> Cookie | None:
        """Return the first declaration that matches a cookie or an item of another kind of storage, or None.

        With a party, consider only its cookies: what another company stores under a name does not declare a cookie of the
        site.
        """
        found = (cookie for cookie in self.cookies if cookie.matches(name, kind))
        return next((cookie for cookie in found if party in ("", cookie.party)), None)

    def services_for(self, host: str, load: str = "", purpose: str | None = None) -> tuple[Service, ...]:
        """Return every service that covers a host. With a purpose, only its services."""
        services = self.services if purpose is None else self.services_of(purpose)
        return tuple(service for service in services if service.covers(host, load))

    def days_of(self, cookie_name: str) -> int:
        """Return the lifetime of one of the extension's own cookies in days."""
        lifetimes = {cookie.name: cookie.lifetime for cookie in self.cookies if cookie.party == "first"}
        return Period.parse(lifetimes[cookie_name]).days if cookie_name in lifetimes else OWN_COOKIES[cookie_name][1]

    def cookies_of(self, purpose_id: str) -> tuple[Cookie, ...]:
        return tuple(cookie for cookie in self.cookies if cookie.purpose == purpose_id)

    def services_of(self, purpose_id: str) -> tuple[Service, ...]:
        return tuple(service for service in self.services if service.purpose == purpose_id)

    def recipients_of(self, purpose_id: str) -> tuple[Recipient, ...]:
        return tuple(recipient for recipient in self.recipients if purpose_id in recipient.purposes)

    @cached_property
    def optional(self) -> tuple[Purpose, ...]:
        """The purposes that a visitor decides on, in declared order."""
        return tuple(purpose for purpose in self.purposes if purpose.optional)

    @cached_property
    def on_settings(self) -> tuple[Purpose, ...]:
        """The purposes on the settings page: those that a visitor decides on, and the necessary ones."""
        return tuple(purpose for purpose in self.purposes if purpose.optional or purpose.basis == "necessary")

    @cached_property
    def purpose_fingerprints(self) -> Mapping[str, str]:
        """The fingerprint of each optional purpose: six characters. It changes with every material change of the purpose."""
        return {purpose.id: _fingerprint(self._material(purpose)) for purpose in self.optional}

    @cached_property
    def service_bits(self) -> Mapping[str, tuple[str, int]]:
        """For each service of an optional purpose: the fingerprint of the purpose, and the service's bit.

        The bits follow the order of the ids. Two declarations with the same fingerprint therefore have the same bits,
        whatever the order of their tables.
        """
        bits: dict[str, tuple[str, int]] = {}
        for purpose, fingerprint in self.purpose_fingerprints.items():
            names = sorted(service.id for service in self.services_of(purpose))
            bits |= {name: (fingerprint, 1 << position) for position, name in enumerate(names)}
        return bits

    @cached_property
    def policy_fingerprint(self) -> str:
        """The fingerprints of all optional purposes, joined in declared order."""
        return "".join(self.purpose_fingerprints.values())

    def _material(self, purpose: Purpose) -> dict[str, Any]:
        """Return what a decision depends on: recipients, storage and retention, but no texts.

        A change of these values asks the visitor again. The keys are hashed, so a new name would ask everyone again.
        Companies are left out if no service of the purpose declares one, so that earlier fingerprints stay equal.
        """
        services = self.services_of(purpose.id)
        companies = sorted((s.id, s.company, s.country) for s in services if s.company or s.country)
        return {
            "id": purpose.id,
            "retention": str(purpose.retention),
            "cookies": sorted((c.name, c.kind, c.lifetime, c.party) for c in self.cookies_of(purpose.id)),
            "services": sorted((s.id, sorted(s.hosts), sorted(s.loads)) for s in services),
            "recipients": sorted((r.id, sorted(r.fields), r.country) for r in self.recipients_of(purpose.id)),
            **({"companies": companies} if companies else {}),
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the declaration as plain values: a machine-readable record of processing activities.

        What was added to the format later is left out if nothing is declared, so that earlier frozen versions stay equal.
        """
        values = {name: value for name, value in asdict(self).items() if value or name not in ("events", "goals", "funnels")}
        for service in values["services"]:
            for name in [name for name in ("company", "country", "use") if not service[name]]:
                del service[name]
        return json.loads(json.dumps(values, default=str, ensure_ascii=False))  # type: ignore[no-any-return]


def _fingerprint(material: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(json.dumps(material, sort_keys=True).encode()).digest()[:4]).decode()[:6]
