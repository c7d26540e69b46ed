"""The recorder: a visitor's browser is observed, and each stored item and request becomes evidence with its place."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...policy.parts import host_of
from ...web.cookie_guard import SetCookie
from .evidence import Evidence, RemainingItem, RequestMade, StoredItem, Visited, is_third_party
from .launch import playwright_api

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Request, Response


STORAGES = ("local", "session", "idb", "cache", "worker")
_LOADS = {
    "script": "script",
    "stylesheet": "style",
    "image": "image",
    "font": "font",
    "media": "media",
    "texttrack": "media",
    "other": "prefetch",
}
_DIRECTIVES = {
    "script-src": "script",
    "worker-src": "script",
    "style-src": "style",
    "img-src": "image",
    "font-src": "font",
    "media-src": "media",
    "frame-src": "frame",
}


def route_of(url: str) -> str:
    """Return the path and query of a URL."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class BrowserRecorder:
    """Recorder of one visitor's browser, from the first page to the last."""

    def __init__(self, evidence: Evidence, host: str, login: str, state: str) -> None:
        self._evidence, self._host, self._login = evidence, host, login
        self._state, self._previous, self._since = state, state, 0.0
        self.route = "/"
        self.left_site = False  # whether the current page is another site's
        self._known: dict[tuple[str, str, str], Visited] = {}  # by the key of the item
        self._pending: list[asyncio.Future[Any]] = []
        self._requests: dict[Any, RequestMade] = {}
        self._beacons: dict[str, Visited] = {}
        self._icons: set[str] = set()

    async def attach(self, context: BrowserContext, script: str) -> None:
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("requestfailed", self._on_request_failed)
        context.on("page", lambda page: page.on("websocket", lambda socket: self._add_request(socket.url, "connect")))
        await context.expose_binding("privacyAudit", self._on_message)
        await context.add_init_script(script)

    def change_state(self, state: str, withdraws: bool = False) -> None:
        """Record under another state from now on. Pages opened before a withdrawal keep their state until then."""
        self._previous, self._state = self._state if withdraws else state, state
        self._since = time.time()

    @property
    def place(self) -> Visited:
        return Visited(self.route, self._state, self._login)

    async def settle(self) -> None:
        """Wait until the headers of every response are read, and add the requests to the evidence."""
        while self._pending:
            batch, self._pending = self._pending, []
            await asyncio.gather(*batch, return_exceptions=True)
        requests = self._requests.values()
        self._evidence.requests += (replace(one, load="image") if one.url in self._icons else one for one in requests)
        self._requests = {}

    def record_stored(self, snapshot: Mapping[str, Any], cookies: Iterable[Mapping[str, Any]]) -> None:
        """Record the stored items of the site's page whose storing was not observed."""
        for kind in STORAGES:
            for name in snapshot.get(kind, ()):
                if (kind, name, "") not in self._known:
                    self._add_item(StoredItem(self.place, kind, name, self._host))
        for cookie in cookies:
            host, ends = cookie["domain"].lstrip("."), cookie["expires"]
            seconds = ends - time.time() if ends > 0 else None
            parsed = SetCookie(cookie["name"], seconds, cookie["path"], "", cookie["secure"])
            item = self._cookie(parsed, "http", self.place, host)
            if item.key not in self._known:
                self._add_item(item)

    def record_hint(self, url: str) -> None:
        """Record a host that a page made the browser resolve or connect to in advance."""
        self._add_request(url, "connect")

    def record_worker_request(self, url: str) -> None:
        """Record a request of a shared worker, which belongs to no page."""
        if url.startswith(("http:", "https:", "ws:", "wss:")):
            self._add_request(url, "connect")

    def record_icon(self, url: str) -> None:
        """Record a page's icon. If the browser requests it, the request's type does not show that it is an image."""
        self._add_request(url, "image")
        self._icons.add(url)

    def record_remaining(self, snapshot: Mapping[str, Any], cookies: Iterable[Mapping[str, Any]]) -> None:
        """Record the site's own items that are on the device after a withdrawal."""
        items = [(kind, name) for kind in STORAGES for name in snapshot[kind]]
        items += [("cookie", cookie["name"]) for cookie in cookies if not self._is_third_party(cookie["domain"].lstrip("."))]
        for kind, name in items:
            stored = self._known.get((kind, name, ""))
            place = Visited(stored.route if stored is not None else self.route, self._state, self._login)
            self._evidence.remaining.append(RemainingItem(place, kind.replace("cookie", "http"), name))

    def _add_item(self, item: StoredItem) -> None:
        self._known[item.key] = item.place
        self._evidence.stored.append(item)

    def _cookie(self, cookie: SetCookie, kind: str, place: Visited, host: str, https: bool = False) -> StoredItem:
        third_party = self._is_third_party(cookie.domain or host)
        return StoredItem(place, kind, cookie.name, host, third_party, cookie.seconds, cookie.path, cookie.secure, https)

    def _is_third_party(self, host: str) -> bool:
        return is_third_party(host, self._host, *self._evidence.names)

    # Messages of recorder.js, from inside a page.

    async def _on_message(self, source: Any, message: dict[str, Any]) -> None:
        kind, name, url = message["kind"], message["name"], message["at"]
        host = host_of(url)
        place = self._place_of(url, message["origin"] / 1000)
        if kind == "beacon":
            self._beacons[name] = place
        elif kind == "js":
            cookie = SetCookie.parse(message["text"], time.time(), _default_path(urlsplit(url).path))
            if cookie.name and not cookie.deletes:
                self._add_item(self._cookie(cookie, "js", place, host, url.startswith("https:")))
        elif kind == "connect":
            self._evidence.requests.append(self._request(name, "connect", place))
        elif kind == "blocked":
            if name.startswith(("http:", "https:", "ws:", "wss:")):
                load = _DIRECTIVES.get(message["text"].removesuffix("-elem").removesuffix("-attr"), "connect")
                self._evidence.requests.append(self._request(name, load, place, refused=True))
        else:
            self._add_item(StoredItem(place, kind, name, host, self._is_third_party(host)))

    def _place_of(self, url: str, origin: float) -> Visited:
        """Return the page's place. ``origin`` is the time at which it was opened, which decides its state."""
        route = route_of(url) if host_of(url) == self._host else self.route
        return Visited(route, self._previous if origin < self._since else self._state, self._login)

    # Network traffic.

    def _on_request(self, request: Request) -> None:
        navigates = request.is_navigation_request()
        frame = _frame(request)
        top = navigates and (frame is None or frame.parent_frame is None)  # a new window has no frame yet
        if top and frame is not None:
            self.left_site = host_of(request.url) != self._host
        if top and frame is not None and not self.left_site:
            self.route = route_of(request.url)
        if request.url.startswith(("http:", "https:")):
            load = "" if top else "frame" if navigates else _LOADS.get(request.resource_type, "connect")
            around = frame.parent_frame if navigates and frame is not None else frame
            inside = host_of(around.url) if around is not None and around.parent_frame is not None else ""
            place = self._beacons.get(request.url, self.place) if request.resource_type == "ping" else self.place
            inside = inside if self._is_third_party(inside) else ""
            referrer = request.headers.get("referer", "")
            self._requests[request] = self._request(request.url, load, place, inside=inside, referrer=referrer)

    def _add_request(self, url: str, load: str) -> None:
        self._evidence.requests.append(self._request(url, load, self.place))

    def _request(self, url: str, load: str, place: Visited, **more: Any) -> RequestMade:
        host = host_of(url)
        return RequestMade(place, url, host, self._is_third_party(host), load, **more)

    def _on_request_failed(self, request: Request) -> None:
        if request in self._requests and request.failure == "csp":
            one = self._requests[request]
            self._requests[request] = self._request(one.url, one.load, one.place, refused=True, inside=one.inside)

    def _on_response(self, response: Response) -> None:
        request = response.request
        place = self._requests[request].place if request in self._requests else self.place
        self._pending.append(asyncio.ensure_future(self._read_cookies(response, place)))

    async def _read_cookies(self, response: Response, place: Visited) -> None:
        headers = []
        with suppress(playwright_api().Error):  # the browser may be closed already
            headers = await response.headers_array()
        for header in headers:
            if header["name"].lower() == "set-cookie":
                cookie = SetCookie.parse(header["value"], time.time(), _default_path(urlsplit(response.url).path))
                if not cookie.deletes:
                    https = response.url.startswith("https:")
                    self._add_item(self._cookie(cookie, "http", place, host_of(response.url), https))


