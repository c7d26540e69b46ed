"""The audit's visitor: signs in, decides and visits pages, in a browser context of its own."""

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
from ...web.other_extensions import login_manager
from ...web.runtime import Runtime
from .evidence import (
    REJECTED,
    UNASKED,
    BannerFacts,
    Button,
    Evidence,
    Link,
    NoScriptPage,
    PageFacts,
    State,
    Visited,
    is_third_party,
)
from .launch import playwright_api
from .recorder import BrowserRecorder, SharedWorkers, route_of
from .target import AuditError, DecisionNotApplied, NoSuchUser, Step, Target

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Response


_FOLDER = Path(__file__).parent
RECORDER, PAGE_PROBE = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("recorder.js", "page_probe.js"))
_VIEW: Any = {"width": 1280, "height": 800}
_GPC = "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', { get: () => true });"
# Loads lazy resources.
_SCROLL_TO_END = "() => scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' })"
_LEAVE = """() => {
  const hidden = { hidden: true, visibilityState: "hidden" };
  for (const name in hidden) Object.defineProperty(document, name, { value: hidden[name], configurable: true });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
  dispatchEvent(new PageTransitionEvent("pagehide"));
  for (const name in hidden) delete document[name];
}"""
_LINK_HINTS = re.compile(r"<([^>]*)>[^,]*\brel=[^,;]*\b(?:preconnect|dns-prefetch)\b", re.IGNORECASE)  # in Link headers
_TIMEOUT = 15000  # milliseconds for a page to load


