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

    id: str  # up to 32 of a-z, 0-9, _ and -, a letter first; code and templates use it
    title: Text  # its name, for visitors
    description: Text  # what visitors read before they decide
    basis: str = "consent"  # the legal basis, one of BASES
    reason: Text = ""  # why the site cannot work without it; required for the basis "necessary"
    retention: Period = Period(13, "month")  # how long data is kept for this purpose
    minors: bool = False  # whether data of known minors may be used
    ask: str = "banner"  # where consent is asked: "banner" (and the settings page), or "form" for an opt-in

    @property
    def optional(self) -> bool:
        """Whether the visitor decides on it in the banner and on the settings page."""
        return self.basis == "consent" and self.ask == "banner"


@dataclass(frozen=True)
class Cookie:
    """A cookie, or another item that is stored on the visitor's device."""

    name: str  # the name, or a pattern with *
    purpose: str  # the id of the purpose that it serves
    lifetime: str  # a period, or "session"
    description: Text  # what it contains and why, for the policy page
    kind: str = "http"  # how it is stored, one of COOKIE_KINDS
    party: str = "first"  # who sets it: "first" or "third"
    path: str = "/"  # the Path of a cookie that is not for the whole site, so that a withdrawal can delete it
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

    id: str  # up to 32 of a-z, 0-9, _ and -, a letter first
    title: Text  # its name, for visitors
    purpose: str  # the id of the purpose that it serves
    hosts: tuple[str, ...]  # such as "video.example" or "*.video.example", without scheme and path
    loads: tuple[str, ...]  # what pages load from the hosts, of LOADS
    link: str = ""  # the URL of its privacy policy
    company: str = ""  # who receives what pages load; the policy and the settings page name it
    country: str = ""  # of the company, two letters such as DE (ISO 3166-1)
    use: str = ""  # a ready-made service such as "youtube", which sets all other keys and declares its cookies

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

    name: str  # as the form and the database call it
    kind: str  # whether it identifies a person, one of FIELD_KINDS
    description: Text  # what it is and what it is for
    on_erase: str = "delete"  # what an erasure does with it, one of ON_ERASE
    reason: Text = ""  # why an erasure keeps it; only for "keep"
    kept_for: Period | None = None  # for how long after its row was created it is kept; only for "keep"
    label: Text = ""  # what people call it in the policy and in answers; by default its name in words

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

    id: str  # up to 32 of a-z, 0-9, _ and -, a letter first; code and templates use it
    title: Text  # its name, for visitors
    purposes: tuple[str, ...]  # the ids of the purposes that the data serves
    notice: Text  # the sentence that is shown at the form
    required: tuple[str, ...] = ()  # the names of the fields that must be filled in
    optional: tuple[str, ...] = ()  # the names of the other fields
    public: bool = False  # whether other people can read the data, as always at the point "posting"


@dataclass(frozen=True)
class Recipient:
    """A third party that receives personal data: its role, purposes, fields and country. Never a buyer."""

    id: str  # up to 32 of a-z, 0-9, _ and -, a letter first; code uses it
    name: str  # the company's name
    role: Text  # its task
    purposes: tuple[str, ...]  # the ids of the purposes for which it gets data
    fields: tuple[str, ...]  # the names of the fields that it may get; it gets no other
    country: str  # two letters such as DE (ISO 3166-1)
    link: str  # the URL of its privacy policy
    sells: bool = False  # whether data is sold to it; `true` is an error, and so is the id "sale-of-data"


@dataclass(frozen=True)
class Retention:
    """The retention periods, which ``flask privacy prune`` enforces."""

    events: Period = Period(13, "month")  # events: at most 39 months, and no longer than the purpose "statistics"
    aggregates: Period = Period(25, "month")  # totals of reports
    decisions: Period = Period(5, "year")  # entries of the ledger
    archives: Period = Period(90, "day")  # your backups: `flask privacy replay` goes back this far
    mail: Period = Period(90, "day")  # received messages that could not be read


@dataclass(frozen=True)
class Contact:
    """The contact for questions about privacy."""

    name: str  # the person or company that is responsible for the data
    email: str  # where people send questions and requests; mails of the extension come from it
    address: str = ""  # the postal address; optional

    @property
    def about(self) -> str:
        """The contact on one line."""
        return ", ".join(filter(None, (self.name, self.address, self.email)))


@dataclass(frozen=True)
class Minors:
    """The rules for children."""

    age: int = 13  # the age from which a person is no child, 13 to 18


@dataclass(frozen=True)
class Requests:
    """The deadline of data subject requests."""

    days: int = 30  # the days within which a request is answered, 1 to 30


@dataclass(frozen=True)
class Marketing:
    """Marketing mail."""

    unsubscribe: str  # the mail address that receives replies with "unsubscribe" in the subject


@dataclass(frozen=True)
class Log:
    """The fields of an event, in addition to id, time, kind, visitor and visit."""

    fields: tuple[str, ...] = LOG_FIELDS  # the fields that are recorded; a field that is left out never is


@dataclass(frozen=True)
class Notices:
    """The optional sentences of the policy page: True for the standard sentence, or the site's own text."""

    security: bool | Text = True  # the sentence on security and access: true, false, or your own text
    changes: bool | Text = True  # the sentence on changes of the policy
    links: bool | Text = False  # the sentence on links to other sites, and a notice at each link
    postings: bool | Text = False  # the sentence that posts are public
    licence: bool | Text = False  # the sentence on the licence that must be accepted
    law: bool | Text = False  # the sentence on disclosures that the law requires
    transfer: bool | Text = False  # the sentence on a merger or sale of the site


@dataclass(frozen=True)
class Banner:
    """The text of the banner."""

    text: Text = (  # what the banner asks; left out, the standard text in every language
        "May we count your visits and remember what you customise? We use our own cookies for that, "
        "and nothing is recorded unless you accept."
    )


@dataclass(frozen=True)
class Declaration:
    """The whole declaration of a site. :class:`~flask_mixamo_privacy.Policy` adds validation and look-ups."""

    site: str  # the site's name, which the policy page states
    purposes: tuple[Purpose, ...]
    language: str = "en"  # the language of texts without a language
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
    promises: tuple[int, ...] = ()  # the numbers of the promises that the policy must make, or "all"
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
