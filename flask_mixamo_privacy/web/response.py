"""The end of a request: consent decisions, cookies, cache headers, CSP and the page view."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flask import Request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.http import parse_set_header
from werkzeug.wrappers import Response

from ..collection import notices
from ..errors import BirthDateSeen, LogUnavailable
from . import cookie_guard
from .context import KEY, PrivacyContext, current_request, privacy_context
from .csp import HEADERS, OWN_PAGE, append_policy, forbid_framing
from .decisions import add_deletions, delete_copies, deletions_below, keeps_visitor_cookie
from .page_views import is_opened_page, page_view_of, write_events
from .runtime import Runtime

#: The Vary header, by whether a response depends on the decision, and on the browser's language.
_VARY = {
    (True, False): "Cookie, Sec-GPC",
    (False, True): "Accept-Language",
    (True, True): "Cookie, Sec-GPC, Accept-Language",
}
_DOCUMENTS = ("text/html", "application/xhtml+xml", "image/svg+xml")
_IN_MEMORY = (list, tuple)  # of bytes; isinstance() is slower with a union
_WITHOUT_PAGE = (204, 301, 302, 303, 307, 308)  # no browser shows their body
_VALIDATORS = frozenset({"etag", "last-modified"})
_WORKERS = frozenset({"worker", "sharedworker", "serviceworker"})
# Some shared caches obey these before Cache-Control: RFC 9213, and nginx.
_FOR_SHARED_CACHES = frozenset(
    {
        "surrogate-control", "edge-control", "x-accel-expires", "cdn-cache-control", "akamai-cache-control",
        "cloudflare-cdn-cache-control", "netlify-cdn-cache-control", "vercel-cdn-cache-control",
    }
)  # fmt: skip
_STORES_NOTHING = re.compile(r"no-store|private|^\s*(?:0|off|@0)\s*$", re.IGNORECASE)
_OF_CACHES = _FOR_SHARED_CACHES | {"cache-control"}
_current_session = session._get_current_object  # type: ignore[attr-defined]


def after_request(runtime: Runtime) -> Callable[[Response], Response]:
    """Return the function that finishes every response of an app. The page is served whatever error it meets."""

    def finish(response: Response) -> Response:
        try:
            return finish_response(runtime, response)
        except Exception as error:
            runtime.report_failure(error)
            return response

    return finish


def finish_response(runtime: Runtime, response: Response) -> Response:
    """Set cookies, headers and CSP, and log events. Cheap if the request used nothing of ours and has no cookie of ours."""
    current = current_request()
    environ, attributes = current.environ, current.__dict__
    ctx: PrivacyContext | None = attributes.get(KEY)
    if OWN_PAGE in environ:
        _forbid_framing_of_own_page(response)
    elif "form" in attributes:
        _check_birth_date_was_filtered(runtime, current)
    names = {name.lower(): value for name, value in response.headers}  # one pass for every check below
    streamed = not isinstance(response.response, _IN_MEMORY) and _is_streamed_page(response)
    if ctx is None:
        if not streamed and not _needs_context(runtime, environ, response, names):
            return response
        ctx = privacy_context(runtime)
    _finish(ctx, response, names, streamed)
    return response


def _finish(ctx: PrivacyContext, response: Response, names: Mapping[str, str], streamed: bool) -> None:
    ctx.headers_sent = True
    if streamed:
        ctx.is_private = ctx.use_consent().must_ask or ctx.is_private
        ctx.has_services = ctx.has_services or bool(ctx.consent.held_services)
    if ctx.runtime.settings.cacheable and not ctx.is_shared_page:
        ctx.is_shared_page = _is_cached_shared_page(ctx, response)
    shared = ctx.is_shared_page or (not _OF_CACHES.isdisjoint(names) and _is_shared(response, names))
    _set_headers(ctx, response, names, shared)
    if (
        not _FOR_SHARED_CACHES.isdisjoint(names)
        and ctx.is_own_page
        and (response.cache_control.no_store or response.cache_control.private)
    ):
        _make_private(response)  # a site may let a CDN store all its pages, and ours show one visitor's state
    if ctx.record_to_set is not None:
        ctx.cookies.issue_consent(response, ctx.record_to_set)
    if "statistics" in ctx.consent.granted:
        _count(ctx, response, names, shared)
    elif not shared and ctx.cookies.names.visitor in ctx.environ.get("HTTP_COOKIE", ""):
        _forget_visitor(ctx, response)
    if ctx.choices_to_set is not None and not shared:
        _remember_choices(ctx, response)
    if ctx.form_cookies:
        _set_form_cookies(ctx, response)


def _set_form_cookies(ctx: PrivacyContext, response: Response) -> None:
    for name, text in ctx.form_cookies.items():
        delete_copies(ctx, response, ctx.cookies.form_names[name])
        ctx.cookies.issue_form_cookie(response, name, text)
    _make_private(response)


def _forbid_framing_of_own_page(response: Response) -> None:
    if response.status_code not in _WITHOUT_PAGE and (response.content_type or "").startswith(_DOCUMENTS):
        forbid_framing(response.headers)


def _drop_validators(response: Response) -> None:
    """Remove the site's ETag and Last-Modified, which do not cover what the visitor decided, and send the page itself.

    With them, a 304 after a decision would show the page of before. A validator of the visitor's state would have to cover
    the visitor's ID, and the browser would send it back after a withdrawal. If a view that used consent answers 304, its
    body is still there, because Werkzeug drops the body only when it sends the response.
    """
    for name in _VALIDATORS:
        response.headers.pop(name, None)
    if response.status_code == 304 and (response.is_streamed or any(response.iter_encoded())):
        response.status_code = 200


def _set_headers(ctx: PrivacyContext, response: Response, names: Mapping[str, str], shared: bool) -> None:
    """Check the app's cookies, set CSP and Vary, and delete the cookies of a withdrawn purpose."""
    if ctx.depends_on_consent and not _VALIDATORS.isdisjoint(names) and not ctx.is_own_page:
        _drop_validators(response)  # before the CSP, which a 304 brings up to date
    if "set-cookie" in names:
        _check_declared_cookies(ctx, response)
    if ctx.has_banner:
        ctx.runtime.helpers.banner_style.learn(ctx, response.headers, names)
    if ctx.runtime.csp is not None and _has_csp(ctx, response):
        _set_csp(ctx, response, shared)
    if ctx.depends_on_consent or ctx.varies_by_language:
        _set_vary(ctx, response, names)
    if ctx.stated.has_copies and not shared and not ctx.cookie_deletions:
        ctx.cookie_deletions = deletions_below(ctx)
        _make_private(response)
    if ctx.cookie_deletions:
        add_deletions(response, ctx.cookie_deletions, ctx.cookies.secure)
    if ctx.is_shared_page and response.status_code == 200:
        ctx.runtime.pages.remember_shared(ctx.request)