class AuditVisitor:
    """One visitor. ``unseen`` has the reason, by route, for each page that could not be visited."""

    def __init__(self, target: Target, evidence: Evidence, state: State, login: str = "") -> None:
        self.target, self.state, self.login = target, state, login
        self._evidence = evidence
        self.recorder = BrowserRecorder(evidence, target.host, login, UNASKED if not state.gpc else state.name)
        self.unseen: dict[str, str] = {}
        self.context: BrowserContext
        self.page: Page

    async def start(self, browser: Browser, workers: SharedWorkers | None = None, **options: Any) -> None:
        """Open the browser context, sign in, and make the state's decision."""
        headers = {"Sec-GPC": "1"} if self.state.gpc else {}
        self.context = await browser.new_context(
            base_url=self.target.url, extra_http_headers=headers, viewport=_VIEW, reduced_motion="reduce", **options
        )
        self.context.set_default_timeout(_TIMEOUT)
        await self.recorder.attach(self.context, (_GPC + "\n" if self.state.gpc else "") + RECORDER)
        self.page = await _new_page(self.context)
        if workers is not None:
            await workers.record(self.page, self.recorder)
        if self.login:
            await self.step(self.target.logins[self.login])
        if self.state.choice:
            await self.decide(self.state)

    async def step(self, step: Any) -> None:
        """Run a function of the site on the page, or raise :class:`AuditError` if it fails."""
        try:
            await step(self.page)
            await self._record_page()
        except (playwright_api().Error, AssertionError) as error:
            name = getattr(step, "__name__", repr(step))
            raise AuditError(f"The step {name} failed at {self.recorder.place}: {_first_line(error)}") from None

    async def visit(self, route: str) -> tuple[PageFacts | None, list[str]]:
        """Visit one page. Return its facts, and the site's own URLs that it links to."""
        await self._leave_page()
        try:
            response = await self.page.goto(route, wait_until="load")
            facts, links = await self._record_page(response)
        except playwright_api().Error as error:
            if not self.recorder.left_site and "Download is starting" not in str(error) and "ERR_ABORTED" not in str(error):
                self.unseen[route] = _first_line(error)
            await self.recorder.settle()
            return None, []
        if facts is not None and facts.status >= 500:
            self.unseen[route] = f"The server answered {facts.status}."
        return facts, links

    async def finish(self) -> None:
        await self._leave_page()
        await self.recorder.settle()
        await self.context.close()

    async def decide(self, state: State) -> None:
        """Decide on the banner or on the settings page, or raise :class:`DecisionNotApplied`."""
        button = f"form button[name=choice][value={state.choice}]:visible"
        withdraws = self.state is not state
        if state.choice == "save" or withdraws or not await self._shows(self.target.home, button):
            await self.page.goto(self.target.settings)
        if not await self.page.locator(button).count():
            why = f"no form has a button named choice with the value {state.choice!r}. Use the extension's own form."
            raise DecisionNotApplied(state.name, why)
        if state.choice == "save":
            for purpose in self.target.policy.optional:
                switch = self.page.locator(f"input[name=purpose][value={json.dumps(purpose.id)}]")
                await switch.set_checked(purpose.id in state.granted)
        self.recorder.change_state(state.name, withdraws)
        try:
            async with self.page.expect_response(_is_decision) as decision:
                await self.page.locator(button).first.click()
            await decision.value
        except playwright_api().Error as error:
            raise DecisionNotApplied(state.name, _first_line(error)) from None
        await self._wait()
        await self._confirm(state)

    async def _shows(self, path: str, selector: str) -> bool:
        await self.page.goto(path)
        with suppress(playwright_api().Error):  # a banner added by a script appears later
            await self.page.locator(selector).first.wait_for(timeout=1000)
        return await self.page.locator(selector).count() > 0

    async def _confirm(self, state: State) -> None:
        """Raise :class:`DecisionNotApplied` unless the site has granted exactly the purposes of the state."""
        response = await self.context.request.get(f"{self.target.root}{self.target.prefix}/state.json")
        reported = set((await response.json())["granted"]) if response.ok else set()
        granted = reported & {purpose.id for purpose in self.target.policy.optional}
        if granted != state.granted:
            why = f"state.json has {', '.join(sorted(granted)) or 'nothing'} granted. Check the form that the site shows."
            raise DecisionNotApplied(state.name, why)

    async def record_remaining(self) -> None:
        """Record the items that are on the device after a withdrawal."""
        await self._wait()
        snapshot = await self._snapshot()
        self.recorder.record_remaining(snapshot, await self.context.cookies())

    async def _leave_page(self) -> None:
        """Send the events of leaving to the page, because a request that it makes after leaving cannot be recorded."""
        with suppress(playwright_api().Error):
            await self.page.evaluate(_LEAVE)
        await self.recorder.settle()

    async def _wait(self) -> None:
        await asyncio.sleep(max(self.target.wait, 0.1))
        await self.page.wait_for_load_state("load")
        await self.recorder.settle()

    async def _record_page(self, response: Response | None = None) -> tuple[PageFacts | None, list[str]]:
        with suppress(playwright_api().Error):
            await self.page.evaluate(_SCROLL_TO_END)
        await asyncio.sleep(self.target.wait)
        snapshot = await self._snapshot()
        for url in snapshot["hints"]:
            self.recorder.record_hint(url)
        for url in _LINK_HINTS.findall(response.headers.get("link", "") if response is not None else ""):
            self.recorder.record_hint(urljoin(self.page.url, url))
        for url in snapshot["icons"]:
            self.recorder.record_icon(url)
        await self.recorder.settle()
        own = host_of_url(self.page.url) == self.target.host
        self.recorder.record_stored(snapshot if own else {}, await self.context.cookies())
        if response is None or not own:
            return None, []
        facts = self._page_facts(response, snapshot)
        self._evidence.pages.append(facts)
        return facts, snapshot["own_links"]

    async def _snapshot(self) -> Mapping[str, Any]:
        for _ in range(3):
            with suppress(playwright_api().Error):  # the page may navigate by itself; then its target is recorded
                return await self.page.evaluate(PAGE_PROBE, {"settings": self.target.settings})  # type: ignore[no-any-return]
            await self.page.wait_for_load_state("load")
        return await self.page.evaluate(PAGE_PROBE, {"settings": self.target.settings})  # type: ignore[no-any-return]

    def _page_facts(self, response: Response, snapshot: Mapping[str, Any]) -> PageFacts:
        html = response.headers.get("content-type", "").startswith("text/html")
        links = [
            Link(link["href"], link["noticed"], tuple(link["rel"]))
            for link in snapshot["external_links"]
            if is_third_party(host_of_url(link["href"]), self.target.host, *self.target.names)
        ]
        return PageFacts(
            self.recorder.place, response.status, html, snapshot["text"], snapshot["settings_link"], tuple(links),
            tuple(snapshot["ticked"]), _banner(snapshot["banner"]),
        )  # fmt: skip


