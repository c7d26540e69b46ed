"""Links that cannot be sent: tried at growing intervals, for a week, and never at the cost of other requests."""

import json
import time
from itertools import pairwise

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.rights import request_mail

pytestmark = pytest.mark.usefixtures("clock")

HOUR = 3600
ENDED = "All attempts failed for a week, and there will be no more. Verify the person in another way, then answer with --identity."


@pytest.fixture
def failing(people, clock):
    """A site whose mail server refuses every mail, with the hours at which it was tried."""
    tried = []

    def refuse(mail):
        tried.append((time.time() - start) / HOUR)
        raise OSError("no such mailbox")

    site, start = people(PRIVACY_SEND=refuse), time.time()
    site.tried = tried
    return site


def let_pass(site, clock, hours, step=300):
    """Process requests every five minutes."""
    for _ in range(int(hours * HOUR / step)):
        site.rights.requests.process()
        clock.shift(step + 1)


def test_a_failed_mail_is_tried_at_growing_intervals(failing, clock):
    """Each interval is as long as the mail has been waiting, and a day at most."""
    failing.ask()
    let_pass(failing, clock, 24 * 3, step=1800)
    intervals = [round(later - before, 3) for before, later in pairwise(failing.tried)]
    assert intervals == sorted(intervals) and 8 <= len(failing.tried) <= 14 and intervals[-1] <= 24.6


def test_the_last_try_is_within_a_week(failing, clock, caplog):
    """Afterwards the request stays open for staff: the list, `due` and the log state why."""
    failing.ask()
    let_pass(failing, clock, 24 * 20, step=6 * HOUR)
    assert failing.tried[-1] <= 7 * 24 and len(failing.tried) < 20
    (request,) = failing.rights.request_store.all("open")
    assert request.mail_error.endswith(ENDED) and "no such mailbox" in request.mail_error
    assert ENDED in failing.site.cli("requests", "list").output and failing.site.cli("due").exit_code == 1
    assert json.loads(failing.site.cli("due", "--json").output)[0]["mail_error"] == request.mail_error
    assert sum("The link of request 1 could not be sent." in message for message in caplog.messages) == 1


def test_a_request_after_its_last_try_can_be_answered(failing, clock):
    """Staff verify the person in another way."""
    failing.ask("restrict")
    let_pass(failing, clock, 24 * 9, step=6 * HOUR)
    answered = failing.site.cli("requests", "answer", "1", "--identity", "by telephone")
    assert failing.rights.request_store.find(1).state == "answered" and answered.exit_code == 1


def test_an_undeliverable_address_delays_no_other(people, clock):
    """The oldest links come first, and a failed one is due later."""
    site = people(PRIVACY_SEND=lambda mail: 1 / 0 if "gone" in mail["To"] else site.mails.append(mail))
    for number in range(6):
        site.ask(email=f"gone{number}@shop.example")
    site.ask(email="ada@shop.example")
    for _ in range(4):
        site.rights.requests.process(most=2)
    assert [mail["To"] for mail in site.mails] == ["ada@shop.example"]


def test_a_mail_server_that_is_slow_ends_the_pass(people, monkeypatch):
    """Reminders of staff are sent nevertheless, and the rest of the links by the next pass."""
    monkeypatch.setattr(request_mail, "LONGEST_PASS", 0.0)
    site = people()
    for number in range(3):
        site.ask(email=f"ada{number}@shop.example")
    assert [site.rights.requests.process() for _ in range(4)] == [1, 1, 1, 0]


def test_a_missing_setting_costs_no_try(people, clock):
    """The reason is stored once, and the link is sent as soon as the setting is there."""
    site = people(TESTING=False)
    evil = {"base_url": "http://x.example"}
    site.site.visitor().post("/privacy/requests", data={"kind": "delete", "email": "a@b.example"}, **evil)
    for _ in range(3):
        assert "Set PRIVACY_BASE_URL" in site.process().output
        clock.shift(40 * 24 * HOUR)
    assert site.rights.request_store.find(1).mail_after == ""
    site.rights.requests.mail._base = "https://shop.example"
    assert site.process().output == "1 link sent.\n"


def test_a_pass_without_work_reads_no_request(people):
    """A thousand waiting requests are counted by the database, and none is fetched."""
    site = people()
    store = site.rights.request_store
    for number in range(30):
        site.ask(email=f"ada{number}@shop.example")
    site.process()
    fetched = []
    sa.event.listen(store._database._engine, "before_cursor_execute", lambda *event: fetched.append(event[2]))
    original, rows = store._request, []
    store._request = lambda row: rows.append(row) or original(row)
    assert site.rights.requests.process() == 0 and rows == []
    assert fetched and not any(statement.startswith(("UPDATE", "INSERT", "DELETE")) for statement in fetched)


def test_a_request_in_an_unknown_language_delays_no_other(people):
    """A later release may ship fewer languages. The person gets a mail in English."""
    site = people()
    site.ask(email="ada@shop.example"), site.ask(email="eve@shop.example")
    site.rights.request_store.update(1, locale="tlh")
    site.process()
    assert [(mail["To"], mail["Content-Language"]) for mail in site.mails] == [
        ("ada@shop.example", "en"),
        ("eve@shop.example", "en"),
    ]


def test_a_request_is_opened_in_a_language_that_is_shipped(people):
    """A name instead of a code is an error at once, and not when the mail is sent."""
    options = ("requests", "open", "--kind", "access", "--email", "ada@shop.example", "--language")
    site = people().site
    assert site.cli(*options, "german").exit_code == 2 and site.cli(*options, "de").exit_code == 0
