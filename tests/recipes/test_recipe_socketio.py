"""The recipe for Flask-SocketIO: a real handshake, by the client from npm, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.applications import Application
from support.recipes import free_port, wait_until

pytestmark = pytest.mark.recipes


@pytest.fixture
def visit(recipe, open_browser):
    """A visitor's page on the site, which runs as the page shows, and the site's records."""
    recipe_page = recipe("socketio")
    recipe_page.link_packages()
    for command in recipe_page.commands():
        if command.startswith(("mkdir", "cp")):
            recipe_page.run(command)
    source, port = recipe_page.folder / "shop.py", free_port()
    source.write_text(source.read_text().replace("port=5000", f"port={port}"))
    app = recipe_page.app("shop")  # reads what the served process recorded
    with recipe_page.running("python shop.py", port):
        page = open_browser(base_url=f"http://127.0.0.1:{port}")
        page.goto("/")
        yield page, Application(app)


def say(page, state):
    page.get_by_role("button", name="Say hello").click()
    expect(page.locator("#answer")).to_have_text(f"hello, {state}", timeout=20_000)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".mixamo-ask")).to_have_count(0, timeout=20_000)


def test_the_socket_knows_the_decision(visit):
    """Before the grant nothing is recorded; after it, each message is one event, and no handshake is a page view."""
    page, site = visit
    say(page, "unasked")
    with page.expect_response("**/privacy/tracker.js*"):
        press(page, "Accept all")
    say(page, "granted")
    page.goto("about:blank")
    wait_until(lambda: site.events("page_exit"))
    assert [event["data"] for event in site.events("chat.said")] == [{"length": 5}]
    assert site.pages_viewed() == ["/"]


def test_an_open_socket_records_nothing_after_a_withdrawal_elsewhere(visit):
    """Its cookies are those of the ended grant, whose visitor is erased, so the loader refuses its events."""
    page, site = visit
    press(page, "Accept all")
    say(page, "granted")
    page.context.request.post("/privacy/consent", form={"choice": "reject_all"}, max_redirects=0)
    page.get_by_role("button", name="Say hello").click()
    page.get_by_role("button", name="Say hello").click()
    expect(page.locator("#answer")).to_have_text("hello, granted")
    assert not site.events("chat.said")
