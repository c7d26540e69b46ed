"""The things that a site declares, as frozen dataclasses, built in Python or from ``privacy.toml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Literal, cast

# Lengths of time as a person writes them, ``13 months``, and days: ``2026-05-08``.

_WRITTEN = re.compile(r"(\d{1,4}) (day|month|year)s?")
_DAYS = {"day": 1, "month": 30.44, "year": 365.25}


@dataclass(frozen=True, slots=True)
class Period:
    """So many days, months or years."""

    count: int
    unit: Literal["day", "month", "year"]

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read ``"13 months"``; raises :class:`ValueError` for anything else."""
        found = _WRITTEN.fullmatch(text)
        if found is None or found[1] == "0":
            raise ValueError(text)
        return cls(int(found[1]), cast(Literal["day", "month", "year"], found[2]))

    @property
    def days(self) -> int:
        """The whole days that it surely holds."""
        return int(self.count * _DAYS[self.unit])

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count != 1 else ''}"


def is_day(text: str) -> bool:
    """Whether a text is a day such as 2026-05-08."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


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

#: The kinds of :class:`Cookie` that the browser keeps as cookies: set by a response, or by a script.
COOKIES = ("http", "js")

# How a browser finds the host of an address with a special scheme (https://url.spec.whatwg.org/#special-scheme).
_AUTHORITY = re.compile(r"(?:(https?|wss?|ftp):[/\\]*|[/\\]{2,})(?:[^/\\?#]*@)?([^/\\?#\s]*)", re.IGNORECASE)

#: What a browser drops from an address before it reads it.
IGNORED = re.compile(r"^[\x00-\x20]+|[\t\r\n]")
_PORTS = {"http": "80", "ws": "80", "https": "443", "wss": "443", "ftp": "21"}

_PREFIXES = ("__Host-", "__Secure-")

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

    def matches(self, name: str, kind: str = "http") -> bool:
        """Whether this declares an item of this name and kind.

        ``http`` and ``js`` are one kind here, as a browser keeps both as cookies. A declared name may contain ``*``, and
        may omit the prefix ``__Host-`` or ``__Secure-``.
        """
        is_alike = self.kind in COOKIES if kind in COOKIES else self.kind == kind
        return is_alike and (fnmatchcase(name, self.name) or fnmatchcase(_without_prefix(name), self.name))


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


@dataclass(frozen=True)
class Service:
    """Another company's hosts that a page may load something from, once its purpose is granted."""

    id: str
    title: Text
    purpose: str
    hosts: tuple[str, ...]
    loads: tuple[str, ...]
    link: str = ""

    def covers(self, host: str, load: str = "") -> bool:
        """Whether the service declares a host as :func:`host_of` returns it, and, if given, the kind of load.

        A host declared without a port stands for all its ports.
        """
        names = {host, without_port(host)}
        is_declared = any(
            name.endswith(own[1:]) if own.startswith("*.") else name == own for own in self.hosts for name in names
        )
        return is_declared and (not load or load in self.loads)


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
class Declaration:
    """Everything a site declares. :class:`~flask_mixamo_privacy.Policy` adds the checks and the look-ups."""

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


def host_of(url: str) -> str:
    """Return the host that a browser would go to, or "" for a path of this site and for an address without a host.

    The host is in lower case, without user information and without a final dot. It has its port unless that is the
    scheme's own. As in a browser, a backslash counts as a slash, and the number of slashes after a scheme does not matter.
    """
    found = _AUTHORITY.match(IGNORED.sub("", url))
    if found is None:
        return ""
    scheme, host = (found[1] or "").lower(), found[2].lower()
    name = without_port(host)
    port = host[len(name) + 1 :]
    if name.startswith("[") != name.endswith("]"):
        return ""
    name = name.removesuffix(".")
    return f"{name}:{port}" if name and port and port != _PORTS.get(scheme) else name


def without_port(host: str) -> str:
    """Return the name or the address in a host such as ``video.example:8000`` or ``[::1]:8000``."""
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) else host
