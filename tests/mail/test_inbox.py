"""``flask privacy inbox``: each message is classified, processed once, and never stops the batch."""

import base64
import json
import mailbox
import os
import time

import pytest

from flask_mixamo_privacy.mail.message import LARGEST
from support.mail_fuzz import run
from support.mail_site import ADA, Shop
from support.messages import FAILED, letter, report

pytestmark = pytest.mark.usefixtures("clock")

PERSON = "ada@mail.example"


@pytest.fixture
def shop(tiny):
    with Shop(tiny) as shop:
        shop.privacy.opt_in(PERSON)
        yield shop


@pytest.fixture
def inbox(shop, tmp_path):
    """Passes messages to the command, each as a file; returns one result per message."""

    def feed(*raws, options=("--json",)):
        paths = []
        for number, raw in enumerate(raws):
            paths.append(tmp_path / f"{number}.eml")
            paths[-1].write_bytes(raw)
        outcome = shop.site.cli("inbox", *options, *map(str, paths))
        assert outcome.exit_code == 0, outcome.output
        return [json.loads(line) for line in outcome.output.splitlines()]

    return feed


def requests(shop):
    return [(r.kind, r.email, r.state, r.source) for r in shop.runtime.rights.request_store.all()]


def test_promise_35_a_reply_unsubscribes_the_person(shop, inbox):
    """A reply unsubscribes its sender at once, and the ledger has an entry with the source."""
    (result,) = inbox(letter("Re: News", "unsubscribe"))
    assert result["action"] == "act" and shop.may(PERSON) == "opted-out"
    assert [row["source"] for row in shop.site.ledger("opt-out")] == ["mail"]


def test_promise_35_a_reply_is_matched_by_the_message_id(shop, inbox):
    """A reply from another address unsubscribes the address that received the mail."""
    shop.privacy.send(shop.mail(to=PERSON))
    sent = shop.mails[0]["Message-ID"]
    inbox(letter("Re: News unsubscribe", From="other@mail.example", In_Reply_To=sent, Authentication_Results=None))
    assert shop.may(PERSON) == "opted-out"


def test_promise_35_mail_to_the_list_unsubscribe_address_unsubscribes(shop, inbox):
    """A mail to the mailto address of List-Unsubscribe unsubscribes the person."""
    to = f"unsubscribe+{shop.token(PERSON).upper()}@shop.example"
    (result,) = inbox(letter("", "", To=to, From="nobody@x.example", Auto_Submitted="auto-replied"))
    assert result["reason"] == "a signed address" and shop.may(PERSON) == "opted-out"


def test_promise_36_a_feedback_report_unsubscribes_the_person(shop, inbox):
    """A spam complaint is an opt-out."""
    assert inbox(report("abuse", Original_Rcpt_To=PERSON))[0]["action"] == "act" and shop.may(PERSON) == "opted-out"


def test_promise_36_a_doubtful_message_becomes_a_request_with_the_same_deadline(shop, inbox, clock):
    """A doubtful message becomes a request due in 30 days; its answer unsubscribes the person."""
    (result,) = inbox(letter("Hello", "How do I unsubscribe?"))
    (request,) = json.loads(shop.site.cli("requests", "list", "--json").output)
    assert (result["request"], request["kind"], request["email"], request["due"]) == (1, "object", PERSON, "2026-06-07")
    assert request["message"] == "Hello\n\nHow do I unsubscribe?"
    clock.shift(24 * 86400)
    shop.site.cli("requests", "process")
    assert not shop.mails and shop.site.cli("due").exit_code == 1 and shop.may(PERSON) == "opted-in"
    assert shop.site.cli("requests", "answer", "1").exit_code == 0 and shop.may(PERSON) == "opted-out"


def test_promise_36_a_forged_sender_unsubscribes_no_one(shop, inbox):
    """A mail with a forged sender unsubscribes no one and is not answered."""
    inbox(letter(Authentication_Results=FAILED))
    shop.site.cli("requests", "process")
    assert shop.may(PERSON) == "opted-in" and requests(shop) == [("object", PERSON, "verified", "mail")] and not shop.mails