async def _new_page(context: BrowserContext) -> Page:
    """Return a page whose ``goto`` tries again if the previous document navigates by itself at that moment.

    A site's steps call it too, for instance right after an answer on the banner that loads the page again.
    """
    page = await context.new_page()
    goto = page.goto

    async def goto_in_the_end(url: str, **options: Any) -> Response | None:
        for _ in range(5):  # on a busy machine the previous document may navigate several times
            try:
                return await goto(url, **options)
            except playwright_api().Error as error:
                if "interrupted by another navigation" not in str(error):
                    raise
                await page.wait_for_load_state("load")
        return await goto(url, **options)

    page.goto = goto_in_the_end  # type: ignore[method-assign]
    return page


def _banner(buttons: Mapping[str, Any] | None) -> BannerFacts | None:
    if buttons is None or not any(buttons.values()):
        return None
    return BannerFacts(**{name: Button(**button) if button else None for name, button in buttons.items()})


def _is_decision(response: Response) -> bool:
    body = response.request.post_data or ""
    return response.request.method == "POST" and "choice=" in body


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# A visitor without JavaScript.

_REJECT = "form button[name=choice][value=reject_all]:visible"


async def without_javascript(browser: Browser, target: Target, routes: Collection[str]) -> AsyncIterator[NoScriptPage]:
    """Yield the amount of text on each page, and last, whether a visitor can reject."""
    context = await browser.new_context(base_url=target.url, java_script_enabled=False)
    page = await _new_page(context)
    for route in routes:
        yield NoScriptPage(Visited(route, UNASKED), await _text(page, target, route))
    if target.policy.optional:
        text = await _text(page, target, target.home)
        if not await page.locator(_REJECT).count():
            text = await _text(page, target, target.settings)
        place = Visited(route_of(page.url), REJECTED)
        yield NoScriptPage(place, text, await _can_reject(page, target))
    await context.close()


async def _text(page: Page, target: Target, route: str) -> int:
    """Return the number of readable characters of a page, or of its target if it redirects in a noscript element."""
    with suppress(playwright_api().Error):
        await page.goto(route)
    for _ in range(3):
        with suppress(playwright_api().Error):
            await page.wait_for_load_state("load")
            return int((await page.evaluate(PAGE_PROBE, {"settings": target.settings}))["text"])
        await page.wait_for_timeout(200)
    return 0


async def _can_reject(page: Page, target: Target) -> bool:
    try:
        async with page.expect_navigation(timeout=5000):
            await page.locator(_REJECT).first.click(timeout=5000)
        response = await page.request.get(f"{target.url}{target.root}{target.prefix}/state.json")
        states: dict[str, Any] = (await response.json())["purposes"]
    except playwright_api().Error:
        return False
    return all(states[purpose.id] == "refused" for purpose in target.policy.optional)


# Logins: by a Flask-Login user id, or by a function of the site.


def login_steps(app: Flask, url: str, logins: Mapping[str, str | Step]) -> dict[str, Step]:
    """Return a step that signs in for each login."""
    return {name: _sign_in_step(app, url, login) if isinstance(login, str) else login for name, login in logins.items()}


def _sign_in_step(app: Flask, url: str, user_id: str) -> Step:
    """Return a step that sets the session cookie of a signed-in user, as Flask-Login's test client does."""

    async def sign_in(page: Page) -> None:
        client = app.test_client()
        with client.session_transaction(base_url=url) as session:
            session["_user_id"], session["_fresh"] = user_id, True
        name = app.config["SESSION_COOKIE_NAME"]
        cookie = client.get_cookie(name, urlsplit(url).hostname or "", app.session_interface.get_cookie_path(app))
        assert cookie is not None, "the app's session interface sets no cookie"
        await page.context.add_cookies([{"name": name, "value": cookie.value, "url": url}])

    return sign_in


def login_addresses(app: Flask, runtime: Runtime, logins: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the mail addresses of logins with a user id, or raise :class:`NoSuchUser`."""
    manager = login_manager(app)
    load = manager._user_callback if manager is not None else None
    addresses = {}
    for name, login in (runtime.settings.audit_logins if logins is None else logins).items():
        if isinstance(login, str):
            with app.app_context():
                user = load(login) if load is not None else None
            if user is None:
                raise NoSuchUser(name, login)
            addresses[name] = str(getattr(user, "email", "") or "")
    return addresses
