"""After a restore: what was undone since the backup is undone again, and what came later stays."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from people import Account, Letter, Order, policy
from sqlalchemy import delete

from conftest import choose
from flask_mixamo_privacy.period import Period
from flask_mixamo_privacy.policy import Retention
from flask_mixamo_privacy.rights.stores import PersonalStore

ADA = "ada@shop.example"
OURS = ("privacy-events.sqlite", "privacy-rights.sqlite")

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def backup(tmp_path):
    """Copies every database but the ledger away; gives what brings them back."""

    def take():
        for name in ("shop.sqlite", *(f"instance/{name}" for name in OURS)):
            if (tmp_path / name).exists():
                (tmp_path / "backup" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(tmp_path / name, tmp_path / "backup" / name)
        return restore

    def restore():
        for path in (tmp_path / "backup").rglob("*.sqlite"):
            place = tmp_path / path.relative_to(tmp_path / "backup")
            for beside in place.parent.glob(f"{place.name}*"):
                beside.unlink()
            shutil.copy(path, place)

    return take


def replayed(site):
    outcome = site.cli("replay", "--json")
    assert outcome.exit_code in (0, 1), outcome.output
    return json.loads(outcome.output)


def test_promise_34_whoever_was_erased_is_gone_again(people, backup, clock):
    """Backup, erase, restore, replay: gone; a second replay changes nothing."""
    site = people()
    site.add()
    site.add("bob@shop.example")
    restore = backup()
    clock.shift(60)
    site.site.cli("erase", "--subject", ADA)
    restore()
    assert len(site.mentions("ada")) == 3
    first, second = replayed(site.site), replayed(site.site)
    assert site.mentions("ada") == [] and len(site.rows(Account)) == 1
    assert (first["stores"][0]["deleted"], first["stores"][0]["anonymised"], second["changed"]) == (2, 2, 0)


def test_promise_34_whoever_came_back_later_stays(people, backup, clock):
    """Erased at noon, registered again an hour later, both before the backup: only what is older goes."""
    site = people()
    site.add()
    restore = backup()
    clock.shift(60)
    site.site.cli("erase", "--subject", ADA)
    clock.shift(3600)
    restore()  # the old rows are back
    with site.engine.begin() as connection:
        connection.execute(delete(Account))
    site.add()
    assert replayed(site.site)["changed"] > 0
    assert (len(site.rows(Account)), [order.email == ADA for order in site.rows(Order)]) == (1, [False, True])
    assert replayed(site.site)["changed"] == 0


def test_promise_34_a_later_erasure_counts_as_well(people, backup, clock):
    """Erased, back, erased again: the latest holds."""
    site = people()
    site.add()
    site.site.cli("erase", "--subject", ADA)
    clock.shift(3600)
    site.add()
    restore = backup()
    clock.shift(3600)
    site.site.cli("erase", "--subject", ADA)
    restore()
    replayed(site.site)
    assert site.mentions("ada") == []


def test_promise_34_keys_may_have_changed_in_between(people, backup, clock):
    """A hash under any key that is kept is found."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    site.add()
    restore = backup()
    clock.shift(60)
    site.site.cli("erase", "--subject", ADA)
    restore()
    site.rights.people._keys._secrets["new"] = "another sixteen characters"
    assert replayed(site.site)["changed"] and site.mentions("ada") == []


@pytest.mark.parametrize(("days", "gone"), [(90, True), (91, False)])
def test_promise_34_entries_age_out_with_the_archives(people, backup, clock, days, gone):
    """After ninety days there is no backup left that could bring anybody back."""
    site = people(PRIVACY_POLICY=policy(retention=Retention(archives=Period(90, "day"))))
    site.add()
    restore = backup()
    site.site.cli("erase", "--subject", ADA)
    restore()
    clock.shift(days * 86400)
    replayed(site.site)
    assert (site.mentions("ada") == []) is gone


def test_promise_34_a_visitors_withdrawal_holds_after_a_restore(tiny, backup, clock):
    """The events are erased again, and none that lies in the log can come back."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    assert len(site.events()) > 0
    restore = backup()
    clock.shift(60)
    choose(visitor, "reject_all")
    restore()
    found = replayed(site)
    assert (found["visitors"], site.events(), replayed(site)["changed"]) == (1, [], 0)


def test_promise_34_an_erased_visitor_stays_erased(tiny, backup, clock):
    """By the operator's command; a late line of theirs is refused as before."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    name = site.events()[0]["visitor"]
    restore = backup()
    site.cli("erase", name)
    restore()
    replayed(site)
    visitor.get("/other")
    assert site.events() == []


def came_after(site, backup):
    """A visitor of whom a backup knows nothing, though it knows somebody; and what restores it."""
    first, visitor = site.visitor(), site.visitor()
    choose(first, "accept_all")
    first.get("/")
    site.events()
    restore = backup()
    choose(visitor, "accept_all")
    visitor.get("/")
    return visitor, restore


