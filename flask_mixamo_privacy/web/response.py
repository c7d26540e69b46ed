"""The end of a request: decisions, cookies, cache headers and one line in the log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Request, current_app, request
from werkzeug.wrappers import Response

from ..collection import notices
from ..consent.decision import Decision, decide
from ..consent.recording import DecisionRecorder, deletions, stored_for, without_own_cookies
from ..errors import BirthDateSeen, EventError, LogUnavailable
from ..ledger.entry import ShownText
from ..signals import consent_granted, consent_refused, consent_withdrawn
from ..storage.clock import timestamp
from . import cookies as guard
from .context import PrivacyContext, privacy_context, privacy_context_or_none
from .csp import HEADERS, append_policy
from .page_views import count_open_page, is_counted_page, write_events
from .runtime import Runtime

#: By what a response depends on: the visitor's decision, the browser's language.
_VARY = {
    (True, False): "Cookie, Sec-GPC",
    (False, True): "Accept-Language",
    (True, True): "Cookie, Sec-GPC, Accept-Language",
}
_DOCUMENTS = ("text/html", "application/xhtml+xml", "image/svg+xml")
_WORKERS = frozenset({"worker", "sharedworker", "serviceworker"})
_FOR_SHARED_CACHES = frozenset({"surrogate-control", "cdn-cache-control"})


def after_request(runtime: Runtime) -> Callable[[Response], Response]:
    """Return the function that finishes every response of an app. An error in it never costs the site its page."""

    def finish(response: Response) -> Response:
        try:
            return finish_response(runtime, response)
        except Exception as error:
            runtime.report_failure(error)
            return response

    return finish


def finish_response(site: Runtime, response: Response) -> Response:
    """Settle what this response says of privacy. Cheap where nobody asked and no cookie of ours came."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # each use of the proxy costs 1.5 µs
    _check_birth_date_was_filtered(site, asked)
    ctx, streamed = privacy_context_or_none(asked), _is_streamed_page(response)
    if ctx is None:
        if not streamed and not _may_set_caching(site, asked.environ, response):
            return response
        ctx = privacy_context(site)
    ctx.headers_sent = True
    if streamed:
        ctx.is_private = ctx.use_consent().must_ask or ctx.is_private
    names = [name.lower() for name, _ in response.headers]  # one pass for all that is asked of them
    shared = ctx.is_shared_page or _is_shared(response, names)
    _set_headers(ctx, response, names, shared)
    if ctx.record_to_set is not None:
        site.cookies.issue_consent(response, ctx.record_to_set, ctx.secure)
    if "statistics" in ctx.consent.granted:
        _count(ctx, response, shared)
    elif not shared:
        _forget_visitor(ctx, response)
    if ctx.choices_to_set is not None and not shared:
        _remember_choices(ctx, response)
    for name, text in ctx.form_cookies.items():
        ctx.runtime.cookies.issue_form_cookie(response, name, text, ctx.secure)
        _make_private(response)
    return response


def _set_headers(ctx: PrivacyContext, response: Response, names: list[str], shared: bool) -> None:
    """What browser and caches are told, and what the app's own cookies come to."""
    if "set-cookie" in names:
        _check_declared_cookies(ctx, response)
    if ctx.runtime.csp is not None and _has_csp(ctx, response):
        _set_cookies(ctx, response, shared)
    if ctx.depends_on_consent or ctx.varies_by_language:
        _set_vary(ctx, response, names)
    for name, path, domain in ctx.cookie_deletions:
        response.delete_cookie(name, path, domain, secure=ctx.secure or name.startswith("__"))
    if ctx.is_shared_page and response.status_code == 200:
        ctx.runtime.pages.remember_public(ctx.request)


def _check_birth_date_was_filtered(site: Runtime, request: Request) -> None:
    """Tell of a birth date in a form that the view has read; where it was sifted there is none. No body is read for this."""
    was_read = request.environ["REQUEST_METHOD"] == "POST" and "form" in request.__dict__
    if was_read and not request.form.keys().isdisjoint(notices.BIRTH_DATE_FIELDS):
        site.report_failure(BirthDateSeen(request.endpoint))


