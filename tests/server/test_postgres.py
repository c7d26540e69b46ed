"""PostgreSQL: loading, erasing and deciding on a real server, run from the binaries of a wheel."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from conftest import Tiny, choose, cookie
from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.ledger.entry import LedgerEntry, ShownText
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.ledger.ledger import metadata as ledger_tables
from flask_mixamo_privacy.ledger.verify import verify
from flask_mixamo_privacy.policy.parts import Contact
from flask_mixamo_privacy.reports.windows import ALL, Window
from flask_mixamo_privacy.storage.database import Database
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking import schema as tables
from flask_mixamo_privacy.tracking.events import FIELDS
from flask_mixamo_privacy.tracking.loader import Loaded, Loader
from flask_mixamo_privacy.tracking.parsing import COLUMNS
from flask_mixamo_privacy.tracking.store import EventStore
from support.event_factory import FIRST, Kept, at, traffic
from support.form_site import policy, send, with_forms
from support.postgres import Server

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]

KEYS = {"test": "sixteen characters or more"}
DAY = "2026-05-08"
EVENT: dict[str, Any] = dict.fromkeys(FIELDS) | {
    "id": "1", "at": f"{DAY}T12:00:00.000Z", "kind": "page_view", "visitor": "v", "visit": "w", "page": "/", "data": {},
}  # fmt: skip


@pytest.fixture
def url(server: Server) -> str:
    return server.database()


@pytest.fixture
def site(tiny: Callable[..., Any], url: str) -> Any:
    """A site with both databases in one PostgreSQL."""
    return tiny(PRIVACY_EVENTS_URL=url, PRIVACY_LEDGER_URL=url, PRIVACY_KEYS=KEYS)


def store_at(url: str, folder: Path) -> EventStore:
    return EventStore(url, KeyRing(KEYS, ""), Spool(str(folder / "erasures.pending")))


def ledger_at(url: str, folder: Path) -> Ledger:
    return Ledger(url, KeyRing(KEYS, ""), Spool(str(folder / "ledger.pending")))


def write_segment(folder: Path, name: str, *events: dict[str, Any]) -> None:
    content = "".join(json.dumps(EVENT | event) + "\n" for event in events)
    (folder / f"{name}.events").write_text(content)


def rows(visitor: str, count: int) -> list[tuple[Any, ...]]:
    event = EVENT | {"visitor": visitor, "data": "{}"}
    return [tuple((event | {"id": str(number)})[name] for name in COLUMNS) for number in range(count)]


def run_concurrently(*functions: Callable[[], object]) -> list[BaseException]:
    """Run all functions concurrently, and return the errors."""
    barrier, raised = threading.Barrier(len(functions)), list[BaseException]()

    def run(work: Callable[[], object]) -> None:
        barrier.wait(30)
        try:
            work()
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def test_a_site_works_on_postgresql(site):
    """A visitor accepts, browses and chooses, and the report is the same as on SQLite."""
    visitors = [site.visitor() for _ in range(5)]
    for visitor in visitors:
        assert choose(visitor, "accept_all", shown="").status_code == 303
        visitor.get("/other")
        visitor.get("/theme/dark")
    found = json.loads(site.cli("report", "--json").output)
    assert (found["visitors"], found["visits"], found["page_views"]) == (5, 5, 10)
    assert [(row["page"], row["views"]) for row in found["pages"]] == [("/other", 5), ("/theme/dark", 5)]
    assert [(row["name"], row["value"], row["choices"]) for row in found["customisation"]] == [("theme", "dark", 5)]
    assert len(site.events()) == 20


def test_the_ledger_keeps_decisions_on_postgresql(site):
    """Grant and withdrawal share a receipt, and the text shown is stored once."""
    visitor, ledger = site.visitor(), site.privacy.runtime(site.app).ledger
    shown = visitor.get("/").text.partition('name="shown" value="')[2].partition('"')[0]
    for choice in ("accept_all", "accept_all", "reject_all"):
        assert choose(visitor, choice, shown=shown).status_code == 303
    grant, withdrawal = ledger.entries()
    assert (grant["kind"], withdrawal["kind"], withdrawal["replaces"]) == ("grant", "withdrawal", grant["receipt"])
    assert ledger.shown_text(grant["text"], "").source == "banner"


def test_promise_18_a_visitor_sees_what_is_stored_on_postgresql(site):
    """The server counts and sorts loaded events, and those in the log are added."""
    visitor = site.visitor()
    choose(visitor, "accept_all", shown="")
    visitor.get("/")
    visitor.get("/other")
    site.cli("load")
    visitor.get("/other")
    found = visitor.get("/privacy/me.json").json["events"]
    assert found["by_kind"] == {"page_view": 3, "visit_start": 1} and found["pages"] == {"/other": 2, "/": 1}
    assert [event["page"] for event in found["all"] if event["kind"] == "page_view"] == ["/", "/other", "/other"]
    assert "Page views" in visitor.get("/privacy/me").text


def test_promise_18_a_withdrawal_waits_for_no_loader_on_postgresql(site, monkeypatch):
    """While a loader holds the lock, the erasure is spooled; the next load carries it out."""
    monkeypatch.setattr("flask_mixamo_privacy.storage.database._WAIT_MS", 60_000)
    visitor, store = site.visitor(), site.privacy.runtime(site.app).store
    choose(visitor, "accept_all", shown="")
    visitor.get("/")
    site.cli("load")
    with store.write():
        assert choose(visitor, "reject_all").status_code == 303 and store.has_spooled
    assert site.events() == [] and not store.has_spooled


def test_loading_is_idempotent_on_postgresql(url, tmp_path):
    """Repeated lines are stored once, also after a lost cursor, and malformed ones are quarantined."""
    store = store_at(url, tmp_path)
    loader = Loader(str(tmp_path), store, keep_days=1)
    for name in "ab":
        write_segment(tmp_path, name, *({"id": str(number)} for number in range(50)))
    write_segment(tmp_path, "c", {"id": "50"}, {"page": 5})
    assert loader.load() == Loaded(events=51, lines=102, malformed=1)
    assert loader.load() == Loaded()
    with store.write() as connection:
        connection.execute(sa.delete(tables.cursors).where(tables.cursors.c.segment != "c.events"))
    assert loader.load() == Loaded(events=0, lines=100)
    assert len(list(store.rows())) == 51


def test_a_failed_batch_is_rolled_back_on_postgresql(url, tmp_path):
    """The cursor and the events are committed together or not at all; the second try is complete."""
    store = store_at(url, tmp_path)
    loader = Loader(str(tmp_path), store)
    with store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE events ADD CONSTRAINT fault CHECK (id <> 'm')")
    write_segment(tmp_path, "a", {"id": "a"}, {"id": "m"}, {"id": "z"})
    with pytest.raises(StoreUnavailable):
        loader.load()
    with store.write() as connection:
        assert list(connection.execute(sa.select(tables.cursors))) == []
        connection.exec_driver_sql("ALTER TABLE events DROP CONSTRAINT fault")
    assert list(store.rows()) == []
    assert loader.load() == Loaded(events=3, lines=3)


def test_a_line_that_postgresql_rejects_is_quarantined(url, tmp_path):
    """PostgreSQL has no NUL in texts; a line with one does not stop the others."""
    store = store_at(url, tmp_path)
    write_segment(tmp_path, "a", {"id": "1"}, {"id": "2", "page": "/\0"}, {"id": "3"})
    assert Loader(str(tmp_path), store).load().malformed == 1
    assert {row["id"] for row in store.rows()} == {"1", "3"}


def test_promise_18_a_tombstone_rejects_late_lines_on_postgresql(url, tmp_path):
    """Lines that arrive after an erasure are rejected, and the erasure may be repeated."""
    store = store_at(url, tmp_path)
    loader = Loader(str(tmp_path), store)
    write_segment(tmp_path, "a", {"visitor": "gone"}, {"visitor": "stays"}, {"visitor": "gone", "page": 5})
    loader.load()
    assert (store.erase("gone", DAY), store.erase("gone", DAY)) == (1, 0)
    write_segment(tmp_path, "b", {"visitor": "gone", "id": "late"}, {"visitor": "stays", "id": "late"})
    assert loader.load().events == 1
    assert {row["visitor"] for row in store.rows()} == {"stays"}
    with store.write() as connection:
        kept = [str(connection.execute(sa.select(table)).all()) for table in (tables.tombstones, tables.malformed)]
    assert "gone" not in "".join(kept)


def test_promise_18_an_erasure_during_a_load_waits_for_it(url, tmp_path):
    """An erasure between the loader's check of the tombstones and its commit leaves no event."""
    store = store_at(url, tmp_path)
    with store.write():
        pass  # creates the tables
    erasure = threading.Thread(target=store.erase, args=("gone", DAY))
    with store.write() as connection:
        store.add(connection, rows("gone", 10))
        erasure.start()
        waiting = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        while erasure.is_alive() and not connection.scalar(waiting):
            pass
    erasure.join(30)
    assert list(store.rows()) == []


