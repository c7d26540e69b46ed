"""The end of a request: decisions, cookies, cache headers and one line in the log."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Request, current_app, request
from werkzeug.wrappers import Response

from ..collection import notices
from ..consent.decision import Decision, decide
from ..consent.proof import Wording
from ..consent.recording import DecisionRecorder, deletions, left_behind, of_the_site
from ..errors import BirthDateSeen, EventError, LogUnavailable
from ..signals import consent_granted, consent_refused, consent_withdrawn
from ..storage.clock import timestamp
from . import cookies as guard
from .context import Exchange, exchange, exchange_if_any
from .csp import HEADERS, beside
from .page_views import count_open_page, is_page_view, looks_like_a_page, write_events
from .runtime import Site

#: By what a response depends on: the visitor's decision, the browser's language.
_VARY = {
    (True, False): "Cookie, Sec-GPC",
    (False, True): "Accept-Language",
    (True, True): "Cookie, Sec-GPC, Accept-Language",
}
_DOCUMENTS = ("text/html", "application/xhtml+xml", "image/svg+xml")
_WORKERS = frozenset({"worker", "sharedworker", "serviceworker"})
_FOR_SHARED_CACHES = frozenset({"surrogate-control", "cdn-cache-control"})


def close(site: Site, response: Response) -> Response:
    """Settle what this response says of privacy. Cheap where nobody asked and no cookie of ours came."""
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # each use of the proxy costs 1.5 µs
    _look_at_form(site, asked)
    here, streamed = exchange_if_any(asked), _is_streamed_page(response)
    if here is None:
        if not streamed and not _is_ours_to_settle(site, asked.environ, response):
            return response
        here = exchange(site)
    here.sent = True
    if streamed:
        here.personal = here.look().must_ask or here.personal
    names = [name.lower() for name, _ in response.headers]  # one pass for all that is asked of them
    shared = here.for_everybody or _is_shared(response, names)
    _set_headers(here, response, names, shared)
    if here.record_out is not None:
        site.cookies.issue_consent(response, here.record_out, here.secure)
    if "statistics" in here.consent.granted:
        _count(here, response, shared)
    elif not shared:
        _forget_visitor(here, response)
    if here.choices_out is not None and not shared:
        _remember_choices(here, response)
    for name, text in here.kept.items():
        here.site.cookies.keep(response, name, text, here.secure)
        _make_private(response)
    return response


def _set_headers(here: Exchange, response: Response, names: list[str], shared: bool) -> None:
    """What browser and caches are told, and what the app's own cookies come to."""
    if "set-cookie" in names:
        _hold_to_the_declaration(here, response)
    if here.site.csp is not None and _is_held_to_a_policy(here, response):
        _tell_browser(here, response, shared)
    if here.used or here.by_header:
        _tell_caches(here, response, names)
    for name, path, domain in here.deletions:
        response.delete_cookie(name, path, domain, secure=here.secure or name.startswith("__"))
    if here.for_everybody and response.status_code == 200:
        here.site.pages.saw_without_login(here.request)


def _look_at_form(site: Site, request: Request) -> None:
    """Tell of a birth date in a form that the view has read; where it was sifted there is none. No body is read for this."""
    was_read = request.environ["REQUEST_METHOD"] == "POST" and "form" in request.__dict__
    if was_read and not request.form.keys().isdisjoint(notices.FIELDS):
        site.failed(BirthDateSeen(request.endpoint))


def _is_streamed_page(response: Response) -> bool:
    """Whether a template may still ask about consent when the headers are gone: a page that is made piece by piece."""
    made = response.response
    streamed = not isinstance(made, list | tuple) and not response.direct_passthrough and response.is_streamed
    return streamed and (response.content_type or "").startswith(_DOCUMENTS)


def _is_held_to_a_policy(here: Exchange, response: Response) -> bool:
    """Whether a browser reads a policy in this response: a document has one of its own, and so has a worker's script."""
    if (response.content_type or "").startswith(_DOCUMENTS):
        return True
    return here.environ.get("HTTP_SEC_FETCH_DEST") in _WORKERS


def _is_ours_to_settle(site: Site, environ: dict[str, Any], response: Response) -> bool:
    """Whether a response for which nobody asked about consent is any matter of ours."""
    if "privacy_" in environ.get("HTTP_COOKIE", "") and looks_like_a_page(environ, response):
        return True
    return site.csp is not None or bool(response.headers.getlist("Set-Cookie"))


def _hold_to_the_declaration(here: Exchange, response: Response) -> None:
    """Name each cookie of the app's that is not declared, or not granted; take it out where the site says so."""
    strip = here.site.settings.undeclared_cookies == "strip"
    for header, error in list(here.site.guard.faults(response, here.consent, here.now)):
        if strip:
            guard.strip(response, header)
        here.site.failed(error, tell_tests=not strip)


