"""Forms and mail of the example shop, in a real browser and with a real mail server."""

import re

import pytest
from playwright.sync_api import expect

from support.axe import faults
from support.example_shop import ADA, buy, command, fill, open_shop, opt_in, path_to_confirm, post, press, sign_up
from support.messages import PASSED

pytestmark = pytest.mark.browser

BASE = "https://pacework.example"


@pytest.fixture
def shop(tmp_path, office):
    """The shop, sending its mail by SMTP."""
    office.mails.clear()
    server = "mx.shop.example"  # the domain of the test messages
    return open_shop(tmp_path, PRIVACY_SMTP_URL=office.url, PRIVACY_BASE_URL=BASE, PRIVACY_MAIL_SERVER=server)


@pytest.fixture
def base(shop, serve):
    return serve(shop)


@pytest.fixture
def page(request, base, open_browser):
    """A browser without JavaScript, unless the test asks for it: the shop has no scripts of its own."""
    return answered(open_browser(java_script_enabled=getattr(request, "param", False), base_url=base))


def answered(page):
    """A browser in which the banner was answered."""
    page.goto("/")
    press(page, "Reject all")
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    return page


def newsletter(shop, subject):
    """Send one newsletter and return the command's output."""
    return command(shop, "newsletter", subject, input="New clips.")


def path_of_link(mail):
    return re.search(rf"{BASE}(/privacy/unsubscribe/\S+)", mail.get_content())[1]


def reply(mail, subject, text=""):
    """Return a reply as a mail program sends it: the text, and below it the quoted message."""
    quoted = "".join(f"> {line}\n" for line in mail.get_content().splitlines())
    headers = {
        "From": f"Ada <{ADA}>",
        "To": str(mail["From"]),
        "Subject": subject,
        "Message-ID": f"<{abs(hash(subject))}@people.example>",
        "In-Reply-To": str(mail["Message-ID"]),
        "Authentication-Results": PASSED.replace("mail.example", "people.example"),
        "Content-Type": "text/plain; charset=utf-8",
    }
    return "".join(f"{name}: {value}\n" for name, value in headers.items()) + f"\n{text}\n\nPacework wrote:\n{quoted}"


def by_link(shop, page, mail, folder):
    """Unsubscribe by the link: opening it changes nothing, the button unsubscribes, and the visitor can undo it."""
    page.goto(path_of_link(mail)), page.reload()
    assert newsletter(shop, "Looked at") == "sent: 1\n"
    press(page, "Unsubscribe")
    expect(page.get_by_role("status")).to_have_text("You are unsubscribed.")
    press(page, "Undo")
    assert newsletter(shop, "Undone") == "sent: 1\n"
    press(page, "Unsubscribe")
    expect(page.get_by_role("status")).to_have_text("You are unsubscribed.")


def by_one_click(shop, page, mail, folder):
    """Unsubscribe as a mail provider does (RFC 8058), by a POST from another site without a cookie."""
    path = re.search(rf"<{BASE}(/[^>]+)>", mail["List-Unsubscribe"])[1]
    posted = shop.test_client().post(path, data=dict([mail["List-Unsubscribe-Post"].split("=")]))
    assert posted.status_code == 200 and "Set-Cookie" not in posted.headers


def by_reply(shop, page, mail, folder):
    """Unsubscribe by the word in the subject.

    A thank-you that only quotes the footer changes nothing and needs no review.
    """
    thanks, stop = folder / "thanks.eml", folder / "stop.eml"
    thanks.write_text(reply(mail, f"Re: {mail['Subject']}", "A fine walk!"))
    stop.write_text(reply(mail, f"Re: {mail['Subject']} unsubscribe"))
    assert "1 message: 0 act, 0 ask, 1 ignore." in command(shop, "privacy", "inbox", str(thanks))
    assert newsletter(shop, "Thanked for") == "sent: 1\n"
    assert "1 message: 1 act, 0 ask, 0 ignore." in command(shop, "privacy", "inbox", str(stop))


@pytest.mark.parametrize(
    ("page", "way"), [(True, by_link), (False, by_link), (False, by_one_click), (False, by_reply)], indirect=["page"]
)
def test_promise_37_the_newsletter_ends_and_the_receipt_still_comes(shop, page, office, tmp_path, way):
    """After an opt-out by link, one click or reply, the newsletter ends and other mail is still sent."""
    sign_up(page), buy(page), post(page), opt_in(page)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    assert newsletter(shop, "April") == "no-opt-in: 1\n"
    command(shop, "privacy", "requests", "process")
    page.goto(path_to_confirm(office.mails[-1][1]))
    press(page, "Yes, sign me up")
    expect(page.get_by_role("status")).to_have_text("Thank you. You are signed up: Newsletter.")
    assert newsletter(shop, "May") == "sent: 1\n"
    mail = office.mails[-1][1]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and path_of_link(mail) in mail["List-Unsubscribe"]
    way(shop, page, mail, tmp_path)
    office.mails.clear()
    assert newsletter(shop, "June") == "opted-out: 1\n"
    buy(page), fill(page, "/password", "Send me a link", email=ADA)
    expect(page.get_by_role("status")).to_contain_text("a mail with a link is on its way")
    assert office.subjects(ADA) == ["Receipt of order 2", "Your new password"]


