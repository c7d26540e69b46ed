"""What a person may ask for: the form, the link that confirms it, and the page with the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import RequestError, RightsUnavailable
from ...policy.policy import Requests
from ..current import exchange
from ..origin import FORM_NOT_FROM_HERE, is_same_origin
from ..site import site
from ..whereabouts import base_of_request, no_store, wants_json
from .blueprint import pages

if TYPE_CHECKING:
    from ...rights.desk import Desk

# Sentences of the catalogues. The first is the answer to everybody, whether the address is known or not.
SENT = "A mail with a link is on its way to the address you gave. Open it to confirm that it was you."
NO_KIND = "Please choose what you ask for."
NO_ADDRESS = "Please give a mail address, so that we can answer."
TOO_LONG = "Please be shorter: up to 5000 characters."
PATIENCE = "Many requests are coming in just now. Please try again in an hour, or write to us."
NOT_WRITTEN = "Your request could not be written down just now. Please try again in a moment."
OVER = "This link has been used, or is no longer valid."

_WRONG = {"kind": NO_KIND, "email": NO_ADDRESS, "message": TOO_LONG}
_LARGEST = 64 * 1024  # bytes


@pages.get("/requests", endpoint="requests")
def form() -> Response:
    """The form, or the thanks for it."""
    return _form(SENT if "sent" in request.args else None)


@pages.post("/requests", endpoint="ask")
def ask() -> Response:
    """Write a request down. The answer, and the work done for it, are the same for every address."""
    request.max_content_length = _LARGEST
    here, desk = exchange(), _desk()
    if not is_same_origin(request):
        return _form(FORM_NOT_FROM_HERE, 403)
    fields = _fields()
    asked = {name: _text(fields.get(name)) for name in ("kind", "email", "message")}
    try:
        if desk.is_flooded():
            return _form(PATIENCE, 429, asked)
        desk.open(**asked, locale=here.language.code, base=base_of_request(), source="form")
    except RequestError as error:
        return _form(_WRONG[error.what], 400, asked)
    except RightsUnavailable as error:
        here.site.failed(error, tell_tests=False)
        return _form(NOT_WRITTEN, 503, asked)
    here.site.wake()
    return _form(SENT, 202) if wants_json() else redirect(url_for("mixamo_privacy.requests", sent=""), 303)


@pages.route("/requests/confirm/<token>", endpoint="confirm_request", methods=["GET", "POST"])
def confirm(token: str) -> Response:
    """A page with a button, which changes nothing: programs that open every link in a mail confirm nothing."""
    desk = _desk()
    if request.method != "POST":
        asked = desk.asked_by(token)
        return _page("request_confirm.html", 200 if asked else 410, asked=asked, confirmed=False)
    if not is_same_origin(request):
        return _form(FORM_NOT_FROM_HERE, 403)
    asked = desk.confirm(token)
    return _page("request_confirm.html", 200 if asked else 410, asked=asked, confirmed=True)


@pages.route("/requests/answer/<token>", endpoint="read_answer", methods=["GET", "POST"])
def answer(token: str) -> Response:
    """What is stored about whoever has the link: after a button, for the same reason."""
    desk = _desk()
    if request.method != "POST" or not is_same_origin(request):
        return _page("request_answer.html", 200 if desk.may_read(token) else 410, good=desk.may_read(token), found=None)
    read = desk.read(token)
    if read is None:
        return _page("request_answer.html", 410, good=False, found=None)
    asked, found = read
    if "file" in request.form or wants_json():
        response = no_store(jsonify(found))
        response.headers["Content-Disposition"] = f'attachment; filename="request-{asked.number}.json"'
        return response
    return _page("request_answer.html", good=True, found=found, asked=asked)


def _fields() -> Any:
    """What was sent: by the form, or as JSON by a program."""
    sent = request.get_json(silent=True) if request.is_json else request.form
    return sent if hasattr(sent, "get") else {}


def _text(sent: object) -> str:
    """What was sent, as a text that can be written: JSON may hold half a character."""
    return str(sent or "").encode(errors="replace").decode()


def _form(message: str | None, status: int = 200, asked: dict[str, str] | None = None) -> Response:
    t = exchange().language
    if message is not None and wants_json():
        response = no_store(jsonify(message=t(message).text))
        response.status_code = status
        return response
    from ...rights.book import KINDS
    from ...rights.letters import kind_of

    shown = {"kinds": [(kind, kind_of(kind, t)) for kind in KINDS], "days": (site().policy.requests or Requests()).days}
    return _page("request_form.html", status, message=message, is_error=status >= 400, asked=asked or {}, **shown)


def _page(template: str, status: int = 200, **values: Any) -> Response:
    from ...rights.letters import kind_of

    t = exchange().language
    page = render_template(f"mixamo_privacy/{template}", t=t, policy=site().policy, kind_of=kind_of, **values)
    response = no_store(make_response(page, status))
    response.headers["Referrer-Policy"] = "no-referrer"  # the address of a page may be a key
    return response


def _desk() -> Desk:
    return site().rights.desk
