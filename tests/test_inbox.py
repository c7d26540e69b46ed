"""``flask privacy inbox``: what came in is decided on, done once, and nothing breaks the batch."""

import json
import mailbox
import os
import time

import pytest
from letters import FAILED, letter, report
from mutations import run
from posting import ADA, Shop

from flask_mixamo_privacy.mail.reading import LARGEST

pytestmark = pytest.mark.usefixtures("clock")

PERSON = "ada@mail.example"


@pytest.fixture
def shop(tiny):
    with Shop(tiny) as shop:
        shop.privacy.opt_in(PERSON)
        yield shop


@pytest.fixture
def inbox(shop, tmp_path):
    """Feeds messages to the command, each a file; gives what it says of each."""

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
    return [(r.kind, r.email, r.state, r.source) for r in shop.here.rights.book.all()]


def test_promise_35_a_reply_takes_the_person_off(shop, inbox):
    """At once, with an entry in the ledger that says how."""
    (said,) = inbox(letter("Re: News", "unsubscribe"))
    assert said["action"] == "act" and shop.may(PERSON) == "opted-out"
    assert [row["source"] for row in shop.site.ledger("opt-out")] == ["mail"]


def test_promise_35_a_reply_to_the_mail_itself_is_known_by_its_message_id(shop, inbox):
    """Whatever address it comes from, the one that the mail went to is taken off."""
    shop.privacy.send(shop.mail(to=PERSON))
    sent = shop.mails[0]["Message-ID"]
    inbox(letter("Re: News unsubscribe", From="other@mail.example", In_Reply_To=sent, Authentication_Results=None))
    assert shop.may(PERSON) == "opted-out"


def test_promise_35_mail_to_the_address_in_the_header_takes_the_person_off(shop, inbox):
    """As a mail program sends it, by the mailto of List-Unsubscribe."""
    to = f"unsubscribe+{shop.token(PERSON).upper()}@shop.example"
    (said,) = inbox(letter("", "", To=to, From="nobody@x.example", Auto_Submitted="auto-replied"))
    assert said["reason"] == "a signed address" and shop.may(PERSON) == "opted-out"


def test_promise_36_a_feedback_report_takes_the_person_off(shop, inbox):
    """A press on "spam" is an opt-out."""
    assert inbox(report("abuse", Original_Rcpt_To=PERSON))[0]["action"] == "act" and shop.may(PERSON) == "opted-out"


def test_promise_36_what_is_doubtful_waits_for_a_person_with_the_same_clock(shop, inbox, clock):
    """As a request, with what was written; it is due in 30 days, no mail goes out, and answering it takes the person off."""
    (said,) = inbox(letter("Hello", "How do I unsubscribe?"))
    (request,) = json.loads(shop.site.cli("requests", "list", "--json").output)
    assert (said["request"], request["kind"], request["email"], request["due"]) == (1, "object", PERSON, "2026-06-07")
    assert request["message"] == "Hello\n\nHow do I unsubscribe?"
    clock.shift(24 * 86400)
    shop.site.cli("requests", "process")
    assert not shop.mails and shop.site.cli("due").exit_code == 1 and shop.may(PERSON) == "opted-in"
    assert shop.site.cli("requests", "answer", "1").exit_code == 0 and shop.may(PERSON) == "opted-out"


def test_promise_36_a_forged_sender_takes_nobody_off(shop, inbox):
    """And gets no mail of ours."""
    inbox(letter(Authentication_Results=FAILED))
    shop.site.cli("requests", "process")
    assert shop.may(PERSON) == "opted-in" and requests(shop) == [("object", PERSON, "verified", "mail")] and not shop.mails


def test_promise_32_a_mail_to_the_contact_opens_a_request_and_is_answered_once(shop, inbox):
    """With the link that confirms it, however often the message is read."""
    for _ in range(3):
        inbox(letter("Please delete my data", To="privacy@shop.example"))
        shop.site.cli("requests", "process")
    assert requests(shop) == [("delete", PERSON, "open", "mail")]
    assert [mail["To"] for mail in shop.mails] == [PERSON] and "/requests/confirm/" in shop.mails[0].get_content()


def test_promise_32_a_forged_wish_to_delete_deletes_nothing(shop, inbox, clock):
    """It waits, with the same clock, for somebody who says how they know the person; and no mail goes to the address."""
    inbox(letter("Please delete my data", To="privacy@shop.example", Authentication_Results=FAILED))
    clock.shift(25 * 86400)
    shop.site.cli("requests", "process")
    assert requests(shop) == [("delete", PERSON, "open", "mail")] and not shop.mails and shop.site.cli("due").exit_code == 1
    refused = shop.site.cli("requests", "answer", "1")
    assert refused.exit_code == 2 and "say how with --identity" in refused.output


