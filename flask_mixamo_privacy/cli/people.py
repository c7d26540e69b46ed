"""``flask privacy erase | export | replay | access | minors``: the data of one person, and the accesses to it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from ..ledger.entry import detail_of
from ..rights.data_subjects import Replayed
from ..rights.stores import StoreOutcome
from ..storage.clock import today
from ..storage.keys import normalise_subject
from ..tracking.loader import WAIT
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import exit_2_on_error, json_option, os_username, print_json, since_option


@click.command("export")
@click.argument("subject")
@with_appcontext
@exit_2_on_error
def export_command(subject: str) -> None:
    """Print as JSON what every store holds about SUBJECT, an e-mail address or an id of the site's own."""
    rights = current_runtime().rights
    stores = rights.data_subjects.export(subject, os_username())
    found = {"subject": subject, "stores": stores, "not_covered": rights.stores.without("export")}
    print_json(found, indent=1)


@click.command("erase", context_settings={"ignore_unknown_options": True})  # an ID may begin with a dash
@click.argument("visitor", required=False)
@click.option("--subject", help="A person instead: an e-mail address, or an id of the site's own.")
@json_option
@with_appcontext
@exit_2_on_error
def erase_command(visitor: str | None, subject: str | None, as_json: bool) -> None:
    """Erase every event of one VISITOR, as `flask privacy events` names it, and refuse those still to come.

    With --subject, erase a person from every store of the site's own instead.
    """
    if (visitor is None) == (subject is None):
        raise click.UsageError("Name one visitor, or one person with --subject.")
    if visitor is None:
        _erase_person(str(subject), as_json)
        return
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    # The ledger says it once it is so; whatever kills this, the next run finishes it.
    deleted = runtime.store.erase(visitor, today())
    runtime.ledger.record_or_spool("erasure", subject=visitor, detail={"what": "events", "by": os_username()})
    runtime.load(wait=WAIT)
    click.echo(f"{deleted} events erased.")


def _erase_person(subject: str, as_json: bool) -> None:
    """Erase somebody from every store; exit 1 where a store failed or is not covered."""
    rights = current_runtime().rights
    outcomes = rights.data_subjects.erase(subject, os_username())
    missing = rights.stores.without("erase")
    if as_json:
        found = {"stores": [outcome.as_dict() for outcome in outcomes], "not_covered": missing}
        print_json(found)
    else:
        _tell(outcomes)
        for name in missing:
            click.echo(f"{name}: not covered; see to it by hand.")
        click.echo("Run it again once what failed is mended." if any(o.error for o in outcomes) else "Erased.")
    sys.exit(1 if missing or any(outcome.error for outcome in outcomes) else 0)


def _tell(outcomes: Iterable[StoreOutcome]) -> None:
    for outcome in outcomes:
        click.echo(f"{outcome.store}: {outcome.error or in_words(outcome.as_dict())}")
        for kept in outcome.result.retained:
            click.echo(f"  kept: {kept.name}{f' until {kept.until}' if kept.until else ''}. {kept.reason}")


def in_words(store: dict[str, Any]) -> str:
    """What came of one store, in numbers."""
    counted = [f"{store[what]} {what}" for what in ("deleted", "anonymised", "corrected", "found") if store.get(what)]
    return ", ".join(counted) or "nothing to do"


@click.command("replay")
@json_option
@with_appcontext
@exit_2_on_error
def replay_command(as_json: bool) -> None:
    """After a restore, undo again what the ledger says was undone since; exit 1 if something is left to do by hand."""
    runtime = current_runtime()
    found = runtime.rights.replay.run()
    if as_json:
        print_json(found.as_dict())
    else:
        _tell_replayed(runtime, found)
    sys.exit(0 if found.is_complete and not found.corrections else 1)


