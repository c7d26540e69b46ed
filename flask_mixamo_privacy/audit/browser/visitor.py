"""One visitor with a browser of its own: signs in, answers, and goes over the pages."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from ...policy.policy import host_of as host_of_url
from .audit_hosts import is_third
from .browser import tools
from .evidence import Banner, Button, Evidence, Link
from .evidence import Page as Seen
from .shared import SharedWorkers
from .states import UNASKED, State
from .target import Target
from .trouble import CouldNotLook, NoAnswer
from .watching import Watcher

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Response

RECORDER, LOOK = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("recorder.js", "look.js"))
_VIEW: Any = {"width": 1280, "height": 800}
_GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });"
_TO_THE_END = "() => scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' })"  # for what loads lazily
_PARTING = """() => {
  const hidden = { hidden: true, visibilityState: "hidden" };
  for (const name in hidden) Object.defineProperty(document, name, { value: hidden[name], configurable: true });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  dispatchEvent(new PageTransitionEvent("pagehide"));
  for (const name in hidden) delete document[name];
}"""
_HINTED = re.compile(r"<([^>]*)>[^,]*\brel=[^,;]*\b(?:preconnect|dns-prefetch)\b", re.IGNORECASE)  # in Link headers
_PATIENCE = 15000  # milliseconds for a page to load


class Visitor:
    """One visitor; ``unseen`` says by route why a page was not seen."""

    def __init__(self, target: Target, evidence: Evidence, state: State, login: str = "") -> None:
        self.target, self.state, self.login = target, state, login
        self._evidence = evidence
        self.watcher = Watcher(evidence, target.host, login, UNASKED if not state.gpc else state.name)
        self.unseen: dict[str, str] = {}
        self.context: BrowserContext
        self.page: Page

    async def arrive(self, browser: Browser, workers: SharedWorkers | None = None, **options: Any) -> None:
        """Open the browser, sign in, and give the answer."""
        headers = {"Sec-GPC": "1"} if self.state.gpc else {}
        self.context = await browser.new_context(
            base_url=self.target.url, extra_http_headers=headers, viewport=_VIEW, reduced_motion="reduce", **options
        )
        self.context.set_default_timeout(_PATIENCE)
        await self.watcher.attach(self.context, (_GPC + "\n" if self.state.gpc else "") + RECORDER)
        self.page = await self.context.new_page()
        if workers is not None:
            await workers.hear(self.page, self.watcher)
        if self.login:
            await self.step(self.target.logins[self.login])
        if self.state.choice:
            await self.answer(self.state)

    async def step(self, step: Any) -> None:
        """Let the site's own function do what it does on the page; raises :class:`CouldNotLook` where that fails."""
        try:
            await step(self.page)
            await self._look()
        except (tools().Error, AssertionError) as error:
            name = getattr(step, "__name__", repr(step))
            raise CouldNotLook(f"The step {name} failed at {self.watcher.place}: {_first_line(error)}") from None

    async def go(self, route: str) -> tuple[Seen | None, list[str]]:
        """Look at one page; gives what was seen, and the site's own addresses that it links to."""
        await self._part()
        try:
            response = await self._open(route)
            seen, links = await self._look(response)
        except tools().Error as error:
            if not self.watcher.away and "Download is starting" not in str(error) and "ERR_ABORTED" not in str(error):
                self.unseen[route] = _first_line(error)
            await self.watcher.settle()
            return None, []
        if seen is not None and seen.status >= 500:
            self.unseen[route] = f"The server answered {seen.status}."
        return seen, links

    async def _open(self, route: str) -> Response | None:
        """Go there, also where the page before goes on by itself just then, be it to the browser's own error page."""
        for _ in range(5):  # on a busy machine the page before may have gone on several times meanwhile
            try:
                return await self.page.goto(route, wait_until="load")
            except tools().Error as error:
                if "interrupted by another navigation" not in str(error):
                    raise
                await self.page.wait_for_load_state("load")
        return await self.page.goto(route, wait_until="load")

    async def finish(self) -> None:
        await self._part()
        await self.watcher.settle()
        await self.context.close()

    async def answer(self, state: State) -> None:
        """Answer as a visitor does: by the banner, or on the settings page; raises :class:`NoAnswer`."""
        pressed = f"form button[name=choice][value={state.choice}]:visible"
        takes_back = self.state is not state
        if state.choice == "save" or takes_back or not await self._shows(self.target.home, pressed):
            await self.page.goto(self.target.settings)
        if not await self.page.locator(pressed).count():
            raise NoAnswer(state.name, f"there is no button named choice with the value {state.choice!r} in a form.")
        if state.choice == "save":
            for purpose in self.target.policy.optional:
                switch = self.page.locator(f"input[name=purpose][value={json.dumps(purpose.id)}]")
                await switch.set_checked(purpose.id in state.granted)
        self.watcher.answer(state.name, takes_back)
        try:
            async with self.page.expect_response(_is_decision) as decided:
                await self.page.locator(pressed).first.click()
            await decided.value
        except tools().Error as error:
            raise NoAnswer(state.name, _first_line(error)) from None
        await self._rest()
        await self._confirm(state)

    async def _shows(self, path: str, selector: str) -> bool:
        await self.page.goto(path)
        with suppress(tools().Error):  # a banner that a script brings takes a moment
            await self.page.locator(selector).first.wait_for(timeout=1000)
        return await self.page.locator(selector).count() > 0

    async def _confirm(self, state: State) -> None:
        """Raises :class:`NoAnswer` unless the site now says just what was answered."""
        answer = await self.context.request.get(f"{self.target.root}{self.target.prefix}/state.json")
        said = set((await answer.json())["granted"]) if answer.ok else set()
        granted = said & {purpose.id for purpose in self.target.policy.optional}
        if granted != state.granted:
            why = f"after it the site says that {', '.join(sorted(granted)) or 'nothing'} is granted."
            raise NoAnswer(state.name, why)

    async def note_what_is_left(self) -> None:
        """For the moment after a withdrawal."""
        await self._rest()
        snapshot = await self._snapshot()
        self.watcher.left(snapshot, await self.context.cookies())

    async def _part(self) -> None:
        """Tell the page that it is about to be left: what it does then is still seen, which after it has gone it is not."""
        with suppress(tools().Error):
            await self.page.evaluate(_PARTING)
        await self.watcher.settle()

    async def _rest(self) -> None:
        await asyncio.sleep(max(self.target.wait, 0.1))
        await self.page.wait_for_load_state("load")
        await self.watcher.settle()

    async def _look(self, response: Response | None = None) -> tuple[Seen | None, list[str]]:
        with suppress(tools().Error):
            await self.page.evaluate(_TO_THE_END)
        await asyncio.sleep(self.target.wait)
        snapshot = await self._snapshot()
        for url in snapshot["hints"]:
            self.watcher.hint(url)
        for url in _HINTED.findall(response.headers.get("link", "") if response is not None else ""):
            self.watcher.hint(urljoin(self.page.url, url))
        for url in snapshot["icons"]:
            self.watcher.icon(url)
        await self.watcher.settle()
        own = host_of_url(self.page.url) == self.target.host
        self.watcher.look(snapshot if own else {}, await self.context.cookies())
        if response is None or not own:
            return None, []
        seen = self._seen(response, snapshot)
        self._evidence.pages.append(seen)
        return seen, snapshot["ways"]

    async def _snapshot(self) -> Mapping[str, Any]:
        for _ in range(3):
            with suppress(tools().Error):  # a page that has just gone on by itself is looked at where it went
                return await self.page.evaluate(LOOK, {"settings": self.target.settings})  # type: ignore[no-any-return]
            await self.page.wait_for_load_state("load")
        return await self.page.evaluate(LOOK, {"settings": self.target.settings})  # type: ignore[no-any-return]

    def _seen(self, response: Response, snapshot: Mapping[str, Any]) -> Seen:
        html = response.headers.get("content-type", "").startswith("text/html")
        links = [
            Link(link["href"], link["noticed"], tuple(link["rel"]))
            for link in snapshot["away"]
            if is_third(host_of_url(link["href"]), self.target.host, *self.target.names)
        ]
        return Seen(
            self.watcher.place, response.status, html, snapshot["text"], snapshot["settings_link"], tuple(links),
            tuple(snapshot["ticked"]), _banner(snapshot["banner"]),
        )  # fmt: skip


def _banner(found: Mapping[str, Any] | None) -> Banner | None:
    if found is None or not any(found.values()):
        return None
    return Banner(**{name: Button(**button) if button else None for name, button in found.items()})


def _is_decision(response: Response) -> bool:
    sent = response.request.post_data or ""
    return response.request.method == "POST" and "choice=" in sent


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
