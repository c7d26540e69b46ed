"""Reports from browsers: the tracker's events, and loads that the Content-Security-Policy blocked."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, jsonify, make_response, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from ...errors import LogFull, LogUnavailable, ReportError
from ...policy.parts import host_of
from ...storage.clock import timestamp
from ...storage.failures import log_failure
from ...storage.memory import BoundedCache
from ...tracking.ingest import MOST_BYTES, limited_network
from ..context import USER, PrivacyContext, privacy_context
from ..csp import DIRECTIVES, BlockedLoad
from ..http import consent_url, is_same_origin, no_store, problem_json, wants_json
from ..limits import MOST_BYTES as MOST_BYTES_OF_A_REPORT
from ..limits import json_body, limit_body
from ..page_views import log_browser_events
from . import pages

# Violation reports of the Content-Security-Policy.

_LONGEST = 2000  # characters of an address
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,100}")
_OF_EXTENSIONS = re.compile(r"[a-z-]*extension\b")  # chrome-extension, moz-extension, safari-web-extension

Json = dict[str, Any]


@pages.post("/csp-report", endpoint="csp_report")
def report() -> Response:
    """Record blocked loads. Answers 204 to any report, because browsers ignore the response, and 413 if it is too large.

    Reads nothing from another site's page, and nothing at all if the site sends no policy of ours.
    """
    ctx = privacy_context()
    if ctx.runtime.csp is None or not is_same_origin(request):
        return Response(status=204)
    limit_body(request, MOST_BYTES_OF_A_REPORT)
    network = limited_network(ctx.environ.get("REMOTE_ADDR", ""))
    for violation in _violations(json_body(request, force=True)):
        blocked = _blocked_load(timestamp(ctx.now)[:10], violation)
        if blocked is not None:
            try:
                ctx.runtime.blocked_loads.record(blocked, network)
            except OSError as error:
                ctx.runtime.report_failure(error)
    return Response(status=204)


def _violations(body: object) -> Iterator[Json]:
    """Yield the violations in a body, in the format of ``report-uri`` or of the Reporting API."""
    if isinstance(body, dict) and isinstance(body.get("csp-report"), dict):
        yield body["csp-report"]
    for item in body[:20] if isinstance(body, list) else ():
        if isinstance(item, dict) and item.get("type") == "csp-violation" and isinstance(item.get("body"), dict):
            yield item["body"]


def _blocked_load(day: str, violation: Json) -> BlockedLoad | None:
    directive = _text(violation, "effective-directive", "effectiveDirective", "violated-directive")
    blocked = _text(violation, "blocked-uri", "blockedURL")
    source = _text(violation, "source-file", "sourceFile")
    host = host_of(blocked) or blocked
    directive = directive.partition(" ")[0]
    if _OF_EXTENSIONS.match(blocked) or _OF_EXTENSIONS.match(source):
        return None  # the site is not responsible for the visitor's browser extensions
    if not (directive in DIRECTIVES and _HOST.fullmatch(host)):
        return None
    return BlockedLoad(day, directive, host, _rule(_text(violation, "document-uri", "documentURL")))


def _text(violation: Json, *names: str) -> str:
    """Return the first of these fields that has a text. Field names differ by browser and by format."""
    return next((text[:_LONGEST] for name in names if (text := violation.get(name)) and isinstance(text, str)), "")


def _rule(address: str) -> str:
    """Return the URL rule of a page, never its path, because the visitor may have granted nothing."""
    return privacy_context().runtime.pages.rule_of(_split(address).path, request.root_path)


def _split(address: str) -> Any:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


_NOT_FROM_HERE = "These events did not come from a page of this site, so nothing was recorded."
_NOT_GRANTED = "The visitor has not allowed statistics, so nothing was recorded."
_BEFORE_WITHDRAWAL = "These events are from before a withdrawal, so nothing was recorded."
_TOO_LARGE = f"The body is too large, so nothing was recorded; allowed: at most {MOST_BYTES} bytes."
_TOO_MANY = "Too many reports from this visitor or network, so nothing was recorded. Try again later."
_LOG_FULL = "The log is full, so nothing was recorded. Try again later."
_UNTIL_LOADED = 60  # seconds; a full log needs a load
_LOG_UNAVAILABLE = "The log could not be written, so nothing was recorded. Try again later."


# The tracker's events. A 204 means that the events are in the log.


@pages.post("/events", endpoint="events")
def post() -> AnyResponse:
    """Log the tracker's events, if the visitor currently allows statistics."""
    ctx = privacy_context()
    if not is_same_origin(ctx.request):
        return _refusal(403, _NOT_FROM_HERE)
    if "statistics" not in ctx.consent.granted:
        return _refusal(403, _NOT_GRANTED)
    if _is_of_earlier_visitor(ctx):
        return _refusal(403, _BEFORE_WITHDRAWAL)
    if ctx.visitor is None:  # a robot or a prefetch
        return _accepted()
    network = limited_network(ctx.environ.get("REMOTE_ADDR", ""))
    if wait := ctx.runtime.rate_limit.retry_after(ctx.visitor.id, time.time(), network):
        return _too_many(ctx, wait, _TOO_MANY)
    return _log_events(ctx, network)


