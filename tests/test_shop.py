"""The example shop: six collection points, a form for postings and a licensed download."""

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from example_site import create_app
from example_site.models import Subscriber
from flask_mixamo_privacy.policy.parts import OWN_COOKIES, Contact
from flask_mixamo_privacy.policy.toml import read
from support.example_shop import ADA, command, open_shop, path_to_confirm
from support.form_site import born

pytestmark = pytest.mark.usefixtures("clock")

MAILING = ("newsletter", "May", "--text", __file__)
#: The form's page of each point, and a person's input.
POINTS = {
    "registration": ("/register", {"email": ADA, "password": "a long password"}),
    "licence": ("/privacy/licence/licence", {"acceptance": "yes"}),
    "feedback": ("/feedback", {"message": "The walk limps."}),
    "purchase": ("/animations/walk/order", {"name": "Ada", "email": ADA, "address": "1 Lane"}),
    "account": ("/account/profile", {"name": "Ada", "software": "An analytical engine"}),
    "newsletter": ("/newsletter", {"email": ADA, **born(1990)}),
    "posting": ("/animations/walk", {"name": "Ada", "message": "It walks.", "privacy_acknowledged": "1"}),
}


@pytest.fixture(params=POINTS)
def point(request):
    return request.param


@pytest.fixture
def visitor(shop, point):
    """A visitor who may open the form of this point."""
    visitor = shop.test_client()
    if point == "account":
        fill(visitor, "registration")
    return visitor


def site(shop):
    return shop.extensions["mixamo_privacy"].runtime(shop)


def collected(shop, point):
    """Return the ledger's entries of a point, the newest last."""
    rows = [dict(row) | json.loads(row["detail"]) for row in site(shop).ledger.entries("collection", "acceptance")]
    return [row for row in rows if row["point"] == point]


def form_at(visitor, path):
    """Return the form's markup, its action and its hidden fields."""
    text = visitor.get(path).text.partition("<main")[2]
    form = next(part for part in re.split("(?=<form)", text) if "privacy_notice" in part).partition("</form>")[0]
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", form)]
    hidden = {each["name"]: unescape(each["value"]) for each in inputs if each.get("type") == "hidden"}
    return form, re.match(r'<form[^>]* action="([^"]+)"', form)[1], hidden


def fill(visitor, point, **more):
    path, typed = POINTS[point]
    _, action, hidden = form_at(visitor, path)
    return visitor.post(action, data=hidden | typed | more)


def confirm(shop, mails):
    """Send the link of an opt-in, and press its button."""
    command(shop, "privacy", "requests", "process")
    return shop.test_client().post(path_to_confirm(mails.pop()))


def test_promise_09_the_notice_is_shown(shop, visitor, point):
    """The form has the declared notice, and no checkbox is ticked."""
    declared = next(each for each in site(shop).policy.collection if each.id == point)
    form, _, _ = form_at(visitor, POINTS[point][0])
    assert declared.notice["en"] in unescape(form) and "Privacy policy</a>" in form and " checked" not in form


def test_promise_09_a_record_has_the_version_in_force(shop, visitor, point):
    """The record has time, version, digest and field names, and no value."""
    assert fill(visitor, point).status_code == 303
    [row] = collected(shop, point)
    assert (row["at"], row["policy"], row["source"]) == ("2026-05-08T12:00:00.000Z", "2026-12-01", "form")
    assert len(row["text"]) == 64 and site(shop).versions.newest().date == "2026-12-01"
    assert not [value for value in POINTS[point][1].values() if len(value) > 4 and value in str(row)]


def test_promise_10_an_undeclared_field_is_dropped(shop, visitor, point):
    """An extra field is stored in no table, and is counted."""
    assert fill(visitor, point, shoe_size="fortytwo").status_code == 303
    assert [row["dropped"] for row in collected(shop, point)] == [1]


def test_promise_10_required_fields_are_checked(shop, visitor, point):
    """An empty form is answered 400 in the shop's own layout, and nothing is recorded."""
    _, action, hidden = form_at(visitor, POINTS[point][0])
    answer = visitor.post(action, data={name: value for name, value in hidden.items() if name != "order"})
    assert answer.status_code == 400 and "wordmark" in answer.text and "Please" in answer.text
    assert collected(shop, point) == []


@pytest.mark.parametrize(
    ("point", "typed", "message"),
    [
        ("registration", {"password": "short"}, "Please choose a password of eight characters or more."),
        ("purchase", {"email": "ada"}, "Please give a whole e-mail address."),
        ("feedback", {"email": "ada"}, "Please give a whole e-mail address."),
        ("newsletter", {"email": "ada"}, "Please give a whole e-mail address."),
    ],
)
def test_an_input_that_the_shop_rejects_is_explained_in_the_form(shop, visitor, point, typed, message):
    """The form keeps its input, and a rejected form signs no one up."""
    answer = fill(visitor, point, **typed)
    assert answer.status_code == 422 and message in answer.text and list(site(shop).ledger.entries("opt-in")) == []


