"""Whatever is done in whatever order: no trace of who was erased, no lost decision, and a replay that changes nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
import sqlalchemy as sa
import time_machine
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from people import SUBJECTS, Account, Base, Letter, People, policy
from sqlalchemy.orm import Session

from conftest import Tiny, choose, cookie
from flask_mixamo_privacy.tracking import store as tables

EVERYBODY = ("quixote@shop.example", "xylophone@shop.example", "zeppelin@shop.example")
ADDRESSES = st.sampled_from(EVERYBODY)
VISITORS = st.sampled_from([0, 1, 2])
COOKIES = ("privacy_consent", "privacy_visitor", "privacy_choices")
STEPS = int(os.environ.get("PRIVACY_STEPS", "0"))  # more of them, for whoever has the time


class Files:
    """Databases that are files: backed up by copying, searched byte by byte."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, str] = {}
        self.people = f"sqlite:///{folder}/shop.sqlite"
        self._names = ("shop.sqlite", "instance/privacy-events.sqlite", "instance/privacy-rights.sqlite")

    def copy(self) -> dict[str, bytes]:
        engines = [sa.create_engine(f"sqlite:///{self.folder}/{name}", poolclass=sa.NullPool) for name in self._names]
        for engine in engines:
            if Path(engine.url.database).exists():
                with engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        return {name: (self.folder / name).read_bytes() for name in self._names if (self.folder / name).exists()}

    def put_back(self, copy: dict[str, bytes]) -> None:
        for name in self._names:
            for path in (self.folder / name).parent.glob(f"{Path(name).name}*"):
                path.unlink()
        for name, content in copy.items():
            (self.folder / name).write_bytes(content)

    def says(self, text: str) -> list[str]:
        """The files that hold this anywhere, free pages and side files included."""
        found = [path for path in self.folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
        return [str(path.relative_to(self.folder)) for path in found]


class Tables:
    """Databases of a server: backed up and searched row by row."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.config = {f"PRIVACY_{name}_URL": urls[name] for name in ("LEDGER", "EVENTS", "DATABASE")}
        self.people = urls["PEOPLE"]
        self._engines = {name: sa.create_engine(url, poolclass=sa.NullPool) for name, url in urls.items()}

    def copy(self) -> dict[tuple[str, str], list[dict[str, object]]]:
        return {(name, table.name): rows for name, table, rows in self._rows() if name != "LEDGER"}

    def put_back(self, copy: dict[tuple[str, str], list[dict[str, object]]]) -> None:
        for name in ("EVENTS", "DATABASE", "PEOPLE"):
            with self._engines[name].begin() as connection:
                found = self._tables(name)
                for table in reversed(found):
                    connection.execute(sa.delete(table))
                for table in found:
                    if rows := copy.get((name, table.name)):
                        connection.execute(sa.insert(table), rows)

    def says(self, text: str) -> list[str]:
        return [f"{name}.{table.name}" for name, table, rows in self._rows() if text in str(rows)]

    def _rows(self):
        for name, engine in self._engines.items():
            for table in self._tables(name):
                with engine.connect() as connection:
                    yield name, table, [dict(row) for row in connection.execute(sa.select(table)).mappings()]

    def _tables(self, name: str) -> list[sa.Table]:
        found = sa.MetaData()
        found.reflect(self._engines[name])
        return found.sorted_tables


class Machine(RuleBasedStateMachine):
    """A site, three people, three visitors, a clock, and backups; beside it what ought to be true."""

    make_disk = staticmethod(lambda folder: Files(folder))

    @initialize()
    def open_the_site(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "instance").mkdir()
        self.clock = time_machine.travel("2026-05-08T12:00:00Z", tick=False)
        self.now = self.clock.start()
        self.disk = self.make_disk(self.folder)
        self.keys = {"key0": "sixteen characters"}
        self.engine = sa.create_engine(self.disk.people, poolclass=sa.NullPool)
        Base.metadata.create_all(self.engine)
        self.rows: set[tuple[str, datetime]] = set()  # who is registered, and since when
        self.erased: dict[str, datetime] = {}  # when somebody was erased last
        self.asked: set[str] = set()  # who asked for something since
        self.granted: dict[int, bool] = {}  # what each visitor decided
        self.gone: set[str] = set()  # the visitors that were erased
        self.decisions = 0
        self.backup = None
        self.in_doubt = False  # between a restore, or a crash, and the replay
        self.cookies: dict[int, dict[str, str]] = {0: {}, 1: {}, 2: {}}
        self.start()
        for email in EVERYBODY:
            self.register(email)
        for number in (0, 1):
            self.consent(number)
            self.browse(number)
        self.back_up()

    def start(self) -> None:
        """The app as a process finds it: all it knows is on the disk."""
        self.mails: list[object] = []
        config = {"PRIVACY_POLICY": policy(), "PRIVACY_SEND": self.mails.append, "PRIVACY_KEYS": dict(self.keys)}
        self.site = Tiny(self.folder / "instance", **config, **self.disk.config)
        self.people = People(self.site, self.engine)
        self.people.mails = self.mails
        self.site.privacy.register_models(self.engine, SUBJECTS, name="shop")

    def teardown(self) -> None:
        if hasattr(self, "clock"):
            self.clock.stop()
            self.engine.dispose()
            shutil.rmtree(self.folder)

    def later(self) -> datetime:
        self.now.shift(60)
        return datetime.now(UTC).replace(tzinfo=None)

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        outcome = self.site.cli(*arguments)
        assert outcome.exit_code in codes, outcome.output
        return outcome.output

    def visit(self, number: int, act):
        """Do something in a visitor's browser, which keeps its cookies."""
        client = self.site.visitor()
        for name, value in self.cookies[number].items():
            client.set_cookie(name, value)
        found = act(client)
        self.cookies[number] = {name: cookie(client, name) for name in COOKIES if cookie(client, name)}
        return found

    @rule(email=ADDRESSES)
    def register(self, email: str) -> None:
        if all(email != one for one, _ in self.rows):
            at = self.later()
            self.people.add(email)
            self.rows.add((email, at))

    @rule(email=ADDRESSES)
    def write_a_letter(self, email: str) -> None:
        at = self.later()
        self.people.add(email, only=Letter)
        self.rows.add((f"letter of {email}", at))

    @rule(number=VISITORS)
    def consent(self, number: int) -> None:
        self.later()
        was = self.granted.get(number)
        self.visit(number, lambda client: choose(client, "accept_all"))
        self.granted[number] = True
        self.decisions += was is not True

    @rule(number=VISITORS)
    def browse(self, number: int) -> None:
        self.later()
        self.visit(number, lambda client: client.get("/other"))

    @rule(number=VISITORS)
    def withdraw(self, number: int) -> None:
        self.later()
        self.gone |= self.seen_as(number)
        was = self.granted.get(number)
        self.visit(number, lambda client: choose(client, "reject_all"))
        self.granted[number] = False
        self.decisions += was is not False

    def seen_as(self, number: int) -> set[str]:
        """The ID in a visitor's cookie."""
        with self.site.app.test_request_context(headers={"Cookie": self.header(number)}):
            from flask_mixamo_privacy.current import exchange

            known = exchange().known_visitor()
        return {known.id} if known is not None else set()

    def header(self, number: int) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies[number].items())

    @rule(number=VISITORS)
    def erase_a_visitor(self, number: int) -> None:
        self.later()
        for visitor in self.seen_as(number):
            self.run("erase", visitor)
            self.gone.add(visitor)

    @rule()
    def back_up(self) -> None:
        self.run("load")
        self.backup = self.disk.copy(), set(self.rows)

    @rule()
    def restore(self) -> None:
        self.later()
        copy, self.rows = self.backup[0], set(self.backup[1])
        self.disk.put_back(copy)
        self.in_doubt = True
        self.start()

    @rule()
    def restore_and_replay(self) -> None:
        self.restore()
        self.replay()

    @rule(email=ADDRESSES)
    def leave_and_come_back(self, email: str) -> None:
        self.erase(email)
        self.register(email)

    @rule()
    def replay(self) -> None:
        self.later()
        json.loads(self.run("replay", "--json", codes=(0, 1)))
        self.forget()
        again = json.loads(self.run("replay", "--json", codes=(0, 1)))
        assert again["changed"] == 0, again

    def forget(self) -> None:
        """What an erasure comes to: nothing of its person that is older."""
        gone = {row for row in self.rows if row[1] <= self.erased.get(row[0].rpartition(" ")[2], datetime.min)}
        self.rows -= gone
        self.in_doubt = False

    @rule(email=ADDRESSES)
    def erase(self, email: str) -> None:
        self.erased[email] = self.later()
        self.run("erase", "--subject", email)
        self.rows = {row for row in self.rows if row[0].rpartition(" ")[2] != email}
        self.asked.discard(email)

    @rule(email=ADDRESSES)
    def crash_while_erasing(self, email: str) -> None:
        self.erased[email] = self.later()
        with mock.patch("flask_mixamo_privacy.rights.stores.Stores.erase", side_effect=KeyboardInterrupt):
            assert self.site.cli("erase", "--subject", email).exit_code == 1
        self.asked.discard(email)
        self.in_doubt = True
        self.start()

    @rule(email=ADDRESSES, kind=st.sampled_from(["access", "delete", "object"]))
    def ask(self, email: str, kind: str) -> None:
        self.later()
        assert self.people.ask(kind, email).status_code == 303
        self.asked.add(email)

    @rule()
    def answer_what_was_asked(self) -> None:
        self.later()
        self.run("requests", "process", codes=(0, 1))
        for mail in self.mails:
            if "/confirm/" in mail.get_content():
                self.site.visitor().post(self.people.link(mail))
        self.mails.clear()
        for request in self.people.rights.book.all("verified"):
            asked = self.people.rights.book.find(request.number)
            if asked.state != "verified":
                continue  # an erasure just before closed it
            at = self.later()
            self.run("requests", "answer", str(request.number))
            if asked.kind == "delete":
                self.erased[asked.email] = at
                self.rows = {row for row in self.rows if row[0].rpartition(" ")[2] != asked.email}
                self.asked.discard(asked.email)

    @rule()
    def rotate_keys(self) -> None:
        self.keys[f"key{len(self.keys)}"] = f"another sixteen characters {len(self.keys)}"
        self.start()

    @invariant()
    def what_is_registered_is_there_and_nothing_else(self) -> None:
        if not hasattr(self, "site") or self.in_doubt:
            return
        with Session(self.engine) as session:
            accounts = {(row.email, row.created_at) for row in session.scalars(sa.select(Account))}
            letters = [
                row for row in session.scalars(sa.select(Letter)) if row.email and not row.email.startswith("erased-")
            ]
        assert accounts == {row for row in self.rows if not row[0].startswith("letter")}
        wanted = [row[0] for row in self.rows if row[0].startswith("letter")]
        assert len(letters) == len(wanted) + len(accounts), (letters, self.rows)

    @invariant()
    def nothing_says_who_was_erased(self) -> None:
        if not hasattr(self, "site") or self.in_doubt:
            return
        alive = {row[0].rpartition(" ")[2] for row in self.rows} | self.asked
        for email in self.erased.keys() - alive:
            assert self.disk.says(email.partition("@")[0]) == []

    @invariant()
    def no_event_is_of_somebody_who_is_gone(self) -> None:
        if not hasattr(self, "site") or self.in_doubt:
            return
        self.run("load")
        store = self.site.privacy.site(self.site.app).store
        with store.read() as connection:
            found = set(connection.scalars(sa.select(tables.events.c.visitor).distinct())) if connection else set()
        assert found.isdisjoint(self.gone)

    @invariant()
    def no_decision_is_lost(self) -> None:
        if not hasattr(self, "site"):
            return
        entries = list(self.site.privacy.site(self.site.app).ledger.entries("grant", "refusal", "withdrawal"))
        assert len(entries) == self.decisions
        for number, granted in self.granted.items():
            state = self.visit(number, lambda client: client.get("/privacy/state.json")).json["purposes"]
            assert (state["statistics"] == "granted") is granted

    @invariant()
    def the_chain_is_whole(self) -> None:
        if hasattr(self, "site"):
            self.run("ledger", "verify")


def run(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    found = settings(
        max_examples=max(1, STEPS // steps) if STEPS else examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not STEPS,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=found)


@pytest.mark.timeout(1800 if STEPS else 120)
def test_promise_34_no_order_of_events_brings_anybody_back() -> None:
    """On files, searched byte by byte after every step."""
    run(Machine, 12, 30)


@pytest.mark.server
@pytest.mark.xdist_group("postgres")
@pytest.mark.timeout(1800 if STEPS else 300)
def test_promise_34_no_order_of_events_brings_anybody_back_on_postgresql() -> None:
    """On a server, searched row by row after every step."""
    from test_postgres import Server

    server = Server()
    server.start()

    class OnServer(Machine):
        make_disk = staticmethod(
            lambda folder: Tables({name: server.database() for name in ("LEDGER", "EVENTS", "DATABASE", "PEOPLE")})
        )

    try:
        run(OnServer, 3, 25)
    finally:
        server.stop()
        shutil.rmtree(server.folder)
