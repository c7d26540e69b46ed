"""The recipe for Flask-WTF."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes


def send(browser, path, **fields):
    """Fill in the form of the site on this page, and post it."""
    form = browser.open(path).text.partition("<main>")[2].partition("</form>")[0]
    hidden = {
        name: unescape(value) for name, value in re.findall(r'type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)
    }
    hidden |= {name: unescape(value) for name, value in re.findall(r'name="([^"]+)" type="hidden" value="([^"]*)"', form)}
    return browser.request(path, "POST", data=hidden | fields)


def test_accept_browse_withdraw(recipe):
    """The site's forms work with their token in each state of consent, and fail without it."""
    app = recipe("forms").app("shop")
    browser = Browser(app)

    def search():
        assert "<p>horse</p>" in send(browser, "/", words="horse").text
        assert browser.request("/", "POST", data={"words": "horse"}).status_code == 400

    search()
    accept_browse_withdraw(Application(app), Browser(app), ["/", "/order"])


def test_an_order_is_recorded_and_an_undeclared_field_is_dropped(recipe):
    """The view gets the declared fields only, and the ledger names them without their values."""
    app = recipe("forms").app("shop")
    answer = send(Browser(app), "/order", email="ada@shop.example", street="Elm 1", shoe_size="42", submit="Order")
    assert answer.status_code == 302
    import shop

    (order,) = shop.orders
    assert (order["street"], order["shoe_size"]) == ("Elm 1", None)
    (row,) = Application(app).ledger("collection")
    assert json.loads(row["detail"])["fields"] == ["email", "street"]


def test_a_missing_field_is_shown_at_its_field(recipe):
    """The form comes back with an error, and nothing is recorded."""
    app = recipe("forms").app("shop")
    page = send(Browser(app), "/order", email="ada@shop.example").text
    assert "<title>Error: Order</title>" in page and 'aria-invalid="true"' in page
    assert not Application(app).ledger()
