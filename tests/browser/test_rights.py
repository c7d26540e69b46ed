"""Data subject requests to the example shop in a real browser: account, orders, newsletter and feedback, end to end."""

import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

from support.axe import faults
from support.example_shop import ADA, buy, command, fill, opt_in, post, press, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]


@pytest.fixture
def base(shop, serve):
    return serve(shop)


@pytest.fixture
def enter(base, open_browser):
    """Return a function that opens the shop in a browser without JavaScript, with the banner answered."""

    def enter_shop(**options):
        page = open_browser(java_script_enabled=False, base_url=base, **options)
        page.goto("/")
        press(page, "Reject all")
        return page

    return enter_shop


def live(page, email=ADA):
    """Leave data about one person in every table of the shop's own database."""
    sign_up(page, email)
    expect(page.get_by_role("heading", name="Customer account")).to_be_visible()
    buy(page, email), opt_in(page, email), post(page)
    fill(page, "/feedback", "Send", message="I walk differently.", email=email)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()


def ask(page, shop, mails, kind, email=ADA):
    """Submit a request and confirm it by the mail's link, in a browser that is not signed in."""
    page.goto("/privacy/requests")
    page.get_by_label(kind).check()
    page.get_by_label("E-mail address").fill(email)
    press(page, "Send the request")
    expect(page.get_by_role("status")).to_contain_text("We have sent an e-mail to the address you gave")
    command(shop, "privacy", "requests", "process")
    page.goto(link(mails))
    press(page, "Yes, this was me")
    expect(page.get_by_role("status")).to_contain_text("We will answer request")


def answer(staff, number, button):
    staff.goto("/account")
    staff.get_by_role("link", name="requests").click()
    staff.get_by_role("link", name=str(number), exact=True).click()
    press(staff, button)
    if button == "Delete the data":
        expect(staff.get_by_role("heading", name="Delete this person's data?")).to_be_visible()
        press(staff, "Delete the data for good")
    expect(staff.get_by_role("heading", name="Answer", exact=True)).to_be_visible()


def as_staff(page):
    page.goto("/login?next=/account")
    page.get_by_label("Name").fill("staff")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    return page


def link(mails):
    """Return the link in the last mail about a request. The newsletter's sign-up sends one too."""
    texts = [mail.get_content() for mail in mails]
    return re.search(r"http://\S+", [text for text in texts if "Newsletter" not in text][-1])[0]


def tables(tmp_path, text):
    """Return the tables of the shop's database that contain this text."""
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sorted(name for name in names if text in str(connection.execute(f"SELECT * FROM {name}").fetchall()))


EVERYWHERE = ["customers", "feedback", "orders", "reviews", "subscribers"]


def test_promise_32_a_person_sees_all_that_the_shop_stores(shop, enter, mails, tmp_path):
    """The person confirms the request by the mail's link, staff answer it, and the answer contains every table."""
    page = enter()
    live(page)
    assert tables(tmp_path, ADA) == EVERYWHERE
    ask(page, shop, mails, "Get a copy of my data")
    answer(as_staff(enter()), 1, "Send the data")
    page.goto(link(mails))
    press(page, "Show my data")
    main = page.get_by_role("main")
    for text in ("1 Engine Lane", "I walk differently.", "walk", ADA):
        expect(main.get_by_text(text).first).to_be_visible()
    with page.expect_download() as download:
        press(page, "Save it as a file")
    found = json.loads(download.value.path().read_text())
    assert sorted(found["shop"]) == EVERYWHERE and "password_hash" not in str(found)


def test_promise_34_a_deletion_holds_after_a_restore(shop, enter, mails, tmp_path, clock):
    """A deletion signs the person out and leaves only the invoice. A replay after a restore erases the data again."""
    page = enter()
    live(page)
    shutil.copy(tmp_path / "shop.sqlite", tmp_path / "old.sqlite")
    clock.shift(60)
    other = enter()
    ask(other, shop, mails, "Delete my data")
    staff = as_staff(enter())
    answer(staff, 1, "Delete the data")
    expect(staff.get_by_text("Kept until May 8, 2036: Invoice address")).to_be_visible()
    assert (tables(tmp_path, ADA), tables(tmp_path, "Ada"), tables(tmp_path, "Engine Lane")) == ([], [], ["orders"])
    page.goto("/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    shutil.copy(tmp_path / "old.sqlite", tmp_path / "shop.sqlite")
    assert tables(tmp_path, ADA) == EVERYWHERE
    clock.shift(60)
    live(other, "grace@people.example")
    assert "shop: 4 deleted, 1 anonymised" in command(shop, "privacy", "replay")
    assert (tables(tmp_path, ADA), tables(tmp_path, "grace@people.example")) == ([], EVERYWHERE)
    assert "had to be applied again" in command(shop, "privacy", "replay")


def test_promise_34_a_new_account_after_an_erasure_stays(shop, enter, mails, tmp_path, clock):
    """A new account under the same address, created after the erasure, is not erased by a replay."""
    page = enter()
    live(page)
    command(shop, "privacy", "erase", "--subject", ADA)
    clock.shift(60)
    live(page)
    assert "had to be applied again" in command(shop, "privacy", "replay")
    assert tables(tmp_path, ADA) == EVERYWHERE


def test_promise_41_staff_access_to_orders_is_recorded(shop, enter):
    """The ledger records the need, the page and the fields. A customer is denied access."""
    page = enter()
    live(page)
    page.goto("/orders")
    expect(page.get_by_text("does not have the permission “support”")).to_be_visible()
    staff = as_staff(enter())
    staff.get_by_role("link", name="orders").click()
    expect(staff.get_by_role("row").nth(1)).to_contain_text("Ada")
    looks = json.loads(command(shop, "privacy", "access", "--json"))["looks"]
    assert [(look["who"], look["what"], look["outcome"]) for look in looks] == [
        ("customer-1", "/orders", "denied"),
        ("staff", "/orders", "allowed"),
    ]
    assert looks[1]["fields"] == ["email", "name", "order"] and looks[1]["need"] == "support"


def test_promise_20_the_newsletter_stores_nothing_about_a_child(enter, tmp_path):
    """Only a person who is old enough is subscribed. An older birth date in the same browser is refused."""
    page = enter()
    for year in ("2016", "1985"):
        opt_in(page, privacy_birth_year=year)
        expect(page.get_by_role("alert")).to_contain_text("We cannot sign you up.")
    assert not (tmp_path / "shop.sqlite").exists() or tables(tmp_path, ADA) == []


LOOKS = ((1280, "light"), (320, "dark"))


def test_axe_finds_no_violation_in_the_request_pages(shop, base, open_browser, mails):
    """axe-core finds no violation in the form, the confirmation, the answer and the staff pages, and none is too wide."""
    page = open_browser(base_url=base)
    page.goto("/")
    press(page, "Reject all")
    live(page)

    def look():
        for width, scheme in LOOKS:
            page.set_viewport_size({"width": width, "height": 568})
            page.emulate_media(color_scheme=scheme)
            assert faults(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") == width, page.url

    page.goto("/privacy/requests")
    look()
    ask(page, shop, mails, "Get a copy of my data")
    look()
    page.goto("/account")
    look()
    press(page, "Sign out")
    as_staff(page)
    for path in ("/privacy/staff", "/privacy/requests/staff", "/privacy/requests/staff/1", "/orders"):
        page.goto(path)
        look()
    page.goto("/privacy/requests/staff/1")
    press(page, "Send the data")
    look()
    page.goto(link(mails))
    look()
    press(page, "Show my data")
    look()
