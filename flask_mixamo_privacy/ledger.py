"""The ledger: what was decided, about which words, and who looked. It is only ever added to."""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from .database import Database
from .errors import LedgerUnavailable
from .pending import Pending
from .wording import Wording

_tables = sa.MetaData()

_entries = sa.Table(
    "entries",
    _tables,
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("entry", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
    sa.Column("replaces", sa.Text, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("purposes", sa.Text, nullable=False),
    sa.Column("services", sa.Text, nullable=False),
    sa.Column("withdrawn", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("gpc", sa.Boolean, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("subject_key", sa.Text, nullable=False),
    # The hash chain's columns will stand here: key, and the hash over the row and the one before it.
)

_texts = sa.Table(
    "texts",
    _tables,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of the ledger. A refusal carries the day alone, and neither receipt nor anything else of its own."""

    kind: str  # "grant", "refusal", "withdrawal", "erasure" or "access"
    at: str  # UTC, ISO 8601; of a refusal the day
    receipt: str = ""
    replaces: str = ""  # the receipt of the grant that this ends
    policy: str = ""  # its version
    fingerprint: str = ""  # of what was decided on
    purposes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()  # purposes and services
    source: str = ""  # "banner", "settings", "embed" or "api"
    locale: str = ""
    text: str = ""  # the digest of the words shown
    gpc: bool = False
    detail: str = ""
    subject: str = ""  # a keyed hash of whom this is about; empty where nobody is named
    subject_key: str = ""  # the id of the key in PRIVACY_KEYS that made it
    entry: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(12))

    def row(self) -> dict[str, Any]:
        row = dataclasses.asdict(self)
        return row | {name: json.dumps(row[name]) for name in ("purposes", "services", "withdrawn")}


class Ledger:
    """Appends entries durably; what cannot be written now may wait in a side file, except a grant."""

    def __init__(self, url: str, pending: Pending) -> None:
        # The writer holds a visitor's request: better a clear "try again" after two seconds than a spinning page.
        self._database = Database(url, _tables, durable=True, wait_ms=2000)
        self._pending = pending

    def append(self, entry: Entry, wording: Wording | None = None) -> None:
        """Commit an entry, and the words it names once; raises :class:`LedgerUnavailable`."""
        try:
            self._pending.take(self._write, wait=False)
            self._write([entry.row()], [wording] if wording else [])
        except (SQLAlchemyError, OSError) as error:
            raise LedgerUnavailable("The ledger could not be written, so nothing was granted.") from error

    def append_or_wait(self, entry: Entry, wording: Wording | None = None) -> None:
        """Commit an entry, or leave it in the side file; raises :class:`OSError` when neither takes it."""
        try:
            self.append(entry, wording)
        except LedgerUnavailable:
            self._pending.append(entry.row() | {"wording": dataclasses.asdict(wording) if wording else None})

    def take_up(self) -> int:
        """Write what waited in the side file; gives the number of entries. Raises :class:`LedgerUnavailable`."""
        try:
            return self._pending.take(self._write)
        except (SQLAlchemyError, OSError) as error:
            raise LedgerUnavailable("The ledger could not be written.") from error

    def wording(self, digest: str, fingerprint: str) -> Wording | None:
        """The words with this digest, if they are kept; None also when the ledger cannot be read."""
        if not self._database.exists:
            return None
        try:
            with self._database.read() as connection:
                row = connection.execute(sa.select(_texts).where(_texts.c.digest == digest)).mappings().one_or_none()
        except SQLAlchemyError:
            return None
        return Wording(row["source"], row["locale"], row["body"], fingerprint) if row else None

    def entries(self, *kinds: str, since: str = "") -> Iterator[dict[str, Any]]:
        """The entries in the order in which they were written: of these kinds or of all, from this day or time on."""
        chosen = sa.select(_entries).where(_entries.c.at >= since).order_by(_entries.c.position)
        if kinds:
            chosen = chosen.where(_entries.c.kind.in_(kinds))
        if self._database.exists:
            with self._database.read() as connection:
                if sa.inspect(connection).has_table("entries"):
                    for row in connection.execute(chosen).mappings():
                        yield dict(row)

    def _write(self, rows: list[dict[str, Any]], wordings: Iterable[Wording] = ()) -> None:
        rows = [dict(row) for row in rows]
        waited = [Wording(**words) for row in rows if (words := row.pop("wording", None))]
        with self._database.write() as connection:
            # Rows from the side file may have been written before a crash already: the entry's own id tells.
            for row in rows:
                connection.execute(self._database.insert_new(_entries), row)
            for wording in {words.digest: words for words in (*waited, *wordings)}.values():
                self._keep(connection, wording)

    def _keep(self, connection: sa.Connection, wording: Wording) -> None:
        values = {"source": wording.source, "locale": wording.locale, "body": wording.body}
        connection.execute(self._database.insert_new(_texts), {"digest": wording.digest, **values})
