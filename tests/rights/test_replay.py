"""Replay after a restore: erasures since the backup are repeated, and later data stays."""

import gc
import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import delete

from conftest import choose
from flask_mixamo_privacy.policy.parts import Period, Retention
from flask_mixamo_privacy.rights.stores import PersonalStore
from flask_mixamo_privacy.storage.database import KeyRegister
from support.people_site import Account, Letter, Order, policy

ADA = "ada@shop.example"
OURS = ("privacy-events.sqlite", "privacy-rights.sqlite")

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def backup(tmp_path):
    """Copies every database but the ledger; returns a function that restores the copies."""

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


def add_key(site):
    """Add a key, and forget what was computed from the others, as a restart does."""
    site.rights.data_subjects._keys._secrets["new"] = "another sixteen characters"
    for register in [each for each in gc.get_objects() if type(each) is KeyRegister]:
        vars(register).pop("_fingerprints", None)


def replayed(site):
    outcome = site.cli("replay", "--json")
    assert outcome.exit_code in (0, 1), outcome.output
    return json.loads(outcome.output)


def test_promise_34_an_erased_person_is_erased_again_after_a_restore(people, backup, clock):
    """The replay repeats the erasure, and a second replay changes nothing."""
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


def test_promise_34_data_created_after_an_erasure_stays(people, backup, clock):
    """Data of a person who registered again after the erasure stays; only older data is erased."""
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
    """A person erased twice is erased as of the later erasure."""
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
    """A hash under any key that is kept finds its person."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    site.add()
    restore = backup()
    clock.shift(60)
    site.site.cli("erase", "--subject", ADA)
    restore()
    add_key(site)
    assert replayed(site.site)["changed"] and site.mentions("ada") == []


@pytest.mark.parametrize(("days", "erased"), [(90, True), (91, False)])
def test_promise_34_entries_expire_with_the_archives(people, backup, clock, days, erased):
    """After ninety days no archive is left that could restore the data."""
    site = people(PRIVACY_POLICY=policy(retention=Retention(archives=Period(90, "day"))))
    site.add()
    restore = backup()
    site.site.cli("erase", "--subject", ADA)
    restore()
    clock.shift(days * 86400)
    replayed(site.site)
    assert (site.mentions("ada") == []) is erased


def test_promise_34_a_visitors_withdrawal_holds_after_a_restore(tiny, backup, clock):
    """The visitor's events are erased again, and lines in the log cannot restore them."""
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
    """An erasure by command holds, and a late line of the visitor is rejected as before."""
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


def visitor_unknown_to_backup(site, backup):
    """Return a visitor whom the backup does not have, although it has another, and the function that restores it."""
    first, visitor = site.visitor(), site.visitor()
    choose(first, "accept_all")
    first.get("/")
    site.events()
    restore = backup()
    choose(visitor, "accept_all")
    visitor.get("/")
    return visitor, restore


def test_promise_34_tombstones_are_restored_without_an_event_to_erase(tiny, backup, clock):
    """The backup does not have the visitor, whose lines are still in the log."""
    site = tiny()
    visitor, restore = visitor_unknown_to_backup(site, backup)
    name = next(event["visitor"] for event in site.events() if event["visitor"] != site.events()[0]["visitor"])
    site.cli("erase", name)
    restore()
    replayed(site)
    visitor.get("/other")
    assert {event["visitor"] for event in site.events()}.isdisjoint({name})


def segments_of(site):
    site.privacy.runtime(site.app).log.close()
    return {path: path.read_bytes() for path in (site.folder / "privacy-log").glob("*.events")}


def put_back(segments):
    for path, content in segments.items():
        path.write_bytes(content)


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_promise_34_no_byte_of_the_erased_is_left_in_a_restored_log(tiny):
    """Only the log was restored, and the database has it as scrubbed already."""
    site = tiny(PRIVACY_LOG_KEEP=30)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    name, kept = site.events()[0]["visitor"], segments_of(site)
    site.cli("erase", name)
    put_back(kept)
    assert name.encode() in bytes_of(site.folder) and replayed(site)["changed"] == 0
    assert name.encode() not in bytes_of(site.folder)


