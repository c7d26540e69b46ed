"""Logins and steps of `flask --app example_site privacy audit`: actions of visitors besides opening pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

#: The users who sign in, by their Flask-Login id. One is enough: staff see every page, also those of customers.
LOGINS = {"staff": "staff"}


async def choose_a_theme(page: Page) -> None:
    """Choose a theme. It is remembered for the browser session, or for longer with consent."""
    await page.goto("/")
    await page.locator("button[name=theme][value=dark]").click()
    await page.wait_for_load_state()


async def accept_the_licence(page: Page) -> None:
    """Accept the licence. The browser remembers it. For a signed-in user, the database does, so the page asks only once."""
    await page.goto("/privacy/licence/licence")
    accepting = page.get_by_role("button", name="I accept")
    if await accepting.count():
        for address in await page.locator(".mixamo-acceptance [type=email]").all():  # of an anonymous visitor
            await address.fill("buyer@people.example")
        await accepting.click()
        await page.wait_for_load_state()


async def answer_as_a_child(page: Page) -> None:
    """Answer the age question as a child.

    This step is the last one, because the browser remembers the answer and turns off every optional purpose.
    """
    await page.goto("/newsletter")
    await page.get_by_label("E-mail address").fill("child@people.example")
    born = datetime.now(UTC).year - 5
    for part, value in (("day", 1), ("month", 1), ("year", born)):
        await page.locator(f"[autocomplete=bday-{part}]").fill(str(value))
    await page.get_by_role("button", name="Sign up").click()
    await page.wait_for_load_state()


STEPS = (choose_a_theme, accept_the_licence, answer_as_a_child)
