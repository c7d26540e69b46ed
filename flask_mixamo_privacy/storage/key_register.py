"""The register of keys in a database: which keys it was written with, so that no host writes with others unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import ForeignKeys
from .keys import KeyRing

tables = sa.MetaData()

#: A fingerprint proves that a host has the secret, and does not reveal it. ``number`` is the order of the first uses.
_register = sa.Table(
    "privacy_keys",
    tables,
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
)

_ONE_HOST = "SELECT pg_advisory_xact_lock(7069697661637923)"


class KeyRegister:
    """The keys with which one part of the data was written: the ledger, the events, or the rights.

    Parts may share one database. ``with_ids`` is false for events, because traffic has no value in common with identities.
    ``needs_newest`` is false for the ledger, whose head names the key that it needs.
    """

    def __init__(self, keys: KeyRing, part: str, *, with_ids: bool = True, needs_newest: bool = True) -> None:
        self._keys = keys
        self._part = part
        self._with_ids = with_ids
        self._needs_newest = needs_newest

    def register(self, connection: sa.Connection) -> None:
        """Register the newest key, in a transaction that writes.

        Raises :class:`ForeignKeys` as :meth:`check` does, and if the key that was registered last is missing here. Older
        keys may be dropped.
        """
        newest = self._keys.newest
        fingerprint = self._fingerprint(newest)
        if fingerprint in self._check_newest(connection):
            return
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(_ONE_HOST))
        if fingerprint not in (known := self._check_newest(connection)):  # another host may have registered meanwhile
            row = {"part": self._part, "fingerprint": fingerprint, "number": len(known) + 1}
            connection.execute(sa.insert(_register), row | {"key": newest if self._with_ids else ""})

    def check(self, connection: sa.Connection) -> None:
        """Raise :class:`ForeignKeys` if this host has another secret under a registered id."""
        if sa.inspect(connection).has_table(_register.name):  # an earlier version has not created it
            self._check_ids(self._rows(connection))

    def _check_newest(self, connection: sa.Connection) -> set[str]:
        rows = self._rows(connection)
        self._check_ids(rows)
        if self._needs_newest and rows and rows[-1].fingerprint not in map(self._fingerprint, self._keys):
            raise ForeignKeys(rows[-1].key, self._keys, self._keys.origin, same_id=False)
        return {row.fingerprint for row in rows}

    def _check_ids(self, rows: Sequence[sa.Row[Any]]) -> None:
        for row in rows:
            if row.key in self._keys and self._fingerprint(row.key) != row.fingerprint:
                raise ForeignKeys(row.key, self._keys, self._keys.origin, same_id=True)

    def _rows(self, connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        query = sa.select(_register).where(_register.c.part == self._part).order_by(_register.c.number)
        return connection.execute(query).all()

    def _fingerprint(self, key_id: str) -> str:
        return self._keys.mac(key_id, "register", self._part.encode())
