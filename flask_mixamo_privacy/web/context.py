"""The privacy context of a request: consent, visitor, language, and what the response has to set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from urllib.parse import unquote
from weakref import ref

from flask import Request, current_app, has_request_context, request
from markupsafe import Markup

from ..consent.decision import Consent, ConsentRecord, limit_consent_for_minor
from ..consent.recording import Deletion, cookie_domains
from ..errors import NotInitialised
from ..i18n.language import Language, language, of_locale
from ..i18n.site_catalogues import Languages
from ..policy.parts import host_of
from ..storage.clock import DAY
from ..storage.memory import LONGEST_KEY
from ..tracking.events import LoggedClient, Visitor
from ..tracking.scrub import LONGEST_USER_AGENT
from .cookie_header import Stated
from .cookies import percent_encode
from .locale import LONGEST_HEADER
from .runtime import RUNTIME, Runtime

T = TypeVar("T")
current_request = request._get_current_object  # type: ignore[attr-defined]  # each use of the proxy costs 1.5 µs

#: The attribute of a request with its context. Requests share ``g`` inside an app context that was pushed by hand, and one
#: visitor's decision would reach another. A second request may reuse an environ.
KEY = "mixamo_privacy_context"
_NO_NONCE = Markup()

#: The end of a visitor tag on a page that was rendered for a logged-in user.
USER = ".user"

#: Headers of browsers, present and past, that fetch a page before the visitor opens it. Turbo sends the last one.
_SENT_BY_PREFETCHES = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ", "HTTP_X_SEC_PURPOSE")

#: The environ key with the time of a demo request, in seconds. A header cannot set it, because its key has no ``HTTP_``.
NOW = "mixamo_privacy.now"


class lazy(Generic[T]):  # noqa: N801 - a decorator
    """A ``cached_property`` without the lock of Python 3.11, because one thread serves a request."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, ctx: Any, _owner: type) -> T:
        value = self._compute(ctx)
        setattr(ctx, self._name, value)  # access to __dict__ would make every later access slower
        return value


