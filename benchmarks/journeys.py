"""The number of the package's files that four journeys cross, and so must be opened to follow the code.

    python -m benchmarks journeys       (the numbers; python -m benchmarks.journeys also prints the files)

Each journey is a real request or command, followed with ``sys.setprofile``. A file counts once if any of its functions runs.
"""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

from flask import Flask, render_template, request
from jinja2 import DictLoader

import flask_mixamo_privacy
from flask_mixamo_privacy import Privacy

from .budget import Figure

PACKAGE = Path(flask_mixamo_privacy.__file__).parent
SHOP = Path(__file__).parents[1] / "example_site" / "privacy.toml"
PAGE = "<!doctype html><body>{{ privacy.banner() }}<p>{{ privacy.settings_link() }}</p></body>"
FORM = "<form method=post>{{ privacy.notice('newsletter') }}{{ privacy.opt_in('newsletter') }}</form>"
#: The budget of files for each journey.
MOST = {"page view, load, report": 30, "accept all": 16, "form with an opt-in": 19, "erase --subject": 16}


@contextmanager
def traced() -> Iterator[list[str]]:
    """Collect ``file:function`` of each call of a function of the package, in order, on every thread."""
    calls: list[str] = []

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)) and frame.f_code.co_name != "<module>":
            calls.append(f"{Path(frame.f_code.co_filename).relative_to(PACKAGE)}:{frame.f_code.co_name}")

    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def build(folder: str) -> Flask:
    """Return an app with a page and a newsletter form, without logins and without a background loader."""
    app = Flask("journeys", instance_path=folder)
    app.config.update(SECRET_KEY="journeys", TESTING=True, PRIVACY_POLICY=str(SHOP), PRIVACY_SEND=lambda mail: None)
    app.config["PRIVACY_CONFIRM_OPT_INS"] = "never"  # the site has confirmed the address, so the journey ends with the form
    app.jinja_loader = DictLoader({"page.html": PAGE, "form.html": FORM})
    privacy = Privacy(app)
    app.add_url_rule("/", "page", lambda: render_template("page.html"))
    app.add_url_rule("/form", "form", privacy.collects("newsletter")(form), methods=["GET", "POST"])
    return app


def form() -> str:
    return "Thanks" if request.method == "POST" else render_template("form.html")


def hidden(html: str) -> dict[str, str]:
    """Return the hidden fields of a page's last form."""
    tags = re.findall(r"<input[^>]*>", html.rpartition("<form")[2])
    inputs = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in tags]
    return {each["name"]: unescape(each["value"]) for each in inputs if each.get("type") == "hidden"}


def run(app: Flask) -> dict[str, list[str]]:
    """Return the calls of each journey. Each one is run twice, so that the second run fills no caches."""
    client, cli = app.test_client(), app.test_cli_runner()
    journeys: dict[str, list[str]] = {}

    def journey(name: str, function: Callable[..., Any], *arguments: Any, **values: Any) -> None:
        with traced() as calls:
            outcome = function(*arguments, **values)
        status = getattr(outcome, "status_code", getattr(outcome, "exit_code", None))
        assert status in (0, 200, 303), f"{name}: {status}"
        journeys.setdefault(name, []).extend(calls)

    for person in ("ada@shop.example", "bob@shop.example"):  # an erased person would need a link to opt in again
        journeys.clear()
        birth = {"privacy_opt_in": "newsletter", "privacy_birth_year": "1990", "email": person}
        app.test_client().get("/")
        client = app.test_client()
        shown = hidden(client.get("/").text)
        journey("accept all", client.post, "/privacy/consent", data={**shown, "choice": "accept_all"})
        client.get("/")
        journey("page view, load, report", client.get, "/")
        journey("page view, load, report", cli.invoke, args=["privacy", "load"])
        journey("page view, load, report", cli.invoke, args=["privacy", "report"])
        fields = {**hidden(client.get("/form").text), **birth}
        journey("form with an opt-in", client.post, "/form", data=fields)
        journey("erase --subject", cli.invoke, args=["privacy", "erase", "--subject", person])
    return journeys


def files(calls: list[str]) -> list[str]:
    """Return each file once, in the order of its first call."""
    return list(dict.fromkeys(call.partition(":")[0] for call in calls))


def switches(calls: list[str]) -> int:
    """Return how often a call is in another file than the call before it."""
    called = [call.partition(":")[0] for call in calls]
    return sum(one != other for one, other in itertools.pairwise(called))


def measure() -> list[Figure]:
    """Return the number of files of each journey, with its budget."""
    with tempfile.TemporaryDirectory() as folder:
        crossed = {name: files(calls) for name, calls in run(build(folder)).items()}
    return [Figure(f"journey: {name}", len(paths), "files", MOST[name]) for name, paths in crossed.items()]


def main() -> None:
    """Print the files that each journey crosses, in order."""
    with tempfile.TemporaryDirectory() as folder:
        for name, calls in run(build(folder)).items():
            crossed = files(calls)
            print(f"{name}: {len(crossed)} files, of {MOST[name]}; {len(set(calls))} functions, {switches(calls)} switches")
            print("   " + " > ".join(crossed))


if __name__ == "__main__":
    main()
