"""The policy: a checked declaration with look-ups by id and the fingerprints of its purposes."""

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
    """The declaration: everything a page says and the code enforces comes from here."""

    def __post_init__(self) -> None:
        if problems := problems_of(self):
            raise PolicyError(problems)

    @cached_property
    def _by_id(self) -> Mapping[str, Purpose]:
        return {purpose.id: purpose for purpose in self.purposes}

    def purpose(self, purpose_id: str) -> Purpose:
        """The purpose declared under this id; raises :class:`UndeclaredPurpose`, which lists those there are."""
        try:
            return self._by_id[purpose_id]
        except (KeyError, TypeError):
            raise UndeclaredPurpose(purpose_id, self._by_id) from None

    def service(self, service_id: str) -> Service:
        """The service declared under this id; raises :class:`UndeclaredService`, which lists those there are."""
        for service in self.services:
            if service.id == service_id:
                return service
        raise UndeclaredService(service_id, [service.id for service in self.services])

    def cookie(self, name: str, kind: str = "http") -> Cookie | None:
        """The first declaration that matches a cookie, or an item of another kind of storage; None if there is none."""
        return next((cookie for cookie in self.cookies if cookie.matches(name, kind)), None)

    def service_for(self, host: str, load: str = "", purpose: str | None = None) -> Service | None:
        """The first service that covers a host, of this purpose if one is given; None if there is none."""
        services = self.services if purpose is None else self.services_of(purpose)
        return next((service for service in services if service.covers(host, load)), None)

    def days_of(self, cookie_name: str) -> int:
        """How many days a cookie of the extension's own lives, as declared."""
        declared = {cookie.name: cookie.lifetime for cookie in self.cookies}
        return Period.parse(declared[cookie_name]).days if cookie_name in declared else OWN_COOKIES[cookie_name][1]

    def cookies_of(self, purpose_id: str) -> tuple[Cookie, ...]:
        return tuple(cookie for cookie in self.cookies if cookie.purpose == purpose_id)

    def services_of(self, purpose_id: str) -> tuple[Service, ...]:
        return tuple(service for service in self.services if service.purpose == purpose_id)

    def recipients_of(self, purpose_id: str) -> tuple[Recipient, ...]:
        return tuple(recipient for recipient in self.recipients if purpose_id in recipient.purposes)

    @cached_property
    def optional(self) -> tuple[Purpose, ...]:
        """The purposes a visitor decides on, in declared order."""
        return tuple(purpose for purpose in self.purposes if purpose.optional)

    @cached_property
    def on_settings(self) -> tuple[Purpose, ...]:
        """The purposes that the settings page lists: what a visitor decides on, and what is on in any case."""
        return tuple(purpose for purpose in self.purposes if purpose.optional or purpose.basis == "necessary")

    @cached_property
    def purpose_fingerprints(self) -> Mapping[str, str]:
        """Of each optional purpose, six characters over what matters to a decision about it."""
        return {purpose.id: _fingerprint(self._material(purpose)) for purpose in self.optional}

    @cached_property
    def service_bits(self) -> Mapping[str, tuple[str, int]]:
        """Of each service of an optional purpose, that purpose's mark and a bit of its own.

        The bits go by the order of the ids: two declarations with the same mark then agree on them, in whatever order
        they are written.
        """
        found: dict[str, tuple[str, int]] = {}
        for purpose, mark in self.purpose_fingerprints.items():
            names = sorted(service.id for service in self.services_of(purpose))
            found |= {name: (mark, 1 << place) for place, name in enumerate(names)}
        return found

    @cached_property
    def policy_fingerprint(self) -> str:
        """The marks of all optional purposes in declared order: what a decision is about."""
        return "".join(self.purpose_fingerprints.values())

    def _material(self, purpose: Purpose) -> dict[str, Any]:
        """What a visitor would want to decide on anew: never the wording, always who gets what for how long."""
        return {
            "id": purpose.id,
            "retention": str(purpose.retention),
            "cookies": sorted((c.name, c.kind, c.lifetime, c.party) for c in self.cookies_of(purpose.id)),
            "services": sorted((s.id, sorted(s.hosts), sorted(s.loads)) for s in self.services_of(purpose.id)),
            "recipients": sorted((r.id, sorted(r.fields), r.country) for r in self.recipients_of(purpose.id)),
        }

    def as_dict(self) -> dict[str, Any]:
        """The declaration as plain values: a record of processing, for a machine to read."""
        return json.loads(json.dumps(asdict(self), default=str, ensure_ascii=False))  # type: ignore[no-any-return]


def _fingerprint(material: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(json.dumps(material, sort_keys=True).encode()).digest()[:4]).decode()[:6]