def test_nothing_automatic_is_ever_answered(shop, inbox):
    """Neither a bounce nor an absent person's program, nor our own mail coming back."""
    shop.site.cli("requests", "open", "--kind", "access", "--email", PERSON)
    shop.site.cli("requests", "process")
    ours = shop.mails.pop().as_bytes()
    bounce = letter("Delete my data", To="privacy@shop.example", Return_Path="<>", Message_ID="<2@x>")
    away = letter("Delete my data", To="privacy@shop.example", Auto_Submitted="auto-replied", Message_ID="<3@x>")
    assert [said["action"] for said in inbox(ours, bounce, away)] == ["ignore"] * 3
    shop.site.cli("requests", "process")
    assert not shop.mails and len(requests(shop)) == 1


def test_a_message_is_seen_to_once(shop, inbox):
    """By its Message-ID: who opts in again after it stays in."""
    for _ in range(3):
        (said,) = inbox(letter())
        shop.privacy.opt_in(PERSON)
    assert said["reason"] == "the subject is the word (seen to before)" and shop.may(PERSON) == "opted-in"
    inbox(letter(Message_ID=None)), shop.privacy.opt_in(PERSON), inbox(letter(Message_ID=None))
    assert shop.may(PERSON) == "opted-in" and len(shop.site.ledger("opt-out")) == 2


def test_dry_run_decides_and_does_nothing(shop, inbox):
    """One JSON line a message, with path, action and reason; not even a file is made."""
    before = shop.site.files()
    raws = (letter(), letter("How do I unsubscribe?"), letter("Hi", To="privacy@shop.example"), b"\0" * 100)
    said = inbox(*raws, options=("--dry-run", "--json"))
    assert [(one["path"][-5:], one["action"]) for one in said] == [
        ("0.eml", "act"),
        ("1.eml", "ask"),
        ("2.eml", "ignore"),
        ("3.eml", "ignore"),
    ]
    assert all(one.keys() >= {"path", "action", "reason"} and one["reason"] for one in said)
    assert shop.may(PERSON) == "opted-in" and shop.site.files() == before


def test_mail_is_read_from_where_it_lies(shop, tmp_path):
    """A Maildir, an mbox, a folder, a file, the standard input; none of them is changed."""
    maildir, box = mailbox.Maildir(tmp_path / "Maildir"), mailbox.mbox(tmp_path / "mbox")
    for number, place in enumerate((maildir, box, box)):
        place.add(letter(f"unsubscribe {number}", Message_ID=f"<{number}@x>"))
    box.close()
    (tmp_path / "folder").mkdir(), (tmp_path / "folder" / "one").write_bytes(letter())
    before = (tmp_path / "mbox").read_bytes()
    paths = [str(tmp_path / name) for name in ("Maildir", "mbox", "folder")]
    runner = shop.site.app.test_cli_runner()
    outcome = runner.invoke(args=["privacy", "inbox", "--json", *paths, "-"], input=b"From x\n" + letter(Message_ID="<9@x>"))
    said = [json.loads(line) for line in outcome.output.splitlines()]
    assert [(one["action"], one.get("number")) for one in said] == [
        ("ask", None),
        ("ask", 1),
        ("ask", 2),
        ("act", None),
        ("act", None),
    ]
    assert (tmp_path / "mbox").read_bytes() == before and len(list((tmp_path / "Maildir" / "new").iterdir())) == 1
    assert said[0]["path"].startswith(paths[0]) and said[1]["path"] == paths[1] and said[4]["path"] == "-"


def test_what_it_did_is_said_for_people_too(shop, tmp_path):
    """With the sum at the end."""
    (tmp_path / "a.eml").write_bytes(letter("How do I unsubscribe?"))
    output = shop.site.cli("inbox", str(tmp_path / "a.eml")).output
    assert output == (
        f"{tmp_path}/a.eml: ask: the word is in it, and what it means is for a person to say. Request 1.\n"
        "1 messages: 0 act, 1 ask, 0 ignore.\n"
    )


def test_a_path_that_is_not_there_could_not_be_looked_at(shop):
    """Exit code 2, as of every command."""
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
    "many addresses": letter("Hi", To=", ".join(f"a{n}@b.example" for n in range(50_000))),
    "an unknown charset": letter("=?x-none?b?dW5zdWI=?=", "\xff", Content_Type='text/plain; charset="x-none"'),
    "broken base64": letter("=?utf-8?b?!!!!?=", "!!!!", Content_Transfer_Encoding="base64"),
    "a strange type": letter("Hi", "x", Content_Type="\0/;;;=;", Content_Disposition=";;;"),
    "a report without fields": letter("Hi", "--b--", Content_Type="multipart/report; report-type=feedback-report; boundary=b"),
}  # fmt: skip


def test_promise_36_broken_mail_breaks_nothing(shop, inbox):
    """Each gets a reason, the batch ends with 0, and a good message among them is seen to."""
    raws = (raw.replace(b"<1@mail", b"<%d@mail" % number) for number, raw in enumerate(BROKEN.values()))
    said = inbox(*raws, letter(Message_ID="<good@x>"))
    assert len(said) == len(BROKEN) + 1 and all(one["reason"] for one in said) and said[-1]["action"] == "act"
    by_name = dict(zip(BROKEN, said, strict=False))
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


