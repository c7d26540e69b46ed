"""``flask privacy audit``: the running site held against its declaration in a real browser."""

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
from .common import exit_2_on_error, json_option, print_json

if TYPE_CHECKING:
    from ..audit.browser.report import AuditReport


_FILE = click.Path(dir_okay=False, path_type=Path)


def _pairs(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` of an option that may be given several times; a name alone is its own value."""
    return {name: value if equals else name for name, equals, value in (one.partition("=") for one in given)}


@click.command("audit")
@click.argument("url", required=False)
@click.option("--login", "logins", multiple=True, callback=_pairs, help="NAME or NAME=ID: a user by Flask-Login's id.")
@click.option("--example", "examples", multiple=True, callback=_pairs, help="ARGUMENT=VALUE for the URL map.")
@click.option("--skip", multiple=True, help="A pattern of paths to leave alone, such as '/admin/*'.")
@click.option("--limit", default=40, show_default=True, type=click.IntRange(1), help="The most pages for each login.")
@click.option("--wait", default=0.1, show_default=True, type=click.FloatRange(0), help="Seconds on each page.")
@click.option("--offline", is_flag=True, help="Find no host but the site's own; who asks for others is told all the same.")
@click.option("--baseline", "known", type=_FILE, help="Known findings; else privacy-audit.toml beside the declaration.")
@click.option("--html", type=_FILE, help="Write a report with pictures there.")
@json_option
@click.pass_context
@exit_2_on_error
def audit_command(
    context: click.Context, /, url: str | None, known: Path | None, html: Path | None, as_json: bool, **options: Any
) -> None:
    """Look at the site as visitors with every answer see it, and tell where it and its privacy.toml are apart.

    The app is started on a free port, with the extension's files in a temporary folder; or give the URL at which it runs.
    Exit 0: nothing found. 1: findings. 2: could not look.
    """
    # No serving process needs these, and every one of them imports this module.
    from ..audit.browser import report as baseline
    from ..audit.browser.crawl import audit
    from ..audit.browser.report import as_html

    with _app(context.ensure_object(ScriptInfo)) as app, app.app_context():
        path = known or _beside(baseline.NAME)
        entries = baseline.read(path) if path else []
        logins = {**current_runtime().settings.audit_logins, **options.pop("logins")}
        with _progress() as progress:
            found = audit(url or app, logins=logins, pictures=html is not None, progress=progress, **options)
        report = baseline.apply_baseline(found, entries, today())
    if html is not None:
        html.write_text(as_html(report), encoding="utf-8")
    _print(report, as_json)
    sys.exit(report.exit_code)


@contextmanager
def _app(script: ScriptInfo) -> Iterator[Flask]:
    with tempfile.TemporaryDirectory(prefix="privacy-audit-", ignore_cleanup_errors=True) as folder:
        with isolated(folder):
            app = script.load_app()
        yield app


def _beside(name: str) -> Path | None:
    """A file of this name beside the declaration, if it is there."""
    file = current_runtime().settings.policy_file
    found = Path(file).with_name(name) if file else None
    return found if found and found.exists() else None


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on the error stream, and nothing at all where nobody is looking. How much there is shows on the way."""
    with click.progressbar(length=100, label="Looking", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def told(done: int, of: int) -> None:
            bar.update(int(100 * done / of) - bar.pos if of else 0)

        yield told


def _print(report: AuditReport, as_json: bool) -> None:
    from ..audit.browser import report as terminal

    if as_json:
        print_json(report.as_dict())
        return
    for line in terminal.lines(report):
        click.echo(line)
