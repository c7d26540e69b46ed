"""The inbox: reads messages, and does what each asks for, once."""

from __future__ import annotations

import hashlib
import mailbox
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from email.message import Message
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from ..errors import PrivacyError, RightsUnavailable
from ..policy.parts import Period
from ..rights.request_mail import NEVER
from ..rights.requests import LONGEST_MESSAGE, RequestService
from ..storage.clock import DAY, later, now, timestamp
from ..storage.database import Database
from ..storage.files import make_private_folder, replace_private
from ..tracking.scrub import printable
from .classifier import Ignore, InboxConfig, NeedsReview, OptOut, Verdict, classify
from .message import ParsedMessage, header, read, reply_text, texts
from .phrases import mentions_unsubscribe
from .preference_store import EVERYTHING
from .preferences import MarketingPreferences

# Processed messages, each by a hash of its Message-ID.

_tables = sa.MetaData()

_processed = sa.Table(
    "mail_seen",
    _tables,
    sa.Column("message", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)


class ProcessedMessages:
    """The messages that were processed. Raises :class:`RightsUnavailable` if the database cannot be reached."""

    def __init__(self, url: str) -> None:
        self.database = self._database = Database(url, _tables, "The list of processed messages", RightsUnavailable)

    def find(self, message: str) -> tuple[str, str] | None:
        """Return the action and the reason for a message, or None if the message is new."""
        query = sa.select(_processed.c.action, _processed.c.reason).where(_processed.c.message == message)
        with self._database.read() as connection:
            row = connection.execute(query).first() if connection else None
        return (row.action, row.reason) if row else None

    def add(self, message: str, at: str, action: str, reason: str) -> None:
        """Store the action and the reason for a message."""
        row = {"message": message, "at": at, "action": action, "reason": reason}
        with self._database.write() as connection:
            connection.execute(self._database.insert_new(_processed), row)

    def delete_before(self, timestamp: str) -> int:
        """Delete older rows, and return their number."""
        return self._database.delete(sa.delete(_processed).where(_processed.c.at < timestamp))


# Quarantine: copies of faulty messages, for staff to read.

_SUFFIX = ".eml"
_MOST_BYTES, _MOST_COPIES = 1 << 30, 2000  # of all copies; any sender can cause large ones, and many


class Quarantine:
    """A folder that only the site's operating system user can read. Creating the object does not access the disk."""

    def __init__(self, folder: str, kept: Period) -> None:
        self._folder = Path(folder)
        self._kept = kept

    def keep(self, raw: bytes, name: str) -> str:
        """Store a copy of a message, and return its path. The oldest copies make room; the mailbox still has the mails."""
        make_private_folder(self._folder)
        path = str(self._folder / f"{name}{_SUFFIX}")
        replace_private(path, raw)
        self._make_room()
        return path

    def _make_room(self) -> None:
        total = 0
        with suppress(FileNotFoundError):  # another process has just deleted one
            copies = sorted(((path.stat(), path) for path in self._folder.glob(f"*{_SUFFIX}")), key=_age)
            for number, (stat, path) in enumerate(copies):
                total += stat.st_size
                if number and (total > _MOST_BYTES or number >= _MOST_COPIES):
                    path.unlink(missing_ok=True)

    def count(self) -> int:
        """Return the number of copies."""
        return sum(1 for _ in self._folder.glob(f"*{_SUFFIX}"))

    def prune(self) -> int:
        """Delete copies that are older than the retention period, and return their number."""
        oldest = now().timestamp() - self._kept.days * DAY
        expired = [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stat().st_mtime < oldest]
        for path in expired:
            path.unlink(missing_ok=True)  # another process may have deleted it
        return len(expired)


def _age(copy: tuple[os.stat_result, Path]) -> int:
    return -copy[0].st_mtime_ns


# Sources of messages: a file, an mbox, a Maildir, a folder of files, or the standard input. None of them is changed.

STDIN = "-"


@dataclass(frozen=True)
class InboxMessage:
    """One message and its source. The number is its position in an mbox."""

    path: str
    raw: bytes
    number: int = 0


def messages(path: str, stdin: BinaryIO) -> Iterator[InboxMessage]:
    """Yield the messages at a path. Raises :class:`OSError` if a message cannot be read."""
    if path == STDIN:
        if raw := stdin.read():
            yield InboxMessage(path, _without_envelope(raw))
    elif Path(path).is_dir():
        yield from _messages_of_folder(Path(path))
    else:
        yield from _messages_of_file(Path(path))


def _messages_of_folder(folder: Path) -> Iterator[InboxMessage]:
    """Yield the messages in ``new`` and ``cur`` of a Maildir, or in every file of another folder."""
    folders = [folder / name for name in ("new", "cur") if (folder / name).is_dir()] or [folder]
    for path in sorted(path for part in folders for path in part.iterdir() if path.is_file() and path.name[0] != "."):
        if folders == [folder]:
            yield from _messages_of_file(path)
        else:
            yield InboxMessage(str(path), path.read_bytes())


def _messages_of_file(path: Path) -> Iterator[InboxMessage]:
    """Yield the messages of an mbox, or the one message of another file. An empty file is an empty mbox."""
    with path.open("rb") as file:
        start = file.read(5)
    if not start:
        return
    if start != b"From ":
        yield InboxMessage(str(path), path.read_bytes())
        return
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), start=1):
            yield InboxMessage(str(path), box.get_bytes(key), number)
    finally:
        box.close()