def _tell_browser(here: Exchange, response: Response, shared: bool) -> None:
    """Have the browser itself refuse what this visitor has not granted; in a shared cache, what nobody has."""
    site = here.site
    assert site.csp is not None
    # What shows this visitor's grants is kept from shared caches below, whatever the site says.
    for_all = shared and not here.used
    services = site.consent(None, here.today, gpc=False).services if for_all else here.look().services
    name, ours = HEADERS[site.settings.csp], site.csp.header(services, here.environ.get("SCRIPT_NAME", ""))
    response.headers[name] = beside(response.headers.getlist(name), ours)


def _count(here: Exchange, response: Response, shared: bool) -> None:
    """Log what happened, then renew the visitor cookie; an ID that nothing was logged under is not given out."""
    if is_page_view(here, response):
        here.pending.insert(0, ("page_view", "{}"))
    # An ID that this response may not carry would be another one on the next page: better not counted at all.
    if here.visitor is not None and here.pending and not (shared and here.visitor_before is None):
        try:
            write_events(here)
        except LogUnavailable as error:
            here.site.failed(error)
            return
    if here.due is not None and not shared:
        here.site.cookies.issue_visitor(response, here.due, here.today, here.secure)
        _make_private(response)


def _forget_visitor(here: Exchange, response: Response) -> None:
    """A visitor cookie without the grant it serves is nothing, and is deleted."""
    if "privacy_visitor" not in here.environ.get("HTTP_COOKIE", ""):
        return
    name = here.names.visitor
    if name in here.request.cookies:
        here.site.cookies.clear(response, name, here.secure)
        _make_private(response)


def _remember_choices(here: Exchange, response: Response) -> None:
    cookies, keep = here.site.cookies, "customisation" in here.consent.granted
    if here.choices_out:
        cookies.issue_choices(response, here.choices_out, keep, here.secure)
    else:
        cookies.clear(response, here.names.choices, here.secure)
    _make_private(response)


def _tell_caches(here: Exchange, response: Response, names: list[str]) -> None:
    """Say what the response depends on; keep it from every shared cache when it is this visitor's alone."""
    vary = _VARY[here.used, here.by_header]
    if "vary" in names:
        response.vary.update(vary.split(", "))
    else:
        response.headers.add("Vary", vary)
    if here.personal or (here.used and here.consent.held):
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
    here: Exchange, decision: Decision, shown: Wording | None, *, source: str = "api", open_page: str | None = None
) -> None:
    """Record a decision and apply it to this request and its response.

    ``open_page`` is the path of the page that stays open after the decision, empty if unknown; it is counted if
    statistics are now granted. Raises :class:`LedgerUnavailable`, only for a grant, and then applies nothing.
    """
    site, before, had_statistics = here.site, here.known_visitor(), "statistics" in here.consent.granted
    DecisionRecorder(site.policy, site.ledger, site.store.erase_or_wait, site.failed).record(
        decision,
        visitor=before.id if before is not None else None,
        gpc=here.gpc,
        shown=shown,
        timestamp=timestamp(here.now),
        source=source,
    )
    choices = here.choices  # as the consent before this decision allows them
    here.consent, here.record_out = decide(site.policy, decision.record, here.gpc), decision.record
    if "statistics" in here.consent.granted:
        if before is not None:
            here.carry(before)
        if open_page is not None and not had_statistics:
            count_open_page(here, open_page)
    _keep_choices(here, decision, choices)
    left = left_behind(site.policy, decision.withdrawn, decision.withdrawn_services)
    here.deletions = deletions(of_the_site(left), here.request.cookies, here.request.host)
    _send_signals(here, decision)


def _keep_choices(here: Exchange, decision: Decision, choices: dict[str, Any]) -> None:
    """Keep the remembered choices under a grant of customisation, else for the session; a withdrawal deletes them."""
    if "customisation" in decision.withdrawn:
        here.choices_out = ""
    elif choices:
        with suppress(EventError):  # bound to the grant they would exceed their cookie, so they stay for the session
            here.choices_out = here.site.cookies.seal_choices(here.choices_check, choices)


def _send_signals(here: Exchange, decision: Decision) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        if decision.kind == "grant":
            receipt = decision.record.receipt
            consent_granted.send(app, granted=decision.granted, services=decision.services, receipt=receipt)
        if decision.kind == "refusal":
            consent_refused.send(app)
        if decision.takes_back:
            consent_withdrawn.send(app, withdrawn=decision.withdrawn, services=decision.withdrawn_services)
    except Exception as error:  # a listener's fault must not undo a visitor's decision
        here.site.failed(error)
