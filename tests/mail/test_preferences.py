"""Mail permission: classes, opt-ins, opt-outs and keys, checked when a mail leaves."""

import json
import sqlite3
from contextlib import closing

import pytest

from flask_mixamo_privacy.consent.proof import banner
from flask_mixamo_privacy.errors import LedgerUnavailable, MailClassError, RequestError
from flask_mixamo_privacy.i18n.language import language
from flask_mixamo_privacy.storage.keys import email_of
from support.mail_site import ADA, Shop

pytestmark = pytest.mark.usefixtures("clock")

OLD, NEW = {"old": "o" * 20}, {"old": "o" * 20, "new": "n" * 20}


@pytest.fixture
def shop(tiny):
    with Shop(tiny) as shop:
        yield shop


def rows(tmp_path, table="mail_choices"):
    with closing(sqlite3.connect(tmp_path / "instance" / "privacy-rights.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]


@pytest.mark.parametrize("mail_class", [None, "", "newsletter", 7])
def test_promise_25_a_mail_without_a_class_raises(shop, mail_class):
    """A mail without a class raises, and the error lists the classes."""
    with pytest.raises(MailClassError) as raised:
        shop.privacy.may_mail(ADA, mail_class)
    assert str(raised.value) == (
        f"The class of a mail is {mail_class!r}; allowed: marketing, service, request. Pass the class to "
        "privacy.may_mail(…) or privacy.mail_class(…)."
    )


def test_promise_26_marketing_needs_an_opt_in(shop):
    """Neither silence nor an account is an opt-in."""
    assert shop.may() == "no-opt-in"
    shop.privacy.opt_in(ADA)
    assert shop.may() == "opted-in"


def test_promise_26_an_opt_out_holds_until_the_person_opts_in_again(shop):
    """The later decision counts, also if both have the same timestamp."""
    for expected in ("opted-out", "opted-out"):
        shop.privacy.opt_in(ADA)
        assert shop.may() == "opted-in"
        shop.privacy.opt_out(ADA, "marketing")
        assert shop.may() == expected


def test_promise_26_lists_are_independent_and_can_all_be_left_at_once(shop):
    """A mail without a list is sent to no person who left a list."""
    shop.privacy.opt_in(ADA, "news"), shop.privacy.opt_in(ADA, "offers")
    shop.privacy.opt_out(ADA, "offers")
    assert (shop.may(list="news"), shop.may(list="offers"), shop.may()) == ("opted-in", "opted-out", "opted-out")
    shop.privacy.opt_out(ADA)
    assert shop.may(list="news") == "opted-out"
    shop.privacy.opt_in(ADA, "news")
    assert (shop.may(list="news"), shop.may(list="offers")) == ("opted-in", "opted-out")


def test_promise_19_a_known_minor_gets_no_marketing_and_is_counted(shop):
    """A minor gets no marketing despite an opt-in, and a minor's opt-in is refused."""
    shop.privacy.opt_in(ADA)
    shop.runtime.rights.minors.add(ADA)
    assert shop.may() == "minor" and shop.runtime.mail.held_back == {"minor": 1}
    assert shop.privacy.opt_in(ADA).reason == "minor"


def test_promise_37_service_mail_ignores_an_opt_out_and_needs_a_reference(shop):
    """Receipts and password resets arrive; without a purchase or account a mail is marketing."""
    shop.privacy.opt_out(ADA)
    assert shop.privacy.may_mail(ADA, "service", "order 1017") and shop.privacy.may_mail(
        ADA, "service", reference="account ada"
    )
    for missing in (None, "", " ", True):
        with pytest.raises(MailClassError, match="The reference of a service mail is"):
            shop.privacy.may_mail(ADA, "service", missing)


def test_promise_37_an_answer_has_its_request_number(shop):
    """An answer to a request needs the request's number."""
    assert shop.privacy.may_mail(ADA, "request", 17) and shop.privacy.may_mail(ADA, "request", "17")
    for missing in (None, "soon", 0, True):
        with pytest.raises(MailClassError, match="allowed: the number of the request"):
            shop.privacy.may_mail(ADA, "request", missing)


def test_promise_9_an_opt_in_is_recorded(shop):
    """The opt-in's record has the time, the policy's version and the text shown, and no address."""
    words = banner(shop.runtime.policy, language("de"))
    shop.privacy.opt_in(ADA, wording=words)
    (row,) = shop.site.ledger("opt-in")
    assert (row["at"], row["text"], row["locale"]) == ("2026-05-08T12:00:00.000Z", words.digest, "de")
    assert json.loads(row["detail"]) == {"list": "marketing"} and ADA not in str(row)
    assert [text["digest"] for text in shop.site.ledger_texts()] == [words.digest]


def test_promise_9_the_text_of_a_form_of_the_sites_own_is_recorded(shop):
    """The site passes it as plain text; it is kept once, and in full."""
    for person in (ADA, "bob@shop.example"):
        shop.privacy.opt_in(person, wording="Schickt mir Neues. ", locale="de")
    (text,) = shop.site.ledger_texts()
    assert [(row["text"], row["locale"]) for row in shop.site.ledger("opt-in")] == 2 * [(text["digest"], "de")]
    assert "Schickt mir Neues." in str(text)


@pytest.mark.parametrize("wording", [None, "", " "])
def test_an_opt_in_without_its_text_has_no_digest(shop, wording):
    """The digest of a text that no one saw would be no proof."""
    shop.privacy.opt_in(ADA, wording=wording)
    assert [row["text"] for row in shop.site.ledger("opt-in")] == [""] and not shop.site.ledger_texts()


def test_an_opt_in_exists_only_once_it_is_recorded(shop, monkeypatch):
    """If the ledger cannot be written, no one is signed up."""
    monkeypatch.setattr(shop.runtime.ledger, "append", lambda *_: (_ for _ in ()).throw(LedgerUnavailable("away")))
    with pytest.raises(LedgerUnavailable):
        shop.privacy.opt_in(ADA)
    assert shop.may() == "no-opt-in"


def test_an_opt_out_does_not_wait_for_the_ledger(shop):
    """An opt-out takes effect at once; its entry is spooled if the ledger is away."""
    shop.privacy.opt_in(ADA)
    path = shop.site.folder / "privacy-ledger.sqlite"
    path.unlink(), path.mkdir()
    for beside in ("privacy-ledger.sqlite-wal", "privacy-ledger.sqlite-shm"):
        (shop.site.folder / beside).unlink(missing_ok=True)
    shop.privacy.opt_out(ADA)
    assert shop.may() == "opted-out" and "opt-out" in (shop.site.folder / "privacy-log" / "ledger.pending").read_text()


def test_no_marketing_is_sent_while_the_database_is_unavailable(shop):
    """If the permission cannot be looked up, no marketing mail is sent."""
    shop.privacy.opt_in(ADA)
    (shop.site.folder / "privacy-rights.sqlite").write_text("no database at all, and long enough to be taken for one")
    assert shop.may() == "unavailable"


def test_addresses_are_kept_as_keyed_hashes(shop, tmp_path):
    """No address is in the database, and every row has its key's id."""
    shop.privacy.opt_in(ADA), shop.privacy.opt_out("bob@shop.example")
    found = rows(tmp_path)
    key_id = shop.site.privacy.runtime(shop.site.app).keys.newest
    assert len(found) == 2 and all(row["key"] == key_id and len(row["mark"]) == 32 for row in found)
    assert "@" not in str(found)


def test_a_hit_is_rewritten_under_the_newest_key(tiny, tmp_path):
    """Rewriting on use lets an old key be dropped once no row needs it."""
    with Shop(tiny, PRIVACY_KEYS=OLD) as shop:
        shop.privacy.opt_in(ADA)
    with Shop(tiny, PRIVACY_KEYS=NEW) as shop:
        assert shop.may() == "opted-in" and [row["key"] for row in rows(tmp_path)] == ["new"]
    with Shop(tiny, PRIVACY_KEYS={"new": "n" * 20}) as shop:
        assert shop.may() == "opted-in"


def test_an_opt_out_under_an_old_key_holds_under_the_new_one(tiny, tmp_path):
    """If two rows exist for one person, the later decision counts and one row remains."""
    with Shop(tiny, PRIVACY_KEYS=OLD) as shop:
        shop.privacy.opt_in(ADA)
        old = shop.token()
    with Shop(tiny, PRIVACY_KEYS=NEW) as shop:
        assert shop.may() == "opted-in"
        shop.site.visitor().post(f"/privacy/unsubscribe/{old}")
        assert shop.may() == "opted-out" and [row["key"] for row in rows(tmp_path)] == ["new"]


def test_no_marketing_is_sent_while_a_key_is_missing(tiny):
    """A row under the missing key may be an opt-out; service mail is still sent."""
    with Shop(tiny, PRIVACY_KEYS=OLD) as shop:
        shop.privacy.opt_out("bob@shop.example"), shop.privacy.opt_in(ADA)
    with Shop(tiny, PRIVACY_KEYS={"new": "n" * 20}) as shop:
        assert shop.may() == "key-missing" and shop.privacy.may_mail(ADA, "service", "order 1")


@pytest.mark.parametrize(
    "other", [" ADA@Shop.Example ", "Ada Lovelace <ada@shop.example>", "ada@shop.example.", "ADA@SHOP.EXAMPLE"]
)
def test_an_address_has_one_spelling(shop, other):
    """Case, white space, a display name and a final dot do not change the person."""
    shop.privacy.opt_in(other)
    shop.privacy.opt_out(ADA)
    assert shop.may(other) == "opted-out" and email_of(other) == ADA


def test_hosts_are_compared_in_ascii_and_plus_tags_are_kept(shop):
    """An opt-in of one address does not count for another, whatever its host's spelling."""
    assert (
        email_of("Jürgen@BÜCHER.example") == "jürgen@xn--bcher-kva.example" == email_of("ju\u0308rgen@xn--bcher-kva.example")
    )
    shop.privacy.opt_in("ada+shop@shop.example")
    assert shop.may() == "no-opt-in" and shop.may("ada+shop@shop.example") == "opted-in"


@pytest.mark.parametrize(
    "address", ["", "ada", "ada@", "a b@shop.example", "ada@shop.example\nbcc: all@shop.example", "x" * 300 + "@a.b"]
)
def test_an_invalid_address_gets_no_mail(shop, address):
    """An invalid address gets no mail and cannot be signed up."""
    assert shop.may(address) == "no-address"
    with pytest.raises(RequestError, match="allowed: a mail address"):
        shop.privacy.opt_in(address)


def test_promise_34_opt_outs_are_restored_by_a_replay(shop, clock):
    """Replaying the ledger restores opt-outs once and keeps later opt-ins."""
    for person in (ADA, "bob@shop.example"):
        shop.privacy.opt_in(person)
    database = shop.site.folder / "privacy-rights.sqlite"
    backup = database.read_bytes()
    shop.privacy.opt_out(ADA, "marketing"), shop.privacy.opt_out("bob@shop.example")
    clock.shift(1)
    shop.privacy.opt_in("bob@shop.example")
    database.write_bytes(backup)
    assert shop.may() == "opted-in"
    first, second = (json.loads(shop.site.cli("replay", "--json").output)["choices"] for _ in "12")
    assert first and not second and (shop.may(), shop.may("bob@shop.example")) == ("opted-out", "opted-in")


@pytest.mark.parametrize("kind", ["object", "delete"])
def test_an_objection_or_erasure_stops_marketing(shop, kind):
    """Marketing stops as soon as the request is answered (GDPR art. 21(3))."""
    shop.privacy.opt_in(ADA)
    shop.site.cli("requests", "open", "--kind", kind, "--email", ADA, "--identity", "by telephone")
    assert shop.site.cli("requests", "answer", "1").exit_code == 0
    assert shop.may() == "opted-out"
