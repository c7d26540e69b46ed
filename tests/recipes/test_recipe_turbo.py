"""The recipe for Turbo, from npm, in Chromium."""

from __future__ import annotations

import pytest

from support.swapping_recipes import Visit, check_fragment, check_walk, check_withdrawal, install

pytestmark = pytest.mark.recipes


@pytest.fixture
def visit(recipe, serve, open_browser):
    """A visitor on the page's site."""
    page = recipe("turbo")
    install(page)
    app = page.app("shop")
    return Visit(app, serve(app), open_browser())


def test_a_walk_is_counted_as_on_plain_pages(visit):
    """Each page has one view and one exit, and one press one grant."""
    check_walk(visit)


def test_a_frame_follows_the_decision(visit):
    """The listener of ``privacy:change`` loads it again."""
    check_fragment(visit)


def test_a_withdrawal_ends_the_document(visit):
    """Turbo leaves the form of the settings alone."""
    check_withdrawal(visit)
