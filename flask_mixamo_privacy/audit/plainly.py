"""A visitor whose browser runs no JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
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
        await page.goto(route)
        yield Plain(Place(route, UNASKED), await _text(page, target))
    if target.policy.optional:
        await page.goto(target.home)
        asking = await page.locator(_REJECT).count() > 0
        if not asking:
            await page.goto(target.settings)
        place = Place(route_of(page.url), REJECTED)
        yield Plain(place, await _text(page, target), await _answered(page, target))
    await context.close()


async def _text(page: Page, target: Target) -> int:
    return int((await page.evaluate(LOOK, {"settings": target.settings}))["text"])


async def _answered(page: Page, target: Target) -> bool:
    try:
        async with page.expect_navigation(timeout=5000):
            await page.locator(_REJECT).first.click(timeout=5000)
        answer = await page.request.get(f"{target.url}{target.root}{target.prefix}/state.json")
        states: dict[str, Any] = (await answer.json())["purposes"]
    except tools().Error:
        return False
    return all(states[purpose.id] == "refused" for purpose in target.policy.optional)
