"""Visitors' journeys in a real browser, with JavaScript and without: answer, change a decision, return, or do nothing."""

import json

import pytest
from flask import render_template_string
from playwright.sync_api import expect
from test_tracker import kinds_kept, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

BOTH = {"privacy_consent", "privacy_visitor"}


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def enter(request, serve, open_browser):
    """Return a function that opens a page of the site in a browser of its own, with or without JavaScript."""

    served = {}

    def enter_site(site, path="/", **options):
        url = served[site] = served.get(site) or serve(site.app)
        page = open_browser(java_script_enabled=request.param, base_url=url, **options)
        page.goto(path)
        return page

    return enter_site


def press(page, *names):
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()


def answer(page, name):
    """Press a button of the banner and wait until the banner closes."""
    press(page, name)
    expect(banner(page)).to_have_count(0)


def follow(page, name="Privacy settings"):
    page.get_by_role("link", name=name).click()


def banner(page):
    return page.locator(".mixamo-ask")


def jar(page):
    return {cookie["name"] for cookie in page.context.cookies()}


def switched_on(page):
    """Return the purposes that the settings page shows as granted."""
    page.goto("/privacy/consent")
    return [box.get_attribute("value") for box in page.get_by_role("switch").all() if box.is_checked()]


def test_the_banner_offers_three_choices(tiny, enter):
    """A first-time visitor sees all three choices and has no cookie yet."""
    page = enter(tiny())
    expect(banner(page).get_by_role("button")).to_have_text(["Accept all", "Reject all", "Settings"])
    assert banner(page).is_visible() and jar(page) == set()


def test_a_visitor_who_accepts_is_counted_and_not_asked_again(tiny, enter):
    """The banner is absent from this page and the next one, the visitor has an ID, and the ledger contains a grant."""
    site = tiny()
    page = enter(site)
    answer(page, "Accept all")
    assert [row["source"] for row in site.ledger("grant")] == ["banner"]
    follow(page, "Other")
    expect(page).to_have_url("/other")
    expect(banner(page)).to_have_count(0)
    assert jar(page) == BOTH and {event["page"] for event in site.events("page_view")} == {"/", "/other"}


def test_a_visitor_who_rejects_is_not_asked_again_and_not_logged(tiny, enter):
    """The visitor has one cookie that identifies no visitor, and no page logs an event."""
    site = tiny()
    page = enter(site)
    answer(page, "Reject all")
    follow(page, "Other")
    expect(banner(page)).to_have_count(0)
    assert jar(page) == {"privacy_consent"} and site.events() == [] and site.ledger("grant") == []


def test_two_visitors_who_refuse_have_the_same_cookie(tiny, enter):
    """The cookie is the same for the banner's button and for saving with nothing chosen."""
    site = tiny()
    one, other = enter(site), enter(site, "/privacy/consent")
    answer(one, "Reject all")
    press(other, "Save my choice")
    expect(other.get_by_role("status")).to_have_text("Your choice is saved.")
    assert len({cookie["value"] for page in (one, other) for cookie in page.context.cookies()}) == 1


def test_one_purpose_can_be_granted_alone(tiny, enter):
    """The visitor chooses it in the settings, which the banner's third button opens. Saving leads back to the page."""
    page = enter(tiny(), "/item/walk?size=2")
    press(page, "Settings")
    page.get_by_role("switch", name="Customisation").check()
    press(page, "Save my choice")
    expect(page).to_have_url("/item/walk?size=2")
    expect(banner(page)).to_have_count(0)
    assert jar(page) == {"privacy_consent"} and switched_on(page) == ["customisation"]


def test_promise_18_withdrawing_erases_at_once(tiny, enter):
    """The ID leaves the browser, every event of that visitor is erased, and nothing new is recorded."""
    site = tiny()
    page = enter(site)
    answer(page, "Accept all")
    follow(page, "Other")
    expect(page).to_have_url("/other")
    assert site.events() != []
    follow(page)
    press(page, "Reject all")
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
    page.goto("/other")
    assert jar(page) == {"privacy_consent"} and site.events() == []


@pytest.mark.parametrize("names", [("Accept all", "Reject all"), (None, None)], ids=["buttons", "switches"])
def test_withdrawing_takes_no_more_clicks_than_granting(tiny, enter, names):
    """Granting and withdrawing both start at the settings link that every page has."""
    page = enter(tiny())

    def go(name):
        page.goto("/")
        follow(page)
        if name is None:
            page.get_by_role("switch", name="Statistics").click()
        press(page, name or "Save my choice")
        expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
        return "statistics" in switched_on(page)

    assert [go(name) for name in names] == [True, False]


def test_a_visitor_who_returns_after_half_an_hour_is_a_repeat_visitor(tiny, enter, clock):
    """The ID stays the same and a second visit starts. An earlier page view belongs to the first visit."""
    site = tiny()
    page = enter(site)
    answer(page, "Accept all")
    clock.shift(29 * 60)
    page.goto("/other")
    assert site.events("repeat_visit") == []
    clock.shift(31 * 60)
    page.goto("/other")
    assert [event["data"]["visit_number"] for event in site.events("repeat_visit")] == [2]
    assert len({event["visitor"] for event in site.events()}) == 1