def test_promise_32_a_mail_to_the_contact_opens_a_request_and_is_answered_once(shop, inbox):
    """The answer has the confirmation link and is sent once, however often the message is read."""
    for _ in range(3):
        inbox(letter("Please delete my data", To="privacy@shop.example"))
        shop.site.cli("requests", "process")
    assert requests(shop) == [("delete", PERSON, "open", "mail")]
    assert [mail["To"] for mail in shop.mails] == [PERSON] and "/requests/confirm/" in shop.mails[0].get_content()


def test_promise_32_a_forged_deletion_request_deletes_nothing(shop, inbox, clock):
    """It waits, with the same deadline, for an operator to verify the person, and no mail is sent."""
    inbox(letter("Please delete my data", To="privacy@shop.example", Authentication_Results=FAILED))
    clock.shift(25 * 86400)
    shop.site.cli("requests", "process")
    assert requests(shop) == [("delete", PERSON, "open", "mail")] and not shop.mails and shop.site.cli("due").exit_code == 1
    refused = shop.site.cli("requests", "answer", "1")
    assert refused.exit_code == 2 and "describe with --identity" in refused.output


def test_no_automatic_message_is_answered(shop, inbox):
    """Bounces, absence notes and the site's own returned mail are not answered."""
    shop.site.cli("requests", "open", "--kind", "access", "--email", PERSON)
    shop.site.cli("requests", "process")
    own_mail = shop.mails.pop().as_bytes()
    bounce = letter("Delete my data", To="privacy@shop.example", Return_Path="<>", Message_ID="<2@x>")
    away = letter("Delete my data", To="privacy@shop.example", Auto_Submitted="auto-replied", Message_ID="<3@x>")
    assert [result["action"] for result in inbox(own_mail, bounce, away)] == ["ignore"] * 3
    shop.site.cli("requests", "process")
    assert not shop.mails and len(requests(shop)) == 1


def test_a_message_is_processed_once(shop, inbox):
    """A message is recognised by its Message-ID, so a later opt-in is not undone."""
    for _ in range(3):
        (result,) = inbox(letter())
        shop.privacy.opt_in(PERSON)
    assert result["reason"] == "the subject is the word (already processed)" and shop.may(PERSON) == "opted-in"
    inbox(letter(Message_ID=None)), shop.privacy.opt_in(PERSON), inbox(letter(Message_ID=None))
    assert shop.may(PERSON) == "opted-in" and len(shop.site.ledger("opt-out")) == 2


def test_dry_run_changes_nothing(shop, inbox):
    """A dry run prints one JSON line per message and creates no file."""
    before = shop.site.files()
    raws = (letter(), letter("How do I unsubscribe?"), letter("Hi", To="privacy@shop.example"), b"\0" * 100)
    results = inbox(*raws, options=("--dry-run", "--json"))
    assert [(one["path"][-5:], one["action"]) for one in results] == [
        ("0.eml", "act"),
        ("1.eml", "ask"),
        ("2.eml", "ignore"),
        ("3.eml", "ignore"),
    ]
    assert all(one.keys() >= {"path", "action", "reason"} and one["reason"] for one in results)
    assert shop.may(PERSON) == "opted-in" and shop.site.files() == before


def test_mail_is_read_from_every_source(shop, tmp_path):
    """A Maildir, an mbox, a folder, a file and the standard input are read and not changed."""
    maildir, box = mailbox.Maildir(tmp_path / "Maildir"), mailbox.mbox(tmp_path / "mbox")
    for number, place in enumerate((maildir, box, box)):
        place.add(letter(f"unsubscribe {number}", Message_ID=f"<{number}@x>"))
    box.close()
    (tmp_path / "folder").mkdir(), (tmp_path / "folder" / "one").write_bytes(letter())
    before = (tmp_path / "mbox").read_bytes()
    paths = [str(tmp_path / name) for name in ("Maildir", "mbox", "folder")]
    runner = shop.site.app.test_cli_runner()
    outcome = runner.invoke(args=["privacy", "inbox", "--json", *paths, "-"], input=b"From x\n" + letter(Message_ID="<9@x>"))
    results = [json.loads(line) for line in outcome.output.splitlines()]
    assert [(one["action"], one.get("number")) for one in results] == [
        ("ask", None),
        ("ask", 1),
        ("ask", 2),
        ("act", None),
        ("act", None),
    ]
    assert (tmp_path / "mbox").read_bytes() == before and len(list((tmp_path / "Maildir" / "new").iterdir())) == 1
    assert results[0]["path"].startswith(paths[0]) and results[1]["path"] == paths[1] and results[4]["path"] == "-"


