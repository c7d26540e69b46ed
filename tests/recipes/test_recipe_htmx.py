"""The recipe for htmx: versions 2 and 4, from npm, in Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.swapping_recipes import Visit, check_fragment, check_walk, check_withdrawal, install

pytestmark = pytest.mark.recipes


@pytest.fixture(params=["htmx.org", "htmx4"])
def visit(request, recipe, serve, open_browser):
    """A visitor on the page's site."""
    page = recipe("htmx")
    install(page, **{"htmx.org": request.param})
    app = page.app("shop")
    return Visit(app, serve(app), open_browser())


def test_a_walk_is_counted_as_on_plain_pages(visit):
    """Each page has one view and one exit, and one press one grant."""
    check_walk(visit)


def test_a_fragment_follows_the_decision(visit):
    """``hx-trigger="privacy:change from:document"`` fetches it again."""
    check_fragment(visit)


def test_a_withdrawal_ends_the_document(visit):
    """htmx leaves the form of the settings alone."""
    check_withdrawal(visit)


def test_a_view_that_needs_consent_is_swapped_in_after_the_grant(visit):
    """Before the grant, it answers 403."""
    with visit.page.expect_response("**/for-you") as answer:
        visit.press("For you")
    assert answer.value.status == 403
    visit.page.reload()
    visit.accept()
    visit.press("For you")
    expect(visit.page.get_by_text("Chosen for you.")).to_be_visible()
