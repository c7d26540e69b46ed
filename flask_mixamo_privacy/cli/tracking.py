"""``flask privacy load | report | events | prune | rebuild``: events, from the log to their deletion."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import PrivacyError
from ..reports.formatting import as_csv, as_text, newest, window_of
from ..reports.reports import NAMES, Report
from ..reports.windows import UNITS, Window
from ..tracking.loader import WAIT, Loaded
from ..tracking.log import segments
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import exit_2_on_error, json_option, os_username, print_json, progress_bar, without_collecting

# ``flask privacy report``: reports in a terminal, as JSON and as CSV.


@click.command("report")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--period", type=click.Choice(UNITS), help="The newest day, week or month that has closed, or all.")
@click.option("--window", help="A certain one: 2026-05-08, 2026-W19, 2026-05 or all.")
@json_option
@click.option("--csv", "in_csv", is_flag=True, help="One report, for a spreadsheet.")
@with_appcontext
@exit_2_on_error
def report_command(names: tuple[str, ...], period: str | None, window: str | None, as_json: bool, in_csv: bool) -> None:
    """Show visits, repeat visits, pages and customisation of consenting visitors, as totals.

    With the NAMEs of reports, or for a period or a window, show those: visits, pages, movement and so on.
    """
    if as_json and in_csv:
        raise click.UsageError("--json and --csv are two ways to write a report: choose one.")
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    if not (names or period or window is not None or in_csv):
        found = runtime.reports.summary()
        print_json(_summary(*found)) if as_json else click.echo(_text(found))
        return
    chosen = _chosen(names)
    if in_csv and len(names) != 1:
        raise click.UsageError(f"--csv writes one report: name it, one of {', '.join(NAMES)}.")
    of = _window(runtime, period, window)
    reports = [report for report in runtime.reports.every(of) if report.id in chosen]
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        click.echo(as_csv(reports[0]) if in_csv else _text(reports), nl=not in_csv)


def _chosen(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in NAMES:
            raise click.UsageError(f"There is no report {name!r}; there are: {', '.join(NAMES)}.")
    return names or NAMES


def _window(runtime: Runtime, period: str | None, window: str | None) -> Window:
    if window is None:
        return newest(runtime.reports, period or "all")
    try:
        found = window_of(runtime.reports, window)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--window") from None
    if period not in (None, found.unit):
        raise click.UsageError(f"--window {window} is no {period}; leave --period out.")
    return found


def _text(reports: Sequence[Report]) -> str:
    return as_text(reports, shutil.get_terminal_size().columns)


def _summary(totals: Report, pages: Report, choices: Report) -> dict[str, Any]:
    """The one object that ``--json`` writes if no report is named."""
    names = ("page", "views", "visitors", "share")
    return {
        **totals.as_dict()["rows"][0],
        "pages": [dict(zip(names, row, strict=False)) for row in pages.rows],
        "customisation": choices.as_dict()["rows"],
        **{name: getattr(totals, name) for name in ("min_cell", "consenting", "until", "counted")},
    }


@click.command("load")
@click.option("--follow", is_flag=True, help="Go on loading until interrupted.")
@with_appcontext
@exit_2_on_error
def load_command(follow: bool) -> None:
    """Load the log into the database of events."""
    runtime = current_runtime()
    with progress_bar("Loading", _log_size(runtime)) as bar, without_collecting():
        loaded = runtime.load(WAIT, bar.update)
    _say(loaded)
    while follow:
        time.sleep(1)
        _load_again(runtime)


def _log_size(runtime: Runtime) -> int:
    """Return the bytes of log that wait to be loaded."""
    return sum(os.path.getsize(path) for path in segments(runtime.settings.log_dir) if os.path.exists(path))


def _load_again(runtime: Runtime) -> None:
    """One pass of many: a database that is away is waited for, not the end."""
    try:
        loaded = runtime.load(wait=WAIT)
    except (PrivacyError, OSError) as error:
        click.echo(f"Trying again: {error}", err=True)
        return
    if loaded.lines or loaded.torn:
        _say(loaded)


def _say(loaded: Loaded) -> None:
    click.echo(f"{loaded.events} events loaded from {loaded.lines} lines, {loaded.malformed} malformed, {loaded.torn} torn.")


@click.command("events")
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True)
@with_appcontext
@exit_2_on_error
def events_command(form: str) -> None:
    """Print every event, for the operator; the ledger keeps that you looked."""
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    _note_access(runtime, f"events --format {form}")
    for event in runtime.store.rows():
        print_json(event)


@click.command("prune")
@with_appcontext
@exit_2_on_error
def prune_command() -> None:
    """Delete events, decisions and mails that are older than the policy allows; exit 1 where a store failed."""
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    retention = runtime.policy.retention
    with progress_bar("Pruning", runtime.store.count(before=runtime.first_kept()[0])) as bar:
        deleted = runtime.prune(lambda number: bar.update(number - bar.pos))
    click.echo(f"{deleted.events} events older than {retention.events} deleted.")
    if deleted.entries:
        click.echo(f"{deleted.entries} entries of the ledger older than {retention.decisions} sealed and deleted.")
    if deleted.mails:
        click.echo(f"{deleted.mails} mails that could not be read, older than {retention.mail}, deleted.")
    expired = runtime.rights.replay.expire()
    if rows := sum(outcome.result.changed for outcome in expired):
        click.echo(f"{rows} rows kept after an erasure, and no longer needed, deleted.")
    failed = [outcome for outcome in expired if outcome.error]
    for outcome in failed:
        click.echo(f"{outcome.store}: {outcome.error}")
    sys.exit(1 if failed else 0)


@click.command("rebuild")
@json_option
@with_appcontext
@exit_2_on_error
def rebuild_command(as_json: bool) -> None:
    """Make the reports anew from the events, month by month; a month that lost events to an erasure stays as it is."""
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    with progress_bar("Rebuilding", len(runtime.rebuilder.months())) as bar:
        found = runtime.rebuilder.rebuild(lambda month: bar.update(1))
    if as_json:
        print_json(asdict(found))
        return
    click.echo(f"{len(found.months)} months made anew{': ' * bool(found.months)}{', '.join(found.months)}.")
    if found.skipped:
        click.echo(f"Left as they are, since some of their events are gone: {', '.join(found.skipped)}.")


def _note_access(runtime: Runtime, what: str) -> None:
    runtime.ledger.record_or_spool("access", detail={"who": os_username(), "what": what})
