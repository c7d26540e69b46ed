"""The ledger: what was decided, about which words, and who looked. It is only ever added to, and shows it if not."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa

from ..errors import KeyMissing, LedgerUnavailable
from ..storage.clock import timestamp
from ..storage.database import Database
from ..storage.files import Spool
from ..storage.keys import KeyRing, normalise_subject
from .chain import BEGINNING, Chain, Head
from .entry import LedgerEntry, ShownText, encode_detail, is_readable

metadata = sa.MetaData()

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry", sa.Text, nullable=False, unique=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False, index=True),
    sa.Column("replaces", sa.Text, nullable=False, index=True),
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
    sa.Column("chain_key", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

texts = sa.Table(
    "texts",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("locale", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

# Where the chain ends, in one row, so that entries cut off at the end are missed without anything kept elsewhere.
heads = sa.Table(
    "head",
    metadata,
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("seal", sa.Text, nullable=False),
)

logger = logging.getLogger("flask_mixamo_privacy")

_RAW = f"SELECT {', '.join(column.name for column in entries.columns)} FROM entries ORDER BY position"  # noqa: S608
_ONE_WRITER = "SELECT pg_advisory_xact_lock(7069697661637922)"


class Ledger:
    """Appends entries durably; what cannot be written now may wait in a side file, except a grant."""

    def __init__(self, url: str, keys: KeyRing, pending: Spool) -> None:
        self.database = Database(url, metadata, "The ledger", LedgerUnavailable, durable=True, lock=_ONE_WRITER)
        self.chain = Chain(keys)
        self._keys = keys
        self._pending = pending

    def record(self, kind: str, *, text: ShownText | str | None = None, **said: Any) -> LedgerEntry:
        """Commit a new entry and return it; raises :class:`LedgerUnavailable`. Takes what :meth:`new_entry` takes."""
        entry = self.new_entry(kind, text=text, **said)
        self.append(entry, text if isinstance(text, ShownText) else None)
        return entry

    def record_or_spool(self, kind: str, *, text: ShownText | str | None = None, **said: Any) -> LedgerEntry:
        """Commit a new entry, or leave it in the side file, and return it; raises :class:`OSError` if neither takes it.

        Never for a grant. Takes what :meth:`new_entry` takes.
        """
        entry = self.new_entry(kind, text=text, **said)
        self.append_or_spool(entry, text if isinstance(text, ShownText) else None)
        return entry

    def new_entry(
        self,
        kind: str,
        *,
        subject: str = "",
        pseudonym: tuple[str, str] | None = None,
        at: str | None = None,
        text: ShownText | str | None = None,
        detail: Mapping[str, Any] | None = None,
        escape: bool = True,
        **columns: Any,
    ) -> LedgerEntry:
        """Return an entry that is not written yet.

        ``subject`` is a visitor ID, an e-mail address or an id of the site's own; the entry has its keyed hash under the
        newest key. ``pseudonym`` is ``(key id, keyed hash)`` if the caller has hashed the subject. ``at`` is a timestamp,
        now by default. ``text`` is the text shown, which sets the entry's language too, or the digest of one kept
        elsewhere. ``detail`` is stored as a JSON object in its own order, in ASCII unless ``escape`` is false. Every
        other column of :class:`Entry` has a keyword of its name.

        Raises :class:`OSError` or :class:`ValueError` if the subject's key cannot be read.
        """
        if subject and pseudonym is None:
            pseudonym = self.pseudonym(subject)
        if isinstance(text, ShownText):
            columns = {"locale": text.locale} | columns
            text = text.digest
        key_id, hashed = pseudonym or ("", "")
        encoded = encode_detail(detail, escape) if detail is not None else ""
        return LedgerEntry(
            kind, at or timestamp(), text=text or "", detail=encoded, subject=hashed, subject_key=key_id, **columns
        )

    def pseudonym(self, subject: str) -> tuple[str, str]:
        """Return ``(key id, keyed hash)`` of a subject under the newest key; raises as :meth:`new_entry` does."""
        return self._keys.pseudonymise(normalise_subject(subject))

    def append(self, entry: LedgerEntry, wording: ShownText | None = None) -> None:
        """Commit an entry, and the words it names once; raises :class:`LedgerUnavailable`."""
        try:
            self._pending.drain(self._write_spooled, wait=False)
            with self._writing() as connection:
                self._write(connection, [entry.row()], [wording] if wording else [])
        except (LedgerUnavailable, OSError) as error:
            raise LedgerUnavailable(f"The ledger could not be written, so nothing was granted. {error}") from error

    def append_or_spool(self, entry: LedgerEntry, wording: ShownText | None = None) -> None:
        """Commit an entry, or leave it in the side file; raises :class:`OSError` when neither takes it."""
        try:
            self.append(entry, wording)
        except LedgerUnavailable:
            self.spool(entry, wording)

    def spool(self, entry: LedgerEntry, wording: ShownText | None = None) -> None:
        """Leave an entry in the side file, to be taken up once what it says is done, or after a crash in between.

        Raises :class:`OSError`. Never a grant.
        """
        self._pending.append(entry.row() | {"wording": dataclasses.asdict(wording) if wording else None})

    def drain_spool(self) -> int:
        """Write what waited in the side file; gives the number of entries. Raises :class:`LedgerUnavailable`."""
        try:
            return self._pending.drain(self._write_spooled)
        except OSError as error:  # of the side file
            raise LedgerUnavailable(f"The ledger could not be written: {error}") from error

    def shown_text(self, digest: str, fingerprint: str) -> ShownText | None:
        """The words with this digest, if they are kept; None also when the ledger cannot be read."""
        chosen = sa.select(texts).where(texts.c.digest == digest)
        try:
            with self.read() as connection:
                row = connection.execute(chosen).mappings().one_or_none() if connection is not None else None
        except LedgerUnavailable:
            return None
        return ShownText(row["source"], row["locale"], row["body"], fingerprint) if row else None

    def entries(self, *kinds: str, since: str = "") -> Iterator[dict[str, Any]]:
        """The entries in the order in which they were written: of these kinds or of all, from this day or time on.

        None whose detail is not what an entry says: somebody changed it, and :meth:`unreadable` gives its place.
        """
        return (row for row in self._rows(kinds, since) if is_readable(row))

    def unreadable(self, *kinds: str, since: str = "") -> list[int]:
        """The positions of what :meth:`entries` leaves out."""
        return [row["position"] for row in self._rows(kinds, since) if not is_readable(row)]

    def _rows(self, kinds: Collection[str], since: str) -> Iterator[dict[str, Any]]:
        chosen = sa.select(entries).where(entries.c.at >= since).order_by(entries.c.position)
        if kinds:
            chosen = chosen.where(entries.c.kind.in_(kinds))
        with self.read() as connection:
            if connection is not None:
                yield from map(dict, connection.execute(chosen).mappings())

    def decisions(self, first: str, end: str) -> list[Any]:
        """``(at, kind, purposes, policy, locale)`` of each decision from a day to before another (``2026-05-08``, UTC).

        No receipt and nothing else that names one; raises :class:`LedgerUnavailable`.
        """
        names = ("at", "kind", "purposes", "policy", "locale")
        chosen = sa.select(*(entries.c[name] for name in names)).where(
            entries.c.kind.in_(("grant", "refusal", "withdrawal")), entries.c.at >= first, entries.c.at < end
        )
        with self.read() as connection:
            return list(connection.execute(chosen)) if connection is not None else []

    def grant_history(self, receipt: str) -> list[dict[str, Any]] | None:
        """A grant's entry, then those of what was taken back of it; empty for one that was never written.

        None once it has ended, be there a cookie that still says otherwise. Raises :class:`LedgerUnavailable`.
        """
        chosen = sa.select(entries).where(sa.or_(entries.c.receipt == receipt, entries.c.replaces == receipt))
        with self.read() as connection:
            if connection is None or not receipt:
                return []
            found = [dict(row) for row in connection.execute(chosen.order_by(entries.c.position)).mappings()]
        if any(row["replaces"] == receipt for row in found):
            return None
        return found if found and found[0]["kind"] == "grant" else []

    def keys_named(self) -> set[str]:
        """The ids of the keys that some entry needs; raises :class:`LedgerUnavailable`."""
        named = sa.union(sa.select(entries.c.chain_key), sa.select(entries.c.subject_key))
        with self.read() as connection:
            return set(connection.scalars(named)) - {""} if connection is not None else set()

    def read(self) -> AbstractContextManager[sa.Connection | None]:
        """A reading transaction, or None where nothing was ever written; raises :class:`LedgerUnavailable`."""
        return self.database.read()

    def iter_rows(self, connection: sa.Connection) -> Iterator[dict[str, Any]]:
        """Every row just as it is stored, whatever was put there, in order."""
        self._read_any_text(connection)
        with connection.exec_driver_sql(_RAW, execution_options={"yield_per": 1000}) as found:
            yield from map(dict, found.mappings())

    def first_head(self, connection: sa.Connection) -> Head:
        """Where the entries that are still there begin: at the newest checkpoint, if there is one."""
        self._read_any_text(connection)
        newest = sa.select(entries.c.detail).where(entries.c.kind == "checkpoint").order_by(entries.c.position.desc())
        try:
            return Head.parse(json.loads(connection.scalar(newest.limit(1)) or "null")["head"])
        except (TypeError, ValueError, LookupError):  # none, or one that was changed, which the chain tells
            return BEGINNING

    def stored_head(self, connection: sa.Connection) -> dict[str, Any] | None:
        """The row that says where the chain ends, if there is one."""
        found = connection.execute(sa.select(heads)).mappings().first()
        return dict(found) if found is not None else None

    def head(self) -> Head:
        """Where the chain ends, to be kept elsewhere; raises :class:`LedgerUnavailable`."""
        with self.read() as connection:
            stored = self.stored_head(connection) if connection is not None else None
            return Head(stored["count"], stored["hash"]) if stored is not None else BEGINNING

    def prune(self, before: str, at: str) -> int:
        """Seal the oldest entries, those before a day, under a checkpoint, and delete them; gives their number.

        Only what is still as it was written: nobody can have a change forgotten by making entries look old. Words that no
        entry names any more go with them. Raises :class:`LedgerUnavailable` and :class:`KeyMissing`.
        """
        if not self.database.exists:
            return 0
        with self._writing() as connection:
            aged = self._age(connection, before, at)
        self.database.truncate_wal()
        return aged

    def _age(self, connection: sa.Connection, before: str, at: str) -> int:
        sealed, aged = self.first_head(connection), 0
        for row in self.iter_rows(connection):
            intact = row["position"] == sealed.count + 1 and self.chain.verifies(row, sealed.hash)
            if not intact or row["at"] >= before:
                break
            sealed, aged = Head(row["position"], row["hash"]), aged + (row["kind"] != "checkpoint")
        if aged:
            self._write(connection, [self.new_entry("checkpoint", at=at, detail={"head": str(sealed)}).row()])
            connection.execute(sa.delete(entries).where(entries.c.position <= sealed.count))
            connection.execute(sa.delete(texts).where(texts.c.digest.not_in(sa.select(entries.c.text))))
        return aged

    def _read_any_text(self, connection: sa.Connection) -> None:
        """Read bytes that are no UTF-8 too: somebody put them there."""
        if self.database.is_sqlite:
            driver: Any = connection.connection.driver_connection
            driver.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction in which nobody else can add to the chain; raises :class:`LedgerUnavailable`."""
        try:
            with self.database.write() as connection:
                yield connection
        except ValueError as error:  # the file of the keys is no such file
            raise LedgerUnavailable(f"The ledger could not be written: {error}") from error

    def _write_spooled(self, waited: list[dict[str, Any]]) -> None:
        """Write rows of the side file, each once: they may have been written before a crash already."""
        with self._writing() as connection:
            by_id = {row["entry"]: row for row in waited if LedgerEntry.is_row(row)}
            if len(by_id) < len(waited):  # what is no entry must not keep the others from being taken up
                logger.error("Lines that waited beside the ledger are no entries, or there twice, and were dropped.")
            for known in self._known(connection, list(by_id)):
                del by_id[known]
            words = [ShownText(**found) for row in by_id.values() if (found := row.pop("wording", None))]
            self._write(connection, list(by_id.values()), words)

    def _known(self, connection: sa.Connection, ids: list[str]) -> Iterator[str]:
        for start in range(0, len(ids), 500):
            part = entries.c.entry.in_(ids[start : start + 500])
            yield from connection.scalars(sa.select(entries.c.entry).where(part)).all()

    def _write(self, connection: sa.Connection, rows: list[dict[str, Any]], wordings: Collection[ShownText] = ()) -> None:
        if not rows:
            return
        head, whole = self._end(connection)
        # What is not whole stays so: a later entry must not cover up that others were cut off before it.
        values = self.chain.seal_head(self.chain.seal_rows(rows, head)) | ({} if whole else {"seal": ""})
        if not connection.execute(sa.update(heads), values).rowcount:
            connection.execute(sa.insert(heads), values)
        connection.execute(sa.insert(entries), rows)
        for wording in {words.digest: words for words in wordings}.values():
            values = {"source": wording.source, "locale": wording.locale, "body": wording.body}
            connection.execute(self.database.insert_new(texts), {"digest": wording.digest, **values})

    def _end(self, connection: sa.Connection) -> tuple[Head, bool]:
        """Where the chain goes on, and whether nothing was taken from its end."""
        stored = self.stored_head(connection)
        if stored is not None and self._is_sealed(stored):
            return Head(stored["count"], stored["hash"]), True
        last = sa.select(entries.c.position, entries.c.hash).order_by(entries.c.position.desc()).limit(1)
        found = connection.execute(last).one_or_none()
        return (Head(*found), False) if found else (BEGINNING, stored is None)

    def _is_sealed(self, stored: Mapping[str, Any]) -> bool:
        try:
            return self.chain.is_sealed(stored)
        except KeyMissing as error:  # to seal it anew would cover up whatever was cut off before it
            raise LedgerUnavailable(
                f"Where the ledger ends cannot be checked, so nothing is added to it. {error}"
            ) from error
