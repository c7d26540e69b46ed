"""Starts the app on a free port of loopback, and makes sure that it is the one that answers."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from ...errors import MissingExtra
from ...web.runtime import Runtime
from .target import NoBrowser, WrongServer

if TYPE_CHECKING:
    from playwright.async_api import Browser


# The real browser: the system's Chromium, or Playwright's own.

# One process for a page and its frames, so that all of their traffic is told; and a browser that asks nothing by itself.
_ARGUMENTS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync --disable-component-update
--disable-background-networking --disable-site-isolation-trials"""
# Those that Playwright turns off, since the last such list counts; and the two pages that each new window loads for the
# suggestions of its address bar.
_WITHOUT = """AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades
HttpsFirstBalancedModeAutoEnable LensOverlay MediaRouter PaintHolding ThirdPartyStoragePartitioning
AvoidCorsURLLoaderRestartOnRedirect OptimizationHints NetworkTimeServiceQuerying AimEnabled
PreconnectToSearch WebUIOmniboxPopup WebUIOmniboxAimPopup"""
# The shell is the same browser without windows, which nobody sees here: a page costs it about half as much.
SYSTEMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def tools() -> Any:
    """Playwright's asynchronous interface; raises :class:`MissingExtra`."""
    try:
        import publicsuffixlist  # noqa: F401 — asked for here, so that nobody crawls for minutes to hear of it
        from playwright import async_api
    except ImportError:
        raise MissingExtra("The audit", "audit") from None
    return async_api


def arguments() -> list[str]:
    """What a Chromium is started with, to be quiet and quick."""
    return [*_ARGUMENTS.split(), f"--disable-features={','.join(_WITHOUT.split())}"]


@asynccontextmanager
async def launched(host: str, offline: bool, hosts: Mapping[str, str]) -> AsyncIterator[Browser]:
    """A browser. ``hosts`` says where a name is found instead (``{"cdn.example": "127.0.0.1:8000"}``); ``offline`` lets it
    find no other host than the site's own, though it still asks."""
    path = next(filter(None, map(shutil.which, SYSTEMS)), None)
    api = tools()
    async with api.async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=path, args=[*arguments(), *_rules(host, offline, hosts)]
            )
        except api.Error as error:
            raise NoBrowser(path, str(error).splitlines()[0]) from None
        try:
            yield browser
        finally:
            await browser.close()


def _rules(host: str, offline: bool, hosts: Mapping[str, str]) -> list[str]:
    found = [f"MAP {name} {there}" for name, there in hosts.items()]
    if offline:
        found += [
            "MAP * ~NOTFOUND",
            f"EXCLUDE {host.partition(':')[0]}",
            *(f"EXCLUDE {there.partition(':')[0]}" for there in hosts.values()),
        ]
    return [f"--host-resolver-rules={', '.join(found)}"] if found else []


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
            raise WrongServer(url, "it does not carry the number given to the app that was started there.")
    except OSError as error:
        raise WrongServer(url, f"it does not answer ({error}).") from None
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


# Whether the server at an address is the site that the declaration at hand is about.


def check_policy(url: str, runtime: Runtime) -> None:
    """Raises :class:`StrangeServer` unless the policy published there has this site's name and version."""
    address = f"{url}{runtime.settings.url_prefix}/policy.json"
    try:
        if not address.startswith(("http://", "https://")):
            raise ValueError("it is no http address")
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 — the scheme is checked above
            published = json.load(answer)
    except (OSError, ValueError) as error:
        raise WrongServer(url, f"{address} gives no policy ({error}).") from None
    if published.get("version", "") != runtime.policy.version:
        theirs, ours = published.get("version") or "no day", runtime.policy.version or "no day"
        why = f"its policy is of {theirs}, the one at hand of {ours}."
        raise WrongServer(url, why)
