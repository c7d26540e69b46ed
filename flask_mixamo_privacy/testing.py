"""A pytest plugin for the tests of a site. It is active as soon as the extension is installed.

Its fixtures use a fixture ``app`` that returns the site's Flask app, as pytest-flask does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

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
    undecided = runtime.cookies.consent(None, int(now) // DAY, gpc=False)
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
