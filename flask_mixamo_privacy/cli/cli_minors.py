"""``flask privacy minors ...``: what an operator knows better than the question of age."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from ..storage.subjects import normalise_subject
from ..web.site import Site, site
from .outcomes import could_not_look, operator

minors = AppGroup("minors", help="Known children: of each a keyed hash, and no birth date.")


@minors.command("add")
@click.argument("subject")
@could_not_look
def add_command(subject: str) -> None:
    """Remember that SUBJECT, an e-mail address or an id of the site's own, is a child, as when a parent says so."""
    here, person = site(), normalise_subject(subject)
    here.rights.minors.note(person)
    _note(here, "minor added", person)
    click.echo("Known as a child: no marketing mail goes there, and no form signs this person up to any.")


@minors.command("forget")
@click.argument("subject")
@could_not_look
def forget_command(subject: str) -> None:
    """Forget that SUBJECT is a child, where that was a mistake; exit 1 where nobody is known as one under this name."""
    here, person = site(), normalise_subject(subject)
    if not here.rights.minors.forget(person):
        click.echo("Nobody is known as a child under this name.")
        sys.exit(1)
    _note(here, "minor forgotten", person)
    click.echo("Forgotten. A browser that was told a birth date keeps its answer until it is closed.")


def _note(here: Site, kind: str, person: str) -> None:
    here.ledger.record_or_spool(kind, subject=person, detail={"by": operator()})