def test_promise_18_concurrent_erasures_and_loads_leave_nothing(url, tmp_path):
    """In many rounds, no event of the erased visitor remains and no event of the other is lost."""
    loading, erasing = store_at(url, tmp_path), store_at(url, tmp_path)
    loader = Loader(str(tmp_path), loading)
    for number in range(20):
        events = [
            {"visitor": visitor, "id": str(each)} for each in range(100) for visitor in (f"gone{number}", f"stays{number}")
        ]
        write_segment(tmp_path, f"s{number}", *events)
        assert run_concurrently(loader.load, lambda erased=f"gone{number}": erasing.erase(erased, DAY)) == []
    loader.load()
    found = [row["visitor"] for row in loading.rows()]
    assert len(found) == 2000 and all(name.startswith("stays") for name in found)


def test_concurrent_loads_count_each_event_once(url, tmp_path):
    """Two machines with logs of their own write to the same database."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        write_segment(folder, "s", *({"id": str(number)} for number in range(500)))
    loaders = [Loader(str(folder), store_at(url, folder)) for folder in folders]
    assert run_concurrently(*(loader.load for loader in loaders)) == []
    assert len(list(store_at(url, tmp_path).rows())) == 500


def test_concurrent_grants_are_all_written_on_postgresql(url, tmp_path):
    """Several processes may be the first to record the same text, and no grant fails."""
    ledgers = [ledger_at(url, tmp_path / str(number)) for number in range(4)]
    ledgers[0].append(LedgerEntry("grant", DAY))
    for number in range(10):
        words = ShownText("banner", "en", f"Words {number}", "fingerprint")
        functions = [
            lambda ledger=ledger, words=words: ledger.append(LedgerEntry("grant", DAY, text=words.digest), words)
            for ledger in ledgers
        ]
        assert run_concurrently(*functions) == []
    assert len(list(ledgers[0].entries())) == 41


def test_a_report_sees_one_state_throughout(url, tmp_path):
    """A reading transaction does not see what is loaded while it lasts."""
    store = store_at(url, tmp_path)
    with store.write() as connection:
        store.add(connection, rows("first", 1))
    counted = sa.select(sa.func.count()).select_from(tables.events)
    with store.read() as reading:
        before = reading.scalar(counted)
        with store.write() as connection:
            store.add(connection, rows("second", 1))
        assert reading.scalar(counted) == before == 1


def test_promise_23_reports_on_postgresql_equal_those_on_sqlite(url, tmp_path):
    """Tables and reports are equal after loads in parts, an erasure and a rebuild."""
    sqlite, postgresql = Kept(tmp_path / "sqlite"), Kept(tmp_path / "postgresql", url)
    events = traffic(4, 25, 60, 20)
    for kept in (sqlite, postgresql):
        kept.load(events[:800], at(FIRST, 80_000))
        kept.reports.summary()
        kept.load(events, "2026-05-20T12:00:00.000Z")
        kept.store.erase("v3", "2026-05-20")
        kept.store.prune("2026-04-25")
        kept.load([], "2026-06-20T12:00:00.000Z")
    assert sqlite.rebuilder.rebuild() == postgresql.rebuilder.rebuild()
    for name in ("cells", "placed", "distinct_visitors"):
        assert len(sqlite.table(name)) > 5 and [tuple(map(str, row)) for row in sqlite.table(name)] == [
            tuple(map(str, _as_sqlite(row))) for row in postgresql.table(name)
        ]
    for window in (ALL, Window.parse("2026-04"), Window.parse("2026-W18"), Window.parse("2026-05-01")):
        assert sqlite.reports.every(window) == postgresql.reports.every(window)


def test_open_days_on_postgresql_are_those_on_sqlite(url, tmp_path):
    """Without suppression, reports of open days are equal: before any day was counted, and with late events of one that was."""
    sqlite, postgresql = Kept(tmp_path / "sqlite", least=1), Kept(tmp_path / "postgresql", url, least=1)
    events, third = traffic(4, 3, 60, 20), Window.parse("2026-04-22")
    noon = at(third.first, 43_200)
    for some, now in ((events[:50], at(FIRST, 80_000)), (events[::2], noon), (events, noon)):
        for kept in (sqlite, postgresql):
            kept.load(some, now)
        for window in (ALL, Window.of("week", FIRST), Window.of("day", FIRST), third):
            assert sqlite.reports.every(window) == postgresql.reports.every(window)
            assert sqlite.reports.distinct(window) == postgresql.reports.distinct(window)
    assert sqlite.reports.report("pages", third).rows


def _as_sqlite(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(int(cell) if isinstance(cell, bool) else cell for cell in row)


def test_without_postgresql_only_a_grant_fails(tiny, tmp_path):
    """A grant is answered 503; a refusal and a withdrawal take effect, and pages are served."""
    nowhere = f"postgresql+psycopg://postgres@/none?host={tmp_path}"
    site = tiny(
        PRIVACY_EVENTS_URL=nowhere, PRIVACY_LEDGER_URL=nowhere, PRIVACY_KEYS=KEYS, TESTING=False, PRIVACY_LOADER=False
    )
    visitor, refusing_visitor = site.visitor(), site.visitor()
    assert (choose(visitor, "accept_all").status_code, cookie(visitor)) == (503, None)
    assert choose(refusing_visitor, "reject_all").status_code == 303 and cookie(refusing_visitor).startswith("r.")
    assert refusing_visitor.get("/").status_code == 200
    assert [number for _, _, number in site.refusals()] == [1] and len(site.files()) == 1


def test_a_withdrawal_does_not_wait_for_a_locked_table_and_a_refusal_needs_none(site, url):
    """A visitor is answered within seconds while another program locks the ledger's table."""
    granted, refuser, engine = site.visitor(), site.visitor(), sa.create_engine(url, poolclass=NullPool)
    choose(granted, "accept_all")
    withdrawing = threading.Thread(target=choose, args=(granted, "reject_all"))
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE entries IN ACCESS EXCLUSIVE MODE")
        choose(refuser, "reject_all")
        withdrawing.start()
        withdrawing.join(6)
        answered = not withdrawing.is_alive()
    withdrawing.join(30)
    assert answered and cookie(granted) == cookie(refuser) and cookie(granted).startswith("r.")


