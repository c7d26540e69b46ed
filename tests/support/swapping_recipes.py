"""The recipes for libraries that swap the body of a page, in a browser: what each of them has to do."""

from __future__ import annotations

from collections import Counter
from typing import Any

from playwright.sync_api import expect

from support.applications import Application
from support.recipes import Recipe, wait_until

# Sets window.tracked to the heading of the page for which the tracker ran last.
OBSERVE = """addEventListener("privacy:tracker", () => {
  if (document.currentScript?.isConnected) window.tracked = document.querySelector("h1").textContent }, true)"""


def install(page: Recipe, **renamed: str) -> None:
    """Run the page's commands that install its library, from these packages instead of those that the page names."""
    page.link_packages()
    for command in page.commands():
        if command.startswith(("mkdir", "cp")):
            for name, other in renamed.items():
                command = command.replace(name, other)
            page.run(command)


class Visit:
    """A visitor's browser on the site of a recipe."""

    def __init__(self, app: Any, address: str, page: Any) -> None:
        self.site, self.page = Application(app), page
        page.context.add_init_script(OBSERVE)
        page.goto(address)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def accept(self) -> None:
        self.press("Accept all")
        expect(self.page.locator(".mixamo-ask")).to_have_count(0)

    def follow(self, *names: str) -> None:
        """Follow these links, and let each page's tracker run."""
        for name in names:
            self.page.get_by_role("link", name=name, exact=True).click()
            expect(self.page.get_by_role("heading", level=1)).to_have_text(name)
            self.page.wait_for_function("(name) => window.tracked === name", arg=name)

    def mark(self) -> None:
        """Set a mark that a new document does not have."""
        self.page.evaluate("window.marked = true")

    def is_marked(self) -> bool:
        return bool(self.page.evaluate("window.marked === true"))

    def counted(self) -> Counter[tuple[str, str]]:
        """Leave the site, and return how often each page had each event."""
        self.page.evaluate("document.dispatchEvent(new CustomEvent('privacy:track', { detail: { name: 'walk.ended' } }))")
        self.page.goto("about:blank")
        wait_until(lambda: self.site.events("walk.ended"))
        return Counter((event["kind"], event["page"]) for event in self.site.events())


def check_walk(visit: Visit) -> None:
    """Accept, walk in one document, and compare the events with those of plain pages."""
    visit.accept()
    visit.mark()
    visit.follow("Film 1", "Film 2", "Shop")
    visit.press("Like")
    assert visit.is_marked()  # the library swapped the pages
    found = visit.counted()
    assert [found["page_view", path] for path in ("/", "/films/1", "/films/2")] == [2, 1, 1]
    assert [found["page_exit", path] for path in ("/", "/films/1", "/films/2")] == [2, 1, 1]
    assert found["film.liked", "/"] == 1 and len(visit.site.ledger("grant")) == 1


def check_fragment(visit: Visit) -> None:
    """A fragment follows the decision without a new page."""
    expect(visit.page.locator("#counted")).to_have_text("You are not counted.")
    visit.mark()
    visit.accept()
    expect(visit.page.locator("#counted")).to_have_text("You are counted.")
    assert visit.is_marked()


def check_withdrawal(visit: Visit) -> None:
    """A withdrawal on the settings page ends the document in which scripts of the old page run."""
    visit.accept()
    visit.follow("Film 1")
    visit.mark()
    visit.page.get_by_role("link", name="Privacy settings").click()
    visit.press("Reject all")
    expect(visit.page.get_by_role("status").first).to_be_visible()
    assert not visit.is_marked() and visit.site.ledger("withdrawal") and not visit.site.events()
