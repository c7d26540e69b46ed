"""``flask privacy disclosures``: what left the site, to whom, on which basis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
from flask.cli import with_appcontext

from ..ledger.ledger import detail_of
from ..storage.subjects import normalise_subject
from ..web.site import Site, site
from .outcomes import could_not_look, json_option, print_json, since_option


@click.command("disclosures")
@since_option
@click.option("--recipient", help="Only what this one got.")
@click.option("--subject", help="Only what was about this person.")
@json_option
@with_appcontext
@could_not_look
def disclosures_command(since: str, recipient: str | None, subject: str | None, as_json: bool) -> None:
    """List what was given to whom: field names, never values; whose it was as a keyed hash."""
    here = site()
    whose = None if subject is None else set(here.keys.hashes(normalise_subject(subject)))
    found = [
        each
        for each in _disclosures(here, since)
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


def _disclosures(here: Site, since: str) -> Iterator[dict[str, Any]]:
    blank = {"recipient": "", "fields": [], "basis": "", "reference": "", "actor": ""}
    for row in here.ledger.entries("disclosure", since=since):
        purposes = json.loads(row["purposes"])
        about = {"at": row["at"], "purpose": "".join(purposes), "policy": row["policy"], "whose": row["subject"]}
        yield about | blank | detail_of(row)
