"""A built file as a response, in the smallest encoding that the browser takes."""

from __future__ import annotations

import json

from flask import Request, Response, abort, current_app, request

from ...storage.clock import DAY
from ..assets import TRACKER, VISITOR_FRAGMENT, BuiltFile
from ..context import current_runtime, privacy_context
from ..http import no_store
from ..templates import TemplateHelpers
from . import pages

_CODINGS = ("br", "gzip")  # the smallest first


def send(built: BuiltFile, content_type: str, request: Request) -> Response:
    """The file under its content's hash, or 304 for a browser that has it."""
    coding = _coding(built, request)
    response = Response(built.contents[coding], content_type=content_type)
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if coding:
        response.headers["Content-Encoding"] = coding
    response.set_etag(f"{built.digest}-{coding}" if coding else built.digest)
    return response.make_conditional(request)  # type: ignore[return-value]


def _coding(built: BuiltFile, request: Request) -> str:
    """Of those the browser takes, the one it likes best; the smallest of equals. Refused is what has ``q=0``."""
    accepted = request.accept_encodings
    codings = [coding for coding in _CODINGS if coding in built.contents and accepted.quality(coding) > 0]
    return max(codings, key=accepted.quality, default="")


# Style sheets and scripts, cached for a year: another content has another name.

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


@pages.get("/static/<filename>", endpoint="static")
def static(filename: str) -> Response:
    """A built file by its name with the hash, compressed where the browser takes that; 404 for any other name."""
    kind = _TYPES.get(filename.rpartition(".")[2])
    found = current_runtime().assets.find(filename) if kind and not filename.startswith(".") else None
    if found is None or kind is None:
        abort(404)
    response = send(found, kind, request)
    response.cache_control.public = True
    response.cache_control.max_age = 365 * DAY
    response.cache_control.immutable = True
    return response


# The tracker, for a visitor who allows statistics now; nobody else is served a byte of it.

_FRESH = 3600  # seconds: a page names it by its content, and names it to nobody but such a visitor


@pages.get("/tracker.js", endpoint="tracker")
def tracker() -> Response:
    """The script, or an empty answer that no cache keeps."""
    ctx = privacy_context()
    if "statistics" not in ctx.use_consent().granted:
        return no_store(Response(status=204))
    response = send(ctx.runtime.assets.built(TRACKER), "text/javascript; charset=utf-8", ctx.request)
    response.cache_control.private = True
    response.cache_control.max_age = _FRESH
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


# What a page that is the same for everybody asks for: this visitor's banner and tracker, put in by a script.

_PLACE = '"THE BANNER"'


@pages.get("/page.js", endpoint="page")
def page() -> Response:
    """A script for this visitor alone, which no cache keeps; an empty one for whom there is nothing to show or to run."""
    verbs = current_app.jinja_env.globals["privacy"]
    assert isinstance(verbs, TemplateHelpers)
    html = verbs.visitor_fragment()
    script = (
        current_runtime().assets.built(VISITOR_FRAGMENT).plain.decode().replace(_PLACE, json.dumps(html)) if html else ""
    )
    response = Response(script, content_type="text/javascript; charset=utf-8")
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)
