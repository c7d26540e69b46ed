"""What the site declares: frozen dataclasses, built in Python or from ``privacy.toml``, checked either way."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from .errors import PolicyError, UndeclaredPurpose, UndeclaredService
from .period import Period

#: The extension's own cookies: the purpose each serves, and the most days it may be declared to live. The French CNIL
#: recommends to ask again after six months, and to end an identifier after thirteen.
OWN_COOKIES = {
    "privacy_consent": ("necessary", 182),
    "privacy_visitor": ("statistics", 395),
    "privacy_choices": ("customisation", 395),
}

BASES = ("consent", "necessary", "contract", "legal_obligation", "legitimate_interest")
LOADS = ("script", "style", "image", "font", "frame", "connect", "media")
LOG_FIELDS = ("page", "previous", "referrer", "browser", "platform", "provider", "network", "data")

#: One text for all languages, or one each: ``{"en": "Statistics", "de": "Statistik"}``.
Text = str | Mapping[str, str]


@dataclass(frozen=True)
class Purpose:
    """What data is used for, and on which legal basis (GDPR art. 6; for the device ePrivacy art. 5(3))."""

    id: str
    title: Text
    description: Text
    basis: str = "consent"
    reason: Text = ""  # why the site cannot work without it; for the basis "necessary"
    retention: Period = Period(13, "month")
    minors: bool = False  # whether it may be used of known minors
    ask: str = "banner"  # where consent is asked: "banner" (and settings), or "form" for what one signs up to at a form

    @property
    def optional(self) -> bool:
        """Whether the visitor decides on it in banner and settings."""
        return self.basis == "consent" and self.ask == "banner"


@dataclass(frozen=True)
class Cookie:
    """A cookie, or what else is stored on the visitor's device."""

    name: str  # or a pattern with *
    purpose: str
    lifetime: str  # a period, or "session"
    description: Text
    kind: str = "http"
    party: str = "first"
    path: str = "/"  # of a cookie that is not the whole site's, so that a withdrawal can delete it
    service: str = ""  # whose it is, where a visitor may refuse that service alone


@dataclass(frozen=True)
class Service:
    """Another company's hosts that a page may load something from, once its purpose is granted."""

    id: str
    title: Text
    purpose: str
    hosts: tuple[str, ...]
    loads: tuple[str, ...]
    link: str = ""

    def has(self, host: str) -> bool:
        """Whether a host such as ``video.example:8000`` is one of its hosts."""
        return any(host.endswith(own[1:]) if own.startswith("*.") else host == own for own in self.hosts)


@dataclass(frozen=True)
class Field:
    """A piece of data that is collected at a form, and what becomes of it when its person asks for deletion."""

    name: str
    kind: str
    description: Text
    on_erase: str = "delete"
    reason: Text = ""  # why it is kept
    kept_for: Period | None = None  # from when the row was made


@dataclass(frozen=True)
class CollectionPoint:
    """A place where people give data of their own accord, with the notice that stands there."""

    id: str
    title: Text
    purposes: tuple[str, ...]
    notice: Text
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    public: bool = False  # whether others read what is given there, as they do at one called "posting"


@dataclass(frozen=True)
class Recipient:
    """Somebody else who gets data: who, what for, which fields, where. Never a buyer."""

    id: str
    name: str
    role: Text
    purposes: tuple[str, ...]
    fields: tuple[str, ...]
    country: str  # ISO 3166-1, two letters
    link: str
    sells: bool = False


@dataclass(frozen=True)
class Retention:
    """How long what is kept; ``flask privacy prune`` enforces it."""

    events: Period = Period(13, "month")
    aggregates: Period = Period(25, "month")
    decisions: Period = Period(5, "year")
    archives: Period = Period(90, "day")
    mail: Period = Period(90, "day")  # that came in and could not be read


@dataclass(frozen=True)
class Contact:
    """Whom to write to about privacy."""

    name: str
    email: str
    address: str = ""


@dataclass(frozen=True)
class Minors:
    """Who is a child here, and what follows."""

    age: int = 13


@dataclass(frozen=True)
class Requests:
    """What a person may ask for is answered within this many days."""

    days: int = 30


@dataclass(frozen=True)
class Marketing:
    """Marketing mail, and where an "unsubscribe" is read."""

    unsubscribe: str  # a mail address


@dataclass(frozen=True)
class Log:
    """What an event says besides its id, time, kind, visitor and visit."""

    fields: tuple[str, ...] = LOG_FIELDS


@dataclass(frozen=True)
class Notices:
    """What else the policy says: True for the standard sentence, or the site's own text."""

    security: bool | Text = True
    changes: bool | Text = True
    links: bool | Text = False
    postings: bool | Text = False
    licence: bool | Text = False
    law: bool | Text = False
    transfer: bool | Text = False


@dataclass(frozen=True)
class Banner:
    """The banner's words."""

    text: Text = (
        "May we count your visits and remember what you customise? We use our own cookies for that, "
        "and nothing is recorded unless you accept."
    )


@dataclass(frozen=True)
class Policy:
    """The declaration: everything a page says and the code enforces comes from here."""

    site: str  # its name
    purposes: tuple[Purpose, ...]
    language: str = "en"  # of texts that name none
    contact: Contact | None = None
    banner: Banner = Banner()
    cookies: tuple[Cookie, ...] = ()
    services: tuple[Service, ...] = ()
    fields: tuple[Field, ...] = ()
    collection: tuple[CollectionPoint, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    log: Log = Log()
    retention: Retention = Retention()
    minors: Minors | None = None
    requests: Requests | None = None
    marketing: Marketing | None = None
    notices: Notices = Notices()
    promises: tuple[int, ...] = ()  # by number, those that must not go missing
    version: str = ""  # the day of the newest frozen version
    _by_id: Mapping[str, Purpose] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        from .checks import problems_of

        object.__setattr__(self, "_by_id", {purpose.id: purpose for purpose in self.purposes})
        if problems := problems_of(self):
            raise PolicyError(problems)

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
    def marks(self) -> Mapping[str, str]:
        """Of each optional purpose, six characters over what matters to a decision about it."""
        return {purpose.id: _mark(self._material(purpose)) for purpose in self.optional}

    @cached_property
    def service_bits(self) -> Mapping[str, tuple[str, int]]:
        """Of each service of an optional purpose, that purpose's mark and a bit of its own.

        The bits go by the order of the ids: two declarations with the same mark then agree on them, in whatever order
        they are written.
        """
        found: dict[str, tuple[str, int]] = {}
        for purpose, mark in self.marks.items():
            names = sorted(service.id for service in self.services_of(purpose))
            found |= {name: (mark, 1 << place) for place, name in enumerate(names)}
        return found

    @cached_property
    def fingerprint(self) -> str:
        """The marks of all optional purposes in declared order: what a decision is about."""
        return "".join(self.marks.values())

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
        plain = {name: value for name, value in asdict(self).items() if name != "_by_id"}
        return json.loads(json.dumps(plain, default=str, ensure_ascii=False))  # type: ignore[no-any-return]


def _mark(material: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(json.dumps(material, sort_keys=True).encode()).digest()[:4]).decode()[:6]
