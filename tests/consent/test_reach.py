"""The consent cookie alone reaches every event: shown, erased and withdrawn, whatever happened to the visitor cookie."""

from dataclasses import replace

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.policy.parts import Period, Retention
from flask_mixamo_privacy.policy.toml import built_in

GPC = {"Sec-GPC": "1"}
FIRST, STATISTICS, *REST = built_in().purposes
CHANGED = replace(built_in(), purposes=(FIRST, replace(STATISTICS, retention=Period(3, "year")), *REST))
ENDS = pytest.mark.parametrize("end", ["reject_all", "erase"])
LOADED = pytest.mark.parametrize("loaded", [True, False], ids=["loaded", "in the log"])


@pytest.fixture
def site(tiny, clock):
    return tiny()


def number_shown(visitor):
    return visitor.get("/privacy/me.json").json["events"]["total"]


def stop(visitor, end, **options):
    if end == "erase":
        return visitor.post("/privacy/me/erase", **options)
    return choose(visitor, end)


def lose_visitor_cookie(visitor):
    visitor.delete_cookie("privacy_visitor")


def answer_late(site, path="/other", **cookies):
    """Serve a page with the cookies of an earlier moment, as if it had been requested then and was answered only now."""
    late = site.visitor()
    for name, value in cookies.items():
        late.set_cookie(name, value)
    late.get(path)


def kept(visitor):
    cookies = {name: cookie(visitor, name) for name in ("privacy_consent", "privacy_visitor")}
    return {name: value for name, value in cookies.items() if value is not None}


def test_global_privacy_control_keeps_the_visitor_cookie(site):
    """A suspended grant keeps its cookie, so the next page without the signal continues under the same ID."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/"), visitor.get("/other", headers=GPC)
    assert cookie(visitor, "privacy_visitor")
    visitor.get("/other")
    assert len(site.events("page_view")) == 2 and len({event["visitor"] for event in site.events()}) == 1


@ENDS
@LOADED
def test_an_erasure_finds_the_events_after_a_page_with_global_privacy_control(site, end, loaded):
    """One page under the signal changes nothing that a withdrawal finds."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/"), visitor.get("/other", headers=GPC)
    if loaded:
        site.cli("load")
    assert number_shown(visitor) == 2
    stop(visitor, end, **({"headers": GPC} if end == "erase" else {}))
    assert site.events() == [] and number_shown(visitor) == 0


@ENDS
def test_an_erasure_finds_the_events_of_a_grant_that_is_older_than_its_entries(tiny, clock, end):
    """The ledger leads to the earlier grant, so its entries are kept as long as events."""
    site = tiny(PRIVACY_POLICY=replace(built_in(), retention=Retention(decisions=Period(1, "month"))))
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    visitor.get("/"), lose_visitor_cookie(visitor)
    choose(visitor, "accept_all"), lose_visitor_cookie(visitor)
    site.cli("load"), clock.shift(100 * 24 * 3600), site.cli("prune")
    assert number_shown(visitor) == 2
    stop(visitor, end)
    assert site.events() == []


