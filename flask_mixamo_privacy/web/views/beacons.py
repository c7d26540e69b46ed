"""Where the tracker reports what happened on a page; a 204 says that the log has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from ...errors import LogUnavailable, ReportError
from ...policy.parts import host_of
from ...storage.clock import timestamp
from ...tracking.ingest import MOST_BYTES
from ..context import PrivacyContext, privacy_context
from ..csp import BlockedLoad
from ..http import is_same_origin, no_store
from ..page_views import log_browser_events
from . import pages

# Where browsers report what the Content-Security-Policy made them refuse.

_LARGEST = 64 * 1024  # bytes
_DIRECTIVE = re.compile(r"[a-z-]{1,40}")
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,100}")
_OF_EXTENSIONS = re.compile(r"[a-z-]*extension\b")  # chrome-extension, moz-extension, safari-web-extension

Json = dict[str, Any]


@pages.post("/csp-report", endpoint="csp_report")
def report() -> Response:
    """Note what was refused; 204 whatever it says, for a browser does not read the answer. 413 for too much of it."""
    request.max_content_length = _LARGEST
    ctx = privacy_context()
    for refused in _refusals(_body()):
        block = _block(timestamp(ctx.now)[:10], refused)
        if block is not None:
            try:
                ctx.runtime.blocked_loads.record(block)
            except OSError as error:
                ctx.runtime.report_failure(error)
    return Response(status=204)


def _body() -> object:
    try:
        return request.get_json(force=True, silent=True)
    except RecursionError:  # thousands of lists, one in the other
        return None


def _refusals(body: object) -> Iterator[Json]:
    """What a body tells: in the form of ``report-uri``, or of the Reporting API."""
    if isinstance(body, dict) and isinstance(body.get("csp-report"), dict):
        yield body["csp-report"]
    for item in body[:20] if isinstance(body, list) else ():
        if isinstance(item, dict) and item.get("type") == "csp-violation" and isinstance(item.get("body"), dict):
            yield item["body"]


def _block(day: str, said: Json) -> BlockedLoad | None:
    directive = _text(said, "effective-directive", "effectiveDirective", "violated-directive")
    blocked = _text(said, "blocked-uri", "blockedURL")
    source = _text(said, "source-file", "sourceFile")
    host = host_of(blocked) or blocked
    directive = directive.partition(" ")[0]
    if _OF_EXTENSIONS.match(blocked) or _OF_EXTENSIONS.match(source):
        return None  # what a visitor installed is no matter of the site's
    if not (_DIRECTIVE.fullmatch(directive) and _HOST.fullmatch(host)):
        return None
    return BlockedLoad(day, directive, host, _rule(_text(said, "document-uri", "documentURL")))


def _text(said: Json, *names: str) -> str:
    """What is said under the first of these names that has a text; the names differ by browser and by form."""
    return next((found for name in names if (found := said.get(name)) and isinstance(found, str)), "")


def _rule(address: str) -> str:
    """The page by its URL rule, never by its path: who reports has granted nothing."""
    root = request.root_path
    return privacy_context().runtime.pages.rule_of(_split(address).path.removeprefix(root))


def _split(address: str) -> Any:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


_NOT_FROM_HERE = "These events did not come from a page of this site, so nothing was recorded."
_NOT_GRANTED = "The visitor has not allowed statistics, so nothing was recorded."
_NOT_THEIRS = "These events are from before a withdrawal, so nothing was recorded."
_TOO_LARGE = f"The body is too large, so nothing was recorded; allowed: {MOST_BYTES} bytes at most."
_TOO_MANY = "Too many reports from one visitor, so nothing was recorded. Try again later."
_LOG_AWAY = "The log could not be written, so nothing was recorded. Try again later."


@pages.post("/events", endpoint="events")
def post() -> AnyResponse:
    ctx = privacy_context()
    if not is_same_origin(ctx.request):
        return _refusal(403, _NOT_FROM_HERE)
    if "statistics" not in ctx.consent.granted:
        return _refusal(403, _NOT_GRANTED)
    if _is_of_another(ctx):
        return _refusal(403, _NOT_THEIRS)
    if ctx.visitor is None:  # a robot, or a page that nobody may ever see
        return _taken()
    if wait := ctx.runtime.rate_limit.retry_after(ctx.receipt, ctx.now):
        response = _refusal(429, _TOO_MANY)
        response.headers["Retry-After"] = str(wait)
        return response
    return _take(ctx)


def _is_of_another(ctx: PrivacyContext) -> bool:
    """Whether a tab reports what it kept for a visitor who has withdrawn, and granted anew elsewhere."""
    known, told = ctx.known_visitor(), ctx.request.args.get("for")
    return known is not None and bool(told) and told != known.tag


def _take(ctx: PrivacyContext) -> AnyResponse:
    # One byte more than is taken: of a body without a declared length, Werkzeug silently reads no more than this.
    ctx.request.max_content_length = MOST_BYTES + 1
    try:
        body = ctx.request.get_data(cache=False)
        log_browser_events(ctx, ctx.runtime.event_parser(*_naming(ctx)).read(body, ctx.now))
    except RequestEntityTooLarge:
        return _refusal(413, _TOO_LARGE)
    except ReportError as error:
        return _refusal(error.status, str(error))
    except LogUnavailable as error:
        current_app.logger.error("Reported events could not be recorded: %s", error, exc_info=error)
        return _refusal(503, _LOG_AWAY)
    return _taken()


def _naming(ctx: PrivacyContext) -> tuple[str, str, bool, bool, int]:
    """All that decides how the pages of a report are named."""
    names = ctx.runtime.pages
    try:
        personal = names.is_logged_in(ctx.request)
    except Exception as error:  # the site's own callable must not cost a visitor's events
        ctx.runtime.report_failure(error)
        personal = True
    return ctx.request.host, ctx.environ.get("SCRIPT_NAME", ""), personal, names.has_login, names.revision


def _taken() -> Response:
    return no_store(Response(status=204))


def _refusal(status: int, sentence: str) -> Response:
    response = jsonify(message=sentence)
    response.status_code = status
    return no_store(response)
