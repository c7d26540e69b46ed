"""The limit of confirmation links to one mailbox, over all forms that send links.

Any visitor can enter any address, so the limit protects the person who receives the links.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from ..errors import RightsUnavailable
from ..storage.clock import later, timestamp, timestamp_of
from ..storage.database import Database, KeyRegister
from ..storage.keys import KeyRing
from .limits import LINKS_A_DAY, mailbox_of

_tables = sa.MetaData()

#: The links of the last day. A mailbox is stored as a keyed hash, which also counts once a request has lost its address.
_mailed = sa.Table(
    "mailed_links",
    _tables,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("mailbox", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False, index=True),
    sa.Index("mailed_links_of", "mailbox", "at"),
)


class LinkLimit:
    """Counts the links to each mailbox, in the database of rights. Several processes may send links at the same time.

    Every method raises :class:`RightsUnavailable` if the database cannot be reached.
    """

    def __init__(self, url: str, keys: KeyRing) -> None:
        register = KeyRegister(keys, "rights")
        self.database = self._database = Database(
            url, _tables, "The database of mailed links", RightsUnavailable, keys=register
        )
        self._keys = keys

    def reserve(self, email: str) -> str:
        """Count one more link to a mailbox, and return an empty text; or return when it may get a further link."""
        with self._database.write() as connection:
            connection.execute(sa.delete(_mailed).where(_is_over()))
            latest = sa.select(_mailed.c.at).where(self._is_to(email)).order_by(_mailed.c.at.desc())
            times = connection.scalars(latest.limit(LINKS_A_DAY)).all()
            if len(times) == LINKS_A_DAY:
                return timestamp_of(datetime.fromisoformat(times[-1]) + timedelta(days=1, milliseconds=1))
            row = {"mailbox": self._keys.pseudonymise(mailbox_of(email))[1], "at": timestamp()}
            connection.execute(sa.insert(_mailed), row)
        return ""

    def release(self, email: str) -> None:
        """Count the newest link to a mailbox no longer, because its mail could not be sent."""
        newest = sa.select(sa.func.max(_mailed.c.number)).where(self._is_to(email)).scalar_subquery()
        self._database.delete(sa.delete(_mailed).where(_mailed.c.number == newest))

    def prune(self) -> None:
        """Delete the rows that no longer count."""
        with self._database.read() as connection:
            if connection is None or connection.scalar(sa.select(_mailed.c.number).where(_is_over()).limit(1)) is None:
                return
        self._database.delete(sa.delete(_mailed).where(_is_over()))

    def _is_to(self, email: str) -> sa.ColumnElement[bool]:
        return _mailed.c.mailbox.in_(self._keys.pseudonyms(mailbox_of(email)))


def _is_over() -> sa.ColumnElement[bool]:
    """Whether a link was mailed more than a day ago, or by a clock that was set back since."""
    return (_mailed.c.at < later(days=-1)) | (_mailed.c.at > later(days=1))
