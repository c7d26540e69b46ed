"""What visitors of the shop do besides looking, for `flask --app example_site privacy audit` to do as well."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

#: Who signs in, by the id that Flask-Login knows.
LOGINS = {"customer": "customer", "staff": "staff"}


async def choose_a_theme(page: Page) -> None:
    """Remembered for the browser's session, or for longer with consent."""
    await page.goto("/")
    await page.locator("button[name=theme][value=dark]").click()
    await page.wait_for_load_state()


async def accept_the_licence(page: Page) -> None:
    """Remembered in this browser; of whoever is signed in, in the database, where it is asked for once."""
    await page.goto("/privacy/licence/licence")
    accepting = page.get_by_role("button", name="I accept")
    if await accepting.count():
        for address in await page.locator(".privacy-acceptance [type=email]").all():  # of whoever is not signed in
            await address.fill("buyer@people.example")
        await accepting.click()
        await page.wait_for_load_state()


async def say_that_one_is_a_child(page: Page) -> None:
    """The newsletter is not for children, and this browser remembers the answer. It comes last: all that is optional is off
    from then on."""
    await page.goto("/newsletter")
    await page.get_by_label("E-mail address").fill("child@people.example")
    born = datetime.now(UTC).year - 5
    for part, value in (("day", 1), ("month", 1), ("year", born)):
        await page.locator(f"[autocomplete=bday-{part}]").fill(str(value))
    await page.get_by_role("button", name="Sign up").click()
    await page.wait_for_load_state()


STEPS = (choose_a_theme, accept_the_licence, say_that_one_is_a_child)
