"""The tracker, for a visitor who allows statistics now; nobody else is served a byte of it."""

from __future__ import annotations

from flask import Response

from ..assets import TRACKER
from ..current import exchange
from ..whereabouts import no_store
from .blueprint import pages
from .encoding import send

_FRESH = 3600  # seconds: a page names it by its content, and names it to nobody but such a visitor


@pages.get("/tracker.js", endpoint="tracker")
def tracker() -> Response:
    """The script, or an empty answer that no cache keeps."""
    here = exchange()
    if "statistics" not in here.look().granted:
        return no_store(Response(status=204))
    response = send(here.site.assets.built(TRACKER), "text/javascript; charset=utf-8", here.request)
    response.cache_control.private = True
    response.cache_control.max_age = _FRESH
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
