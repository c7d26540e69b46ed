"""A visitor whose browser runs no JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .browser import tools
from .evidence import Place, Plain
from .states import REJECTED, UNASKED
from .target import Target
from .visitor import LOOK
from .watching import route_of

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

_REJECT = "form button[name=choice][value=reject_all]:visible"


async def without_javascript(browser: Browser, target: Target, routes: Collection[str]) -> AsyncIterator[Plain]:
    """What there is to read on each page, and at last whether an answer can be given."""
    context = await browser.new_context(base_url=target.url, java_script_enabled=False)
    page = await context.new_page()
    for route in routes:
        yield Plain(Place(route, UNASKED), await _text(page, target, route))
    if target.policy.optional:
        text = await _text(page, target, target.home)
        if not await page.locator(_REJECT).count():
            text = await _text(page, target, target.settings)
        place = Place(route_of(page.url), REJECTED)
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
