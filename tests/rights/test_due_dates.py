"""Deadlines: the earlier of thirty days and a calendar month, extensions with a reason, and a command for cron."""

import json
import re
from datetime import date

import pytest
from flask_login import LoginManager, UserMixin, login_user
from hypothesis import given
from hypothesis import strategies as st

from flask_mixamo_privacy.policy.parts import Requests
from flask_mixamo_privacy.storage.clock import due, months_after
from support.people_site import policy


@pytest.mark.parametrize(
    ("opened", "last"),
    [
        ("2026-01-28", "2026-02-27"), ("2026-01-29", "2026-02-28"), ("2026-01-30", "2026-02-28"), ("2026-01-31", "2026-02-28"),
        ("2028-01-29", "2028-02-28"), ("2028-01-30", "2028-02-29"), ("2028-01-31", "2028-02-29"), ("2026-02-01", "2026-03-01"),
        ("2026-03-31", "2026-04-30"), ("2026-04-30", "2026-05-30"), ("2026-05-08", "2026-06-07"), ("2026-12-31", "2027-01-30"),
    ],
)  # fmt: skip
def test_promise_33_due_is_the_earlier_of_30_days_and_a_month(people, clock, opened, last):
    """The period starts on the day the request was opened, whenever it was confirmed."""
    clock.move_to(f"{opened}T23:59:59Z", tick=False)
    site = people()
    site.ask()
    assert site.rights.request_store.find(1).due == last


@given(st.dates(date(2020, 1, 1), date(2040, 1, 1)), st.integers(1, 30))
def test_promise_33_no_request_is_due_later_than_30_days(opened, days):
    """The deadline is at most one month away, and never before the next day."""
    last = due(opened, days)
    assert 1 <= (last - opened).days <= days <= 30 and last <= months_after(opened, 1)


def test_promise_33_a_site_can_promise_a_shorter_period(people, clock):
    """The declared number of days applies."""
    site = people(PRIVACY_POLICY=policy(), TESTING=True)
    site.ask()
    other = people(PRIVACY_POLICY=policy().__class__(**{**vars_of(policy()), "requests": Requests(14)}))
    assert (site.rights.request_store.find(1).due, other.rights.request_store.find(1).due) == ("2026-06-07", "2026-05-22")


def vars_of(declared):
    names = [name for name in declared.__dataclass_fields__ if not name.startswith("_")]
    return {name: getattr(declared, name) for name in names}


@pytest.mark.parametrize(
    ("days", "code", "message"),
    [(22, 0, "No request is overdue or due"), (23, 1, "(7 days)"), (30, 1, "(0 days)"), (31, 1, "(overdue)")],
)
def test_promise_33_the_command_for_cron_reports_due_requests(people, clock, days, code, message):
    """The command exits with 1 if a request is overdue or due within a week, and with 0 otherwise."""
    site = people()
    site.confirmed()
    clock.shift(days * 86400)
    outcome = site.site.cli("due")
    assert outcome.exit_code == code and message in outcome.output


def test_promise_33_due_requests_as_json(people, clock):
    """The JSON has the days left, and an option sets the number of days that counts as soon."""
    site = people()
    site.confirmed()
    assert site.site.cli("due", "--within", "29").exit_code == 0
    outcome = site.site.cli("due", "--within", "30", "--json")
    assert [(row["number"], row["days_left"], row["overdue"]) for row in json.loads(outcome.output)] == [(1, 30, False)]
    assert site.site.cli("due", "--within", "9" * 20).exit_code == 2


def test_promise_33_an_answered_request_is_not_due(people, clock):
    """A request that was never confirmed is not due either."""
    site = people()
    site.site.cli("requests", "answer", str(site.confirmed()))
    site.ask(email="bob@shop.example")
    site.process()
    clock.shift(40 * 86400)
    site.process()
    assert site.site.cli("due").exit_code == 0


def test_promise_33_a_request_whose_mail_failed_is_due(people, clock):
    """The requester could not confirm it because of the site's failure."""
    site = people(PRIVACY_SEND=None)
    site.ask()
    site.process()
    clock.shift(40 * 86400)
    site.process()
    assert site.site.cli("due").exit_code == 1


def test_promise_33_an_extension_has_a_reason_and_the_requester_is_informed(people, clock):
    """An extension is at most two further months from the day the request was opened (GDPR art. 12(3))."""
    site = people()
    number = str(site.confirmed())
    outcome = site.site.cli("requests", "extend", number, "--reason", "There are many orders.")
    assert "due 2026-08-08" in outcome.output
    message = "We need more time, and will answer by August 8, 2026. Reason: There are many orders."
    assert message in site.mails[-1].get_content() and site.mails[-1]["Subject"] == "Your request 1 to Shop will take longer"


