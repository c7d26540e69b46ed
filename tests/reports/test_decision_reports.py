"""Reports of decisions: grants and refusals by day, policy version and language, without any visitor."""

from __future__ import annotations

import json

import pytest

from conftest import choose
from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.reports.windows import ALL, Window

DAY = Window.parse("2026-05-08")


def decided(site, *choices, locale="en"):
    """Make one visitor for each choice, who then opens a page."""
    for choice in choices:
        visitor = site.visitor(Accept_Language=locale)
        shown = visitor.get("/").text.partition('name="shown" value="')[2].partition('"')[0]
        choose(visitor, choice, shown=shown)
        visitor.get("/")


def reports_of(site):
    runtime = site.privacy.runtime(site.app)
    with site.app.app_context():
        runtime.load()
    return runtime.reports


def test_decisions_are_reported_by_day_version_and_language(tiny, clock):
    """Grants and refusals are reported once the day is closed. Every report has the share of visitors who consented."""
    site = tiny()
    decided(site, *["accept_all"] * 6, *["reject_all"] * 9)
    clock.shift(86400)
    found = reports_of(site)
    version = site.privacy.runtime(site.app).policy.version
    assert found.report("decisions", DAY).rows == (("2026-05-08", 6, 9, 0),)
    assert [row[:3] for row in found.report("decisions_by_version", DAY).rows] == [
        (version, "refused", 9),
        (version, "granted", 6),
    ]
    assert {report.consenting for report in found.every(DAY)} == {0.4}
    assert found.summary()[0].consenting == 0.4


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "America/New_York"])
def test_no_decision_is_lost_where_the_sites_day_is_not_utcs(tiny, clock, zone):
    """A day closes once it is over in both time zones, so a decision late in the UTC day is counted with it."""
    site = tiny(PRIVACY_TIMEZONE=zone)
    for _ in range(24):  # two hours each; a day of each zone begins at an even hour of UTC
        decided(site, "accept_all", "reject_all")
        reports_of(site)
        clock.shift(2 * 3600)
    clock.shift(86400 * 40)
    assert reports_of(site).report("decisions", Window.parse("2026-05")).total == 48


def test_decisions_before_the_first_event_are_reported(tiny, clock):
    """On this site every visitor refuses at first, and the first grant is made a week later."""
    site = tiny()
    decided(site, *["reject_all"] * 7)
    clock.shift(86400 * 7)
    decided(site, *["accept_all"] * 6)
    clock.shift(86400 * 2)
    found = reports_of(site)
    assert found.report("decisions", DAY).rows == (("2026-05-08", 0, 7, 0),)
    assert found.report("decisions", ALL).total == 13


def test_the_current_day_counts_visitors_without_decisions(tiny, clock):
    """The order of the reports does not matter. Decisions are counted once the day is over, so the current day has none."""
    site = tiny()
    decided(site, *["accept_all"] * 6)
    found = reports_of(site)
    assert found.report("visits", DAY).rows == (("2026-05-08", 6, "6+", 6),)
    assert found.report("decisions", DAY).rows == (("2026-05-08", None, None, None),)
    decided(site, *["accept_all"] * 2)
    assert reports_of(site).report("visits", DAY).total == 6


def test_withdrawing_another_purpose_is_not_a_withdrawal_of_statistics(tiny, clock):
    """The outcome is the state of statistics. The number of people behind the decisions is unknown."""
    site = tiny()
    visitors = [site.visitor() for _ in range(6)]
    for visitor in visitors:
        choose(visitor, "accept_all"), choose(visitor, "save", "statistics"), visitor.get("/")
    clock.shift(86400 * 2)
    found = reports_of(site)
    assert found.report("decisions", DAY).rows == (("2026-05-08", 12, 0, 0),)
    assert [row[3] for row in found.report("decisions_by_locale", DAY).rows] == [None]


def test_an_inexact_share_is_not_published(tiny, clock):
    """A sum with a suppressed part is not published as if it were complete."""
    site = tiny()
    decided(site, *["accept_all"] * 50, *["reject_all"] * 2)
    clock.shift(86400 * 10)
    decided(site, *["accept_all"] * 10, *["reject_all"] * 10)
    clock.shift(86400 * 30)
    found = reports_of(site)
    assert found.report("decisions", Window.parse("2026-05")).consenting is None and found.summary()[0].consenting is None
    assert found.report("decisions", Window.parse("2026-05-18")).consenting == 0.5


def test_promise_23_few_decisions_are_not_published(tiny, clock):
    """A day with two refusals publishes none of its columns, so that no total reveals the number."""
    site = tiny()
    decided(site, *["accept_all"] * 6, *["reject_all"] * 2)
    clock.shift(86400)
    assert reports_of(site).report("decisions", DAY).rows == (("2026-05-08", None, None, None),)
    assert reports_of(site).report("decisions", DAY).consenting is None


def test_promise_24_decisions_carry_no_identifier(tiny, clock):
    """No decision report contains a receipt or a visitor."""
    site = tiny()
    decided(site, *["accept_all"] * 6)
    clock.shift(86400)
    text = json.dumps([report.as_dict() for report in reports_of(site).every(ALL)])
    named = [row["receipt"] for row in site.ledger("grant")] + [event["visitor"] for event in site.events()]
    assert len(named) > 12 and not [name for name in named if name in text]


def test_an_unavailable_ledger_delays_only_the_publication(tiny, clock, caplog):
    """Events are loaded. The day is published completely once the ledger can be read."""
    site = tiny()
    decided(site, *["accept_all"] * 6)
    clock.shift(86400)
    ledger, content = site.folder / "privacy-ledger.sqlite", b"no database"
    kept = ledger.read_bytes()
    for rest in site.folder.glob("privacy-ledger.sqlite-*"):
        rest.unlink()
    ledger.write_bytes(content)
    assert reports_of(site).report("pages", DAY).state == "open" and "will be published later" in caplog.text
    ledger.write_bytes(kept)
    assert reports_of(site).report("decisions", DAY).total == 6


def test_flask_privacy_rebuild_prints_the_months_it_rebuilt(tiny, clock):
    """The command also prints the months that it skipped because some of their events were erased."""
    site = tiny()
    decided(site, *["accept_all"] * 6)
    clock.shift(86400 * 40)
    decided(site, *["accept_all"] * 6)
    clock.shift(86400)
    assert site.cli("rebuild").output == "2 months rebuilt: 2026-05, 2026-06.\n"
    erased = site.events()[0]["visitor"]
    site.cli("erase", erased)
    assert json.loads(site.cli("rebuild", "--json").output) == {"made": ["2026-06"], "skipped": ["2026-05"]}
    assert "Not changed, because some of their events were deleted: 2026-05." in site.cli("rebuild").output


def test_retention_is_on_by_default(tiny, clock):
    """Events are deleted after thirteen months, and their totals after twenty-five."""
    site = tiny()
    decided(site, *["accept_all"] * 6)
    clock.shift(86400 * 396)
    assert "events older than 13 months deleted" in site.cli("prune").output and site.events() == []
    assert reports_of(site).report("pages", Window.parse("2026-05")).total == 6
    clock.shift(86400 * 400)
    site.cli("prune")
    assert reports_of(site).report("pages", Window.parse("2026-05")).rows == ()


def test_an_unavailable_store_raises(tiny):
    """Reports raise an error, for which the command exits with 2."""
    site = tiny()
    (site.folder / "privacy-events.sqlite").write_bytes(b"no database, but long enough to be looked at as one" * 100)
    with pytest.raises(StoreUnavailable):
        site.privacy.runtime(site.app).reports.summary()
