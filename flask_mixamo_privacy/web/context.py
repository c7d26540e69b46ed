"""The request at hand: what its visitor decided, who that is, and what of it is to be remembered."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from flask import Request, current_app, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from ..consent.decision import Consent, ConsentRecord, limit_consent_for_minor
from ..consent.decision import State as ConsentState
from ..consent.recording import Deletion
from ..errors import NotInitialised
from ..i18n.language import Language, language, shipped
from ..storage.clock import DAY
from ..tracking.events import Visitor
from ..tracking.scrub import LONGEST_USER_AGENT, client_of
from .cookies import PerCookie
from .runtime import RUNTIME, Runtime

# Which language a visitor reads.


def choose_language(site: Runtime, accept_language: str) -> tuple[str, bool]:
    """The language's code, and whether the browser's ``Accept-Language`` chose it.

    ``PRIVACY_LOCALE`` comes first, then Flask-Babel where the app has it, then the browser, then the policy's own.
    """
    default = site.policy.language
    if site.settings.locale is None and not site.has_babel:
        return _negotiate(accept_language[:200], default), True
    try:
        chosen = _chosen_by_site(site)
    except Exception as error:  # the site's own callable must not break its pages
        site.report_failure(error)
        return default, False
    return shipped(chosen) or default, False


def _chosen_by_site(site: Runtime) -> str:
    """The locale that the site says, which may be none of ours."""
    chosen = site.settings.locale
    if chosen is None:
        from flask_babel import get_locale

        return str(get_locale())
    return str((chosen() if callable(chosen) else chosen) or "")


@lru_cache(maxsize=1024)
def _negotiate(accept_language: str, default: str) -> str:
    # By quality, and "fr-CA" is French: Werkzeug's own match would rather take English word for word.
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        if quality and (code := default if tag == "*" else shipped(tag)):
            return code
    return default


_KEY = "mixamo_privacy.exchange"

#: In the environ, where no header of a request can get: the moment, in seconds, at which to take it to have come.
NOW = "mixamo_privacy.now"


class PrivacyContext:
    """One request and its response, as far as privacy goes. It exists only from the first need of it."""

    # What most requests leave as it is stands here, since one is made for nearly every page.
    depends_on_consent = False  # whether the response depends on what the visitor decided
    is_private = False  # whether the response is for this visitor alone
    is_shared_page = False  # whether it is the same for every visitor, whose browser then reports the page view
    varies_by_language = False  # whether Accept-Language chose the words in it
    has_embed = False  # whether the style sheet of placeholders is in the page already
    headers_sent = False  # whether its headers are settled
    page: str | None = None  # the page this is about, where that is not the one requested
    record_to_set: ConsentRecord | None = None  # the decision to set
    choices_to_set: str | None = None  # the choices to set; empty to delete them
    visitor_carried_over: Visitor | None = None  # the visitor known until now, under the grant just made
    visitor_to_set: Visitor | None = None  # the visitor to tell the browser of
    given: Any = None  # what was given at a collection point
    visitor_before: Visitor | None = None  # the visitor as the cookie has it
    _consent: Consent | None = None
    _choices: dict[str, Any] | None = None
    _language: Language | None = None
    _visitor_read = False
    _visitor: Visitor | None = None

    def __init__(self, of: Runtime, request: Request) -> None:
        self.runtime = of
        self.request = request
        self.environ: dict[str, Any] = request.environ
        self.now: float = self.environ.get(NOW) or time.time()
        self.today = int(self.now) // DAY
        self.pending: list[tuple[str, str]] = []  # kind and data of the events to log
        self.cookie_deletions: list[Deletion] = []  # other cookies of the site to delete
        self.form_cookies: dict[str, str] = {}  # what a form is to keep in the browser, by the cookie's name

    @property
    def secure(self) -> bool:
        """Whether cookies are Secure here; their names follow."""
        setting = self.runtime.settings.cookie_secure
        return bool(self.environ["wsgi.url_scheme"] == "https") if setting is None else setting

    @property
    def names(self) -> PerCookie[str]:
        """What our cookies are called here."""
        return self.runtime.cookies.names(self.secure)

    def _cookie(self, name: str) -> str | None:
        cookies = self.request.cookies
        return cookies[name] if name in cookies else None  # Werkzeug's get() raises inside on a miss  # noqa: SIM401

    @property
    def gpc(self) -> bool:
        """Global Privacy Control. Exactly "1" counts, as its specification says."""
        return self.environ.get("HTTP_SEC_GPC") == "1"

    @property
    def consent(self) -> Consent:
        """What the visitor decided, for what is not shown: the log."""
        if self._consent is None:
            sent = self.environ.get("HTTP_COOKIE", "")
            raw = self._cookie(self.names.consent) if "privacy_" in sent else None
            self._consent = self.runtime.cookies.consent(raw, self.today, self.gpc)
            if "privacy_age" in sent and self.is_minor:
                self._consent = limit_consent_for_minor(self.runtime.policy, self._consent)
        return self._consent

    @consent.setter
    def consent(self, consent: Consent) -> None:
        self._consent = consent

    @property
    def is_minor(self) -> bool:
        """Whether somebody said in this browser to be a child."""
        return self.form_cookie("privacy_age") == "no"

    def form_cookie(self, name: str) -> str:
        """What a form kept in a cookie, this request's own included; empty for none."""
        if name not in self.form_cookies:
            raw = self._cookie(self.runtime.cookies.form_cookie_name(name, self.secure))
            return self.runtime.cookies.form_cookie(name, raw) if raw else ""
        return self.form_cookies[name]

    def use_consent(self) -> Consent:
        """What the visitor decided, for something that the response will show."""
        self.depends_on_consent = True
        return self.consent

    @property
    def language(self) -> Language:
        """The language of the words that this response shows."""
        if self._language is None:
            header = "" if self.is_cacheable else self.environ.get("HTTP_ACCEPT_LANGUAGE", "")
            code, by_header = choose_language(self.runtime, header)
            self.varies_by_language = by_header and not self.is_cacheable
            self._language = language(code)
        return self._language

    @property
    def is_own_page(self) -> bool:
        """Whether this is a page of the extension's own."""
        return (self.request.endpoint or "").startswith("mixamo_privacy.")

    @property
    def is_cacheable(self) -> bool:
        """Whether what our verbs say in this page has to be the same for everybody."""
        return self.runtime.settings.cacheable and not self.is_own_page

    @property
    def is_prefetch(self) -> bool:
        """Whether a browser asks ahead, for a page that nobody may ever see."""
        return "HTTP_SEC_PURPOSE" in self.environ or self.environ.get("HTTP_PURPOSE") == "prefetch"

    @property
    def is_robot(self) -> bool:
        return client_of(self.environ.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT]).robot

    @property
    def visitor(self) -> Visitor | None:
        """The visitor at this moment; None without a grant of statistics, for a robot and for a prefetch."""
        if not self._visitor_read:
            self._visitor_read = True
            if "statistics" in self.consent.granted and not self.is_prefetch and not self.is_robot:
                self._visitor = self._see()
        return self._visitor

    @property
    def visitor_tag(self) -> str:
        """What tells this visitor from an earlier one in a tab; empty for nobody."""
        return self.visitor.tag if self.visitor is not None else ""

    def known_visitor(self) -> Visitor | None:
        """The visitor that the cookie names, if it serves the grant in the consent cookie."""
        raw = self._cookie(self.names.visitor)
        found = self.runtime.cookies.visitor(raw, self.today) if raw else None
        return found if found is not None and found.serves(self.receipt) else None

    def carry_over(self, before: Visitor) -> None:
        """Let a visitor known until now go on under the grant just made."""
        self.visitor_carried_over = self.visitor_to_set = before.under(self.receipt)

    def _see(self) -> Visitor:
        self.visitor_before = self.visitor_carried_over or self.known_visitor()
        return self.visitor_before.seen_at(self.now) if self.visitor_before else Visitor.new(self.receipt, self.now)

    @property
    def receipt(self) -> str:
        """The random id of the grant that the visitor holds; empty without one."""
        record = self.consent.record
        return record.receipt if record is not None else ""

    @property
    def choices(self) -> dict[str, Any]:
        """The remembered choices, those made in this request included; none that were kept under a grant now gone."""
        if self._choices is None:
            raw = self._cookie(self.names.choices)
            check, self._choices = self.runtime.cookies.choices(raw) if raw else ("", {})
            if check and check != self.choices_check:
                self._choices = {}
                if not ("customisation" in self.consent.held and self.receipt.startswith(check)):
                    self.choices_to_set = ""  # not merely suspended by GPC
        return self._choices

    @property
    def choices_check(self) -> str:
        """What binds choices to the grant they are kept under; empty without one."""
        return self.receipt[:8] if "customisation" in self.consent.granted else ""


