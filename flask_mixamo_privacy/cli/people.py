"""``flask privacy erase | export | replay | access | minors``: the data of people, and the accesses to it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Any

import click
from flask.cli import with_appcontext

from ..ledger.entry import detail_of
from ..reports.formatting import counted
from ..rights.data_subjects import Replayed
from ..rights.stores import StoreOutcome
from ..storage.clock import today
from ..storage.keys import normalise_subject
from ..tracking.loader import WAIT
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import HelpGroup, echo, exit_2_on_error, exit_codes, json_option, os_username, print_json, since_option


@exit_codes("printed", error="a store failed")
@click.command("export")
@click.argument("subject")
@with_appcontext
@exit_2_on_error
def export_command(subject: str) -> None:
    """Print as JSON the data of SUBJECT in every store. SUBJECT is a mail address, or an id of the site's own."""
    rights = current_runtime().rights
    stores = rights.data_subjects.export(subject, os_username())
    print_json({"subject": subject, "stores": stores, "not_covered": rights.stores.without("export")}, indent=1)


@exit_codes("erased", "a store of the person's data failed or cannot erase")
@click.command("erase", context_settings={"ignore_unknown_options": True})  # an ID may begin with a dash
@click.argument("visitor", required=False)
@click.option("--subject", help="Erase a person instead: a mail address, or an id of the site's own.")
@json_option
@with_appcontext
@exit_2_on_error
def erase_command(visitor: str | None, subject: str | None, as_json: bool) -> None:
    """Erase every event of one VISITOR, as `flask privacy events` names the visitor, and refuse later ones.

    With --subject, erase a person from every store instead. Exit with 1 if a store failed or cannot erase.
    """
    if (visitor is None) == (subject is None):
        raise click.UsageError("Name either a visitor, or a person with --subject.")
    if visitor is None:
        _erase_person(str(subject), as_json)
        return
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    # Erase first, so that the ledger never records an erasure that did not happen. A killed command can be run again.
    deleted = runtime.store.erase(visitor, today())
    runtime.ledger.record_or_spool("erasure", subject=visitor, detail={"what": "events", "by": os_username()})
    runtime.load(wait=WAIT)
    echo(f"{counted(deleted, 'event')} erased.")


def _erase_person(subject: str, as_json: bool) -> None:
    """Erase a person from every store. Exit with 1 if a store failed or cannot erase."""
    rights = current_runtime().rights
    outcomes = rights.data_subjects.erase(subject, os_username())
    missing = rights.stores.without("erase")
    if as_json:
        print_json({"stores": [outcome.as_dict() for outcome in outcomes], "not_covered": missing})
    else:
        _print_outcomes(outcomes)
        for name in missing:
            echo(f"{name}: not covered. Erase the person there by hand.")
        has_failed = any(outcome.error for outcome in outcomes)
        echo("A store failed. Fix the error, then run the command again." if has_failed else "Erased.")
    sys.exit(1 if missing or any(outcome.error for outcome in outcomes) else 0)


def _print_outcomes(outcomes: Iterable[StoreOutcome]) -> None:
    for outcome in outcomes:
        echo(f"{outcome.store}: {outcome.error or in_words(outcome.as_dict())}")
        for field in outcome.result.retained:
            echo(f"  kept: {field.name}{f' until {field.until}' if field.until else ''}. {field.reason}")


def in_words(store: dict[str, Any]) -> str:
    """Return the numbers of a store's result as text."""
    counts = [f"{store[action]} {action}" for action in ("deleted", "anonymised", "corrected", "found") if store.get(action)]
    return ", ".join(counts) or "nothing to do"


@exit_codes("nothing is left to do by hand", "something is left to do by hand")
@click.command("replay")
@json_option
@with_appcontext
@exit_2_on_error
def replay_command(as_json: bool) -> None:
    """After a restore, apply erasures, opt-ins and opt-outs since the backup again. Exit with 1 if work is left to you."""
    runtime = current_runtime()
    replayed = runtime.rights.replay.run()
    if as_json:
        print_json(replayed.as_dict())
    else:
        _print_replayed(runtime, replayed)
    sys.exit(0 if replayed.is_complete and not replayed.corrections else 1)


