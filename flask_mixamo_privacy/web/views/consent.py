"""The settings page, and what the visitor decided so far as JSON."""

from __future__ import annotations

from flask import jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from ..current import exchange
from ..origin import SAVED, removed_before, settings_page, state_of
from ..whereabouts import no_store
from .blueprint import pages

# A sentence of the catalogues.
STAYS_OFF = "Some of what is optional stays off in this browser."


@pages.get("/consent", endpoint="settings")
def settings() -> AnyResponse:
    """One switch a purpose, as decided so far; nothing is switched on beforehand."""
    here = exchange()
    said = STAYS_OFF if here.is_minor else SAVED if "saved" in request.args else None
    return settings_page(said, removed=removed_before(here))


@pages.get("/state.json", endpoint="state")
def state() -> AnyResponse:
    """What is granted, as JSON, never cached."""
    return no_store(jsonify(state_of(exchange())))
