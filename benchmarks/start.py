"""CPU time to start and memory of a worker, compared with a Flask app without the extension."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from .budget import Figure

_ROUNDS = 15
_CPU, _MEMORY = 1.6, 1.35  # the budgets

_APP = """
import resource, sys, time
from flask import Flask, render_template_string
app = Flask("bare", instance_path=sys.argv[1])
app.secret_key = "not a secret, a benchmark"
"""
_PRIVACY = """
from flask_mixamo_privacy import Privacy
Privacy(app)
"""
_SERVE = """
app.add_url_rule("/", "index", lambda: render_template_string(PAGE))
visitor = app.test_client()
visitor.get("/")
"""
_GRANT = """
assert visitor.post("/privacy/consent", data={"choice": "accept_all"}).status_code == 303
visitor.get("/")
"""
# The maximum in getrusage() would include the process that started this one.
_MEASURE = """
try:
    with open("/proc/self/status") as status:
        memory = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except FileNotFoundError:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.process_time(), memory)
"""
_BARE_PAGE, _PAGE = 'PAGE = "<body>"', 'PAGE = "<body>{{ privacy.banner() }}"'

#: Programs without and with the extension, by action they do before the measurement.
_PAIRS = {
    "start": (_APP + _MEASURE, _APP + _PRIVACY + _MEASURE),
    "a page with the banner": (
        _APP + _BARE_PAGE + _SERVE + _MEASURE,
        _APP + _PRIVACY + _PAGE + _SERVE + _MEASURE,
    ),
    "a grant, and its page view": (
        _APP + _BARE_PAGE + _SERVE + _MEASURE,
        _APP + _PRIVACY + _PAGE + _SERVE + _GRANT + _MEASURE,
    ),
}


class _Used(NamedTuple):
    """The resources that one process used."""

    seconds: float  # CPU time, including the interpreter's start
    memory: int  # maximum, in the operating system's unit


def measure() -> list[Figure]:
    """Return ratios of start time and memory. Each pair of processes alternates, from compiled files."""
    figures = []
    with TemporaryDirectory(prefix="privacy-start-") as folder:
        for action, (bare, extended) in _PAIRS.items():
            _run(bare, folder), _run(extended, folder)  # the first run compiles
            rounds = [(_run(bare, folder), _run(extended, folder)) for _ in range(_ROUNDS)]
            if action == "start":
                figures.append(Figure("start, Flask alone", median(one.seconds for one, _ in rounds) * 1000, "ms"))
                figures.append(Figure("start", median(two.seconds / one.seconds for one, two in rounds), "×", _CPU))
            memory = median(two.memory / one.memory for one, two in rounds)
            figures.append(Figure(f"memory after {action}", memory, "×", _MEMORY))
    return figures


def _run(program: str, folder: str) -> _Used:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
    with TemporaryDirectory(dir=folder) as instance:
        command = [sys.executable, "-c", program, instance]
        printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, memory = printed.split()
    return _Used(float(seconds), int(memory))
