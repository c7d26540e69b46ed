"""The example shop: six points of collection and one for postings, each with its notice; a licensed download."""

import json
import re
from html import unescape

import pytest
from forms import born

from example_site import create_app
from flask_mixamo_privacy.policy import OWN_COOKIES

pytestmark = pytest.mark.usefixtures("clock")

ADA = {"email": "ada@mail.example", "name": "Ada"}
#: Of each point the form's address, and what a person types there.
POINTS = {
    "registration": ("/register", {"email": "ada@mail.example", "order": ""}),
    "licence": ("/privacy/licence/licence", {"acceptance": "yes"}),
    "feedback": ("/feedback", {"message": "The walk limps."}),
    "purchase": ("/animations/walk/buy", {**ADA, "address": "1 Lane"}),
    "account": ("/signup", {"email": "ada@mail.example", "password": "a long password"}),
    "newsletter": ("/newsletter", {"email": "ada@mail.example", **born(1990)}),
    "posting": ("/animations/walk", {"name": "Ada", "message": "It walks.", "privacy_acknowledged": "1"}),
}


@pytest.fixture
def shop(tmp_path):
    """The example site with everything it writes in a temporary folder."""
    names = ("PRIVACY_EVENTS", "PRIVACY_LEDGER", "PRIVACY_DATABASE", "SHOP_DATABASE")
    databases = {f"{name}_URL": f"sqlite:///{tmp_path}/{name.lower()}.sqlite" for name in names}
    folders = {"PRIVACY_LOG_DIR": str(tmp_path / "log"), "PRIVACY_ASSETS_DIR": str(tmp_path / "assets")}
    return create_app({"TESTING": True, "SECRET_KEY": "not a secret, a test", **databases, **folders})


def site(shop):
    return shop.extensions["mixamo_privacy"].site(shop)


def ledger(shop, *kinds):
    return list(site(shop).ledger.entries(*kinds))


def form_at(visitor, path):
    """Where the page's form goes, and its hidden fields."""
    text = visitor.get(path).text.partition("<main")[2]
    form = next(part for part in re.split("(?=<form)", text) if "privacy_notice" in part).partition("</form>")[0]
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", form)]
    action = re.match(r'<form[^>]* action="([^"]+)"', form)
    hidden = {each["name"]: unescape(each["value"]) for each in inputs if each.get("type") == "hidden"}
    return action[1] if action else path, hidden


def fill(visitor, point, **more):
    path, typed = POINTS[point]
    action, hidden = form_at(visitor, path)
    return visitor.post(action, data=hidden | typed | more)


def buy(visitor):
    """The number of an order."""
    return fill(visitor, "purchase").location.partition("number=")[2]


def sign_in(visitor):
    visitor.post("/login", data={"name": "customer", "password": "demo"})


@pytest.mark.parametrize("point", POINTS)
def test_promise_09_the_notice_is_shown(shop, point):
    """In the words of the declaration, at the form itself."""
    declared = next(each for each in site(shop).policy.collection if each.id == point)
    text = shop.test_client().get(POINTS[point][0]).text
    form = next(part for part in re.split("(?=<form)", text) if "privacy_notice" in part).partition("</form>")[0]
    assert declared.notice["en"] in unescape(form) and "Privacy policy</a>" in form and " checked" not in text


@pytest.mark.parametrize("point", POINTS)
def test_promise_09_a_record_is_written_under_the_version_in_force(shop, point):
    """Time, version, digest of the words shown, and names of fields; no value of what was typed."""
    visitor = shop.test_client()
    more = {"order": buy(visitor)} if point == "registration" else {}
    assert fill(visitor, point, **more).status_code == 303
    row = ledger(shop, "collection", "acceptance")[-1]
    newest = site(shop).versions.newest()
    assert json.loads(row["detail"])["point"] == point and row["at"] == "2026-05-08T12:00:00.000Z"
    assert row["policy"] == newest.date and row["source"] == "form" and len(row["text"]) == 64
    assert not [value for value in POINTS[point][1].values() if len(value) > 4 and value in str(ledger(shop))]


@pytest.mark.parametrize("point", POINTS)
def test_promise_10_what_nobody_declared_is_dropped(shop, point):
    """An extra field reaches no table, and is counted."""
    visitor = shop.test_client()
    more = {"order": buy(visitor)} if point == "registration" else {}
    assert fill(visitor, point, shoe_size="fortytwo", **more).status_code == 303
    assert json.loads(ledger(shop, "collection", "acceptance")[-1]["detail"])["dropped"] == 1