def test_promise_34_restored_lines_of_an_erased_visitor_are_never_loaded(tiny, backup, clock):
    """The tombstones are restored before the first line is loaded, so no report counts the visitor."""
    site = tiny(PRIVACY_LOG_KEEP=30)
    visitor, restore = visitor_unknown_to_backup(site, backup)
    kept, name = segments_of(site), site.events()[-1]["visitor"]
    choose(visitor, "reject_all")
    site.events()
    restore(), put_back(kept)
    found = replayed(site)
    assert found["visitors"] == 0 and name not in {event["visitor"] for event in site.events()}
    assert name.encode() not in bytes_of(site.folder)


def test_promise_34_an_accepted_licence_is_erased_again(people, backup, clock):
    """An acceptance older than the erasure is deleted, under any key."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    accepted = site.rights.acceptances
    accepted.add(ADA, "licence", policy="1", version="1")
    accepted.add("bob@shop.example", "licence", policy="1", version="1")
    restore = backup()
    clock.shift(60)
    add_key(site)
    site.site.cli("erase", "--subject", ADA)
    restore()
    assert (replayed(site.site)["standings"], replayed(site.site)["changed"]) == (1, 0)
    assert not accepted.has(ADA, "licence", "1") and accepted.has("bob@shop.example", "licence", "1")
    clock.shift(60)
    accepted.add(ADA, "licence", policy="1", version="1")
    assert replayed(site.site)["changed"] == 0 and accepted.has(ADA, "licence", "1")


def test_promise_34_requests_of_the_erased_are_anonymised_again(people, backup, clock, tmp_path):
    """A restored request has no data of the person and repeats no action."""
    site = people()
    site.add()
    number = site.confirmed()
    restore = backup()
    clock.shift(60)
    site.site.cli("requests", "answer", str(number))
    restore()
    assert site.rights.request_store.find(number).email == ADA
    assert (replayed(site.site)["requests"], replayed(site.site)["changed"]) == (1, 0)
    assert (site.rights.request_store.find(number).email, site.rights.request_store.find(number).state) == ("", "answered")
    assert all(ADA.encode() not in path.read_bytes() for path in (tmp_path / "instance").glob("privacy-*"))


def test_promise_34_corrections_are_listed(people, backup, clock):
    """Person and fields of each correction are listed for an operator, and the exit code reports them."""
    site = people()
    site.add()
    restore = backup()
    site.rights.data_subjects.correct(ADA, {"name": "Augusta"}, "staff")
    restore()
    outcome = site.site.cli("replay")
    assert outcome.exit_code == 1 and "Repeat by hand: the correction of 2026-05-08 for ada@shop.example." in outcome.output
    assert replayed(site.site)["corrections"][0]["fields"] == ["name"]


def test_promise_34_a_store_without_timestamps_is_left_to_an_operator(people, backup):
    """Such a store is neither erased nor omitted from the output."""
    listed = [ADA]
    site = people()
    site.site.privacy.register_store("list", subject=lambda: listed, erase=lambda subject: listed.remove(subject))
    site.site.privacy.register_store("paper files", erase=lambda subject, before=None: 0)
    site.site.cli("erase", "--subject", ADA)
    listed.append(ADA)
    outcome = site.site.cli("replay")
    assert outcome.exit_code == 1 and listed == [ADA]
    assert "The signature of erase in the store 'list' is '(subject)'; allowed: a parameter named before." in outcome.output
    assert "paper files: cannot list or erase its data subjects. Erase them there by hand." in outcome.output


def test_a_replay_with_nothing_to_do_reports_it(people):
    """A replay without entries exits with 0 and a message."""
    site = people()
    site.add()
    outcome = site.site.cli("replay")
    assert (outcome.exit_code, outcome.output) == (
        0,
        "0 visitors and 0 requests erased again.\nNothing from the last 90 days had to be applied again.\n",
    )


def test_an_erasure_interrupted_by_a_crash_is_completed_by_a_replay(people):
    """The entry is written first, so a replay finds what was not erased yet."""
    site = people()
    site.add()
    stores, site.rights.data_subjects.stores = site.rights.data_subjects.stores, None
    with pytest.raises(AttributeError):
        site.rights.data_subjects.erase(ADA, "staff")
    site.rights.data_subjects.stores = stores
    assert len(site.mentions("ada")) == 3 and replayed(site.site)["changed"] and site.mentions("ada") == []


def test_an_interrupted_erasure_stops_marketing_too(people):
    """People on a list get no mail after the crash, and people on none are not added to one."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    with site.site.app.app_context():
        site.site.privacy.opt_in(ADA)
        add_key(site)
        for person in (ADA, "bob@shop.example"):
            site.rights.data_subjects.stores = None
            with pytest.raises(AttributeError):
                site.rights.data_subjects.erase(person, "staff")
        site.rights.data_subjects.stores = site.rights.stores
        assert (replayed(site.site)["choices"], replayed(site.site)["changed"]) == (1, 0)
        assert site.site.privacy.may_mail(ADA, "marketing").reason == "opted-out"
        assert site.site.privacy.may_mail("bob@shop.example", "marketing").reason == "no-opt-in"