def _check_birth_date_was_filtered(runtime: Runtime, request: Request) -> None:
    """Report an error if the view read a form with a raw birth date, that is, if no collection point filtered the form.

    The caller has checked that the site's own code parsed the body. The extension's views read no birth date.
    """
    was_sent = request.environ["REQUEST_METHOD"] == "POST"
    if was_sent and not request.form.keys().isdisjoint(notices.BIRTH_DATE_FIELDS):
        runtime.report_failure(BirthDateSeen(request.endpoint))


def _is_streamed_page(response: Response) -> bool:
    """Return whether the body is streamed, so that a template may use consent after the headers were sent."""
    body = response.response
    streamed = not isinstance(body, _IN_MEMORY) and not response.direct_passthrough and response.is_streamed
    return streamed and (response.content_type or "").startswith(_DOCUMENTS)


def _is_cached_shared_page(ctx: PrivacyContext, response: Response) -> bool:
    """Return whether the page loads ``page.js`` although no template called ``banner()`` in this request.

    A cache inside the app, such as Flask-Caching's, returned the page. A compressed body is not searched: it is such a page
    if this process has rendered the endpoint's page with ``page.js`` before.
    """
    if ctx.is_own_page or not response.is_sequence or not (response.content_type or "").startswith(_DOCUMENTS):
        return False
    if "Content-Encoding" in response.headers:
        return ctx.runtime.pages.is_shared(ctx.request.endpoint)
    return f'{ctx.runtime.settings.url_prefix}/page.js"'.encode() in response.get_data()


def _has_csp(ctx: PrivacyContext, response: Response) -> bool:
    """Return whether browsers apply a CSP to this response: to a document, and to the script of a worker."""
    if (response.content_type or "").startswith(_DOCUMENTS):
        return True
    return ctx.environ.get("HTTP_SEC_FETCH_DEST") in _WORKERS


def _needs_context(runtime: Runtime, environ: dict[str, Any], response: Response, names: Mapping[str, str]) -> bool:
    """Return whether there is work for a response whose view did not use consent."""
    if "set-cookie" in names or runtime.csp is not None:
        return True
    return runtime.cookie_beginning in environ.get("HTTP_COOKIE", "") and is_opened_page(environ, response, names)


def _check_declared_cookies(ctx: PrivacyContext, response: Response) -> None:
    """Report each cookie of the app that is not declared, or not granted. Strip it if the site chose to."""
    strip = ctx.runtime.settings.undeclared_cookies == "strip"
    for header, error in list(ctx.runtime.guard.violations(response, ctx.consent, ctx.now)):
        if strip:
            cookie_guard.strip(response, header)
        ctx.runtime.report_failure(error, raise_in_tests=not strip)


