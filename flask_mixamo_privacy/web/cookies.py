"""The signed cookies: read, issue, clear. Garbage reads as absent, never as an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

from itsdangerous import BadSignature, Signer, URLSafeSerializer
from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from ..config import Settings
from ..consent.decision import Consent, ConsentRecord, decide
from ..errors import EventError, UndeclaredCookie
from ..policy.model import Policy
from ..storage.clock import DAY
from ..tracking.events import Visitor

_SALT = "flask-mixamo-privacy."
_SIGNING: dict[str, Any] = {"key_derivation": "hmac", "digest_method": sha256}
_LONGEST = 400  # characters of a consent or a visitor cookie
_LONGEST_CHOICES = 1024  # characters of a choices cookie
_FORGED = (BadSignature, ValueError)

#: What forms keep in the browser, necessary each, and for how many days; 0 until it is closed. "no" to the question of age,
#: and which versions of which licences were accepted.
FORM_COOKIES = {"privacy_age": 0, "privacy_licence": 365}

T = TypeVar("T")


class PerCookie(NamedTuple, Generic[T]):
    """One thing for each of the cookies."""

    consent: T
    visitor: T
    choices: T


class SignedValue(Generic[T]):
    """Signed texts of one kind, each under its own salt; a value verified once is remembered.

    What does not verify raises inside the bounded cache, which keeps no exceptions: forgeries cannot fill it.
    """

    def __init__(self, config: Mapping[str, Any], kind: str, decode: Callable[..., T]) -> None:
        self._config = config
        self._salt = _SALT + kind
        self._decode = decode
        self._keys: tuple[Any, ...] | None = None

    def unsign(self, raw: str, *context: object) -> T | None:
        """What a signed text says, or None for anything forged, edited, oversized or out of date."""
        if len(raw) > _LONGEST:
            return None
        self._follow_keys()
        try:
            return self._verified(raw, *context)
        except _FORGED:
            return None

    def sign(self, text: str) -> str:
        """The text with its signature under the newest key."""
        self._follow_keys()
        return self._signer.sign(text).decode()

    def _follow_keys(self) -> None:
        """Notice a rotation of the app's keys, which may happen while it runs."""
        keys = (*(self._config.get("SECRET_KEY_FALLBACKS") or ()), self._config["SECRET_KEY"])
        if keys != self._keys:
            self._signer = Signer(keys, salt=self._salt, **_SIGNING)
            self._verified = lru_cache(maxsize=4096)(self._verify)
            self._keys = keys

    def _verify(self, raw: str, *context: object) -> T:
        return self._decode(self._signer.unsign(raw).decode("ascii"), *context)


