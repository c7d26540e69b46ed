"""Flags of data subjects, stored under keyed hashes: known minors and accepted licences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ..errors import RightsUnavailable
from ..policy.parts import Minors as Declared
from ..storage.clock import later, timestamp
from ..storage.database import Database, KeyRegister
from ..storage.keys import KeyRing, normalise_subject
from .stores import BuiltInStore

#: The flag of a known minor.
MINOR = "minor"

_tables = sa.MetaData()

_flags = sa.Table(
    "standings",
    _tables,
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("subject_key", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class SubjectFlag:
    """One flag of one data subject: the time, the policy's version, and the digest of the text that was shown."""

    at: str
    policy: str
    text: str


class SubjectFlags:
    """The flags of one site, in a database. Each row names its key; a row that is read is rewritten under the newest key.

    Every method raises :class:`RightsUnavailable` if the database cannot be reached.
    """

    def __init__(self, url: str, keys: KeyRing) -> None:
        self.database = self._database = Database(
            url, _tables, "The database of rights", RightsUnavailable, keys=KeyRegister(keys, "rights")
        )
        self._keys = keys

    def add(self, subject: str, flag: str, *, policy: str = "", text: str = "") -> None:
        """Set a flag of a data subject as of now. It replaces an earlier one."""
        key_id, hashed = self._keys.pseudonymise(normalise_subject(subject))
        row = {"subject": hashed, "subject_key": key_id, "what": flag, "at": timestamp(), "policy": policy, "text": text}
        with self._database.write() as connection:
            connection.execute(sa.delete(_flags).where(self._matches(subject, flag)))
            connection.execute(sa.insert(_flags).values(row))

    def find(self, subject: str, flag: str) -> SubjectFlag | None:
        """Return a flag of a data subject, or None if it is not set.

        Raises :class:`KeyMissing` if no row matches, but the key of some row is missing. That row could be about this data
        subject.
        """
        with self._database.read() as connection:
            if connection is None:
                return None
            row = connection.execute(sa.select(_flags).where(self._matches(subject, flag))).mappings().first()
            key_ids = sa.select(_flags.c.subject_key).where(_flags.c.what == flag).distinct()
            for key_id in connection.scalars(key_ids) if row is None else ():
                self._keys.require(key_id)
        if row is None:
            return None
        self._renew(subject, row)
        return SubjectFlag(row["at"], row["policy"], row["text"])

    def remove(self, subject: str, flag: str) -> bool:
        """Remove a flag, and return whether it was set."""
        return self._database.delete(sa.delete(_flags).where(self._matches(subject, flag))) > 0

    def erase_acceptances(self, subject: str) -> int:
        """Delete a data subject's acceptances, and return their number. The flag of a minor stays."""
        if not self._database.exists:  # return before a hash is computed, which would create a key
            return 0
        return self._database.delete(sa.delete(_flags).where(self._accepted_by(subject)))

    def acceptances(self, subject: str) -> list[dict[str, str]]:
        """Return what a data subject accepted, with its time and the policy's version, as JSON-compatible rows."""
        with self._database.read() as connection:
            if connection is None:
                return []
            query = sa.select(_flags).where(self._accepted_by(subject)).order_by(_flags.c.at, _flags.c.what)
            return [{"what": row.what, "at": row.at, "policy": row.policy} for row in connection.execute(query)]

    def replay_erasures(self, erased: Mapping[str, str]) -> int:
        """Delete the acceptances of erased data subjects again, and return their number.

        ``erased`` maps each keyed hash to the time of the erasure. Later acceptances stay.
        """
        accepted = sa.delete(_flags).where(_flags.c.what != MINOR)
        deletions = [accepted.where(_flags.c.subject == hashed, _flags.c.at <= time) for hashed, time in erased.items()]
        return self._database.delete(*deletions) if deletions else 0

    def delete_before(self, flag: str, moment: str) -> int:
        """Delete every row of a flag that is older than a timestamp, and return the number of rows."""
        return self._database.delete(sa.delete(_flags).where(_flags.c.what == flag, _flags.c.at < moment))

    def _renew(self, subject: str, row: sa.RowMapping) -> None:
        key_id, hashed = self._keys.pseudonymise(normalise_subject(subject))
        if key_id != row["subject_key"]:
            renewed = {"subject": hashed, "subject_key": key_id}
            with self._database.write() as connection:
                matches = (_flags.c.subject == row["subject"]) & (_flags.c.what == row["what"])
                rewrite_rows(connection, _flags, matches, lambda rows: [row | renewed for row in rows])

    def _accepted_by(self, subject: str) -> sa.ColumnElement[bool]:
        return _flags.c.subject.in_(self._keys.pseudonyms(normalise_subject(subject))) & (_flags.c.what != MINOR)

    def _matches(self, subject: str, flag: str) -> sa.ColumnElement[bool]:
        return _flags.c.subject.in_(self._keys.pseudonyms(normalise_subject(subject))) & (_flags.c.what == flag)


