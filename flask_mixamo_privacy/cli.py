"""``flask privacy ...``: exit codes are the contract (0 clean, 1 findings, 2 could not look)."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup, ScriptInfo

from . import cli_disclosures, cli_inbox, cli_minors, cli_people, cli_requests, declaration
from .cli_audit import audit_command
from .cli_ledger import ledger
from .cli_people import erase_person
from .cli_receipt import receipt
from .errors import PolicyError, PrivacyError, SettingError
from .findings import Finding, check
from .operators import operator
from .outcomes import could_not_look, without_collecting
from .period import is_day
from .playing import demo_command
from .reporting import report_command
from .rights.moments import today
from .scan.sources import scan
from .site import Site, site
from .tracking.loader import WAIT, Loaded
from .versions import as_json as as_json_list

privacy = AppGroup("privacy", help="What the site recorded, and what it must forget.")
_OF_PEOPLE = (*cli_people.commands, *cli_requests.commands, *cli_minors.commands)
_OF_MAIL = (*cli_disclosures.commands, *cli_inbox.commands)
for _command in (audit_command, report_command, demo_command, ledger, receipt, *_OF_PEOPLE, *_OF_MAIL):
    privacy.add_command(_command)


@privacy.command("load")
@click.option("--follow", is_flag=True, help="Go on loading until interrupted.")
@could_not_look
def load_command(follow: bool) -> None:
    """Load the log into the database of events."""
    here = site()
    with _progress("Loading", here.log_size()) as bar, without_collecting():
        loaded = here.load(WAIT, bar.update)
    _say(loaded)
    while follow:
        time.sleep(1)
        _load_again(here)


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


@privacy.command("events")
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True)
@could_not_look
def events_command(form: str) -> None:
    """Print every event, for the operator; the ledger keeps that you looked."""
    here = site()
    here.load(wait=WAIT)
    _note_access(here, f"events --format {form}")
    for event in here.store.rows():
        click.echo(json.dumps(event, ensure_ascii=False))


@privacy.command("erase", context_settings={"ignore_unknown_options": True})  # an ID may begin with a dash
@click.argument("visitor", required=False)
@click.option("--subject", help="A person instead: an e-mail address, or an id of the site's own.")
@click.option("--json", "as_json", is_flag=True, help="For a machine to read.")
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


@privacy.command("prune")
@could_not_look
def prune_command() -> None:
    """Delete events, decisions and mails that are older than the policy allows; exit 1 where a store failed."""
    here = site()
    here.load(wait=WAIT)
    retention = here.policy.retention
    with _progress("Pruning", here.store.count(before=here.first_kept()[0])) as bar:
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


@privacy.command("rebuild")
@click.option("--json", "as_json", is_flag=True, help="For a machine to read.")
@could_not_look
def rebuild_command(as_json: bool) -> None:
    """Make the reports anew from the events, month by month; a month that lost events to an erasure stays as it is."""
    here = site()
    here.load(wait=WAIT)
    with _progress("Rebuilding", len(here.rebuilder.months())) as bar:
        found = here.rebuilder.rebuild(lambda month: bar.update(1))
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(f"{len(found.made)} months made anew{': ' * bool(found.made)}{', '.join(found.made)}.")
    if found.skipped:
        click.echo(f"Left as they are, since some of their events are gone: {', '.join(found.skipped)}.")


def _progress(what: str, length: int) -> Any:
    """A bar on the terminal's error stream, and nothing at all where nobody is looking."""
    return click.progressbar(length=length, label=what, file=sys.stderr, hidden=not sys.stderr.isatty() or not length)


def _note_access(here: Site, what: str) -> None:
    here.ledger.record_or_spool("access", detail={"who": operator(), "what": what})


@privacy.command("init")
@click.option(
    "--path", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it; beside the app by default."
)
@could_not_look
def init_command(path: Path | None) -> None:
    """Write a commented privacy.toml to start from."""
    target = path or Path(current_app.root_path) / declaration.NAME
    if target.exists():
        click.echo(f"Error: {target} is there already; it was left alone.", err=True)
        sys.exit(2)
    target.write_text(declaration.START.read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(f"{target} written. Next: change it, run `flask privacy check`, then `flask privacy policy freeze`.")


@privacy.command("check", with_appcontext=False)
@click.option("--json", "as_json", is_flag=True, help="For a machine to read.")
@click.option("--templates", is_flag=True, help="Read the site's templates, JavaScript and CSS too.")
@click.pass_context
@could_not_look
def check_command(context: click.Context, as_json: bool, templates: bool) -> None:
    """Check the declaration, its frozen versions and the app. Exit with 1 if there are errors."""
    findings = _findings(context.ensure_object(ScriptInfo), templates)
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo("Nothing to mend." if not findings else f"{len(findings)} finding{'s' if len(findings) > 1 else ''}.")
    sys.exit(1 if any(finding.level == "error" for finding in findings) else 0)


def _findings(script: ScriptInfo, templates: bool) -> list[Finding]:
    """What is wrong with the declaration, be it so wrong that the app does not start, and with the site's templates."""
    try:
        app = script.load_app()
    except PolicyError as error:
        return [Finding("error", problem.key, str(problem), "") for problem in error.problems]
    except SettingError as error:
        return [Finding("error", error.name, str(error), "")]
    with app.app_context():
        return [*check(site()), *(scan(app, site()) if templates else ())]


policy = AppGroup("policy", help="The policy's versions.")
privacy.add_command(policy)


@policy.command("freeze")
@click.option("--date", "day", help="The version's day; today by default.")
@could_not_look
def freeze_command(day: str | None) -> None:
    """Write what the policy says now as a dated version, to be committed with the site."""
    here = site()
    day = day or today()
    if not is_day(day):
        raise click.BadParameter(f"{day!r} is no day; write it as 2026-05-08.", param_hint="--date")
    path = here.versions.freeze(here.policy, day)
    click.echo(f"{path} written. Commit it: it is what visitors are told from now on.")


@policy.command("diff")
@click.option("--json", "as_json", is_flag=True, help="For a machine to read.")
@could_not_look
def diff_command(as_json: bool) -> None:
    """Show what the declaration says now and the newest version does not, and the other way; exit 1 if anything."""
    here = site()
    try:
        found = here.versions.drift(here.policy)
    except LookupError:
        click.echo("Error: there is no frozen version yet; `flask privacy policy freeze` writes one.", err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps(as_json_list(found), ensure_ascii=False))
    else:
        for change in found:
            click.echo(f"{'+' if change.kind == 'added' else '-'} {change.section}: {change.text}")
    sys.exit(1 if found else 0)


@policy.command("record")
@could_not_look
def record_command() -> None:
    """Print the declaration as a record of processing (GDPR art. 30), in JSON."""
    click.echo(json.dumps(site().policy.as_dict(), ensure_ascii=False, indent=1))
