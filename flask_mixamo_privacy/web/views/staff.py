"""Data subject requests for staff: the list, one request, and its answer, refusal or extension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import jsonify, make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from ...errors import MailError, NotAllowed, RequestError, StoreError
from ...i18n.language import LocalizedText
from ..access import Need, current_user_id, staff_only
from ..context import current_runtime, privacy_context
from ..http import FORM_NOT_FROM_HERE, base_url, is_same_origin, no_store, problem_json, wants_json
from ..rendering import render
from ..staff_words import RequestWords
from . import pages

if TYPE_CHECKING:
    from ...rights.request_store import SubjectRequest

_MOST_SHOWN = 500  # any visitor can make many
_NO_REASON = "Enter a reason. The person receives it by e-mail."

#: What the confirmation page asks about: the act of its button. Neither act can be undone.
_ASKED = {"ask_answer": "answer", "ask_refuse": "refuse"}


def _email_of(number: int) -> str | None:
    try:
        return current_runtime().rights.request_store.find(number).email
    except RequestError:
        return None


@pages.get("/requests/staff", endpoint="staff_requests")
@staff_only("requests", ("email", "message"))
def everything() -> Response:
    """List the requests, open and urgent ones first. JSON has every request; the page has at most 500."""
    from ...rights.request_store import CLOSED, OPEN

    store = current_runtime().rights.request_store
    found = sorted(store.all(*OPEN), key=lambda asked: (asked.due, -asked.number))
    if wants_json():
        closed = sorted(store.all(*CLOSED), key=lambda asked: (asked.due, -asked.number))
        return no_store(jsonify([asked.as_dict() for asked in (*found, *closed)]))
    if len(found) > _MOST_SHOWN:  # most of so many were made by a program, so those come first that a person confirmed
        found.sort(key=lambda asked: asked.state != "verified")
    found = [*found, *store.newest_closed(_MOST_SHOWN)][:_MOST_SHOWN]
    return _page("staff_requests.html", requests=found, others=store.count() - len(found))


@pages.get("/requests/staff/<int:number>", endpoint="staff_request")
@Need("requests", _email_of, ("email", "message"))
def one(number: int) -> Response:
    """Show one request, and which stores have data of its data subject."""
    return _show(number)


@pages.post("/requests/staff/<int:number>", endpoint="act_on_request")
@Need("requests", _email_of, ("email", "message"))
def act(number: int) -> Response:
    """Answer, refuse or extend a request, then show it again; 409 with a message if that is not possible.

    An act that cannot be undone has a page of its own, on which it is confirmed.
    """
    t = privacy_context().language
    if not is_same_origin(request):
        return _show(number, t(FORM_NOT_FROM_HERE), 403)
    if request.form.get("act") in _ASKED:
        return _confirm(number, _ASKED[request.form["act"]])
    try:
        _act(number, request.form)
    except (RequestError, MailError, StoreError) as error:
        return _show(number, _in_english(error), 409)
    return redirect(url_for("mixamo_privacy.staff_request", number=number), 303)


def _act(number: int, form: Any) -> None:
    service, actor, text = current_runtime().rights.requests, current_user_id(), form.get("text", "")
    if form.get("act") == "answer":
        changes = {form["field"]: form.get("value", "")} if form.get("field") else {}
        identity, base = form.get("identity", ""), base_url()
        service.answer(number, actor, text=text, identity=identity, base=base, changes=changes)
    elif form.get("act") == "refuse":
        service.refuse(number, text, actor, identity=form.get("identity", ""))
    elif form.get("act") == "extend":
        service.extend(number, text)
    else:
        raise RequestError("act", form.get("act"), "answer, refuse, extend")


def _confirm(number: int, act: str) -> Response:
    """Show what the act will do, with the typed texts. Ask again first if the refusal has no reason."""
    if act == "refuse" and not request.form.get("text", "").strip():
        return _show(number, privacy_context().language(_NO_REASON), 409)
    try:
        asked = current_runtime().rights.request_store.find(number)
    except RequestError as error:
        return _page("staff_requests.html", 404, requests=[], message=_in_english(error))
    typed = {name: request.form.get(name, "") for name in ("text", "identity")}
    return _page("staff_confirm.html", asked=asked, act=act, typed=typed, held=_held(asked))


def _in_english(error: Exception) -> LocalizedText:
    """Return the message of an error, which is in English in every language."""
    text = error.to_staff() if isinstance(error, NotAllowed) else str(error)
    return LocalizedText(text, "en", privacy_context().language.code != "en")


def _show(number: int, message: LocalizedText | None = None, status: int = 200) -> Response:
    runtime = current_runtime()
    try:
        asked = runtime.rights.request_store.find(number)
    except RequestError as error:
        if wants_json():
            return problem_json(404, str(error))
        return _page("staff_requests.html", 404, requests=[], message=_in_english(error))
    if wants_json():
        fields = asked.as_dict()
        return problem_json(status, str(message or ""), request=fields) if status >= 400 else no_store(jsonify(fields))
    typed = request.form if status >= 400 else {}
    shown = {"asked": asked, "message": message, "held": _held(asked), "typed": typed}
    return _page("staff_request.html", status, **shown, fields=runtime.rights.requests.corrections.fields)


def _held(asked: SubjectRequest) -> list[str]:
    """Return the names of the stores with data of the data subject. Answering the request reports a failing store."""
    from ...rights.request_store import OPEN

    rights = current_runtime().rights
    try:
        return list(rights.stores.export(asked.email)) if asked.email and asked.state in OPEN else []
    except Exception as error:  # raised by the site's own callable
        current_runtime().report_failure(error, raise_in_tests=False)
        return []


def _page(template: str, status: int = 200, **values: Any) -> Response:
    from ...rights.request_store import OPEN

    t = privacy_context().language
    shown = {"t": t, "message": None, "words": RequestWords(current_runtime().policy, t), "open": OPEN} | values
    return no_store(make_response(render(template, **shown), status))