def test_a_visitor_who_returns_after_half_a_year_is_asked_again(tiny, enter, clock):
    """A consent expires after 182 days. The ID then has no effect, and the response deletes its cookie."""
    page = enter(tiny())
    answer(page, "Accept all")
    clock.shift(183 * 86400)
    page.goto("/")
    expect(banner(page)).to_be_visible()
    assert "privacy_visitor" not in jar(page)


DOING = {
    "escape": lambda page: page.keyboard.press("Escape"),
    "scroll": lambda page: [page.mouse.wheel(0, 400), page.keyboard.press("End"), page.keyboard.press("PageUp")],
    "click": lambda page: page.get_by_text("A long page.").first.click(),
    "leave": lambda page: page.goto("about:blank"),
    "wander": lambda page: [page.goto(f"/item/{number}") for number in range(10)],
}


@pytest.mark.parametrize("doing", DOING)
def test_promise_3_only_a_button_decides(tiny, enter, doing):
    """Escape, scrolling, clicking elsewhere, leaving and browsing on decide nothing:

    no cookie is set and no file is written.
    """
    site = tiny()
    site.view("/long", lambda: render_template_string("{{ privacy.banner() }}" + "<p>A long page.</p>" * 100))
    page = enter(site, "/long")
    DOING[doing](page)
    page.goto("/other")
    expect(banner(page)).to_be_visible()
    assert jar(page) == set() and site.files() == []


def test_a_refusal_causes_no_further_request(tiny, enter):
    """The style sheet and the script load with the banner. After a refusal, the extension loads nothing."""
    page = enter(tiny())
    answer(page, "Reject all")
    asked = []
    page.on("request", lambda request: asked.append(request.url.partition("/privacy/")[1:]))
    page.goto("/other", wait_until="networkidle")
    assert asked == [("", "")]
    page.context.clear_cookies()
    page.goto("/other", wait_until="networkidle")
    assert len(asked) >= 3  # the page again, and the banner's files


def test_promise_27_global_privacy_control_counts_as_a_refusal(tiny, enter):
    """A visitor whose browser sends the signal is not asked, gets no cookie, and leaves no trace."""
    site = tiny()
    page = enter(site, extra_http_headers={"Sec-GPC": "1"})
    expect(banner(page)).to_have_count(0)
    page.goto("/other")
    assert jar(page) == set() and site.files() == []


def test_promise_27_a_grant_made_under_global_privacy_control_stands(tiny, enter):
    """The settings stay one click away with every box unticked, and a grant made there stands."""
    site = tiny()
    page = enter(site, extra_http_headers={"Sec-GPC": "1"})
    assert switched_on(page) == []
    press(page, "Accept all")
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
    assert switched_on(page) == ["statistics", "customisation"] and jar(page) >= {"privacy_consent"}
    page.goto("/other")
    assert [event["page"] for event in site.events("page_view")] == ["/other"]


def test_promise_27_the_signal_suspends_a_grant_made_without_it(tiny, enter):
    """A signal switched on later stops the log at once, and the banner does not return. The suspended grant keeps its ID."""
    site = tiny()
    page = enter(site)
    answer(page, "Accept all")
    reports = page.locator(".mixamo-said:not(:empty)").count() > 0  # a script closed the banner and starts the tracker
    wait_for(lambda: not reports or kinds_kept(page), "the tracker")
    page.goto("about:blank")  # the tracker's last report would lack the header that Playwright adds to other requests
    wait_for(lambda: not reports or site.events("page_exit"), "the last report")
    page.context.set_extra_http_headers({"Sec-GPC": "1"})
    page.goto("/other")
    expect(banner(page)).to_have_count(0)
    assert [event["page"] for event in site.events("page_view")] == ["/"] and "privacy_visitor" in jar(page)


@pytest.mark.parametrize("enter", [False], ids=["noscript"], indirect=True)
def test_the_report_counts_six_who_accept_but_not_a_refusal_or_no_answer(tiny, enter, clock):
    """The report counts six visitors, seven visits and their theme. The other two visitors are in no event."""
    site = tiny()
    people = [enter(site) for _ in range(6)]
    for page in people:
        answer(page, "Accept all")
        page.goto("/theme/dark")
    answer(refuser := enter(site), "Reject all")
    for page, path in ((refuser, "/item/refused"), (enter(site), "/item/silent")):
        page.goto(path)
        page.goto("/theme/light")
    clock.shift(31 * 60)
    people[0].goto("/other")
    assert {"/item/refused", "/item/silent"}.isdisjoint(event["page"] for event in site.events())
    report = json.loads(site.cli("report", "--json").output)
    assert (report["visitors"], report["visits"], report["repeat_visits"]) == (6, 7, "<5")
    assert [(row["value"], row["choices"], row["visitors"]) for row in report["customisation"]] == [("dark", 6, 6)]
