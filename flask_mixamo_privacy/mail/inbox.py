"""The inbox: each message decided on, and what was decided done, once."""

from __future__ import annotations

import hashlib
import mailbox
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from ..errors import PrivacyError, RightsUnavailable
from ..policy.parts import Period
from ..rights.requests import LONGEST_MESSAGE, NEVER, RequestService
from ..storage.clock import DAY, later, now, timestamp
from ..storage.database import Database
from ..storage.files import make_private_folder, replace_private
from ..tracking.scrub import printable
from .classifier import Ignore, InboxConfig, NeedsReview, OptOut, Verdict, classify
from .message import ParsedMessage, header, read, reply_text, texts
from .phrases import mentions_unsubscribe
from .preference_store import EVERYTHING
from .preferences import MarketingPreferences

# Which messages were seen to already, each by a hash of its Message-ID.

_tables = sa.MetaData()

_seen = sa.Table(
    "mail_seen",
    _tables,
    sa.Column("message", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)


class ProcessedMessages:
    """Raises :class:`RightsUnavailable` when the database is away."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, _tables, "What is known of messages", RightsUnavailable)

    def find(self, message: str) -> tuple[str, str] | None:
        """What became of a message, and why; None for one that is new."""
        chosen = sa.select(_seen.c.action, _seen.c.reason).where(_seen.c.message == message)
        with self._database.read() as connection:
            row = connection.execute(chosen).first() if connection else None
        return (row.action, row.reason) if row else None

    def note(self, message: str, at: str, action: str, reason: str) -> None:
        """Remember what became of a message."""
        row = {"message": message, "at": at, "action": action, "reason": reason}
        with self._database.write() as connection:
            connection.execute(self._database.insert_new(_seen), row)

    def forget_before(self, moment: str) -> int:
        """Forget what is older; gives the number."""
        return self._database.delete(sa.delete(_seen).where(_seen.c.at < moment))


# Copies of messages that could not be read, set aside for a person to look at.

_END = ".eml"


class Quarantine:
    """A folder for the site's own user alone. Building it touches no disk."""

    def __init__(self, folder: str, kept: Period) -> None:
        self._folder = Path(folder)
        self._kept = kept

    def keep(self, raw: bytes, name: str) -> str:
        """Put a copy there; gives its path."""
        make_private_folder(self._folder)
        path = str(self._folder / f"{name}{_END}")
        replace_private(path, raw)
        return path

    def prune(self) -> int:
        """Delete the copies that are kept no longer, by when they were made; gives their number."""
        first = now().timestamp() - self._kept.days * DAY
        old = [path for path in self._folder.glob(f"*{_END}") if path.stat().st_mtime < first]
        for path in old:
            path.unlink(missing_ok=True)  # another may be at it
        return len(old)


# Where messages lie: a file, an mbox, a Maildir, a folder of files, the standard input. Nothing there is changed.

STDIN = "-"


@dataclass(frozen=True)
class InboxMessage:
    """One message, and where it lies; the number tells those of one mbox apart."""

    path: str
    raw: bytes
    number: int = 0


def messages(path: str, stdin: BinaryIO) -> Iterator[InboxMessage]:
    """The messages at a path, one at a time; raises :class:`OSError` for one that cannot be read."""
    if path == STDIN:
        if raw := stdin.read():
            yield InboxMessage(path, _without_envelope(raw))
    elif Path(path).is_dir():
        yield from _of_folder(Path(path))
    else:
        yield from _of_file(Path(path))


def _of_folder(folder: Path) -> Iterator[InboxMessage]:
    """A Maildir's ``new`` and ``cur``, else every file of the folder."""
    parts = [folder / name for name in ("new", "cur") if (folder / name).is_dir()] or [folder]
    for path in sorted(path for part in parts for path in part.iterdir() if path.is_file() and path.name[0] != "."):
        if parts == [folder]:
            yield from _of_file(path)
        else:
            yield InboxMessage(str(path), path.read_bytes())


def _of_file(path: Path) -> Iterator[InboxMessage]:
    """An mbox, or one message; a file that is empty is an mbox without any."""
    with path.open("rb") as file:
        begins = file.read(5)
    if not begins:
        return
    if begins != b"From ":
        yield InboxMessage(str(path), path.read_bytes())
        return
    box = mailbox.mbox(path, create=False)
    try:
        for number, key in enumerate(box.keys(), start=1):
            yield InboxMessage(str(path), box.get_bytes(key), number)
    finally:
        box.close()


def _without_envelope(raw: bytes) -> bytes:
    """What a mail server pipes in may begin with the "From " line of an mbox, and is one message all the same."""
    return raw.partition(b"\n")[2] if raw.startswith(b"From ") else raw


TO_BE_READ = "a mail that a person has to read"
NOBODY = "nobody@mail.invalid"  # where a mail has no sender that could be written to (RFC 2606)
_REMEMBERED = 400  # days


@dataclass(frozen=True)
class InboxResult:
    """What became of one message."""

    path: str
    action: str
    reason: str
    number: int = 0  # of a message in an mbox
    request: int = 0  # the number of the request that it opened
    kept: str = ""  # where a copy lies

    def as_dict(self) -> dict[str, str | int]:
        """For a machine to read."""
        always: dict[str, str | int] = {"path": self.path, "action": self.action, "reason": self.reason}
        more: dict[str, str | int] = {"number": self.number, "request": self.request, "kept": self.kept}
        return always | {name: value for name, value in more.items() if value}


class Inbox:
    """Reads messages for one site. What it cannot read it keeps a copy of, and it answers nothing that is automatic."""

    def __init__(
        self,
        place: InboxConfig,
        marketing: MarketingPreferences,
        desk: RequestService,
        url: str,
        aside: Quarantine,
        language: str,
    ) -> None:
        self._place = place
        self._marketing = marketing
        self._desk = desk
        self._seen = ProcessedMessages(url)
        self._aside = aside
        self._language = language

    def decide(self, found: InboxMessage) -> InboxResult:
        """What would become of a message; does nothing."""
        try:
            verdict, fault = classify_parsed(read(found.raw), self._place)
        except Exception as error:
            verdict, fault = _defeat(error), ""
        return _done(found, verdict.action, _because(verdict, fault))

    def take(self, found: InboxMessage, base: str) -> InboxResult:
        """Do what a message asks for, unless it was done already.

        Raises :class:`RightsUnavailable` and :class:`LedgerUnavailable` where it could not be done; then it is done by
        the next run. Whatever else goes wrong is the message's fault: it is kept for a person, and the next one read.
        """
        try:
            return self._take(found, read(found.raw), base)
        except (PrivacyError, OSError):
            raise
        except Exception as error:
            return self._set_aside(found, _defeat(error), base)

    def _take(self, found: InboxMessage, message: ParsedMessage, base: str) -> InboxResult:
        name = _name(found, message)
        if (before := self._seen.find(name)) is not None:
            return _seen_before(found, before)
        verdict, fault = classify_parsed(message, self._place)
        done = _done(found, verdict.action, _because(verdict, fault))
        if fault:
            done = replace(done, kept=self._aside.keep(found.raw, name[:32]))
        done = replace(done, request=self._do(verdict, message, base))
        self._seen.note(name, timestamp(), done.action, done.reason)
        return done

    def _set_aside(self, found: InboxMessage, verdict: NeedsReview, base: str) -> InboxResult:
        """Let a person read what no rule could, looking at none of it."""
        name = hashlib.sha256(found.raw).hexdigest()
        if (before := self._seen.find(name)) is not None:
            return _seen_before(found, before)
        kept = self._aside.keep(found.raw, name[:32])
        done = replace(_done(found, verdict.action, verdict.reason), kept=kept)
        done = replace(done, request=self._open(verdict.wish, "", ParsedMessage(EmailMessage()), base, False))
        self._seen.note(name, timestamp(), done.action, done.reason)
        return done

    def forget(self) -> int:
        """Forget the messages seen to long ago, and delete the copies kept no longer; gives the number of copies."""
        self._seen.forget_before(later(days=-_REMEMBERED))
        return self._aside.prune()

    def _do(self, verdict: Verdict, message: ParsedMessage, base: str) -> int:
        if isinstance(verdict, OptOut):
            if verdict.bearer is not None:
                self._marketing.opt_out_by(verdict.bearer, verdict.source)
            else:
                self._marketing.opt_out(verdict.address, EVERYTHING, verdict.source)
            return self._open(verdict.wish, verdict.address, message, base, True) if verdict.wish and verdict.address else 0
        if isinstance(verdict, NeedsReview):
            return self._open(verdict.wish, verdict.address, message, base, verdict.answer)
        return 0

    def _open(self, kind: str, address: str, message: ParsedMessage, base: str, may_answer: bool) -> int:
        """Open a request. The link to confirm it is the one answer that there is.

        Where none goes out, whoever answers has to say how they know the person, but for an end of marketing mail.
        """
        said = f"{header(message.message, 'Subject')}\n\n{_written(message)}"
        said = printable(said, "", keep="\n")[:LONGEST_MESSAGE]
        where = {"locale": self._language, "base": base, "source": "mail"}
        known = "" if may_answer or kind != "object" else TO_BE_READ
        return self._desk.open(
            kind, address or NOBODY, said, **where, identity=known, mail_after="" if may_answer else NEVER
        )


def classify_parsed(message: ParsedMessage, place: InboxConfig) -> tuple[Verdict, str]:
    """The verdict on a message, and what was wrong with it; what could not be read is for a person to look at."""
    verdict = classify(message.message, place)
    if message.is_cut and isinstance(verdict, Ignore) and verdict.is_for_want_of_words:
        verdict = NeedsReview("the rest of it could not be read")
    return verdict, message.fault


def _written(message: ParsedMessage) -> str:
    """What somebody wrote; of the HTML beside it, where that alone has the word."""
    said, beside = map(reply_text, texts(message.message))
    return f"{said}\n\n{beside}" if mentions_unsubscribe(beside) and not mentions_unsubscribe(said) else said


def _because(verdict: Verdict, fault: str) -> str:
    return f"{verdict.reason}. {fault}" if fault else verdict.reason


def _defeat(error: Exception) -> NeedsReview:
    return NeedsReview(f"it could not be dealt with ({type(error).__name__}), and is for a person to read")


def _done(found: InboxMessage, action: str, reason: str) -> InboxResult:
    """As it can be shown on a terminal and stored: a file's name and what a message says may hold anything."""
    return InboxResult(printable(found.path), action, printable(reason), found.number)


def _seen_before(found: InboxMessage, before: tuple[str, str]) -> InboxResult:
    return _done(found, before[0], f"{before[1]} (seen to before)")


def _name(found: InboxMessage, message: ParsedMessage) -> str:
    given = header(message.message, "Message-ID").strip()
    return hashlib.sha256(given.encode() if given else found.raw).hexdigest()
