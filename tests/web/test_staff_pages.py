"""The pages for staff: their front page, the navigation between them, and acts that have to be confirmed."""

import json
import re

import pytest

from support.login_site import entered, with_logins

pytestmark = pytest.mark.usefixtures("clock")

NEEDS = {"ann": {"reports", "requests", "health", "support"}, "bob": {"reports"}, "dan": {"support"}, "eve": set()}
PARTS = {"part-requests": "requests", "part-mails": "requests", "part-check": "health", "part-health": "health"}


@pytest.fixture
def site(tiny):
    """A site with a page of its own for support staff."""
    own = {"orders": ("support", {"en": "Orders", "de": "Bestellungen"})}
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: need in NEEDS[user.id], PRIVACY_STAFF_PAGES=own))
    helpers = site.app.jinja_env.globals["privacy"]
    site.app.add_url_rule("/orders", "orders", site.privacy.need("support")(lambda: str(helpers.staff_pages())))
    return site


def open_request(site, kind="delete"):
    requests = site.privacy.runtime(site.app).rights.requests
    requests.open(kind=kind, email="ada@a.example", message="", locale="en", base="http://a", source="form", sent_from="")
    requests.identify(1, "by telephone")
    return requests


def links(text):
    return re.findall(r'href="([^"]+)"', text.partition('class="mixamo-staff-pages"')[2].partition("</nav>")[0])


@pytest.mark.parametrize("name", NEEDS)
def test_promise_41_each_part_is_only_for_staff_who_may_see_it(site, name):
    """The front page has the parts of a user's needs and no other; a user without any need is denied."""
    page = entered(site, name).get("/privacy/staff")
    shown = {part for part in PARTS if f'id="{part}"' in page.text}
    assert shown == {part for part, need in PARTS.items() if need in NEEDS[name]}
    assert page.status_code == (200 if NEEDS[name] else 403)


@pytest.mark.parametrize(
    ("name", "recorded"),
    [("ann", {"requests", "health"}), ("bob", {"reports"}), ("dan", {"support"}), ("eve", {"reports"})],
)
def test_promise_41_the_front_page_records_each_need_it_uses(site, name, recorded):
    """A part without personal data or figures, such as a link, is no access; a denial is recorded too."""
    entered(site, name).get("/privacy/staff")
    looks = [look for look in map(dict, accesses(site)) if look["who"] == name]
    assert {look["need"] for look in looks} == recorded
    assert {look["outcome"] for look in looks} == {"allowed" if NEEDS[name] else "denied"}


def accesses(site):
    return json.loads(site.cli("access", "--json").output)["looks"]


def test_an_anonymous_visitor_has_to_log_in(site):
    assert site.visitor().get("/privacy/staff").status_code == 401
    assert site.app.jinja_env.globals["privacy"] and links(site.visitor().get("/").text) == []


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("ann", ["/privacy/staff", "/privacy/reports", "/privacy/requests/staff", "/orders"]),
        ("bob", ["/privacy/staff", "/privacy/reports"]),
        ("dan", ["/privacy/staff", "/orders"]),
    ],
)
def test_the_navigation_leads_to_the_pages_that_a_user_may_open(site, name, paths):
    """It is the same on the extension's pages and on the site's own, and each link works."""
    visitor = entered(site, name)
    assert links(visitor.get("/privacy/staff").text) == paths == links(visitor.get(paths[-1]).text)
    assert [visitor.get(path).status_code for path in paths] == [200] * len(paths)


def test_the_navigation_is_in_the_visitors_language(site):
    """The site's own titles are too."""
    text = entered(site, "ann", Accept_Language="de").get("/privacy/staff").text
    assert "Bestellungen" in text and '<html lang="de"' in text


def test_a_page_without_a_url_is_reported_and_left_out(tiny):
    """A mistyped endpoint raises in tests, so that a site's tests find it."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: True, PRIVACY_STAFF_PAGES={"ordres": ("support", "Orders")}))
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(Exception, match="ordres"):
        entered(site).get("/privacy/staff")


def test_the_front_page_counts_requests_and_lists_the_urgent_ones(site, clock):
    """An overdue request is named with its day."""
    open_request(site)
    assert "No answer is due soon." in entered(site).get("/privacy/staff").text
    clock.shift(40 * 86400)
    text = entered(site).get("/privacy/staff").text
    assert re.search(r"<dt>Overdue</dt><dd>1</dd>", text) and "Overdue since June 7, 2026" in text


def test_the_front_page_counts_mails_that_a_person_must_read(site):
    """A message that could not be read is in the folder of PRIVACY_MAIL_ASIDE."""
    from flask_mixamo_privacy.mail.inbox import Quarantine

    runtime = site.privacy.runtime(site.app)
    Quarantine(runtime.settings.mail_aside, runtime.policy.retention.mail).keep(b"odd", "odd")
    assert "<dt>Received, to be read by a person</dt><dd>1</dd>" in entered(site).get("/privacy/staff").text


def test_the_check_runs_once_for_many_requests(site, monkeypatch):
    """Opening the page again within ten minutes shows the same findings without another check."""
    runs = []
    monkeypatch.setattr("flask_mixamo_privacy.audit.checks.run_checks", lambda runtime: runs.append(1) or [])
    for _ in range(3):
        assert "The site does what its policy says" in entered(site).get("/privacy/staff").text
    assert len(runs) == 1


@pytest.mark.parametrize(
    ("kind", "asks", "does", "state"),
    [("delete", "ask_answer", "answer", "answered"), ("access", "ask_refuse", "refuse", "refused")],
)
def test_an_act_that_cannot_be_undone_is_confirmed_on_a_page_of_its_own(site, kind, asks, does, state):
    """The first button changes nothing, and works without JavaScript. The typed text is sent by the second."""
    requests = open_request(site, kind)
    ann = entered(site)
    page = ann.post("/privacy/requests/staff/1", data={"act": asks, "text": "A court asked."})
    assert page.status_code == 200 and f'value="{does}"' in page.text and 'value="A court asked."' in page.text
    assert requests.request_store.find(1).state == "verified"
    ann.post("/privacy/requests/staff/1", data={"act": does, "text": "A court asked."})
    assert requests.request_store.find(1).state == state


def test_a_refusal_without_a_reason_keeps_what_was_typed(site):
    """The form is shown again with an error, before anything is confirmed."""
    open_request(site, "access")
    page = entered(site).post("/privacy/requests/staff/1", data={"act": "ask_refuse", "text": " "})
    assert page.status_code == 409 and "Enter a reason." in page.text and "<title>Error" in page.text