def test_the_results_are_printed_as_text_too(shop, tmp_path):
    """The text output has one line per message and a total."""
    (tmp_path / "a.eml").write_bytes(letter("How do I unsubscribe?"))
    output = shop.site.cli("inbox", str(tmp_path / "a.eml")).output
    assert output == (
        f"{tmp_path}/a.eml: ask: mentions the word, with an unclear meaning. Request 1.\n"
        "1 message: 0 act, 1 ask, 0 ignore.\n"
    )


def test_a_missing_path_exits_with_2(shop):
    """A path that does not exist exits with 2, as in every command."""
    assert shop.site.cli("inbox", "/nowhere/at/all").exit_code == 2


def nested(depth):
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))


BROKEN = {
    "nothing": b"\n",
    "null bytes": b"\0" * 1000,
    "null bytes inside": letter("Hi\0", "x\0y", To="privacy\0@shop.example"),
    "no headers": b"\r\n\r\nunsubscribe",
    "random": bytes(range(256)) * 40,
    "no end": letter("Hi", "--b\r\nContent-Type: text/plain\r\n\r\nx", Content_Type="multipart/mixed; boundary=b"),
    "no boundary": letter("Hi", "x", Content_Type="multipart/mixed"),
    "parts in parts": letter("Hi", "", MIME_Version="1.0").rstrip() + b"\r\n" + nested(5000),
    "mails in mails": b"Subject: Hi\r\nMIME-Version: 1.0\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 20_000,
    "many parts": letter("Hi", "--b\r\n\r\nx\r\n" * 100_000, Content_Type="multipart/mixed; boundary=b"),
    "brackets": letter("Hi", From="(" * 7000 + "a@b.c", To="<" * 7000, Authentication_Results="(" * 7000),
    "many headers": b"X-A: b\r\n" * 50_000 + letter("Hi"),
    "a long header": letter("x" * 3_000_000),
    "many messages in a report": report("abuse", "", X="y").replace(b"Hello", b"Content-Type: message/rfc822\r\n\r\n" * 500),
    "a long type": letter("Hi", "x", Content_Type='text/plain; a="' + '";' * 20_000),
    "a long encoding": letter("Hi", "x", Content_Transfer_Encoding="[" * 40_000),
    "a folded type": letter("Hi", "x", Content_Type="text/plain" + ";\r\n a=b" * 5000),
    "a type with comments": letter("Hi", "x", Content_Type="text/plain" + "\\(" * 1900),
    "a long tag": letter("Hi", "<" + "a" * 100_000, Content_Type="text/html"),
    "words that are never closed": letter("=?utf-8?b?&" * 700),
    "a long list of addresses": letter("Hi", To="a" + "@b.example, " * 4000),
    "many addresses": letter("Hi", To=", ".join(f"a{n}@b.example" for n in range(50_000))),
    "an unknown charset": letter("=?x-none?b?dW5zdWI=?=", "\xff", Content_Type='text/plain; charset="x-none"'),
    "broken base64": letter("=?utf-8?b?!!!!?=", "!!!!", Content_Transfer_Encoding="base64"),
    "a strange type": letter("Hi", "x", Content_Type="\0/;;;=;", Content_Disposition=";;;"),
    "a report without fields": letter("Hi", "--b--", Content_Type="multipart/report; report-type=feedback-report; boundary=b"),
}  # fmt: skip


