"""Unsubscribing by a link and by one click (RFC 8058, RFC 2369)."""

import json
import re
import sqlite3
from contextlib import closing

import pytest
from flask_wtf import CSRFProtect
from posting import ADA, BASE, Shop

from flask_mixamo_privacy.language import SHIPPED, language
from flask_mixamo_privacy.mail.tokens import LENGTH

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


def test_promise_26_a_mail_carries_both_ways_out(shop):
    """An https address for one click and a mail address, which name nobody in plain."""
    headers = shop.privacy.unsubscribe_headers("ada.lovelace@private.example", "marketing")
    token = shop.token("ada.lovelace@private.example")
    assert headers == {
        "List-Unsubscribe": f"<{BASE}/privacy/unsubscribe/{token}>, <mailto:unsubscribe+{token}@shop.example?subject=unsubscribe>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert "ada" not in str(headers) and "private" not in str(headers) and re.fullmatch(f"[a-z2-7]{{{LENGTH}}}", token)
    assert len(f"unsubscribe+{token}") <= 64


def test_promise_26_one_click_acts_without_session_origin_or_redirect(shop):
    """As a mail provider sends it; no cookie comes back."""
    visitor = shop.site.visitor()
    answer = visitor.post(path_of(shop), data=ONE_CLICK)
    assert answer.status_code == 200 and "You are unsubscribed." in answer.text and "Set-Cookie" not in answer.headers
    assert shop.may() == "opted-out" and answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://mail.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "text/plain"}]
)
def test_promise_26_it_is_open_to_whoever_has_the_token(shop, headers):
    """A mail program in a browser posts from another site; Flask-WTF's own check does not stand in the way."""
    shop.site.app.config["WTF_CSRF_ENABLED"] = True
    CSRFProtect(shop.site.app)
    assert shop.site.visitor().post(path_of(shop), headers=headers).status_code == 200
    assert shop.may() == "opted-out"


def test_promise_26_reading_the_page_changes_nothing(shop):
    """However often a mail scanner fetches the link, by GET or HEAD; it says what the button does."""
    visitor, path = shop.site.visitor(), path_of(shop)
    pages = {visitor.get(path).data for _ in range(20)} | {visitor.get(path, headers={"Sec-Purpose": "prefetch"}).data}
    assert visitor.head(path).status_code == visitor.options(path).status_code == 200
    assert len(pages) == 1 and b"Do you want no more of these mails?" in pages.pop()
    assert shop.may() == "opted-in" and not shop.site.ledger("opt-out")


@pytest.mark.parametrize("bad", ["x", "a" * LENGTH, "ä" * LENGTH, "a" * 2000, "=" * LENGTH, "%00" * 45])
def test_promise_26_a_bad_token_gets_the_same_answer(shop, bad):
    """Byte for byte, so that nobody learns which tokens are good; and it takes nobody off."""
    shop.site.visitor().get("/")
    good, wrong = (
        shop.site.visitor().post(f"/privacy/unsubscribe/{token}", data=ONE_CLICK) for token in (shop.token(), bad)
    )
    assert (wrong.status_code, wrong.data) == (good.status_code, good.data)
    assert sorted(wrong.headers.keys()) == sorted(good.headers.keys())
    assert len(shop.site.ledger("opt-out")) == 1


def test_a_token_with_one_letter_changed_does_nothing(shop):
    """Each is signed over the person and the list."""
    token = shop.token()
    for place in range(0, LENGTH - 1, 4):
        changed = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        shop.site.visitor().post(f"/privacy/unsubscribe/{changed}")
    assert shop.may() == "opted-in"


def test_promise_26_it_can_be_undone(shop):
    """By the button on the page; and again, as often as somebody likes."""
    visitor, path = shop.site.visitor(), path_of(shop)
    for _ in range(2):
        assert "Undo" in visitor.post(path).text and shop.may() == "opted-out"
        assert visitor.post(path, data={"undo": "1"}).status_code == 200 and shop.may() == "opted-in"
    assert [row["kind"] for row in shop.site.ledger()] == ["opt-in"] + 2 * ["opt-out", "opt-out undone"]


def rotated(tiny, number):
    """A shop with that many keys, the newest last."""
    return Shop(tiny, PRIVACY_KEYS={f"key{n}": str(n) * 20 for n in range(1, number + 1)})


@pytest.mark.parametrize("looked_up", [True, False])
def test_promise_26_it_can_be_undone_after_the_keys_changed(tiny, looked_up):
    """Twice even, and whether or not the rows were written anew in between; the link is still the one of the old mail."""
    with rotated(tiny, 1) as shop:
        shop.privacy.opt_in(ADA)
        path = path_of(shop)
    for number in (2, 3):
        with rotated(tiny, number) as shop:
            shop.site.visitor().post(path)
            assert not looked_up or shop.may() == "opted-out"
            shop.site.visitor().post(path, data={"undo": "1"})
            assert not looked_up or shop.may() == "opted-in"
    with rotated(tiny, 3) as shop:
        assert shop.may() == "opted-in"