# Known minors: a keyed hash and the day it was recorded. No birth date is stored.

_DAYS_PER_YEAR = 366


class KnownMinors(BuiltInStore):
    """People who answered the age question as minors, or whom an operator recorded as minors.

    A row is deleted after as many years as the declared age, because the person has reached that age by then. An erasure
    leaves the row, so that a known minor stays protected.
    """

    name = "minors"

    def __init__(self, flags: SubjectFlags, declared: Declared | None) -> None:
        self.flags = self._flags = flags
        self._days = (declared or Declared()).age * _DAYS_PER_YEAR

    def add(self, subject: str) -> None:
        """Record that a person is a minor. ``subject`` is an e-mail address or an id of the site's own."""
        self._flags.add(subject, MINOR)

    def is_minor(self, subject: str) -> bool:
        """Whether a person is a known minor.

        Raises :class:`RightsUnavailable` if the database cannot be reached. Raises :class:`KeyMissing` if a row could be
        about this person, but its key is missing. The caller must then send no mail.
        """
        flag = self._flags.find(subject, MINOR)
        return flag is not None and flag.at >= later(days=-self._days)

    def forget(self, subject: str) -> bool:
        """Remove a person recorded by mistake, and return whether the person was a known minor."""
        return self._flags.remove(subject, MINOR)

    def expire(self) -> int:
        """Delete the rows of people who are no longer minors, and return their number."""
        return self._flags.delete_before(MINOR, later(days=-self._days))


# Accepted licences: a keyed hash and the accepted version.


class Acceptances(BuiltInStore):
    """Licences that logged-in users accepted. An anonymous visitor's acceptance is in a cookie."""

    name = "licences"

    def __init__(self, flags: SubjectFlags) -> None:
        self.flags = self._flags = flags

    def add(self, subject: str, licence: str, *, policy: str, version: str) -> None:
        """Record that a user accepted a version of a licence. It replaces an earlier version."""
        self._flags.add(subject, _flag_of(licence), policy=policy, text=version)

    def has(self, subject: str, licence: str, version: str) -> bool:
        """Whether a user accepted exactly this version."""
        flag = self._flags.find(subject, _flag_of(licence))
        return flag is not None and flag.text == version

    def export(self, subject: str) -> list[dict[str, str]]:
        """Return what a data subject accepted, with its time and the policy's version."""
        return self._flags.acceptances(subject)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Delete a data subject's acceptances."""
        return self._flags.erase_acceptances(subject)

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """Delete the acceptances of erased data subjects again."""
        return self._flags.replay_erasures(erased)


def _flag_of(licence: str) -> str:
    return f"licence {licence}"


def rewrite_rows(
    connection: sa.Connection,
    table: sa.Table,
    matching: sa.ColumnElement[bool],
    rewrite: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    """Replace the matching rows with those that ``rewrite`` returns for them.

    The rows are read in the caller's writing transaction, so rows that were deleted meanwhile do not come back.
    """
    rows = [dict(row) for row in connection.execute(sa.select(table).where(matching)).mappings()]
    connection.execute(sa.delete(table).where(matching))
    if rewritten := rewrite(rows):
        connection.execute(sa.insert(table), rewritten)
