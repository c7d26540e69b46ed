"""A pytest plugin for the tests of a site. It is active as soon as the extension is installed.

Its fixtures use a fixture ``app`` that returns the site's Flask app, as pytest-flask does.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from . import config as settings
from .audit.source.html import MarkupPart, of_markup
from .audit.source.scan import Rules, own_hosts
from .audit.source.traces import LoadTrace, SourcePlace, Trace, host_in
from .consent.decision import CHOICES, Choice
from .storage.clock import DAY, today
from .web.context import current_runtime
from .web.runtime import Runtime

if TYPE_CHECKING:
    from .audit.browser.report import AuditReport

_LINK = re.compile(r"<([^>]*)>[^,]*\brel=\"?(?:preload|modulepreload|preconnect|dns-prefetch|prefetch|stylesheet)")

#: The settings that name a folder or a database.
_PLACES = (
    "PRIVACY_EVENTS_URL", "PRIVACY_BOOKS_URL", "PRIVACY_LEDGER_URL", "PRIVACY_DATABASE_URL", "PRIVACY_LOG_DIR",
    "PRIVACY_MAIL_ASIDE", "PRIVACY_ASSETS_DIR",
)  # fmt: skip


class OwnFiles:
    """The files of one test run. No app that is made in the run uses the databases, log and keys of the real site."""

    def __init__(self, own_databases: bool) -> None:
        self.run_folder: str | None = None  # of pytest's tmp_path; files below it stay where they are
        self.test = ""
        self._own_databases = own_databases

    @cached_property
    def folder(self) -> str:
        """The folder of all apps, created for the first of them."""
        return tempfile.mkdtemp(prefix="privacy-tests-")

    def redirect(self, config: dict[str, Any], instance_path: str) -> tuple[dict[str, Any], str]:
        """Return the config and the instance path of an app, without the places outside the test run.

        In one test, the same instance path leads to the same folder. Another test gets another folder.
        """
        kept = {name: value for name, value in config.items() if name not in _PLACES or self._is_kept(value)}
        if not self._is_inside(instance_path):
            name = hashlib.sha256(f"{self.test} {instance_path}".encode()).hexdigest()[:16]
            instance_path = os.path.join(self.folder, name)
        return dict.fromkeys(_PLACES) | kept, instance_path

    def remove(self) -> None:
        if "folder" in vars(self):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _is_kept(self, value: Any) -> bool:
        """Whether a place stays. An invalid value stays too, so that it is reported."""
        if isinstance(value, str) and value.startswith(("postgresql", "clickhouse")):
            return self._own_databases
        path = value.removeprefix("sqlite:///") if isinstance(value, str) else value
        return not (isinstance(path, str | os.PathLike) and os.path.isabs(path)) or self._is_inside(path)

    def _is_inside(self, path: str | os.PathLike[str]) -> bool:
        return self.run_folder is not None and Path(os.path.realpath(path)).is_relative_to(self.run_folder)


_own_files = pytest.StashKey[OwnFiles]()


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = "Let apps use the server URLs of their PRIVACY_* settings, because these databases are for tests only."
    parser.addini("privacy_own_databases", help_text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    files = config.stash[_own_files] = OwnFiles(config.getini("privacy_own_databases"))
    settings.in_tests = files.redirect


def pytest_unconfigure(config: pytest.Config) -> None:
    settings.in_tests = None
    config.stash[_own_files].remove()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    item.config.stash[_own_files].test = item.nodeid
    return (yield)


@pytest.fixture(scope="session", autouse=True)
def _privacy_run_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    pytestconfig.stash[_own_files].run_folder = os.path.realpath(tmp_path_factory.getbasetemp())


@pytest.fixture
def privacy_client(app: Flask) -> Callable[..., FlaskClient]:
    """Returns a function that creates the test client of a visitor.

    Without arguments the visitor is undecided. Otherwise the visitor has made a choice: ``privacy_client("accept_all")``,
    ``("reject_all")`` or ``("save", purposes=["statistics"], services=["map"])``. The choice is posted like the banner's
    form, so the client has the cookie, and the ledger has the entry. With ``gpc=True`` the browser sends Global Privacy
    Control.
    """

    def create_client(choice: Choice | None = None, **selection: Any) -> FlaskClient:
        client = app.test_client()
        if selection.pop("gpc", False):
            client.environ_base["HTTP_SEC_GPC"] = "1"
        if choice is not None:
            _decide(client, _runtime_of(app), choice, **selection)
        return client

    return create_client


@pytest.fixture
def assert_no_trace(app: Flask) -> Callable[[TestResponse], None]:
    """Returns a function that fails the test if a response does anything that requires consent.

    The failure lists every trace: a cookie that is not necessary, a load from another host, the tracker, and undeclared
    storage.
    """

    def check(response: TestResponse) -> None:
        runtime = _runtime_of(app)
        traces = [*_cookies(runtime, response), *_tracker(runtime, response), *_loads(app, runtime, response)]
        __tracebackhide__ = True
        if traces:  # no assert statement, because pytest would repeat the whole message
            lines = "".join(f"\n- {trace}" for trace in traces)
            raise AssertionError(f"{response.request.path} leaves traces without consent ({len(traces)}):{lines}")

    return check


@pytest.fixture
def privacy_audit(app: Flask) -> Callable[..., AuditReport]:
    """Returns a function that audits the site in a real browser, fails the test on findings, and returns the report.

    It takes the arguments of :func:`flask_mixamo_privacy.audit.audit`, and ``baseline``: the path of a file of accepted
    findings.
    """

    def run_audit(*, baseline: str | Path | None = None, **options: Any) -> AuditReport:
        __tracebackhide__ = True
        from .audit.browser import report as terminal  # imported late, because no other fixture needs a browser
        from .audit.browser.crawl import audit
        from .audit.browser.report import apply_baseline, read

        report = audit(app, **options)
        if baseline is not None:
            report = apply_baseline(report, read(Path(baseline)), today())
        if report.exit_code:
            raise AssertionError("\n".join(["The audit has findings, or could not run.", "", *terminal.lines(report)]))
        return report

    return run_audit


def _runtime_of(app: Flask) -> Runtime:
    with app.app_context():
        return current_runtime()


def _decide(
    client: FlaskClient, runtime: Runtime, choice: Choice, purposes: Iterable[str] = (), services: Any = None
) -> None:
    """Post a decision. Raises :class:`UndeclaredPurpose` or :class:`UndeclaredService`, and AssertionError on failure."""
    if choice not in CHOICES:
        raise ValueError(f"The choice is {choice!r}; allowed: {', '.join(CHOICES)}.")
    data: dict[str, Any] = {"choice": choice, "purpose": [runtime.policy.purpose(purpose).id for purpose in purposes]}
    if services is not None:
        data |= {"services": "listed", "service": [runtime.policy.service(service).id for service in services]}
    response = client.post(f"{runtime.settings.url_prefix}/consent", data=data)
    assert response.status_code == 303, f"The decision {choice!r} failed with {response.status}: {response.text}"


def _cookies(runtime: Runtime, response: TestResponse) -> Iterator[str]:
    now = time.time()
    undecided = runtime.cookies_at("", False).consent((), int(now) // DAY, gpc=False)
    return (str(error).partition("\n")[0] for _, error in runtime.guard.violations(response, undecided, now))


def _tracker(runtime: Runtime, response: TestResponse) -> Iterator[str]:
    if response.mimetype == "text/html" and f"{runtime.settings.url_prefix}/tracker.js" in response.text:
        yield "The tracker's tag is in the page."


def _loads(app: Flask, runtime: Runtime, response: TestResponse) -> Iterator[str]:
    rules = Rules(runtime.policy, {response.request.host, *own_hosts(app, runtime)})
    return (f"{found.message} {found.hint}" for found in rules.findings(_traces(response)) if found.level == "error")


def _traces(response: TestResponse) -> list[Trace]:
    place = SourcePlace(response.request.path, 0)
    linked = [host_in(address) for header in response.headers.getlist("Link") for address in _LINK.findall(header)]
    found: list[Trace] = [LoadTrace(place, host, "") for host in linked if host]
    return found + of_markup([MarkupPart(response.text)], place.file) if response.mimetype == "text/html" else found
