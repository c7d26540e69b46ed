"""Data subject requests: the form, its confirmation and the answer."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import jsonify, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from ...errors import KeyMissing, LedgerUnavailable, RightsUnavailable
from ...policy.parts import Requests
from ...storage.clock import today
from ...storage.keys import is_email, normalise_subject
from ...tracking.ingest import limited_network
from ..context import current_runtime, privacy_context
from ..http import FORM_NOT_FROM_HERE, base_url, is_same_origin, no_store, problem_json, wants_json
from ..limits import json_body
from ..problems import NOT_SIGNED_UP, make_problem
from ..rendering import render
from . import pages

if TYPE_CHECKING:
    from ...mail.unconfirmed import UnconfirmedOptIn
    from ...rights.letters import Described
    from ...rights.requests import RequestService


# Sentences of the catalogues. SENT is the response to every address, so that it does not reveal which ones are known.
SENT = "We have sent an e-mail to the address you gave. Open the link in it to confirm that the request is yours."
NO_KIND = "Please choose what you would like us to do."
NO_ADDRESS = "Please enter your e-mail address, so that we can answer."
TOO_LONG = "Please shorten your message to 5,000 characters."
PATIENCE = "We are receiving many requests at the moment. Please try again in an hour, or write to us."
NOT_WRITTEN = "Your request could not be saved just now. Please try again in a moment."
NO_MAIL = "This form does not work at the moment, because this site cannot send e-mail."
OVER = "This link has already been used, or it has expired."
SIGNED_UP = "Thank you. You are signed up: %(title)s."

#: The ids of the form's elements.
_IDS = {"kind": "mixamo-kind", "email": "mixamo-email", "message": "mixamo-text"}


@pages.get("/requests", endpoint="requests")
def form() -> Response:
    """Show the form, or a message that it was sent."""
    return _form(SENT if "sent" in request.args else None)


@pages.post("/requests", endpoint="ask")
def ask() -> Response:
    """Store a request. The response, and the work done for it, are the same for every address."""
    from ...rights.limits import LimitExceeded

    ctx, service = privacy_context(), _requests()
    if not is_same_origin(request):
        return _form(FORM_NOT_FROM_HERE, 403)
    fields, address = _fields(), _address()
    asked = {name: _text(fields.get(name)) for name in ("kind", "email", "message")}
    if wrong := _wrong_fields(**asked):
        return _form(next(iter(wrong.values())), 400, asked, wrong)
    try:
        origin = {"locale": ctx.language.code, "base": base_url(), "source": "form"}
        service.open(**asked, **origin, sent_from=address)
    except LimitExceeded:
        return _form(PATIENCE, 429, asked)
    except RightsUnavailable as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return _form(NOT_WRITTEN, 503, asked)
    ctx.runtime.wake()
    return _form(SENT, 202) if wants_json() else redirect(url_for("mixamo_privacy.requests", sent=""), 303)


def _wrong_fields(kind: str, email: str, message: str) -> dict[str, str]:
    """Return what is wrong with each field, so that the visitor can correct all of them at once."""
    from ...rights.request_store import KINDS
    from ...rights.requests import LONGEST_MESSAGE

    wrong = {
        "kind": "" if kind in KINDS else NO_KIND,
        "email": "" if is_email(normalise_subject(email)) else NO_ADDRESS,
        "message": TOO_LONG if len(message.strip()) > LONGEST_MESSAGE else "",
    }
    return {name: reason for name, reason in wrong.items() if reason}


@pages.route("/requests/confirm/<token>", endpoint="confirm_request", methods=["GET", "POST"])
def confirm(token: str) -> Response:
    """Confirm a request or an opt-in, only by POST: mail scanners open every link in a mail, and must not confirm it."""
    service = _requests()
    if opt_in := current_runtime().rights.confirmations.find(token):
        return _confirm_opt_in(opt_in)
    if request.method == "POST" and not is_same_origin(request):
        return _form(FORM_NOT_FROM_HERE, 403)
    is_confirmed = request.method == "POST"
    asked = service.confirm(token) if is_confirmed else service.find_unconfirmed(token)
    return _page("request_confirm.html", 200 if asked else 410, asked=asked, confirmed=is_confirmed)


def _confirm_opt_in(asked: UnconfirmedOptIn) -> Response:
    ctx = privacy_context()
    confirmations, t = ctx.runtime.rights.confirmations, ctx.language
    shown: dict[str, Any] = {"asked": asked, "title": confirmations.title(asked, t.code)}
    if request.method != "POST":
        return _page("opt_in_confirm.html", **shown)
    if not is_same_origin(request):
        return _page("opt_in_confirm.html", 403, message=t(FORM_NOT_FROM_HERE), **shown)
    try:
        is_allowed = confirmations.confirm(asked, browser_is_minor=ctx.is_minor)
    except (RightsUnavailable, LedgerUnavailable, KeyMissing, OSError) as error:
        ctx.runtime.report_failure(error, raise_in_tests=False)
        return _page("opt_in_confirm.html", 503, message=t(NOT_WRITTEN), **shown)
    if not is_allowed:
        return _page("opt_in_confirm.html", 403, message=t(NOT_SIGNED_UP), asked=None)
    return _page("opt_in_confirm.html", message=t(SIGNED_UP, title=shown["title"]), asked=None)


@pages.route("/requests/answer/<token>", endpoint="read_answer", methods=["GET", "POST"])
def answer(token: str) -> Response:
    """Show the answer to the data subject, only after a POST, because mail scanners open every link."""
    service = _requests()
    if request.method != "POST" or not is_same_origin(request):
        return _page(
            "request_answer.html", 200 if service.may_read(token) else 410, good=service.may_read(token), found=None
        )
    read = service.read(token)
    if read is None:
        return _page("request_answer.html", 410, good=False, found=None)
    asked, found = read
    if "file" in request.form or wants_json():
        response = no_store(jsonify(found))
        response.headers["Content-Disposition"] = f'attachment; filename="request-{asked.number}.json"'
        return response
    return _page("request_answer.html", good=True, found=_described(found), asked=asked)


def _described(found: dict[str, Any]) -> list[Described]:
    """Return the data for the page, in the reader's words."""
    from ...rights.letters import describe

    runtime = current_runtime()
    stores, find = runtime.rights.stores, partial(runtime.ledger.shown_text, fingerprint="")
    return describe(found, runtime.policy, stores, find, privacy_context().language)