def test_promise_34_tombstones_come_back_where_there_is_no_event_to_erase(tiny, backup, clock):
    """The backup knew nothing of the visitor, whose lines still lie in the log."""
    site = tiny()
    visitor, restore = came_after(site, backup)
    name = next(event["visitor"] for event in site.events() if event["visitor"] != site.events()[0]["visitor"])
    site.cli("erase", name)
    restore()
    replayed(site)
    visitor.get("/other")
    assert {event["visitor"] for event in site.events()}.isdisjoint({name})


def segments_of(site):
    site.privacy.site(site.app).log.close()
    return {path: path.read_bytes() for path in (site.folder / "privacy-log").glob("*.events")}


def put_back(segments):
    for path, content in segments.items():
        path.write_bytes(content)


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_promise_34_no_byte_of_the_erased_is_left_in_a_restored_log(tiny):
    """The log alone was restored: the database knows it as scrubbed already."""
    site = tiny(PRIVACY_LOG_KEEP=30)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    name, kept = site.events()[0]["visitor"], segments_of(site)
    site.cli("erase", name)
    put_back(kept)
    assert name.encode() in bytes_of(site.folder) and replayed(site)["changed"] == 0
    assert name.encode() not in bytes_of(site.folder)


def test_promise_34_a_restored_log_is_refused_and_never_loaded(tiny, backup, clock):
    """The tombstones are there before the first line is looked at: no report counts anybody again."""
    site = tiny(PRIVACY_LOG_KEEP=30)
    visitor, restore = came_after(site, backup)
    kept, name = segments_of(site), site.events()[-1]["visitor"]
    choose(visitor, "reject_all")
    site.events()
    restore(), put_back(kept)
    found = replayed(site)
    assert found["visitors"] == 0 and name not in {event["visitor"] for event in site.events()}
    assert name.encode() not in bytes_of(site.folder)


def test_promise_34_an_accepted_licence_is_forgotten_again(people, backup, clock):
    """As far as it is older than the erasure, and under whichever key it was written down."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    accepted = site.rights.acceptances
    accepted.note(ADA, "licence", policy="1", version="1")
    accepted.note("bob@shop.example", "licence", policy="1", version="1")
    restore = backup()
    clock.shift(60)
    site.rights.people._keys._secrets["new"] = "another sixteen characters"
    site.site.cli("erase", "--subject", ADA)
    restore()
    assert (replayed(site.site)["standings"], replayed(site.site)["changed"]) == (1, 0)
    assert not accepted.has(ADA, "licence", "1") and accepted.has("bob@shop.example", "licence", "1")
    clock.shift(60)
    accepted.note(ADA, "licence", policy="1", version="1")
    assert replayed(site.site)["changed"] == 0 and accepted.has(ADA, "licence", "1")


def test_promise_34_requests_of_the_erased_are_blank_again(people, backup, clock, tmp_path):
    """A restored database of requests says nothing of whoever was erased since, and asks for nothing to be done twice."""
    site = people()
    site.add()
    number = site.confirmed()
    restore = backup()
    clock.shift(60)
    site.site.cli("requests", "answer", str(number))
    restore()
    assert site.rights.book.find(number).email == ADA
    assert (replayed(site.site)["requests"], replayed(site.site)["changed"]) == (1, 0)
    assert (site.rights.book.find(number).email, site.rights.book.find(number).state) == ("", "answered")
    assert all(ADA.encode() not in path.read_bytes() for path in (tmp_path / "instance").glob("privacy-*"))


def test_promise_34_corrections_are_listed(people, backup, clock):
    """With whose they are and which fields; a person does them again, and the command says so by its exit code."""
    site = people()
    site.add()
    restore = backup()
    site.rights.people.correct(ADA, {"name": "Augusta"}, "staff")
    restore()
    outcome = site.site.cli("replay")
    assert (
        outcome.exit_code == 1 and "To do again by hand: a correction of 2026-05-08 for ada@shop.example." in outcome.output
    )
    assert replayed(site.site)["corrections"][0]["fields"] == ["name"]


def test_promise_34_a_store_that_cannot_tell_is_left_to_a_person(people, backup):
    """Neither erased on a guess, nor passed over in silence."""
    listed = [ADA]
    site = people()
    site.site.privacy.register_store("list", subject=lambda: listed, erase=lambda subject: listed.remove(subject))
    site.site.privacy.register_store("paper files", erase=lambda subject, before=None: 0)
    site.site.cli("erase", "--subject", ADA)
    listed.append(ADA)
    outcome = site.site.cli("replay")
    assert outcome.exit_code == 1 and listed == [ADA]
    assert "The store 'list' cannot tell what was written before a moment" in outcome.output
    assert "paper files: cannot say whom it holds, so it is left to you." in outcome.output


def test_a_replay_with_nothing_to_do_says_so(people):
    """Exit 0."""
    site = people()
    site.add()
    outcome = site.site.cli("replay")
    assert (outcome.exit_code, outcome.output) == (
        0,
        "0 visitors and 0 requests erased again.\nNothing had come back since 90 days ago.\n",
    )


def test_an_erasure_that_a_crash_cut_short_is_finished_by_a_replay(people):
    """The entry comes first: whatever was not done yet is found by it."""
    site = people()
    site.add()
    stores, site.rights.people.stores = site.rights.people.stores, None
    with pytest.raises(AttributeError):
        site.rights.people.erase(ADA, "staff")
    site.rights.people.stores = stores
    assert len(site.mentions("ada")) == 3 and replayed(site.site)["changed"] and site.mentions("ada") == []


def test_an_erasure_that_a_crash_cut_short_stops_marketing_too(people):
    """No mail goes to whoever was on a list then; whoever was on none is not put into one."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    with site.site.app.app_context():
        site.site.privacy.opt_in(ADA)
        site.rights.people._keys._secrets["new"] = "another sixteen characters"
        for person in (ADA, "bob@shop.example"):
            site.rights.people.stores = None
            with pytest.raises(AttributeError):
                site.rights.people.erase(person, "staff")
        site.rights.people.stores = site.rights.stores
        assert (replayed(site.site)["choices"], replayed(site.site)["changed"]) == (1, 0)
        assert site.site.privacy.may_mail(ADA, "marketing").reason == "opted-out"
        assert site.site.privacy.may_mail("bob@shop.example", "marketing").reason == "no-opt-in"


