"""Acknowledged events that are lost when every process of a server is killed under load."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask, request

from benchmarks import visitors
from benchmarks.server import build, free_port, wait_for

from . import packages

_CLIENTS, _SECONDS, _EVENTS = 8, 4, 10
_FOLDER, _SIDE = "PEERS_FOLDER", "PEERS_SIDE"
_WRITTEN_EVERY = 1.0  # seconds between two writes of the memory buffer
_SIDES = {
    "ours: appended to the log": "log",
    "commit in each request (SQLite, WAL)": "commit",
    "memory buffer, written each second": "buffer",
}


def site() -> Flask:
    """Return the app for gunicorn. The environment sets its folder, and how it stores events."""
    folder, side = Path(os.environ[_FOLDER]), os.environ[_SIDE]
    return build(folder, "off") if side == "log" else _other(folder / "events.sqlite", side)


def _other(path: Path, side: str) -> Flask:
    app = Flask("other")
    waiting: list[str] = []
    local = threading.local()

    def write(events: list[str]) -> None:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(path, timeout=30)
            local.connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            local.connection.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, line TEXT)")
        with local.connection:
            local.connection.executemany(
                "INSERT OR IGNORE INTO events VALUES (?, ?)", [(secrets.token_hex(8), one) for one in events]
            )

    def write_each_second() -> None:
        while True:
            time.sleep(_WRITTEN_EVERY)
            taken, waiting[:] = waiting[:], []
            write(taken)

    def receive() -> tuple[str, int]:
        events = [json.dumps(event) for event in request.get_json(force=True)]
        write(events) if side == "commit" else waiting.extend(events)
        return "", 204

    app.add_url_rule("/privacy/events", "events", receive, methods=["POST"])
    write([])
    if side == "buffer":
        threading.Thread(target=write_each_second, daemon=True).start()
    return app


def measure() -> list[dict[str, Any]]:
    """Return for each side the acknowledged events, and those of them that are nowhere after ``kill -9``."""
    return [{"name": name, **_killed(side)} for name, side in _SIDES.items()]


def _killed(side: str) -> dict[str, Any]:
    with TemporaryDirectory(prefix="privacy-loss-") as name:
        folder, port = Path(name, "site"), free_port()
        folder.mkdir()
        options = f"--workers 2 --threads 8 --worker-class gthread --bind 127.0.0.1:{port} --log-level critical".split()
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "benchmarks.peers.loss:site()"],
            env=os.environ | {_FOLDER: str(folder), _SIDE: side, "PYTHONPATH": str(packages.ROOT)},
            cwd=packages.ROOT,
            start_new_session=True,
        )
        try:
            wait_for(port)
            cookies = [visitors.consented(build(Path(name, "maker"), "off")) for _ in range(200)]
            counts = [0] * _CLIENTS
            clients = [threading.Thread(target=_post, args=(port, cookies, counts, n)) for n in range(_CLIENTS)]
            for client in clients:
                client.start()
            _wait_for_the_first(counts)
            before = sum(counts)
            time.sleep(_SECONDS)
            rate = (sum(counts) - before) / _SECONDS
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        for client in clients:
            client.join()
        acknowledged, stored = sum(counts), _stored(folder)
    return {"acknowledged": acknowledged, "lost": max(0, acknowledged - stored), "rate": rate}


def _wait_for_the_first(counts: list[int]) -> None:
    """Wait until a worker has acknowledged events, because workers start after their port is open."""
    end = time.monotonic() + 60
    while not sum(counts):
        if time.monotonic() > end:
            raise TimeoutError("No event was acknowledged within a minute.")
        time.sleep(0.05)


def _post(port: int, cookies: list[str], counts: list[int], number: int) -> None:
    """Post events until the server is gone, and count those that it acknowledged."""
    connection, prefix, sent = HTTPConnection("127.0.0.1", port, timeout=60), secrets.token_hex(4), 0
    while True:
        events = [
            {"id": f"{prefix}-{sent}-{n}", "kind": "click", "page": f"/item/{n}", "data": {"to": "/next"}, "age": n}
            for n in range(_EVENTS)
        ]
        try:
            cookie = cookies[(sent * _CLIENTS + number) % len(cookies)]
            connection.request("POST", "/privacy/events", json.dumps(events), {"Cookie": cookie})
            response = connection.getresponse()
            response.read()
        except (HTTPException, OSError):
            return
        sent += 1
        if response.status == 204:
            counts[number] += _EVENTS


def _stored(folder: Path) -> int:
    database = folder / "events.sqlite"
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    return sum(segment.read_text().count('"kind":"click"') for segment in folder.glob("privacy-log/*.events"))