def test_promise_18_the_space_of_an_erased_visitors_rows_is_freed(site, url):
    """The next load frees the space, without waiting for autovacuum."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    name = site.events()[0]["visitor"]
    assert site.cli("erase", name).exit_code == 0
    with sa.create_engine(url, poolclass=NullPool).connect() as connection:
        vacuumed = "SELECT relname FROM pg_stat_user_tables WHERE vacuum_count > 0"
        assert {"events", "people", "event_visitors", "event_texts", "malformed"} <= set(
            connection.scalars(sa.text(vacuumed))
        )


def make_tables(urls: list[str], barrier: Any) -> None:
    """Write to new databases at the same moment as other processes."""
    for url in urls:
        database = Database(url, tables.metadata, "It", StoreUnavailable)
        barrier.wait(60)
        with database.write() as connection:
            connection.execute(sa.insert(tables.cursors), {"segment": str(os.getpid()), "offset": 0})


def test_processes_may_create_the_tables_concurrently(server):
    """Two processes that start together both find their tables, in ten new databases."""
    context = multiprocessing.get_context("spawn")
    urls, barrier = [server.database() for _ in range(10)], context.Barrier(2)
    makers = [context.Process(target=make_tables, args=(urls, barrier)) for _ in range(2)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(60)
    assert [maker.exitcode for maker in makers] == [0, 0]


def append_on(url: str, folder: Path, number: int) -> None:
    """Append to one ledger as one of several processes."""
    ledger = ledger_at(url, folder)
    for _ in range(number):
        ledger.append(LedgerEntry("access", f"{DAY}T12:00:00.000Z"))


def test_several_processes_write_one_chain_on_postgresql(url, tmp_path):
    """The chain is complete from the first entry on, which creates the tables, and after pruning."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_on, args=(url, tmp_path, 20)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    ledger = ledger_at(url, tmp_path)
    assert [process.exitcode for process in processes] == [0] * 3
    assert (verify(ledger).discrepancies, ledger.head().count) == ([], 60)
    assert ledger.prune("2026-05-09", "2031-05-09T12:00:00.000Z") == 60
    assert (verify(ledger).discrepancies, [row["kind"] for row in ledger.entries()]) == ([], ["checkpoint"])


