"""``flask privacy ledger ...``: where the chain of decisions ends, and whether it is whole."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click
from flask.cli import AppGroup

from ..ledger.chain import Head
from ..ledger.verification import Verified, verify
from ..web.site import site
from .outcomes import could_not_look, json_option, print_json

ledger = AppGroup("ledger", help="The record of decisions, chained so that no entry can change unnoticed.")


class _Head(click.ParamType):  # type: ignore[type-arg]
    name = "COUNT:HASH"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Head:
        try:
            return Head.parse(value)
        except ValueError:
            self.fail(f"{value!r} is no head; write it as `flask privacy ledger head` prints it.", param, context)


@ledger.command("head")
@could_not_look
def head_command() -> None:
    """Print how many entries there are and the hash of the last, to keep elsewhere."""
    click.echo(str(site().ledger.head()))


@ledger.command("verify")
@click.option("--expect", type=_Head(), help="A head that was kept elsewhere: the chain has to run through it.")
@json_option
@could_not_look
def verify_command(expect: Head | None, as_json: bool) -> None:
    """Look for entries that were changed, inserted, removed or cut off; exit 1 if there are any."""
    found = verify(site().ledger, expect)
    if as_json:
        flaws = [asdict(flaw) for flaw in found.flaws]
        print_json({"head": str(found.head), "findings": flaws})
    else:
        for flaw in found.flaws:
            click.echo(f"{flaw.kind}: {flaw.says}")
        if not found.missing:
            click.echo(f"{len(found.flaws)} findings." if found.flaws else f"Whole: {found.head.count} entries.")
    for error in found.missing:
        click.echo(f"Error: {error}", err=True)
    sys.exit(_exit_code(found))


def _exit_code(found: Verified) -> int:
    return 1 if found.flaws else 2 if found.missing else 0
