"""Data subject requests, from the form to the answer."""

import json
import re
import smtplib
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.i18n.language import FULLY_TRANSLATED, language
from flask_mixamo_privacy.rights import request_store
from flask_mixamo_privacy.signals import SIGNALS_OF_REQUESTS
from support.people_site import Account, Order, policy

ADA = "ada@shop.example"
KINDS = ["access", "correct", "delete", "restrict", "object"]

pytestmark = pytest.mark.usefixtures("clock")


def dumped(tmp_path, name="privacy-rights.sqlite"):
    with closing(sqlite3.connect(tmp_path / "instance" / name)) as connection:
        return "\n".join(connection.iterdump())


@pytest.mark.parametrize("kind", KINDS)
def test_promise_32_each_request_has_a_number(people, kind):
    """A request by the form has a number, which the mail contains."""
    site = people()
    answer = site.ask(kind, message="Please.")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/privacy/requests?sent=")
    site.process()
    assert site.mails[0]["To"] == ADA and "The request number is 1." in site.mails[0].get_content()
    assert [(r.number, r.kind, r.message, r.state) for r in site.rights.request_store.all()] == [
        (1, kind, "Please.", "open")
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_promise_32_an_operator_may_open_a_request_too(people, kind):
    """A request by telephone or letter is opened with how the person was verified."""
    site = people()
    arguments = ("--kind", kind, "--email", ADA, "--identity", "showed a passport")
    assert site.site.cli("requests", "open", *arguments).output == "Request 1 opened.\n"
    found = json.loads(site.site.cli("requests", "show", "1", "--json").output)
    assert (found["state"], found["identity"], found["source"]) == ("verified", "showed a passport", "cli")


def test_promise_32_a_program_may_send_a_request(people):
    """A JSON request is answered 202 in JSON, because the answer comes later."""
    site = people()
    visitor = site.site.visitor()
    answer = visitor.post("/privacy/requests", json={"kind": "access", "email": ADA}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json) == (
        202,
        {
            "message": "We have sent an e-mail to the address you gave. Open the link in it to confirm that the request is yours."
        },
    )
    assert answer.headers["Cache-Control"] == "no-store"


def test_promise_32_known_and_unknown_addresses_get_the_same_answer(people):
    """The answers and the SQL statements are equal; the person is looked up later."""
    site, statements = people(), []
    site.add()
    sa.event.listen(site.engine, "before_cursor_execute", lambda *args: statements.append(("shop", args[2])))
    database = site.rights.request_store._database
    site.ask(email="first@shop.example")  # creates the file
    sa.event.listen(database._engine, "before_cursor_execute", lambda *args: statements.append(("rights", args[2])))

    def work(email):
        statements.clear()
        answer = site.ask("access", email)
        headers = sorted(header for header in answer.headers if header[0] != "Date")
        return answer.status_code, headers, answer.data, list(statements)

    known, unknown = work(ADA), work("nobody@shop.example")
    assert known == unknown and {where for where, _ in known[3]} == {"rights"}
    assert site.site.visitor().get(known[1] and "/privacy/requests?sent=").text.count("We have sent an e-mail") == 1


def test_promise_32_a_known_and_an_unknown_address_get_the_same_mail(people):
    """The mails differ only in number and link, because an unknown person has a right to an answer too."""
    site = people()
    site.add()
    for email in (ADA, "nobody@shop.example"):
        site.ask(email=email)
    site.process()
    texts = [re.sub(r"number is \d|confirm/\S+", "", mail.get_content()) for mail in site.mails]
    assert len(texts) == 2 and texts[0] == texts[1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "delete", "email": "ada"}, "Please enter your e-mail address"),
        ({"kind": "delete"}, "Please enter your e-mail address"),
        ({"kind": "delete", "email": "ada@shop.example\r\nBcc: eve@evil.example"}, "Please enter your e-mail address"),
        ({"kind": "delete", "email": f"{'a' * 250}@b.example"}, "Please enter your e-mail address"),
        ({"kind": "burn", "email": ADA}, "Please choose what you would like us to do"),
        ({"email": ADA}, "Please choose what you would like us to do"),
        ({"kind": "delete", "email": ADA, "message": "a" * 5001}, "Please shorten your message"),
    ],
)
def test_an_invalid_request_is_answered_400(people, fields, message):
    """The form keeps its input, and nothing is written."""
    site = people()
    answer = site.site.visitor().post("/privacy/requests", data=fields)
    assert answer.status_code == 400 and message in answer.text and '<form class="mixamo-request"' in answer.text
    assert site.rights.request_store.all() == []


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{", '{"kind": ["delete"], "email": {}}'])
def test_malformed_input_raises_nothing(people, body):
    """Malformed input of any kind is answered 400."""
    answer = people().site.visitor().post("/privacy/requests", data=body, content_type="application/json")
    assert answer.status_code == 400


def test_a_cross_site_request_is_rejected(people):
    """The answer is 403, whichever header reveals it."""
    site = people()
    for header in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        answer = site.site.visitor().post("/privacy/requests", data={"kind": "delete", "email": ADA}, headers=header)
        assert answer.status_code == 403
    assert site.rights.request_store.all() == []


def test_confirmations_are_rate_limited_by_address(people, clock):
    """An address gets three mails a day in any spelling, and the answer does not reveal it."""
    site = people()
    for _ in range(4):
        assert site.ask(email="Ada@Shop.example").status_code == 303
    site.process()
    assert len(site.mails) == 3 and site.rights.request_store.find(4).state == "open"
    clock.shift(86401)
    site.ask()
    site.process()
    assert len(site.mails) == 5


def test_an_unavailable_database_is_answered_503(people, tmp_path):
    """The answer does not claim that the request was accepted."""
    (tmp_path / "file").touch()
    site = people(PRIVACY_DATABASE_URL=f"sqlite:///{tmp_path}/file/rights.sqlite")
    answer = site.ask()
    assert answer.status_code == 503 and "could not be saved just now" in answer.text


def test_promise_40_no_token_is_in_plain_in_the_database(people, tmp_path):
    """Neither the confirmation's nor the answer's token is stored, while valid or later."""
    site = people()
    number = site.confirmed("access")
    tokens = [site.link().rpartition("/")[2]]
    site.ask("delete", "bob@shop.example")
    site.process()
    tokens.append(site.link().rpartition("/")[2])
    site.site.cli("requests", "answer", str(number))
    tokens.append(site.link(site.mails[-1]).rpartition("/")[2]) if "/answer/" in site.mails[-1].get_content() else None
    files = b"".join(path.read_bytes() for path in (tmp_path / "instance").rglob("*") if path.is_file())
    assert all(len(token) >= 43 and token.encode() not in files for token in tokens)
    assert re.search(r"'[0-9a-f]{64}'", dumped(tmp_path))


def test_opening_a_link_confirms_nothing(people):
    """A mail scanner that opens every link changes nothing; the button does."""
    site = people()
    site.ask("access")
    site.process()
    visitor = site.site.visitor()
    for method in (visitor.get, visitor.head, visitor.get):
        page = method(site.link())
        assert page.status_code == 200 and site.rights.request_store.find(1).state == "open"
    assert "<button>Yes, this was me</button>" in page.text and "Get a copy of my data" in page.text
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    done = visitor.post(site.link())
    assert "We will answer request 1 by e-mail, by June 7, 2026 at the latest." in done.text
    assert site.rights.request_store.find(1).state == "verified"


@pytest.mark.parametrize("days", [0, 7])
def test_a_link_works_once_and_for_a_week(people, clock, days):
    """A used or expired link is answered 410, with the link to the form."""
    site = people()
    site.ask()
    site.process()
    if days == 0:
        site.site.visitor().post(site.link())
    clock.shift(days * 86400)
    for method in (site.site.visitor().get, site.site.visitor().post):
        answer = method(site.link())
        assert answer.status_code == 410 and "has already been used, or it has expired" in answer.text


def test_another_site_cannot_confirm(people):
    """Neither a cross-site submission nor an invented token confirms a request."""
    site = people()
    site.ask()
    site.process()
    assert site.site.visitor().post(site.link(), headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert site.site.visitor().post("/privacy/requests/confirm/made-up").status_code == 410
    assert site.rights.request_store.find(1).state == "open"


def test_an_unconfirmed_request_expires_and_is_anonymised(people, clock, tmp_path):
    """After a week the request has no address."""
    site = people()
    site.ask(email="xylophone@shop.example", message="Quixotic")
    site.process()
    clock.shift(7 * 86400 + 1)
    site.process()
    assert site.rights.request_store.find(1).state == "expired"
    for path in (tmp_path / "instance").glob("privacy-rights*"):
        assert b"xylophone" not in path.read_bytes() and b"Quixotic" not in path.read_bytes()


def test_without_a_mail_transport_the_request_stays_open_and_is_reported(people):
    """The operator sees the next step; the request does not expire, and its mail is sent later."""
    site = people(PRIVACY_SEND=None)
    assert site.ask().status_code == 303
    outcome = site.process()
    message = "Request 1: No mail can be sent: set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL to a mail server."
    assert (outcome.exit_code, outcome.output) == (1, f"0 links sent.\n{message}\n")
    assert "No mail can be sent" in site.site.cli("requests", "list").output


def test_a_failed_mail_is_sent_again(people, clock):
    """After five minutes the mail is sent with a new link, because the first never arrived."""
    down, mails = [True], []

    def send(mail):
        if down:
            raise ConnectionRefusedError("nobody listens")
        mails.append(mail)

    site = people(PRIVACY_SEND=send)
    site.ask()
    assert "The mail could not be sent: ConnectionRefusedError: nobody listens" in site.process().output
    down.clear()
    site.process()
    assert mails == []
    clock.shift(301)
    assert site.process().output == "1 link sent.\n"
    assert site.site.visitor().post(site.link(mails[0])).status_code == 200


def test_a_request_header_does_not_set_the_base_url(people):
    """A forged Host header would send the token in the mail to another site."""
    site = people(TESTING=False)
    evil = {"base_url": "http://evil.example"}
    site.site.visitor().post("/privacy/requests", data={"kind": "delete", "email": ADA}, **evil)
    assert "Set PRIVACY_BASE_URL" in site.process().output and site.mails == []


@pytest.mark.parametrize(
    ("config", "starts"),
    [
        ({"PRIVACY_BASE_URL": "https://shop.example/below/"}, "https://shop.example/below/privacy/requests/confirm/"),
        ({"SERVER_NAME": "shop.example", "PREFERRED_URL_SCHEME": "https"}, "https://shop.example/privacy/requests/confirm/"),
        ({"TRUSTED_HOSTS": ["evil.example"]}, "http://evil.example/privacy/requests/confirm/"),
    ],
    ids=["by the setting", "by the server's name", "a trusted host"],
)
def test_the_base_url_comes_from_the_sites_settings(people, config, starts):
    """The Host header has no effect."""
    site = people(TESTING=False, **config)
    evil = {"base_url": "http://evil.example"}
    site.site.visitor().post("/privacy/requests", data={"kind": "delete", "email": ADA}, **evil)
    assert site.process().output == "1 link sent.\n" and starts in site.mails[0].get_content()


def test_promise_32_a_person_sees_what_is_stored(people):
    """The link in the answer shows the data after a button, as a page and as a file."""
    site = people()
    site.add()
    site.site.cli("requests", "answer", str(site.confirmed("access")))
    text = site.mails[-1].get_content()
    assert "shop" not in text and "You can read the answer here until May 22, 2026:" in text
    visitor, path = site.site.visitor(), site.link()
    assert "1 Lane" not in visitor.get(path).text
    page = visitor.post(path)
    assert page.status_code == 200 and all(words in page.text for words in ("1 Lane", "Hello", "walk"))
    file = visitor.post(path, data={"file": "json"})
    assert file.json["shop"]["orders"][0]["address"] == "1 Lane"
    assert file.headers["Content-Disposition"] == 'attachment; filename="request-1.json"'


def test_an_answer_can_be_read_for_two_weeks_and_is_then_anonymised(people, clock):
    """The data is read each time and not copied; then the request is anonymised."""
    site = people()
    site.add()
    site.site.cli("requests", "answer", str(site.confirmed("access")))
    clock.shift(14 * 86400)
    assert site.site.visitor().get(site.link()).status_code == 410
    assert site.site.visitor().post(site.link()).status_code == 410
    site.process()
    assert site.rights.request_store.find(1).email == ""


def test_promise_32_an_answer_reports_each_store(people):
    """Operator and person see what was retained and why, uncovered stores, and the archives' expiry."""
    site = people()
    site.site.privacy.register_store("paper files")
    site.add()
    outcome = site.site.cli("requests", "answer", str(site.confirmed()))
    assert outcome.exit_code == 0
    text, output = site.mails[-1].get_content(), outcome.output
    assert "shop: 2 deleted, 2 anonymised" in output and "Shop: 2 deleted and 2 made anonymous" in text
    assert "kept: orders.address until 2036-05-08. The tax office asks for invoices." in output
    assert "Kept until May 8, 2036: Address (Orders). Reason: The tax office asks for invoices." in text
    assert "paper files: not covered. Do it there by hand." in output and "This answer does not cover: Paper files." in text
    assert "Archives may have copies until 2026-08-06. After a restore, run `flask privacy replay`." in output
    assert "Backups may contain copies until August 6, 2026. If we restore one, we delete them again." in text
    assert site.mentions("ada") == [] and site.rows(Account) == []


def test_an_answered_deletion_leaves_no_address(people, tmp_path):
    """No other request of the person and no file of the extension has the address."""
    site = people()
    site.add("xylophone@shop.example")
    site.confirmed("access", "xylophone@shop.example", message="Quixotic")
    number = site.confirmed("delete", "xylophone@shop.example")
    site.site.cli("requests", "answer", str(number))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"xylophone" not in path.read_bytes().lower() and b"Quixotic" not in path.read_bytes(), path
    assert [request.state for request in site.rights.request_store.all()] == ["answered", "answered"]


def test_promise_32_an_answer_applies_the_correction(people):
    """The named fields are corrected; the ledger has their names and no values."""
    site = people()
    site.add()
    outcome = site.site.cli("requests", "answer", str(site.confirmed("correct")), "--set", "name=Augusta")
    assert "shop: 2 corrected" in outcome.output and [row.name for row in site.rows(Order)] == ["Augusta"]
    assert "Augusta" not in str(site.site.ledger())


def test_an_undeclared_field_is_not_corrected(people):
    """The error lists the declared fields, and the request stays as it is."""
    site = people()
    site.add()
    number = site.confirmed("correct")
    outcome = site.site.cli("requests", "answer", str(number), "--set", "nmae=Augusta")
    message = "The field to correct is 'nmae'; allowed: address, email, message, name. Write it as the policy does"
    assert outcome.exit_code == 2 and message in outcome.output
    assert site.rights.request_store.find(number).state == "verified" and site.site.ledger("correction") == []


@pytest.mark.parametrize(
    ("kind", "entry"), [("correct", "correction"), ("restrict", "restriction"), ("object", "objection")]
)
def test_promise_32_a_manual_action_writes_an_entry(people, kind, entry):
    """The entry has the request's number, so that a restore can be repaired."""
    site = people()
    outcome = site.site.cli("requests", "answer", str(site.confirmed(kind)), "--text", "We no longer write to you.")
    assert outcome.exit_code == 0 and "We no longer write to you." in site.mails[-1].get_content()
    assert [json.loads(row["detail"])["request"] for row in site.site.ledger(entry)] == [1]


def test_promise_32_a_refusal_states_the_reason_and_where_to_complain(people):
    """The mail has both, as GDPR art. 12(4) requires."""
    site = people()
    site.add()
    site.site.cli("requests", "answer", str(site.confirmed()), "--refuse", "A court asked us to keep it.")
    text = site.mails[-1].get_content()
    assert "We cannot do what you asked. Reason: A court asked us to keep it." in text
    assert "You can complain to a data protection authority, or go to court." in text
    assert site.rights.request_store.find(1).state == "refused" and len(site.mentions("ada")) == 3


def test_no_request_is_answered_before_verification(people):
    """The command exits with 2 and the next step; with the operator's verification it succeeds."""
    site = people()
    site.ask()
    site.process()
    outcome = site.site.cli("requests", "answer", "1")
    assert (
        outcome.exit_code == 2
        and "Request 1 is 'open'; allowed: verified. Wait until the person opens the link" in outcome.output
    )
    assert site.site.cli("requests", "answer", "1", "--identity", "came to the shop").exit_code == 0


def test_a_request_is_answered_once(people):
    """Neither an answered nor an unknown request can be answered."""
    site = people()
    number = str(site.confirmed("object"))
    assert site.site.cli("requests", "answer", number).exit_code == 0
    assert "Request 1 is 'answered'; allowed: open or verified." in site.site.cli("requests", "answer", number).output
    message = "The request's number is 7; allowed: a number that `flask privacy requests list` shows."
    assert message in site.site.cli("requests", "answer", "7").output


def test_a_failing_store_leaves_the_request_open(people):
    """The finished stores stay done, and answering again completes it."""
    site, broken = people(), [True]
    site.site.privacy.register_store("list", erase=lambda subject: 1 / 0 if broken else 1)
    site.add()
    number = str(site.confirmed())
    outcome = site.site.cli("requests", "answer", number)
    assert outcome.exit_code == 2 and "list: ZeroDivisionError: division by zero" in outcome.output
    assert site.rights.request_store.find(1).state == "verified"
    broken.clear()
    assert site.site.cli("requests", "answer", number).exit_code == 0


def test_an_answer_to_access_waits_for_the_mail(people):
    """Without the mail the person could not open the answer; other requests are answered, with a warning."""
    mails = []
    site = people(PRIVACY_SEND=mails.append)
    site.mails = mails
    numbers = [site.confirmed("access"), site.confirmed("delete", "bob@shop.example")]
    site.site.app.extensions["mixamo_privacy"].runtime(site.site.app).mailer._send = None
    outcomes = [site.site.cli("requests", "answer", str(number)) for number in numbers]
    assert [outcome.exit_code for outcome in outcomes] == [2, 1]
    assert [request.state for request in site.rights.request_store.all()] == ["verified", "answered"]


def test_a_signal_is_sent_for_each_step(people, clock):
    """A signal has the request's number and the app; ``due_soon`` is sent once."""
    site, sent = people(), []
    keep = {name: (lambda sender, number, name=name: sent.append((name, number))) for name in SIGNALS_OF_REQUESTS}
    for name, signal in SIGNALS_OF_REQUESTS.items():
        signal.connect(keep[name], sender=site.site.app)
    number = site.confirmed("object")
    clock.shift(24 * 86400)
    site.process()
    site.process()
    site.site.cli("requests", "answer", str(number))
    assert sent == [("opened", 1), ("verified", 1), ("due_soon", 1), ("answered", 1)]


@pytest.mark.parametrize("code", FULLY_TRANSLATED)
def test_in_five_languages_form_and_mails_are_complete(people, code):
    """No text falls back to English; the mails are in the language of the request."""
    site = people(PRIVACY_POLICY=policy())
    visitor = site.site.visitor(Accept_Language=code)
    texts = [visitor.get("/privacy/requests").text]
    site.ask("delete", visitor=visitor)
    site.process()
    texts += [visitor.get("/privacy/requests?sent").text, visitor.get(site.link()).text, visitor.post(site.link()).text]
    for text in texts:
        assert f'<html lang="{code}"' in text and set(re.findall(r' lang="([\w-]+)"', text.partition("<main>")[2])) == {code}
    assert site.mails[0]["Subject"] == language(code)("Please confirm your request to %(site)s", site="Shop").text
    assert site.mails[0]["Content-Language"] == code


def test_a_database_of_an_unsupported_kind_is_rejected(people):
    """The error has the setting, its value and the allowed values."""
    with pytest.raises(
        ValueError, match=r"PRIVACY_SMTP_URL is 'mail.example'; allowed: a URL such as smtp://user:password@mail"
    ):
        people(PRIVACY_SMTP_URL="mail.example")
    with pytest.raises(
        ValueError, match=r"PRIVACY_BASE_URL is 'shop.example'; allowed: a URL such as https://shop.example,"
    ):
        people(PRIVACY_BASE_URL="shop.example")


def test_the_form_offers_the_kinds_of_requests(people):
    """No kind is preselected."""
    text = people().site.visitor().get("/privacy/requests").text
    assert re.findall(r'type="radio" name="kind" value="(\w+)"', text) == list(request_store.KINDS) == KINDS
    assert " checked" not in text.partition("<main>")[2]


class _AwayOnce:
    """A store that fails the first time."""

    def __init__(self):
        self.calls = 0

    def __call__(self, *arguments):
        self.calls += 1
        return 1 // (self.calls - 1) if self.calls < 3 else 0


@pytest.mark.parametrize("kind", ["delete", "correct"])
def test_promise_33_an_answer_includes_what_a_failed_attempt_did(people, kind):
    """After the failed store is repaired, the answer and the mail include what the others deleted and retained."""
    site, away = people(), _AwayOnce()
    site.add()
    site.site.privacy.register_store("list", erase=away, correct=away)
    number = site.confirmed(kind)
    arguments = ("requests", "answer", str(number), *(("--set", "name=Augusta") if kind == "correct" else ()))
    assert site.site.cli(*arguments).exit_code == 2
    assert site.site.cli(*arguments).exit_code == 0
    [shop, other] = site.rights.request_store.find(number).answer["stores"]
    if kind == "delete":
        assert (shop["deleted"], shop["anonymised"], len(shop["kept"])) == (2, 2, 1)
        assert "Kept until " in site.mails[-1].get_content()
    assert (shop["corrected"], other["deleted"] + other["corrected"]) == (2 * (kind == "correct"), 1)


def _bounces(message):
    address = message["To"]
    raise smtplib.SMTPRecipientsRefused({address: (550, f"<{address}>: no such user".encode())})


def _falls_over(message):
    raise RuntimeError(f"no way to {message['To']}")


@pytest.mark.parametrize(
    ("send", "message"), [(_bounces, "SMTPRecipientsRefused 550"), (_falls_over, "RuntimeError")], ids=["smtp", "callable"]
)
def test_a_bounced_deletion_leaves_no_name(people, tmp_path, send, message):
    """Once the deletion is closed, no byte of the database has the person's data."""
    site = people(PRIVACY_SEND=send)
    site.add()
    site.site.cli("requests", "open", "--kind", "delete", "--email", ADA, "--identity", f"{ADA} rang us up")
    site.site.cli("requests", "extend", "1", "--reason", f"{ADA} has much")
    assert site.site.cli("requests", "answer", "1", "--text", f"Dear {ADA}").exit_code == 1
    request = site.rights.request_store.find(1)
    assert (request.mail_error, request.identity) == (f"The mail could not be sent: {message}", "operator")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "instance").glob("privacy-rights.sqlite*"))
    assert b"ada@" not in stored and (request.answer["text"], request.reason, len(request.answer["stores"])) == ("", "", 1)


