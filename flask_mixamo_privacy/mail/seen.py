"""Which messages were seen to already, each by a hash of its Message-ID."""

from __future__ import annotations

import sqlalchemy as sa

from ..errors import RightsUnavailable
from ..storage.database import Database

_tables = sa.MetaData()

_seen = sa.Table(
    "mail_seen",
    _tables,
    sa.Column("message", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)


class Seen:
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
