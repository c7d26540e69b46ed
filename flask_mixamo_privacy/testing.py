"""For a site's own tests: a pytest plugin, there as soon as the extension is installed.

Its fixtures ask for one named ``app`` that gives the site's Flask app, as pytest-flask does too.
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
    """Makes test clients of visitors who decided: ``privacy_client("accept_all")``, ``("reject_all")``,
    ``("save", purposes=["statistics"], services=["map"])``; one who was never asked without arguments.

    ``gpc=True`` is a browser that sends Global Privacy Control. The decision is posted as the banner's form does, with
    the ledger's entry and the cookie that come of it.
    """

    def visitor(choice: Choice | None = None, **wanted: Any) -> FlaskClient:
        client = app.test_client()
        if wanted.pop("gpc", False):
            client.environ_base["HTTP_SEC_GPC"] = "1"
        if choice is not None:
            _decide(client, _site_of(app), choice, **wanted)
        return client

    return visitor


@pytest.fixture
def assert_no_trace(app: Flask) -> Callable[[TestResponse], None]:
    """Fails for a response that does anything for which a visitor has to be asked first, and says all of it: a cookie
    that is not necessary, something from another host, the tracker, storage that is not declared."""

    def hold(response: TestResponse) -> None:
        runtime = _site_of(app)
        found = [*_cookies(runtime, response), *_tracker(runtime, response), *_loads(app, runtime, response)]
        __tracebackhide__ = True
        if found:  # raised by hand: pytest would take an assertion apart and say all of it twice
            said = "".join(f"\n- {one}" for one in found)
            raise AssertionError(f"{response.request.path} leaves traces without consent ({len(found)}):{said}")

    return hold


@pytest.fixture
def privacy_audit(app: Flask) -> Callable[..., AuditReport]:
    """Looks at the whole site in a real browser, as :func:`flask_mixamo_privacy.audit.audit` does with the same arguments,
    and fails for what it finds; ``baseline`` is the path of a file of known findings. Gives the report."""

    def look(*, baseline: str | Path | None = None, **options: Any) -> AuditReport:
        __tracebackhide__ = True
        from .audit.browser import report as terminal  # no other test needs these
        from .audit.browser.crawl import audit
        from .audit.browser.report import apply_baseline, read

        report = audit(app, **options)
        if baseline is not None:
            report = apply_baseline(report, read(Path(baseline)), today())
        if report.exit_code:
            raise AssertionError("\n".join(["The audit found something, or could not look.", "", *terminal.lines(report)]))
        return report

    return look


def _site_of(app: Flask) -> Runtime:
    with app.app_context():
        return current_runtime()


def _decide(
    client: FlaskClient, runtime: Runtime, choice: Choice, purposes: Iterable[str] = (), services: Any = None
) -> None:
    """Raises :class:`UndeclaredPurpose`, :class:`UndeclaredService`, and AssertionError where the site did not take it."""
    if choice not in CHOICES:
        raise ValueError(f"The choice is {choice!r}; allowed: {', '.join(CHOICES)}.")
    data: dict[str, Any] = {"choice": choice, "purpose": [runtime.policy.purpose(purpose).id for purpose in purposes]}
    if services is not None:
        data |= {"services": "listed", "service": [runtime.policy.service(service).id for service in services]}
    answer = client.post(f"{runtime.settings.url_prefix}/consent", data=data)
    assert answer.status_code == 303, f"The decision {choice!r} was answered {answer.status}: {answer.text}"


def _cookies(runtime: Runtime, response: TestResponse) -> Iterator[str]:
    now = time.time()
    nobody = runtime.cookies.consent(None, int(now) // DAY, gpc=False)
    return (str(error).partition("\n")[0] for _, error in runtime.guard.violations(response, nobody, now))


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
