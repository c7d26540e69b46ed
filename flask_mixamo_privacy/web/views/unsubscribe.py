"""Unsubscribing by the link in a mail, or by the one click that a mail program offers (RFC 8058)."""

from __future__ import annotations

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from ...errors import LedgerUnavailable, RightsUnavailable
from ..current import exchange
from ..site import site
from ..whereabouts import no_store
from .blueprint import pages

NOT_WRITTEN = "Your request could not be written down just now. Please try again in a moment."

_LARGEST = 16 * 1024  # bytes


@pages.get("/unsubscribe/<token>", endpoint="unsubscribe")
def ask(token: str) -> Response:
    """A page with a button; it changes nothing, for programs open every link in a mail, and it knows no token."""
    return _page("asked")


@pages.post("/unsubscribe/<token>", endpoint="stop")
def stop(token: str) -> Response:
    """Unsubscribe, or take it back: whoever has the token may, from wherever they send it, without a cookie.

    A mail provider posts ``List-Unsubscribe=One-Click`` with neither session nor ``Origin``. The answer is the same for
    a token that we did not make, also while the database is away, so that nobody learns which are good; a redirect would
    not be followed.
    """
    request.max_content_length = _LARGEST
    here = site()
    try:
        marketing, undoes = here.mail.marketing, "undo" in request.form
        bearer = marketing.tokens.read(token)
        if bearer is None:
            marketing.touch()
        elif undoes:
            marketing.undo(bearer)
        else:
            marketing.opt_out_by(bearer, "link")
    except (RightsUnavailable, LedgerUnavailable, OSError) as error:
        here.failed(error, tell_tests=False)
        return _page("failed", 503)  # the mail provider tries again
    return _page("undone" if undoes else "stopped")


def _page(state: str, status: int = 200) -> Response:
    t = exchange().language
    page = render_template("mixamo_privacy/unsubscribe.html", t=t, state=state, failed=NOT_WRITTEN)
    response = no_store(make_response(page, status))
    response.headers["Referrer-Policy"] = "no-referrer"  # the address of the page is a key
    response.headers["X-Robots-Tag"] = "noindex"
    return response