def test_promise_36_a_text_that_is_doubtful_is_kept_and_read_all_the_same(shop, inbox):
    """What was odd about it is said, and what it asks for is done."""
    unknown = letter("", "unsubscribe", Content_Type='text/plain; charset="x-none"')
    null = letter("", "unsubscribe", Message_ID="<2@x>").replace(b"ibe", b"\0ibe")
    encoded = letter("", "aABp", Content_Transfer_Encoding="base64", Message_ID="<3@x>")
    said = inbox(unknown, null, encoded)
    assert [one["reason"].partition(". ")[2] for one in said] == ["Its charset 'x-none' is unknown."] + [
        "It has null bytes."
    ] * 2
    assert [one["action"] for one in said] == ["act", "act", "ask"] and all(one["kept"] for one in said)


def test_an_empty_mbox_has_no_message(shop, inbox):
    """Nor has an empty standard input: no line, and exit code 0."""
    outcome = shop.site.app.test_cli_runner().invoke(args=["privacy", "inbox", "--json"], input=b"")
    assert (outcome.exit_code, outcome.output, inbox(b"")) == (0, "", [])


def test_promise_36_what_cannot_be_read_is_kept_for_a_person(shop, inbox):
    """A copy for the site's own user alone; its headers are read, however large the rest is."""
    large = letter("A film", "x" * (50 * 1024 * 1024), To="privacy@shop.example")
    (said,) = inbox(large)
    path = shop.site.folder / "privacy-mail-aside" / said["kept"].rpartition("/")[2]
    assert (said["action"], said["request"]) == ("ask", 1) and "It has 50 MB, of which the headers were read." in said[
        "reason"
    ]
    assert path.stat().st_size == len(large) and path.stat().st_mode & 0o777 == 0o600
    assert inbox(letter("unsubscribe", "x" * (LARGEST + 1), Message_ID="<2@x>"))[0]["action"] == "act"


def test_copies_are_deleted_after_the_declared_time(shop, inbox):
    """By `flask privacy prune`, which says so, and by the next run of the inbox; until then they stay."""
    folder = shop.site.folder / "privacy-mail-aside"
    inbox(b"\0" * 100, b"\0" * 200)
    for age, path in zip((91, 89), sorted(folder.iterdir()), strict=True):
        os.utime(path, (time.time() - age * 86400,) * 2)
    assert "1 mails that could not be read, older than 90 days, deleted." in shop.site.cli("prune").output
    assert len(list(folder.iterdir())) == 1
    os.utime(next(folder.iterdir()), (0, 0)), inbox(letter())
    assert list(folder.iterdir()) == []


def test_promise_36_a_mail_without_a_sender_is_not_lost(shop, inbox):
    """It becomes a request of nobody's, which a person reads."""
    inbox(letter("How do I unsubscribe?", From=None))
    assert requests(shop) == [("object", "nobody@mail.invalid", "verified", "mail")]


def test_a_database_that_is_away_loses_no_mail(shop, inbox, tmp_path):
    """The command could not look, and the next run does what this one could not."""
    database = shop.site.folder / "privacy-rights.sqlite"
    good = database.read_bytes()
    (tmp_path / "0.eml").write_bytes(letter())
    database.write_text("no database at all, and long enough to be taken for one")
    assert shop.site.cli("inbox", str(tmp_path / "0.eml")).exit_code == 2
    database.write_bytes(good)
    assert inbox(letter())[0]["reason"] == "the subject is the word" and shop.may(PERSON) == "opted-out"


def test_mails_do_not_close_the_form(shop, inbox, monkeypatch):
    """However many come in, whoever asks by the form is heard."""
    monkeypatch.setattr("flask_mixamo_privacy.rights.desk.PER_HOUR", 3)
    inbox(*(letter("How do I unsubscribe?", Message_ID=f"<{n}@x>") for n in range(4)))
    assert shop.site.visitor().post("/privacy/requests", data={"kind": "access", "email": ADA}).status_code == 303


def test_promise_36_mutated_mail_never_raises_and_never_acts_for_nothing():
    """Without the word, a token or a feedback report nobody is taken off; `make mutations` runs 100,000."""
    counted = run(2000)
    assert sum(counted.values()) == 2000 and min(counted.values()) > 50


def test_check_says_whose_word_is_taken(tiny):
    """Until the site names its mail server, or where it reads no mail."""
    said = "PRIVACY_MAIL_SERVER is not set: the topmost Authentication-Results is believed"
    for config, expected in (
        ({}, True),
        ({"PRIVACY_MAIL_SERVER": "mx.shop.example"}, False),
        ({"PRIVACY_POLICY": None}, False),
    ):
        with Shop(tiny, **config) as shop:
            assert (said in shop.site.cli("check").output) == expected
