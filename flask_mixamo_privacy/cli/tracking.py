"""``flask privacy load | hosts | report | events | prune | rebuild``: events and reports."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import PrivacyError
from ..reports.definitions import NAMES
from ..reports.formatting import as_csv, as_text, counted, newest, window_of
from ..reports.reports import Report
from ..reports.windows import PERIODS, Window
from ..storage.clock import today
from ..tracking.backlog import read_progress
from ..tracking.loader import WAIT, Loaded
from ..tracking.log import size_of
from ..tracking.watermarks import forget, own_id
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import (
    echo,
    exit_2_on_error,
    exit_codes,
    for_terminal,
    json_option,
    os_username,
    print_json,
    progress_bar,
    without_collecting,
)

# ``flask privacy report``: reports as text, JSON and CSV.


@exit_codes("printed")
@click.command("report")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--period", type=click.Choice(list(PERIODS)), help="The newest closed one, such as month or 28 (days), or all."
)
@click.option("--window", help="One window: 2026-05-08, 2026-W19, 2026-05, 2026-03..2026-05 or all.")
@json_option
@click.option("--csv", "in_csv", is_flag=True, help="Print one report as CSV.")
@with_appcontext
@exit_2_on_error
def report_command(names: tuple[str, ...], period: str | None, window: str | None, as_json: bool, in_csv: bool) -> None:
    """Print totals of consenting visitors: visits, repeat visits, pages and customisation.

    With a NAME, a period or a window, print the reports of that name or window: visits, pages, movement and so on.
    """
    if as_json and in_csv:
        raise click.UsageError("--json and --csv exclude each other: choose one.")
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    if not (names or period or window is not None or in_csv):
        summary = runtime.reports.summary()
        print_json(_summary(*summary)) if as_json else echo(_text(summary), lines=True)
        return
    chosen = _chosen(names)
    if in_csv and len(names) != 1:
        raise click.UsageError(f"--csv prints one report. Name one of {', '.join(NAMES)}.")
    selected = _window(runtime, period, window)
    reports = [report for report in runtime.reports.every(selected) if report.id in chosen]
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        click.echo(for_terminal(as_csv(reports[0]), "\r\n\t"), nl=False) if in_csv else echo(_text(reports), lines=True)


def _chosen(names: Sequence[str]) -> Sequence[str]:
    for name in names:
        if name not in NAMES:
            raise click.UsageError(f"There is no report {name!r}; allowed: {', '.join(NAMES)}.")
    return names or NAMES


def _window(runtime: Runtime, period: str | None, window: str | None) -> Window:
    if window is None:
        return newest(runtime.reports, period or "all")
    try:
        selected = window_of(runtime.reports, window)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--window") from None
    if period is not None and PERIODS[period] != (selected.unit, selected.count):
        raise click.UsageError(f"--window {window} is not a {period}; leave out --period.")
    return selected


def _text(reports: Sequence[Report]) -> str:
    return as_text(reports, shutil.get_terminal_size().columns)


def _summary(totals: Report, pages: Report, choices: Report) -> dict[str, Any]:
    """Return the object that ``--json`` prints if no report is named."""
    names = ("page", "views", "visitors", "share")
    return {
        **totals.as_dict()["rows"][0],
        "pages": [dict(zip(names, row, strict=False)) for row in pages.rows],
        "customisation": choices.as_dict()["rows"],
        **{name: getattr(totals, name) for name in ("min_cell", "consenting", "until", "counted")},
    }


@exit_codes("loaded", error="could not load")
@click.command("load")
@click.option("--follow", is_flag=True, help="Continue until interrupted, and wait for a database that cannot be reached.")
@click.option("--leave", is_flag=True, help="Then forget this host, so that no day waits for it; before it is removed.")
@with_appcontext
@exit_2_on_error
def load_command(follow: bool, leave: bool) -> None:
    """Load the log into the database of events."""
    if follow and leave:
        raise click.UsageError("--follow and --leave exclude each other: choose one.")
    runtime = current_runtime()
    with progress_bar("Loading", _log_size(runtime)) as bar, without_collecting():
        loaded = runtime.load(WAIT, bar.update)
    _print_loaded(loaded)
    if refused := runtime.refused.count(today()):
        echo(f"{counted(refused, 'report or page view', 'reports and page views')} refused today, beyond a limit.")
    if leave and forget(runtime.store, own_id(runtime.settings.log_dir)):
        echo("No day waits for this host, until it loads another line.")
    while follow:
        time.sleep(1)
        _load_again(runtime)


def _log_size(runtime: Runtime) -> int:
    """Return the size in bytes of the log, including segments that are kept."""
    return size_of(runtime.settings.log_dir)


def _load_again(runtime: Runtime) -> None:
    """Load once more. If the database cannot be reached, print the error and return, so that the loop continues."""
    try:
        loaded = runtime.load(wait=WAIT)
    except (PrivacyError, OSError) as error:
        echo(f"Trying again: {error}", err=True)
        return
    if loaded.lines or loaded.torn:
        _print_loaded(loaded)


def _print_loaded(loaded: Loaded) -> None:
    sizes = f"{counted(loaded.events, 'event')} loaded from {counted(loaded.lines, 'line')}"
    echo(f"{sizes}, {loaded.malformed} malformed, {loaded.torn} torn.")


@exit_codes("done", "there is no such host")
@click.command("hosts")
@click.option("--forget", "forgotten", metavar="ID", help="Forget a host that was removed, so that no day waits for it.")
@json_option
@with_appcontext
@exit_2_on_error
def hosts_command(forgotten: str | None, as_json: bool) -> None:
    """List the hosts that load events into this database, and up to when each has loaded its log.

    Exit with 1 if the host to forget is not in the list.
    """
    store = current_runtime().store
    if forgotten is not None:
        if not forget(store, forgotten):
            echo(f"There is no host {forgotten!r}. `flask privacy hosts` lists the ids.", err=True)
            sys.exit(1)
        echo(f"The host {forgotten} was forgotten. It is listed again once it loads a line.")
        return
    hosts = read_progress(store).hosts
    if as_json:
        names = ("id", "name", "state", "watermark", "reported")
        print_json([{name: getattr(host, name) for name in names} for host in hosts])
        return
    for host in hosts:
        up_to = host.watermark or "an unknown moment"
        echo(f"{host.name} ({host.id}): {host.state}, loaded up to {up_to}, last report {host.reported}")
    if not hosts:
        echo("No host has loaded an event yet.")


@exit_codes("printed")
@click.command("events")
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True, help="The format.")
@with_appcontext
@exit_2_on_error
def events_command(form: str) -> None:
    """Print every event as JSON lines. The access is recorded in the ledger.

    Without events, standard output stays empty, and a message goes to standard error.
    """
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    _record_access(runtime, f"events --format {form}")
    event = None
    for event in runtime.store.rows():
        print_json(event)
    if event is None:
        echo("No events. An event is recorded once a visitor has consented to statistics.", err=True)


@exit_codes("deleted", "a store failed")
@click.command("prune")
@with_appcontext
@exit_2_on_error
def prune_command() -> None:
    """Delete events, totals, ledger entries, mail copies and kept fields that are older than the policy allows.

    Serving processes do this once a day, unless PRIVACY_LOADER is False. Exit with 1 if a store failed.
    """
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    retention = runtime.policy.retention
    with progress_bar("Pruning", runtime.store.count(before=runtime.first_kept()[0])) as bar:
        deleted = runtime.prune(lambda number: bar.update(number - bar.pos))
    echo(f"{counted(deleted.events, 'event')} older than {retention.events} deleted.")
    if deleted.entries:
        echo(f"{counted(deleted.entries, 'ledger entry', 'ledger entries')} older than {retention.decisions} deleted.")
    if deleted.mails:
        echo(f"{counted(deleted.mails, 'mail copy', 'mail copies')} older than {retention.mail} deleted.")
    expired = runtime.rights.replay.expire()
    if rows := sum(outcome.result.changed for outcome in expired):
        echo(f"{counted(rows, 'expired row')} of erased people deleted.")
    failed = [outcome for outcome in expired if outcome.error]
    for outcome in failed:
        echo(f"{outcome.store}: {outcome.error}")
    sys.exit(1 if failed else 0)


@exit_codes("rebuilt")
@click.command("rebuild")
@json_option
@with_appcontext
@exit_2_on_error
def rebuild_command(as_json: bool) -> None:
    """Calculate the reports again from the events, month by month. A month that lost events stays as it is."""
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    with progress_bar("Rebuilding", len(runtime.rebuilder.months())) as bar:
        rebuilt = runtime.rebuilder.rebuild(lambda month: bar.update(1))
    if as_json:
        print_json({"made": rebuilt.months, "skipped": rebuilt.skipped})
        return
    echo(f"{counted(len(rebuilt.months), 'month')} rebuilt{': ' * bool(rebuilt.months)}{', '.join(rebuilt.months)}.")
    if rebuilt.skipped:
        echo(f"Not changed, because some of their events were deleted: {', '.join(rebuilt.skipped)}.")


def _record_access(runtime: Runtime, action: str) -> None:
    runtime.ledger.record_or_spool("access", detail={"who": os_username(), "what": action})
