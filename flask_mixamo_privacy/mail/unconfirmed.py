"""The stored opt-ins that wait for their link, in the database of rights.

Only these rows contain an address, because the link is mailed to it. A row is deleted on confirmation, or after two weeks.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, fields

import sqlalchemy as sa

from ..errors import RightsUnavailable
from ..storage.database import Database

_tables = sa.MetaData()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default="")


_waiting = sa.Table(
    "mail_unconfirmed",
    _tables,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    *map(_text, ("email", "list", "at", "locale", "base", "policy", "text", "source")),
    *map(_text, ("mailed", "mail_after", "link")),
    sa.Index("mail_unconfirmed_of", "email"),
    sa.Index("mail_unconfirmed_link", "link"),
    sa.Index("mail_unconfirmed_waiting", "mailed", "mail_after"),
    sqlite_autoincrement=True,
)


def _add_indexes(connection: sa.Connection) -> None:
    for name, columns in (("of", "email"), ("link", "link"), ("waiting", "mailed, mail_after")):
        connection.exec_driver_sql(f"CREATE INDEX mail_unconfirmed_{name} ON mail_unconfirmed ({columns})")


@dataclass(frozen=True)
class UnconfirmedOptIn:
    """An opt-in by a form. It takes effect once its link is confirmed."""

    number: int
    email: str
    list: str
    at: str  # when the form was sent
    locale: str
    base: str  # the site's base URL, for the link
    policy: str  # the policy version
    text: str  # the digest of the text that was shown
    source: str
    mailed: str = ""
    mail_after: str = ""


class UnconfirmedOptIns:
    """The table of unconfirmed opt-ins. Every method raises :class:`RightsUnavailable` if it cannot be reached."""

    def __init__(self, url: str) -> None:
        self.database = self._database = Database(
            url, _tables, "The database of opt-ins", RightsUnavailable, durable=True, steps=[_add_indexes]
        )

    def add(self, **values: str) -> None:
        """Store an opt-in, unless one of the same address and list still waits for its mail."""
        waits = (_waiting.c.email == values["email"]) & (_waiting.c.list == values["list"]) & (_waiting.c.mailed == "")
        with self._database.write() as connection:
            if connection.scalar(sa.select(_waiting.c.number).where(waits)) is None:
                connection.execute(sa.insert(_waiting).values(**values))

    def awaiting_mail(self, now: str, most: int | None = None) -> list[UnconfirmedOptIn]:
        """Return the opt-ins whose link is due to be sent, oldest first; ``most`` limits them."""
        return self._select((_waiting.c.mailed == "") & (_waiting.c.mail_after <= now), most)

    def count_waiting(self, now: str) -> int:
        """Return the number of opt-ins whose link is due to be sent."""
        due = (_waiting.c.mailed == "") & (_waiting.c.mail_after <= now)
        with self._database.read() as connection:
            query = sa.select(sa.func.count()).select_from(_waiting).where(due)
            return connection.scalar(query) or 0 if connection else 0

    def of(self, email: str) -> list[UnconfirmedOptIn]:
        """Return the opt-ins of an address."""
        return self._select(_waiting.c.email == email)

    def addresses(self) -> set[str]:
        """Return every stored address."""
        return {opt_in.email for opt_in in self._select(sa.true())}

    def lease(self, opt_in: UnconfirmedOptIn, until: str) -> bool:
        """Reserve the mail of an opt-in for this process, and return whether that succeeded."""
        same = (
            (_waiting.c.number == opt_in.number) & (_waiting.c.mailed == "") & (_waiting.c.mail_after == opt_in.mail_after)
        )
        with self._database.write() as connection:
            return connection.execute(sa.update(_waiting).where(same).values(mail_after=until)).rowcount == 1

    def update(self, opt_in: UnconfirmedOptIn, **values: str) -> None:
        with self._database.write() as connection:
            connection.execute(sa.update(_waiting).where(_waiting.c.number == opt_in.number).values(values))

    def create_link(self, opt_in: UnconfirmedOptIn) -> str:
        """Return a new token for an opt-in, and store only its hash."""
        token = secrets.token_urlsafe(32)
        self.update(opt_in, link=_hash(token))
        return token

    def find(self, token: str, since: str) -> UnconfirmedOptIn | None:
        """Return the opt-in of a link that was mailed since a timestamp, or None."""
        found = self._select((_waiting.c.link == _hash(token)) & (_waiting.c.mailed >= since))
        return found[0] if found else None

    def forget(self, emails: Iterable[str], list_name: str | None = None) -> int:
        """Delete the opt-ins of addresses, of one list or of all, and return their number."""
        found = self._select(_waiting.c.email.in_(list(emails)))
        numbers = [opt_in.number for opt_in in found if list_name in (None, opt_in.list)]
        return self._database.delete(sa.delete(_waiting).where(_waiting.c.number.in_(numbers))) if numbers else 0

    def delete_before(self, moment: str) -> None:
        """Delete the opt-ins that were made before a timestamp."""
        if self._select(_waiting.c.at < moment, most=1):
            self._database.delete(sa.delete(_waiting).where(_waiting.c.at < moment))

    def _select(self, condition: sa.ColumnElement[bool], most: int | None = None) -> list[UnconfirmedOptIn]:
        columns = [_waiting.c[field.name] for field in fields(UnconfirmedOptIn)]
        query = sa.select(*columns).where(condition).order_by(_waiting.c.number).limit(most)
        with self._database.read() as connection:
            return [UnconfirmedOptIn(**row) for row in connection.execute(query).mappings()] if connection else []


def _hash(token: str) -> str:
    """Return a token's hash. A plain hash is safe, because a long random token cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()
