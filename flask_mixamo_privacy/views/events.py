"""Where the tracker reports what happened on a page; a 204 says that the log has it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from flask import Blueprint, Response, current_app, jsonify
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from ..counting import write_reported
from ..current import Exchange, exchange
from ..errors import LogUnavailable, ReportError
from ..pages import Pages
from ..tracking.allowance import Allowance
from ..tracking.intake import MOST_BYTES, Reader
from ..whereabouts import no_store
from .origin import is_same_origin

_READERS = 16  # of different hosts and the like; any client may say what it likes as its Host

_NOT_FROM_HERE = "These events did not come from a page of this site, so nothing was recorded."
_NOT_GRANTED = "The visitor has not allowed statistics, so nothing was recorded."
_NOT_THEIRS = "These events are from before a withdrawal, so nothing was recorded."
_TOO_LARGE = f"The body is too large, so nothing was recorded; allowed: {MOST_BYTES} bytes at most."
_TOO_MANY = "Too many reports from one visitor, so nothing was recorded. Try again later."
_LOG_AWAY = "The log could not be written, so nothing was recorded. Try again later."


def add_to(pages: Blueprint) -> None:
    allowance, reader = Allowance(), lru_cache(maxsize=_READERS)(_reader)
    pages.add_url_rule("/events", endpoint="events", view_func=lambda: _post(allowance, reader), methods=["POST"])


def _post(allowance: Allowance, reader: Callable[..., Reader]) -> AnyResponse:
    here = exchange()
    if not is_same_origin(here.request):
        return _refusal(403, _NOT_FROM_HERE)
    if "statistics" not in here.consent.granted:
        return _refusal(403, _NOT_GRANTED)
    if _is_of_another(here):
        return _refusal(403, _NOT_THEIRS)
    if here.visitor is None:  # a robot, or a page that nobody may ever see
        return _taken()
    if wait := allowance.wait(here.receipt, here.now):
        response = _refusal(429, _TOO_MANY)
        response.headers["Retry-After"] = str(wait)
        return response
    return _take(here, reader)


def _is_of_another(here: Exchange) -> bool:
    """Whether a tab reports what it kept for a visitor who has withdrawn, and granted anew elsewhere."""
    known, told = here.known_visitor(), here.request.args.get("for")
    return known is not None and bool(told) and told != known.mark


def _take(here: Exchange, reader: Callable[..., Reader]) -> AnyResponse:
    # One byte more than is taken: of a body without a declared length, Werkzeug silently reads no more than this.
    here.request.max_content_length = MOST_BYTES + 1
    try:
        body = here.request.get_data(cache=False)
        write_reported(here, reader(*_naming(here)).read(body, here.now))
    except RequestEntityTooLarge:
        return _refusal(413, _TOO_LARGE)
    except ReportError as error:
        return _refusal(error.status, str(error))
    except LogUnavailable as error:
        current_app.logger.error("Reported events could not be recorded: %s", error, exc_info=error)
        return _refusal(503, _LOG_AWAY)
    return _taken()


def _naming(here: Exchange) -> tuple[Pages, str, str, bool, bool, int]:
    """All that decides how the pages of a report are named."""
    pages = here.site.pages
    try:
        personal = pages.somebody_is_logged_in(here.request)
    except Exception as error:  # the site's own callable must not cost a visitor's events
        here.site.failed(error)
        personal = True
    return pages, here.request.host, here.environ.get("SCRIPT_NAME", ""), personal, pages.has_login, pages.state


def _reader(pages: Pages, host: str, root: str, personal: bool, *_: object) -> Reader:
    return Reader(host, lambda path: pages.reported(path, root, personal))


def _taken() -> Response:
    return no_store(Response(status=204))


def _refusal(status: int, sentence: str) -> Response:
    response = jsonify(message=sentence)
    response.status_code = status
    return no_store(response)
