"""Who gets which mail: classes, opt-ins, opt-outs, keys, and the moment at which it is decided."""

import json
import sqlite3
from contextlib import closing

import pytest
from posting import ADA, Shop

from flask_mixamo_privacy.errors import LedgerUnavailable, MailClassError, RequestError
from flask_mixamo_privacy.language import language
from flask_mixamo_privacy.rights.subjects import email_of
from flask_mixamo_privacy.wording import banner

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
    """And the error names the classes."""
    with pytest.raises(MailClassError) as raised:
        shop.privacy.may_mail(ADA, mail_class)
    assert str(raised.value) == (
        f"The class of a mail is {mail_class!r}; allowed: marketing, service, request. Every mail says what it is: "
        "marketing, a service for a purchase or an account, or the answer to a request."
    )


def test_promise_26_marketing_needs_an_opt_in(shop):
    """Silence is none, and neither is an account."""
    assert shop.may() == "no-opt-in"
    shop.privacy.opt_in(ADA)
    assert shop.may() == "opted-in"


def test_promise_26_an_opt_out_stands_until_the_person_opts_in_again(shop):
    """The later word counts, also where the clock stands still between the two."""
    for expected in ("opted-out", "opted-out"):
        shop.privacy.opt_in(ADA)
        assert shop.may() == "opted-in"
        shop.privacy.opt_out(ADA, "marketing")
        assert shop.may() == expected


def test_promise_26_lists_are_apart_and_all_of_them_can_be_left_at_once(shop):
    """A mail that names no list goes to nobody who left one."""
    shop.privacy.opt_in(ADA, "news"), shop.privacy.opt_in(ADA, "offers")
    shop.privacy.opt_out(ADA, "offers")
    assert (shop.may(list="news"), shop.may(list="offers"), shop.may()) == ("opted-in", "opted-out", "opted-out")
    shop.privacy.opt_out(ADA)
    assert shop.may(list="news") == "opted-out"
    shop.privacy.opt_in(ADA, "news")
    assert (shop.may(list="news"), shop.may(list="offers")) == ("opted-in", "opted-out")


def test_promise_19_a_known_child_gets_none_and_it_is_counted(shop):
    """Even where an opt-in stands; and a child's opt-in is refused."""
    shop.privacy.opt_in(ADA)
    shop.here.rights.minors.note(ADA)
    assert shop.may() == "minor" and shop.here.mail.held_back == {"minor": 1}
    assert shop.privacy.opt_in(ADA).reason == "minor"


def test_promise_37_a_service_passes_an_opt_out_and_needs_its_reference(shop):
    """The receipt and the password reset arrive; without a purchase or an account behind it a mail is marketing."""
    shop.privacy.opt_out(ADA)
    assert shop.privacy.may_mail(ADA, "service", "order 1017") and shop.privacy.may_mail(
        ADA, "service", reference="account ada"
    )
    for missing in (None, "", " ", True):
        with pytest.raises(MailClassError, match="The reference of a service mail is"):
            shop.privacy.may_mail(ADA, "service", missing)


def test_promise_37_an_answer_names_its_request(shop):
    """By its number."""
    assert shop.privacy.may_mail(ADA, "request", 17) and shop.privacy.may_mail(ADA, "request", "17")
    for missing in (None, "soon", 0, True):
        with pytest.raises(MailClassError, match="allowed: the number of the request"):
            shop.privacy.may_mail(ADA, "request", missing)


def test_promise_9_an_opt_in_is_recorded(shop):
    """When, under which version of the policy, after which words; and no address."""
    words = banner(shop.here.policy, language("de"))
    shop.privacy.opt_in(ADA, wording=words)
    (row,) = shop.site.ledger("opt-in")
    assert (row["at"], row["text"], row["locale"]) == ("2026-05-08T12:00:00.000Z", words.digest, "de")
    assert json.loads(row["detail"]) == {"list": "marketing"} and ADA not in str(row)
    assert [text["digest"] for text in shop.site.ledger_texts()] == [words.digest]


def test_an_opt_in_exists_only_once_it_is_on_disk(shop, monkeypatch):
    """Where the ledger cannot be written nobody was signed up."""
    monkeypatch.setattr(shop.here.ledger, "append", lambda *_: (_ for _ in ()).throw(LedgerUnavailable("away")))
    with pytest.raises(LedgerUnavailable):
        shop.privacy.opt_in(ADA)
    assert shop.may() == "no-opt-in"


def test_an_opt_out_does_not_wait_for_the_ledger(shop):
    """Its entry goes to the side file, and it takes effect."""
    shop.privacy.opt_in(ADA)
    path = shop.site.folder / "privacy-ledger.sqlite"
    path.unlink(), path.mkdir()
    for beside in ("privacy-ledger.sqlite-wal", "privacy-ledger.sqlite-shm"):
        (shop.site.folder / beside).unlink(missing_ok=True)
    shop.privacy.opt_out(ADA)
    assert shop.may() == "opted-out" and "opt-out" in (shop.site.folder / "privacy-log" / "ledger.pending").read_text()


