"""Staff access: personal data is read only for a declared need, by permitted staff, and the ledger records it."""

import json
import sqlite3
from contextlib import closing

import pytest
from werkzeug.exceptions import Unauthorized

from flask_mixamo_privacy.cli.common import os_username
from support.login_site import entered, with_logins

pytestmark = pytest.mark.usefixtures("clock")


def only_ann_needs_support(user, need):
    return (user.id, need) == ("ann", "support")


@pytest.fixture
def staff_site(tiny):
    """Builds a site with logins and a page that reads an order."""

    def build(**config):
        site = with_logins(tiny(**config))
        need = site.privacy.need("support", whose=lambda email: email, fields=["name", "address"])
        site.view("/orders/<email>", need(lambda email: "Ada, 1 Lane"))
        return site

    return build


def hashed(site, name):
    return site.privacy.runtime(site.app).rights.data_subjects.pseudonymise(name)[1]


def accesses(site, *arguments):
    return json.loads(site.cli("access", "--json", *arguments).output)["looks"]


def test_promise_41_an_access_is_recorded_with_staff_need_subject_fields_and_time(staff_site):
    """The subject is a keyed hash and the page is its URL rule, so only the reader is named."""
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support)
    assert entered(site, "ann").get("/orders/Ada@shop.example").text == "Ada, 1 Lane"
    expected = {
        "who": "ann",
        "need": "support",
        "what": "/orders/<email>",
        "fields": ["address", "name"],
        "outcome": "allowed",
    }
    assert accesses(site) == [expected | {"at": "2026-05-08T12:00:00.000Z", "whose": hashed(site, "ada@shop.example")}]
    assert "shop.example" not in str(site.ledger())


@pytest.mark.parametrize("config", [{}, {"PRIVACY_STAFF": only_ann_needs_support}], ids=["by default", "without the need"])
def test_promise_41_an_access_without_the_need_is_denied(staff_site, config):
    """The access is answered 403 and recorded."""
    site = staff_site(**config)
    assert entered(site, "bob").get("/orders/ada@shop.example").status_code == 403
    assert [(access["who"], access["outcome"]) for access in accesses(site)] == [("bob", "denied")]


def test_a_user_who_is_denied_often_fills_no_ledger(staff_site):
    """Any visitor may register, and each entry is synced. A hundred entries of a day show enough; all of staff's stay."""
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support)
    ann, bob = entered(site, "ann"), entered(site, "bob")
    assert {bob.get("/orders/ada@shop.example").status_code for _ in range(103)} == {403}
    assert ann.get("/orders/ada@shop.example").status_code == 200
    assert [access["who"] for access in accesses(site)] == [*["bob"] * 100, "ann"]


def test_promise_41_anonymous_denials_are_one_counter(staff_site):
    """An anonymous denial writes no entry, so no visitor can fill the ledger."""
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support)
    for _ in range(3):
        assert site.visitor().get("/orders/ada@shop.example").status_code == 401
    report = json.loads(site.cli("access", "--json").output)
    assert report == {"looks": [], "denials": {"2026-05-08": 3}, "unreadable": []}


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("bob", 403), ("ann", 200)])
def test_promise_41_a_need_may_be_a_context_manager(staff_site, name, status):
    """The block inside a view is not run without the need."""
    site, read = staff_site(PRIVACY_STAFF=only_ann_needs_support), []

    def view():
        with site.privacy.need("support", whose="ada@shop.example", fields=["email"]):
            read.append("ada")
        return "done"

    site.view("/some", view)
    visitor = entered(site, name) if name else site.visitor()
    assert (visitor.get("/some").status_code, read) == (status, ["ada"] if status == 200 else [])


def test_promise_41_commands_record_their_operator_too(people):
    """An export is an access to one person's data, and the report can be filtered by person."""
    site = people()
    site.add()
    site.site.cli("export", "ada@shop.example")
    site.site.cli("export", "bob@shop.example")
    exports = accesses(site.site, "--subject", "Ada@shop.example")
    assert [(access["what"], access["fields"]) for access in exports] == [("export", ["shop"])] and len(
        accesses(site.site)
    ) == 2