def _tell_replayed(runtime: Runtime, found: Replayed) -> None:
    _tell(found.stores)
    click.echo(f"{found.visitors} visitors and {found.requests} requests erased again.")
    if found.subject_flags:
        click.echo(f"{found.subject_flags} accepted licences and opt-ins forgotten again.")
    if found.preferences:
        click.echo(f"{found.preferences} opt-ins and opt-outs of marketing mail have effect again.")
    for row in found.corrections:
        click.echo(f"To do again by hand: a {row['kind']} of {row['at'][:10]} for {row['subject']}.")
    for name in found.not_covered:
        click.echo(f"{name}: cannot say whom it holds, so it is left to you.")
    _tell_unreadable(found.unreadable)
    if not found.changed:
        click.echo(f"Nothing had come back since {runtime.policy.retention.archives} ago.")


@click.command("access")
@since_option
@click.option("--subject", help="Only looks at this person's data.")
@json_option
@with_appcontext
@exit_2_on_error
def access_command(since: str, subject: str | None, as_json: bool) -> None:
    """Show who looked at what, why, and whose data it was; and how often somebody unknown was turned away.

    Exit 1 where an entry was changed and cannot be read.
    """
    runtime = current_runtime()
    wanted = None if subject is None else set(runtime.keys.pseudonyms(normalise_subject(subject)))
    looks = [look for look in _looks(runtime, since) if wanted is None or look["whose"] in wanted]
    denials = {day: number for day, number in runtime.denied.days().items() if day >= since}
    unreadable = runtime.ledger.unreadable("access", since=since)
    if as_json:
        print_json({"looks": looks, "denials": denials, "unreadable": unreadable})
    else:
        _tell_looks(looks, sum(denials.values()))
        _tell_unreadable(unreadable)
    sys.exit(1 if unreadable else 0)


def _tell_unreadable(positions: Iterable[int]) -> None:
    for position in positions:
        click.echo(f"The entry at position {position} cannot be read, so it was skipped: see `flask privacy ledger verify`.")


def _tell_looks(looks: Collection[dict[str, Any]], strangers: int) -> None:
    for look in looks:
        whose = f", whose: {look['whose'][:12]}" if look["whose"] else ""
        fields = f" ({', '.join(look['fields'])})" if look["fields"] else ""
        why = f"need: {look['need'] or '–'}, {look['outcome']}"
        click.echo(f"{look['at']} {_who(look)}: {look['what']}{fields}, {why}{whose}")
    click.echo(f"{len(looks)} looks, {strangers} strangers turned away.")


def _who(look: dict[str, Any]) -> str:
    """By their id, and where a denied one was an address, by the beginning of its keyed hash."""
    return f"somebody ({look['who'][:12]})" if look.get("who_key") else str(look["who"])


def _looks(runtime: Runtime, since: str) -> Iterable[dict[str, Any]]:
    for row in runtime.ledger.entries("access", since=since):
        said = detail_of(row)
        base = {"at": row["at"], "who": "", "need": "", "what": "", "fields": [], "outcome": "allowed"}
        yield base | said | {"whose": row["subject"]}


# ``flask privacy minors ...``: what an operator knows better than the question of age.

minors = AppGroup("minors", help="Known children: of each a keyed hash, and no birth date.")


@minors.command("add")
@click.argument("subject")
@exit_2_on_error
def add_command(subject: str) -> None:
    """Remember that SUBJECT, an e-mail address or an id of the site's own, is a child, as when a parent says so."""
    runtime, person = current_runtime(), normalise_subject(subject)
    runtime.rights.minors.add(person)
    _note(runtime, "minor added", person)
    click.echo("Known as a child: no marketing mail goes there, and no form signs this person up to any.")


@minors.command("forget")
@click.argument("subject")
@exit_2_on_error
def forget_command(subject: str) -> None:
    """Forget that SUBJECT is a child, where that was a mistake; exit 1 where nobody is known as one under this name."""
    runtime, person = current_runtime(), normalise_subject(subject)
    if not runtime.rights.minors.forget(person):
        click.echo("Nobody is known as a child under this name.")
        sys.exit(1)
    _note(runtime, "minor forgotten", person)
    click.echo("Forgotten. A browser that was told a birth date keeps its answer until it is closed.")


def _note(runtime: Runtime, kind: str, person: str) -> None:
    runtime.ledger.record_or_spool(kind, subject=person, detail={"by": os_username()})
