"""Hears what shared workers ask. Playwright tells nothing of them, as they belong to no page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .browser import tools

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Page

    from .watching import Watcher

_ONLY = [{"type": "shared_worker"}, {"exclude": True}]


class SharedWorkers:
    """One browser's; each is held until it can be heard, and then told to the watcher of its visitor."""

    def __init__(self) -> None:
        self._session: CDPSession
        self._watchers: dict[str, Watcher] = {}  # by the browser's id of a visitor's context
        self._contexts: dict[str, str] = {}  # by the session of a worker
        self._tasks: set[asyncio.Task[None]] = set()

    async def attach(self, browser: Browser) -> None:
        self._session = await browser.new_browser_cdp_session()
        self._session.on("Target.attachedToTarget", self._started)
        self._session.on("Target.receivedMessageFromTarget", self._told)
        held = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True, "filter": _ONLY}
        await self._session.send("Target.setAutoAttach", held)

    async def hear(self, page: Page, watcher: Watcher) -> None:
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
