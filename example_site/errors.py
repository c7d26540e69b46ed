"""Error pages."""

from __future__ import annotations

from flask import Flask, render_template
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

_TEXTS = {
    403: ("This came from somewhere else", "The form was not sent by a page of this shop; nothing was done."),
    404: ("Nothing moves here", "There is no page at this address. It may have been renamed, or mistyped."),
    405: ("That does not work here", "This address expects a form, not a visit."),
    500: ("A missed step", "Something went wrong on our side. Please try again in a moment."),
}
_DEFAULT_TEXT = ("That did not work", "The shop could not make sense of this request.")


def init_app(app: Flask) -> None:
    """Answer every error of the app with a page in the shop's layout."""
    app.register_error_handler(HTTPException, _page)


def _page(error: HTTPException) -> Response:
    response = error.get_response()  # keeps headers such as Allow
    if error.response is not None:  # the error has a page of its own, such as NotCollected
        return response
    title, text = _TEXTS.get(response.status_code, _DEFAULT_TEXT)
    response.set_data(render_template("error.html", code=response.status_code, title=title, text=text))
    response.content_type = "text/html; charset=utf-8"
    return response