def _without_envelope(raw: bytes) -> bytes:
    """Remove the "From " line of an mbox, with which a mail server may begin the one message that it pipes."""
    return raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw


IDENTITY_UNKNOWN = "a mail that a person has to read"
NO_SENDER = "nobody@mail.invalid"  # the address of a request without a usable sender; ".invalid" is reserved by RFC 2606
_REMEMBERED = 400  # days


@dataclass(frozen=True)
class InboxResult:
    """The result for one message."""

    path: str
    action: str
    reason: str
    number: int = 0  # the position in an mbox
    request: int = 0  # the number of the request that was opened
    kept: str = ""  # the path of the copy in the quarantine

    def as_dict(self) -> dict[str, str | int]:
        """Return the fields for JSON, without empty optional ones."""
        required: dict[str, str | int] = {"path": self.path, "action": self.action, "reason": self.reason}
        optional: dict[str, str | int] = {"number": self.number, "request": self.request, "kept": self.kept}
        return required | {name: value for name, value in optional.items() if value}


class Inbox:
    """Processes the messages of one site. Keeps a copy of each faulty message, and never answers automatic mail."""

    def __init__(
        self,
        config: InboxConfig,
        marketing: MarketingPreferences,
        requests: RequestService,
        url: str,
        quarantine: Quarantine,
        language: str,
    ) -> None:
        self._config = config
        self._marketing = marketing
        self._requests = requests
        self.processed = self._processed = ProcessedMessages(url)
        self._quarantine = quarantine
        self._language = language

    def preview(self, message: InboxMessage) -> InboxResult:
        """Return the result that :meth:`process` would have, and change nothing."""
        try:
            verdict, fault = classify_parsed(read(message.raw), self._config)
        except Exception as error:
            verdict, fault = _failed_verdict(error), ""
        return _result(message, verdict.action, _reason(verdict, fault))

    def process(self, message: InboxMessage, base: str) -> InboxResult:
        """Do what a message asks for, unless that was done before.

        Raises :class:`RightsUnavailable` or :class:`LedgerUnavailable` if it could not be done; the next run does it.
        Any other error is caused by the message. Then a copy is kept for staff, and the run continues.
        """
        try:
            return self._process(message, read(message.raw), base)
        except (PrivacyError, OSError):
            raise
        except Exception as error:
            return self._process_failed(message, _failed_verdict(error), base)

    def _process(self, message: InboxMessage, parsed: ParsedMessage, base: str) -> InboxResult:
        name = _hash_of(message, parsed)
        if (earlier := self._processed.find(name)) is not None:
            return _earlier_result(message, earlier)
        verdict, fault = classify_parsed(parsed, self._config)
        result = _result(message, verdict.action, _reason(verdict, fault))
        if fault:
            result = replace(result, kept=self._quarantine.keep(message.raw, name[:32]))
        result = replace(result, request=self._carry_out(verdict, parsed, base))
        self._processed.add(name, timestamp(), result.action, result.reason)
        return result

    def _process_failed(self, message: InboxMessage, verdict: NeedsReview, base: str) -> InboxResult:
        """Open a request for a message that raised an error, without using any of its content."""
        name = hashlib.sha256(message.raw).hexdigest()
        if (earlier := self._processed.find(name)) is not None:
            return _earlier_result(message, earlier)
        kept = self._quarantine.keep(message.raw, name[:32])
        empty = ParsedMessage(Message())
        result = replace(_result(message, verdict.action, verdict.reason), kept=kept)
        result = replace(result, request=self._open(verdict.requested_right, "", empty, base, False))
        self._processed.add(name, timestamp(), result.action, result.reason)
        return result

    def prune(self) -> int:
        """Delete expired rows of processed messages and expired copies, and return the number of copies."""
        self._processed.delete_before(later(days=-_REMEMBERED))
        return self._quarantine.prune()

    def _carry_out(self, verdict: Verdict, parsed: ParsedMessage, base: str) -> int:
        if isinstance(verdict, OptOut):
            if verdict.token is not None:
                self._marketing.opt_out_by(verdict.token, verdict.source)
            else:
                self._marketing.opt_out(verdict.address, EVERYTHING, verdict.source)
            if verdict.requested_right and verdict.address:
                return self._open(verdict.requested_right, verdict.address, parsed, base, True)
        elif isinstance(verdict, NeedsReview):
            return self._open(verdict.requested_right, verdict.address, parsed, base, verdict.answer)
        return 0

    def _open(self, kind: str, address: str, parsed: ParsedMessage, base: str, may_answer: bool) -> int:
        """Open a request. The only answer is the mail with the link that confirms it.

        If that mail may not be sent, staff must state how they know the person, except to end marketing mail.
        """
        text = f"{header(parsed.message, 'Subject')}\n\n{_own_text(parsed, self._config.own_words)}"
        text = printable(text, "", keep="\n")[:LONGEST_MESSAGE]
        origin = {"locale": self._language, "base": base, "source": "mail"}
        identity = "" if may_answer or kind != "object" else IDENTITY_UNKNOWN
        return self._requests.open(
            kind, address or NO_SENDER, text, **origin, identity=identity, mail_after="" if may_answer else NEVER
        )


