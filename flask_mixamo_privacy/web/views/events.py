"""Where the tracker reports what happened on a page; a 204 says that the log has it."""

from __future__ import annotations

from flask import Response, current_app, jsonify
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from ...errors import LogUnavailable, ReportError
from ...tracking.intake import MOST_BYTES
from ..counting import write_reported
from ..current import Exchange, exchange
from ..origin import is_same_origin
from ..whereabouts import no_store
from .blueprint import pages

_NOT_FROM_HERE = "These events did not come from a page of this site, so nothing was recorded."
_NOT_GRANTED = "The visitor has not allowed statistics, so nothing was recorded."
_NOT_THEIRS = "These events are from before a withdrawal, so nothing was recorded."
_TOO_LARGE = f"The body is too large, so nothing was recorded; allowed: {MOST_BYTES} bytes at most."
_TOO_MANY = "Too many reports from one visitor, so nothing was recorded. Try again later."
_LOG_AWAY = "The log could not be written, so nothing was recorded. Try again later."


@pages.post("/events", endpoint="events")
def post() -> AnyResponse:
    here = exchange()
    if not is_same_origin(here.request):
        return _refusal(403, _NOT_FROM_HERE)
    if "statistics" not in here.consent.granted:
        return _refusal(403, _NOT_GRANTED)
    if _is_of_another(here):
        return _refusal(403, _NOT_THEIRS)
    if here.visitor is None:  # a robot, or a page that nobody may ever see
        return _taken()
    if wait := here.site.allowance.wait(here.receipt, here.now):
        response = _refusal(429, _TOO_MANY)
        response.headers["Retry-After"] = str(wait)
        return response
    return _take(here)


def _is_of_another(here: Exchange) -> bool:
    """Whether a tab reports what it kept for a visitor who has withdrawn, and granted anew elsewhere."""
    known, told = here.known_visitor(), here.request.args.get("for")
    return known is not None and bool(told) and told != known.mark


def _take(here: Exchange) -> AnyResponse:
    # One byte more than is taken: of a body without a declared length, Werkzeug silently reads no more than this.
    here.request.max_content_length = MOST_BYTES + 1
    try:
        body = here.request.get_data(cache=False)
        write_reported(here, here.site.reader(*_naming(here)).read(body, here.now))
    except RequestEntityTooLarge:
        return _refusal(413, _TOO_LARGE)
    except ReportError as error:
        return _refusal(error.status, str(error))
    except LogUnavailable as error:
        current_app.logger.error("Reported events could not be recorded: %s", error, exc_info=error)
        return _refusal(503, _LOG_AWAY)
    return _taken()


def _naming(here: Exchange) -> tuple[str, str, bool, bool, int]:
    """All that decides how the pages of a report are named."""
    names = here.site.pages
    try:
        personal = names.somebody_is_logged_in(here.request)
    except Exception as error:  # the site's own callable must not cost a visitor's events
        here.site.failed(error)
        personal = True
    return here.request.host, here.environ.get("SCRIPT_NAME", ""), personal, names.has_login, names.state


def _taken() -> Response:
    return no_store(Response(status=204))


def _refusal(status: int, sentence: str) -> Response:
    response = jsonify(message=sentence)
    response.status_code = status
    return no_store(response)
