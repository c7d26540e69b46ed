"""Security headers of every response."""

from __future__ import annotations

from flask import Flask, Response

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-src 'self' http://player.localhost:*",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Content-Type-Options": "nosniff",
}


def init_app(app: Flask) -> None:
    """Add the headers to the app's responses."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response