class PrivacyContext:
    """Per-request privacy state. Created lazily, on first use."""

    # Defaults are class attributes, because a context is created for nearly every page and rarely changes them.
    depends_on_consent = False  # whether the response depends on the visitor's decision
    is_private = False  # whether only this visitor may get the response
    has_services = False  # whether the response may contain services that the visitor granted
    is_shared_page = False  # whether the page is the same for every visitor, and browsers report the page view
    varies_by_language = False  # whether Accept-Language chose the language
    has_banner = False  # whether the page asks the visitor, with the extension's own style sheet
    has_embed = False  # whether the page already has the style sheet of placeholders
    headers_sent = False  # whether the headers are final
    is_new_grant = False  # whether this response is the first to set the consent cookie of a grant
    record_to_set: ConsentRecord | None = None  # for the consent cookie
    choices_to_set: str | None = None  # for the choices cookie; empty to delete it
    visitor_carried_over: Visitor | None = None  # the earlier visitor, under the new grant
    visitor_to_set: Visitor | None = None  # for the visitor cookie
    cookie_deletions: Sequence[Deletion] = ()  # the site's own cookies to delete
    given: Any = None  # the CollectedData of a collection point
    submission: Any = None  # the Submission that the view handles
    problem: Any = None  # the FormProblem of a rejected form
    is_problem_shown = False  # whether the page shows it
    visitor_before: Visitor | None = None  # the visitor in the cookie
    pending: Sequence[tuple[str, str]] = ()  # the kind and the data of the events to log
    form_cookies: Mapping[str, str] = MappingProxyType({})  # the values of form cookies to set, by cookie name
    _sent: Mapping[str, Sequence[str]] | None = None

    def __init__(self, runtime: Runtime, request: Request) -> None:
        self.runtime = runtime
        self._request = ref(request)  # the request has this object, and a cycle would keep both in memory for long
        self.environ = environ = request.environ
        self.now: float = environ.get(NOW) or time.time()
        self.today = today = int(self.now) // DAY
        mount = environ.get("SCRIPT_NAME", "")[:LONGEST_KEY]  # caches have it as a key, and a proxy may pass on any
        self.cookies = cookies = runtime.cookies_at(mount, environ["wsgi.url_scheme"] == "https")
        header, gpc = environ.get("HTTP_COOKIE", ""), environ.get("HTTP_SEC_GPC") == "1"
        is_known = runtime.cookie_beginning in header
        self.stated: Stated = cookies.stated(header, today, gpc) if is_known else cookies.unasked[gpc]
        self.consent = self.stated.consent  # what the visitor consents to, for data that is not in the response

    @property
    def request(self) -> Request:
        """The request, which exists for as long as any code of the site runs in it."""
        return self._request()  # type: ignore[return-value]

    @property
    def mount(self) -> str:
        """The path at which the app is mounted, percent-encoded for URLs; empty at the root of the host.

        Names of pages in the log use ``request.root_path``, which is decoded.
        """
        return self.cookies.mount

    def sent(self, name: str) -> Sequence[str]:
        """Return the values of all cookies of exactly this name. Those of another app come last, if its path is shorter.

        Browsers order cookies by the length of their paths (RFC 6265, 5.4).
        """
        if self._sent is None:
            header = self.environ.get("HTTP_COOKIE")
            self._sent = self.cookies.read(header) if header else {}
        return self._sent.get(name, ())

    def consents_sent(self) -> list[Consent]:
        """Return the different consents in valid cookies. If there are two, the visitor counts as not asked."""
        return self.cookies.consents(self.sent(self.cookies.names.consent), self.today, self.gpc)

    def visitors_sent(self) -> list[Visitor]:
        """Return the visitors in valid cookies."""
        return self.cookies.visitors(self.sent(self.cookies.names.visitor), self.today)

    @property
    def gpc(self) -> bool:
        """Whether the browser sends Global Privacy Control. Only "1" is valid (GPC specification)."""
        return self.environ.get("HTTP_SEC_GPC") == "1"

    @property
    def is_minor(self) -> bool:
        """Whether a birth date typed into this browser was a child's."""
        if "privacy_age" in self.form_cookies:
            return self.form_cookies["privacy_age"] == "no"
        return self.stated.is_minor

    def set_form_cookie(self, name: str, text: str) -> None:
        """Set a form cookie with the response. A birth date of a child limits the consent at once."""
        self.form_cookies = {**self.form_cookies, name: text}
        if self.is_minor:
            self.consent = limit_consent_for_minor(self.runtime.policy, self.consent)

    def form_cookie(self, name: str) -> str:
        """Return the value of a form cookie, or the value that this response will set; empty if there is none."""
        if name in self.form_cookies:
            return self.form_cookies[name]
        raws = self.sent(self.cookies.form_names[name])
        return self.cookies.form_cookie(name, raws) if raws else ""

    def use_consent(self) -> Consent:
        """Return the visitor's consent, and mark the response as dependent on it."""
        self.depends_on_consent = True
        return self.consent

    def allows(self, purpose: str) -> bool:
        """Return whether the purpose is allowed, for content that the response has only then.

        Raises :class:`UndeclaredPurpose`.
        """
        allowed = self.use_consent().allows(purpose)
        if allowed and self.consent.held_services and not self.has_services:
            service_of = self.runtime.policy.service
            self.has_services = any(service_of(name).purpose == purpose for name in self.consent.held_services)
        return allowed

    @lazy
    def language(self) -> Language:
        """The language of our texts in this response."""
        runtime, settings = self.runtime, self.runtime.settings
        if settings.locale is not None or settings.cacheable or "babel" in runtime.extensions:  # few sites choose
            chosen = self._chosen_language(settings.languages, runtime.policy.language)
            if chosen is not None:
                return chosen
        self.varies_by_language = True
        return runtime.site_locale.of_browser(self.environ.get("HTTP_ACCEPT_LANGUAGE", "")[:LONGEST_HEADER])

    def _chosen_language(self, languages: Languages, default: str) -> Language | None:
        """Return the language that the site chose; None if it leaves the choice to the browser."""
        chosen = self.runtime.site_locale()
        if chosen is not None:
            return languages.adapt(of_locale(chosen) or language(default))
        return languages(default) if self.is_cacheable else None

    @property
    def is_own_page(self) -> bool:
        """Whether this is one of the extension's own pages."""
        rule = self.request.url_rule
        return rule is not None and rule.endpoint.startswith("mixamo_privacy.")

    @property
    def is_cacheable(self) -> bool:
        """Whether our template helpers must render the same HTML for every visitor."""
        return self.runtime.settings.cacheable and not self.is_own_page

    @lazy
    def is_prefetch(self) -> bool:
        """Whether the browser prefetches the page, which the visitor may never open."""
        return not self.environ.keys().isdisjoint(_SENT_BY_PREFETCHES)

    def is_own_host(self, host: str) -> bool:
        """Return whether a host is this site's: that of the request, or of ``PRIVACY_BASE_URL`` if a proxy changes ``Host``.

        ``host`` is in the form of :func:`.policy.parts.host_of`.
        """
        base = self.runtime.settings.base_url
        return host == self.request.host.lower() or (base is not None and host == host_of(base))

    @property
    def cookie_host(self) -> str:
        """The host whose domains cookies may have. That of ``PRIVACY_BASE_URL`` if a proxy sends a host without a domain."""
        base = self.runtime.settings.base_url
        return self.request.host if base is None or cookie_domains(self.request.host) else host_of(base)

    @property
    def nonce(self) -> str | None:
        """The script nonce of the site's own Content-Security-Policy for this response, if it has one."""
        setting = self.runtime.settings.csp_nonce
        if setting is None:
            value = getattr(self._request(), "csp_nonce", None)  # set by Flask-Talisman
        else:
            value = setting() if has_request_context() else None
        return str(value) if value else None

    @property
    def nonce_attribute(self) -> Markup:
        """The attribute `` nonce="…"`` if the site has a nonce for this response, otherwise the empty string."""
        value = self.nonce
        return Markup(' nonce="{}"').format(value) if value else _NO_NONCE

    @lazy
    def client(self) -> LoggedClient:
        """The browser and the network of the request, as the log describes them."""
        environ = self.environ
        user_agent, address = environ.get("HTTP_USER_AGENT", ""), environ.get("REMOTE_ADDR", "")
        return self.runtime.client(user_agent[:LONGEST_USER_AGENT], address[:LONGEST_KEY])

    @lazy
    def visitor(self) -> Visitor | None:
        """The visitor as of now. None without a grant of statistics, for a robot and for a prefetch."""
        if "statistics" not in self.consent.granted or self.is_prefetch or self.client.is_robot:
            return None
        self.visitor_before = self.visitor_carried_over or self.known_visitor()
        return self.visitor_before.seen_at(self.now) if self.visitor_before else Visitor.new(self.receipt, self.now)

    @property
    def visitor_tag(self) -> str:
        """The characters by which a tab distinguishes this visitor from an earlier one; empty without a visitor.

        They end with :data:`USER` on a user's page, so that its events are a user's also if they arrive after the logout.
        """
        visitor = self.visitor
        if visitor is None and self.is_prefetch and "statistics" in self.consent.granted and not self.client.is_robot:
            visitor = self.known_visitor() or Visitor.new(self.receipt, self.now)
        if visitor is None:
            return ""
        return visitor.tag + USER if self.is_logged_in else visitor.tag

    @property
    def is_logged_in(self) -> bool:
        """Whether a user is logged in. True if that is unknown, because the site's own callable failed."""
        try:
            return self.runtime.pages.is_logged_in(self.request)
        except Exception as error:
            self.runtime.report_failure(error)
            return True

    def known_visitor(self) -> Visitor | None:
        """Return the visitor in the cookie, if the cookie belongs to the current grant."""
        if self.stated.consent is self.consent:
            return self.stated.visitor
        return next((visitor for visitor in self.visitors_sent() if visitor.serves(self.receipt)), None)

    def carry_over(self, before: Visitor) -> None:
        """Keep an earlier visitor's ID under the new grant."""
        self.visitor_carried_over = self.visitor_to_set = before.under(self.receipt)

    @property
    def receipt(self) -> str:
        """The random id of the visitor's grant; empty without a grant."""
        record = self.consent.record
        return record.receipt if record is not None else ""

    @lazy
    def choices(self) -> dict[str, Any]:
        """The remembered choices, also those of this request. Choices kept under an earlier grant are left out."""
        valid = self.cookies.choices(self.sent(self.cookies.names.choices))
        check, choices = valid[0] if valid and valid.count(valid[0]) == len(valid) else ("", {})
        if not check or check == self.choices_check:
            return choices
        if not ("customisation" in self.consent.held and self.receipt.startswith(check)):
            self.choices_to_set = ""  # keep them while GPC merely suspends the grant
        return {}

    @property
    def choices_check(self) -> str:
        """The part of the receipt that binds choices to their grant; empty without a grant."""
        return self.receipt[:8] if "customisation" in self.consent.granted else ""


