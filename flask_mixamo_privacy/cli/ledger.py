"""``flask privacy ledger | receipt | disclosures``: verifies the ledger and receipts, and lists disclosures."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import IO, Any

import click
from flask.cli import with_appcontext

from ..consent.proof import NoReceipt, altered_fields, read_receipt
from ..errors import LedgerUnavailable
from ..ledger.entry import Head, detail_of
from ..ledger.ledger import Ledger
from ..ledger.refusals import seal_refusals
from ..ledger.verify import Verified, verify
from ..reports.formatting import counted
from ..storage.keys import normalise_subject
from ..web.context import current_runtime
from ..web.runtime import Runtime
from .common import HelpGroup, echo, exit_2_on_error, exit_codes, json_option, print_json, since_option

ledger = HelpGroup("ledger", help="The record of decisions, chained so that tampering is found.")


class _Head(click.ParamType):  # type: ignore[type-arg]
    name = "COUNT:HASH"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Head:
        try:
            return Head.parse(value)
        except ValueError:
            self.fail(f"{value!r} is not a head; write it as `flask privacy ledger head` prints it.", param, context)


@exit_codes("printed")
@ledger.command("head")
@exit_2_on_error
def head_command() -> None:
    """Print the number of entries and the last hash, as COUNT:HASH. Keep it outside the server."""
    echo(str(_complete_ledger().head()))


def _complete_ledger() -> Ledger:
    """Return the ledger with the refusals of each day that is over. A ledger that cannot be written is still readable."""
    ledger = current_runtime().ledger
    try:
        seal_refusals(ledger)
    except LedgerUnavailable as error:
        echo(f"Warning: the refusals of earlier days could not be added. {error}", err=True)
    return ledger


@exit_codes("intact", "findings", error="a key is missing, or the ledger cannot be read")
@ledger.command("verify")
@click.option("--expect", type=_Head(), help="A head that was printed earlier. The chain must contain it.")
@json_option
@exit_2_on_error
def ledger_verify_command(expect: Head | None, as_json: bool) -> None:
    """Look for entries that were changed, inserted, removed or cut off. Exit with 1 if there are any."""
    result = verify(_complete_ledger(), expect)
    if as_json:
        findings = [
            {"position": discrepancy.position, "kind": discrepancy.kind, "says": discrepancy.message}
            for discrepancy in result.discrepancies
        ]
        print_json({"head": str(result.head), "findings": findings})
    else:
        for discrepancy in result.discrepancies:
            echo(f"{discrepancy.kind}: {discrepancy.message}")
        if not result.missing:
            echo(
                f"{counted(len(result.discrepancies), 'finding')}."
                if result.discrepancies
                else f"Intact: {counted(result.head.count, 'entry', 'entries')}."
            )
    for error in result.missing:
        echo(f"Error: {error}", err=True)
    sys.exit(_exit_code(result))


def _exit_code(result: Verified) -> int:
    return 1 if result.discrepancies else 2 if result.missing else 0


# ``flask privacy receipt``: verifies a receipt that a visitor presents.

receipt = HelpGroup("receipt", help="Receipts: signed copies of decisions, which visitors can download.")


@exit_codes("intact", "altered", error="not a receipt of this site")
@receipt.command("verify")
@click.argument("file", type=click.File("rb"))
@exit_2_on_error
def receipt_verify_command(file: IO[bytes]) -> None:
    """Check the receipt in FILE, or on standard input (-), against its signature. Exit with 1 if it was altered.

    Needs only PRIVACY_KEYS, and neither the ledger nor a network.
    """
    try:
        receipt_fields = read_receipt(file.read(_LARGEST_RECEIPT))
        changed = altered_fields(receipt_fields, current_runtime().keys)
    except NoReceipt as error:
        echo(f"Error: {file.name} is not a receipt of this site: {error}.", err=True)
        sys.exit(2)
    if changed:
        echo(f"Altered: {', '.join(changed)}.")
        sys.exit(1)
    purposes = ", ".join(purpose["purpose"] for purpose in receipt_fields["purposes"])
    echo(f"Intact: {receipt_fields['record_id']} of {receipt_fields['events'][0]['event_time']}, for {purposes}.")


_LARGEST_RECEIPT = 2_000_000  # bytes; a larger file is not a receipt


# ``flask privacy disclosures``: lists disclosures to recipients.


@exit_codes("listed")
@click.command("disclosures")
@since_option
@click.option("--recipient", help="Only disclosures to this recipient.")
@click.option("--subject", help="Only disclosures about this person.")
@json_option
@with_appcontext
@exit_2_on_error
def disclosures_command(since: str, recipient: str | None, subject: str | None, as_json: bool) -> None:
    """List disclosures with recipient, purpose and field names. Prints no values, and people only as keyed hashes."""
    runtime = current_runtime()
    pseudonyms = None if subject is None else set(runtime.keys.pseudonyms(normalise_subject(subject)))
    entries = [
        entry
        for entry in _disclosures(runtime, since)
        if recipient in (None, entry["recipient"]) and (pseudonyms is None or entry["whose"] in pseudonyms)
    ]
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        details = ", ".join(f"{name}: {entry[name]}" for name in ("basis", "reference", "actor") if entry[name])
        purpose = f" for {entry['purpose']}" if entry["purpose"] else ""
        echo(f"{entry['at']} {entry['recipient']}{purpose}: {', '.join(entry['fields']) or 'nothing'} ({details})")
    echo(f"{counted(len(entries), 'disclosure')}.")


def _disclosures(runtime: Runtime, since: str) -> Iterator[dict[str, Any]]:
    defaults = {"recipient": "", "fields": [], "basis": "", "reference": "", "actor": ""}
    for row in runtime.ledger.entries("disclosure", since=since):
        purposes = json.loads(row["purposes"])
        entry = {"at": row["at"], "purpose": "".join(purposes), "policy": row["policy"], "whose": row["subject"]}
        yield entry | defaults | detail_of(row)
