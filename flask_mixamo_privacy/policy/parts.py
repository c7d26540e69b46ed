"""The parts of a declaration: frozen dataclasses, created in Python or from ``privacy.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Literal, cast

from .report_parts import Funnel, Goal, OwnEvent

_PERIOD = re.compile(r"(\d{1,4}) (day|month|year)s?")
_DAYS = {"day": 1, "month": 30.44, "year": 365.25}


@dataclass(frozen=True, slots=True)
class Period:
    """A number of days, months or years, written as ``13 months``."""

    count: int
    unit: Literal["day", "month", "year"]

    @classmethod
    def parse(cls, text: str) -> Period:
        """Parse ``"13 months"``. Raises :class:`ValueError` for any other format."""
        match = _PERIOD.fullmatch(text)
        if match is None or match[1] == "0":
            raise ValueError(text)
        return cls(int(match[1]), cast(Literal["day", "month", "year"], match[2]))

    @property
    def days(self) -> int:
        """The number of whole days, rounded down."""
        return int(self.count * _DAYS[self.unit])

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count != 1 else ''}"


def is_day(text: str) -> bool:
    """Return whether a text is a day such as 2026-05-08."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


#: The extension's own cookies: the purpose and the longest lifetime in days that may be declared. The French CNIL
#: recommends asking for consent again after six months, and deleting an identifier after thirteen.
OWN_COOKIES = {
    "privacy_consent": ("necessary", 182),
    "privacy_visitor": ("statistics", 395),
    "privacy_choices": ("customisation", 395),
}

#: The names of all cookies that the extension may set, as they are declared.
_OWN_NAMES = (*OWN_COOKIES, "privacy_age", "privacy_licence")


def own_cookie_name(declared: str, beginning: str) -> str:
    """Return the name under which a browser stores a declared cookie: one of our own begins as the site chose."""
    return beginning + declared.removeprefix("privacy") if declared in _OWN_NAMES else declared


def declared_name(stored: str, beginning: str) -> str:
    """Return the declared name of one of the extension's own cookies, or the stored name of any other cookie."""
    name = _without_prefix(stored)
    return next((own for own in _OWN_NAMES if name == own_cookie_name(own, beginning)), stored)


BASES = ("consent", "necessary", "contract", "legal_obligation", "legitimate_interest")
LOADS = ("script", "style", "image", "font", "frame", "connect", "media")
LOG_FIELDS = ("page", "previous", "referrer", "browser", "platform", "provider", "network", "data")

#: The kinds of :class:`Cookie` that a browser stores as cookies: set by a response, or by a script.
COOKIES = ("http", "js")

# The host of a URL with a special scheme, as a browser parses it (https://url.spec.whatwg.org/#special-scheme).
_AUTHORITY = re.compile(r"(?:(https?|wss?|ftp):[/\\]*|[/\\]{2,})(?:[^/\\?#]*@)?([^/\\?#\s]*)", re.IGNORECASE)

#: The characters that a browser removes from a URL before it parses the URL.
IGNORED_IN_URLS = re.compile(r"^[\x00-\x20]+|[\t\r\n]")
_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443", "ftp": "21"}

_PREFIXES = ("__Host-", "__Secure-")

_USUAL_WORDS = {"email": "E-mail address", "e_mail": "E-mail address", "e-mail": "E-mail address"}

#: One text for all languages, or one for each: ``{"en": "Statistics", "de": "Statistik"}``.
Text = str | Mapping[str, str]


@dataclass(frozen=True)
class Purpose:
    """A purpose of processing, with its legal basis (GDPR art. 6, and ePrivacy directive art. 5(3) for the device)."""

    id: str
    title: Text
    description: Text
    basis: str = "consent"
    reason: Text = ""  # why the site cannot work without it, for the basis "necessary"
    retention: Period = Period(13, "month")
    minors: bool = False  # whether data of known minors may be used
    ask: str = "banner"  # where consent is asked: "banner" (and the settings page), or "form"

    @property
    def optional(self) -> bool:
        """Whether the visitor decides on it in the banner and on the settings page."""
        return self.basis == "consent" and self.ask == "banner"


@dataclass(frozen=True)
class Cookie:
    """A cookie, or another item that is stored on the visitor's device."""

    name: str  # or a pattern with *
    purpose: str
    lifetime: str  # a period, or "session"
    description: Text
    kind: str = "http"
    party: str = "first"
    path: str = "/"  # the Path of the cookie, needed to delete it after a withdrawal
    service: str = ""  # the service that sets it, if a visitor can refuse that service alone

    def matches(self, name: str, kind: str = "http") -> bool:
        """Return whether this declares an item of this name and kind.

        ``http`` and ``js`` match each other, because a browser stores both as cookies. A declared name may contain ``*``,
        and may omit the prefix ``__Host-`` or ``__Secure-``.
        """
        is_same_kind = self.kind in COOKIES if kind in COOKIES else self.kind == kind
        return is_same_kind and (fnmatchcase(name, self.name) or fnmatchcase(_without_prefix(name), self.name))


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


