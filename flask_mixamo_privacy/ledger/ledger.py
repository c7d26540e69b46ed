"""The append-only ledger: writing, reading and pruning. Tampering shows in the hash chain."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Any

import sqlalchemy as sa

from ..errors import KeyMissing, LedgerUnavailable
from ..storage.clock import timestamp
from ..storage.database import Database, KeyRegister
from ..storage.files import Spool
from ..storage.keys import KeyRing, normalise_subject
from .entry import BEGINNING, Chain, Head, LedgerEntry, ShownText, encode_detail, is_readable
from .refusals import DECISIONS, RefusalCounter, seal_refusals
from .schema import entries, heads, metadata, texts

logger = logging.getLogger("flask_mixamo_privacy")

_SELECT_ROWS = f"SELECT {', '.join(column.name for column in entries.columns)} FROM entries ORDER BY position"  # noqa: S608 — only names of our own columns
_PRUNED_AT_ONCE = 500  # entries in one transaction
_PAUSE = 0.1  # seconds between two transactions; a writer that waits for SQLite tries again within that time
_SHORT_SPOOL = 64 * 1024  # bytes, about a hundred entries
_ONE_WRITER = "SELECT pg_advisory_xact_lock(7069697661637922)"


class Ledger:
    """Appends entries durably. An entry that cannot be written now can be spooled, unless it is a grant."""

    def __init__(self, url: str, keys: KeyRing, spool: Spool) -> None:
        register = KeyRegister(keys, "ledger", needs_newest=False)
        self.database = Database(
            url, metadata, "The ledger", LedgerUnavailable, durable=True, lock=_ONE_WRITER, keys=register
        )
        self.read = self.database.read  # opens a transaction, or yields None if nothing was ever written
        self.chain = Chain(keys)
        self.refusals = RefusalCounter(os.path.join(os.path.dirname(spool.path), "refusals"))
        self._keys = keys
        self.pending = spool

    def record(self, kind: str, *, text: ShownText | str | None = None, **columns: Any) -> LedgerEntry:
        """Commit a new entry and return it; raises :class:`LedgerUnavailable`. Arguments as for :meth:`new_entry`."""
        entry = self.new_entry(kind, text=text, **columns)
        self.append(entry, text if isinstance(text, ShownText) else None)
        return entry

    def record_or_spool(self, kind: str, *, text: ShownText | str | None = None, **columns: Any) -> LedgerEntry:
        """Commit a new entry, or spool it, and return it; raises :class:`OSError` if both fail.

        Never use it for a grant. Arguments as for :meth:`new_entry`.
        """
        entry = self.new_entry(kind, text=text, **columns)
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
        """Return a new entry without writing it.

        ``subject`` is a visitor ID, an e-mail address or one of the site's own ids. The entry has its keyed hash under the
        newest key. ``pseudonym`` is ``(key id, keyed hash)`` if the caller has hashed the subject. ``at`` is a timestamp;
        the default is now. ``text`` is the text shown, which also sets the entry's language, or the digest of a text kept
        elsewhere. ``detail`` is stored as a JSON object in its own order, in ASCII unless ``escape`` is false. ``columns``
        are further fields of :class:`LedgerEntry`.

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

    def append(self, entry: LedgerEntry, text: ShownText | None = None) -> None:
        """Commit an entry, and the text shown unless it is stored already; raises :class:`LedgerUnavailable`."""
        try:
            if self._has_short_spool:
                self.pending.drain(self._write_spooled, wait=False)
            with self._writing() as connection:
                self._write(connection, [entry.row()], [text] if text else [])
        except (LedgerUnavailable, OSError) as error:
            raise LedgerUnavailable(f"The ledger could not be written, so nothing was granted. {error}") from error

    @property
    def _has_short_spool(self) -> bool:
        """Whether a visitor's request drains the spool. A long one waits for a command or the background thread."""
        try:
            return 0 < os.stat(self.pending.path).st_size <= _SHORT_SPOOL
        except OSError:  # most ledgers never spool an entry
            return False

    def append_new(self, new: Collection[LedgerEntry]) -> None:
        """Commit the entries that are not stored already; raises :class:`LedgerUnavailable`."""
        self._write_spooled([entry.row() for entry in new])

    def append_or_spool(self, entry: LedgerEntry, text: ShownText | None = None) -> None:
        """Commit an entry, or spool it; raises :class:`OSError` if both fail. Never use it for a grant."""
        try:
            self.append(entry, text)
        except LedgerUnavailable:
            self.spool(entry, text)

    def spool(self, entry: LedgerEntry, text: ShownText | None = None) -> None:
        """Spool an entry; raises :class:`OSError`. Never spool a grant.

        The next :meth:`drain_spool` writes it to the ledger, also after a crash.
        """
        self.pending.append(entry.row() | {"wording": dataclasses.asdict(text) if text else None})

    def drain_spool(self) -> int:
        """Write all spooled entries to the ledger and return their number; raises :class:`LedgerUnavailable`."""
        try:
            return self.pending.drain(self._write_spooled)
        except OSError as error:  # the spool file cannot be read or emptied
            raise LedgerUnavailable(f"The ledger could not be written: {error}") from error

    def shown_text(self, digest: str, fingerprint: str) -> ShownText | None:
        """Return the text with this digest; None if it is not stored or the ledger cannot be read."""
        query = sa.select(texts).where(texts.c.digest == digest)
        try:
            with self.read() as connection:
                row = connection.execute(query).mappings().one_or_none() if connection is not None else None
        except LedgerUnavailable:
            return None
        return ShownText(row["source"], row["locale"], row["body"], fingerprint) if row else None

    def entries(self, *kinds: str, since: str = "") -> Iterator[dict[str, Any]]:
        """Return the entries of these kinds, or of all kinds, since a day or timestamp, in the order of writing.

        Skips entries with an invalid detail, which only tampering leaves. :meth:`unreadable` returns their positions.
        """
        return (row for row in self._rows(kinds, since) if is_readable(row))

    def unreadable(self, *kinds: str, since: str = "") -> list[int]:
        """Return the positions of the entries that :meth:`entries` skips."""
        return [row["position"] for row in self._rows(kinds, since) if not is_readable(row)]

    def _rows(self, kinds: Collection[str], since: str) -> Iterator[dict[str, Any]]:
        query = sa.select(entries).where(entries.c.at >= since).order_by(entries.c.position)
        if kinds:
            query = query.where(entries.c.kind.in_(kinds))
        with self.read() as connection:
            if connection is not None:
                yield from map(dict, connection.execute(query).mappings())

    def decisions(self, first: str, end: str) -> list[Any]:
        """Return ``(at, kind, purposes, policy, locale, detail)`` of decisions from the UTC day ``first`` to before ``end``.

        No column identifies a visitor. Seals the refusals of the days that are over. Raises :class:`LedgerUnavailable`.
        """
        if os.path.isdir(self.refusals.folder):  # a site without refusals has none
            seal_refusals(self)
        names = ("at", "kind", "purposes", "policy", "locale", "detail")
        query = sa.select(*(entries.c[name] for name in names)).where(
            entries.c.kind.in_(DECISIONS), entries.c.at >= first, entries.c.at < end
        )
        with self.read() as connection:
            return list(connection.execute(query)) if connection is not None else []

    def grant_history(self, receipt: str) -> list[dict[str, Any]] | None:
        """Return a grant's entry, followed by its partial withdrawals; empty if there is no grant with this receipt.

        Returns None if the grant has ended, even if a cookie still holds it. Raises :class:`LedgerUnavailable`.
        """
        query = sa.select(entries).where(sa.or_(entries.c.receipt == receipt, entries.c.replaces == receipt))
        with self.read() as connection:
            if connection is None or not receipt:
                return []
            rows = [dict(row) for row in connection.execute(query.order_by(entries.c.position)).mappings()]
        if any(row["replaces"] == receipt for row in rows):
            return None
        return rows if rows and rows[0]["kind"] == "grant" else []

    def keys_named(self) -> set[str]:
        """Return the ids of the keys that any entry names; raises :class:`LedgerUnavailable`."""
        query = sa.union(sa.select(entries.c.chain_key), sa.select(entries.c.subject_key))
        with self.read() as connection:
            return set(connection.scalars(query)) - {""} if connection is not None else set()

    def iter_rows(self, connection: sa.Connection) -> Iterator[dict[str, Any]]:
        """Yield every row exactly as it is stored, also an invalid one, in the order of positions."""
        self._read_any_text(connection)
        with connection.exec_driver_sql(_SELECT_ROWS, execution_options={"yield_per": 1000}) as result:
            yield from map(dict, result.mappings())

    def first_head(self, connection: sa.Connection) -> Head:
        """Return the head before the oldest entry: that of the newest checkpoint, if there is one."""
        self._read_any_text(connection)
        newest = sa.select(entries.c.detail).where(entries.c.kind == "checkpoint").order_by(entries.c.position.desc())
        try:
            return Head.parse(json.loads(connection.scalar(newest.limit(1)) or "null")["head"])
        except (TypeError, ValueError, LookupError):  # no checkpoint, or a changed one, which the hash chain detects
            return BEGINNING

    def stored_head(self, connection: sa.Connection) -> dict[str, Any] | None:
        """Return the row with the end of the chain, if there is one."""
        row = connection.execute(sa.select(heads)).mappings().first()
        return dict(row) if row is not None else None

    def head(self) -> Head:
        """Return the end of the chain, for a copy kept elsewhere; raises :class:`LedgerUnavailable`."""
        with self.read() as connection:
            stored = self.stored_head(connection) if connection is not None else None
            return Head(stored["count"], stored["hash"]) if stored is not None else BEGINNING

    def prune(self, before: str, at: str) -> int:
        """Seal the entries before a day under a checkpoint, delete them, and return their number.

        Each transaction seals and deletes a part of them, so that no grant waits long. Stops at the first entry that is not
        what was written, so a change cannot be hidden by backdating entries. Also deletes the texts that no entry names.
        Raises :class:`LedgerUnavailable` and :class:`KeyMissing`.
        """
        if os.path.isdir(self.refusals.folder):
            seal_refusals(self)
        sealed, pruned = self._start_of_pruning(before), 0
        while sealed is not None:
            with self._writing() as connection:
                number, sealed = self._prune(connection, sealed, before, at)
            pruned += number
            if number < _PRUNED_AT_ONCE:
                break
            sleep(_PAUSE)
        if pruned:
            self._delete_texts()
            self.database.truncate_wal()
        return pruned

    def _start_of_pruning(self, before: str) -> Head | None:
        """Return the head before the oldest entry, or None if that entry is kept. Takes no lock: it may read every row."""
        with self.read() as connection:
            if connection is None:
                return None
            oldest = sa.select(sa.func.min(entries.c.position)).scalar_subquery()
            is_old = sa.select(sa.true()).where(entries.c.position == oldest, entries.c.at < before)
            return self.first_head(connection) if connection.scalar(is_old) else None

    def _prune(self, connection: sa.Connection, start: Head, before: str, at: str) -> tuple[int, Head]:
        """Prune a part of the entries after a head. Returns their number and the new head before the oldest entry."""
        sealed, pruned = start, 0
        for row in self.iter_rows(connection):
            intact = row["position"] == sealed.count + 1 and self.chain.verifies(row, sealed.hash)
            if not intact or row["at"] >= before or pruned == _PRUNED_AT_ONCE:
                break
            sealed, pruned = Head(row["position"], row["hash"]), pruned + (row["kind"] != "checkpoint")
        if pruned:
            self._write(connection, [self.new_entry("checkpoint", at=at, detail={"head": str(sealed)}).row()])
            connection.execute(sa.delete(entries).where(entries.c.position <= sealed.count))
        return pruned, sealed

    def _delete_texts(self) -> None:
        """Delete the texts that no entry names. Only entries that were written meanwhile are read with the lock held."""
        with self.read() as connection:
            if connection is None:
                return
            last = connection.scalar(sa.select(sa.func.max(entries.c.position))) or 0
            unnamed = sa.select(texts.c.digest).where(texts.c.digest.not_in(sa.select(entries.c.text)))
            digests = connection.scalars(unnamed).all()
        if digests:
            named = sa.select(entries.c.text).where(entries.c.position > last)
            with self._writing() as connection:
                for digest in digests:
                    connection.execute(sa.delete(texts).where(texts.c.digest == digest, texts.c.digest.not_in(named)))

    def _read_any_text(self, connection: sa.Connection) -> None:
        """Let SQLite return texts that are not UTF-8, which only tampering stores."""
        if self.database.is_sqlite:
            driver: Any = connection.connection.driver_connection
            driver.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """Open a transaction that excludes every other writer; raises :class:`LedgerUnavailable`."""
        try:
            with self.database.write() as connection:
                yield connection
        except ValueError as error:  # the key file is invalid
            raise LedgerUnavailable(f"The ledger could not be written: {error}") from error

    def _write_spooled(self, spooled: list[dict[str, Any]]) -> None:
        """Write spooled rows, unless an attempt before a crash has written them already."""
        with self._writing() as connection:
            by_id = {row["entry"]: row for row in spooled if LedgerEntry.is_row(row)}
            if len(by_id) < len(spooled):  # an invalid line must not block the other entries
                logger.error("The ledger's spool has duplicate lines or lines that are not entries. They were dropped.")
            for entry_id in self._stored_ids(connection, list(by_id)):
                del by_id[entry_id]
            shown = [ShownText(**fields) for row in by_id.values() if (fields := row.pop("wording", None))]
            self._write(connection, list(by_id.values()), shown)

    def _stored_ids(self, connection: sa.Connection, ids: list[str]) -> Iterator[str]:
        for start in range(0, len(ids), 500):
            part = entries.c.entry.in_(ids[start : start + 500])
            yield from connection.scalars(sa.select(entries.c.entry).where(part)).all()

    def _write(self, connection: sa.Connection, rows: list[dict[str, Any]], shown: Collection[ShownText] = ()) -> None:
        if not rows:
            return
        head, is_intact = self._end(connection)
        # An entry must not hide that entries before it were cut off, so the seal of a damaged chain stays invalid.
        values = self.chain.seal_head(self.chain.seal_rows(rows, head)) | ({} if is_intact else {"seal": ""})
        if not connection.execute(sa.update(heads), values).rowcount:
            connection.execute(sa.insert(heads), values)
        connection.execute(sa.insert(entries), rows)
        for text in {text.digest: text for text in shown}.values():
            values = {"digest": text.digest, "source": text.source, "locale": text.locale, "body": text.body}
            connection.execute(self.database.insert_new(texts), values)

    def _end(self, connection: sa.Connection) -> tuple[Head, bool]:
        """Return the head to append to, and whether the stored head proves that no entry was cut off."""
        stored = self.stored_head(connection)
        if stored is not None and self._is_sealed(stored):
            return Head(stored["count"], stored["hash"]), True
        last = sa.select(entries.c.position, entries.c.hash).order_by(entries.c.position.desc()).limit(1)
        row = connection.execute(last).one_or_none()
        return (Head(*row), False) if row else (BEGINNING, stored is None)

    def _is_sealed(self, stored: Mapping[str, Any]) -> bool:
        try:
            return self.chain.is_sealed(stored)
        except KeyMissing as error:  # a new seal would hide entries that were cut off before it
            raise LedgerUnavailable(f"The ledger's head cannot be checked, so no entry was added. {error}") from error
