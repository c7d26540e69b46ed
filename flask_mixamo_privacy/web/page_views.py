"""From a request to lines in the log: is it a page view, does a visit start, where was it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import LogUnavailable
from ..storage.clock import DAY
from ..tracking.events import Visitor, collect, context_fields, new_id, properties, start_id
from ..tracking.ingest import BrowserEvent
from ..tracking.scrub import LONGEST_USER_AGENT, client_of, network_of, split_referrer
from .context import PrivacyContext

#: The kind, the id, the time, the scene and the data of one event.
Line = tuple[str, str, float, str, str]

_LONGEST_REFERRER = 2000  # characters; what is remembered of requests has to have a bound


def is_counted_page(ctx: PrivacyContext) -> bool:
    """Return whether an HTML page that a browser opens is a page view: a page of the site, opened by a person."""
    endpoint = ctx.request.endpoint
    return (
        not ctx.is_shared_page
        and endpoint is not None
        and not endpoint.startswith("mixamo_privacy.")
        and endpoint != "static"
        and not endpoint.endswith(".static")
        and not ctx.is_prefetch
        and ctx.runtime.pages.naming(endpoint) != "never"
    )


def count_open_page(ctx: PrivacyContext, path: str) -> None:
    """Queue a view of the page on which the banner was accepted, as if the form's answer had reloaded it."""
    pages = ctx.runtime.pages
    try:
        personal = pages.is_logged_in(ctx.request)
    except Exception as error:  # the site's own callable must not undo a visitor's decision
        ctx.runtime.report_failure(error)
        return
    ctx.page = pages.name_of_path(path.partition("?")[0], ctx.request.root_path, personal) if path else ""
    if ctx.page:
        ctx.pending.append(("page_view", "{}"))


def queue_event(ctx: PrivacyContext, kind: str, data: str) -> None:
    """Note an event for the end of the request, or log it now if that is past, as in a streamed body."""
    ctx.pending.append((kind, data))
    if ctx.headers_sent and ctx.visitor_before is not None:
        try:
            write_events(ctx)
        except LogUnavailable as error:
            ctx.runtime.report_failure(error)


def write_events(ctx: PrivacyContext) -> None:
    """Log what is pending, with the start of the visit if it starts; raises :class:`LogUnavailable`."""
    pending, ctx.pending = ctx.pending, []
    visitor = ctx.visitor
    if visitor is not None and pending:
        where = context_fields(ctx.runtime.log_fields, *_where(ctx), *_client_fields(ctx))
        _write(ctx, visitor, where, [(kind, new_id(), ctx.now, where, data) for kind, data in pending])


def log_browser_events(ctx: PrivacyContext, reported: Sequence[BrowserEvent]) -> None:
    """Log what the browser reported, likewise; nothing of a robot, a prefetch or nobody."""
    visitor = ctx.visitor
    if visitor is not None and reported:
        fields, around = ctx.runtime.log_fields, _client_fields(ctx)
        lines = [
            (kind, key, at, context_fields(fields, *where, *around), data) for key, at, (kind, data, *where) in reported
        ]
        _write(ctx, _in_visit(visitor, ctx.visitor_before, lines), lines[0][3], lines)


def _in_visit(visitor: Visitor, before: Visitor | None, lines: list[Line]) -> Visitor:
    """The visitor in the visit at hand: by when things happened, not when they are told; closing a page begins none."""
    if before is None:
        return visitor
    times = [line[2] for line in lines if line[0] != "page_exit"]
    return before.seen_at(max(times)) if times else before


def _write(ctx: PrivacyContext, visitor: Visitor, where: str, lines: list[Line]) -> None:
    """All at once, before anything tells the browser who its visitor is."""
    granted, name, visit, before = ctx.consent.granted, visitor.id, visitor.visit, ctx.visitor_before
    if before is None or before.number != visitor.number:
        began = min(line[2] for line in lines)
        lines = [(kind, start_id(visit, kind), began, where, data) for kind, data in _starts(visitor, before)] + lines
    if "data" not in ctx.runtime.log_fields:
        lines = [(*line[:4], "{}") for line in lines]
    said = [collect(granted, kind, key, at, name, visit, place, data) for kind, key, at, place, data in lines]
    if text := "".join(said):
        ctx.runtime.append(text)
        if visitor is not before:
            ctx.visitor_to_set = ctx.visitor_before = visitor  # what comes later in this request starts nothing any more


def _starts(visitor: Visitor, before: Visitor | None) -> Iterator[tuple[str, str]]:
    yield "visit_start", "{}"
    if before is not None:
        days = (visitor.last_seen - before.last_seen) // DAY
        yield "repeat_visit", properties({"visit_number": visitor.number, "days_since_last": days})


def _where(ctx: PrivacyContext) -> tuple[str, str, str]:
    """``(page, previous, referrer)`` of the page being served."""
    environ, site = ctx.environ, ctx.runtime
    personal = site.pages.is_logged_in(ctx.request)
    root = environ.get("SCRIPT_NAME", "")
    page = ctx.page if ctx.page is not None else site.pages.name(ctx.request, root, personal)
    previous, referrer = "", ""
    if "HTTP_REFERER" in environ and ctx.page is None:
        previous, referrer = split_referrer(environ["HTTP_REFERER"][:_LONGEST_REFERRER], ctx.request.host)
        previous = previous and site.pages.name_of_previous(previous, root, personal)
        if previous and environ["REQUEST_METHOD"] != "GET":  # a form's address is no page: it was sent from one
            page, previous = previous, ""
    return page, previous, referrer


def _client_fields(ctx: PrivacyContext) -> tuple[str, str, str, str]:
    """``(browser, platform, provider, network)`` of who asks."""
    address = ctx.environ.get("REMOTE_ADDR", "")
    client = client_of(ctx.environ.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT])
    return client.browser, client.platform, ctx.runtime.providers(address), network_of(address)
