"""The recipe for a single-page application: React from npm, built by esbuild, in Chromium."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import expect

from support.applications import Application
from support.recipes import wait_until

pytestmark = pytest.mark.recipes


@pytest.fixture
def built(recipe):
    """The page, with its script built, and its app."""
    page = recipe("spa")
    page.link_packages()
    app = page.app("shop")
    build = page.node(page.commands()[5])
    assert build.returncode == 0, build.stderr
    return page, app


@pytest.fixture
def visit(built, serve, open_browser):
    """A visitor's page, whose film comes from the test, and the site."""
    _, app = built
    page = open_browser(base_url=serve(app))
    page.route("https://film.example/*", lambda route: route.fulfill(body="<p>A cartwheel</p>", content_type="text/html"))
    page.goto("/")
    page.evaluate("window.marked = true")
    return page, Application(app)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def is_marked(page):
    return page.evaluate("window.marked === true")


def test_the_source_has_the_types_of_the_site(built):
    """The component compiles in strict mode with the types that ``flask privacy types`` writes."""
    page, app = built
    assert app.test_cli_runner().invoke(args=page.commands()[3].split()[3:]).exit_code == 0
    done = page.node(page.commands()[4])
    assert done.returncode == 0, done.stdout


def test_a_decision_in_the_banner_updates_the_page(visit):
    """After "Accept all" the page stays, and the component shows what is granted. Each view is counted once."""
    page, site = visit
    expect(page.get_by_text("You are not counted.")).to_be_visible()
    press(page, "Accept all")
    expect(page.get_by_text("You are counted.")).to_be_visible()
    press(page, "Film 7")
    expect(page.frame_locator("iframe").get_by_text("A cartwheel")).to_be_visible()
    assert is_marked(page)
    page.goto("about:blank")
    wait_until(lambda: site.events("page_exit"))
    assert Counter(event["page"] for event in site.events("page_view")) == {"/": 1, "/films/7": 1}


def test_a_service_is_granted_and_withdrawn_by_the_component(visit):
    """The grant keeps the page. The withdrawal loads a new document without the film, and keeps what else was granted."""
    page, site = visit
    press(page, "Film 7")
    assert page.locator("iframe").count() == 0
    press(page, "Show films of Examplefilm")
    expect(page.locator("iframe")).to_be_visible()
    assert is_marked(page) and site.decisions() == ["grant"]
    press(page, "Hide films of Examplefilm")
    expect(page.get_by_text("Your choice is saved.")).to_be_visible()  # the settings page states that the choice is saved
    page.goto("/films/7")
    expect(page.get_by_role("button", name="Show films of Examplefilm")).to_be_visible()
    assert page.locator("iframe").count() == 0
    assert page.request.get("/privacy/state.json").json()["services"] == {"film": "refused"}


def test_a_refusal_shows_no_film_and_counts_nothing(visit):
    """The gate stays closed, and the interface of the app answers 403 with the way to consent."""
    page, site = visit
    press(page, "Reject all")
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    press(page, "Film 7")
    expect(page.get_by_role("button", name="Show films of Examplefilm")).to_be_visible()
    answer = page.request.get("/api/for-you", headers={"Accept": "application/json"})
    assert (answer.status, answer.json()["consent_url"]) == (403, "/privacy/consent")
    assert not site.events() and not site.decisions()