def test_promise_19_a_child_gets_a_receipt_but_no_marketing(shop, page, office):
    """A second attempt with an older birth year in the same browser is refused. The receipt for a purchase is still sent."""
    buy(page), opt_in(page, privacy_birth_year="2020")
    expect(page.get_by_role("alert")).to_contain_text("We cannot sign you up.")
    opt_in(page)
    expect(page.get_by_role("alert")).to_contain_text("We cannot sign you up.")
    assert newsletter(shop, "May") == "" and office.subjects(ADA) == ["Receipt of order 1"]


def test_promise_06_a_clip_is_bought_accepted_and_downloaded(page):
    """The visitor must accept the licence once before the file can be downloaded."""
    sign_up(page), buy(page)
    page.get_by_role("link", name="Download it").click()
    expect(page.get_by_text("You may use a clip in one project")).to_be_visible()
    for button in ("I accept", "Download it"):
        with page.expect_download() as download:
            page.get_by_role("button" if button == "I accept" else "link", name=button).click()
        assert download.value.suggested_filename == "walk.json"
        page.goto("/animations/walk")


def test_promise_31_without_the_required_box_nothing_is_collected(page):
    """The browser does not submit the form.

    If it is submitted all the same, the response is 400 and no data reaches the view.
    """
    page.goto("/animations/walk")
    page.get_by_label("Your review").fill("It hops.")
    page.get_by_label("The name to show with it").fill("Eve")
    press(page, "Post it")
    expect(page).to_have_url("/animations/walk")
    posted = page.request.post("/animations/walk/reviews", form={"name": "Eve", "message": "It hops."})
    assert posted.status == 400 and "Please confirm that you know who can read it" in posted.text()
    page.reload()
    expect(page.get_by_text("Nobody has said anything about it yet.")).to_be_visible()


def test_forms_are_filled_in_by_keyboard_alone(page):
    """Tab moves between the fields, Space ticks a box, and Enter submits the form."""
    page.goto("/newsletter")
    page.locator("main [name=email]").focus()
    for typed in (ADA, "10", "12", "1985"):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past the link to the policy
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.goto("/animations/walk")
    page.get_by_label("Your review").focus()
    for typed in ("It walks.", "Ada"):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab"), page.keyboard.press("Tab"), page.keyboard.press("Enter")
    expect(page.get_by_text("It walks.")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme", "locale"), [(1280, "light", "en"), (320, "dark", "ar")])
def test_axe_finds_no_violation_in_the_forms(shop, base, open_browser, width, scheme, locale):
    """axe-core finds no violation in the forms, their responses and the unsubscribe page, and none is wider than the
    screen.
    """
    viewport = {"width": width, "height": 568}
    page = open_browser(base_url=base, viewport=viewport, color_scheme=scheme, locale=locale)

    def look():
        assert faults(page) == []
        for size in (320, width):
            page.set_viewport_size(viewport | {"width": size})
            assert page.evaluate("document.documentElement.scrollWidth") == size, page.url

    with shop.app_context():
        token = shop.extensions["mixamo_privacy"].runtime(shop).mail.marketing.tokens.make(ADA, "marketing")
    page.goto("/")
    page.locator(".mixamo-ask button[value=reject_all]").click()
    for path in ("/register", "/newsletter", "/feedback", "/animations/walk/order", "/password", "/password/x"):
        page.goto(path), look()
    sign_up(page), look()
    buy(page), look()
    page.request.post("/animations/walk/reviews", form={"name": "Ada", "message": "Wide" * 99, "privacy_acknowledged": "1"})
    for path in ("/account/profile", "/animations/walk", "/animations/walk/download", "/thanks/newsletter"):
        page.goto(path), look()
    page.goto("/feedback"), page.locator("main form").evaluate("form => form.noValidate = true")
    press(page, "Send")  # the page that collects nothing
    expect(page.locator("main [role=alert]")).to_be_visible(), look()
    page.goto(f"/privacy/unsubscribe/{token}"), look()
    page.locator("main form button").click()
    expect(page.get_by_role("status")).to_be_visible(), look()