def classify_parsed(parsed: ParsedMessage, config: InboxConfig) -> tuple[Verdict, str]:
    """Return the verdict on a message and its fault. A message that was not read completely is never ignored."""
    verdict = classify(parsed.message, config)
    if parsed.is_cut and isinstance(verdict, Ignore) and verdict.asks_for_nothing:
        verdict = NeedsReview("a part of the message could not be read")
    return verdict, parsed.fault


def _own_text(parsed: ParsedMessage, own_words: frozenset[str]) -> str:
    """Return the sender's own text. Text of the HTML is added if only that mentions an opt-out."""
    text, alternative = map(reply_text, texts(parsed.message))
    is_only_in_html = mentions_unsubscribe(alternative, own_words) and not mentions_unsubscribe(text, own_words)
    return f"{text}\n\n{alternative}" if is_only_in_html else text


def _reason(verdict: Verdict, fault: str) -> str:
    return f"{verdict.reason}. {fault}" if fault else verdict.reason


def _failed_verdict(error: Exception) -> NeedsReview:
    return NeedsReview(f"the message could not be processed ({type(error).__name__})")


def _result(message: InboxMessage, action: str, reason: str) -> InboxResult:
    """Return a result whose texts can be printed and stored, because file names and messages may contain any bytes."""
    return InboxResult(printable(message.path), action, printable(reason), message.number)


def _earlier_result(message: InboxMessage, earlier: tuple[str, str]) -> InboxResult:
    return _result(message, earlier[0], f"{earlier[1]} (already processed)")


def _hash_of(message: InboxMessage, parsed: ParsedMessage) -> str:
    message_id = header(parsed.message, "Message-ID").strip()
    return hashlib.sha256(message_id.encode() if message_id else message.raw).hexdigest()
