"""``flask privacy receipt ...``: whether what a visitor shows is what the site signed."""

from __future__ import annotations

import sys
from typing import IO

import click
from flask.cli import AppGroup

from ..consent.receipt import NoReceipt, altered, read
from ..web.site import site
from .outcomes import could_not_look

receipt = AppGroup("receipt", help="The signed copies of decisions that visitors keep.")


@receipt.command("verify")
@click.argument("file", type=click.File("rb"))
@could_not_look
def verify_command(file: IO[bytes]) -> None:
    """Hold a receipt in FILE, or on standard input for -, against its signature; exit 1 if it was altered.

    Needs nothing but PRIVACY_KEYS: neither the ledger nor a network.
    """
    try:
        found = read(file.read(_MOST))
        changed = altered(found, site().keys)
    except NoReceipt as error:
        click.echo(f"Error: {file.name} is no receipt of this site: {error}.", err=True)
        sys.exit(2)
    if changed:
        click.echo(f"Altered: {', '.join(changed)}.".encode(errors="replace").decode())
        sys.exit(1)
    purposes = ", ".join(purpose["purpose"] for purpose in found["purposes"])
    click.echo(f"Whole: {found['record_id']} of {found['events'][0]['event_time']}, for {purposes}.")


_MOST = 2_000_000  # bytes that are read; what is longer is no receipt