@ENDS
def test_an_erasure_finds_the_events_after_a_no_to_the_question_of_age(site, end):
    """A known child keeps no ID, and the receipt still finds the events."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    visitor.set_cookie("privacy_age", "no.NBbxkXdPdxCPHGdOGbtXOKKoGFHKO78_Ra7hIGac9ZQ")  # as the stored formats have it
    visitor.get("/other")
    assert cookie(visitor, "privacy_visitor") is None and number_shown(visitor) == 2
    stop(visitor, end)
    assert site.events() == []


@ENDS
@pytest.mark.parametrize("lost", [True, False])
def test_an_erasure_finds_the_events_of_a_policy_that_asks_again(tiny, clock, end, lost):
    """A purpose that changed is not granted, but the receipt of its earlier grant still finds the events."""
    visitor = tiny().visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    site = tiny(PRIVACY_POLICY=CHANGED)
    later = site.visitor()
    for name, value in kept(visitor).items():
        later.set_cookie(name, value)
    later.get("/other")
    assert cookie(later, "privacy_visitor")
    if lost:
        lose_visitor_cookie(later)
    assert number_shown(later) == 2
    stop(later, end)
    assert site.events() == []


@ENDS
@LOADED
def test_a_second_grant_is_as_good_as_the_first(site, end, loaded):
    """The ID of the first grant is carried over; without the visitor cookie the ledger leads to it."""
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    visitor.get("/")
    choose(visitor, "accept_all")
    visitor.get("/other")
    if loaded:
        site.cli("load")
    lose_visitor_cookie(visitor)
    assert number_shown(visitor) == 3
    visitor.get("/"), lose_visitor_cookie(visitor)
    stop(visitor, end)
    assert site.events() == [] and number_shown(visitor) == 0


@ENDS
def test_a_lost_answer_to_a_second_grant_hides_nothing(site, end):
    """The browser still has the cookies of the first grant, and they show and erase what they always did."""
    visitor = site.visitor()
    choose(visitor, "save", "statistics"), visitor.get("/"), choose(visitor, "save", "statistics", "customisation")
    lose_visitor_cookie(visitor)
    before = kept(visitor)
    choose(visitor, "save", "statistics")
    choose(visitor, "accept_all")  # its answer never arrives
    visitor.set_cookie("privacy_consent", before["privacy_consent"]), lose_visitor_cookie(visitor)
    visitor.get("/other")
    assert number_shown(visitor) == 4
    stop(visitor, end)
    assert site.events() == [] and number_shown(visitor) == 0


def test_many_grants_lead_to_the_first(site):
    """Each entry names the receipt that it replaces."""
    visitor = site.visitor()
    for number in range(12):
        choose(visitor, "save", *(("statistics", "customisation") if number % 2 else ("statistics",)))
        visitor.get("/"), lose_visitor_cookie(visitor)
    assert len({event["visitor"] for event in site.events()}) > 1 and number_shown(visitor) > 12
    choose(visitor, "reject_all")
    assert site.events() == []


def test_an_erased_id_is_not_carried_over(site):
    """Statistics were withdrawn and granted again: the new ID is not refused by the tombstone of the old one."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    late = cookie(visitor, "privacy_visitor")
    choose(visitor, "save", "customisation")
    visitor.set_cookie("privacy_visitor", late)
    choose(visitor, "accept_all")
    visitor.get("/other")
    assert [event["page"] for event in site.events("page_view")] == ["/other"]


@pytest.mark.parametrize("with_visitor", [True, False], ids=["second page", "first page"])
@ENDS
def test_a_page_that_answers_after_the_withdrawal_is_not_counted(site, end, with_visitor):
    """Its line has an erased ID, so the loader refuses it, and the scrubber blanks it."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    if with_visitor:
        visitor.get("/")
    before = kept(visitor)
    stop(visitor, end)
    answer_late(site, **before)
    site.cli("load")
    assert site.events() == [] and site.events() == []


def test_a_page_of_the_first_grant_that_answers_after_the_second_ended_is_not_counted(site):
    """It was requested before the visitor cookie existed, so its ID is that of the first receipt."""
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    before = kept(visitor)
    lose_visitor_cookie(visitor)
    choose(visitor, "accept_all"), visitor.get("/"), choose(visitor, "reject_all")
    answer_late(site, **before)
    site.cli("load")
    assert site.events() == []


def test_two_tabs_of_a_grant_are_erased_together(site):
    """Neither tab has the visitor cookie yet; both have the ID of the receipt."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    before = kept(visitor)
    for path in ("/", "/other"):
        answer_late(site, path, **before)
    choose(visitor, "reject_all")
    assert site.events() == []


def test_a_failed_grant_under_global_privacy_control_erases_nothing(site, monkeypatch):
    """The signal only suspends statistics, and what the visitor did not withdraw stays."""
    from flask_mixamo_privacy.errors import LedgerUnavailable
    from flask_mixamo_privacy.ledger.ledger import Ledger

    def fail(*_):
        raise LedgerUnavailable("no ledger")

    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    monkeypatch.setattr(Ledger, "append", fail)
    data = {"choice": "save", "purpose": ["statistics"]}
    assert visitor.post("/privacy/consent", data=data, headers=GPC).status_code == 503
    assert len(site.events("page_view")) == 1


def test_a_restored_backup_loses_the_events_of_every_grant_again(tiny, site):
    """The withdrawal's entry names the receipt, and the ledger leads a replay from it to the other IDs."""
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    visitor.get("/"), lose_visitor_cookie(visitor)
    choose(visitor, "accept_all")
    visitor.get("/"), lose_visitor_cookie(visitor)
    visitor.get("/other")
    site.cli("load")
    backup = (site.folder / "privacy-events.sqlite").read_bytes()
    choose(visitor, "reject_all")
    for name in ("-wal", "-shm"):
        (site.folder / f"privacy-events.sqlite{name}").unlink(missing_ok=True)
    (site.folder / "privacy-events.sqlite").write_bytes(backup)
    restored = tiny()
    assert len(restored.events()) == 5 and restored.cli("replay").exit_code == 0
    assert restored.events() == []