def test_promise_41_the_report_can_begin_on_a_day(staff_site, clock):
    """The report of accesses may begin on a day, also as text."""
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support)
    entered(site, "ann").get("/orders/ada@shop.example")
    clock.shift(86400)
    entered(site, "ann").get("/orders/ada@shop.example")
    assert len(accesses(site, "--since", "2026-05-09")) == 1
    text = site.cli("access").output
    assert "ann: /orders/<email> (address, name), need: support, allowed, subject: " in text
    assert text.endswith("2 accesses, 0 anonymous attempts denied.\n")


@pytest.mark.parametrize("detail", ["no JSON", "[1]", "7"])
def test_a_changed_entry_is_skipped_and_reported(staff_site, detail):
    """The other entries are shown, and the exit code is 1."""
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support)
    for _ in range(2):
        entered(site, "ann").get("/orders/ada@shop.example")
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE entries SET detail = ? WHERE position = 1", (detail,))
    outcome = site.cli("access")
    assert outcome.exit_code == 1 and "1 access" in outcome.output
    assert "The entry at position 1 cannot be read and was skipped" in outcome.output


def test_promise_41_an_access_that_cannot_be_recorded_is_refused(staff_site, tmp_path):
    """Without the ledger and the spool no one may read."""
    (tmp_path / "file").touch()
    away = {"PRIVACY_LEDGER_URL": f"sqlite:///{tmp_path}/file/l.sqlite", "PRIVACY_LOG_DIR": f"{tmp_path}/file/log"}
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support, PRIVACY_KEYS={"k": "sixteen characters"}, TESTING=False, **away)
    assert entered(site, "ann").get("/orders/ada@shop.example").status_code == 500


def test_promise_41_the_subject_is_not_looked_up_for_a_denied_user(staff_site):
    """A denied user learns nothing from the side effects of the look-up."""
    site = staff_site(PRIVACY_STAFF=only_ann_needs_support)
    need = site.privacy.need("support", whose=lambda number: str(1 // number))
    site.view("/numbers/<int:number>", need(lambda number: "one"))
    assert entered(site, "bob").get("/numbers/0").status_code == 403
    assert accesses(site)[0]["whose"] == ""


def test_promise_41_outside_a_request_no_access_is_allowed(staff_site):
    """The refusal is the same as in an app without logins."""
    site = staff_site(PRIVACY_STAFF=lambda user, need: True)
    with site.app.app_context(), pytest.raises(Unauthorized), site.privacy.need("support"):
        raise AssertionError("it was let in")


def test_promise_41_the_commands_about_requests_record_accesses(people):
    """The entry has the operator, the subject and the printed fields."""
    site = people()
    site.site.cli("requests", "open", "--kind", "access", "--email", "ada@shop.example")
    site.site.cli("requests", "list")
    site.site.cli("requests", "show", "1", "--json")
    entries = accesses(site.site)
    assert [(access["what"], access["whose"]) for access in entries] == [
        ("requests list", ""),
        ("requests show 1", hashed(site.site, "ada@shop.example")),
    ]
    assert all(
        (entry["need"], entry["fields"], entry["who"]) == ("requests", ["email", "message"], os_username())
        for entry in entries
    )


@pytest.mark.parametrize("path", ["/privacy/reports", "/privacy/requests/staff"])
def test_a_denied_member_of_staff_reads_what_is_missing(tiny, path):
    """The page names the permission, and whom to ask for it."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: False))
    answer = entered(site).get(path)
    need = "reports" if "reports" in path else "requests"
    assert answer.status_code == 403 and f"does not have the permission “{need}”" in answer.text
    assert "<title>Error: You do not have access to this page</title>" in answer.text and 'role="alert"' in answer.text
    assert '<a href="/">Go to the home page</a>' in answer.text