def test_promise_34_an_opt_in_after_an_erasure_stays(people, clock):
    """The opt-in stays after a crash without the opt-out and after new keys; a second replay changes nothing."""
    site = people(PRIVACY_KEYS={"old": "sixteen characters"})
    stores, site.rights.data_subjects.stores = site.rights.data_subjects.stores, None
    with pytest.raises(AttributeError):
        site.rights.data_subjects.erase(ADA, "staff")
    site.rights.data_subjects.stores = stores
    clock.shift(60)
    with site.site.app.app_context():
        site.site.privacy.opt_in(ADA)
        add_key(site)
        assert site.site.privacy.may_mail(ADA, "marketing")
        assert [replayed(site.site)["changed"] for _ in "123"][1:] == [0, 0]
        assert site.site.privacy.may_mail(ADA, "marketing")


def test_a_table_without_a_created_column_is_left_to_an_operator(people, backup):
    """The output has the next step."""
    site = people()
    site.site.privacy._stores.clear()
    site.site.privacy.register_models(site.engine, {Letter: "email"}, made="written_on")
    site.add()
    site.site.cli("erase", "--subject", ADA)
    site.add(only=Letter)
    outcome = site.site.cli("replay")
    assert outcome.exit_code == 1 and "Name the column with made=, so that newer rows can stay." in outcome.output


def test_a_store_that_cannot_list_its_subjects_stops_no_other(people, backup, clock):
    """The failing store is listed with its error, the others are replayed, and the exit code is 1."""
    site = people()
    site.site.privacy._stores.insert(
        0, lambda _: PersonalStore("broken", subject=lambda: 1 / 0, erase=lambda subject, before=None: 0)
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
    """`flask privacy prune` names the failing store and exits with 1; expired data of the others is deleted."""
    site = people()
    site.site.privacy._stores.insert(0, lambda _: PersonalStore("broken", expire=lambda now: 1 / 0))
    site.add()
    site.site.cli("erase", "--subject", ADA)
    clock.shift(3653 * 86400)
    outcome = site.site.cli("prune")
    assert (outcome.exit_code, site.rows(Order)) == (1, [])
    assert outcome.output.endswith("deleted.\nbroken: ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("kind", ["erasure", "opt-out"])
def test_a_changed_entry_is_skipped_and_reported(people, backup, clock, tmp_path, kind):
    """The other entries are replayed."""
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
    assert "cannot be read and was skipped. Run `flask privacy ledger verify`." in outcome.output
