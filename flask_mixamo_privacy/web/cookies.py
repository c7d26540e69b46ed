"""The extension's signed cookies, and the guard over the cookies of the site. An invalid cookie reads as absent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.wrappers import Response

from ..config import Settings
from ..consent.decision import Consent, ConsentRecord, decide, limit_consent_for_minor
from ..errors import EventError
from ..policy.parts import OWN_COOKIES, own_cookie_name
from ..storage.clock import DAY
from ..storage.memory import LONGEST_KEY
from ..tracking.events import Visitor
from .cookie_header import CookieHeader, NotCached, Stated, unquoted
from .signing import SIGNING, SignedValue, signing_keys

_SALT = "flask-mixamo-privacy."
_LONGEST_CHOICES = 1024  # characters of a choices cookie
_LONGEST_FORM_VALUE = 3600  # characters of a form cookie; a browser stores 4,096 with the name (RFC 6265, 6.1)

#: The most characters of a text in a form cookie, without the signature.
LONGEST_FORM_TEXT = _LONGEST_FORM_VALUE - 100

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


def _different(consents: list[Consent]) -> list[Consent]:
    """Return the different ones, the last first, and at most :data:`MOST_COPIES`."""
    found: list[Consent] = []
    for consent in reversed(consents):  # the last one has the shortest path, as the app's own has
        if len(found) < MOST_COPIES and all(consent.record != other.record for other in found):
            found.append(consent)
    return found


def _without_day(signed: SignedValue[str], raw: str, _today: int) -> str | None:
    return signed.unsign(raw)


def percent_encode(path: str) -> str:
    """Return a path of the environ for a URL. WSGI decodes its bytes as latin-1 (PEP 3333)."""
    return quote(path, encoding="latin-1", errors="replace")


Pairs = tuple[tuple[str, str], ...]


_MOST_COOKIES = 4  # of a header that is remembered; a browser sends two, unless another app or another subdomain set more


class StatedCookies:
    """Reads what the cookies of one app at one mount state. A header whose cookies are all valid is verified once.

    ``read`` returns what pairs state on a day, with GPC or without, and how many of them are valid.
    """

    def __init__(
        self, config: Mapping[str, Any], names: Iterable[str], read: Callable[[Pairs, int, bool], tuple[Stated, int]]
    ) -> None:
        self._config = config
        self._pairs = CookieHeader(names).pairs
        self._read = read
        self._by_header = lru_cache(maxsize=4096)(self._of_header)
        self._by_pairs = lru_cache(maxsize=4096)(self._of_pairs)  # a header has cookies of the site too

    def read(self, header: str, today: int, gpc: bool) -> Stated:
        """Return what the cookies in a header state on this day, under the app's current keys."""
        keys = signing_keys(self._config)
        try:
            return (self._by_header if len(header) <= LONGEST_KEY else self._of_header)(header, today, gpc, keys)
        except NotCached as error:
            return error.stated

    def _of_header(self, header: str, today: int, gpc: bool, keys: tuple[Any, ...]) -> Stated:
        pairs = tuple(self._pairs(";" + header))
        is_known_by_header = len(pairs) > header.count(";") and len(header) <= LONGEST_KEY  # it has no other cookies
        if is_known_by_header or len(pairs) > _MOST_COOKIES:
            return self._of_pairs(pairs, today, gpc, keys)
        return self._by_pairs(pairs, today, gpc, keys)

    def _of_pairs(self, pairs: Pairs, today: int, gpc: bool, _keys: tuple[Any, ...]) -> Stated:
        """Return what the cookies state. Raises :class:`NotCached` if one of them is invalid."""
        stated, valid = self._read(pairs, today, gpc)
        if valid < len(pairs):
            raise NotCached(stated)
        return stated


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
        self._policy = policy = settings.policy
        self._days = PerCookie(*map(policy.days_of, OWN_COOKIES))
        self._consent: SignedValue[Consent] = SignedValue(config, self._salt + "consent", self._decode_consent)
        self._terms = lru_cache(maxsize=1024)(self._decide_terms)
        self._unasked = {gpc: decide(policy, None, gpc) for gpc in (False, True)}
        self.unasked = {gpc: Stated(consent) for gpc, consent in self._unasked.items()}
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
        self._stating = (self.names.consent, self.names.visitor, self.form_names["privacy_age"])
        self.stated = StatedCookies(config, self._stating, self._state).read
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

    def _state(self, pairs: Iterable[tuple[str, str]], today: int, gpc: bool) -> tuple[Stated, int]:
        """Return what the cookies state, and how many of them are valid."""
        consents: list[Consent] = []
        visitors: list[Visitor] = []
        ages: list[str] = []
        for name, value in pairs:
            value = value.rstrip(" \t")
            raw = unquoted(value) if value[:1] == '"' else value
            if name == self.names.consent:
                if (consent := self._consent.unsign(raw, today, gpc)) is not None:
                    consents.append(consent)
            elif name == self.names.visitor:
                if (visitor := self._visitor.unsign(raw, today)) is not None:
                    visitors.append(visitor)
            elif (age := self._form_values["privacy_age"].unsign(raw)) is not None:
                ages.append(age)
        valid, is_minor = len(consents) + len(visitors) + len(ages), bool(ages) and {*ages} == {"no"}
        if len(consents) > 1:
            consents = _different(consents)
        stated = consents[0] if len(consents) == 1 else self._unasked[gpc]
        if is_minor:
            stated = limit_consent_for_minor(self._policy, stated)
        receipt = stated.record.receipt if stated.record is not None else ""
        own = next((visitor for visitor in visitors if visitor.serves(receipt)), None) if visitors else None
        return Stated(stated, own, len(consents) > 1, is_minor), valid

    def _decode_consent(self, text: str, today: int, gpc: bool) -> Consent:
        """Return the consent in a signed text. What does not depend on the receipt is the same for many visitors."""
        if not text.startswith("g."):
            return self._terms(text, today, gpc)
        terms, receipt, sent_with_gpc = text.rsplit(".", 2)
        return self._terms(f"{terms}..{sent_with_gpc}", today, gpc).under(receipt)

    def _decide_terms(self, text: str, today: int, gpc: bool) -> Consent:
        return decide(self._policy, ConsentRecord.decode(text, today, self._days.consent), gpc)

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
        return _different([found for raw in raws if (found := self._consent.unsign(raw, today, gpc)) is not None])

    def visitors(self, raws: Sequence[str], today: int) -> list[Visitor]:
        """Return the visitors in the valid cookies."""
        return [found for raw in raws if (found := self._visitor.unsign(raw, today)) is not None]

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
        except (BadSignature, ValueError, TypeError):
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
        return URLSafeSerializer(signing_keys(self._config), salt=self._salt + "choices", signer_kwargs=SIGNING)
