"""Listens to one visitor's browser, and notes what it stores and asks, each under the place at hand."""

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
from ...web.cookies import SetCookie
from .evidence import Evidence, RemainingItem, RequestMade, StoredItem, Visited, is_third
from .launch import tools

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
    """Path and query of an address."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class BrowserRecorder:
    """One visitor's, from the first page to the last."""

    def __init__(self, evidence: Evidence, host: str, login: str, state: str) -> None:
        self._evidence, self._host, self._login = evidence, host, login
        self._state, self._before, self._since = state, state, 0.0
        self.route = "/"
        self.away = False  # whether the page at hand has led to another site
        self._known: dict[tuple[str, str], Visited] = {}  # by kind ("cookie" for both) and name
        self._pending: list[asyncio.Future[Any]] = []
        self._requests: dict[Any, RequestMade] = {}
        self._beacons: dict[str, Visited] = {}
        self._icons: set[str] = set()

    async def attach(self, context: BrowserContext, recorder: str) -> None:
        context.on("request", self._asked)
        context.on("response", self._answered)
        context.on("requestfailed", self._failed)
        context.on("page", lambda page: page.on("websocket", lambda socket: self._note(socket.url, "connect")))
        await context.expose_binding("privacyAudit", self._told)
        await context.add_init_script(recorder)

    def answer(self, state: str, takes_back: bool = False) -> None:
        """From here on the visitor has answered. A page that was there before a withdrawal still does what it could."""
        self._before, self._state = self._state if takes_back else state, state
        self._since = time.time()

    @property
    def place(self) -> Visited:
        return Visited(self.route, self._state, self._login)

    async def settle(self) -> None:
        """Wait until every answer's headers are read, and put what was asked among the evidence."""
        while self._pending:
            now, self._pending = self._pending, []
            await asyncio.gather(*now, return_exceptions=True)
        seen = self._requests.values()
        self._evidence.asked += (replace(asked, load="image") if asked.url in self._icons else asked for asked in seen)
        self._requests = {}

    def look(self, snapshot: Mapping[str, Any], cookies: Iterable[Mapping[str, Any]]) -> None:
        """Note what lies on the device although nobody was seen to put it there; the page is the site's own."""
        for kind in STORAGES:
            for name in snapshot.get(kind, ()):
                if (kind, name) not in self._known:
                    self._write(StoredItem(self.place, kind, name, self._host))
        for cookie in cookies:
            if ("cookie", cookie["name"]) not in self._known:
                host, ends = cookie["domain"].lstrip("."), cookie["expires"]
                seconds = ends - time.time() if ends > 0 else None
                self._write(
                    self._cookie(
                        SetCookie(cookie["name"], seconds, cookie["path"], "", cookie["secure"]), "http", self.place, host
                    )
                )

    def hint(self, url: str) -> None:
        """Note a host that a page had the browser look up or connect to beforehand."""
        self._note(url, "connect")

    def shared(self, url: str) -> None:
        """Note what a shared worker asked, which is no page's."""
        if url.startswith(("http:", "https:", "ws:", "wss:")):
            self._note(url, "connect")

    def icon(self, url: str) -> None:
        """Note a page's icon, which is no request like others: where it is one, nothing says that it is for a picture."""
        self._note(url, "image")
        self._icons.add(url)

    def left(self, snapshot: Mapping[str, Any], cookies: Iterable[Mapping[str, Any]]) -> None:
        """Note what lies on the device after a withdrawal, of this site's own."""
        lying = [(kind, name) for kind in STORAGES for name in snapshot[kind]]
        lying += [("cookie", cookie["name"]) for cookie in cookies if not self._is_third(cookie["domain"].lstrip("."))]
        for kind, name in lying:
            route = self._known[kind, name].route if (kind, name) in self._known else self.route
            self._evidence.left.append(
                RemainingItem(Visited(route, self._state, self._login), kind.replace("cookie", "http"), name)
            )

    def _write(self, written: StoredItem) -> None:
        self._known["cookie" if written.is_cookie else written.kind, written.name] = written.place
        self._evidence.written.append(written)

    def _cookie(self, cookie: SetCookie, kind: str, place: Visited, host: str, https: bool = False) -> StoredItem:
        third = self._is_third(cookie.domain or host)
        return StoredItem(place, kind, cookie.name, host, third, cookie.seconds, cookie.path, cookie.secure, https)

    def _is_third(self, host: str) -> bool:
        return is_third(host, self._host, *self._evidence.names)

    # What the recorder tells from inside a page.

    async def _told(self, source: Any, told: dict[str, Any]) -> None:
        kind, at = told["kind"], told["at"]
        host = host_of(at)
        place = self._place_of(at, told["origin"] / 1000)
        if kind == "beacon":
            self._beacons[told["name"]] = place
        elif kind == "js":
            cookie = SetCookie.parse(told["text"], time.time(), _folder(urlsplit(at).path))
            if cookie.name and not cookie.deletes:
                self._write(self._cookie(cookie, "js", place, host, at.startswith("https:")))
        elif kind == "connect":
            self._evidence.asked.append(self._made(told["name"], "connect", place))
        elif kind == "blocked":
            if told["name"].startswith(("http:", "https:", "ws:", "wss:")):
                load = _DIRECTIVES.get(told["text"].removesuffix("-elem").removesuffix("-attr"), "connect")
                self._evidence.asked.append(self._made(told["name"], load, place, refused=True))
        else:
            self._write(StoredItem(place, kind, told["name"], host, self._is_third(host)))

    def _place_of(self, at: str, origin: float) -> Visited:
        """The page that did it, and the state in which that page was served if a withdrawal came since."""
        route = route_of(at) if host_of(at) == self._host else self.route
        return Visited(route, self._before if origin < self._since else self._state, self._login)

    # What goes over the network.

    def _asked(self, request: Request) -> None:
        navigates = request.is_navigation_request()
        frame = _frame(request)
        top = navigates and (frame is None or frame.parent_frame is None)  # none yet: a new window's
        if top and frame is not None:
            self.away = host_of(request.url) != self._host
        if top and frame is not None and not self.away:
            self.route = route_of(request.url)
        if request.url.startswith(("http:", "https:")):
            load = "" if top else "frame" if navigates else _LOADS.get(request.resource_type, "connect")
            around = frame.parent_frame if navigates and frame is not None else frame
            inside = host_of(around.url) if around is not None and around.parent_frame is not None else ""
            place = self._beacons.get(request.url, self.place) if request.resource_type == "ping" else self.place
            inside = inside if self._is_third(inside) else ""
            referrer = request.headers.get("referer", "")
            self._requests[request] = self._made(request.url, load, place, inside=inside, referrer=referrer)

    def _note(self, url: str, load: str) -> None:
        self._evidence.asked.append(self._made(url, load, self.place))

    def _made(self, url: str, load: str, place: Visited, **more: Any) -> RequestMade:
        host = host_of(url)
        return RequestMade(place, url, host, self._is_third(host), load, **more)

    def _failed(self, request: Request) -> None:
        if request in self._requests and request.failure == "csp":
            asked = self._requests[request]
            self._requests[request] = self._made(asked.url, asked.load, asked.place, refused=True, inside=asked.inside)

    def _answered(self, response: Response) -> None:
        request = response.request
        place = self._requests[request].place if request in self._requests else self.place
        self._pending.append(asyncio.ensure_future(self._read(response, place)))

    async def _read(self, response: Response, place: Visited) -> None:
        headers = []
        with suppress(tools().Error):  # the browser was closed meanwhile
            headers = await response.headers_array()
        for header in headers:
            if header["name"].lower() == "set-cookie":
                cookie = SetCookie.parse(header["value"], time.time(), _folder(urlsplit(response.url).path))
                if not cookie.deletes:
                    https = response.url.startswith("https:")
                    self._write(self._cookie(cookie, "http", place, host_of(response.url), https))


