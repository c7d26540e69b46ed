"""Who of the staff may look: nobody by default, and each look leaves an entry."""

import json

import pytest
from logins import entered, with_logins

from conftest import in_a_thread
from flask_mixamo_privacy.access import admit, staff_only


@pytest.fixture
def office(tiny):
    """Builds a site with people who may log in, and a page for staff who need reports."""

    def build(login_view=None, **config):
        site = with_logins(tiny(**config))
        site.app.login_manager.login_view = login_view
        site.view("/figures", staff_only("reports")(lambda: "42"))
        return site

    return build


def looks(site):
    return [json.loads(row["detail"]) for row in site.ledger("access")]


def hashed(site, name):
    return site.privacy.site(site.app).rights.people.hash(name)[1]


def only_ann_needs_reports(user, need):
    return (user.id, need) == ("ann", "reports")


def test_promise_41_who_needs_it_may_look_and_it_is_noted(office):
    """Who, why and what, in the ledger."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    assert entered(site, "ann").get("/figures?of=may").text == "42"
    assert looks(site) == [{"who": "ann", "need": "reports", "what": "/figures", "outcome": "allowed"}]


@pytest.mark.parametrize("config", [{}, {"PRIVACY_STAFF": only_ann_needs_reports}], ids=["by default", "without the need"])
def test_promise_41_who_does_not_need_it_may_not(office, config):
    """403, and the attempt is noted as well."""
    site = office(**config)
    assert entered(site, "bob").get("/figures").status_code == 403
    assert [(entry["who"], entry["outcome"]) for entry in looks(site)] == [("bob", "denied")]


@pytest.mark.parametrize(("login_view", "status"), [(None, 401), ("enter_here", 302)])
def test_promise_41_somebody_unknown_is_counted_and_not_noted(office, clock, login_view, status):
    """The login page or 401; no entry, for there is nobody to name."""
    site = office(login_view)
    site.app.add_url_rule("/login", "enter_here", lambda: "login")
    for _ in range(3):
        assert site.visitor().get("/figures").status_code == status
    assert (site.privacy.site(site.app).denials.days(), looks(site)) == ({"2026-05-08": 3}, [])


@pytest.mark.parametrize(("login_view", "status"), [(None, 401), ("enter_here", 302)])
def test_promise_41_somebody_unknown_is_turned_away_uncounted_too(office, tmp_path, caplog, login_view, status):
    """Where the disk takes no count, the answer is the same, and the failure is told."""
    (tmp_path / "file").touch()
    site = office(login_view, PRIVACY_LOG_DIR=str(tmp_path / "file" / "log"))
    site.app.add_url_rule("/login", "enter_here", lambda: "login")
    assert site.visitor().get("/figures").status_code == status
    assert caplog.messages[-1].startswith("Somebody unknown was turned away uncounted: [Errno 20]")


def test_promise_41_without_flask_login_nobody_may(tiny):
    """There is no user to ask about."""
    site = tiny(PRIVACY_STAFF=lambda user, need: True)
    site.view("/figures", staff_only("reports")(lambda: "42"))
    assert site.visitor().get("/figures").status_code == 401


def test_promise_41_a_fault_in_the_sites_callable_opens_no_door(office, caplog):
    """In production it is logged, and the answer is no."""
    site = office(PRIVACY_STAFF=lambda user, need: 1 / 0, TESTING=False)
    assert entered(site, "ann").get("/figures").status_code == 403
    assert caplog.messages[-1] == "PRIVACY_STAFF failed, so nobody was let in: division by zero"


def test_promise_41_whose_data_was_looked_at_is_noted_as_a_hash(office):
    """With the fields, and no value of any."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    site.view(
        "/person", lambda: admit("reports", "orders", whose=lambda: ("k", "0a1b"), fields=["name", "email"]) or "shown"
    )
    assert entered(site, "ann").get("/person").text == "shown"
    assert looks(site)[0] | {"whose": "0a1b", "fields": ["email", "name"]} == looks(site)[0]


def test_promise_41_a_look_that_cannot_be_noted_does_not_happen(office, tmp_path):
    """Neither in the ledger nor in the file beside it: then nobody may look."""
    (tmp_path / "file").touch()
    away = {
        "PRIVACY_LEDGER_URL": f"sqlite:///{tmp_path}/file/ledger.sqlite",
        "PRIVACY_LOG_DIR": str(tmp_path / "file" / "log"),
    }
    site = office(PRIVACY_STAFF=only_ann_needs_reports, TESTING=False, **away)
    assert entered(site, "ann").get("/figures").status_code == 500


def _of_async(answer):
    async def staff(user, need):
        return answer

    return staff


class _Asked:
    async def __call__(self, user, need):
        return True


@pytest.mark.parametrize(("answer", "status"), [(True, 200), (False, 403), (None, 403)])
def test_promise_41_an_async_callable_is_awaited(office, answer, status):
    """What it comes to counts; that there is something to wait for opens no door."""
    site = office(PRIVACY_STAFF=_of_async(answer))
    assert in_a_thread(lambda: entered(site, "bob").get("/figures").status_code) == status


@pytest.mark.parametrize("staff", [_Asked(), lambda user, need: _of_async(True)(user, need)], ids=["object", "lambda"])
def test_promise_41_what_would_still_have_to_be_awaited_lets_nobody_in(office, caplog, staff):
    """It is a fault, and told as one."""
    site = office(PRIVACY_STAFF=staff, TESTING=False)
    assert entered(site, "bob").get("/figures").status_code == 403
    says = "it gave coroutine, not True or False; make it a plain or an async function"
    assert caplog.messages[-1] == f"PRIVACY_STAFF failed, so nobody was let in: {says}"


@pytest.mark.parametrize(
    ("window", "kept"), [("2026-W19", "?window=2026-W19"), ("2026-05", "?window=2026-05"), ("ada@x", "")]
)
def test_promise_41_of_a_query_the_window_alone_is_kept(office, window, kept):
    """As far as it is one."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    entered(site, "ann").get(f"/figures?window={window}&email=ada@shop.example")
    assert looks(site)[0]["what"] == f"/figures{kept}"


def test_promise_41_whoever_is_denied_can_write_nothing_into_the_ledger(office):
    """Nothing of what they ask for, and no address; `flask privacy access` shows a hash of it."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    site.view("/of/<name>", staff_only("reports")(lambda name: name))
    bob = entered(site, "bob@shop.example")
    assert bob.get("/of/ada@shop.example?and=eve@shop.example").status_code == 403
    assert looks(site)[0]["what"] == "/of/<name>" and "shop.example" not in str(site.ledger())
    assert (
        f"somebody ({hashed(site, 'bob@shop.example')[:12]}): /of/<name>, need: reports, denied" in site.cli("access").output
    )