class Cookies:
    """The cookies of one app, under its settings and keys."""

    def __init__(self, config: Mapping[str, Any], settings: Settings) -> None:
        self._config = config
        self._domain = settings.cookie_domain
        policy = settings.policy
        self._days = PerCookie(*map(policy.days_of, ("privacy_consent", "privacy_visitor", "privacy_choices")))
        self._consent: SignedValue[Consent] = SignedValue(
            config,
            "consent",
            lambda text, today, gpc: decide(policy, ConsentRecord.decode(text, today, self._days.consent), gpc),
        )
        self._visitor: SignedValue[Visitor] = SignedValue(
            config, "visitor", lambda text, today: Visitor.decode(text, today, self._days.visitor)
        )
        self._of_forms: dict[str, SignedValue[str]] = {name: SignedValue(config, name, str) for name in FORM_COOKIES}
        # A __Host- cookie cannot be planted by another subdomain, and cannot name a Domain.
        prefix = "__Secure-" if settings.cookie_domain else "__Host-"
        self._prefix = {True: prefix, False: ""}
        self._names = {secure: _names(self._prefix[secure]) for secure in (True, False)}

    def names(self, secure: bool) -> PerCookie[str]:
        """The cookies' names under this scheme; those of the other scheme are not looked at."""
        return self._names[secure]

    def consent(self, raw: str, today: int, gpc: bool) -> Consent | None:
        """What the consent cookie comes to under the policy in force, or None for garbage."""
        return self._consent.unsign(raw, today, gpc)

    def visitor(self, raw: str, today: int) -> Visitor | None:
        """The visitor that the cookie names, or None for garbage."""
        return self._visitor.unsign(raw, today)

    def choices(self, raw: str) -> tuple[str, dict[str, Any]]:
        """The beginning of the receipt that the choices are kept under, if any, and the choices; none for garbage."""
        if len(raw) > _LONGEST_CHOICES:
            return "", {}
        try:
            check, found = self._choices().loads(raw)
        except (*_FORGED, TypeError):
            return "", {}
        return (check, found) if isinstance(check, str) and isinstance(found, dict) else ("", {})

    def issue_consent(self, response: Response, record: ConsentRecord, secure: bool) -> None:
        """Set the decision until its declared days are over, to the byte the same for all who refuse on that day."""
        until = (record.day + self._days.consent) * DAY
        self._set(response, self.names(secure).consent, self._consent.sign(record.encode()), secure, expires=until)

    def issue_visitor(self, response: Response, visitor: Visitor, today: int, secure: bool) -> None:
        """Set the visitor ID for what is left of its declared days, however often it is renewed."""
        age = (visitor.first_day + self._days.visitor - today) * DAY
        self._set(response, self.names(secure).visitor, self._visitor.sign(visitor.encode()), secure, max_age=age)

    def sign_choices(self, check: str, choices: Mapping[str, Any]) -> str:
        """The choices, signed, and bound to a grant; raises :class:`EventError` when a cookie should not carry so much."""
        value = self._choices().dumps([check, dict(choices)])
        if len(value) > _LONGEST_CHOICES:
            raise EventError("The length of the remembered choices", len(value), f"{_LONGEST_CHOICES} characters at most")
        return str(value)

    def issue_choices(self, response: Response, sealed: str, keep: bool, secure: bool) -> None:
        """Set the choices for their declared days, or until the browser closes."""
        age = self._days.choices * DAY if keep else None
        self._set(response, self.names(secure).choices, sealed, secure, max_age=age)

    def form_cookie_name(self, name: str, secure: bool) -> str:
        """What a cookie that forms keep is called under this scheme."""
        return self._prefix[secure] + name

    def form_cookie(self, name: str, raw: str) -> str:
        """What a form kept in a cookie of this name; empty for garbage."""
        return self._of_forms[name].unsign(raw) or ""

    def issue_form_cookie(self, response: Response, name: str, text: str, secure: bool) -> None:
        """Set a cookie that forms keep, for its days or until the browser closes."""
        days = FORM_COOKIES[name]
        age = days * DAY if days else None
        self._set(response, self.form_cookie_name(name, secure), self._of_forms[name].sign(text), secure, max_age=age)

    def clear(self, response: Response, name: str, secure: bool) -> None:
        """Tell the browser to delete a cookie of ours."""
        response.delete_cookie(name, domain=self._domain, secure=secure, httponly=True, samesite="Lax")

    def _set(self, response: Response, name: str, value: str, secure: bool, **life: int | None) -> None:
        flags: dict[str, Any] = {"path": "/", "secure": secure, "httponly": True, "samesite": "Lax"}
        response.set_cookie(name, value, domain=self._domain, **flags, **life)  # type: ignore[arg-type]

    def _choices(self) -> URLSafeSerializer:
        keys = [*(self._config.get("SECRET_KEY_FALLBACKS") or ()), self._config["SECRET_KEY"]]
        return URLSafeSerializer(keys, salt=_SALT + "choices", signer_kwargs=_SIGNING)


def _names(prefix: str) -> PerCookie[str]:
    return PerCookie(f"{prefix}privacy_consent", f"{prefix}privacy_visitor", f"{prefix}privacy_choices")


# Holds every cookie that the app sets against the declaration and the visitor's grants.

_AGE = re.compile(r"[-+]?[0-9]{1,300}")


class CookieGuard:
    """Knows which cookies the site may set, and when. Flask's session and Flask-Login's cookie are necessary."""

    def __init__(self, policy: Policy, config: Mapping[str, Any]) -> None:
        self._config = config
        self._cookie = lru_cache(maxsize=1024)(policy.cookie)

    def violations(self, response: Response, consent: Consent, now: float) -> Iterator[tuple[str, UndeclaredCookie]]:
        """The ``Set-Cookie`` headers that should not be there, each with its fault. Deleting a cookie is always right."""
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
    """Take one ``Set-Cookie`` header out of a response."""
    kept = [other for other in response.headers.getlist("Set-Cookie") if other != header]
    response.headers.remove("Set-Cookie")
    for other in kept:
        response.headers.add("Set-Cookie", other)


@dataclass(frozen=True)
class SetCookie:
    """What a ``Set-Cookie`` header, or a text given to ``document.cookie``, asks a browser to keep (RFC 6265, 5.2).

    The value is left out, as no report needs it.
    """

    name: str
    seconds: float | None  # to live; None ends with the browser, and 0 or less deletes it
    path: str
    domain: str
    secure: bool

    @classmethod
    def parse(cls, text: str, now: float, path: str = "/") -> SetCookie:
        """Read one; ``path`` is what a cookie without one of its own gets. ``Max-Age`` prevails over ``Expires``."""
        pair, *rest = text.split(";")
        said = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
        own = said.get("path", "")
        domain = said.get("domain", "").lstrip(".").lower()
        return cls(
            cookie_name(pair),
            _seconds(said, now),
            own if own.startswith("/") else path,
            domain,
            "secure" in said,
        )

    @property
    def deletes(self) -> bool:
        """Whether the browser removes the cookie instead."""
        return self.seconds is not None and self.seconds <= 0


def cookie_name(text: str) -> str:
    """The name of the cookie that a ``Set-Cookie`` header sets."""
    return text.partition("=")[0].partition(";")[0].strip()


def _seconds(said: dict[str, str], now: float) -> float | None:
    age = _AGE.fullmatch(said.get("max-age", ""))
    if age is not None:
        return float(age[0])
    ends = parse_date(said.get("expires"))
    return ends.timestamp() - now if ends is not None else None