def test_a_lone_surrogate_is_replaced(people):
    """JSON can encode a lone surrogate, which no valid text contains."""
    site = people()
    body = '{"kind": "access", "email": "ada@shop.example", "message": "a\\ud800"}'
    answer = site.site.visitor().post("/privacy/requests", data=body, content_type="application/json")
    assert answer.status_code == 303 and site.rights.request_store.find(1).message == "a?"


def test_a_failing_signal_receiver_undoes_no_request(people, caplog):
    """The error is counted and logged, and the answer is the same."""
    site = people(TESTING=False)

    def falls_over(sender, number):
        raise RuntimeError("no listener")

    with SIGNALS_OF_REQUESTS["opened"].connected_to(falls_over):
        assert site.ask().status_code == 303
    assert len(site.rights.request_store.all()) == 1
    assert caplog.messages[-1].startswith("A signal receiver failed; the request is stored: RuntimeError in ")


def test_a_failing_export_names_the_store_and_exits_with_2(people):
    """No data of the other stores is printed, because it would look complete."""
    site = people()
    site.add()
    site.site.privacy.register_store("list", export=lambda subject: 1 / 0)
    outcome = site.site.cli("export", ADA)
    assert outcome.exit_code == 2 and "1 Lane" not in outcome.output
    assert "The export of the store 'list' is 'ZeroDivisionError: division by zero'" in outcome.output


def test_many_expired_requests_are_made_anonymous_in_short_transactions(people, clock, monkeypatch):
    """A visitor can make thousands, and other visitors wait for the lock meanwhile."""
    site, sizes = people(), []
    store = site.rights.request_store
    for number in range(501):
        store.open("2026-05-01T12:00:00.000Z", kind="access", email=f"a{number}@mail.example", message="Hello")
    store._update_all(sa.true(), state="expired")
    write = store._database.write
    monkeypatch.setattr(store._database, "write", lambda: (sizes.append(len(store.subjects())), write())[1])
    assert store.anonymise_closed("2026-05-08T12:00:00.000Z") == 501 and sizes == [501, 1]
    assert store.subjects() == set() and {request.message for request in store.all()} == {""}
