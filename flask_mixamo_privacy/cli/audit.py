"""``flask privacy audit``: compares the running site with its declaration in a real browser."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..config import isolated
from ..storage.clock import today
from ..web.context import current_runtime
from .common import echo, exit_2_on_error, exit_codes, json_option, print_json, progress_bar

if TYPE_CHECKING:
    from ..audit.browser.report import AuditReport


_FILE = click.Path(dir_okay=False, path_type=Path)


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Parse a repeatable option ``NAME=VALUE``. Without a value, the name is the value."""
    return {name: value if equals else name for name, equals, value in (text.partition("=") for text in values)}


@exit_codes("no findings", "findings", error="the site could not be audited")
@click.command("audit")
@click.argument("url", required=False)
@click.option(
    "--login",
    "logins",
    multiple=True,
    callback=_pairs,
    help="NAME or NAME=ID: a user to sign in as, by Flask-Login's id; repeatable.",
)
@click.option(
    "--example",
    "examples",
    multiple=True,
    callback=_pairs,
    help="ARGUMENT=VALUE: a value for an argument of the URL map; repeatable.",
)
@click.option("--skip", multiple=True, help="A pattern of paths to leave out, such as '/admin/*'; repeatable.")
@click.option("--limit", default=40, show_default=True, type=click.IntRange(1), help="The most pages for each login.")
@click.option(
    "--wait", default=0.1, show_default=True, type=click.FloatRange(0), help="Seconds on each page after it has loaded."
)
@click.option(
    "--offline", is_flag=True, help="Resolve no host but the site's own. Requests to other hosts are still reported."
)
@click.option(
    "--baseline",
    "known",
    type=_FILE,
    help="A file of accepted findings; by default privacy-audit.toml beside the declaration.",
)
@click.option("--html", type=_FILE, help="Write a report with screenshots to this file.")
@click.option("--suggest", is_flag=True, help="Print TOML for what is not declared, and the report to standard error.")
@click.option(
    "--known",
    "cookie_database",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --suggest: a CSV file in the format of the Open Cookie Database.",
)
@json_option
@click.pass_context
@exit_2_on_error
def audit_command(
    context: click.Context,
    /,
    url: str | None,
    known: Path | None,
    html: Path | None,
    suggest: bool,
    cookie_database: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Visit the site with every decision a visitor can make, and compare it with privacy.toml.

    Without a URL, the app is started on a free port, with the extension's files in a temporary folder. Exit with 0 if
    there are no findings, 1 if there are findings, 2 if the site could not be audited.
    """
    # `flask privacy --help` imports this module, but does not need the audit.
    from ..audit.browser import report as baseline
    from ..audit.browser.crawl import audit
    from ..audit.browser.known_cookies import KnownCookies
    from ..audit.browser.report import as_html
    from ..audit.browser.suggestion import suggestion_text

    known_cookies = KnownCookies.read(cookie_database) if cookie_database else None
    with _app(context.ensure_object(ScriptInfo)) as app, app.app_context():
        path = known or _beside(baseline.NAME)
        entries = baseline.read(path) if path else []
        logins = {**current_runtime().settings.audit_logins, **options.pop("logins")}
        with _progress() as progress:
            report = audit(url or app, logins=logins, pictures=html is not None, progress=progress, **options)
        report = baseline.apply_baseline(report, entries, today())
        policy = current_runtime().policy
    suggestion = "\n".join(suggestion_text(report.undeclared, policy, known_cookies)) if suggest else None
    if html is not None:
        html.write_text(as_html(report), encoding="utf-8")
    _print(report, as_json, suggestion)
    sys.exit(report.exit_code)


@contextmanager
def _app(script: ScriptInfo) -> Iterator[Flask]:
    with tempfile.TemporaryDirectory(prefix="privacy-audit-", ignore_cleanup_errors=True) as folder:
        with isolated(folder):
            app = script.load_app()
        yield app


def _beside(name: str) -> Path | None:
    """Return the file of this name beside the declaration, or None if there is none."""
    declaration = current_runtime().settings.policy_file
    path = Path(declaration).with_name(name) if declaration else None
    return path if path and path.exists() else None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error, if that is a terminal. The total number of pages may grow."""
    with progress_bar("Auditing", 100) as bar:

        def update(done: int, total: int) -> None:
            bar.update(int(100 * done / total) - bar.pos if total else 0)

        yield update


def _print(report: AuditReport, as_json: bool, suggestion: str | None) -> None:
    from ..audit.browser import report as terminal

    if as_json:
        print_json(report.as_dict() | ({} if suggestion is None else {"suggestion": suggestion}))
        return
    for line in terminal.lines(report):
        echo(line, lines=True, err=suggestion is not None)
    if suggestion is not None:
        echo(suggestion, lines=True)