def _is_streamed_page(response: Response) -> bool:
    """Whether a template may still ask about consent when the headers are gone: a page that is made piece by piece."""
    made = response.response
    streamed = not isinstance(made, list | tuple) and not response.direct_passthrough and response.is_streamed
    return streamed and (response.content_type or "").startswith(_DOCUMENTS)


def _is_opened_page(environ: dict[str, Any], response: Response) -> bool:
    """Return whether the browser opens this response as an HTML page."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and response.status_code in (200, 304)
        and (response.content_type or "").startswith("text/html")
        and environ.get("HTTP_SEC_FETCH_DEST", "document") == "document"
    )


def _has_csp(ctx: PrivacyContext, response: Response) -> bool:
    """Whether a browser reads a policy in this response: a document has one of its own, and so has a worker's script."""
    if (response.content_type or "").startswith(_DOCUMENTS):
        return True
    return ctx.environ.get("HTTP_SEC_FETCH_DEST") in _WORKERS


def _may_set_caching(site: Runtime, environ: dict[str, Any], response: Response) -> bool:
    """Whether a response for which nobody asked about consent is any matter of ours."""
    if "privacy_" in environ.get("HTTP_COOKIE", "") and _is_opened_page(environ, response):
        return True
    return site.csp is not None or bool(response.headers.getlist("Set-Cookie"))


def _check_declared_cookies(ctx: PrivacyContext, response: Response) -> None:
    """Name each cookie of the app's that is not declared, or not granted; take it out where the site says so."""
    strip = ctx.runtime.settings.undeclared_cookies == "strip"
    for header, error in list(ctx.runtime.guard.violations(response, ctx.consent, ctx.now)):
        if strip:
            guard.strip(response, header)
        ctx.runtime.report_failure(error, tell_tests=not strip)


def _set_cookies(ctx: PrivacyContext, response: Response, shared: bool) -> None:
    """Have the browser itself refuse what this visitor has not granted; in a shared cache, what nobody has."""
    site = ctx.runtime
    assert site.csp is not None
    # What shows this visitor's grants is kept from shared caches below, whatever the site says.
    for_all = shared and not ctx.depends_on_consent
    services = site.cookies.consent(None, ctx.today, gpc=False).services if for_all else ctx.use_consent().services
    name, ours = HEADERS[site.settings.csp], site.csp.header(services, ctx.environ.get("SCRIPT_NAME", ""))
    response.headers[name] = append_policy(response.headers.getlist(name), ours)


def _count(ctx: PrivacyContext, response: Response, shared: bool) -> None:
    """Log what happened, then renew the visitor cookie; an ID that nothing was logged under is not given out."""
    if _is_opened_page(ctx.environ, response) and is_counted_page(ctx):
        ctx.pending.insert(0, ("page_view", "{}"))
    # An ID that this response may not carry would be another one on the next page: better not counted at all.
    if ctx.visitor is not None and ctx.pending and not (shared and ctx.visitor_before is None):
        try:
            write_events(ctx)
        except LogUnavailable as error:
            ctx.runtime.report_failure(error)
            return
    if ctx.visitor_to_set is not None and not shared:
        ctx.runtime.cookies.issue_visitor(response, ctx.visitor_to_set, ctx.today, ctx.secure)
        _make_private(response)


def _forget_visitor(ctx: PrivacyContext, response: Response) -> None:
    """A visitor cookie without the grant it serves is nothing, and is deleted."""
    if "privacy_visitor" not in ctx.environ.get("HTTP_COOKIE", ""):
        return
    name = ctx.names.visitor
    if name in ctx.request.cookies:
        ctx.runtime.cookies.clear(response, name, ctx.secure)
        _make_private(response)


def _remember_choices(ctx: PrivacyContext, response: Response) -> None:
    cookies, keep = ctx.runtime.cookies, "customisation" in ctx.consent.granted
    if ctx.choices_to_set:
        cookies.issue_choices(response, ctx.choices_to_set, keep, ctx.secure)
    else:
        cookies.clear(response, ctx.names.choices, ctx.secure)
    _make_private(response)


