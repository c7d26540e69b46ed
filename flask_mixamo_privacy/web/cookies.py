"""The extension's signed cookies, and the guard over the cookies of the site. An invalid cookie reads as absent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from itsdangerous import BadSignature, Signer, URLSafeSerializer
from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from ..config import Settings
from ..consent.decision import Consent, ConsentRecord, decide
from ..errors import EventError, UndeclaredCookie
from ..policy.model import Policy
from ..policy.parts import OWN_COOKIES, declared_name, own_cookie_name
from ..storage.clock import DAY
from ..storage.memory import BoundedCache
from ..tracking.events import Visitor
from .cookie_header import CookieHeader

_SALT = "flask-mixamo-privacy."
_SIGNING: dict[str, Any] = {"key_derivation": "hmac", "digest_method": sha256}
_LONGEST = 400  # characters of a consent or a visitor cookie
_LONGEST_CHOICES = 1024  # characters of a choices cookie
_LONGEST_FORM_VALUE = 3600  # characters of a form cookie; a browser stores 4,096 with the name (RFC 6265, 6.1)

#: The most characters of a text in a form cookie, without the signature.
LONGEST_FORM_TEXT = _LONGEST_FORM_VALUE - 100
_FORGED = (BadSignature, ValueError)

#: The most different consents that are read in one request. Each one that a decision ends is a row in the ledger.
MOST_COPIES = 20

#: Necessary cookies set by forms, with their lifetime in days; 0 is until the browser closes. ``privacy_age`` stores a "no"
#: to the age question, ``privacy_licence`` the accepted versions of licences.
FORM_COOKIES = {"privacy_age": 0, "privacy_licence": 365}

_ALL = (*OWN_COOKIES, *FORM_COOKIES)

T = TypeVar("T")


class PerCookie(NamedTuple, Generic[T]):
    """One value for each of the three main cookies."""

    consent: T
    visitor: T
    choices: T


class SignedValue(Generic[T]):
    """Signed texts of one kind, with their own salt. Verified values are cached.

    A forged value raises inside the bounded cache. The cache stores no exceptions, so forgeries cannot fill it.
    """

    def __init__(self, config: Mapping[str, Any], salt: str, decode: Callable[..., T], longest: int = _LONGEST) -> None:
        self._config = config
        self._longest = longest
        self._salt = salt
        self._decode = decode
        self._keys: tuple[Any, ...] | None = None

    def unsign(self, raw: str, *context: object) -> T | None:
        """Return the decoded value of a signed text; None if the text is forged, edited, too long or out of date."""
        if len(raw) > self._longest:
            return None
        self._follow_keys()
        try:
            return self._verified(raw, *context)
        except _FORGED:
            return None

    def sign(self, text: str) -> str:
        """Return the text with its signature under the newest key."""
        self._follow_keys()
        return self._signer.sign(text).decode()

    def _follow_keys(self) -> None:
        """Start a new signer and cache if the app's keys have changed, which may happen while it runs."""
        keys = (*(self._config.get("SECRET_KEY_FALLBACKS") or ()), self._config["SECRET_KEY"])
        if keys != self._keys:
            self._signer = Signer(keys, salt=self._salt, **_SIGNING)
            self._verified = lru_cache(maxsize=4096)(self._verify)
            self._keys = keys

    def _verify(self, raw: str, *context: object) -> T:
        return self._decode(self._signer.unsign(raw).decode("ascii"), *context)


def _without_day(signed: SignedValue[str], raw: str, _today: int) -> str | None:
    return signed.unsign(raw)


def percent_encode(path: str) -> str:
    """Return a path of the environ for a URL. WSGI decodes its bytes as latin-1 (PEP 3333)."""
    return quote(path, encoding="latin-1", errors="replace")