def test_promise_34_who_signs_up_after_an_erasure_stays_signed_up(people, clock):
    """Also where the crash kept the opt-out from being written and the keys have changed since; a second replay changes nothing."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    stores, site.rights.people.stores = site.rights.people.stores, None
    with pytest.raises(AttributeError):
        site.rights.people.erase(ADA, "staff")
    site.rights.people.stores = stores
    clock.shift(60)
    with site.site.app.app_context():
        site.site.privacy.opt_in(ADA)
        site.rights.people._keys._secrets["new"] = "another sixteen characters"
        assert site.site.privacy.may_mail(ADA, "marketing")
        assert [replayed(site.site)["changed"] for _ in "123"][1:] == [0, 0]
        assert site.site.privacy.may_mail(ADA, "marketing")


def test_a_table_that_does_not_say_when_is_left_to_a_person(people, backup):
    """With what to do."""
    site = people()
    site.site.privacy._stores.clear()
    site.site.privacy.register_models(site.engine, {Letter: "email"}, made="written_on")
    site.add()
    site.site.cli("erase", "--subject", ADA)
    site.add(only=Letter)
    outcome = site.site.cli("replay")
    assert outcome.exit_code == 1 and "Name the column with made=, so that what came later can stay." in outcome.output


def test_a_store_that_cannot_say_whom_it_holds_stops_no_other(people, backup, clock):
    """It is listed once with its error, the others are replayed, and the exit code is 1."""
    site = people()
    site.site.privacy._stores.insert(
        0, lambda _: PersonalStore("broken", subject=lambda: 1 / 0, erase=lambda who, before=None: 0)
    )
    site.add()
    restore = backup()
    clock.shift(60)
    site.site.cli("erase", "--subject", ADA)
    restore()
    outcome = site.site.cli("replay")
    assert (outcome.exit_code, site.mentions("ada")) == (1, [])
    assert outcome.output.count("broken: ZeroDivisionError: division by zero") == 1


def test_a_store_that_cannot_expire_stops_no_other(people, clock):
    """`flask privacy prune` says which failed, and exits with 1; what the others kept is gone."""
    site = people()
    site.site.privacy._stores.insert(0, lambda _: PersonalStore("broken", expire=lambda now: 1 / 0))
    site.add()
    site.site.cli("erase", "--subject", ADA)
    clock.shift(3653 * 86400)
    outcome = site.site.cli("prune")
    assert (outcome.exit_code, site.rows(Order)) == (1, [])
    assert outcome.output.endswith("deleted.\nbroken: ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("kind", ["erasure", "opt-out"])
def test_a_changed_entry_is_skipped_and_told(people, backup, clock, tmp_path, kind):
    """What the other entries say is done all the same."""
    site = people()
    for name in ("bob@shop.example", ADA):
        site.add(name)
    restore = backup()
    clock.shift(60)
    with site.site.app.app_context():
        site.site.privacy.opt_in("bob@shop.example")
        site.site.privacy.opt_out("bob@shop.example")
    for name in ("bob@shop.example", ADA):
        site.site.cli("erase", "--subject", name)
    restore()
    with closing(sqlite3.connect(tmp_path / "instance" / "privacy-ledger.sqlite")) as connection, connection:
        first = "(SELECT min(position) FROM entries WHERE kind = ?)"
        connection.execute(f"UPDATE entries SET detail = 'no JSON' WHERE position = {first}", (kind,))
    outcome = site.site.cli("replay")
    assert outcome.exit_code == 1 and site.mentions("ada@") == []
    assert "cannot be read, so it was skipped: see `flask privacy ledger verify`." in outcome.output
