"""Several hosts on one PostgreSQL: real processes load, close days, are killed, and record decisions."""

from __future__ import annotations

import json
import multiprocessing
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from test_kill import APP
from test_kill import Server as Gunicorn

from flask_mixamo_privacy.tracking import loader
from support.event_factory import traffic
from support.loading_hosts import Host
from support.postgres import Server

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]

EVENTS = traffic(5, 16, 80, 20)  # of two months
DAYS = [list(events) for _, events in groupby(EVENTS, key=lambda event: event["at"][:10])]
BATCH = 20_000  # bytes, about a day
NOW = "2026-06-01T12:00:00Z"
SHARED = """
app.config.update(PRIVACY_EVENTS_URL={url!r}, PRIVACY_LEDGER_URL={url!r}, PRIVACY_RIGHTS_URL={url!r})
app.config.update(PRIVACY_KEYS={{"2026": "sixteen characters or more"}})
"""


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The time and the batches of the processes that load, in the test's own process."""
    monkeypatch.setattr(loader, "_CHUNK", BATCH)
    with time_machine.travel(NOW, tick=False):
        yield


def load(folder: Path, url: str, batches: int, waits: Connection | None = None) -> None:
    """Load a number of batches, or all for 0, in a process. Then wait for a kill if there is a connection."""
    loader._CHUNK = BATCH
    with time_machine.travel(NOW, tick=False):
        Host(folder, url).load(wait=60, most=batches or sys.maxsize)
    if waits is not None:
        waits.send("loaded")
        signal.pause()


def run(*loads: tuple[Any, ...]) -> None:
    """Load in one process each, at the same time."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=load, args=arguments) for arguments in loads]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def pair(tmp_path: Path, url: str) -> tuple[Host, Host]:
    """Return two hosts with every other event of each day. Both are registered, by a load of their first lines."""
    hosts = Host(tmp_path / "first", url), Host(tmp_path / "second", url)
    for day in DAYS:
        for number, host in enumerate(hosts):
            host.write(day[number::2])
    for host in hosts:
        host.load(most=1)
    return hosts


def tables_of_one_host(tmp_path: Path, url: str) -> dict[str, list[tuple[Any, ...]]]:
    host = Host(tmp_path / "alone", url)
    for day in DAYS:
        host.write(day)
    host.load()
    return host.published()


def test_two_hosts_publish_the_tables_of_one_host(server, tmp_path, frozen):
    """The loaders of both work at the same time, and the second has a backlog."""
    url = server.database()
    first, second = pair(tmp_path, url)
    run((first.folder, url, 0))
    assert len(first.closed()) < 5
    run((first.folder, url, 0), (second.folder, url, 0))
    first.load()
    assert len(first.closed()) == 42 and first.published() == tables_of_one_host(tmp_path, server.database())


def test_a_killed_host_keeps_days_open_until_it_has_loaded(server, tmp_path, frozen):
    """After its restart, the tables are those of one host that was never killed."""
    url = server.database()
    first, second = pair(tmp_path, url)
    receiver, sender = multiprocessing.Pipe()
    killed = multiprocessing.get_context("spawn").Process(target=load, args=(second.folder, url, 3, sender))
    killed.start()
    assert receiver.poll(60) and receiver.recv() == "loaded"
    killed.kill()
    killed.join(60)
    run((first.folder, url, 0))
    assert len(first.closed()) < 5
    run((second.folder, url, 0))
    first.load()
    assert set(first.hosts()) == {first.id, second.id}
    assert first.published() == tables_of_one_host(tmp_path, server.database())


def test_one_host_closes_days_at_a_time(server, tmp_path, frozen, monkeypatch):
    """While the transaction of one host lasts, another host waits, however long. An erasure waits for the first alone."""
    monkeypatch.setattr("flask_mixamo_privacy.storage.database._WAIT_MS", 1)
    url = server.database()
    first = Host(tmp_path / "first", url)
    second = Host(tmp_path / "second", url)
    for host in (first, second):
        host.write(DAYS[0])
    first.load()
    closing = threading.Thread(target=second.load)
    with first.store.write() as connection:
        closing.start()
        waiting = sa.text("SELECT locktype FROM pg_locks WHERE NOT granted")
        while closing.is_alive() and connection.scalar(waiting) is None:
            pass
        assert set(first.hosts()) == {first.id} and connection.scalars(waiting).all() == ["advisory"]
    closing.join(60)
    assert set(first.hosts()) == {first.id, second.id}


@pytest.fixture
def serve(server: Server, tmp_path: Path) -> Iterator[Callable[[str], Gunicorn]]:
    """Return a function that serves a site on a host. All hosts share the databases."""
    shared = APP.replace("privacy = Privacy(app)", SHARED.format(url=server.database()) + "privacy = Privacy(app)")
    servers: list[Gunicorn] = []

    def start(name: str) -> Gunicorn:
        (tmp_path / name).mkdir(exist_ok=True)
        servers.append(Gunicorn(tmp_path / name, shared))
        return servers[-1]

    yield start
    for each in servers:
        each.end(signal.SIGKILL)
        for visitor in each.visitors:
            visitor.leave()


def visit(host: Gunicorn, pages: int) -> None:
    visitor = host.visitor()
    for number in range(pages):
        visitor.view(number)


def at_once(*works: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def test_two_servers_share_ledger_and_events_and_lose_nothing_when_one_is_killed(serve):
    """Both grant, record and load at the same time. One is killed, and started again."""
    first, second = serve("first"), serve("second")
    at_once(*(lambda host=host: visit(host, 20) for host in (first, second) * 4))
    second.end(signal.SIGKILL)
    visit(first, 20)
    second = serve("second")
    visit(second, 20)
    for host in (first, second):
        host.end(signal.SIGTERM)
        host.flask("load")
    assert first.flask("ledger", "verify") == "Intact: 10 entries.\n"
    kinds = Counter(event["kind"] for event in first.recorded())
    assert (kinds["n"], kinds["visit_start"]) == (200, 10)
    states = [host["state"] for host in json.loads(second.flask("hosts", "--json"))]
    assert states == ["reporting", "reporting"]
