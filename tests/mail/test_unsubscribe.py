"""Unsubscribing by a link and by one click (RFC 8058, RFC 2369)."""

import json
import re
import sqlite3
from contextlib import closing

import pytest
from flask_wtf import CSRFProtect

from flask_mixamo_privacy.i18n.language import SHIPPED, language
from flask_mixamo_privacy.mail.unsubscribe import LENGTH
from support.mail_site import ADA, BASE, Shop

pytestmark = pytest.mark.usefixtures("clock")

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def shop(tiny):
    with Shop(tiny) as shop:
        shop.privacy.opt_in(ADA)
        yield shop


def path_of(shop, **values):
    header = shop.privacy.unsubscribe_headers(ADA, **values)["List-Unsubscribe"]
    return re.search(r"<https://shop\.example(/privacy/unsubscribe/\S+?)>", header)[1]


def test_promise_26_a_mail_has_both_ways_to_unsubscribe(shop):
    """A mail has a one-click URL and a mail address, neither with the recipient in plain text."""
    headers = shop.privacy.unsubscribe_headers("ada.lovelace@private.example", "marketing")
    token = shop.token("ada.lovelace@private.example")
    assert headers == {
        "List-Unsubscribe": f"<{BASE}/privacy/unsubscribe/{token}>, <mailto:unsubscribe+{token}@shop.example?subject=unsubscribe>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert "ada" not in str(headers) and "private" not in str(headers) and re.fullmatch(f"[a-z2-7]{{{LENGTH}}}", token)
    assert len(f"unsubscribe+{token}") <= 64


def test_promise_26_one_click_works_without_session_origin_or_redirect(shop):
    """The request is sent as by a mail provider, and no cookie is set."""
    visitor = shop.site.visitor()
    answer = visitor.post(path_of(shop), data=ONE_CLICK)
    assert answer.status_code == 200 and "You are unsubscribed." in answer.text and "Set-Cookie" not in answer.headers
    assert shop.may() == "opted-out" and answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://mail.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "text/plain"}]
)
def test_promise_26_the_token_is_sufficient(shop, headers):
    """A cross-site post of a web mailer is accepted, also under Flask-WTF's CSRF protection."""
    shop.site.app.config["WTF_CSRF_ENABLED"] = True
    CSRFProtect(shop.site.app)
    assert shop.site.visitor().post(path_of(shop), headers=headers).status_code == 200
    assert shop.may() == "opted-out"


def test_promise_26_opening_the_page_changes_nothing(shop):
    """A mail scanner may fetch the link by GET or HEAD; the page states what the button does."""
    visitor, path = shop.site.visitor(), path_of(shop)
    pages = {visitor.get(path).data for _ in range(20)} | {visitor.get(path, headers={"Sec-Purpose": "prefetch"}).data}
    assert visitor.head(path).status_code == visitor.options(path).status_code == 200
    assert len(pages) == 1 and b"Press the button to stop these e-mails." in pages.pop()
    assert shop.may() == "opted-in" and not shop.site.ledger("opt-out")


@pytest.mark.parametrize("bad", ["x", "a" * LENGTH, "ä" * LENGTH, "a" * 2000, "=" * LENGTH, "%00" * 45])
def test_promise_26_an_invalid_token_gets_the_same_answer(shop, bad):
    """The answer is the same byte for byte, so it reveals no valid token, and it unsubscribes no one."""
    shop.site.visitor().get("/")
    good, wrong = (
        shop.site.visitor().post(f"/privacy/unsubscribe/{token}", data=ONE_CLICK) for token in (shop.token(), bad)
    )
    assert (wrong.status_code, wrong.data) == (good.status_code, good.data)
    assert sorted(wrong.headers.keys()) == sorted(good.headers.keys())
    assert len(shop.site.ledger("opt-out")) == 1


def divided(token, mark):
    return token[:20] + mark + token[20:]


def full_width(token):
    return "".join(chr(ord(letter) + 0xFEE0) for letter in token)


@pytest.mark.parametrize("before", ["", "<", "%20", "%3C", "&lt;"])
@pytest.mark.parametrize(
    "after", [".", ")", "%3E", "%253E", "&gt;", "%20", ").Thanks", ",", "%22%3EUnsubscribe", "=20", "=0D=0A"]
)
def test_promise_26_a_link_with_other_characters_around_it_works(shop, before, after):
    """Mail programs add the punctuation beside a link to it."""
    answer = shop.site.visitor().post(f"/privacy/unsubscribe/{before}{shop.token()}{after}", data=ONE_CLICK)
    assert "You are unsubscribed." in answer.text and shop.may() == "opted-out"


