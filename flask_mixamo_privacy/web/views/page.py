"""What a page that is the same for everybody asks for: this visitor's banner and tracker, put in by a script."""

from __future__ import annotations

import json

from flask import Response, current_app

from ..assets import PAGE
from ..markup import TemplateVerbs
from ..site import site
from ..whereabouts import no_store
from .blueprint import pages

_PLACE = '"THE BANNER"'


@pages.get("/page.js", endpoint="page")
def page() -> Response:
    """A script for this visitor alone, which no cache keeps; an empty one for whom there is nothing to show or to run."""
    verbs = current_app.jinja_env.globals["privacy"]
    assert isinstance(verbs, TemplateVerbs)
    html = verbs.for_this_visitor()
    script = site().assets.built(PAGE).plain.decode().replace(_PLACE, json.dumps(html)) if html else ""
    response = Response(script, content_type="text/javascript; charset=utf-8")
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return no_store(response)
