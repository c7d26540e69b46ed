"""Unsubscribing by a link, or with one click in a mail program (RFC 8058)."""

from __future__ import annotations

from flask import make_response, request
from werkzeug.wrappers import Response

from ...errors import LedgerUnavailable, RightsUnavailable
from ..context import current_runtime, privacy_context
from ..http import no_store, problem_json, wants_json
from ..rendering import render
from . import pages

# Sentences of the catalogues.
NOT_SAVED = "Your request could not be saved just now. Please try again in a moment."
DAMAGED = "This link is incomplete, so we cannot tell who you are. You can unsubscribe in another way:"


@pages.get("/unsubscribe/<token>", endpoint="unsubscribe", strict_slashes=False)
def unsubscribe_page(token: str) -> Response:
    """Show a page with a button, or another way to unsubscribe if the link is damaged.

    It changes nothing, because mail scanners open every link.
    """
    from ...mail.unsubscribe import is_damaged

    return _unsubscribe_answer("damaged", 400) if is_damaged(token) else _unsubscribe_answer("asked")


@pages.post("/unsubscribe/<token>", endpoint="stop", strict_slashes=False)
def unsubscribe(token: str) -> Response:
    """Unsubscribe, or undo that. The token suffices, without a cookie and without an origin check.

    A mail provider posts ``List-Unsubscribe=One-Click`` with neither session nor ``Origin``, and follows no redirect. An
    invalid token gets the same response, also while the database is unreachable. So a response reveals no valid token.
    A token of the wrong length is a damaged link, and its person learns that.
    """
    from ...mail.preferences import BY_LINK
    from ...mail.unsubscribe import is_damaged

    runtime = current_runtime()
    try:
        marketing, undoes = runtime.mail.marketing, "undo" in request.form
        unsubscribe_token = marketing.tokens.read(token)
        if unsubscribe_token is None and is_damaged(token):
            return _unsubscribe_answer("damaged", 400)
        if unsubscribe_token is None:
            marketing.touch()
        elif undoes:
            marketing.undo(unsubscribe_token)
        else:
            marketing.opt_out_by(unsubscribe_token, BY_LINK)
    except (RightsUnavailable, LedgerUnavailable, OSError) as error:
        runtime.report_failure(error, raise_in_tests=False)
        return _unsubscribe_answer("failed", 503)  # the mail provider tries again
    return _unsubscribe_answer("undone" if undoes else "stopped")


def _unsubscribe_answer(state: str, status: int = 200) -> Response:
    t = privacy_context().language
    policy, shown = current_runtime().policy, {"state": state, "failed": NOT_SAVED, "damaged": DAMAGED}
    if status >= 400 and wants_json():
        return problem_json(status, t(NOT_SAVED if state == "failed" else DAMAGED).text)
    page = render("unsubscribe.html", t=t, policy=policy, **shown)
    response = no_store(make_response(page, status))
    response.headers["Referrer-Policy"] = "no-referrer"  # the URL contains a token
    response.headers["X-Robots-Tag"] = "noindex"
    return response