@pytest.mark.parametrize(
    "mark",
    ["%20", "=%0D%0A", "=", "%0A", "=%0A", "%09", "+", "-", "%C2%AD", "%E2%80%8B", "%EF%BB%BF", "=0D=0A", ".", "%250A"],
)
def test_promise_26_a_link_that_was_divided_works(shop, mark):
    """A line end, a soft break or an invisible character inside the token is ignored."""
    answer = shop.site.visitor().post(f"/privacy/unsubscribe/{divided(shop.token(), mark)}", data=ONE_CLICK)
    assert "You are unsubscribed." in answer.text and shop.may() == "opted-out"


@pytest.mark.parametrize("change", [full_width, lambda token: token * 2, lambda token: f"{token}/"])
@pytest.mark.parametrize("data", [{}, ONE_CLICK])
def test_promise_26_a_link_that_a_program_rewrote_works(shop, change, data):
    """A token in full-width letters, twice, or with a slash at its end is the same token."""
    answer = shop.site.visitor().post(f"/privacy/unsubscribe/{change(shop.token())}", data=data)
    assert answer.status_code == 200 and "You are unsubscribed." in answer.text and shop.may() == "opted-out"


@pytest.mark.parametrize(
    "damage", [lambda t: t[:-1], lambda t: t[1:], lambda t: t[:20], lambda t: t + "abc", lambda t: divided(t, "x")]
)
@pytest.mark.parametrize("data", [None, ONE_CLICK, {"undo": "1"}])
def test_promise_26_a_damaged_link_is_never_answered_as_a_success(shop, damage, data):
    """The page states it, and offers the address to unsubscribe and the contact."""
    visitor, path = shop.site.visitor(), f"/privacy/unsubscribe/{damage(shop.token())}"
    answer = visitor.get(path) if data is None else visitor.post(path, data=data)
    assert (
        answer.status_code == 400 and "This link is incomplete" in answer.text and "You are unsubscribed." not in answer.text
    )
    assert "mailto:unsubscribe@shop.example" in answer.text and "privacy@shop.example" in answer.text
    assert shop.may() == "opted-in"


def test_a_token_with_one_changed_letter_does_nothing(shop):
    """Each token is signed over the person and the list."""
    token = shop.token()
    for place in range(0, LENGTH - 1, 4):
        changed = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        shop.site.visitor().post(f"/privacy/unsubscribe/{changed}")
    assert shop.may() == "opted-in"


def test_promise_26_it_can_be_undone(shop):
    """The button on the page undoes it, any number of times."""
    visitor, path = shop.site.visitor(), path_of(shop)
    for _ in range(2):
        assert "Undo" in visitor.post(path).text and shop.may() == "opted-out"
        assert visitor.post(path, data={"undo": "1"}).status_code == 200 and shop.may() == "opted-in"
    assert [row["kind"] for row in shop.site.ledger()] == ["opt-in"] + 2 * ["opt-out", "opt-out undone"]


@pytest.mark.parametrize("out", ["site", "erased", "link", "objection"])
def test_promise_26_an_old_link_ends_no_opt_out_of_the_person(shop, clock, out):
    """A mail may have been forwarded. Its reader unsubscribes the person again and presses Undo, which undoes nothing."""
    path, rights = path_of(shop), shop.site.privacy.runtime(shop.site.app).rights
    ways = {
        "site": lambda: shop.privacy.opt_out(ADA, "marketing"),
        "erased": lambda: rights.data_subjects.erase(ADA, "staff"),
        "link": lambda: shop.site.visitor().post(path),
        "objection": lambda: rights.data_subjects.record_manual_action("object", ADA, "staff", 1),
    }
    with shop.site.app.app_context():
        ways[out]()
    clock.shift(2 * 24 * 3600)
    for data in ({}, {"undo": "1"}):
        shop.site.visitor().post(path, data=data)
    assert shop.may() == "opted-out"


def shop_with_keys(tiny, number):
    """A shop with this many keys, the newest last."""
    return Shop(tiny, PRIVACY_KEYS={f"key{n}": str(n) * 20 for n in range(1, number + 1)})


@pytest.mark.parametrize("looked_up", [True, False])
def test_promise_26_it_can_be_undone_after_the_keys_changed(tiny, looked_up):
    """The link of an old mail still works after two new keys, with rewritten rows or without."""
    with shop_with_keys(tiny, 1) as shop:
        shop.privacy.opt_in(ADA)
        path = path_of(shop)
    for number in (2, 3):
        with shop_with_keys(tiny, number) as shop:
            shop.site.visitor().post(path)
            assert not looked_up or shop.may() == "opted-out"
            shop.site.visitor().post(path, data={"undo": "1"})
            assert not looked_up or shop.may() == "opted-in"
    with shop_with_keys(tiny, 3) as shop:
        assert shop.may() == "opted-in"


def test_promise_26_an_old_link_unsubscribes_a_person_who_returned_under_a_new_key(tiny):
    """The later decision counts with equal timestamps, and a replay changes nothing."""
    with shop_with_keys(tiny, 1) as shop:
        shop.privacy.opt_in(ADA)
        path = path_of(shop)
    with shop_with_keys(tiny, 2) as shop:
        for _ in range(3):
            shop.privacy.opt_in(ADA)
            assert shop.may() == "opted-in"
        shop.site.visitor().post(path)
        assert shop.may() == "opted-out"
        assert json.loads(shop.site.cli("replay", "--json").output)["choices"] == 0 and shop.may() == "opted-out"