class Cookies:
    """The cookies of one app at one mount and under one scheme. Those of the other scheme are ignored.

    ``script_name`` is the mount as WSGI decodes it. ``mount`` is percent-encoded for URLs; empty at the root of the host.

    Apps at several mounts of one host have cookies of their own: the path is the mount's, and so is the signature, because
    a browser also sends the cookies of ``/`` to ``/shop``. Apps on several ports share their cookies (RFC 6265, 8.5) unless
    ``PRIVACY_COOKIE_NAME`` differs.
    """

    def __init__(self, config: Mapping[str, Any], settings: Settings, script_name: str, is_https: bool) -> None:
        self._config = config
        self.mount = percent_encode("/" + script_name.strip("/")) if script_name.strip("/") else ""
        self.secure = is_https if settings.cookie_secure is None else settings.cookie_secure
        self.domain = settings.cookie_domain
        self.path = settings.cookie_path or self.mount or "/"
        self._salt = _SALT if self.path == "/" else f"{_SALT}{self.path}."
        policy = settings.policy
        self._days = PerCookie(*map(policy.days_of, OWN_COOKIES))
        self._consent: SignedValue[Consent] = SignedValue(
            config,
            self._salt + "consent",
            lambda text, today, gpc: decide(policy, ConsentRecord.decode(text, today, self._days.consent), gpc),
        )
        self._unasked = {gpc: decide(policy, None, gpc) for gpc in (False, True)}
        self._visitor: SignedValue[Visitor] = SignedValue(
            config, self._salt + "visitor", lambda text, today: Visitor.decode(text, today, self._days.visitor)
        )
        self._form_token: SignedValue[str] = SignedValue(config, self._salt + "form", str)
        self._form_values: dict[str, SignedValue[str]] = {
            name: SignedValue(config, self._salt + name, str, _LONGEST_FORM_VALUE) for name in FORM_COOKIES
        }
        # Another subdomain cannot set a __Host- cookie, but such a cookie has no Domain, and its Path is "/".
        prefix = "__Secure-" if settings.cookie_domain or self.path != "/" else "__Host-"
        names = {name: (prefix if self.secure else "") + own_cookie_name(name, settings.cookie_name) for name in _ALL}
        self.names = PerCookie(*map(names.__getitem__, OWN_COOKIES))
        self.form_names = {name: names[name] for name in FORM_COOKIES}
        self.read = CookieHeader(names.values()).read
        self._valid: dict[str, Callable[[str, int], object]] = {
            self.names.consent: lambda raw, today: self._consent.unsign(raw, today, False),
            self.names.visitor: self._visitor.unsign,
            self.names.choices: lambda raw, today: self._choices(raw),
            **{names[name]: partial(_without_day, self._form_values[name]) for name in FORM_COOKIES},
        }

    @property
    def only_here(self) -> bool:
        """Whether a browser accepts these cookies from this host alone, so that no other subdomain can plant one."""
        return self.names.consent.startswith("__Host-")

    def consent(self, raws: Sequence[str], today: int, gpc: bool) -> Consent:
        """Return the consent that the valid cookie states under the current policy; unasked if none is valid.

        Two valid cookies that differ are unasked too, because another subdomain may have planted one of them.
        """
        consents = self.consents(raws, today, gpc)
        return consents[0] if len(consents) == 1 else self._unasked[gpc]

    def consents(self, raws: Sequence[str], today: int, gpc: bool) -> list[Consent]:
        """Return the different consents that valid cookies state, the last cookie's first, and at most :data:`MOST_COPIES`.

        An app at another mount, or on another port, may have set a cookie of the same name, which is not valid here.
        """
        found: list[Consent] = []
        for raw in reversed(raws):  # the last one has the shortest path, as the app's own has
            consent = self._consent.unsign(raw, today, gpc)
            if consent is not None and len(found) < MOST_COPIES and all(consent.record != other.record for other in found):
                found.append(consent)
        return found

    def visitors(self, raws: Sequence[str], today: int) -> list[Visitor]:
        """Return the visitors in the valid cookies."""
        found = (self._visitor.unsign(raw, today) for raw in raws)
        return [visitor for visitor in found if visitor is not None]

    def choices(self, raws: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        """Return the choices in the valid cookies, each after the prefix of the receipt of the grant that they belong to.

        The prefix is empty for choices without a grant.
        """
        return [choices for raw in raws if (choices := self._choices(raw)) is not None]

    def is_valid(self, name: str, raw: str, today: int) -> bool:
        """Return whether a value is one of this app's cookies, and not one of another app on the host."""
        return self._valid[name](raw, today) is not None

    def _choices(self, raw: str) -> tuple[str, dict[str, Any]] | None:
        if len(raw) > _LONGEST_CHOICES:
            return None
        try:
            receipt_prefix, choices = self._choices_serializer().loads(raw)
        except (*_FORGED, TypeError):
            return None
        is_valid = isinstance(receipt_prefix, str) and isinstance(choices, dict)
        return (receipt_prefix, choices) if is_valid else None

    def form_token(self, raw: str) -> str:
        """Return the token of forms for the visitor with this consent cookie. It does not contain the cookie's value."""
        return self._form_token.sign(raw).rpartition(".")[2] if raw else ""

    def issue_consent(self, response: Response, record: ConsentRecord) -> None:
        """Set the consent cookie for its declared days. All visitors who refuse on the same day get the same bytes."""
        until = (record.day + self._days.consent) * DAY
        self._set(response, self.names.consent, self._consent.sign(record.encode()), expires=until)

    def issue_visitor(self, response: Response, visitor: Visitor, today: int) -> None:
        """Set the visitor cookie for the rest of its declared days, counted from its first day."""
        age = (visitor.first_day + self._days.visitor - today) * DAY
        self._set(response, self.names.visitor, self._visitor.sign(visitor.encode()), max_age=age)

    def sign_choices(self, receipt_prefix: str, choices: Mapping[str, Any]) -> str:
        """Return the choices, signed together with the receipt of their grant.

        Raises :class:`EventError` if they are too long for a cookie.
        """
        value = self._choices_serializer().dumps([receipt_prefix, dict(choices)])
        if len(value) > _LONGEST_CHOICES:
            raise EventError("The length of the remembered choices", len(value), f"{_LONGEST_CHOICES} characters at most")
        return str(value)

    def issue_choices(self, response: Response, signed: str, keep: bool) -> None:
        """Set the choices cookie for its declared days, or until the browser closes if ``keep`` is false."""
        age = self._days.choices * DAY if keep else None
        self._set(response, self.names.choices, signed, max_age=age)

    def form_cookie(self, name: str, raws: Sequence[str]) -> str:
        """Return the text in a form's valid cookie. Empty if there is none, or if two of them differ."""
        texts = {text for raw in raws if (text := self._form_values[name].unsign(raw)) is not None}
        return texts.pop() if len(texts) == 1 else ""

    def issue_form_cookie(self, response: Response, name: str, text: str) -> None:
        """Set a form's cookie for its days, or until the browser closes."""
        days = FORM_COOKIES[name]
        age = days * DAY if days else None
        self._set(response, self.form_names[name], self._form_values[name].sign(text), max_age=age)

    def clear(self, response: Response, name: str) -> None:
        """Delete one of the extension's cookies in the browser."""
        response.delete_cookie(name, self.path, self.domain, secure=self.secure, httponly=True, samesite="Lax")

    def _set(self, response: Response, name: str, value: str, **lifetime: int | None) -> None:
        flags: dict[str, Any] = {"path": self.path, "secure": self.secure, "httponly": True, "samesite": "Lax"}
        response.set_cookie(name, value, domain=self.domain, **flags, **lifetime)  # type: ignore[arg-type]

    def _choices_serializer(self) -> URLSafeSerializer:
        keys = [*(self._config.get("SECRET_KEY_FALLBACKS") or ()), self._config["SECRET_KEY"]]
        return URLSafeSerializer(keys, salt=self._salt + "choices", signer_kwargs=_SIGNING)


# The guard over the cookies that the site sets.

_AGE = re.compile(r"-?[0-9]+")


class CookieGuard:
    """Finds cookies that the site sets without a declaration or a grant.

    Flask's session cookie and Flask-Login's cookie are always allowed, as necessary.
    """

    def __init__(self, policy: Policy, config: Mapping[str, Any], own_beginning: str = "privacy") -> None:
        self._config = config
        self._cookie = BoundedCache(lambda name: policy.cookie(declared_name(name, own_beginning)), 1024)

    def violations(self, response: Response, consent: Consent, now: float) -> Iterator[tuple[str, UndeclaredCookie]]:
        """Yield each ``Set-Cookie`` header that is not allowed, with its error. Deleting a cookie is always allowed."""
        for header in response.headers.getlist("Set-Cookie"):
            error = self._violation(cookie_name(header), consent)
            if error is not None and not SetCookie.parse(header, now).deletes:
                yield header, error

    def _violation(self, name: str, consent: Consent) -> UndeclaredCookie | None:
        if name in self._known():
            return None
        cookie = self._cookie(name)
        if cookie is None:
            return UndeclaredCookie(name, None)
        if not consent.allows(cookie.purpose) or (cookie.service and cookie.service not in consent.services):
            return UndeclaredCookie(name, cookie.purpose)
        return None

    def _known(self) -> set[str]:
        session = self._config.get("SESSION_COOKIE_NAME", "session")
        return {session, self._config.get("REMEMBER_COOKIE_NAME", "remember_token")}


def strip(response: Response, header: str) -> None:
    """Remove one ``Set-Cookie`` header from a response."""
    other_headers = [other for other in response.headers.getlist("Set-Cookie") if other != header]
    response.headers.remove("Set-Cookie")
    for other in other_headers:
        response.headers.add("Set-Cookie", other)


@dataclass(frozen=True)
class SetCookie:
    """A ``Set-Cookie`` header, or a text assigned to ``document.cookie``, as a browser reads it (RFC 6265, 5.2).

    The value is omitted, because no caller needs it.
    """

    name: str
    seconds: float | None  # lifetime; None is until the browser closes, 0 or less deletes the cookie
    path: str
    domain: str
    secure: bool

    @classmethod
    def parse(cls, text: str, now: float, path: str = "/") -> SetCookie:
        """Parse a header. ``path`` is the default path. ``Max-Age`` takes precedence over ``Expires``, if it is a number."""
        pair, *rest = text.split(";")
        parts = ((key.strip().lower(), value.strip()) for key, _, value in (part.partition("=") for part in rest))
        attributes = {key: value for key, value in parts if key != "max-age" or _AGE.fullmatch(value)}
        own_path = attributes.get("path", "")
        domain = attributes.get("domain", "").lstrip(".").lower()
        return cls(
            cookie_name(pair),
            _seconds(attributes, now),
            own_path if own_path.startswith("/") else path,
            domain,
            "secure" in attributes,
        )

    @property
    def deletes(self) -> bool:
        """Whether the header deletes the cookie."""
        return self.seconds is not None and self.seconds <= 0


def cookie_name(text: str) -> str:
    """Return the name of the cookie that a ``Set-Cookie`` header sets."""
    return text.partition("=")[0].partition(";")[0].strip()


def _seconds(attributes: dict[str, str], now: float) -> float | None:
    if "max-age" in attributes:
        return float(attributes["max-age"])  # infinite, if it has hundreds of digits
    expires = parse_date(attributes.get("expires"))
    return expires.timestamp() - now if expires is not None else None
