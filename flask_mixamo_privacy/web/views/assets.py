"""Style sheets and scripts, cached for a year: another content has another name."""

from __future__ import annotations

from flask import Response, abort, request

from ...storage.moments import DAY
from ..site import site
from .blueprint import pages
from .encoding import send

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@pages.get("/static/<filename>", endpoint="static")
def static(filename: str) -> Response:
    """A built file by its name with the hash, compressed where the browser takes that; 404 for any other name."""
    kind = _TYPES.get(filename.rpartition(".")[2])
    found = site().assets.find(filename) if kind and not filename.startswith(".") else None
    if found is None or kind is None:
        abort(404)
    response = send(found, kind, request)
    response.cache_control.public = True
    response.cache_control.max_age = 365 * DAY
    response.cache_control.immutable = True
    return response
