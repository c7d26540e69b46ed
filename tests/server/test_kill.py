"""Real servers: an answered event is in the log, whatever happens to the processes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

pytestmark = pytest.mark.server

APP = """
import os
from flask import Flask
from flask_mixamo_privacy import Privacy

here = os.path.dirname(os.path.abspath(__file__))
app = Flask(__name__, instance_path=os.path.join(here, "instance"))
app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_ASSETS_DIR=os.path.join(here, "assets"))
privacy = Privacy(app)

@app.get("/n/<int:value>")
def numbered(value):
    privacy.track("n", value=value, process=os.getpid())
    return str(os.getpid())
"""

# As in a careless site, pages are used before the server forks, so the workers inherit an open segment.
USED_BEFORE_THE_FORK = """
if "SERVES" in os.environ:
    early = app.test_client()
    early.post("/privacy/consent", data={"choice": "accept_all"})
    early.get("/n/0")
"""


class Server:
    """Gunicorn in its own process group, with two workers of four threads each."""

    def __init__(self, folder: Path, app: str, *options: str) -> None:
        self.folder, self.log = folder, folder / "instance" / "privacy-log"
        (folder / "site_under_test.py").write_text(app)
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, open(folder / "gunicorn.log", "w") as output:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.port = listener.getsockname()[1]  # clients can connect at once: the kernel queues them
            command = [
                sys.executable,
                "-m",
                "gunicorn",
                "--workers",
                "2",
                "--threads",
                "4",
                "--keep-alive",
                "30",
                "--bind",
                f"fd://{listener.fileno()}",
            ]
            self._process = subprocess.Popen(
                [*command, *options, "site_under_test:app"],
                cwd=folder, pass_fds=[listener.fileno()], stdout=output, stderr=output, start_new_session=True,
                env=os.environ | {"HOME": str(folder), "SERVES": "yes"},
            )  # fmt: skip
        self.visitors: list[Visitor] = []

    def visitor(self) -> Visitor:
        """Return a browser that posted the form and received its two cookies."""
        self.visitors.append(Visitor(self.port))
        return self.visitors[-1]

    def end(self, how: signal.Signals) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, how)
            self._process.wait(30)

    def flask(self, *arguments: str) -> str:
        """Return the output of ``flask privacy …``, run in its own process."""
        command = [sys.executable, "-m", "flask", "--app", "site_under_test", "privacy", *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True, timeout=60).stdout

    def recorded(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.flask("events", "--format", "jsonl").splitlines()]

    def loaded(self, kind: str) -> int:
        """Return how many events of a kind the workers have loaded so far, without loading any."""
        path = self.folder / "instance" / "privacy-events.sqlite"
        if not path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
            return connection.execute(_COUNT, [kind]).fetchone()[0] if known else 0


_COUNT = "SELECT count(*) FROM events JOIN event_texts ON code = kind WHERE text = ?"


class Visitor:
    """A browser that accepts, keeps its cookies, and keeps its connection alive."""

    def __init__(self, port: int) -> None:
        self._cookies: dict[str, str] = {}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self.ask("POST", "/privacy/consent", urlencode({"choice": "accept_all"}), form)[0] == 303

    def ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of the response, once it was read completely."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        self._connection.request(method, path, body, {**(headers or {}), "Cookie": cookies})
        response = self._connection.getresponse()
        text = response.read().decode()
        for line in response.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return response.status, text

    def view(self, number: int) -> int:
        """Open a page and return the id of the process that answered."""
        status, text = self.ask("GET", f"/n/{number}")
        assert status == 200
        return int(text)

    def leave(self) -> None:
        self._connection.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(app: str = APP, *options: str) -> Server:
        servers.append(Server(tmp_path, app, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.end(signal.SIGKILL)
        for visitor in server.visitors:
            visitor.leave()


def test_promise_a_2xx_survives_kill_9_of_every_process(serve):
    """Every page view that was answered under load is in the log once, although the whole group was killed."""
    server, acknowledged, enough = serve(), list[int](), threading.Event()

    def browse(client: int, visitor: Visitor) -> None:
        try:
            for number in range(client * 1_000_000, client * 1_000_000 + 1_000_000):
                visitor.view(number)
                acknowledged.append(number)
                if number % 50 == 0 and len(acknowledged) > 1000 and server.loaded("n"):
                    enough.set()  # kill while writers and a loader are at work
        except (OSError, HTTPException):
            pass  # the server was killed

    clients = [threading.Thread(target=browse, args=(client, server.visitor())) for client in range(1, 7)]
    for client in clients:
        client.start()
    try:
        assert enough.wait(90)
    finally:
        server.end(signal.SIGKILL)
    for client in clients:
        client.join()

    server.flask("load")
    events = server.recorded()
    numbers = Counter(event["data"]["value"] for event in events if event["kind"] == "n")
    pages = Counter(event["page"] for event in events if event["kind"] == "page_view")
    assert set(acknowledged) <= set(numbers) and set(numbers.values()) == {1}
    assert {f"/n/{number}" for number in acknowledged} <= set(pages) and set(pages.values()) == {1}
    assert Counter(event["kind"] for event in events)["visit_start"] == len(clients)
    assert server.flask("load") == "0 events loaded from 0 lines, 0 malformed, 0 torn.\n"
    assert server.recorded() == events


def test_reported_events_survive_kill_9_of_every_process(serve):
    """Every event of a report answered with 204 is in the log once, although each report is sent twice."""
    server, acknowledged, enough = serve(), list[str](), threading.Event()

    def report(client: int, visitor: Visitor) -> None:
        try:
            for number in range(50):
                events = [{"id": f"{client}-{number}-{n}", "kind": "click", "page": "/n/1"} for n in range(20)]
                for _ in range(2):
                    assert visitor.ask("POST", "/privacy/events", json.dumps(events))[0] == 204
                acknowledged.extend(event["id"] for event in events)
                if len(acknowledged) > 1500:
                    enough.set()
        except (OSError, HTTPException):
            pass  # the server was killed

    clients = [threading.Thread(target=report, args=(client, server.visitor())) for client in range(4)]
    for client in clients:
        client.start()
    try:
        assert enough.wait(90)
    finally:
        server.end(signal.SIGKILL)
    for client in clients:
        client.join()
    clicks = Counter(event["id"] for event in server.recorded() if event["kind"] == "click")
    assert set(acknowledged) <= set(clicks) and set(clicks.values()) == {1}


@pytest.mark.parametrize(
    ("app", "options"),
    [(APP, []), (APP, ["--preload"]), (APP + USED_BEFORE_THE_FORK, ["--preload"])],
    ids=["workers", "preload", "preload and used before the fork"],
)
def test_each_worker_has_its_own_segment_and_one_worker_loads(serve, app, options):
    """No two processes write to one segment, and the workers together load each event once."""
    server, seen, number = serve(app, *options), set[int](), 0
    while len(seen) < 2 or number < 60:
        visitor = server.visitor()
        for _ in range(3):
            number += 1
            seen.add(visitor.view(number))
        visitor.leave()
    expected = number + app.count("/n/0")
    deadline = time.monotonic() + 60
    while server.loaded("n") < expected:
        assert time.monotonic() < deadline, "no worker loads"
        time.sleep(0.05)

    writers = {}
    for path in server.log.glob("*.events"):
        lines = map(json.loads, path.read_text().splitlines())
        writers[path.name] = {event["data"]["process"] for event in lines if event["kind"] == "n"}
    assert all(len(pids) == 1 and re.search(rf"-{next(iter(pids))}-", name) for name, pids in writers.items()), writers
    assert seen <= {next(iter(pids)) for pids in writers.values()} and len(writers) == len(seen) + app.count("/n/0")
    server.end(signal.SIGTERM)
    counted = Counter(event["data"]["value"] for event in server.recorded() if event["kind"] == "n")
    assert len(counted) == expected and set(counted.values()) == {1}


def test_the_workers_recover_from_a_locked_database(serve):
    """Pages are served while the events database is locked. The same workers load the events once the lock is released."""
    server = serve()
    visitor = server.visitor()
    visitor.view(1)
    deadline = time.monotonic() + 60
    while not server.loaded("n"):
        assert time.monotonic() < deadline, "no worker loads"
        time.sleep(0.05)
    with closing(sqlite3.connect(server.folder / "instance" / "privacy-events.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for number in range(2, 50):
            visitor.view(number)
        while "will be tried again" not in (server.folder / "gunicorn.log").read_text():
            assert time.monotonic() < deadline, "the workers say nothing"
            time.sleep(0.05)
        visitor.view(50)
    while server.loaded("n") < 50:
        assert time.monotonic() < deadline, "no worker tries again"
        time.sleep(0.05)