@pytest.mark.parametrize(
    ("days", "arguments", "message"),
    [
        (0, ["--reason", " "], "The reason is ' '; allowed: a text. Enter a reason. The person receives it by mail."),
        (0, ["--reason", "Many.", "--months", "3"], "3 is not in the range 1<=x<=2"),
        (
            31,
            ["--reason", "Many."],
            "Request 1 is 'due on 2026-06-07'; allowed: one that is not overdue. Answer it instead.",
        ),
    ],
)
def test_promise_33_an_unlawful_extension_is_refused(people, clock, days, arguments, message):
    """An extension is refused if it lacks a reason, is too long, or comes after the deadline."""
    site = people()
    site.confirmed()
    clock.shift(days * 86400)
    outcome = site.site.cli("requests", "extend", "1", *arguments)
    assert outcome.exit_code == 2 and message in outcome.output and site.rights.request_store.find(1).extended == 0


def test_promise_33_a_request_is_extended_only_once(people, clock):
    """The total extension is limited to two months."""
    site = people()
    site.confirmed()
    extend = ("requests", "extend", "1", "--reason", "Many.", "--months", "1")
    assert site.site.cli(*extend).exit_code == 0
    message = "Request 1 is 'extended already'; allowed: open or verified, and not extended yet"
    assert message in site.site.cli(*extend).output and site.rights.request_store.find(1).due == "2026-07-08"


class Person(UserMixin):
    def __init__(self, name):
        self.id = name


@pytest.fixture
def office(people, clock):
    """A site with the staff user ann, and a browser in which she is logged in."""
    site = people(PRIVACY_STAFF=lambda user, need: (user.id, need) == ("ann", "requests"))
    LoginManager(site.site.app).user_loader(Person)
    site.site.app.add_url_rule("/enter/<name>", "enter", lambda name: str(login_user(Person(name))))
    site.add()

    def enter(name):
        visitor = site.site.visitor()
        visitor.get(f"/enter/{name}")
        return visitor

    return site, enter


@pytest.mark.parametrize("path", ["/privacy/requests/staff", "/privacy/requests/staff/1"])
def test_promise_41_only_staff_see_requests(office, path):
    """An anonymous user gets 401, a user without the need gets 403, and every access is recorded."""
    site, enter = office
    site.confirmed()
    assert [visitor.get(path).status_code for visitor in (site.site.visitor(), enter("bob"), enter("ann"))] == [
        401,
        403,
        200,
    ]
    looks = [json.loads(row["detail"]) for row in site.site.ledger("access")]
    assert [(look["who"], look["outcome"]) for look in looks] == [
        ("bob", "denied"),
        ("ann", "allowed"),
    ]


def test_promise_41_an_access_to_one_request_records_its_subject(office):
    """The entry has a keyed hash of the requester, and the fields."""
    site, enter = office
    site.confirmed()
    enter("ann").get("/privacy/requests/staff/1")
    row = site.site.ledger("access")[-1]
    assert row["subject"] == site.rights.data_subjects.pseudonymise("ada@shop.example")[1]
    assert json.loads(row["detail"])["fields"] == ["email", "message"]


def test_an_access_to_all_requests_records_the_fields(office):
    """The list shows the requesters' addresses and messages."""
    site, enter = office
    site.confirmed()
    enter("ann").get("/privacy/requests/staff", headers={"Accept": "application/json"})
    assert json.loads(site.site.ledger("access")[-1]["detail"])["fields"] == ["email", "message"]


def test_staff_answer_requests_on_the_page(office):
    """The request due first is at the top, and a button carries it out."""
    site, enter = office
    site.confirmed()
    ann = enter("ann")
    assert "30 days" in ann.get("/privacy/requests/staff").text
    assert "<dd>shop</dd>" in ann.get("/privacy/requests/staff/1").text
    done = ann.post("/privacy/requests/staff/1", data={"act": "answer", "text": "Farewell."}, follow_redirects=True)
    # The page does not repeat the answer, which may contain the requester's name.
    assert "Farewell." in site.mails[-1].get_content() and "Farewell." not in done.text
    assert "2 deleted" in done.text and "no longer kept" in done.text
    assert site.mentions("ada") == [] and site.rights.request_store.find(1).answer["told"]


def test_staff_refuse_extend_and_correct_on_the_page(office):
    """The page applies the rules of the commands."""
    site, enter = office
    for kind in ("delete", "correct"):
        site.confirmed(kind)
    ann = enter("ann")
    empty = ann.post("/privacy/requests/staff/1", data={"act": "refuse"})
    assert empty.status_code == 409 and "Enter a reason. The person receives it by mail." in empty.text
    ann.post("/privacy/requests/staff/1", data={"act": "extend", "text": "Many."})
    ann.post("/privacy/requests/staff/2", data={"act": "answer", "field": "name", "value": "Augusta"})
    ann.post("/privacy/requests/staff/1", data={"act": "refuse", "text": "A court asked."})
    assert [(r.state, r.extended) for r in site.rights.request_store.all()] == [("refused", 2), ("answered", 0)]
    assert site.mentions("augusta") == ["accounts", "orders"]