def _address() -> str:
    """Return the visitor's IP address. Empty for a proxy's, because then all visitors would share the limit of one.

    Every address of a private network may be a proxy's. ``flask privacy check`` reports a proxy whose headers were ignored.
    """
    address = request.remote_addr or ""
    if limited_network(address):
        return address
    is_unread = request.environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR", address) == address
    if is_unread and any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP")):
        with suppress(OSError):
            current_runtime().forwarded.add(today())
    return ""


def _fields() -> Any:
    """Return the submitted form, or the JSON of a program."""
    sent = json_body(request) if request.is_json else request.form
    return sent if hasattr(sent, "get") else {}


def _text(value: object) -> str:
    """Return a value as text that can be encoded, because JSON may contain a lone surrogate."""
    return str(value or "").encode(errors="replace").decode()


def _form(
    message: str | None, status: int = 200, asked: dict[str, str] | None = None, wrong: dict[str, str] | None = None
) -> Response:
    ctx, can_send = privacy_context(), _can_send_links()
    t = ctx.language
    if not can_send and (message is None or message == SENT):
        message = NO_MAIL
    if message is not None and wants_json():
        text = t(message).text
        return problem_json(status, text) if status >= 400 else no_store(make_response(jsonify(message=text), status))
    if message is not None and status >= 400:
        by_field = {name: t(reason) for name, reason in (wrong or {}).items()}
        ctx.problem = make_problem(t, t(message), by_field, typed=asked or {})
    from ...rights.emails import kind_of
    from ...rights.request_store import KINDS

    shown = {
        "kinds": [(kind, kind_of(kind, t)) for kind in KINDS],
        "days": (current_runtime().policy.requests or Requests()).days,
        "can_send": can_send,
        "ids": _IDS,
    }
    return _page("request_form.html", status, message=message if status < 400 else None, **shown)


def _can_send_links() -> bool:
    """Return whether a request made now gets its link: mail is set up, and the site's base URL is known."""
    return not current_runtime().mailer.problem and bool(base_url())


def _page(template: str, status: int = 200, **values: Any) -> Response:
    from ...rights.emails import kind_of

    t = privacy_context().language
    page = render(template, t=t, policy=current_runtime().policy, kind_of=kind_of, status=status, **values)
    response = no_store(make_response(page, status))
    # The URL may contain a token. The pages with a form relax this to the origin, without which no form can be checked.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _requests() -> RequestService:
    return current_runtime().rights.requests
