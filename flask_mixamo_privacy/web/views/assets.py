"""Style sheets, scripts and the tracker, in the encoding that the browser prefers."""

from __future__ import annotations

import json

from flask import Request, Response, abort, request

from ...storage.clock import DAY
from ..assets import TRACKER, VISITOR_FRAGMENT, BuiltFile
from ..context import current_runtime, privacy_context
from ..http import no_store
from . import pages

_CODINGS = ("br", "gzip")  # the smallest first


def send(built: BuiltFile, content_type: str, request: Request) -> Response:
    """Return a response with the built file, or 304 if the browser has it."""
    coding = _coding(built, request)
    response = Response(built.contents[coding], content_type=content_type)
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if coding:
        response.headers["Content-Encoding"] = coding
    response.set_etag(f"{built.digest}-{coding}" if coding else built.digest)
    return response.make_conditional(request)  # type: ignore[return-value]


def _coding(built: BuiltFile, request: Request) -> str:
    """Return the encoding that the browser prefers, and of equal ones the smallest; ``q=0`` excludes one (RFC 9110)."""
    accepted = request.accept_encodings
    codings = [coding for coding in _CODINGS if coding in built.contents and accepted.quality(coding) > 0]
    return max(codings, key=accepted.quality, default="")


# Style sheets and scripts. They are cached for a year, because their names contain a digest of their content.

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@pages.get("/static/<filename>", endpoint="static")
def static(filename: str) -> Response:
    """Serve a built file by its name with the digest, or 404."""
    kind = _TYPES.get(filename.rpartition(".")[2])
    built = current_runtime().assets.find(filename) if kind and not filename.startswith(".") else None
    if built is None or kind is None:
        abort(404)
    response = send(built, kind, request)
    response.cache_control.public = True
    response.cache_control.max_age = 365 * DAY
    response.cache_control.immutable = True
    return response


# The tracker, served only to visitors who currently allow statistics.

_MAX_AGE = 3600  # seconds; its URL contains a digest, and only pages for a consenting visitor have the URL


@pages.get("/tracker.js", endpoint="tracker")
def tracker() -> Response:
    """Serve the tracker, or an empty uncacheable response without consent."""
    ctx = privacy_context()
    if "statistics" not in ctx.use_consent().granted:
        return no_store(Response(status=204))
    response = send(ctx.runtime.assets.built(TRACKER), "text/javascript; charset=utf-8", ctx.request)
    response.cache_control.private = True
    response.cache_control.max_age = _MAX_AGE
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


# The visitor's banner and tracker, which a script inserts into a cacheable page.

_PLACEHOLDER = '"THE BANNER"'


@pages.get("/page.js", endpoint="page")
def page() -> Response:
    """Serve an uncacheable script for this visitor. It is empty if there is neither a banner nor a tracker."""
    html = current_runtime().helpers.visitor_fragment()
    script = (
        current_runtime().assets.built(VISITOR_FRAGMENT).plain.decode().replace(_PLACEHOLDER, json.dumps(html))
        if html
        else ""
    )
    response = Response(script, content_type="text/javascript; charset=utf-8")
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)