@pytest.mark.parametrize(
    ("done", "flaw"),
    [
        ("UPDATE entries SET gpc = NOT gpc WHERE position = 2", ("changed", 2)),
        ("UPDATE entries SET detail = 'x' WHERE position = 2", ("changed", 2)),
        ("DELETE FROM entries WHERE position = 2", ("removed", 2)),
        ("DELETE FROM entries WHERE position = 3", ("cut off", 3)),
        ("UPDATE head SET count = 2", ("changed", 3)),
    ],
)
def test_changes_to_a_ledger_on_postgresql_are_found(url, tmp_path, done, flaw):
    """Changes are found as in a SQLite file."""
    append_on(url, tmp_path, 3)
    assert verify(ledger_at(url, tmp_path)).discrepancies == []
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(done)
    assert flaw in [(found.kind, found.position) for found in verify(ledger_at(url, tmp_path)).discrepancies]


def test_promise_26_opt_outs_hold_in_postgresql(tiny: Callable[..., Any], url: str) -> None:
    """Opt-outs by form, link and mail hold under old and new keys, as in SQLite."""
    site = tiny(PRIVACY_DATABASE_URL=url, PRIVACY_KEYS=KEYS | {"newer": "n" * 20})
    runtime = site.privacy.runtime(site.app)
    mail = runtime.mail.marketing
    with site.app.app_context():
        for person in ("ada@mail.example", "bob@mail.example"):
            site.privacy.opt_in(person)
            mail.store.opt_in(
                dict(list(runtime.keys.subject_hashes(person).items())[:1]), "old", "2020", policy="", text="", in_source=""
            )
        token = mail.tokens.make("ada@mail.example", "marketing")
        assert site.visitor().post(f"/privacy/unsubscribe/{token}").status_code == 200
        reasons = [site.privacy.may_mail(f"{name}@mail.example", "marketing").reason for name in ("ada", "bob", "eve")]
    assert reasons == ["opted-out", "opted-in", "no-opt-in"]
    (site.folder / "mail.eml").write_text("Subject: unsubscribe\nFrom: bob@mail.example\nMessage-ID: <1@x>\n\n")
    outputs = [site.cli("inbox", str(site.folder / "mail.eml")).output for _ in "12"]
    assert "Request 1." in outputs[0] and "already processed" in outputs[1]


