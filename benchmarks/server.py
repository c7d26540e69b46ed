"""A logged page view under gunicorn, compared with the same empty page without the extension."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flask import Flask

from flask_mixamo_privacy import Privacy

from . import visitors
from .budget import Figure
from .client import Job, hammer

ROUNDS, SECONDS, CLIENTS = 7, 3, 16
_SIDES = {"bare": "", "without loader": "off", "with loader": "on"}
_FOLDER, _LOADER = "BENCHMARK_FOLDER", "BENCHMARK_LOADER"


@dataclass(frozen=True)
class Load:
    """The result of one load of a few seconds."""

    rate: float  # requests a second
    p99: float  # milliseconds


def site() -> Flask:
    """Return the app for gunicorn. The environment sets its folder, and whether it has the extension and its loader."""
    return build(Path(os.environ[_FOLDER]), os.environ[_LOADER])


def build(folder: Path, loader: str) -> Flask:
    """Return a site with an empty page: bare if ``loader`` is "", else with the extension."""
    app = Flask("empty", instance_path=str(folder))
    app.config.update(SECRET_KEY="not a secret, a benchmark", PRIVACY_LOADER=loader == "on")
    app.add_url_rule("/", "index", lambda: "")
    if loader:
        Privacy(app)
    else:
        app.add_url_rule("/privacy/events", "events", lambda: ("", 204), methods=["POST"])
    return app


def measure() -> list[Figure]:
    """Return ratios of requests a second and of p99, as medians over rounds of all sides."""
    with TemporaryDirectory() as folder, ExitStack() as running:
        maker = build(Path(folder), "off")  # creates cookies, and serves nothing
        ports = {side: running.enter_context(serving(Path(folder, side), loader)) for side, loader in _SIDES.items()}
        for side, port in ports.items():
            _check(port, Path(folder, side), visitors.consented(maker), logged=side != "bare")
            _load(port, visitors.consented(maker), seconds=1)
        rounds = [{side: _load(ports[side], visitors.consented(maker)) for side in _order(n)} for n in range(ROUNDS)]
    return [*_figures(rounds, "without loader"), *_figures(rounds, "with loader"), _bare(rounds)]


def _order(number: int) -> list[str]:
    """Return the order of the sides in this round. Each side is first in turn."""
    sides = [*_SIDES]
    return sides[number % len(sides) :] + sides[: number % len(sides)]


def _figures(rounds: list[dict[str, Load]], side: str) -> Iterator[Figure]:
    rate = median(one[side].rate / one["bare"].rate for one in rounds)
    p99 = median(one[side].p99 / one["bare"].p99 for one in rounds)
    yield Figure(f"logged empty page, {side}, req/s", rate, "×", 0.90, at_least=True)
    yield Figure(f"logged empty page, {side}, p99", p99, "×", 1.3)


def _bare(rounds: list[dict[str, Load]]) -> Figure:
    return Figure("bare empty page, req/s", median(one["bare"].rate for one in rounds), "/s")


@contextmanager
def serving(folder: Path, loader: str) -> Iterator[int]:
    folder.mkdir()
    port = free_port()
    # One worker, because kept-alive connections spread unevenly over several, which would dominate the rate.
    options = f"--workers 1 --threads 16 --worker-class gthread --bind 127.0.0.1:{port} --log-level error".split()
    environ = os.environ | {_FOLDER: str(folder), _LOADER: loader}
    command = [sys.executable, "-m", "gunicorn", *options, "benchmarks.server:site()"]
    process = subprocess.Popen(command, env=environ, cwd=Path(__file__).parent.parent)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    """Return a port of loopback that no process uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Wait until a server listens on the port of loopback."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("gunicorn did not start within 30 seconds")


def _check(port: int, folder: Path, cookie: str, logged: bool) -> None:
    """Assert that the page is empty, and that the log has a page view only if the extension runs."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"Cookie": cookie})
    response = connection.getresponse()
    assert response.status == 200, response.status
    assert response.read() == b""
    assert str(response.headers["Content-Type"]).startswith("text/html"), response.headers
    connection.close()
    lines = sum(segment.read_text().count('"kind":"page_view"') for segment in folder.glob("privacy-log/*.events"))
    assert lines == logged, lines


def _load(port: int, cookie: str, seconds: int = SECONDS) -> Load:
    """Run sixteen keep-alive clients for a few seconds. Each status must be 200."""
    if shutil.which("wrk"):
        return _by_wrk(port, cookie, seconds)
    return Load(*hammer(Job(port, [cookie]), CLIENTS, seconds))


def _by_wrk(port: int, cookie: str, seconds: int) -> Load:
    return wrk(f"http://127.0.0.1:{port}/", seconds, "-H", f"Cookie: {cookie}")


def wrk(address: str, seconds: int, *options: str) -> Load:
    """Return what wrk measures with sixteen clients. Each status must be 2xx."""
    command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--latency", *options, address]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    assert "Non-2xx" not in output, output
    rate, p99 = re.search(r"Requests/sec:\s+([\d.]+)", output), re.search(r"99%\s+([\d.]+)(us|ms|s)\b", output)
    assert rate, output
    assert p99, output
    return Load(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])