def current_runtime() -> Runtime:
    """Return the runtime of the current app; raises :class:`NotInitialised`."""
    try:
        return current_app.extensions[RUNTIME]  # type: ignore[no-any-return]
    except KeyError:
        raise NotInitialised(current_app.name) from None


def privacy_context(of: Runtime | None = None) -> PrivacyContext:
    """The one of this request, made at the first call; ``of`` is the app's site, where the caller has it at hand."""
    current: Request = request._get_current_object()  # type: ignore[attr-defined]  # each use of the proxy costs 1.5 µs
    found: PrivacyContext | None = current.environ.get(_KEY)
    if found is None or found.request is not current:
        found = current.environ[_KEY] = PrivacyContext(of or current_runtime(), current)
    return found


def privacy_context_or_none(request: Request) -> PrivacyContext | None:
    """The one of this request, or None where nothing asked for it yet.

    It lies in the request's own environ, not on ``g``: where an app context was pushed by hand, Flask lets every request
    share ``g``, and one visitor's decision would reach another. An environ may be passed on to a second request, hence
    the comparison.
    """
    found: PrivacyContext | None = request.environ.get(_KEY)
    return found if found is not None and found.request is request else None


def current_url(ctx: PrivacyContext) -> str:
    """The address of the page at hand, to come back to after a decision."""
    query = ctx.environ.get("QUERY_STRING", "")
    path = quote(ctx.environ.get("SCRIPT_NAME", "") + ctx.request.path)
    return f"{path}?{query}" if query else path