def test_promise_26_an_old_link_takes_off_whoever_came_back_under_a_new_key(tiny):
    """The later word counts, though the clock stands still; and a replay of the ledger changes nothing."""
    with rotated(tiny, 1) as shop:
        shop.privacy.opt_in(ADA)
        path = path_of(shop)
    with rotated(tiny, 2) as shop:
        for _ in range(3):
            shop.privacy.opt_in(ADA)
            assert shop.may() == "opted-in"
        shop.site.visitor().post(path)
        assert shop.may() == "opted-out"
        assert json.loads(shop.site.cli("replay", "--json").output)["choices"] == 0 and shop.may() == "opted-out"


def test_promise_34_an_undone_opt_out_stays_undone_after_a_restore(tiny, clock):
    """Also where the keys changed between the two, and the backup knows only the older one."""
    with rotated(tiny, 1) as shop:
        shop.privacy.opt_in(ADA)
        path, database = path_of(shop), shop.site.folder / "privacy-rights.sqlite"
        backup = database.read_bytes()
        shop.site.visitor().post(path)
    clock.shift(1)
    with rotated(tiny, 2) as shop:
        assert shop.may() == "opted-out"
        shop.site.visitor().post(path, data={"undo": "1"})
        database.write_bytes(backup)
        assert json.loads(shop.site.cli("replay", "--json").output)["choices"] == 0 and shop.may() == "opted-in"


def test_promise_26_undoing_makes_no_opt_in(shop):
    """Who never signed up does not by pressing it."""
    path = f"/privacy/unsubscribe/{shop.token('bob@shop.example')}"
    shop.site.visitor().post(path), shop.site.visitor().post(path, data={"undo": "1"})
    assert shop.may("bob@shop.example") == "no-opt-in"


def test_promise_26_a_token_is_of_one_list(shop):
    """The others go on; of a list that nobody knows any longer it takes off all."""
    shop.privacy.opt_in(ADA, "offers")
    shop.site.visitor().post(path_of(shop, list="offers"))
    assert (shop.may(list="marketing"), shop.may(list="offers")) == ("opted-in", "opted-out")
    shop.site.visitor().post(path_of(shop, list="forgotten"))
    assert shop.may(list="marketing") == "opted-out"


def test_promise_26_tokens_live_as_long_as_a_mail(tiny, clock):
    """Ten years, and two keys, later it still works, in whatever case it comes."""
    keys = {"one": "1" * 20}
    with Shop(tiny, PRIVACY_KEYS=keys) as shop:
        shop.privacy.opt_in(ADA)
        token = shop.token()
    clock.shift(10 * 365 * 86400)
    with Shop(tiny, PRIVACY_KEYS=keys | {"two": "2" * 20, "three": "3" * 20}) as shop:
        assert shop.may() == "opted-in"
        shop.site.visitor().post(f"/privacy/unsubscribe/{token.upper()}", data=ONE_CLICK)
        assert shop.may() == "opted-out"


def test_promise_26_what_could_not_be_written_is_told(shop):
    """With 503, so that the mail provider tries again."""
    path = path_of(shop)
    (shop.site.folder / "privacy-rights.sqlite").write_text("no database at all, and long enough to be taken for one")
    answer = shop.site.visitor().post(path, data=ONE_CLICK)
    assert answer.status_code == 503 and "could not be written down just now" in answer.text


@pytest.mark.parametrize("data", [ONE_CLICK, {"undo": "1"}])
def test_promise_26_a_bad_token_gets_the_same_answer_while_the_database_is_away(tiny, monkeypatch, data):
    """Be it that it cannot be read, or that nothing can be written there."""
    monkeypatch.setattr("flask_mixamo_privacy.database._WAIT_MS", 20)
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


def test_the_page_speaks_the_visitors_language(shop):
    """In every shipped one."""
    for code in SHIPPED:
        visitor, t = shop.site.visitor(accept_language=code), language(code)
        asked, done = visitor.get(path_of(shop)).text, visitor.post(path_of(shop)).text
        assert t("Unsubscribe").text in asked and t("You are unsubscribed.").text in done and t("Undo").text in done


def test_a_link_needs_a_host(tiny):
    """It is never taken from somebody's request, and the error says which setting is missing."""
    with Shop(tiny, PRIVACY_BASE_URL=None) as shop:
        shop.site.app.testing = False
        with pytest.raises(Exception, match="The links in a mail need a host: set PRIVACY_BASE_URL"):
            shop.privacy.unsubscribe_headers(ADA)
        with (
            shop.site.app.test_request_context("/", headers={"Host": "evil.example"}),
            pytest.raises(Exception, match="need a host"),
        ):
            shop.privacy.unsubscribe_url(ADA)
