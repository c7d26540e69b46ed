"""The end of a request: cookies, cache headers and one line in the log."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from .counting import is_page_view, looks_like_a_page, write_events
from .current import Exchange, exchange, exchange_if_any
from .errors import LogUnavailable

#: By what a response depends on: the visitor's decision, the browser's language.
_VARY = {
    (True, False): "Cookie, Sec-GPC",
    (False, True): "Accept-Language",
    (True, True): "Cookie, Sec-GPC, Accept-Language",
}
_FOR_SHARED_CACHES = frozenset({"surrogate-control", "cdn-cache-control"})


def close(response: Response) -> Response:
    """Settle what this response says of privacy. Cheap where nobody asked and no cookie of ours came."""
    here = exchange_if_any()
    if here is None:
        environ = request.environ
        if "privacy_" not in environ.get("HTTP_COOKIE", "") or not looks_like_a_page(environ, response):
            return response
        here = exchange()
    here.sent = True
    consent, names = here.consent, [name.lower() for name, _ in response.headers]  # one pass for all that is asked of them
    shared = here.for_everybody or _is_shared(response, names)
    if here.used or here.by_header:
        _tell_caches(here, response, names)
    if here.for_everybody and response.status_code == 200:
        here.site.pages.saw_without_login(here.request)
    if here.record_out is not None:
        here.site.cookies.issue_consent(response, here.record_out, here.secure)
    if "statistics" in consent.granted:
        _count(here, response, shared)
    elif not shared:
        _forget_visitor(here, response)
    if here.choices_out is not None and not shared:
        _remember_choices(here, response)
    return response


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