def test_a_second_account_for_one_address_is_not_created(shop):
    """The form states the reason."""
    fill(shop.test_client(), "registration")
    assert "There is an account with this address already." in fill(shop.test_client(), "registration").text


def test_promise_31_a_review_without_the_acknowledgement_is_not_posted(shop):
    """It is answered 400; an acknowledged review is public, without an address."""
    visitor = shop.test_client()
    fill(visitor, "registration")
    _, action, hidden = form_at(visitor, "/animations/walk")
    assert visitor.post(action, data=hidden | {"name": "Eve", "message": "It hops."}).status_code == 400
    assert fill(visitor, "posting").location == "/animations/walk#reviews"
    text = shop.test_client().get("/animations/walk").text
    assert "It walks." in text and "It hops." not in text and ADA not in text
    assert collected(shop, "posting")[0]["acknowledged"] is True


def test_promise_06_a_clip_is_downloaded_under_the_licence(shop):
    """The download needs a login, an accepted licence and an order."""
    visitor = shop.test_client()
    assert visitor.get("/animations/walk/download").location.startswith("/login")
    visitor.post("/login", data={"name": "customer", "password": "demo"})
    asked = visitor.get("/animations/walk/download")
    assert asked.location == "/privacy/licence/licence?next=/animations/walk/download"
    assert fill(visitor, "licence").status_code == 303
    served = visitor.get("/animations/walk/download")
    assert (served.status_code, served.json["name"]) == (200, "Walk") and "attachment" in str(served.headers)
    assert visitor.get("/animations/kick/download").location == "/animations/kick"


def test_an_order_is_listed_in_its_account(shop):
    """It is in no other account, and a guest's order is in none."""
    guest, ada, eve = (shop.test_client() for _ in range(3))
    for visitor, email in ((ada, ADA), (eve, "eve@mail.example")):
        fill(visitor, "registration", email=email)
    fill(guest, "purchase"), fill(eve, "purchase")
    assert ['href="/animations/walk"' in each.get("/account").text for each in (ada, eve)] == [False, True]


def test_promise_28_each_company_gets_its_own_fields_alone(shop):
    """The payment service gets no invoice address, and the mail service only the e-mail address."""
    fill(shop.test_client(), "purchase")
    found = json.loads(command(shop, "privacy", "disclosures", "--json"))
    assert [(row["recipient"], row["fields"], row["purpose"]) for row in found] == [
        ("payment", ["email", "name", "order"], "purchase"),
        ("mail", ["email"], "purchase"),
    ]


def test_promise_20_a_minor_gets_no_newsletter(shop, mails):
    """A later birth date in this browser changes nothing; no list has the address and no file the date."""
    visitor = shop.test_client()
    assert [fill(visitor, "newsletter", **born(year)).status_code for year in (2016, 1990)] == [403, 403]
    assert site(shop).mail.marketing.of(ADA) == []
    assert fill(shop.test_client(), "newsletter", email="old@mail.example").location == "/thanks/newsletter"
    assert site(shop).mail.marketing.of("old@mail.example") == []
    assert confirm(shop, mails).status_code == 200
    assert site(shop).mail.marketing.of("old@mail.example")[0].is_in
    assert command(shop, *MAILING) == "sent: 1\n" and [mail["To"] for mail in mails] == ["old@mail.example"]


def test_promise_19_a_person_later_known_as_a_minor_gets_none_either(shop, mails):
    """The minor is left out of the mailing and counted."""
    fill(shop.test_client(), "newsletter")
    confirm(shop, mails)
    command(shop, "privacy", "minors", "add", ADA)
    assert command(shop, *MAILING) == "minor: 1\n" and mails == []


def test_promise_26_the_list_alone_is_no_opt_in(shop, mails):
    """An address that was inserted into the shop's database gets no newsletter."""
    from example_site.database import session

    with shop.app_context(), session() as open_session, open_session.begin():
        open_session.add(Subscriber(email="bought@list.example", old_enough=True))
    assert command(shop, *MAILING) == "no-opt-in: 1\n" and mails == []


def test_a_newsletter_needs_the_base_url_of_the_shop(shop, mails):
    """The links need it; the command names the missing setting and sends nothing."""
    fill(shop.test_client(), "newsletter")
    confirm(shop, mails)
    shop.testing = False
    assert "which is unknown. Set PRIVACY_BASE_URL" in command(shop, *MAILING, code=1) and mails == []


def test_the_shop_sells_while_its_mail_server_is_unavailable(shop, mails, caplog):
    """The log reports the unsent receipt without the address."""
    shop.extensions["mixamo_privacy"].runtime(shop).mailer._send = lambda mail: (_ for _ in ()).throw(OSError("away"))
    assert fill(shop.test_client(), "purchase").location == "/animations/walk/ordered"
    assert "A mail was not sent: away" in caplog.text and ADA not in caplog.text and mails == []


