"""The example shop's basket, its page for one visitor, and its films from another host."""

import re

import pytest

from conftest import choose
from support.example_shop import command, open_shop

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def visitor(shop):
    return shop.test_client()


def put(visitor, slug, **more):
    return visitor.post("/basket", data={"animation": slug, **more})


def test_the_basket_keeps_what_a_visitor_chose(visitor):
    """An animation is in it once, can be taken out, and an unknown one is refused."""
    for slug in ("walk", "kick", "walk"):
        assert put(visitor, slug).location == "/basket"
    assert re.findall(r'name="animation" value="(\w+)"', visitor.get("/basket").text) == ["kick", "walk"]
    put(visitor, "kick", remove="1")
    assert "€12" in visitor.get("/basket").text and "Kick" not in visitor.get("/basket").text
    assert put(visitor, "fly").status_code == 400


def test_an_order_empties_the_basket(visitor, shop, mails):
    """Each animation is one order with a receipt of its own. An empty basket cannot be ordered."""
    put(visitor, "walk"), put(visitor, "kick")
    form = visitor.get("/order").text
    hidden = dict(re.findall(r'name="(privacy_\w+)" value="([^"]*)"', form))
    typed = {"name": "Ada", "email": "ada@people.example", "address": "1 Lane", "order": "walk,kick"}
    assert visitor.post("/order", data=hidden | typed).location == "/animations/walk/ordered"
    assert len(mails) == 2 and visitor.get("/order").location == "/basket"


def test_consent_required_guards_the_page_for_you(visitor):
    """The page asks for consent to customisation, and then shows what goes well with the favourite."""
    visitor.post("/favourite", data={"animation": "walk"})
    asked = visitor.get("/for-you")
    assert asked.status_code == 403 and "Customisation" in asked.text
    choose(visitor, "save", "customisation")
    visitor.post("/favourite", data={"animation": "walk"})
    assert "Your favourite is" in visitor.get("/for-you").text


@pytest.mark.parametrize("port", ["", ":8000"])
def test_a_film_is_loaded_from_another_host_once_it_is_allowed(visitor, port):
    """Before that, the page has no address of the player. The browser itself would refuse it."""
    base = {"base_url": f"http://127.0.0.1{port}"}
    before = visitor.get("/animations/walk/film", **base)
    assert "<iframe" not in before.text and "/player/" not in before.text and "Allow and load" in before.text
    visitor.post("/privacy/consent", data={"choice": "save", "purpose": "films"}, **base)
    after = visitor.get("/animations/walk/film", **base)
    assert f'src="http://player.localhost{port}/player/walk"' in after.text
    assert "player.localhost:*" in policy_of(after) and "player.localhost" not in policy_of(before)


def policy_of(response):
    """Return the policy that the extension appended to the shop's own."""
    return response.headers["Content-Security-Policy"].rpartition(", ")[2]


def test_the_player_has_nothing_of_the_shop(visitor):
    """It has neither banner nor tracker, as a page of another company."""
    choose(visitor, "accept_all")
    page = visitor.get("/player/walk", base_url="http://player.localhost:8000").text
    assert "/privacy/" not in page and "<svg" in page and visitor.get("/player/walk").status_code == 404


def test_no_mail_to_an_invented_visitor_is_printed(tmp_path, capsys):
    """The orders of the demo data would otherwise hide its progress bar."""
    shop = open_shop(tmp_path, PRIVACY_BASE_URL="http://127.0.0.1:8000")
    command(shop, "privacy", "demo-data", "--visitors", "60", "--days", "20")
    assert "demo.invalid" not in capsys.readouterr().err