def _frame(request: Request) -> Any:
    try:
        return request.frame
    except Exception:  # a service worker's request has none, and a frame may be gone
        return None


def _folder(path: str) -> str:
    """The path of a cookie that names none (RFC 6265, 5.1.4)."""
    return path.rpartition("/")[0] or "/"


# Hears what shared workers ask. Playwright tells nothing of them, as they belong to no page.

_ONLY = [{"type": "shared_worker"}, {"exclude": True}]


class SharedWorkers:
    """One browser's; each is held until it can be heard, and then told to the watcher of its visitor."""

    def __init__(self) -> None:
        self._session: CDPSession
        self._watchers: dict[str, BrowserRecorder] = {}  # by the browser's id of a visitor's context
        self._contexts: dict[str, str] = {}  # by the session of a worker
        self._tasks: set[asyncio.Task[None]] = set()

    async def attach(self, browser: Browser) -> None:
        self._session = await browser.new_browser_cdp_session()
        self._session.on("Target.attachedToTarget", self._started)
        self._session.on("Target.receivedMessageFromTarget", self._told)
        held = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True, "filter": _ONLY}
        await self._session.send("Target.setAutoAttach", held)

    async def hear(self, page: Page, watcher: BrowserRecorder) -> None:
        """From here on, what the shared workers of this page's visitor ask is told to the watcher."""
        session = await page.context.new_cdp_session(page)
        about = await session.send("Target.getTargetInfo")
        self._watchers[about["targetInfo"]["browserContextId"]] = watcher
        await session.detach()

    def _started(self, event: dict[str, Any]) -> None:
        if event["waitingForDebugger"]:  # not our own second session of it
            self._do(self._listen(event["sessionId"], event["targetInfo"]))

    def _do(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, held: str, target: dict[str, Any]) -> None:
        with suppress(tools().Error):  # it is gone
            asked = {"targetId": target["targetId"], "flatten": False}  # flat ones speak to Playwright alone
            session = (await self._session.send("Target.attachToTarget", asked))["sessionId"]
            self._contexts[session] = target["browserContextId"]
            await self._let_go(session)
            await self._session.send("Target.detachFromTarget", {"sessionId": held})

    async def _let_go(self, session: str) -> None:
        with suppress(tools().Error):
            for number, method in enumerate(("Network.enable", "Runtime.runIfWaitingForDebugger")):
                message = json.dumps({"id": number, "method": method})
                await self._session.send("Target.sendMessageToTarget", {"sessionId": session, "message": message})

    def _told(self, event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        if message.get("method") == "Inspector.targetReloadedAfterCrash":  # asked for once more, it is held once more
            self._do(self._let_go(event["sessionId"]))
        said = message.get("params", {})
        url = {"Network.requestWillBeSent": said.get("request", {}).get("url"), "Network.webSocketCreated": said.get("url")}
        watcher = self._watchers.get(self._contexts.get(event["sessionId"], ""))
        if watcher is not None and (asked := url.get(message.get("method"))):
            watcher.shared(asked)