def current_runtime() -> Runtime:
    """Return the runtime of the current app; raises :class:`NotInitialised`."""
    try:
        return current_app.extensions[RUNTIME]  # type: ignore[no-any-return]
    except KeyError:
        raise NotInitialised(current_app.name) from None


def privacy_context(runtime: Runtime | None = None) -> PrivacyContext:
    """Return the context of the current request, and create it on the first call.

    Outside a request, such as in a task queue, return the context of a page without a visitor: nothing is granted.
    """
    try:
        current: Request = current_request()
    except RuntimeError:
        return _context_without_visitor(runtime or current_runtime())
    ctx: PrivacyContext | None = current.__dict__.get(KEY)
    if ctx is None:
        ctx = current.__dict__[KEY] = PrivacyContext(runtime or current_runtime(), current)
    return ctx


def _context_without_visitor(runtime: Runtime) -> PrivacyContext:
    """Return a new context for the app's root. It has Global Privacy Control, so that no visitor is asked."""
    from werkzeug.test import EnvironBuilder

    environ = EnvironBuilder("/", unquote(runtime.root_url), headers=[("Sec-GPC", "1")]).get_environ()
    return PrivacyContext(runtime, Request(environ))


def current_url(ctx: PrivacyContext) -> str:
    """Return the URL of the current page without its host, to return to after a decision."""
    return url_of(ctx.mount, ctx.environ.get("PATH_INFO", ""), ctx.environ.get("QUERY_STRING", ""))


def url_of(mount: str, path: str, query: str) -> str:
    """Return the URL of a path below the mount. The mount is percent-encoded, and the path is as in the environ."""
    path = mount + "/" + percent_encode(path.lstrip("/"))
    return f"{path}?{query}" if query else path