def _is_of_earlier_visitor(ctx: PrivacyContext) -> bool:
    """Return whether an open tab sends events of an earlier ID of this visitor, who has withdrawn and granted again."""
    known, tag = ctx.known_visitor(), _tag(ctx).removesuffix(USER)
    return known is not None and bool(tag) and tag != known.tag


def _tag(ctx: PrivacyContext) -> str:
    """Return the visitor tag of the page that reports; empty if there is none."""
    return ctx.request.args.get("for", "") if ctx.environ.get("QUERY_STRING") else ""


def _too_many(ctx: PrivacyContext, wait: int, message: str) -> AnyResponse:
    """Count the report as refused, and answer 429 with the seconds to wait."""
    ctx.runtime.count_refused(message)
    response = _refusal(429, message)
    response.headers["Retry-After"] = str(wait)
    return response


def _log_events(ctx: PrivacyContext, network: str) -> AnyResponse:
    try:
        body = limit_body(ctx.request, MOST_BYTES)
        events = ctx.runtime.event_parser(*_naming(ctx)).read(body, ctx.now)
        ctx.runtime.rate_limit.count_events(len(events), time.time(), network)
        log_browser_events(ctx, events)
    except RequestEntityTooLarge:
        return _refusal(413, _TOO_LARGE)
    except ReportError as error:
        return _refusal(error.status, str(error))
    except LogFull:
        return _too_many(ctx, _UNTIL_LOADED, _LOG_FULL)
    except LogUnavailable as error:
        log_failure("Reported events could not be recorded", error, log=current_app.logger)
        return _refusal(503, _LOG_UNAVAILABLE)
    return _accepted()


def _naming(ctx: PrivacyContext) -> tuple[str, str, bool, bool, int]:
    """Return what decides how the pages of events are named."""
    page_names = ctx.runtime.pages
    personal = _tag(ctx).endswith(USER) or ctx.is_logged_in
    return _browsers_host(ctx), ctx.request.root_path, personal, page_names.has_login, page_names.revision


def _browsers_host(ctx: PrivacyContext) -> str:
    """Return the site's host in the browser's address bar, which ``Host`` behind a proxy may not be.

    The origin was checked, so it is this site's, unless a person sent the request without a page.
    """
    is_ours = ctx.environ.get("HTTP_SEC_FETCH_SITE") != "none"
    return (is_ours and _host_of(ctx.environ.get("HTTP_ORIGIN", ""))) or ctx.request.host


_host_of = BoundedCache(host_of, 64)


def _accepted() -> Response:
    response = Response(status=204)
    response.headers.add("Cache-Control", "no-store")
    return response


def _refusal(status: int, message: str) -> AnyResponse:
    """Return an error as JSON: a problem for a client that asks for JSON, otherwise only a message, for the tracker."""
    if wants_json():
        return problem_json(status, message, consent_url=consent_url())
    return no_store(make_response(jsonify(message=message), status))