@dataclass(frozen=True)
class Service:
    """A third party's hosts, from which a page may load once the purpose is granted."""

    id: str
    title: Text
    purpose: str
    hosts: tuple[str, ...]
    loads: tuple[str, ...]
    link: str = ""

    def covers(self, host: str, load: str = "") -> bool:
        """Return whether the service declares a host, as :func:`host_of` returns it, and the kind of load, if not empty.

        A host declared without a port covers all its ports.
        """
        names = {host, without_port(host)}
        is_declared = any(
            name.endswith(declared[1:]) if declared.startswith("*.") else name == declared
            for declared in self.hosts
            for name in names
        )
        return is_declared and (not load or load in self.loads)


@dataclass(frozen=True)
class Field:
    """A field of personal data that a form collects, and what an erasure does with it."""

    name: str
    kind: str
    description: Text
    on_erase: str = "delete"
    reason: Text = ""  # why an erasure keeps it
    kept_for: Period | None = None  # from the creation of the row
    label: Text = ""  # what people call it; by default its name in words

    @property
    def title(self) -> Text:
        """The label, or else the name in words: "Old enough" for ``old_enough``."""
        return self.label or in_words(self.name)


def in_words(name: str) -> str:
    """Return the name of a field as people write it: "Old enough" for ``old_enough``."""
    words = " ".join(re.split(r"[_-]+", name)).strip()
    return _USUAL_WORDS.get(name) or words[:1].upper() + words[1:] or name


@dataclass(frozen=True)
class CollectionPoint:
    """A form that collects personal data, with its notice."""

    id: str
    title: Text
    purposes: tuple[str, ...]
    notice: Text
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    public: bool = False  # whether the data is published, as at the point "posting"


@dataclass(frozen=True)
class Recipient:
    """A third party that receives personal data: its role, purposes, fields and country. Never a buyer."""

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
    """The retention periods, which ``flask privacy prune`` enforces."""

    events: Period = Period(13, "month")
    aggregates: Period = Period(25, "month")
    decisions: Period = Period(5, "year")
    archives: Period = Period(90, "day")
    mail: Period = Period(90, "day")  # received messages that could not be read


@dataclass(frozen=True)
class Contact:
    """The contact for questions about privacy."""

    name: str
    email: str
    address: str = ""

    @property
    def about(self) -> str:
        """The contact on one line."""
        return ", ".join(filter(None, (self.name, self.address, self.email)))


@dataclass(frozen=True)
class Minors:
    """The rules for children."""

    age: int = 13  # the age from which a person is no child


@dataclass(frozen=True)
class Requests:
    """The deadline of data subject requests."""

    days: int = 30


@dataclass(frozen=True)
class Marketing:
    """Marketing mail."""

    unsubscribe: str  # the mail address that receives replies with "unsubscribe"


@dataclass(frozen=True)
class Log:
    """The fields of an event, in addition to id, time, kind, visitor and visit."""

    fields: tuple[str, ...] = LOG_FIELDS


@dataclass(frozen=True)
class Notices:
    """The optional sentences of the policy page: True for the standard sentence, or the site's own text."""

    security: bool | Text = True
    changes: bool | Text = True
    links: bool | Text = False
    postings: bool | Text = False
    licence: bool | Text = False
    law: bool | Text = False
    transfer: bool | Text = False


@dataclass(frozen=True)
class Banner:
    """The text of the banner."""

    text: Text = (
        "May we count your visits and remember what you customise? We use our own cookies for that, "
        "and nothing is recorded unless you accept."
    )


@dataclass(frozen=True)
class Declaration:
    """The whole declaration of a site. :class:`~flask_mixamo_privacy.Policy` adds validation and look-ups."""

    site: str  # its name
    purposes: tuple[Purpose, ...]
    language: str = "en"  # of texts without a language
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
    promises: tuple[int, ...] = ()  # the numbers of the promises that the policy must make
    version: str = ""  # the date of the newest frozen version
    events: tuple[OwnEvent, ...] = ()
    goals: tuple[Goal, ...] = ()
    funnels: tuple[Funnel, ...] = ()


def host_of(url: str) -> str:
    """Return the host to which a browser would connect, or "" for a path of this site and for a URL without a host.

    The host is in lower case, without user information and without a final dot. It has its port unless that is the
    scheme's default. As in a browser, a backslash counts as a slash, and any number of slashes may follow the scheme.
    """
    match = _AUTHORITY.match(IGNORED_IN_URLS.sub("", url))
    if match is None:
        return ""
    scheme, host = (match[1] or "").lower(), match[2].lower()
    name = without_port(host)
    port = host[len(name) + 1 :]
    if name.startswith("[") != name.endswith("]"):
        return ""
    name = name.removesuffix(".")
    return f"{name}:{port}" if name and port and port != _PORTS.get(scheme) else name


def without_port(host: str) -> str:
    """Return a host such as ``video.example:8000`` or ``[::1]:8000`` without its port."""
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) else host
