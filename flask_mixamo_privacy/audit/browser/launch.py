"""The audit's browser and server: Chromium, the app on a free loopback port, and the server's identity."""

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


# Chromium of the system, or Playwright's own.

# One process for a page and its frames, because Playwright reports only that process's traffic. The other switches keep
# the browser from making requests of its own.
_ARGUMENTS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync --disable-component-update
--disable-background-networking --disable-site-isolation-trials"""
# Chromium uses only the last --disable-features, so this list repeats Playwright's own. The last two features load pages
# in each new window for the suggestions of the address bar.
_WITHOUT = """AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades
HttpsFirstBalancedModeAutoEnable LensOverlay MediaRouter PaintHolding ThirdPartyStoragePartitioning
AvoidCorsURLLoaderRestartOnRedirect OptimizationHints NetworkTimeServiceQuerying AimEnabled
PreconnectToSearch WebUIOmniboxPopup WebUIOmniboxAimPopup"""
# The headless shell is first: it is the same browser without windows, and loads a page in about half the time.
SYSTEMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def playwright_api() -> Any:
    """Return Playwright's asynchronous interface, or raise :class:`MissingExtra`."""
    try:
        import publicsuffixlist  # noqa: F401 — the rules need it; a missing extra must fail before the crawl
        from playwright import async_api
    except ImportError:
        raise MissingExtra("The audit", "audit") from None
    return async_api


def chromium_arguments() -> list[str]:
    """Return the command line switches for Chromium."""
    return [*_ARGUMENTS.split(), f"--disable-features={','.join(_WITHOUT.split())}"]


@asynccontextmanager
async def launched(host: str, offline: bool, hosts: Mapping[str, str]) -> AsyncIterator[Browser]:
    """Start a browser.

    ``hosts`` maps names to other addresses (``{"cdn.example": "127.0.0.1:8000"}``). With ``offline``, only the site's own
    host resolves; requests to other hosts fail, but are recorded.
    """
    path = next(filter(None, map(shutil.which, SYSTEMS)), None)
    api = playwright_api()
    async with api.async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=path, args=[*chromium_arguments(), *_resolver_rules(host, offline, hosts)]
            )
        except api.Error as error:
            raise NoBrowser(path, str(error).splitlines()[0]) from None
        try:
            yield browser
        finally:
            await browser.close()


def _resolver_rules(host: str, offline: bool, hosts: Mapping[str, str]) -> list[str]:
    rules = [f"MAP {name} {address}" for name, address in hosts.items()]
    if offline:
        rules += [
            "MAP * ~NOTFOUND",
            f"EXCLUDE {host.partition(':')[0]}",
            *(f"EXCLUDE {address.partition(':')[0]}" for address in hosts.values()),
        ]
    return [f"--host-resolver-rules={', '.join(rules)}"] if rules else []


# The app on a free loopback port.


_NONCE = "X-Privacy-Audit"
_MAX_AGE, _ONE_HOUR = "SEND_FILE_MAX_AGE_DEFAULT", 3600  # seconds
_POLL = 0.02  # seconds between checks for the shutdown


class _Silent(WSGIRequestHandler):
    """A request handler that logs no requests to the terminal."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        pass


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve the app as in production, without testing and debugging, and yield its URL.

    Static files are cacheable for an hour, as if a web server sent them.
    """
    nonce, before = secrets.token_hex(16), (app.testing, app.debug, app.config[_MAX_AGE])
    app.testing, app.debug, app.config[_MAX_AGE] = False, False, before[2] or _ONE_HOUR
    server = make_server("127.0.0.1", 0, _with_nonce(app, nonce), threaded=True, request_handler=_Silent)
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
        app.testing, app.debug, app.config[_MAX_AGE] = before


def check_nonce(url: str, nonce: str) -> None:
    """Raise :class:`WrongServer` unless the server's responses carry the nonce of the app that was started."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("HEAD", "/")
        if connection.getresponse().headers.get(_NONCE) != nonce:
            raise WrongServer(url, f"its header {_NONCE} is not that of the started app. Stop the server on that port.")
    except OSError as error:
        raise WrongServer(url, f"it does not respond ({error}). Run the audit again.") from None
    finally:
        connection.close()


def close_responses(app: Any) -> Any:
    """Wrap a WSGI app so that every response is closed.

    Werkzeug's server does not close a response if the client disconnects during the cleanup.
    """

    def wsgi(environ: Any, start_response: Any) -> Iterator[bytes]:
        body = app(environ, start_response)
        try:
            for data in body:  # noqa: UP028 — "yield from" would close it a second time
                yield data
        finally:
            if hasattr(body, "close"):
                body.close()

    return wsgi


def _with_nonce(app: Flask, nonce: str) -> Any:
    def wsgi(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], problem: Any = None) -> Any:
            return start_response(status, [*headers, (_NONCE, nonce)], problem)

        return app.wsgi_app(environ, start)

    return close_responses(wsgi)


# Whether the server at a URL publishes the local app's policy.


def check_policy(url: str, runtime: Runtime) -> None:
    """Raise :class:`WrongServer` unless the policy published there has the version of the local policy."""
    address = f"{url}{runtime.settings.url_prefix}/policy.json"
    try:
        if not address.startswith(("http://", "https://")):
            raise ValueError("allowed: an http or https URL")
        with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310 — the scheme is checked above
            published = json.load(response)
    except (OSError, ValueError) as error:
        why = f"{address} returns no policy ({error}). Check the URL and PRIVACY_URL_PREFIX."
        raise WrongServer(url, why) from None
    if published.get("version", "") != runtime.policy.version:
        remote, local = published.get("version") or "no date", runtime.policy.version or "no date"
        why = f"its policy has the version {remote}; allowed: {local}, the local one. Deploy the local version first."
        raise WrongServer(url, why)
