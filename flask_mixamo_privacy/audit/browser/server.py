"""Starts the app on a free port of loopback, and makes sure that it is the one that answers."""

from __future__ import annotations

import http.client
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from .trouble import StrangeServer

_NONCE = "X-Privacy-Audit"
_AGE, _VISIT = "SEND_FILE_MAX_AGE_DEFAULT", 3600  # seconds
_POLL = 0.02  # seconds until it is noticed that the audit is over


class _Silent(WSGIRequestHandler):
    """A browser that goes over a whole site needs no line in the terminal for each request."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The address of the app while it is served as in production: neither testing nor debugging, and with files that a
    browser keeps for the length of a visit, as it does where a web server in front sends them."""
    nonce, before = secrets.token_hex(16), (app.testing, app.debug, app.config[_AGE])
    app.testing, app.debug, app.config[_AGE] = False, False, before[2] or _VISIT
    server = make_server("127.0.0.1", 0, _marked(app, nonce), threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        check_nonce(url, nonce)
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        app.testing, app.debug, app.config[_AGE] = before


def check_nonce(url: str, nonce: str) -> None:
    """Raises :class:`StrangeServer` unless the server carries the nonce that was given to it alone."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("HEAD", "/")
        if connection.getresponse().headers.get(_NONCE) != nonce:
            raise StrangeServer(url, "it does not carry the number given to the app that was started there.")
    except OSError as error:
        raise StrangeServer(url, f"it does not answer ({error}).") from None
    finally:
        connection.close()


def surely_closed(app: Any) -> Any:
    """A WSGI app whose answers are closed also when the client leaves at a moment in which Werkzeug's server forgets to."""

    def wsgi(environ: Any, start_response: Any) -> Iterator[bytes]:
        body = app(environ, start_response)
        try:
            for data in body:  # noqa: UP028 — "yield from" would close it a second time
                yield data
        finally:
            if hasattr(body, "close"):
                body.close()

    return wsgi


def _marked(app: Flask, nonce: str) -> Any:
    def wsgi(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], problem: Any = None) -> Any:
            return start_response(status, [*headers, (_NONCE, nonce)], problem)

        return app.wsgi_app(environ, start)

    return surely_closed(wsgi)