def test_promise_26_an_opt_in_waits_for_its_link_in_postgresql(tiny: Callable[..., Any], url: str) -> None:
    """The link limit counts there as in SQLite, and the button opts the person in once."""
    mails: list[Any] = []
    own = policy(contact=Contact("Shop", "privacy@shop.example"))
    site = with_forms(tiny, PRIVACY_POLICY=own, PRIVACY_DATABASE_URL=url, PRIVACY_SEND=mails.append)
    for number in range(4):
        assert send(site.visitor(), "/pictures", email=f"ada+{number}@mail.example").status_code == 200
    assert site.cli("requests", "process").output == "3 links sent.\n"
    path = re.search(r"http://localhost(/\S+)", mails[0].get_content())[1]  # type: ignore[index]
    assert [site.visitor().post(path).status_code for _ in "12"] == [200, 410]
    with site.app.app_context():
        assert site.privacy.may_mail("ada+0@mail.example", "marketing", list="kids").reason == "opted-in"
    assert site.cli("erase", "--subject", "ada+3@mail.example").exit_code == 0


def changed(value: Any) -> list[Any]:
    """Return a text with each character changed by a bit or extended, or other numbers."""
    if isinstance(value, int):
        return [not value] if isinstance(value, bool) else [value ^ 4, value ^ 256]
    flipped = [value[:at] + chr(ord(letter) ^ 1) + value[at + 1 :] for at, letter in enumerate(value)]
    return [*flipped, value + " "]