def test_promise_34_an_undone_opt_out_stays_undone_after_a_restore(tiny, clock):
    """This also holds if the keys changed and the backup has only the older one."""
    with shop_with_keys(tiny, 1) as shop:
        shop.privacy.opt_in(ADA)
        path, database = path_of(shop), shop.site.folder / "privacy-rights.sqlite"
        backup = database.read_bytes()
        shop.site.visitor().post(path)
    clock.shift(1)
    with shop_with_keys(tiny, 2) as shop:
        assert shop.may() == "opted-out"
        shop.site.visitor().post(path, data={"undo": "1"})
        database.write_bytes(backup)
        assert json.loads(shop.site.cli("replay", "--json").output)["choices"] == 0 and shop.may() == "opted-in"


def test_promise_26_undoing_is_no_opt_in(shop):
    """A person who never signed up is not signed up by the button."""
    path = f"/privacy/unsubscribe/{shop.token('bob@shop.example')}"
    shop.site.visitor().post(path), shop.site.visitor().post(path, data={"undo": "1"})
    assert shop.may("bob@shop.example") == "no-opt-in"


def test_promise_26_a_token_is_for_one_list(shop):
    """Other lists go on; a token of an unknown list unsubscribes from all."""
    shop.privacy.opt_in(ADA, "offers")
    shop.site.visitor().post(path_of(shop, list="offers"))
    assert (shop.may(list="marketing"), shop.may(list="offers")) == ("opted-in", "opted-out")
    shop.site.visitor().post(path_of(shop, list="forgotten"))
    assert shop.may(list="marketing") == "opted-out"


def test_promise_26_tokens_live_as_long_as_a_mail(tiny, clock):
    """A token works after ten years and two new keys, in any case of letters."""
    keys = {"one": "1" * 20}
    with Shop(tiny, PRIVACY_KEYS=keys) as shop:
        shop.privacy.opt_in(ADA)
        token = shop.token()
    clock.shift(10 * 365 * 86400)
    with Shop(tiny, PRIVACY_KEYS=keys | {"two": "2" * 20, "three": "3" * 20}) as shop:
        assert shop.may() == "opted-in"
        shop.site.visitor().post(f"/privacy/unsubscribe/{token.upper()}", data=ONE_CLICK)
        assert shop.may() == "opted-out"


def test_promise_26_a_failed_opt_out_is_answered_503(shop):
    """The mail provider then tries again."""
    path = path_of(shop)
    (shop.site.folder / "privacy-rights.sqlite").write_text("no database at all, and long enough to be taken for one")
    answer = shop.site.visitor().post(path, data=ONE_CLICK)
    assert answer.status_code == 503 and "could not be saved just now" in answer.text


@pytest.mark.parametrize("data", [ONE_CLICK, {"undo": "1"}])
def test_promise_26_an_invalid_token_gets_the_same_answer_while_the_database_is_unavailable(tiny, monkeypatch, data):
    """The answer is the same if reading or writing fails."""
    monkeypatch.setattr("flask_mixamo_privacy.storage.database._WAIT_MS", 20)
    with Shop(tiny) as shop:
        shop.privacy.opt_in(ADA)
        paths = [f"/privacy/unsubscribe/{token}" for token in (shop.token(), "a" * LENGTH)]
        database = shop.site.folder / "privacy-rights.sqlite"
        with closing(sqlite3.connect(database)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            answers = [shop.site.visitor().post(path, data=data) for path in paths]
        database.write_text("no database at all, and long enough to be taken for one")
        answers += [shop.site.visitor().post(path, data=data) for path in paths]
        assert {(answer.status_code, answer.data) for answer in answers} == {(503, answers[0].data)}


def test_the_page_is_in_the_visitors_language(shop):
    """The page is available in every shipped language."""
    for code in SHIPPED:
        visitor, t = shop.site.visitor(accept_language=code), language(code)
        asked, done = visitor.get(path_of(shop)).text, visitor.post(path_of(shop)).text
        assert t("Unsubscribe").text in asked and t("You are unsubscribed.").text in done and t("Undo").text in done


def test_a_link_needs_a_configured_host(tiny):
    """The host is never taken from a request, and the error names the missing setting."""
    with Shop(tiny, PRIVACY_BASE_URL=None) as shop:
        shop.site.app.testing = False
        with pytest.raises(Exception, match="Set PRIVACY_BASE_URL to the URL of the site"):
            shop.privacy.unsubscribe_headers(ADA)
        with (
            shop.site.app.test_request_context("/", headers={"Host": "evil.example"}),
            pytest.raises(Exception, match="need the site's host"),
        ):
            shop.privacy.unsubscribe_url(ADA)
