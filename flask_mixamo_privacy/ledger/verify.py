"""Verify the ledger: find rows that are not what was written, and rows that are missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import HeadAged, KeyMissing
from .chain import BEGINNING, Chain, Head
from .entry import ShownText
from .ledger import Ledger

Row = dict[str, Any]


@dataclass(frozen=True)
class Discrepancy:
    """One place where the ledger is not what was written."""

    position: int  # the entry's, from 1; 0 for a text that no entry names
    kind: str  # "changed", "inserted", "removed", "cut off" or "text"
    message: str


@dataclass(frozen=True)
class Verified:
    """The result of verifying."""

    head: Head  # of the chain as it is there
    discrepancies: list[Discrepancy]
    missing: list[KeyMissing]  # keys without which not every row could be verified


def verify(ledger: Ledger, expect: Head | None = None) -> Verified:
    """Verify every row; with a head that was kept elsewhere, also that the chain still runs through it.

    Takes time in proportion to the number of rows. The first flaw is exact. An entry that was moved, or put between
    others, can make those after it "changed" too, because each is sealed together with the one before it.

    Raises :class:`HeadAged` for a head before the newest checkpoint, and :class:`LedgerUnavailable`.
    """
    with ledger.read() as connection:
        walk = _Walk(ledger.chain, ledger.first_head(connection) if connection is not None else BEGINNING, expect)
        flaws: list[Discrepancy] = []
        if connection is not None:
            for row in ledger.iter_rows(connection):
                flaws += walk.step(row)
            stored = ledger.stored_head(connection)
            flaws += [*walk.at_the_end(stored), *_texts(connection, walk.texts)]
    flaws += walk.against_expectation()
    return Verified(walk.head, sorted(flaws, key=lambda flaw: flaw.position), list(walk.missing.values()))


class _Walk:
    """One pass along the chain."""

    def __init__(self, chain: Chain, start: Head, expect: Head | None) -> None:
        if expect is not None and expect.count < start.count:
            raise HeadAged(expect, start)
        self.head = start
        self.texts: dict[str, int] = {}  # digests, and the first entry that names each
        self.missing: dict[str, KeyMissing] = {}
        self._chain = chain
        self._start = start
        self._expect = expect
        self._found: object = start.hash if expect is not None and expect.count == start.count else None
        self._befores: tuple[object, ...] = (start.hash,)  # what the next row may be sealed with; empty if unknown
        self._fitted = True  # whether the last row did

    def step(self, row: Row) -> Iterator[Discrepancy]:
        """Take the next row, in the order of positions."""
        position, next_one = row["position"], self.head.count + 1
        if type(position) is not int or position < next_one:
            whole = position if isinstance(position, int) else 0
            yield Discrepancy(whole, "inserted", f"The entry at position {position!r} was put there.")
            return
        if position > next_one:
            yield _removed(next_one, position - 1)
            self._befores = ()
        self._fitted = any(self._fits(row, before) for before in self._befores)
        if self._befores and not self._fitted:
            yield Discrepancy(position, "changed", f"The entry at position {position} is not what was written.")
        self._befores = (row["hash"],) if self._fitted else (row["hash"], *self._rehashed(row))
        self.head = Head(position, row["hash"])
        if self._expect is not None and self._expect.count == position:
            self._found = row["hash"]
        if isinstance(row["text"], str) and row["text"]:
            self.texts.setdefault(row["text"], position)

    def _fits(self, row: Row, before: object) -> bool:
        try:
            return self._chain.verifies(row, before)
        except KeyMissing as error:
            self.missing[error.key_id] = error
            return True  # as far as one can see

    def _rehashed(self, row: Row) -> Iterator[str]:
        """Return what the row's hash was if nothing but hashes was changed."""
        with contextlib.suppress(KeyMissing):
            yield from (self._chain.hash(row, before) for before in self._befores[-1:])

    def at_the_end(self, stored: Row | None) -> Iterator[Discrepancy]:
        """Hold the last entry against where the ledger remembers that it ended."""
        last = self.head
        if stored is None:
            if last != self._start:
                yield Discrepancy(last.count, "removed", "The row that says where the ledger ends is gone.")
            return
        try:
            sealed = self._chain.is_sealed(stored)
        except KeyMissing as error:
            self.missing[error.key_id] = error
            return
        if not sealed:
            yield Discrepancy(last.count, "changed", "The row that says where the ledger ends is not what was written.")
        elif stored["count"] > last.count:
            says = f"The ledger ended at entry {stored['count']}; the entries after {last.count} were cut off."
            yield Discrepancy(last.count + 1, "cut off", says)
        elif stored["count"] < last.count:
            says = f"The ledger ended at entry {stored['count']}; what stands after it was put there."
            yield Discrepancy(stored["count"] + 1, "inserted", says)
        elif stored["hash"] != last.hash and self._fitted:
            yield Discrepancy(last.count, "changed", f"Entry {last.count} is not the one with which the ledger ended.")

    def against_expectation(self) -> Iterator[Discrepancy]:
        """Whether the chain runs through the head that was kept elsewhere."""
        expect = self._expect
        if expect is None or self._found == expect.hash:
            return
        if expect.count > self.head.count:
            says = f"The head kept elsewhere counts {expect.count} entries; those after {self.head.count} were cut off."
            yield Discrepancy(self.head.count + 1, "cut off", says)
        elif self._found is not None:
            says = (
                f"Entry {expect.count} is not the one that the head kept elsewhere names: the ledger was cut off before it."
            )
            yield Discrepancy(expect.count, "cut off", says)


def _removed(first: int, last: int) -> Discrepancy:
    says = f"The entry at position {first} is gone." if first == last else f"The entries from {first} to {last} are gone."
    return Discrepancy(first, "removed", says)


def _texts(connection: sa.Connection, named: dict[str, int]) -> Iterator[Discrepancy]:
    """Whether the words that entries name are there, whole, and no others."""
    left = dict(named)
    for digest, source, locale, body in connection.exec_driver_sql("SELECT digest, source, locale, body FROM texts"):
        position = left.pop(digest, None)
        if not _is_digest_of(digest, source, locale, body):
            yield Discrepancy(position or 0, "text", f"The words with the digest {digest!r} are not those that were shown.")
        elif position is None:
            yield Discrepancy(0, "text", f"No entry names the words with the digest {digest!r}.")
    for digest, position in left.items():
        yield Discrepancy(position, "text", f"The words that entry {position} names, with the digest {digest!r}, are gone.")


def _is_digest_of(digest: object, source: Any, locale: Any, body: Any) -> bool:
    try:
        return ShownText(source, locale, body, "").digest == digest
    except (TypeError, ValueError):  # no text, or none that can be written in UTF-8
        return False
