"""A built file as a response, in the smallest encoding that the browser takes."""

from __future__ import annotations

from flask import Request, Response

from ..assets import Built

_CODINGS = ("br", "gzip")  # the smallest first


def send(built: Built, content_type: str, request: Request) -> Response:
    """The file under its content's hash, or 304 for a browser that has it."""
    coding = _coding(built, request)
    response = Response(built.contents[coding], content_type=content_type)
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if coding:
        response.headers["Content-Encoding"] = coding
    response.set_etag(f"{built.digest}-{coding}" if coding else built.digest)
    return response.make_conditional(request)  # type: ignore[return-value]


def _coding(built: Built, request: Request) -> str:
    """Of those the browser takes, the one it likes best; the smallest of equals. Refused is what has ``q=0``."""
    accepted = request.accept_encodings
    codings = [coding for coding in _CODINGS if coding in built.contents and accepted.quality(coding) > 0]
    return max(codings, key=accepted.quality, default="")
