"""``flask privacy requests ...`` and ``flask privacy due``: what people asked for, and what is to be answered."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from ..mail.inbox import STDIN, InboxMessage, InboxResult, messages
from ..rights.request_store import CLOSED, KINDS, OPEN, SubjectRequest
from ..rights.requests import SOON_DAYS, days_left
from ..web.context import current_runtime
from ..web.http import configured_base_url
from .common import exit_2_on_error, json_option, os_username, print_json
from .people import in_words

requests = AppGroup("requests", help="What people asked for: access, correction, deletion, restriction, objection.")

_identity = click.option("--identity", default="", help="How you know the person, where nobody opened the link.")


@requests.command("list")
@click.option("--state", type=click.Choice([*OPEN, *CLOSED]), multiple=True, help="Only these; all by default.")
@json_option
@exit_2_on_error
def list_command(state: tuple[str, ...], as_json: bool) -> None:
    """List requests, the oldest first."""
    found = current_runtime().rights.request_store.all(*state)
    _note("requests list")
    if as_json:
        print_json([request.as_dict() for request in found])
        return
    _print_lines(found)
    click.echo(f"{len(found)} requests.")


@requests.command("show")
@click.argument("number", type=int)
@json_option
@exit_2_on_error
def show_command(number: int, as_json: bool) -> None:
    """Show one request, with its answer store by store."""
    request = current_runtime().rights.request_store.find(number)
    _note(f"requests show {number}", request)
    _show(request, as_json)


@requests.command("open")
@click.option("--kind", type=click.Choice(KINDS), required=True)
@click.option("--email", required=True, help="The address that the site knows the person by.")
@click.option("--message", default="")
@click.option("--language", default="", help="Of the mails; the site's own by default.")
@_identity
@exit_2_on_error
def open_command(kind: str, email: str, message: str, language: str, identity: str) -> None:
    """Write down a request that came by telephone, by letter, or in person."""
    runtime = current_runtime()
    words = {
        "locale": language or runtime.policy.language,
        "base": configured_base_url(),
        "source": "cli",
        "identity": identity,
    }
    number = runtime.rights.requests.open(kind, email, message, **words)
    click.echo(f"Request {number} opened.")


@requests.command("process")
@exit_2_on_error
def process_command() -> None:
    """Send the links that requests wait for, end what nobody confirmed, and remind of what is due.

    A serving process does it in the background, unless PRIVACY_LOADER is False; then run this from cron.
    """
    runtime = current_runtime()
    sent = runtime.rights.requests.process()
    stuck = [request for request in runtime.rights.request_store.all("open") if request.mail_error]
    click.echo(f"{sent} links sent.")
    for request in stuck:
        click.echo(f"Request {request.number}: {request.mail_error}")
    sys.exit(1 if stuck else 0)


@requests.command("answer")
@click.argument("number", type=int)
@click.option("--text", default="", help="What you tell the person besides what is listed.")
@click.option("--refuse", "refuse", default="", metavar="REASON", help="Do not do it, and say why.")
@click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE", help="For a correction: what to set anew.")
@_identity
@json_option
@exit_2_on_error
def answer_command(number: int, text: str, refuse: str, changes: tuple[str, ...], identity: str, as_json: bool) -> None:
    """Do what request NUMBER asks for, and tell the person; exit 1 if the mail could not be sent."""
    desk, who = current_runtime().rights.requests, os_username()
    if refuse:
        answered = desk.refuse(number, refuse, who, identity=identity)
    else:
        answered = desk.answer(
            number, who, text=text, identity=identity, base=configured_base_url(), changes=dict(map(_change, changes))
        )
    _show(answered, as_json)
    sys.exit(0 if answered.answer.get("told") else 1)


def _change(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals or not field:
        raise click.BadParameter(f"{text!r} is no change; write it as name=Ada.", param_hint="--set")
    return field, value


@requests.command("extend")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="The person is told.")
@click.option("--months", type=click.IntRange(1, 2), default=2, show_default=True)
@json_option
@exit_2_on_error
def extend_command(number: int, reason: str, months: int, as_json: bool) -> None:
    """Take up to two further months for request NUMBER, once, and tell the person why (GDPR art. 12(3))."""
    _show(current_runtime().rights.requests.extend(number, reason, months), as_json)


@click.command("due")
@click.option("--within", type=click.IntRange(0), default=SOON_DAYS, show_default=True, help="Days that count as soon.")
@json_option
@with_appcontext
@exit_2_on_error
def due_command(within: int, as_json: bool) -> None:
    """List what is overdue or due soon; exit 1 if anything is, for cron."""
    found = current_runtime().rights.requests.due(within)
    if as_json:
        left = [(request.as_dict(), days_left(request)) for request in found]
        said = [request | {"days_left": days, "overdue": days < 0} for request, days in left]
        print_json(said)
    else:
        _print_lines(found)
        click.echo(f"{len(found)} requests overdue or due within {within} days." if found else "Nothing is due.")
    sys.exit(1 if found else 0)


def _note(what: str, request: SubjectRequest | None = None) -> None:
    """Leave an entry of who looks, and at whose request where it is one that names somebody still."""
    whose = request.email if request is not None else ""
    current_runtime().rights.data_subjects.record_access(
        whose, who=os_username(), need="requests", what=what, fields=["email", "message"]
    )


def _print_lines(found: Iterable[SubjectRequest]) -> None:
    for request in found:
        left = days_left(request)
        due = "" if request.state in CLOSED else f", due {request.due}" + (" (overdue)" if left < 0 else f" ({left} days)")
        mail = f". {request.mail_error}" if request.mail_error else ""
        who = f" for {request.email}" if request.email else ""
        click.echo(f"{request.number}: {request.kind}{who}, {request.state}, opened {request.opened[:10]}{due}{mail}")


def _show(request: SubjectRequest, as_json: bool) -> None:
    if as_json:
        print_json(request.as_dict())
        return
    _print_lines([request])
    if request.message:
        click.echo(f"Message: {request.message}")
    answer: dict[str, Any] = dict(request.answer)
    for store in answer.get("stores", ()):
        click.echo(f"{store['store']}: {in_words(store)}")
        for kept in store.get("kept", ()):
            click.echo(f"  kept: {kept['what']}{' until ' + kept['until'] if kept['until'] else ''}. {kept['why']}")
    for name in answer.get("not_covered", ()):
        click.echo(f"{name}: not covered; see to it by hand.")
    if until := answer.get("archives"):
        click.echo(f"Archives may hold copies until {until}; after a restore run `flask privacy replay`.")


# ``flask privacy inbox``: what came in by mail.


@click.command("inbox")
@click.argument("paths", nargs=-1, metavar="PATH…")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a message, for a machine to read.")
@with_appcontext
@exit_2_on_error
def inbox_command(paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Read mail: a message, an mbox, a Maildir, a folder of messages, or - for the standard input, as without a PATH.

    Whoever certainly wants no more marketing mail is taken off; what is doubtful, and what asks for correction,
    deletion or an export, becomes a request. Each message is seen to once, however often it is read; nothing in the
    mailbox is changed. A message that is broken is told like any other, and a copy of it kept.
    """
    runtime, counted = current_runtime(), Counter[str]()
    for found in _found(paths):
        done = runtime.inbox.preview(found) if dry_run else runtime.inbox.process(found, configured_base_url())
        counted[done.action] += 1
        print_json(done.as_dict()) if as_json else click.echo(_line(done))
    if not dry_run:
        runtime.inbox.prune()
    if not as_json:
        click.echo(f"{counted.total()} messages: {counted['act']} act, {counted['ask']} ask, {counted['ignore']} ignore.")


def _found(paths: tuple[str, ...]) -> Iterator[InboxMessage]:
    for path in paths or (STDIN,):
        yield from messages(path, sys.stdin.buffer)


def _line(done: InboxResult) -> str:
    where = f"{done.path}:{done.number}" if done.number else done.path
    request = f" Request {done.request}." if done.request else ""
    kept = f" A copy is kept at {done.kept}." if done.kept else ""
    return f"{where}: {done.action}: {done.reason.removesuffix('.')}.{request}{kept}"