def test_a_password_is_reset_by_a_link_that_works_once(shop, mails, clock):
    """The link works for an hour, and the page does not reveal whether the account exists."""
    visitor = shop.test_client()
    fill(visitor, "registration")
    pages = {visitor.post("/password", data={"email": email}).text for email in (ADA, "nobody@mail.example")}
    path = re.search(r"http://localhost(/password/\S+)", mails[0].get_content())[1]
    assert len(pages) == len(mails) == 1
    assert visitor.post(path, data={"password": "a longer password"}).status_code == 303
    assert visitor.get(path).status_code == 410
    assert visitor.post("/login", data={"name": ADA, "password": "a longer password"}).status_code == 303
    visitor.post("/password", data={"email": ADA})
    clock.shift(3601)
    later = re.search(r"http://localhost(/password/\S+)", mails[1].get_content())[1]
    assert visitor.get(later).status_code == visitor.get("/password/x").status_code == 410


def test_no_new_account_inherits_the_session_of_an_erased_one(shop):
    """An account's number is not used again."""
    ada, eve = shop.test_client(), shop.test_client()
    fill(ada, "registration")
    command(shop, "privacy", "erase", "--subject", ADA)
    fill(eve, "registration", email="eve@mail.example")
    assert ada.get("/account").status_code == 302 and "eve@mail.example" in eve.get("/account").text


def test_promise_32_a_deletion_reaches_every_table(shop, tmp_path):
    """After ``flask privacy erase --subject`` no table of the shop identifies the person."""
    visitor = shop.test_client()
    for point in ("registration", "account", "purchase", "newsletter", "posting"):
        assert fill(visitor, point).status_code == 303
    fill(visitor, "feedback", email=ADA)
    for expected in (5, 0):  # rows of the account, the order, the newsletter, the review and the feedback
        with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
            assert sum(ADA in line for line in connection.iterdump()) == expected
        command(shop, "privacy", "erase", "--subject", ADA)


def test_promise_05_purchases_use_and_support_are_covered(shop):
    """Each purpose has a form that collects for it and names it."""
    served = {purpose: point for point in site(shop).policy.collection for purpose in point.purposes}
    page = unescape(shop.test_client().get("/privacy/").text)
    for purpose in ("purchase", "use", "support"):
        assert served[purpose].title["en"] in page and site(shop).policy.purpose(purpose).title["en"] in page


def test_promise_17_the_log_is_loaded_and_reported_without_the_shops_database(tmp_path):
    """Loading and reporting read the log and its store alone."""
    shop = open_shop(tmp_path, SHOP_DATABASE_URL=f"sqlite:///{tmp_path}")  # a folder is not a database
    visitor = shop.test_client()
    visitor.post("/privacy/consent", data={"choice": "accept_all"})
    assert visitor.get("/studio").status_code == 200
    assert "events loaded" in command(shop, "privacy", "load")
    assert json.loads(command(shop, "privacy", "report", "--json"))["visits"] == "<5"


def test_promise_44_one_contact_is_used_everywhere(tmp_path, mails):
    """A changed contact is used on the page and in every mail."""
    declared = read(Path(create_app.__code__.co_filename).parent / "privacy.toml")
    policy = replace(declared, contact=Contact("Pacework, new", "new@pacework.example"))
    shop = open_shop(tmp_path, PRIVACY_POLICY=policy, PRIVACY_SEND=mails.append)
    page = shop.test_client().get("/privacy/").text
    fill(shop.test_client(), "purchase")
    assert "new@pacework.example" in page and "privacy@pacework.example" not in page
    assert [mail["From"].addresses[0].addr_spec for mail in mails] == ["new@pacework.example"]


def test_the_declaration_and_the_shop_agree(shop):
    """`flask privacy check` has no finding, and every cookie of the forms is declared."""
    assert command(shop, "privacy", "check") == "No findings.\n"
    declared = {cookie.name for cookie in site(shop).policy.cookies if cookie.name.startswith("privacy_")}
    assert declared == {"privacy_age", "privacy_licence", "privacy_events", *OWN_COOKIES}


@pytest.mark.parametrize(("code", "dir"), [("de", "ltr"), ("ar", "rtl")])
def test_the_shops_frame_stays_english_around_a_page_in_another_language(shop, code, dir):
    """The document has the language and the direction of the page, and the shop's header and footer their own."""
    page = shop.test_client().get("/privacy/consent", headers={"Accept-Language": code}).text
    assert f'<html lang="{code}" dir="{dir}"' in page
    assert all(
        f'<{tag} class="{name}" lang="en" dir="ltr">' in page for tag, name in (("header", "top"), ("footer", "bottom"))
    )
    assert '<html lang="en" dir="ltr"' in shop.test_client().get("/", headers={"Accept-Language": code}).text
