"""The settings page, and what the visitor decided so far as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, jsonify, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from .. import wording
from ..current import Exchange, exchange
from ..gates import nonce_attribute
from ..leftovers import by_kind, deletions, left_behind, of_the_site
from ..policy import Cookie
from .origin import local_path

# Sentences of the catalogues.
SAVED = "Your choice is saved."
STAYS_OFF = "Some of what is optional stays off in this browser."


def add_to(pages: Blueprint) -> None:
    pages.add_url_rule("/consent", view_func=settings, methods=["GET"])
    pages.add_url_rule("/state.json", view_func=state)


def settings() -> AnyResponse:
    """One switch a purpose, as decided so far; nothing is switched on beforehand."""
    here = exchange()
    said = STAYS_OFF if here.is_minor else SAVED if "saved" in request.args else None
    return settings_page(said, removed=removed_before(here))


def removed_before(here: Exchange) -> list[Cookie]:
    """What the withdrawal that led here has left in the browser; nothing of a purpose that is granted all the same.

    Cookies for which the decision's answer had no room are deleted now.
    """
    policy, consent, said = here.site.policy, here.consent, request.args
    purposes = set(said.getlist("withdrawn")) & policy.marks.keys() - consent.held
    services = set(said.getlist("without")) & policy.service_bits.keys() - consent.held_services
    left = left_behind(policy, purposes, services)
    here.deletions = deletions(of_the_site(left), request.cookies, request.host)
    return left


def state() -> AnyResponse:
    """What is granted, as JSON, never cached."""
    return never_cached(jsonify(state_of(exchange())))


def wants_json() -> bool:
    return request.accept_mimetypes.best == "application/json"


def problem(status: int, message: str) -> AnyResponse:
    as_json = wants_json()
    response = (
        never_cached(jsonify(message=exchange().language(message).text))
        if as_json
        else settings_page(message, is_error=True)
    )
    response.status_code = status
    return response


def settings_page(message: str | None, is_error: bool = False, removed: Sequence[Cookie] = ()) -> AnyResponse:
    here = exchange()
    page = render_template(
        "mixamo_privacy/settings.html",
        policy=here.site.policy,
        consent=here.consent,
        gpc=here.gpc,
        t=here.language,
        shown=wording.settings(here.site.policy, here.language).shown,
        next=local_path(request.values.get("next")),
        message=message,
        is_error=is_error,
        removed=removed,
        forget=by_kind(removed),
        nonce=nonce_attribute(here),
    )
    return never_cached(make_response(page))


def state_of(here: Exchange) -> dict[str, object]:
    """What is allowed, for a front end: of each purpose and service its state, and the purposes that are granted."""
    consent = here.consent
    services = {
        service.id: "granted"
        if service.id in consent.services
        else consent.states[service.purpose].replace("granted", "refused")
        for service in here.site.policy.services
    }
    granted = [purpose for purpose, state in consent.states.items() if state == "granted"]
    return {"purposes": dict(consent.states), "services": services, "granted": granted, "gpc": here.gpc}


def never_cached(response: AnyResponse) -> AnyResponse:
    response.headers["Cache-Control"] = "no-store"
    return response
