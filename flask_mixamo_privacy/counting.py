"""From a request to lines in the log: is it a page view, does a visit start, where was it."""

from __future__ import annotations

from collections.abc import Iterator

from werkzeug.wrappers import Response

from .current import Exchange
from .errors import LogUnavailable
from .tracking.addresses import network_of, split_referrer
from .tracking.client import LONGEST, client_of
from .tracking.events import collect, new_id, properties, scene
from .tracking.visits import Visitor, start_id

_DAY = 86400
_LONGEST_REFERRER = 2000  # characters; what is remembered of requests has to have a bound


def looks_like_a_page(environ: dict[str, str], response: Response) -> bool:
    """Whether this is an HTML page that a browser shows as such: the cheap part of the question."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and response.status_code in (200, 304)
        and (response.content_type or "").startswith("text/html")
        and environ.get("HTTP_SEC_FETCH_DEST", "document") == "document"
    )


def is_page_view(here: Exchange, response: Response) -> bool:
    """Whether to count a page view: a page of the site's own, opened by a person."""
    endpoint = here.request.endpoint
    return (
        looks_like_a_page(here.environ, response)
        and endpoint is not None
        and not endpoint.startswith("mixamo_privacy.")
        and endpoint != "static"
        and not endpoint.endswith(".static")
        and not here.prefetched
        and here.site.pages.naming(endpoint) != "never"
    )


def record(here: Exchange, kind: str, data: str) -> None:
    """Note an event for the end of the request, or log it now if that is past, as in a streamed body."""
    here.pending.append((kind, data))
    if here.sent and here.visitor_before is not None:
        try:
            write_events(here)
        except LogUnavailable as error:
            here.site.failed(error)


def write_events(here: Exchange) -> None:
    """Log what is pending, with the start of the visit if it starts; raises :class:`LogUnavailable`."""
    pending, here.pending = here.pending, []
    visitor = here.visitor
    if visitor is not None and pending:
        lines = "".join(_lines(here, visitor, pending))
        if lines:
            here.site.append(lines)


def _lines(here: Exchange, visitor: Visitor, pending: list[tuple[str, str]]) -> Iterator[str]:
    granted, now, name, visit, where = here.consent.granted, here.now, visitor.id, visitor.visit, _scene(here)
    for kind, data in _starts(visitor, here.visitor_before):
        yield collect(granted, kind, start_id(visit, kind), now, name, visit, where, data)
    for kind, data in pending:
        yield collect(granted, kind, new_id(), now, name, visit, where, data if "data" in here.site.log_fields else "{}")
    here.visitor_before = visitor  # what comes later in this request starts nothing any more


def _starts(visitor: Visitor, before: Visitor | None) -> Iterator[tuple[str, str]]:
    if before is not None and before.number == visitor.number:
        return
    yield "visit_start", "{}"
    if before is not None:
        days = (visitor.last_seen - before.last_seen) // _DAY
        yield "repeat_visit", properties({"visit_number": visitor.number, "days_since_last": days})


def _scene(here: Exchange) -> str:
    environ, site = here.environ, here.site
    personal = site.pages.somebody_is_logged_in(here.request)
    address = environ.get("REMOTE_ADDR", "")
    client = client_of(environ.get("HTTP_USER_AGENT", "")[:LONGEST])
    root = environ.get("SCRIPT_NAME", "")
    page = here.page if here.page is not None else site.pages.name(here.request, root, personal)
    previous, referrer = "", ""
    if "HTTP_REFERER" in environ and here.page is None:
        previous, referrer = split_referrer(environ["HTTP_REFERER"][:_LONGEST_REFERRER], here.request.host)
        previous = previous and site.pages.previous(previous, root, personal)
        if previous and environ["REQUEST_METHOD"] != "GET":  # a form's address is no page: it was sent from one
            page, previous = previous, ""
    provider = site.providers(address)
    return scene(site.log_fields, page, previous, referrer, client.browser, client.platform, provider, network_of(address))
