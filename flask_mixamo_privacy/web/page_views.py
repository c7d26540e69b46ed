"""Page views and events: from a request to lines in the log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from flask import current_app, has_request_context, request
from werkzeug.wrappers import Response

from ..errors import KeyMissing, LogUnavailable, StoreUnavailable
from ..policy.parts import host_of
from ..storage.clock import DAY
from ..storage.memory import LONGEST_KEY
from ..tracking.events import Event, Visitor, collect_all, new_id, page_members, properties, start_id
from ..tracking.ingest import BrowserEvent
from .context import NOW, PrivacyContext, current_runtime
from .other_extensions import is_socket_event
from .page_names import LoggedPage, Naming
from .runtime import RUNTIME

F = TypeVar("F", bound=Callable[..., Any])

#: Headers that scripts, sockets and script libraries send, but no browser that opens a page.
_SENT_BY_SCRIPTS = (
    "HTTP_ORIGIN",
    "HTTP_SEC_WEBSOCKET_KEY",
    "HTTP_LAST_EVENT_ID",
    "HTTP_RANGE",
    *("HTTP_HX_REQUEST", "HTTP_HX_BOOSTED", "HTTP_HX_HISTORY_RESTORE_REQUEST"),  # htmx
    *("HTTP_TURBO_FRAME", "HTTP_X_TURBO_REQUEST_ID", "HTTP_TURBOLINKS_REFERRER", "HTTP_X_XHR_REFERER"),
    *("HTTP_X_PJAX", "HTTP_X_PJAX_CONTAINER"),
    *("HTTP_X_UP_VERSION", "HTTP_X_UP_TARGET"),  # Unpoly
    *("HTTP_X_INERTIA", "HTTP_X_BARBA", "HTTP_X_ALPINE_REQUEST", "HTTP_DATASTAR_REQUEST"),
)

_LONG = 10  # seconds after which a visitor may have decided again elsewhere

_ACCEPTS_HTML = re.compile(r"text/html(?=[\s,;]|$)(?!\s*;\s*q=0(?:\.0*)?\s*(?:[,;]|$))", re.IGNORECASE)


def is_opened_page(environ: dict[str, Any], response: Response, headers: Mapping[str, str]) -> bool:
    """Return whether the browser opens this response as an HTML page, and not as a frame or a fetch.

    ``headers`` are the response's, by their names in lower case.
    """
    return (
        environ["REQUEST_METHOD"] == "GET"
        and response.status_code in (200, 304)
        and headers.get("content-type", "").startswith("text/html")
        and (environ["HTTP_SEC_FETCH_DEST"] == "document" if "HTTP_SEC_FETCH_DEST" in environ else _is_navigation(environ))
    )


def _is_navigation(environ: dict[str, Any]) -> bool:
    """Return whether a request without ``Sec-Fetch-Dest`` may be for a page that a visitor opens.

    Browsers omit that header on plain HTTP, Safari before 16.4 always, and Chromium in a WebSocket handshake. A frame then
    looks like a page.
    """
    accept = environ.get("HTTP_ACCEPT", "")
    return (
        environ.keys().isdisjoint(_SENT_BY_SCRIPTS)
        and (not accept or _ACCEPTS_HTML.search(accept) is not None)
        and environ.get("HTTP_SEC_FETCH_MODE", "navigate") == "navigate"
        # Android's WebView names its app in X-Requested-With, as in "com.example.app". Libraries send a word without a dot.
        and "." in environ.get("HTTP_X_REQUESTED_WITH", ".")
        # curl may offer an upgrade to HTTP/2.
        and "websocket" not in environ.get("HTTP_UPGRADE", "").lower()
    )


def mark_page(naming: Naming) -> Callable[[F], F]:
    """Return a decorator that names the page of a view; see :meth:`Privacy.page`."""

    def decorate(view: F) -> F:
        with suppress(AttributeError):  # a bound method has no attributes of its own
            view.privacy_page = naming  # type: ignore[attr-defined]  # for a decorator above @app.get

        @wraps(view)
        def marked(*args: Any, **values: Any) -> Any:
            _remember(naming)
            return view(*args, **values)

        @wraps(view)
        async def marked_async(*args: Any, **values: Any) -> Any:
            _remember(naming)
            return await view(*args, **values)

        wrapper: Any = marked_async if iscoroutinefunction(view) else marked
        wrapper.privacy_page = naming
        return wrapper  # type: ignore[no-any-return]

    return decorate


def _remember(naming: Naming) -> None:
    if has_request_context() and RUNTIME in current_app.extensions:
        current_runtime().pages.remember_naming(request._get_current_object(), naming)  # type: ignore[attr-defined]


def page_view_of(ctx: PrivacyContext, response: Response, headers: Mapping[str, str]) -> LoggedPage | None:
    """Return the page of a page view: an HTML page of the site that a person opens, and not a download. Otherwise None.

    ``headers`` are the response's, by their names in lower case.
    """
    if ctx.is_shared_page or ctx.visitor is None or not is_opened_page(ctx.environ, response, headers):
        return None
    if "content-disposition" in headers and _is_attachment(response):
        return None
    page = _logged_page(ctx)
    return page if page.is_counted else None


def _is_attachment(response: Response) -> bool:
    return any(value.lower().startswith("attachment") for value in response.headers.getlist("Content-Disposition"))


def queue_event(ctx: PrivacyContext, kind: str, data: str) -> None:
    """Queue an event for the end of the request. Log it now if the request is long, in a streamed body, and in a socket.

    A streamed body can no longer set a cookie, so an event of a visitor without a cookie is not recorded.
    """
    in_socket = is_socket_event()
    visitor = ctx.visitor and (ctx.visitor_before or (ctx.visitor if in_socket else None))
    if not (ctx.headers_sent or in_socket or (visitor is not None and _is_long(ctx))):
        ctx.pending = (*ctx.pending, (kind, data))
    elif visitor is not None and not _was_erased(ctx, visitor):
        context = f"{_logged_page(ctx).members},{ctx.client.members}"
        try:
            _write(ctx, visitor, context, [(kind, new_id(), time.time(), context, data)])
        except LogUnavailable as error:
            ctx.runtime.report_failure(error)


def write_events(ctx: PrivacyContext, page: LoggedPage | None = None) -> None:
    """Log the queued events, and the start of the visit if it starts now; raises :class:`LogUnavailable`.

    ``page`` is the page being served, if the caller knows it.
    """
    pending, ctx.pending = ctx.pending, ()
    visitor = ctx.visitor
    if visitor is not None and pending and not (_is_long(ctx) and _was_erased(ctx, visitor)):
        context = f"{(page or _logged_page(ctx)).members},{ctx.client.members}"
        _write(ctx, visitor, context, [(kind, new_id(), ctx.now, context, data) for kind, data in pending])


def _is_long(ctx: PrivacyContext) -> bool:
    """Return whether the browser may have other cookies by now than those that the request sent."""
    return time.time() - ctx.now > _LONG and NOW not in ctx.environ  # demo data has requests of the past


def _was_erased(ctx: PrivacyContext, visitor: Visitor) -> bool:
    """Return whether the visitor has withdrawn consent elsewhere since the request began, or whether that is unknown."""
    try:
        return ctx.runtime.store.has_erased(visitor.id)
    except (StoreUnavailable, KeyMissing) as error:
        ctx.runtime.report_failure(error)
        return True


def log_browser_events(ctx: PrivacyContext, events: Sequence[BrowserEvent]) -> None:
    """Log the events that the browser sent, if there is a visitor; raises :class:`LogUnavailable`."""
    visitor = ctx.visitor
    if visitor is not None and events:
        fields, client = ctx.runtime.log_fields, ctx.client.members
        lines = [
            (kind, event_id, at, f"{page_members(fields, *page)},{client}", data)
            for event_id, at, (kind, data, *page) in events
        ]
        _write(ctx, _at_time_of(lines, visitor, ctx.visitor_before), lines[0][3], lines)


def _at_time_of(lines: list[Event], visitor: Visitor, before: Visitor | None) -> Visitor:
    """Return the visitor as of the events, which may be older than the request. Closing a page starts no visit."""
    if before is None:
        return visitor
    times = [line[2] for line in lines if line[0] != "page_exit"]
    return before.seen_at(max(times)) if times else before


def _write(ctx: PrivacyContext, visitor: Visitor, context: str, lines: list[Event]) -> None:
    """Log all lines in one write. The visitor cookie is set only after that."""
    visit, before = visitor.visit, ctx.visitor_before
    if before is None or before.number != visitor.number:
        began = min(line[2] for line in lines)
        lines = [(kind, start_id(visit, kind), began, context, data) for kind, data in _starts(visitor, before)] + lines
    if "data" not in ctx.runtime.log_fields:
        lines = [(*line[:4], "{}") for line in lines]
    if text := collect_all(ctx.consent.granted, lines, visitor.id, visit):
        ctx.runtime.append(text)
        if visitor is not before:
            ctx.visitor_to_set = ctx.visitor_before = visitor  # a later event of this request starts no visit


def _starts(visitor: Visitor, before: Visitor | None) -> Iterator[tuple[str, str]]:
    yield "visit_start", "{}"
    if before is not None and before.number:
        days = (visitor.last_seen - before.last_seen) // DAY
        yield "repeat_visit", properties({"visit_number": visitor.number, "days_since_last": days})


def _logged_page(ctx: PrivacyContext) -> LoggedPage:
    """Return the page being served, as the log describes it."""
    environ, pages, request = ctx.environ, ctx.runtime.pages, ctx.request
    personal = pages.is_logged_in(request)
    if "HTTP_REFERER" not in environ:
        return pages.logged_page(request, personal, "", None, False)
    text, fetch_site = environ["HTTP_REFERER"][:LONGEST_KEY], environ.get("HTTP_SEC_FETCH_SITE")
    # Behind a proxy, Host may differ from the host in the browser.
    is_own = fetch_site == "same-origin" or (ctx.runtime.settings.base_url is not None and ctx.is_own_host(host_of(text)))
    host = None if is_own else request.host[:LONGEST_KEY]
    return pages.logged_page(request, personal, text, host, fetch_site in (None, "same-site"))
