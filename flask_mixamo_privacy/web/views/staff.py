"""Requests as staff see them: what is due, whose it is, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ...errors import MailError, RequestError, StoreError
from ..access import current_user_id, staff_only
from ..current import exchange
from ..need import Need
from ..origin import is_same_origin
from ..site import site
from ..whereabouts import base_of_request, no_store, wants_json
from .blueprint import pages

if TYPE_CHECKING:
    from ...rights.book import Request


def _whose(number: int) -> str | None:
    try:
        return site().rights.book.find(number).email
    except RequestError:
        return None


@pages.get("/requests/staff", endpoint="staff_requests")
@staff_only("requests", ("email", "message"))
def everything() -> Response:
    """Every request, what is due first."""
    from ...rights.book import OPEN

    found = sorted(site().rights.book.all(), key=lambda asked: (asked.state not in OPEN, asked.due, -asked.number))
    if wants_json():
        return no_store(jsonify([asked.as_dict() for asked in found]))
    return _page("staff_requests.html", requests=found)


@pages.get("/requests/staff/<int:number>", endpoint="staff_request")
@Need("requests", _whose, ("email", "message"))
def one(number: int) -> Response:
    """One request, and which stores hold something of whoever asks."""
    return _show(number)


@pages.post("/requests/staff/<int:number>", endpoint="act_on_request")
@Need("requests", _whose, ("email", "message"))
def act(number: int) -> Response:
    """Answer it, refuse it, or take longer; back to it, or to it with what is wrong."""
    if not is_same_origin(request):
        return _show(number, "This form did not come from a page of this site, so nothing was done.", 403)
    try:
        _act(number, request.form)
    except (RequestError, MailError, StoreError) as error:
        return _show(number, str(error), 409)
    return redirect(url_for("mixamo_privacy.staff_request", number=number), 303)


def _act(number: int, form: Any) -> None:
    desk, who, text = site().rights.desk, current_user_id(), form.get("text", "")
    if form.get("act") == "answer":
        changes = {form["field"]: form.get("value", "")} if form.get("field") else {}
        identity, base = form.get("identity", ""), base_of_request()
        desk.answer(number, who, text=text, identity=identity, base=base, changes=changes)
    elif form.get("act") == "refuse":
        desk.refuse(number, text, who, identity=form.get("identity", ""))
    elif form.get("act") == "extend":
        desk.extend(number, text)
    else:
        raise RequestError("act", form.get("act"), "answer, refuse, extend")


def _show(number: int, message: str = "", status: int = 200) -> Response:
    here = site()
    try:
        asked = here.rights.book.find(number)
    except RequestError as error:
        return _page("staff_requests.html", 404, requests=[], message=str(error))
    if wants_json():
        response = no_store(jsonify(asked.as_dict() | ({"message": message} if message else {})))
        response.status_code = status
        return response
    return _page("staff_request.html", status, asked=asked, message=message, held=_held(asked), fields=here.policy.fields)


def _held(asked: Request) -> list[str]:
    """The stores that hold something of whoever asks; a store that fails is told when the request is answered."""
    from ...rights.book import OPEN

    rights = site().rights
    try:
        return list(rights.stores.export(asked.email)) if asked.email and asked.state in OPEN else []
    except Exception as error:  # a callable of the site's
        site().failed(error, tell_tests=False)
        return []


def _page(template: str, status: int = 200, **values: Any) -> Response:
    from ...rights.book import OPEN
    from ...rights.desk import days_left

    shown = {"t": exchange().language, "message": "", "days_left": days_left, "open": OPEN} | values
    return no_store(make_response(render_template(f"mixamo_privacy/{template}", **shown), status))