def test_nobody_is_written_to_when_it_cannot_be_looked_up(shop):
    """A database that is away lets no marketing mail out."""
    shop.privacy.opt_in(ADA)
    (shop.site.folder / "privacy-rights.sqlite").write_text("no database at all, and long enough to be taken for one")
    assert shop.may() == "unavailable"


def test_addresses_are_kept_as_keyed_hashes(shop, tmp_path):
    """No address is in the database, and every row names its key."""
    shop.privacy.opt_in(ADA), shop.privacy.opt_out("bob@shop.example")
    found = rows(tmp_path)
    assert len(found) == 2 and all(row["key"] == "first" and len(row["mark"]) == 32 for row in found)
    assert "@" not in str(found)


def test_a_hit_is_written_anew_under_the_newest_key(tiny, tmp_path):
    """So that the old one can go, once nobody is left under it."""
    with Shop(tiny, PRIVACY_KEYS=OLD) as shop:
        shop.privacy.opt_in(ADA)
    with Shop(tiny, PRIVACY_KEYS=NEW) as shop:
        assert shop.may() == "opted-in" and [row["key"] for row in rows(tmp_path)] == ["new"]
    with Shop(tiny, PRIVACY_KEYS={"new": "n" * 20}) as shop:
        assert shop.may() == "opted-in"


def test_an_opt_out_under_an_old_key_holds_under_the_new_one(tiny, tmp_path):
    """Of two rows about one person the later word stands, and one row is left."""
    with Shop(tiny, PRIVACY_KEYS=OLD) as shop:
        shop.privacy.opt_in(ADA)
        old = shop.token()
    with Shop(tiny, PRIVACY_KEYS=NEW) as shop:
        assert shop.may() == "opted-in"
        shop.site.visitor().post(f"/privacy/unsubscribe/{old}")
        assert shop.may() == "opted-out" and [row["key"] for row in rows(tmp_path)] == ["new"]


def test_while_a_key_is_missing_no_marketing_mail_leaves(tiny):
    """Any row under it may be this person's opt-out; service mail is not held up."""
    with Shop(tiny, PRIVACY_KEYS=OLD) as shop:
        shop.privacy.opt_out("bob@shop.example"), shop.privacy.opt_in(ADA)
    with Shop(tiny, PRIVACY_KEYS={"new": "n" * 20}) as shop:
        assert shop.may() == "key-missing" and shop.privacy.may_mail(ADA, "service", "order 1")


@pytest.mark.parametrize(
    "other", [" ADA@Shop.Example ", "Ada Lovelace <ada@shop.example>", "ada@shop.example.", "ADA@SHOP.EXAMPLE"]
)
def test_one_address_has_one_email_of(shop, other):
    """Case, space, a name before it and a dot after the host make no other person."""
    shop.privacy.opt_in(other)
    shop.privacy.opt_out(ADA)
    assert shop.may(other) == "opted-out" and email_of(other) == ADA


def test_hosts_are_compared_in_ascii_and_plus_tags_are_kept(shop):
    """An opt-in of one address is none of another, whatever the host makes of them."""
    assert (
        email_of("Jürgen@BÜCHER.example") == "jürgen@xn--bcher-kva.example" == email_of("ju\u0308rgen@xn--bcher-kva.example")
    )
    shop.privacy.opt_in("ada+shop@shop.example")
    assert shop.may() == "no-opt-in" and shop.may("ada+shop@shop.example") == "opted-in"


@pytest.mark.parametrize(
    "address", ["", "ada", "ada@", "a b@shop.example", "ada@shop.example\nbcc: all@shop.example", "x" * 300 + "@a.b"]
)
def test_what_is_no_address_gets_nothing(shop, address):
    """And cannot be signed up."""
    assert shop.may(address) == "no-address"
    with pytest.raises(RequestError, match="allowed: a mail address"):
        shop.privacy.opt_in(address)


def test_promise_34_opt_outs_come_back_after_a_restore(shop, clock):
    """By replaying the ledger; a second replay changes nothing, and an opt-in since then stays."""
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
def test_whoever_objects_or_is_erased_gets_no_marketing(shop, kind):
    """As soon as the request is answered (GDPR art. 21(3))."""
    shop.privacy.opt_in(ADA)
    shop.site.cli("requests", "open", "--kind", kind, "--email", ADA, "--identity", "by telephone")
    assert shop.site.cli("requests", "answer", "1").exit_code == 0
    assert shop.may() == "opted-out"
