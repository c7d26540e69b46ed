"""``flask privacy requests | due | inbox``: data subject requests, and incoming mail."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import click
from flask.cli import with_appcontext

from ..i18n.language import SHIPPED
from ..mail.inbox import STDIN, InboxMessage, InboxResult, messages
from ..reports.formatting import counted
from ..rights.request_store import CLOSED, KINDS, OPEN, SubjectRequest
from ..rights.requests import SOON_DAYS, days_left
from ..web.context import current_runtime
from ..web.http import configured_base_url
from .common import HelpGroup, echo, exit_2_on_error, exit_codes, json_option, os_username, print_json
from .people import in_words

requests = HelpGroup("requests", help="Data subject requests: access, correction, deletion, restriction, objection.")

_identity = click.option(
    "--identity", default="", help="How you verified the identity of a person who has not opened the link."
)


@exit_codes("listed")
@requests.command("list")
@click.option(
    "--state",
    type=click.Choice([*OPEN, *CLOSED]),
    multiple=True,
    help="Only requests in this state; repeatable. By default all.",
)
@json_option
@exit_2_on_error
def list_command(state: tuple[str, ...], as_json: bool) -> None:
    """List requests, the oldest first."""
    listed = current_runtime().rights.request_store.all(*state)
    _record_access("requests list")
    if as_json:
        print_json([request.as_dict() for request in listed])
        return
    _print_lines(listed)
    echo(f"{counted(len(listed), 'request')}.")


@exit_codes("shown")
@requests.command("show")
@click.argument("number", type=int)
@json_option
@exit_2_on_error
def show_command(number: int, as_json: bool) -> None:
    """Show one request, with its answer store by store."""
    request = current_runtime().rights.request_store.find(number)
    _record_access(f"requests show {number}", request)
    _show(request, as_json)


@exit_codes("opened")
@requests.command("open")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What the person asks for.")
@click.option("--email", required=True, help="The mail address under which the site knows the person.")
@click.option("--message", default="", help="The text of the request.")
@click.option("--language", type=click.Choice(SHIPPED), help="The language of the mails; by default the site's.")
@_identity
@exit_2_on_error
def open_command(kind: str, email: str, message: str, language: str | None, identity: str) -> None:
    """Record a request that came by telephone, by letter or in person."""
    runtime = current_runtime()
    options = {
        "locale": language or runtime.policy.language,
        "base": configured_base_url(),
        "source": "cli",
        "identity": identity,
    }
    number = runtime.rights.requests.open(kind, email, message, **options)
    echo(f"Request {number} opened.")


@exit_codes("done", "a link could not be sent")
@requests.command("process")
@exit_2_on_error
def process_command() -> None:
    """Send the links that requests wait for, expire unconfirmed requests, and send reminders.

    Serving processes do this in the background. If PRIVACY_LOADER is False, run the command from cron. Exit with 1 if a
    link could not be sent.
    """
    runtime = current_runtime()
    sent = runtime.rights.requests.process()
    unsent = [request for request in runtime.rights.request_store.all("open") if request.mail_error]
    echo(f"{counted(sent, 'link')} sent.")
    for request in unsent:
        echo(f"Request {request.number}: {request.mail_error}")
    sys.exit(1 if unsent else 0)


@exit_codes("answered, and the mail was sent", "answered, but the mail could not be sent", error="not answered")
@requests.command("answer")
@click.argument("number", type=int)
@click.option("--text", default="", help="A text for the person, added to the answer.")
@click.option("--refuse", "refuse", default="", metavar="REASON", help="Refuse the request for this reason.")
@click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="For a correction: a field and its new value; repeatable."
)
@_identity
@json_option
@exit_2_on_error
def answer_command(number: int, text: str, refuse: str, changes: tuple[str, ...], identity: str, as_json: bool) -> None:
    """Carry out request NUMBER, and inform the person by mail. Exit with 1 if the mail could not be sent."""
    service, actor = current_runtime().rights.requests, os_username()
    if refuse:
        answered = service.refuse(number, refuse, actor, identity=identity)
    else:
        answered = service.answer(
            number, actor, text=text, identity=identity, base=configured_base_url(), changes=dict(map(_change, changes))
        )
    _show(answered, as_json)
    sys.exit(0 if answered.answer.get("told") else 1)


def _change(text: str) -> tuple[str, str]:
    field, equals, value = text.partition("=")
    if not equals or not field:
        raise click.BadParameter(f"{text!r} is not a change; write it as name=Ada.", param_hint="--set")
    return field, value


@exit_codes("extended", "extended, but the mail was not sent")
@requests.command("extend")
@click.argument("number", type=int)
@click.option("--reason", required=True, help="The reason, which the mail to the person contains.")
@click.option("--months", type=click.IntRange(1, 2), default=2, show_default=True, help="The number of months.")
@json_option
@exit_2_on_error
def extend_command(number: int, reason: str, months: int, as_json: bool) -> None:
    """Extend the time limit of request NUMBER by up to two months, once, and inform the person (GDPR art. 12(3)).

    Exit with 1 if the mail could not be sent. The time limit is extended, and the operator has to inform the person.
    """
    extended = current_runtime().rights.requests.extend(number, reason, months)
    _show(extended, as_json)
    sys.exit(1 if extended.mail_error else 0)


@exit_codes("none", "at least one request")
@click.command("due")
@click.option(
    "--within", type=click.IntRange(0, 3650), default=SOON_DAYS, show_default=True, help="The number of days that is soon."
)
@json_option
@with_appcontext
@exit_2_on_error
def due_command(within: int, as_json: bool) -> None:
    """List requests that are overdue, due soon, or wait for a mail that can never be sent. Exit with 1 if there are any.

    Run it from cron.
    """
    service = current_runtime().rights.requests
    due = service.due(within)
    numbers = {request.number for request in due}
    unsendable = [replace(request, mail_error=problem) for request, problem in service.mail.unsendable()]
    listed = due + [request for request in unsendable if request.number not in numbers]
    if as_json:
        with_days = [(request.as_dict(), days_left(request)) for request in listed]
        print_json([request | {"days_left": days, "overdue": days < 0} for request, days in with_days])
    else:
        _print_lines(listed)
        echo(
            f"{counted(len(due), 'request')} overdue or due within {counted(within, 'day')}."
            if due
            else f"No request is overdue or due within {counted(within, 'day')}."
        )
        if unsendable:
            echo(f"Without a mail that can be sent: {counted(len(unsendable), 'request')}.")
    sys.exit(1 if listed else 0)


def _record_access(action: str, request: SubjectRequest | None = None) -> None:
    """Record the access in the ledger, with the person of the request unless it was anonymised."""
    subject = request.email if request is not None else ""
    current_runtime().rights.data_subjects.record_access(
        subject, who=os_username(), need="requests", what=action, fields=["email", "message"]
    )


def _print_lines(listed: Iterable[SubjectRequest]) -> None:
    for request in listed:
        left = days_left(request)
        due = "" if request.state in CLOSED else f", due {request.due} ({'overdue' if left < 0 else counted(left, 'day')})"
        mail = f". {request.mail_error}" if request.mail_error else ""
        person = f" for {request.email}" if request.email else ""
        echo(f"{request.number}: {request.kind}{person}, {request.state}, opened {request.opened[:10]}{due}{mail}")


def _show(request: SubjectRequest, as_json: bool) -> None:
    if as_json:
        print_json(request.as_dict())
        return
    _print_lines([request])
    if request.message:
        indented = request.message.replace("\r\n", "\n").replace("\n", "\n  ")
        echo(f"Message: {indented}", lines=True)
    answer: dict[str, Any] = dict(request.answer)
    for store in answer.get("stores", ()):
        echo(f"{store['store']}: {in_words(store)}")
        for kept in store.get("kept", ()):
            echo(f"  kept: {kept['what']}{' until ' + kept['until'] if kept['until'] else ''}. {kept['why']}")
    for name in answer.get("not_covered", ()):
        echo(f"{name}: not covered. Do it there by hand.")
    if until := answer.get("archives"):
        echo(f"Archives may have copies until {until}. After a restore, run `flask privacy replay`.")


# ``flask privacy inbox``: incoming mail.


@exit_codes("read", error="could not read, or could not record")
@click.command("inbox")
@click.argument("paths", nargs=-1, metavar="PATH…")
@click.option("--dry-run", is_flag=True, help="Print what would be done, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each message.")
@with_appcontext
@exit_2_on_error
def inbox_command(paths: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Read mail from each PATH: a message, an mbox, a Maildir or a folder. Without a PATH, or for -, read standard input.

    A clear opt-out takes effect at once. A doubtful message opens a request, and so does one that asks for correction,
    deletion or an export. Each message is processed once, however often it is read, and the mailbox is not changed. Of a
    malformed message a copy is kept.
    """
    runtime, counts = current_runtime(), Counter[str]()
    for message in _messages(paths):
        result = runtime.inbox.preview(message) if dry_run else runtime.inbox.process(message, configured_base_url())
        counts[result.action] += 1
        print_json(result.as_dict()) if as_json else echo(_line(result))
    if not dry_run:
        runtime.inbox.prune()
    if not as_json:
        echo(f"{counted(counts.total(), 'message')}: {counts['act']} act, {counts['ask']} ask, {counts['ignore']} ignore.")


def _messages(paths: tuple[str, ...]) -> Iterator[InboxMessage]:
    for path in paths or (STDIN,):
        yield from messages(path, sys.stdin.buffer)


def _line(result: InboxResult) -> str:
    path = f"{result.path}:{result.number}" if result.number else result.path
    request = f" Request {result.request}." if result.request else ""
    kept = f" A copy is kept at {result.kept}." if result.kept else ""
    return f"{path}: {result.action}: {result.reason.removesuffix('.')}.{request}{kept}"
