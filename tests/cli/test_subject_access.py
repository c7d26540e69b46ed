"""Staff access control: no user has access by default, and every access is recorded."""

import json

import pytest

from conftest import in_a_thread
from flask_mixamo_privacy.web.access import authorise, staff_only
from support.login_site import entered, with_logins


@pytest.fixture
def office(tiny):
    """Return a function that builds a site with users who can log in, and a page for staff with the need `reports`."""

    def build(login_view=None, **config):
        site = with_logins(tiny(**config))
        site.app.login_manager.login_view = login_view
        site.view("/figures", staff_only("reports")(lambda: "42"))
        return site

    return build


def looks(site):
    return [json.loads(row["detail"]) for row in site.ledger("access")]


def hashed(site, name):
    return site.privacy.runtime(site.app).rights.data_subjects.pseudonymise(name)[1]


def only_ann_needs_reports(user, need):
    return (user.id, need) == ("ann", "reports")


def test_promise_41_staff_with_the_need_have_access_and_it_is_recorded(office):
    """The ledger entry has the user, the need and the action."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    assert entered(site, "ann").get("/figures?of=may").text == "42"
    assert looks(site) == [{"who": "ann", "need": "reports", "what": "/figures", "outcome": "allowed"}]


@pytest.mark.parametrize("config", [{}, {"PRIVACY_STAFF": only_ann_needs_reports}], ids=["by default", "without the need"])
def test_promise_41_a_user_without_the_need_is_denied(office, config):
    """The response is 403, and the attempt is recorded too."""
    site = office(**config)
    assert entered(site, "bob").get("/figures").status_code == 403
    assert [(entry["who"], entry["outcome"]) for entry in looks(site)] == [("bob", "denied")]


@pytest.mark.parametrize(("login_view", "status"), [(None, 401), ("enter_here", 302)])
def test_promise_41_an_anonymous_user_is_counted_but_not_recorded(office, clock, login_view, status):
    """The response is the login page or 401. There is no ledger entry, because there is no user to record."""
    site = office(login_view)
    site.app.add_url_rule("/login", "enter_here", lambda: "login")
    for _ in range(3):
        assert site.visitor().get("/figures").status_code == status
    assert (site.privacy.runtime(site.app).denied.days(), looks(site)) == ({"2026-05-08": 3}, [])


@pytest.mark.parametrize(("login_view", "status"), [(None, 401), ("enter_here", 302)])
def test_promise_41_an_anonymous_user_is_denied_even_if_the_count_fails(office, tmp_path, caplog, login_view, status):
    """If the count cannot be written, the response is the same and the failure is reported."""
    (tmp_path / "file").touch()
    site = office(login_view, PRIVACY_LOG_DIR=str(tmp_path / "file" / "log"))
    site.app.add_url_rule("/login", "enter_here", lambda: "login")
    assert site.visitor().get("/figures").status_code == status
    assert caplog.messages[-1].startswith(
        "Access was denied to an anonymous user, but not counted: NotADirectoryError: [Errno 20]"
    )


def test_promise_41_without_flask_login_no_user_has_access(tiny):
    """Without Flask-Login there is no user to check."""
    site = tiny(PRIVACY_STAFF=lambda user, need: True)
    site.view("/figures", staff_only("reports")(lambda: "42"))
    assert site.visitor().get("/figures").status_code == 401


def test_promise_41_an_error_in_the_sites_callable_denies_access(office, caplog):
    """In production the error is logged, and access is denied."""
    site = office(PRIVACY_STAFF=lambda user, need: 1 / 0, TESTING=False)
    assert entered(site, "ann").get("/figures").status_code == 403
    assert caplog.messages[-1].startswith("PRIVACY_STAFF failed, so access was denied: ZeroDivisionError in ")


def test_promise_41_the_data_subject_is_recorded_as_a_hash(office):
    """The entry also names the fields, but contains no values."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    site.view(
        "/person",
        lambda: authorise("reports", "orders", pseudonym=lambda: ("k", "0a1b"), fields=["name", "email"]) or "shown",
    )
    assert entered(site, "ann").get("/person").text == "shown"
    assert looks(site)[0] | {"whose": "0a1b", "fields": ["email", "name"]} == looks(site)[0]


def test_promise_41_an_access_that_cannot_be_recorded_is_denied(office, tmp_path):
    """If neither the ledger nor the spool can be written, access is denied."""
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
    """The awaited result decides. The coroutine object itself, although truthy, grants no access."""
    site = office(PRIVACY_STAFF=_of_async(answer))
    assert in_a_thread(lambda: entered(site, "bob").get("/figures").status_code) == status


@pytest.mark.parametrize("staff", [_Asked(), lambda user, need: _of_async(True)(user, need)], ids=["object", "lambda"])
def test_promise_41_an_awaitable_result_denies_access(office, caplog, staff):
    """An awaitable result is an error, and is reported as one."""
    site = office(PRIVACY_STAFF=staff, TESTING=False)
    assert entered(site, "bob").get("/figures").status_code == 403
    assert caplog.messages[-1] == (
        "PRIVACY_STAFF failed, so access was denied: SettingError: The result of PRIVACY_STAFF is not allowed; allowed: "
        "True or False. Make it a plain function or an async function."
    )


@pytest.mark.parametrize(
    ("window", "kept"), [("2026-W19", "?window=2026-W19"), ("2026-05", "?window=2026-05"), ("ada@x", "")]
)
def test_promise_41_only_the_window_of_a_query_is_recorded(office, window, kept):
    """The window is recorded only if it is valid."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    entered(site, "ann").get(f"/figures?window={window}&email=ada@shop.example")
    assert looks(site)[0]["what"] == f"/figures{kept}"


def test_promise_41_a_denied_user_cannot_write_into_the_ledger(office):
    """The entry contains no part of the path and no mail address; `flask privacy access` shows a hash of the address."""
    site = office(PRIVACY_STAFF=only_ann_needs_reports)
    site.view("/of/<name>", staff_only("reports")(lambda name: name))
    bob = entered(site, "bob@shop.example")
    assert bob.get("/of/ada@shop.example?and=eve@shop.example").status_code == 403
    assert looks(site)[0]["what"] == "/of/<name>" and "shop.example" not in str(site.ledger())
    assert f"user ({hashed(site, 'bob@shop.example')[:12]}): /of/<name>, need: reports, denied" in site.cli("access").output
