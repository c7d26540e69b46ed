"""The health of the app, for staff and for a monitor with a token."""

from __future__ import annotations

import hmac

from flask import Response, jsonify, request
from werkzeug.wrappers import Response as AnyResponse

from ..access import staff_only
from ..context import current_runtime
from ..health import as_prometheus, health_of
from ..http import abort_with, accepted_types, no_store
from . import pages

_FORMATS = {"application/json": "json", "text/plain": "prometheus"}
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@pages.get("/health", endpoint="health")
def health() -> AnyResponse:
    """Return the figures. A monitor sends ``Authorization: Bearer`` with ``PRIVACY_HEALTH_TOKEN``, and writes no entry."""
    if _has_token():
        return _answer()
    response: AnyResponse = _answer_to_staff()
    return response


def _has_token() -> bool:
    token, sent = current_runtime().settings.health_token, request.headers.get("Authorization", "")
    scheme, _, value = sent.partition(" ")
    is_bearer = scheme.lower() == "bearer"  # RFC 9110, 11.1: the scheme has no case
    return token is not None and is_bearer and hmac.compare_digest(value.strip().encode(), token.encode())


def _answer() -> Response:
    """Return JSON, with 503 if the app is not healthy, or Prometheus text.

    Prometheus drops the figures of an answer other than 200, so its text has the state in a figure of its own.
    """
    wanted = request.args.get("format") or _preferred()
    if wanted not in _FORMATS.values():
        abort_with(400, f"The format is {wanted[:20]!r}; allowed: {', '.join(_FORMATS.values())}. Leave it out for JSON.")
    figures = health_of(current_runtime())
    if wanted == "prometheus":
        return no_store(Response(as_prometheus(figures), content_type=_PROMETHEUS))
    response = jsonify(figures)
    response.status_code = 200 if figures["healthy"] else 503
    return no_store(response)


def _preferred() -> str:
    """Return the first known format of ``Accept``. Prometheus sends parameters, which Werkzeug would compare too."""
    names = (name.partition(";")[0] for name, quality in accepted_types() if quality > 0)
    return next((_FORMATS[name] for name in names if name in _FORMATS), "json")


_answer_to_staff = staff_only("health")(_answer)
