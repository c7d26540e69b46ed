"""``flask privacy ledger ...``: where the chain of decisions ends, and whether it is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import IO, Any

import click
from flask.cli import AppGroup, with_appcontext

from ..consent.proof import NoReceipt, altered_fields, read_receipt
from ..ledger.chain import Head
from ..ledger.entry import detail_of
from ..ledger.verify import Verified, verify
from ..storage.keys import normalise_subject
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import exit_2_on_error, json_option, print_json, since_option

ledger = AppGroup("ledger", help="The record of decisions, chained so that no entry can change unnoticed.")


class _Head(click.ParamType):  # type: ignore[type-arg]
    name = "COUNT:HASH"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Head:
        try:
            return Head.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no head; write it as `flask privacy ledger head` prints it.", param, context)


@ledger.command("head")
@exit_2_on_error
def head_command() -> None:
    """Print how many entries there are and the hash of the last, to keep elsewhere."""
    click.echo(str(current_runtime().ledger.head()))


@ledger.command("verify")
@click.option("--expect", type=_Head(), help="A head that was kept elsewhere: the chain has to run through it.")
@json_option
@exit_2_on_error
def ledger_verify_command(expect: Head | None, as_json: bool) -> None:
    """Look for entries that were changed, inserted, removed or cut off; exit 1 if there are any."""
    found = verify(current_runtime().ledger, expect)
    if as_json:
        flaws = [{"position": flaw.position, "kind": flaw.kind, "says": flaw.message} for flaw in found.discrepancies]
        print_json({"head": str(found.head), "findings": flaws})
    else:
        for flaw in found.discrepancies:
            click.echo(f"{flaw.kind}: {flaw.message}")
        if not found.missing:
            click.echo(
                f"{len(found.discrepancies)} findings." if found.discrepancies else f"Whole: {found.head.count} entries."
            )
    for error in found.missing:
        click.echo(f"Error: {error}", err=True)
    sys.exit(_exit_code(found))


def _exit_code(found: Verified) -> int:
    return 1 if found.discrepancies else 2 if found.missing else 0


# ``flask privacy receipt ...``: whether what a visitor shows is what the site signed.

receipt = AppGroup("receipt", help="The signed copies of decisions that visitors keep.")


@receipt.command("verify")
@click.argument("file", type=click.File("rb"))
@exit_2_on_error
def receipt_verify_command(file: IO[bytes]) -> None:
    """Hold a receipt in FILE, or on standard input for -, against its signature; exit 1 if it was altered.

    Needs nothing but PRIVACY_KEYS: neither the ledger nor a network.
    """
    try:
        found = read_receipt(file.read(_MOST))
        changed = altered_fields(found, current_runtime().keys)
    except NoReceipt as error:
        click.echo(f"Error: {file.name} is no receipt of this site: {error}.", err=True)
        sys.exit(2)
    if changed:
        click.echo(f"Altered: {', '.join(changed)}.".encode(errors="replace").decode())
        sys.exit(1)
    purposes = ", ".join(purpose["purpose"] for purpose in found["purposes"])
    click.echo(f"Whole: {found['record_id']} of {found['events'][0]['event_time']}, for {purposes}.")


_MOST = 2_000_000  # bytes that are read; what is longer is no receipt


# ``flask privacy disclosures``: what left the site, to whom, on which basis.


@click.command("disclosures")
@since_option
@click.option("--recipient", help="Only what this one got.")
@click.option("--subject", help="Only what was about this person.")
@json_option
@with_appcontext
@exit_2_on_error
def disclosures_command(since: str, recipient: str | None, subject: str | None, as_json: bool) -> None:
    """List what was given to whom: field names, never values; whose it was as a keyed hash."""
    runtime = current_runtime()
    whose = None if subject is None else set(runtime.keys.pseudonyms(normalise_subject(subject)))
    found = [
        each
        for each in _disclosures(runtime, since)
        if recipient in (None, each["recipient"]) and (whose is None or each["whose"] in whose)
    ]
    if as_json:
        print_json(found)
        return
    for each in found:
        about = ", ".join(f"{name}: {each[name]}" for name in ("basis", "reference", "actor") if each[name])
        purpose = f" for {each['purpose']}" if each["purpose"] else ""
        click.echo(f"{each['at']} {each['recipient']}{purpose}: {', '.join(each['fields']) or 'nothing'} ({about})")
    click.echo(f"{len(found)} disclosures.")


def _disclosures(runtime: Runtime, since: str) -> Iterator[dict[str, Any]]:
    blank = {"recipient": "", "fields": [], "basis": "", "reference": "", "actor": ""}
    for row in runtime.ledger.entries("disclosure", since=since):
        purposes = json.loads(row["purposes"])
        about = {"at": row["at"], "purpose": "".join(purposes), "policy": row["policy"], "whose": row["subject"]}
        yield about | blank | detail_of(row)