def _set_vary(ctx: PrivacyContext, response: Response, names: list[str]) -> None:
    """Say what the response depends on; keep it from every shared cache when it is this visitor's alone."""
    vary = _VARY[ctx.depends_on_consent, ctx.varies_by_language]
    if "vary" in names:
        response.vary.update(vary.split(", "))
    else:
        response.headers.add("Vary", vary)
    if ctx.is_private or (ctx.depends_on_consent and ctx.consent.held):
        _make_private(response)


def _make_private(response: Response) -> None:
    headers = response.headers
    if not headers.getlist("Cache-Control"):
        headers.add("Cache-Control", "private")
        return
    if not (said := ",".join(headers.getlist("Cache-Control"))).islower():
        headers["Cache-Control"] = said.lower()  # a directive's name may be written in capitals (RFC 9111, 5.2)
    control = response.cache_control
    if not control.no_store:
        control.private, control.public, control.s_maxage = True, False, None
    for name in _FOR_SHARED_CACHES:
        if headers.getlist(name):
            headers.remove(name)


def _is_shared(response: Response, names: list[str]) -> bool:
    """Whether the site lets a shared cache keep this response: then no cookie of ours may be on it."""
    if "cache-control" in names:
        said = ",".join(response.headers.getlist("Cache-Control")).lower()
        if "public" in said or "s-maxage" in said:
            return True
    return not _FOR_SHARED_CACHES.isdisjoint(names)


def carry_out(
    ctx: PrivacyContext, decision: Decision, shown: ShownText | None, *, source: str = "api", open_page: str | None = None
) -> None:
    """Record a decision and apply it to this request and its response.

    ``open_page`` is the path of the page that stays open after the decision, empty if unknown; it is counted if
    statistics are now granted. Raises :class:`LedgerUnavailable`, only for a grant, and then applies nothing.
    """
    site, before, had_statistics = ctx.runtime, ctx.known_visitor(), "statistics" in ctx.consent.granted
    DecisionRecorder(site.policy, site.ledger, site.store.erase_or_spool, site.report_failure).record(
        decision,
        visitor=before.id if before is not None else None,
        gpc=ctx.gpc,
        shown=shown,
        timestamp=timestamp(ctx.now),
        source=source,
    )
    choices = ctx.choices  # as the consent before this decision allows them
    ctx.consent, ctx.record_to_set = decide(site.policy, decision.record, ctx.gpc), decision.record
    if "statistics" in ctx.consent.granted:
        if before is not None:
            ctx.carry_over(before)
        if open_page is not None and not had_statistics:
            count_open_page(ctx, open_page)
    _keep_choices(ctx, decision, choices)
    left = stored_for(site.policy, decision.withdrawn, decision.withdrawn_services)
    ctx.cookie_deletions = deletions(without_own_cookies(left), ctx.request.cookies, ctx.request.host)
    _send_signals(ctx, decision)


def _keep_choices(ctx: PrivacyContext, decision: Decision, choices: dict[str, Any]) -> None:
    """Keep the remembered choices under a grant of customisation, else for the session; a withdrawal deletes them."""
    if "customisation" in decision.withdrawn:
        ctx.choices_to_set = ""
    elif choices:
        with suppress(EventError):  # bound to the grant they would exceed their cookie, so they stay for the session
            ctx.choices_to_set = ctx.runtime.cookies.sign_choices(ctx.choices_check, choices)


def _send_signals(ctx: PrivacyContext, decision: Decision) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        if decision.kind == "grant":
            receipt = decision.record.receipt
            consent_granted.send(app, granted=decision.granted, services=decision.services, receipt=receipt)
        if decision.kind == "refusal":
            consent_refused.send(app)
        if decision.withdraws_something:
            consent_withdrawn.send(app, withdrawn=decision.withdrawn, services=decision.withdrawn_services)
    except Exception as error:  # a listener's fault must not undo a visitor's decision
        ctx.runtime.report_failure(error)