def test_staff_get_requests_as_json(office):
    """The JSON omits the address of a closed request."""
    site, enter = office
    site.site.cli("requests", "answer", str(site.confirmed()))
    found = enter("ann").get("/privacy/requests/staff", headers={"Accept": "application/json"}).json
    assert [(row["number"], row["state"], row["email"], row["due"]) for row in found] == [(1, "answered", "", "2026-06-07")]


def test_another_site_cannot_answer_a_request_as_staff(office):
    """A cross-site post gets 403 and has no effect."""
    site, enter = office
    site.confirmed()
    data, header = {"act": "answer"}, {"Sec-Fetch-Site": "cross-site"}
    assert enter("ann").post("/privacy/requests/staff/1", data=data, headers=header).status_code == 403
    assert site.rights.request_store.find(1).state == "verified"


def test_a_missing_request_returns_404(office):
    """The 404 page has a message."""
    _, enter = office
    answer = enter("ann").get("/privacy/requests/staff/7")
    assert answer.status_code == 404 and "The request&#39;s number is 7" in answer.text


@pytest.mark.parametrize("kind", ["delete", "access"])
def test_staff_see_no_value_in_the_error_of_a_store(office, kind, caplog):
    """A database quotes rows of other people. The operator's command shows the whole text, and the log the line of code."""
    site, enter = office

    def fail(subject):
        raise ValueError("Key (email)=(bob@mail.example) already exists.")

    site.site.privacy.register_store("list", export=fail if kind == "access" else None, erase=fail)
    number = site.confirmed(kind)
    shown = enter("ann").post(f"/privacy/requests/staff/{number}", data={"act": "answer"})
    assert shown.status_code == 409 and "ValueError: the log of the app names the line of code" in shown.text
    assert "bob@" not in shown.text + caplog.text and "ValueError in " in caplog.text
    assert "bob@" in site.site.cli("requests", "answer", str(number)).output


def test_the_answer_to_access_is_not_shown_while_a_store_fails(office, caplog):
    """The person can try again, and the log has one line in place of a traceback with a row."""
    site, _ = office
    number, broken = site.confirmed("access"), []
    site.site.privacy.register_store("list", export=lambda subject: ["a song"] if not broken else int(subject))
    assert site.site.cli("requests", "answer", str(number)).exit_code == 0
    broken.append(1)
    shown = site.site.visitor().post(site.link())
    assert shown.status_code == 503 and "ada@" not in caplog.text and not any(record.exc_info for record in caplog.records)


def test_the_page_of_staff_has_a_bounded_number_of_rows(office, monkeypatch):
    """Any visitor can make thousands of requests, and the one that a person confirmed must not be lost among them."""
    monkeypatch.setattr("flask_mixamo_privacy.web.views.staff._MOST_SHOWN", 2)
    site, enter = office
    for number in range(4):
        site.ask(email=f"a{number}@mail.example")
    confirmed, ann = site.confirmed(), enter("ann")
    shown = re.findall(r'href="[^"]*/staff/(\d+)"', (page := ann.get("/privacy/requests/staff").text))
    assert shown == [str(confirmed), "4"] and "Not shown: 3 older requests." in page
    assert len(ann.get("/privacy/requests/staff", headers={"Accept": "application/json"}).json) == 5


def test_an_expired_request_is_deleted_after_400_days(people, clock):
    """Anyone can make many, and their table would grow for ever. An answered request stays as proof."""
    site = people()
    site.site.cli("requests", "answer", str(site.confirmed()))
    site.ask(email="bob@mail.example")
    for days in (0, 8, 399):
        site.process()
        site.site.cli("prune")
        clock.shift(86400 * days)
    assert [request.state for request in site.rights.request_store.all()] == ["answered", "expired"]
    clock.shift(86400 * 2)
    site.site.cli("prune")
    assert [request.state for request in site.rights.request_store.all()] == ["answered"]


def test_staff_read_in_their_language_why_a_request_expired(office, clock):
    """The stored answer is English. The page of staff translates it."""
    site, enter = office
    site.ask()
    site.process()
    clock.shift(86400 * 8)
    site.process()
    page = enter("ann").get("/privacy/requests/staff/1", headers={"Accept-Language": "de"}).text
    assert "Diese Anfrage wurde nicht rechtzeitig bestätigt." in page and "in time" not in page
