"""Verification of the ledger: rows that were changed, inserted or removed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import HeadAged, KeyMissing
from .entry import BEGINNING, Chain, Head, ShownText
from .ledger import Ledger

StoredRow = dict[str, Any]


@dataclass(frozen=True)
class Discrepancy:
    """One position at which the ledger differs from what was written."""

    position: int  # of the entry, from 1; 0 for a text that no entry names
    kind: str  # "changed", "inserted", "removed", "cut off" or "text"
    message: str


@dataclass(frozen=True)
class Verified:
    """The result of a verification."""

    head: Head  # of the chain as it is stored
    discrepancies: list[Discrepancy]
    missing: list[KeyMissing]  # keys without which some rows could not be verified


def verify(ledger: Ledger, expect: Head | None = None) -> Verified:
    """Verify every row. ``expect`` is a head that was kept elsewhere; the chain must still contain it.

    Takes time in proportion to the number of rows. The first discrepancy is exact. Rows after a moved or inserted row can
    be reported as "changed" too: each row is sealed with the hash of the row before it.

    Raises :class:`HeadAged` if ``expect`` lies before the newest checkpoint, and :class:`LedgerUnavailable`, also if this
    host has another secret under the id of a key: every entry would look changed.
    """
    with ledger.read() as connection:
        walk = _Walk(ledger.chain, ledger.first_head(connection) if connection is not None else BEGINNING, expect)
        discrepancies: list[Discrepancy] = []
        if connection is not None:
            for row in ledger.iter_rows(connection):
                discrepancies += walk.check_row(row)
            stored = ledger.stored_head(connection)
            discrepancies += [*walk.check_head(stored), *_check_texts(connection, walk.texts)]
    discrepancies += walk.check_expected_head()
    return Verified(
        walk.head, sorted(discrepancies, key=lambda discrepancy: discrepancy.position), list(walk.missing.values())
    )


class _Walk:
    """One pass over the rows of the chain, in the order of their positions."""

    def __init__(self, chain: Chain, start: Head, expect: Head | None) -> None:
        if expect is not None and expect.count < start.count:
            raise HeadAged(expect, start)
        self.head = start
        self.texts: dict[str, int] = {}  # the first position that names each digest
        self.missing: dict[str, KeyMissing] = {}
        self._chain = chain
        self._start = start
        self._expect = expect
        self._hash_at_expected: object = start.hash if expect is not None and expect.count == start.count else None
        self._possible_hashes: tuple[object, ...] = (
            start.hash,
        )  # hashes that the next row may be sealed with; empty if unknown
        self._fitted = True  # whether the last row was sealed with one of them

    def check_row(self, row: StoredRow) -> Iterator[Discrepancy]:
        """Yield the discrepancies of the next row."""
        position, expected = row["position"], self.head.count + 1
        if type(position) is not int or position < expected:
            number = position if isinstance(position, int) else 0
            yield Discrepancy(number, "inserted", f"The entry at position {position!r} was inserted.")
            return
        if position > expected:
            yield _removed(expected, position - 1)
            self._possible_hashes = ()
        self._fitted = any(self._fits(row, previous_hash) for previous_hash in self._possible_hashes)
        if self._possible_hashes and not self._fitted:
            yield Discrepancy(position, "changed", f"The entry at position {position} was changed.")
        self._possible_hashes = (row["hash"],) if self._fitted else (row["hash"], *self._rehashed(row))
        self.head = Head(position, row["hash"])
        if self._expect is not None and self._expect.count == position:
            self._hash_at_expected = row["hash"]
        if isinstance(row["text"], str) and row["text"]:
            self.texts.setdefault(row["text"], position)

    def _fits(self, row: StoredRow, previous_hash: object) -> bool:
        try:
            return self._chain.verifies(row, previous_hash)
        except KeyMissing as error:
            self.missing[error.key_id] = error
            return True  # cannot be verified, so it is reported under ``missing`` only

    def _rehashed(self, row: StoredRow) -> Iterator[str]:
        """Yield the hash of the row as it was written, if only hashes were changed."""
        with contextlib.suppress(KeyMissing):
            yield from (self._chain.hash(row, previous_hash) for previous_hash in self._possible_hashes[-1:])

    def check_head(self, stored: StoredRow | None) -> Iterator[Discrepancy]:
        """Compare the last row with the stored head."""
        last = self.head
        if stored is None:
            if last != self._start:
                yield Discrepancy(last.count, "removed", "The stored head of the ledger is missing.")
            return
        try:
            sealed = self._chain.is_sealed(stored)
        except KeyMissing as error:
            self.missing[error.key_id] = error
            return
        if not sealed:
            yield Discrepancy(last.count, "changed", "The stored head of the ledger was changed.")
        elif stored["count"] > last.count:
            message = f"The ledger ended at entry {stored['count']}; the entries after {last.count} were cut off."
            yield Discrepancy(last.count + 1, "cut off", message)
        elif stored["count"] < last.count:
            message = f"The ledger ended at entry {stored['count']}; the entries after it were inserted."
            yield Discrepancy(stored["count"] + 1, "inserted", message)
        elif stored["hash"] != last.hash and self._fitted:
            yield Discrepancy(last.count, "changed", f"Entry {last.count} is not the last entry that was written.")

    def check_expected_head(self) -> Iterator[Discrepancy]:
        """Yield a discrepancy if the chain does not contain the expected head."""
        expect = self._expect
        if expect is None or self._hash_at_expected == expect.hash:
            return
        if expect.count > self.head.count:
            message = f"The expected head counts {expect.count} entries; the entries after {self.head.count} were cut off."
            yield Discrepancy(self.head.count + 1, "cut off", message)
        elif self._hash_at_expected is not None:
            message = f"Entry {expect.count} differs from the expected head: the ledger was cut off before it and continued."
            yield Discrepancy(expect.count, "cut off", message)


def _removed(first: int, last: int) -> Discrepancy:
    message = f"Entry {first} is missing." if first == last else f"The entries from {first} to {last} are missing."
    return Discrepancy(first, "removed", message)


def _check_texts(connection: sa.Connection, named: dict[str, int]) -> Iterator[Discrepancy]:
    """Yield a discrepancy for each text that was changed, that no entry names, or that is missing."""
    not_found = dict(named)
    for digest, source, locale, body in connection.exec_driver_sql("SELECT digest, source, locale, body FROM texts"):
        position = not_found.pop(digest, None)
        if not _is_digest_of(digest, source, locale, body):
            yield Discrepancy(position or 0, "text", f"The text with the digest {digest!r} is not the text that was shown.")
        elif position is None:
            yield Discrepancy(0, "text", f"No entry names the text with the digest {digest!r}.")
    for digest, position in not_found.items():
        yield Discrepancy(position, "text", f"The text that entry {position} names, with the digest {digest!r}, is missing.")


def _is_digest_of(digest: object, source: Any, locale: Any, body: Any) -> bool:
    try:
        return ShownText(source, locale, body, "").digest == digest
    except (TypeError, ValueError):  # a value that is not a text, or a text that UTF-8 cannot encode
        return False