def _frame(request: Request) -> Any:
    try:
        return request.frame
    except Exception:  # a service worker's request has no frame, and a frame may be detached
        return None


def _default_path(path: str) -> str:
    """Return the path of a cookie without the attribute Path (RFC 6265, 5.1.4)."""
    return path.rpartition("/")[0] or "/"


# Shared workers belong to no page, so Playwright does not report their requests. The DevTools protocol does.

_ONLY_SHARED_WORKERS = [{"type": "shared_worker"}, {"exclude": True}]


class SharedWorkers:
    """The shared workers of one browser.

    Each worker is paused at its start until its network events are enabled, and its requests go to its visitor's recorder.
    """

    def __init__(self) -> None:
        self._session: CDPSession
        self._recorders: dict[str, BrowserRecorder] = {}  # by the browser's id of a visitor's context
        self._contexts: dict[str, str] = {}  # context ids by the session of a worker
        self._tasks: set[asyncio.Task[None]] = set()

    async def attach(self, browser: Browser) -> None:
        self._session = await browser.new_browser_cdp_session()
        self._session.on("Target.attachedToTarget", self._on_attached)
        self._session.on("Target.receivedMessageFromTarget", self._on_message)
        options = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True, "filter": _ONLY_SHARED_WORKERS}
        await self._session.send("Target.setAutoAttach", options)

    async def record(self, page: Page, recorder: BrowserRecorder) -> None:
        """Send the requests of this visitor's shared workers to the recorder from now on."""
        session = await page.context.new_cdp_session(page)
        info = await session.send("Target.getTargetInfo")
        self._recorders[info["targetInfo"]["browserContextId"]] = recorder
        await session.detach()

    def _on_attached(self, event: dict[str, Any]) -> None:
        if event["waitingForDebugger"]:  # the second session of _listen() does not wait
            self._run(self._listen(event["sessionId"], event["targetInfo"]))

    def _run(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, paused: str, target: dict[str, Any]) -> None:
        with suppress(playwright_api().Error):  # the worker may have ended
            # Messages of a flat session reach Playwright alone, so this second session is not flat.
            options = {"targetId": target["targetId"], "flatten": False}
            session = (await self._session.send("Target.attachToTarget", options))["sessionId"]
            self._contexts[session] = target["browserContextId"]
            await self._resume(session)
            await self._session.send("Target.detachFromTarget", {"sessionId": paused})

    async def _resume(self, session: str) -> None:
        """Enable the worker's network events, and let it run."""
        with suppress(playwright_api().Error):
            for number, method in enumerate(("Network.enable", "Runtime.runIfWaitingForDebugger")):
                message = json.dumps({"id": number, "method": method})
                await self._session.send("Target.sendMessageToTarget", {"sessionId": session, "message": message})

    def _on_message(self, event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        if message.get("method") == "Inspector.targetReloadedAfterCrash":  # a worker that starts again is paused again
            self._run(self._resume(event["sessionId"]))
        params = message.get("params", {})
        urls = {
            "Network.requestWillBeSent": params.get("request", {}).get("url"),
            "Network.webSocketCreated": params.get("url"),
        }
        recorder = self._recorders.get(self._contexts.get(event["sessionId"], ""))
        if recorder is not None and (url := urls.get(message.get("method"))):
            recorder.record_worker_request(url)
