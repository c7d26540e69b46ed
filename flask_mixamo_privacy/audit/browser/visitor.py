"""One visitor with a browser of its own: signs in, answers, and goes over the pages."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from flask import Flask

from ...policy.parts import host_of as host_of_url
from ...web.runtime import Runtime
from .evidence import REJECTED, UNASKED, BannerFacts, Button, Evidence, Link, Plain, State, Visited, is_third
from .evidence import PageFacts as Seen
from .launch import tools
from .recorder import BrowserRecorder, SharedWorkers, route_of
from .target import AuditError, DecisionNotApplied, NoSuchUser, Step, Target

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Response


RECORDER, LOOK = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("recorder.js", "page_probe.js"))
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


class AuditVisitor:
    """One visitor; ``unseen`` says by route why a page was not seen."""

    def __init__(self, target: Target, evidence: Evidence, state: State, login: str = "") -> None:
        self.target, self.state, self.login = target, state, login
        self._evidence = evidence
        self.watcher = BrowserRecorder(evidence, target.host, login, UNASKED if not state.gpc else state.name)
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
            raise AuditError(f"The step {name} failed at {self.watcher.place}: {_first_line(error)}") from None

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
            raise DecisionNotApplied(
                state.name, f"there is no button named choice with the value {state.choice!r} in a form."
            )
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
            raise DecisionNotApplied(state.name, _first_line(error)) from None
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
            raise DecisionNotApplied(state.name, why)

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


def _banner(found: Mapping[str, Any] | None) -> BannerFacts | None:
    if found is None or not any(found.values()):
        return None
    return BannerFacts(**{name: Button(**button) if button else None for name, button in found.items()})


def _is_decision(response: Response) -> bool:
    sent = response.request.post_data or ""
    return response.request.method == "POST" and "choice=" in sent


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# A visitor whose browser runs no JavaScript.

_REJECT = "form button[name=choice][value=reject_all]:visible"


async def without_javascript(browser: Browser, target: Target, routes: Collection[str]) -> AsyncIterator[Plain]:
    """What there is to read on each page, and at last whether an answer can be given."""
    context = await browser.new_context(base_url=target.url, java_script_enabled=False)
    page = await context.new_page()
    for route in routes:
        yield Plain(Visited(route, UNASKED), await _text(page, target, route))
    if target.policy.optional:
        text = await _text(page, target, target.home)
        if not await page.locator(_REJECT).count():
            text = await _text(page, target, target.settings)
        place = Visited(route_of(page.url), REJECTED)
        yield Plain(place, text, await _answered(page, target))
    await context.close()


async def _text(page: Page, target: Target, route: str) -> int:
    """Go there, or where the page goes on to by itself (a refresh in noscript), and count what there is to read."""
    with suppress(tools().Error):
        await page.goto(route)
    for _ in range(3):
        with suppress(tools().Error):
            await page.wait_for_load_state("load")
            return int((await page.evaluate(LOOK, {"settings": target.settings}))["text"])
        await page.wait_for_timeout(200)
    return 0


async def _answered(page: Page, target: Target) -> bool:
    try:
        async with page.expect_navigation(timeout=5000):
            await page.locator(_REJECT).first.click(timeout=5000)
        answer = await page.request.get(f"{target.url}{target.root}{target.prefix}/state.json")
        states: dict[str, Any] = (await answer.json())["purposes"]
    except tools().Error:
        return False
    return all(states[purpose.id] == "refused" for purpose in target.policy.optional)


# Signs in those whom the audit was given: by Flask-Login's id of a user, or by a function of the site's own.


def steps_of(app: Flask, url: str, logins: Mapping[str, str | Step]) -> dict[str, Step]:
    """A step for each login."""
    return {name: _as_user(app, url, login) if isinstance(login, str) else login for name, login in logins.items()}


def _as_user(app: Flask, url: str, user_id: str) -> Step:
    """Give the browser the session that Flask-Login makes, as its own test client does."""

    async def sign_in(page: Page) -> None:
        client = app.test_client()
        with client.session_transaction(base_url=url) as session:
            session["_user_id"], session["_fresh"] = user_id, True
        name = app.config["SESSION_COOKIE_NAME"]
        cookie = client.get_cookie(name, urlsplit(url).hostname or "", app.session_interface.get_cookie_path(app))
        assert cookie is not None, "the app's session sets no cookie"
        await page.context.add_cookies([{"name": name, "value": cookie.value, "url": url}])

    return sign_in


def people_of(app: Flask, runtime: Runtime, logins: Mapping[str, Any] | None) -> dict[str, str]:
    """The mail addresses of those who are known by an id, by login; raises :class:`NoSuchUser`."""
    manager: Any = getattr(app, "login_manager", None)
    load = manager._user_callback if manager is not None else None
    found = {}
    for name, login in (runtime.settings.audit_logins if logins is None else logins).items():
        if isinstance(login, str):
            with app.app_context():
                user = load(login) if load is not None else None
            if user is None:
                raise NoSuchUser(name, login)
            found[name] = str(getattr(user, "email", "") or "")
    return found
