"""What stands about people, each known by a keyed hash alone: who is a child, who accepted a licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ..errors import RightsUnavailable
from ..policy.parts import Minors as Declared
from ..storage.clock import later, timestamp
from ..storage.database import Database, rewrite_rows
from ..storage.keys import KeyRing, normalise_subject
from .stores import BuiltInStore

#: What stands about a known child.
MINOR = "minor"

_tables = sa.MetaData()

_standings = sa.Table(
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
    """One thing about one person: since when, under which version of the policy, after which words (their digest)."""

    at: str
    policy: str
    text: str


class SubjectFlags:
    """Keyed hashes in the database of rights. Every row names its key, and a hit is written anew under the newest.

    Every method raises :class:`RightsUnavailable` when the database is away.
    """

    def __init__(self, url: str, keys: KeyRing) -> None:
        self._database = Database(url, _tables, "The database of rights", RightsUnavailable)
        self._keys = keys

    def add(self, subject: str, what: str, *, policy: str = "", text: str = "") -> None:
        """Write down that this holds for somebody from now on, in place of what stood there before."""
        key_id, hashed = self._keys.pseudonymise(normalise_subject(subject))
        row = {"subject": hashed, "subject_key": key_id, "what": what, "at": timestamp(), "policy": policy, "text": text}
        with self._database.write() as connection:
            connection.execute(sa.delete(_standings).where(self._is(subject, what)))
            connection.execute(sa.insert(_standings).values(row))

    def find(self, subject: str, what: str) -> SubjectFlag | None:
        """What stands, or None.

        Raises :class:`KeyMissing` where nothing was found and a row was made under a key that is gone: it might be this
        person's.
        """
        with self._database.read() as connection:
            if connection is None:
                return None
            row = connection.execute(sa.select(_standings).where(self._is(subject, what))).mappings().first()
            named = sa.select(_standings.c.subject_key).where(_standings.c.what == what).distinct()
            for key_id in connection.scalars(named) if row is None else ():
                self._keys.require(key_id)
        if row is None:
            return None
        self._renew(subject, row)
        return SubjectFlag(row["at"], row["policy"], row["text"])

    def forget(self, subject: str, what: str) -> bool:
        """Let it hold no longer; gives whether it did."""
        return self._database.delete(sa.delete(_standings).where(self._is(subject, what))) > 0

    def forget_person(self, subject: str) -> int:
        """Forget what somebody accepted; gives the number. That one is a child stays known."""
        if not self._database.exists:  # then no key is needed, and none is made
            return 0
        return self._database.delete(sa.delete(_standings).where(self._accepted_by(subject)))

    def accepted_texts(self, subject: str) -> list[dict[str, str]]:
        """What somebody accepted, when, and under which version of the policy, in words."""
        with self._database.read() as connection:
            if connection is None:
                return []
            chosen = sa.select(_standings).where(self._accepted_by(subject))
            found = connection.execute(chosen.order_by(_standings.c.at, _standings.c.what))
            return [{"what": row.what, "at": row.at, "policy": row.policy} for row in found]

    def replay_erasures(self, graves: Mapping[str, str]) -> int:
        """Forget of people, each given by a keyed hash, all that stood before a moment; gives the number."""
        accepted = sa.delete(_standings).where(_standings.c.what != MINOR)
        old = [accepted.where(_standings.c.subject == hashed, _standings.c.at <= at) for hashed, at in graves.items()]
        return self._database.delete(*old) if old else 0

    def forget_before(self, what: str, moment: str) -> int:
        """Delete all that was written down before a moment; gives the number."""
        return self._database.delete(sa.delete(_standings).where(_standings.c.what == what, _standings.c.at < moment))

    def _renew(self, subject: str, row: sa.RowMapping) -> None:
        key_id, hashed = self._keys.pseudonymise(normalise_subject(subject))
        if key_id != row["subject_key"]:
            new = {"subject": hashed, "subject_key": key_id}
            with self._database.write() as connection:
                matching = (_standings.c.subject == row["subject"]) & (_standings.c.what == row["what"])
                rewrite_rows(connection, _standings, matching, lambda rows: [row | new for row in rows])

    def _accepted_by(self, subject: str) -> sa.ColumnElement[bool]:
        return _standings.c.subject.in_(self._keys.pseudonyms(normalise_subject(subject))) & (_standings.c.what != MINOR)

    def _is(self, subject: str, what: str) -> sa.ColumnElement[bool]:
        return _standings.c.subject.in_(self._keys.pseudonyms(normalise_subject(subject))) & (_standings.c.what == what)


# Known children: of each a keyed hash, and the day on which it was known. No birth date is kept anywhere.

_DAYS_OF_A_YEAR = 366


class KnownMinors(BuiltInStore):
    """Who said to be a child, or of whom it was learnt.

    After as many years as the declared age nobody is one any longer, however young they were; the row goes then. An
    erasure leaves it: who is known to be a child stays protected.
    """

    name = "minors"

    def __init__(self, standings: SubjectFlags, declared: Declared | None) -> None:
        self._standings = standings
        self._days = (declared or Declared()).age * _DAYS_OF_A_YEAR

    def add(self, subject: str) -> None:
        """Remember that this person, an address or an id of the site's own, is a child."""
        self._standings.add(subject, MINOR)

    def is_minor(self, subject: str) -> bool:
        """Whether the person is known to be a child.

        Raises :class:`RightsUnavailable` when it cannot be looked up, and :class:`KeyMissing` where a row might be about
        this person and its key is gone: write to nobody then.
        """
        found = self._standings.find(subject, MINOR)
        return found is not None and found.at >= later(days=-self._days)

    def forget(self, subject: str) -> bool:
        """For an operator who knows better; gives whether the person was known."""
        return self._standings.forget(subject, MINOR)

    def expire(self) -> int:
        """Delete those who are children no longer; gives their number."""
        return self._standings.forget_before(MINOR, later(days=-self._days))


# Which version of a licence somebody accepted, by a keyed hash.


class Acceptances(BuiltInStore):
    """The acceptances of people who are known to the site; of others a cookie tells."""

    name = "licences"

    def __init__(self, standings: SubjectFlags) -> None:
        self._standings = standings

    def add(self, subject: str, licence: str, *, policy: str, version: str) -> None:
        """Remember that somebody accepted this version, in place of any before."""
        self._standings.add(subject, _what(licence), policy=policy, text=version)

    def has(self, subject: str, licence: str, version: str) -> bool:
        """Whether just this version was accepted."""
        found = self._standings.find(subject, _what(licence))
        return found is not None and found.text == version

    def export(self, subject: str) -> list[dict[str, str]]:
        """Return what a person accepted, when, and under which version of the policy."""
        return self._standings.accepted_texts(subject)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Forget what a person accepted."""
        return self._standings.forget_person(subject)

    def replay(self, erased: Mapping[str, str], since: str) -> int:
        """Forget what erased people had accepted before."""
        return self._standings.replay_erasures(erased)


def _what(licence: str) -> str:
    return f"licence {licence}"
