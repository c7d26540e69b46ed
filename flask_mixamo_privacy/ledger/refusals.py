"""Refusals: counted by day, policy and language, and sealed into the ledger once the day is over.

An entry for each refusal would reveal its time by its place between two timed grants. A flood of such entries would also
keep other visitors' grants waiting. So a refusal adds one byte to a file, without a lock and without a database.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from ..errors import LedgerUnavailable
from ..storage.clock import timestamp
from ..storage.files import create_private, make_private_folder
from ..storage.platform import BINARY, delete_file
from .entry import LedgerEntry

if TYPE_CHECKING:
    from .ledger import Ledger

logger = logging.getLogger("flask_mixamo_privacy")

#: The kind of an entry with the refusals of one day.
REFUSALS = "refusals"

#: The kinds of entries with decisions. Earlier versions wrote one of the kind "refusal" for each refusal.
DECISIONS = ("grant", "refusal", REFUSALS, "withdrawal")

_GRACE = 600  # seconds after midnight, for requests that began before it
_TOKEN = re.compile(rb"[\w-]{16}", re.ASCII)
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)~([^~]*)~([^~]*)~(.*)", re.ASCII)


class RefusalCount(NamedTuple):
    """A file with the refusals of one day under one policy and in one language."""

    path: str
    entry: str  # the id of its entry in the ledger
    day: str
    fingerprint: str  # of the policy
    locale: str  # of the text shown; empty if a program showed none
    policy: str  # the version
    number: int


class RefusalCounter:
    """Counts of refusals. Each is a file: a random id, and then one byte for each refusal.

    Any process can count, and a killed one loses no count. The id makes sealing idempotent: a file that was sealed before a
    crash, or that comes back with an old copy of the folder, is not counted twice.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def add(self, day: str, policy: str, fingerprint: str, locale: str) -> None:
        """Count one refusal; raises :class:`OSError`."""
        path = os.path.join(self.folder, "~".join((day, *map(_encode, (fingerprint, locale, policy)))))
        try:
            _append(path)
        except FileNotFoundError:
            make_private_folder(self.folder)
            create_private(path, secrets.token_urlsafe(12).encode())
            _append(path)
            _hide_time(self.folder, day)
        _hide_time(path, day)

    def counts(self, before: str = "9999") -> Iterator[RefusalCount]:
        """Yield the counts of the days before this one. Deletes a file that is not a count."""
        for name in self._names():
            path, match = os.path.join(self.folder, name), _NAME.fullmatch(name)
            if match is None or match[1] >= before:
                continue
            with suppress(FileNotFoundError):  # another process has just sealed it
                with open(path, "rb") as file:
                    token, size = file.read(16), os.fstat(file.fileno()).st_size
                if _TOKEN.fullmatch(token):
                    fingerprint, locale, policy = map(unquote, match.groups()[1:])
                    number = size - len(token)
                    yield RefusalCount(path, token.decode(), match[1], fingerprint, locale, policy, number)
                else:
                    logger.error("The file %s is not a count of refusals and was deleted.", path)
                    delete_file(path)

    def _names(self) -> list[str]:
        try:
            return sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return []


def seal_refusals(ledger: Ledger) -> int:
    """Write the counts of the days that are over to the ledger, delete their files, and return the number of refusals.

    Each process and host may call this at any time. Raises :class:`LedgerUnavailable`; the next call then continues.
    """
    try:
        counts = list(ledger.refusals.counts(before=timestamp(time.time() - _GRACE)[:10]))
        if counts:
            ledger.append_new([_entry(count) for count in counts if count.number])
        for count in counts:
            with suppress(FileNotFoundError):
                delete_file(count.path)
    except OSError as error:  # such as a disk that is read-only by now
        raise LedgerUnavailable(f"The counts of refusals could not be moved to the ledger: {error}") from error
    return sum(count.number for count in counts)


def number_of(detail: str) -> int:
    """Return the number of refusals in the detail of an entry; 0 if it was tampered with, which verification reports."""
    try:
        number = json.loads(detail)["count"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return 0
    return number if type(number) is int and number > 0 else 0


def _entry(count: RefusalCount) -> LedgerEntry:
    return LedgerEntry(
        REFUSALS,
        count.day,
        policy=count.policy,
        fingerprint=count.fingerprint,
        locale=count.locale,
        detail=json.dumps({"count": count.number}),
        entry=count.entry,
    )


def _encode(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E")


def _append(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | BINARY)
    try:
        os.write(descriptor, b".")
    finally:
        os.close(descriptor)


def _hide_time(path: str, day: str) -> None:
    """Set the modification time to the beginning of the day: the file's own would reveal the last refusal's time."""
    midnight = datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()
    with suppress(OSError):
        os.utime(path, (midnight, midnight))
