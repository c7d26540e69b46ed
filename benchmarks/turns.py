"""Two apps that take turns of a few requests, so that a slow moment of the machine slows both.

Imports nothing of the extension, because other packages are measured in environments of their own.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults

_TURN = 50  # requests

_BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "http://localhost/7",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}

Environ = dict[str, Any]
WsgiApp = Callable[..., Any]


def environs(cookies: Iterable[str]) -> list[Environ]:
    """Return a browser's requests for the page, one for each Cookie header."""
    plain: Environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _BROWSER.items()}
    plain |= {"HTTP_HOST": "localhost", "QUERY_STRING": "", "REMOTE_ADDR": "192.0.2.17"}
    setup_testing_defaults(plain)
    return [plain | ({"HTTP_COOKIE": cookie} if cookie else {}) for cookie in cookies]


class Seconds(NamedTuple):
    """What requests take: time on the clock, and the user and system time of the CPU."""

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Seconds) -> Seconds:
        """Return the sum of both."""
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)


def serve(app: WsgiApp, requests: list[Environ]) -> Seconds:
    """Return the seconds that the requests take, including reading their bodies."""
    requests = [environ.copy() for environ in requests]  # a request changes its environ
    call, start, start_cpu = getattr(app, "wsgi_app", app), time.perf_counter(), time.process_time()
    for environ in requests:
        body = call(environ, _ignore)
        b"".join(body)
        body.close()
    return Seconds(time.perf_counter() - start, time.process_time() - start_cpu)


@contextmanager
def only_garbage_of_requests() -> Iterator[None]:
    """Leave what exists now out of garbage collection. Garbage of requests is collected inside the block, as on a server."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def compare(bare: WsgiApp, other: WsgiApp, requests: list[Environ]) -> tuple[Seconds, Seconds]:
    """Return what both sides take for the same requests."""
    warm, turns = requests[:5], range(0, len(requests), _TURN)
    if requests[0].get("HTTP_COOKIE") == requests[-1].get("HTTP_COOKIE"):
        for app in (bare, other):
            serve(app, warm)
    seconds = [Seconds(), Seconds()]
    for number, start in enumerate(turns):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds[side] = seconds[side].plus(serve((bare, other)[side], requests[start : start + _TURN]))
    return seconds[0], seconds[1]


def _ignore(_status: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
    return bytes.__len__