@pytest.mark.parametrize("table", ["entries", "texts", "head"])
def test_every_changed_byte_of_a_ledger_on_postgresql_is_found(url, tmp_path, table):
    """A change in any column of any row is found: entries, texts and the head."""
    ledger, words = ledger_at(url, tmp_path), ShownText("banner", "en", '{"text":"May we?"}', "print")
    ledger.append(LedgerEntry("access", f"{DAY}T11:00:00.000Z"))
    ledger.append(
        LedgerEntry("grant", "2026-05-09T12:00:00.000Z", "receipt", purposes=("statistics",), text=words.digest), words
    )
    assert ledger.prune("2026-05-09", "2031-05-09T12:00:00.000Z") == 1
    missed, tried = [], 0
    stored = ledger_tables.tables[table]
    key = next(iter(stored.primary_key), stored.c[0])
    with sa.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect() as hand:
        for row in hand.execute(sa.select(stored)).mappings().all():
            for name, value in row.items():
                current_key = row[key.name]
                for other in changed(value):
                    hand.execute(sa.update(stored).where(key == current_key).values({name: other}))
                    current_key = other if name == key.name else current_key
                    missed += [] if verify(ledger).discrepancies else [(name, other)]
                    tried += 1
                hand.execute(sa.update(stored).where(key == current_key).values({name: value}))
    assert (missed, verify(ledger).discrepancies) == ([], []) and tried > 90


def test_two_hosts_that_generate_their_own_keys_do_not_share_a_database(tmp_path, url: str, caplog) -> None:
    """The second host grants nothing and logs what to do. The check of both hosts reports it."""
    one, other = (Tiny(tmp_path / name, PRIVACY_LEDGER_URL=url) for name in ("one", "other"))
    assert choose(one.visitor(), "accept_all").status_code == 303
    assert choose(other.visitor(), "accept_all").status_code == 503
    assert "set PRIVACY_KEYS to the same keys on every host" in caplog.text
    assert one.cli("ledger", "verify").exit_code == 0
    assert "PRIVACY_KEYS is not set, so each host would generate keys of its own" in one.cli("check").output
    assert "Entries of the ledger name the key" in other.cli("check").output


def test_two_hosts_with_two_secrets_under_one_id_do_not_share_a_database(tmp_path, url: str) -> None:
    """This is no tampering, and the check reports its cause."""
    secrets = ("sixteen characters", "sixteen other characters")
    one, other = (Tiny(tmp_path / key, PRIVACY_LEDGER_URL=url, PRIVACY_KEYS={"2026": key}) for key in secrets)
    assert choose(one.visitor(), "accept_all").status_code == 303
    assert choose(other.visitor(), "accept_all").status_code == 503
    for command in (("ledger", "verify"), ("check",)):
        assert "PRIVACY_KEYS has another secret under the id '2026'" in other.cli(*command).output
    assert other.cli("ledger", "verify").exit_code == 2
