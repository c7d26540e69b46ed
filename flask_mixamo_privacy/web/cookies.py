"""The extension's signed cookies, and the guard over the cookies of the site. An invalid cookie reads as absent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from itertools import product
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from itsdangerous import BadSignature, Signer, URLSafeSerializer
from werkzeug.http import dump_cookie
from werkzeug.wrappers import Response

from ..config import Settings
from ..consent.decision import Consent, ConsentRecord, decide
from ..consent.recording import Deletion
from ..errors import EventError
from ..policy.parts import OWN_COOKIES, own_cookie_name
from ..storage.clock import DAY
from ..tracking.events import Visitor

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


_MOST_BYTES_OF_DELETIONS = 2400  # with the rest of a response; nginx refuses more than 4,096 bytes of all headers


def add_deletions(response: Response, deletions: Iterable[Deletion], secure: bool) -> None:
    """Add the headers that delete cookies, as many as fit into a response. The first and those with short paths come first.

    Browsers keep cookies with the attribute ``Partitioned`` apart, so another header deletes those. A browser that does not
    know the attribute deletes the same cookie twice. No header has ``Expires``, which no browser since 2013 needs.
    """
    found, size = sorted(deletions, key=lambda deletion: len(deletion.path)), 0
    for partitioned, (name, path, domain) in product((False, True), found):
        secure_too = secure or partitioned or name.startswith("__")  # browsers refuse the others
        header = dump_cookie(name, "", 0, path=path, domain=domain, secure=secure_too, sync_expires=False)
        header += "; Partitioned" * partitioned
        if size + len(header) <= _MOST_BYTES_OF_DELETIONS:
            size += len(header) + len("Set-Cookie: \r\n")
            response.headers.add("Set-Cookie", header)


_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")


class CookieHeader:
    """Reads the cookies of these names from a ``Cookie`` header.

    A name must be exact. Werkzeug before 3.1.9 strips odd bytes from names. So a name that only looks like ``__Host-…`` to
    it, and that another subdomain can therefore plant, would count. Only spaces and tabs may surround a name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        own = "|".join(map(re.escape, names))
        # Each match begins with a semicolon, which the regular expression finds fast.
        self._pairs = re.compile(rf";[ \t]*({own})[ \t]*=[ \t]*([^;]*)").findall

    def read(self, header: str) -> dict[str, list[str]]:
        """Return the values by name, in the order of the header."""
        found: dict[str, list[str]] = {}
        for name, value in self._pairs(";" + header):
            value = value.rstrip(" \t")
            found.setdefault(name, []).append(_unquoted(value) if value[:1] == '"' else value)
        return found


def _unquoted(value: str) -> str:
    """Return the value of a cookie without the quotes and the escapes that Werkzeug writes."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)) if len(escape[1]) == 3 else escape[1], value[1:-1])


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
        if len(raws) == 1:
            return self._consent.unsign(raws[0], today, gpc) or self._unasked[gpc]
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