def _set_csp(ctx: PrivacyContext, response: Response, shared: bool) -> None:
    """Set the Content-Security-Policy for this visitor's grants. A shared response gets the policy without any grant."""
    runtime = ctx.runtime
    assert runtime.csp is not None
    # A response that depends on consent becomes private in _set_vary(), so it may have the visitor's own policy.
    for_all = shared and not ctx.depends_on_consent
    services = ctx.cookies.consent((), ctx.today, gpc=False).services if for_all else ctx.use_consent().services
    name, policy = HEADERS[runtime.settings.csp], runtime.csp.header(services, ctx.mount)
    response.headers[name] = append_policy(response.headers.getlist(name), policy)


def _count(ctx: PrivacyContext, response: Response, names: Mapping[str, str], shared: bool) -> None:
    """Log the queued events, then renew the visitor cookie. An ID without a logged event is never set."""
    page = page_view_of(ctx, response, names) if ctx.environ["REQUEST_METHOD"] == "GET" else None
    if page is not None:
        ctx.pending = (("page_view", "{}"), *ctx.pending)
    # A shared response cannot set the visitor cookie. The response to a grant may never arrive, and then no cookie of the
    # visitor finds the events. So neither logs an event of a new visitor.
    if ctx.pending and ctx.visitor is not None and not ((shared or ctx.is_new_grant) and ctx.visitor_before is None):
        try:
            write_events(ctx, page)
        except LogUnavailable as error:
            ctx.runtime.report_failure(error)
            return
    if ctx.visitor_to_set is not None and not shared:
        ctx.cookies.issue_visitor(response, ctx.visitor_to_set, ctx.today)
        _make_private(response)


def _forget_visitor(ctx: PrivacyContext, response: Response) -> None:
    """Delete the visitor cookie if its grant does not exist. A cookie of another app on this host is left alone."""
    visitors = ctx.visitors_sent()
    if visitors and not any(keeps_visitor_cookie(ctx, visitor) for visitor in visitors):
        ctx.cookies.clear(response, ctx.cookies.names.visitor)
        _make_private(response)


def _remember_choices(ctx: PrivacyContext, response: Response) -> None:
    keep = "customisation" in ctx.consent.granted
    delete_copies(ctx, response, ctx.cookies.names.choices)
    if ctx.choices_to_set:
        ctx.cookies.issue_choices(response, ctx.choices_to_set, keep)
    elif not (sent := ctx.sent(ctx.cookies.names.choices)) or ctx.cookies.choices(sent):  # not of another app on this host
        ctx.cookies.clear(response, ctx.cookies.names.choices)
    _make_private(response)


def _set_vary(ctx: PrivacyContext, response: Response, names: Mapping[str, str]) -> None:
    """Set Vary, and forbid shared caches to store a response for this visitor alone."""
    depends_on_consent, headers = ctx.depends_on_consent, response.headers
    vary = _VARY[depends_on_consent, ctx.varies_by_language]
    if "vary" in names:
        headers["Vary"] = _merged(", ".join(headers.getlist("Vary")), vary)
    else:
        headers.add("Vary", vary)
    if depends_on_consent and type(ctx.runtime.app.session_interface) is SecureCookieSessionInterface:
        # Vary names Cookie now. Flask would parse it, which takes longer than all else here, only to add the name again.
        _current_session().accessed = False
    if ctx.is_private or (depends_on_consent and ctx.consent.held):
        if _OF_CACHES.isdisjoint(names):
            headers.add("Cache-Control", "private")
        else:
            _make_private(response)
    if ctx.has_services and (response.content_type or "").startswith(_DOCUMENTS):
        # After a withdrawal, Back would show this page from the browser's memory, and a service in it would run on. Browsers
        # keep no page with no-store there, or drop it once a cookie has changed.
        _make_private(response)
        headers["Cache-Control"] = "private, no-store"


@lru_cache(maxsize=256)
def _merged(header: str, vary: str) -> str:
    """Return the Vary header of the site with our names added."""
    names = parse_set_header(header)
    names.update(vary.split(", "))
    return names.to_header()


def _make_private(response: Response) -> None:
    headers = response.headers
    for name in _FOR_SHARED_CACHES:
        headers.pop(name, None)
    if not headers.getlist("Cache-Control"):
        headers.add("Cache-Control", "private")
        return
    if not (directives := ",".join(headers.getlist("Cache-Control"))).islower():
        headers["Cache-Control"] = directives.lower()  # their names are case-insensitive; RFC 9111, 5.2
    control = response.cache_control
    if not control.no_store:
        control.private, control.public, control.s_maxage = True, False, None


def _is_shared(response: Response, names: Mapping[str, str]) -> bool:
    """Return whether the site lets a shared cache store this response. It must then have no cookie of ours."""
    if "cache-control" in names:
        directives = ",".join(response.headers.getlist("Cache-Control")).lower()
        if "public" in directives or "s-maxage" in directives:
            return True
    return any(not _STORES_NOTHING.search(response.headers[name]) for name in _FOR_SHARED_CACHES.intersection(names))