@pytest.mark.parametrize("point", POINTS)
def test_promise_10_what_is_required_is_asked_for(shop, point):
    """An empty form is answered 400 in the shop's own frame, and nothing is on record."""
    visitor = shop.test_client()
    action, hidden = form_at(visitor, POINTS[point][0])
    kept = {name: value for name, value in hidden.items() if name != "order"}
    answer = visitor.post(action, data=kept)
    assert answer.status_code == 400 and "wordmark" in answer.text and ledger(shop) == []
    assert "Please" in answer.text


def test_promise_31_a_review_without_the_acknowledgement_is_not_posted(shop):
    """400; with it everybody reads it, and nobody is shown an address."""
    visitor = shop.test_client()
    action, hidden = form_at(visitor, "/animations/walk")
    assert visitor.post(action, data=hidden | {"name": "Eve", "message": "It hops."}).status_code == 400
    assert fill(visitor, "posting").location == "/animations/walk#reviews"
    text = shop.test_client().get("/animations/walk").text
    assert "It walks." in text and "It hops." not in text


def test_promise_06_a_clip_is_downloaded_under_the_licence(shop):
    """Not without signing in, nor without having bought it, nor without having accepted."""
    visitor = shop.test_client()
    assert visitor.get("/animations/walk/download").location.startswith("/login")
    sign_in(visitor)
    asked = visitor.get("/animations/walk/download")
    assert asked.location == "/privacy/licence/licence?next=/animations/walk/download"
    assert fill(visitor, "licence").status_code == 303
    served = visitor.get("/animations/walk/download")
    assert (served.status_code, served.json["name"]) == (200, "Walk") and "attachment" in served.headers[
        "Content-Disposition"
    ]
    assert visitor.get("/animations/kick/download").status_code == 403


def test_an_order_comes_on_the_shelf_of_its_account(shop):
    """At once for who is signed in, by registering it for who was not; and on nobody else's."""
    guest, ada, eve = (shop.test_client() for _ in range(3))
    number = buy(guest)
    for visitor, email in ((ada, ADA["email"]), (eve, "eve@mail.example")):
        assert fill(visitor, "account", email=email).status_code == 303
    assert fill(eve, "registration", order=number, email="eve@mail.example").status_code == 422
    assert "Walk" not in ada.get("/account").text
    assert fill(ada, "registration", order=number.lower()).status_code == 303
    assert ['href="/animations/walk"' in each.get("/account").text for each in (ada, eve)] == [True, False]
    fill(eve, "purchase", email="eve@mail.example")
    assert 'href="/animations/walk"' in eve.get("/account").text


def test_promise_28_the_payment_service_gets_its_fields_alone(shop):
    """Name, address of mail and order; not where the invoice goes."""
    buy(shop.test_client())
    found = json.loads(shop.test_cli_runner().invoke(args=["privacy", "disclosures", "--json"]).output)
    assert [(row["recipient"], row["fields"]) for row in found] == [("payment", ["email", "name", "order"])]


def test_promise_20_a_child_gets_no_newsletter(shop):
    """In this browser with any year; the address is on no list."""
    visitor = shop.test_client()
    assert fill(visitor, "newsletter", **born(2016)).status_code == 403
    assert fill(visitor, "newsletter").status_code == 403
    assert site(shop).rights.optins.find(ADA["email"], "marketing") is None
    assert fill(shop.test_client(), "newsletter", email="old@mail.example").location == "/thanks/listed"
    assert site(shop).rights.optins.find("old@mail.example", "marketing").policy == site(shop).policy.version


def test_promise_32_a_deletion_reaches_every_table(shop, tmp_path):
    """After ``flask privacy erase --subject`` nothing in the shop's database names the person."""
    visitor = shop.test_client()
    number = buy(visitor)
    for point, more in (("account", {}), ("registration", {"order": number}), ("feedback", {"email": ADA["email"]})):
        assert fill(visitor, point, **more).status_code == 303
    fill(visitor, "newsletter"), fill(visitor, "posting")
    assert b"ada@mail" in (tmp_path / "shop_database.sqlite").read_bytes()
    assert shop.test_cli_runner().invoke(args=["privacy", "erase", "--subject", ADA["email"]]).exit_code == 0
    assert b"ada@mail" not in (tmp_path / "shop_database.sqlite").read_bytes()


def test_every_cookie_of_the_forms_is_declared(shop):
    """Those that they set, and no more of ours."""
    declared = {cookie.name for cookie in site(shop).policy.cookies if cookie.name.startswith("privacy_")}
    assert declared >= {"privacy_age", "privacy_licence", *OWN_COOKIES}