def test_promise_36_malformed_mail_stops_no_batch(shop, inbox):
    """Each malformed message has a reason, the batch exits with 0, and a valid message is processed."""
    raws = (raw.replace(b"<1@mail", b"<%d@mail" % number) for number, raw in enumerate(BROKEN.values()))
    results = inbox(*raws, letter(Message_ID="<good@x>"))
    assert len(results) == len(BROKEN) + 1 and all(one["reason"] for one in results) and results[-1]["action"] == "act"
    by_name = dict(zip(BROKEN, results, strict=False))
    assert {one["action"] for one in by_name.values()} <= {"ask", "ignore"}
    for name in (
        "nothing",
        "null bytes",
        "null bytes inside",
        "an unknown charset",
        "no end",
        "parts in parts",
        "mails in mails",
        "many parts",
    ):
        assert by_name[name]["kept"].endswith(".eml"), by_name[name]


@pytest.mark.parametrize("name", ["Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "To", "References"])
def test_promise_36_a_long_header_is_set_aside_and_seen(shop, inbox, name):
    """The message is kept for staff and not parsed, a second run recognises it, and the next message is processed."""
    hostile = letter("Hi", "unsubscribe", **{name: 'text/plain; a="' + '";' * 20_000, "Message-ID": "<2@x>"})
    results = [*inbox(hostile, letter()), *inbox(hostile)]
    assert [one["action"] for one in results] == ["ask", "act", "ask"] and results[0]["kept"].endswith(".eml")
    assert "a header that is too long" in results[0]["reason"] and "(already processed)" in results[2]["reason"]


def test_promise_36_a_long_header_of_a_part_is_set_aside(shop, inbox):
    """The headers of parts have the same limit, also inside a reported message that is encoded."""
    part = b"--b\r\nContent-Type: text/plain; a=" + b'"' * 40_000 + b"\r\n\r\nx\r\n--b--"
    hostile = letter("Hi", "", Content_Type="multipart/mixed; boundary=b") + part
    nested = letter("Hi", base64.encodebytes(hostile).decode(), Content_Type="message/feedback-report", Message_ID="<2@x>")
    nested = nested.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    assert inbox(hostile, nested)[0]["kept"].endswith(".eml")


def test_a_type_with_a_comment_is_understood(shop, inbox):
    """A comment in a header about the structure is no part of its value (RFC 2045, 5.1)."""
    inbox(letter("", "dW5zdWJzY3JpYmU=", Content_Type="text/plain (a note)", Content_Transfer_Encoding="base64 (a note)"))
    assert shop.may(PERSON) == "opted-out"


def test_promise_36_a_message_with_an_encoding_fault_is_kept_and_processed(shop, inbox):
    """The fault is reported, and the message is processed."""
    unknown = letter("", "unsubscribe", Content_Type='text/plain; charset="x-none"')
    null = letter("", "unsubscribe", Message_ID="<2@x>").replace(b"ibe", b"\0ibe")
    encoded = letter("", "aABp", Content_Transfer_Encoding="base64", Message_ID="<3@x>")
    results = inbox(unknown, null, encoded)
    assert [one["reason"].partition(". ")[2] for one in results] == ["Its charset 'x-none' is unknown."] + [
        "It has null bytes."
    ] * 2
    assert [one["action"] for one in results] == ["act", "act", "ask"] and all(one["kept"] for one in results)


def test_an_empty_mbox_has_no_message(shop, inbox):
    """An empty mbox and an empty standard input print no line and exit with 0."""
    outcome = shop.site.app.test_cli_runner().invoke(args=["privacy", "inbox", "--json"], input=b"")
    assert (outcome.exit_code, outcome.output, inbox(b"")) == (0, "", [])


def test_promise_36_an_oversized_message_is_kept_for_an_operator(shop, inbox):
    """A private copy is kept, and the headers are read however large the body is."""
    large = letter("A film", "x" * (50 * 1024 * 1024), To="privacy@shop.example")
    (result,) = inbox(large)
    path = shop.site.folder / "privacy-mail-aside" / result["kept"].rpartition("/")[2]
    assert (result["action"], result["request"]) == ("ask", 1) and "It has 50 MB; only its headers were read." in result[
        "reason"
    ]
    assert path.stat().st_size == len(large) and path.stat().st_mode & 0o777 == 0o600
    assert inbox(letter("unsubscribe", "x" * (LARGEST + 1), Message_ID="<2@x>"))[0]["action"] == "act"


def test_copies_are_deleted_after_the_declared_time(shop, inbox):
    """`flask privacy prune` and the next run of the inbox delete expired copies."""
    folder = shop.site.folder / "privacy-mail-aside"
    inbox(b"\0" * 100, b"\0" * 200)
    for age, path in zip((91, 89), sorted(folder.iterdir()), strict=True):
        os.utime(path, (time.time() - age * 86400,) * 2)
    assert "1 mail copy older than 90 days deleted." in shop.site.cli("prune").output
    assert len(list(folder.iterdir())) == 1
    os.utime(next(folder.iterdir()), (0, 0)), inbox(letter())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("limit", "most"), [("_MOST_BYTES", 700), ("_MOST_COPIES", 2)])
def test_copies_have_a_largest_number_and_size(shop, inbox, monkeypatch, limit, most):
    """Any sender could fill the disk within the ninety days. The newest copies stay."""
    folder = shop.site.folder / "privacy-mail-aside"
    monkeypatch.setattr(f"flask_mixamo_privacy.mail.inbox.{limit}", most)
    for age, size in ((3, 310), (2, 320), (1, 330)):
        (result,) = inbox(b"\0" * size)
        os.utime(folder / result["kept"].rpartition("/")[2], (time.time() - age,) * 2)
    assert sorted(path.stat().st_size for path in folder.iterdir()) == [320, 330]
    inbox(b"\0" * 2000)
    assert 2000 in [path.stat().st_size for path in folder.iterdir()]


def test_promise_36_a_mail_without_a_sender_is_not_lost(shop, inbox):
    """A mail without a sender becomes a request without an address."""
    inbox(letter("How do I unsubscribe?", From=None))
    assert requests(shop) == [("object", "nobody@mail.invalid", "verified", "mail")]


def test_no_mail_is_lost_while_the_database_is_away(shop, inbox, tmp_path):
    """The command exits with 2, and the next run processes the messages."""
    database = shop.site.folder / "privacy-rights.sqlite"
    good = database.read_bytes()
    (tmp_path / "0.eml").write_bytes(letter())
    database.write_text("no database at all, and long enough to be taken for one")
    assert shop.site.cli("inbox", str(tmp_path / "0.eml")).exit_code == 2
    database.write_bytes(good)
    assert inbox(letter())[0]["reason"] == "the subject is the word" and shop.may(PERSON) == "opted-out"


def test_mails_do_not_use_up_the_forms_rate_limit(shop, inbox, monkeypatch):
    """The request form stays open, however many mails arrive."""
    monkeypatch.setattr("flask_mixamo_privacy.rights.limits.PER_HOUR", 3)
    inbox(*(letter("How do I unsubscribe?", Message_ID=f"<{n}@x>") for n in range(4)))
    assert shop.site.visitor().post("/privacy/requests", data={"kind": "access", "email": ADA}).status_code == 303


def test_promise_36_mutated_mail_never_raises_and_never_unsubscribes_by_accident():
    """No mutated mail without the word, a token or a feedback report unsubscribes a person."""
    counted = run(2000)
    assert sum(counted.values()) == 2000 and min(counted.values()) > 50


def test_check_warns_while_the_mail_server_is_not_set(tiny):
    """The warning ends once the site names its mail server or if it reads no mail."""
    warning = "PRIVACY_MAIL_SERVER is not set, so `flask privacy inbox` trusts the topmost"
    for config, expected in (
        ({}, True),
        ({"PRIVACY_MAIL_SERVER": "mx.shop.example"}, False),
        ({"PRIVACY_POLICY": None}, False),
    ):
        with Shop(tiny, **config) as shop:
            assert (warning in shop.site.cli("check").output) == expected
