"""``flask privacy load | events | erase | prune | rebuild``: the events, from the log to their deletion."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from ..errors import PrivacyError
from ..storage.moments import today
from ..tracking.loader import WAIT, Loaded
from ..tracking.log import segments
from ..web.site import Site, site
from .cli_people import erase_person
from .outcomes import could_not_look, json_option, operator, print_json, progress_bar, without_collecting


@click.command("load")
@click.option("--follow", is_flag=True, help="Go on loading until interrupted.")
@with_appcontext
@could_not_look
def load_command(follow: bool) -> None:
    """Load the log into the database of events."""
    here = site()
    with progress_bar("Loading", _log_size(here)) as bar, without_collecting():
        loaded = here.load(WAIT, bar.update)
    _say(loaded)
    while follow:
        time.sleep(1)
        _load_again(here)


def _log_size(here: Site) -> int:
    """Return the bytes of log that wait to be loaded."""
    return sum(os.path.getsize(path) for path in segments(here.settings.log_dir) if os.path.exists(path))


def _load_again(here: Site) -> None:
    """One pass of many: a database that is away is waited for, not the end."""
    try:
        loaded = here.load(wait=WAIT)
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
@could_not_look
def events_command(form: str) -> None:
    """Print every event, for the operator; the ledger keeps that you looked."""
    here = site()
    here.load(wait=WAIT)
    _note_access(here, f"events --format {form}")
    for event in here.store.rows():
        print_json(event)


@click.command("erase", context_settings={"ignore_unknown_options": True})  # an ID may begin with a dash
@click.argument("visitor", required=False)
@click.option("--subject", help="A person instead: an e-mail address, or an id of the site's own.")
@json_option
@with_appcontext
@could_not_look
def erase_command(visitor: str | None, subject: str | None, as_json: bool) -> None:
    """Erase every event of one VISITOR, as `flask privacy events` names it, and refuse those still to come.

    With --subject, erase a person from every store of the site's own instead.
    """
    if (visitor is None) == (subject is None):
        raise click.UsageError("Name one visitor, or one person with --subject.")
    if visitor is None:
        erase_person(str(subject), as_json)
        return
    here = site()
    here.load(wait=WAIT)
    # The ledger says it once it is so; whatever kills this, the next run finishes it.
    deleted = here.store.erase(visitor, today())
    here.ledger.record_or_spool("erasure", subject=visitor, detail={"what": "events", "by": operator()})
    here.load(wait=WAIT)
    click.echo(f"{deleted} events erased.")


@click.command("prune")
@with_appcontext
@could_not_look
def prune_command() -> None:
    """Delete events, decisions and mails that are older than the policy allows; exit 1 where a store failed."""
    here = site()
    here.load(wait=WAIT)
    retention = here.policy.retention
    with progress_bar("Pruning", here.store.count(before=here.first_kept()[0])) as bar:
        deleted = here.prune(lambda number: bar.update(number - bar.pos))
    click.echo(f"{deleted.events} events older than {retention.events} deleted.")
    if deleted.entries:
        click.echo(f"{deleted.entries} entries of the ledger older than {retention.decisions} sealed and deleted.")
    if deleted.mails:
        click.echo(f"{deleted.mails} mails that could not be read, older than {retention.mail}, deleted.")
    expired = here.rights.replay.expire()
    if rows := sum(outcome.done.changed for outcome in expired):
        click.echo(f"{rows} rows kept after an erasure, and no longer needed, deleted.")
    failed = [outcome for outcome in expired if outcome.error]
    for outcome in failed:
        click.echo(f"{outcome.store}: {outcome.error}")
    sys.exit(1 if failed else 0)


@click.command("rebuild")
@json_option
@with_appcontext
@could_not_look
def rebuild_command(as_json: bool) -> None:
    """Make the reports anew from the events, month by month; a month that lost events to an erasure stays as it is."""
    here = site()
    here.load(wait=WAIT)
    with progress_bar("Rebuilding", len(here.rebuilder.months())) as bar:
        found = here.rebuilder.rebuild(lambda month: bar.update(1))
    if as_json:
        print_json(asdict(found))
        return
    click.echo(f"{len(found.made)} months made anew{': ' * bool(found.made)}{', '.join(found.made)}.")
    if found.skipped:
        click.echo(f"Left as they are, since some of their events are gone: {', '.join(found.skipped)}.")


def _note_access(here: Site, what: str) -> None:
    here.ledger.record_or_spool("access", detail={"who": operator(), "what": what})
