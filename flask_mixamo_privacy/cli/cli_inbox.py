"""``flask privacy inbox``: what came in by mail."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import click
from flask.cli import with_appcontext

from ..mail.boxes import STDIN, Found, messages
from ..mail.inbox import Done
from ..web.site import site
from ..web.whereabouts import base_of_site
from .outcomes import could_not_look, print_json


@click.command("inbox")
@click.argument("paths", nargs=-1, metavar="PATH…")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a message, for a machine to read.")
@with_appcontext
@could_not_look
def inbox_command(paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Read mail: a message, an mbox, a Maildir, a folder of messages, or - for the standard input, as without a PATH.

    Whoever certainly wants no more marketing mail is taken off; what is doubtful, and what asks for correction,
    deletion or an export, becomes a request. Each message is seen to once, however often it is read; nothing in the
    mailbox is changed. A message that is broken is told like any other, and a copy of it kept.
    """
    here, counted = site(), Counter[str]()
    for found in _found(paths):
        done = here.inbox.decide(found) if dry_run else here.inbox.take(found, base_of_site())
        counted[done.action] += 1
        print_json(done.as_dict()) if as_json else click.echo(_line(done))
    if not dry_run:
        here.inbox.forget()
    if not as_json:
        click.echo(f"{counted.total()} messages: {counted['act']} act, {counted['ask']} ask, {counted['ignore']} ignore.")


def _found(paths: tuple[str, ...]) -> Iterator[Found]:
    for path in paths or (STDIN,):
        yield from messages(path, sys.stdin.buffer)


def _line(done: Done) -> str:
    where = f"{done.path}:{done.number}" if done.number else done.path
    request = f" Request {done.request}." if done.request else ""
    kept = f" A copy is kept at {done.kept}." if done.kept else ""
    return f"{where}: {done.action}: {done.reason.removesuffix('.')}.{request}{kept}"