class CurrentConsent:
    """What the visitor of the current request decided."""

    def allows(self, purpose: str, service: str | None = None) -> bool:
        """Whether data may be used for this purpose now, by this service of it if one is named.

        Raises :class:`UndeclaredPurpose` and :class:`UndeclaredService`.
        """
        ctx = privacy_context()
        allowed = ctx.use_consent().allows(purpose)
        if service is None:
            return allowed
        return ctx.runtime.policy.service(service).purpose == purpose and service in ctx.consent.services

    def state(self, purpose: str) -> ConsentState:
        """``"unasked"``, ``"granted"`` or ``"refused"``; raises :class:`UndeclaredPurpose`."""
        return privacy_context().use_consent().state(purpose)


class CurrentVisitor:
    """The consenting visitor of the current request. False without consent. It does not tell its ID to anybody."""

    def __bool__(self) -> bool:
        return self._seen() is not None

    @property
    def visit_number(self) -> int:
        """Which visit this is, from 1; 0 without consent."""
        visitor = self._seen()
        return visitor.number if visitor is not None else 0

    @property
    def is_repeat(self) -> bool:
        """Whether this visitor was here before, in an earlier visit."""
        return self.visit_number > 1

    def _seen(self) -> Visitor | None:
        ctx = privacy_context()
        ctx.use_consent()
        return ctx.visitor


current_consent = CurrentConsent()
current_visitor = CurrentVisitor()