def _print_replayed(runtime: Runtime, replayed: Replayed) -> None:
    _print_outcomes(replayed.stores)
    echo(f"{counted(replayed.visitors, 'visitor')} and {counted(replayed.requests, 'request')} erased again.")
    if replayed.subject_flags:
        echo(f"{counted(replayed.subject_flags, 'accepted licence')} deleted again.")
    if replayed.preferences:
        echo(
            f"{counted(replayed.preferences, 'opt-in or opt-out', 'opt-ins and opt-outs')} of marketing mail applied again."
        )
    for row in replayed.corrections:
        echo(f"Repeat by hand: the {row['kind']} of {row['at'][:10]} for {row['subject']}.")
    for name in replayed.not_covered:
        echo(f"{name}: cannot list or erase its data subjects. Erase them there by hand.")
    _print_unreadable(replayed.unreadable)
    if not replayed.changed:
        echo(f"Nothing from the last {runtime.policy.retention.archives} had to be applied again.")


@exit_codes("listed", "an entry was tampered with and cannot be read")
@click.command("access")
@since_option
@click.option("--subject", help="Only accesses to this person's data.")
@json_option
@with_appcontext
@exit_2_on_error
def access_command(since: str, subject: str | None, as_json: bool) -> None:
    """List which staff accessed which data and why, and how often an anonymous user was denied access.

    Exit with 1 if an entry was tampered with and cannot be read.
    """
    runtime = current_runtime()
    pseudonyms = None if subject is None else set(runtime.keys.pseudonyms(normalise_subject(subject)))
    accesses = [entry for entry in _accesses(runtime, since) if pseudonyms is None or entry["whose"] in pseudonyms]
    denials = {day: number for day, number in runtime.denied.days().items() if day >= since}
    unreadable = runtime.ledger.unreadable("access", since=since)
    if as_json:
        print_json({"looks": accesses, "denials": denials, "unreadable": unreadable})
    else:
        _print_accesses(accesses, sum(denials.values()))
        _print_unreadable(unreadable)
    sys.exit(1 if unreadable else 0)


def _print_unreadable(positions: Iterable[int]) -> None:
    for position in positions:
        echo(f"The entry at position {position} cannot be read and was skipped. Run `flask privacy ledger verify`.")


def _print_accesses(accesses: Collection[dict[str, Any]], denied: int) -> None:
    for entry in accesses:
        subject = f", subject: {entry['whose'][:12]}" if entry["whose"] else ""
        fields = f" ({', '.join(entry['fields'])})" if entry["fields"] else ""
        outcome = f"need: {entry['need'] or '–'}, {entry['outcome']}"
        echo(f"{entry['at']} {_actor(entry)}: {entry['what']}{fields}, {outcome}{subject}")
    echo(f"{counted(len(accesses), 'access', 'accesses')}, {counted(denied, 'anonymous attempt')} denied.")


def _actor(entry: dict[str, Any]) -> str:
    """Return the user's id. Of a denied user whose id is a mail address, it is the start of the keyed hash."""
    return f"user ({entry['who'][:12]})" if entry.get("who_key") else str(entry["who"])


def _accesses(runtime: Runtime, since: str) -> Iterable[dict[str, Any]]:
    for row in runtime.ledger.entries("access", since=since):
        defaults = {"at": row["at"], "who": "", "need": "", "what": "", "fields": [], "outcome": "allowed"}
        yield defaults | detail_of(row) | {"whose": row["subject"]}


# ``flask privacy minors``: corrects the list of known children by hand.

minors = HelpGroup("minors", help="Known children: a keyed hash of each, and no birth date.")


@exit_codes("recorded")
@minors.command("add")
@click.argument("subject")
@exit_2_on_error
def add_command(subject: str) -> None:
    """Record that SUBJECT is a child, for example if a parent reports it.

    SUBJECT is a mail address, or an id of the site's own.
    """
    runtime, person = current_runtime(), normalise_subject(subject)
    runtime.rights.minors.add(person)
    _record(runtime, "minor added", person)
    echo("Recorded as a child. This person gets no marketing mail, and no form signs them up for it.")


@exit_codes("removed", "there is no such record")
@minors.command("forget")
@click.argument("subject")
@exit_2_on_error
def forget_command(subject: str) -> None:
    """Remove the record that SUBJECT is a child, if it was a mistake. Exit with 1 if there is no such record."""
    runtime, person = current_runtime(), normalise_subject(subject)
    if not runtime.rights.minors.forget(person):
        echo("There is no record of a child under this name.")
        sys.exit(1)
    _record(runtime, "minor forgotten", person)
    echo("Removed. A browser in which a birth date was entered keeps its answer until it is closed.")


def _record(runtime: Runtime, kind: str, person: str) -> None:
    runtime.ledger.record_or_spool(kind, subject=person, detail={"by": os_username()})
