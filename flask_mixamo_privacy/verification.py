"""Verifying the ledger: which of its rows are not what was written, and what is missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .chain import BEGINNING, Chain, Head
from .entry import ShownText
from .errors import HeadAged, KeyMissing
from .ledger import Ledger

Row = dict[str, Any]

_MOST = 500  # entries out of place that are looked at more closely


@dataclass(frozen=True)
class Flaw:
    """One thing that was done to the ledger."""

    position: int  # the entry's, from 1; of words that no entry names 0
    kind: str  # "changed", "inserted", "removed", "reordered", "cut off" or "text"
    says: str


@dataclass(frozen=True)
class Verified:
    """What verifying came to."""

    head: Head  # of the chain as it is there
    flaws: list[Flaw]
    missing: list[KeyMissing]  # keys without which not every row could be looked at


def verify(ledger: Ledger, expect: Head | None = None) -> Verified:
    """Look at every row; with a head that was kept elsewhere, also at whether the chain still runs through it.

    Raises :class:`HeadAged` for a head before the newest checkpoint, and :class:`LedgerUnavailable`.
    """
    with ledger.read() as connection:
        walk = _Walk(ledger.chain, ledger.start(connection) if connection is not None else BEGINNING, expect)
        flaws: list[Flaw] = []
        if connection is not None:
            for row in ledger.raw(connection):
                walk.step(row)
            stored = ledger.stored_head(connection)
            flaws += [*walk.at_the_end(stored), *_texts(connection, walk.texts)]
    flaws += [*walk.out_of_place(), *walk.against_expectation()]
    return Verified(walk.head, sorted(flaws, key=lambda flaw: flaw.position), list(walk.missing.values()))


@dataclass
class _Place:
    """A place in the chain whose entry is not there, or is not what was written."""

    position: int
    row: Row | None
    befores: tuple[object, ...]  # the hash before it may be any of these; unknown where there is none
    rightful: Row | None = None  # what was written there, wherever it stands now


class _Walk:
    """One pass along the chain. What does not fit is kept, to find out afterwards what became of it."""

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
        self._befores: tuple[object, ...] = (start.hash,)
        self._fitted = True  # whether the last row did
        self._places: list[_Place] = []
        self._gaps: list[tuple[int, int]] = []
        self._strays: list[Row] = []

    def step(self, row: Row) -> None:
        """Take the next row, in the order of positions."""
        position = row["position"]
        if type(position) is not int or position <= self.head.count:
            self._strays.append(row)
            return
        if position > self.head.count + 1:
            self._skip(self.head.count + 1, position - 1)
        fits = any(self._fits(row, before) for before in self._befores)
        if not fits:
            self._places.append(_Place(position, row, self._befores))
        self._fitted = fits
        self._befores = (row["hash"],) if fits else (row["hash"], *self._hashes(row))
        self.head = Head(position, row["hash"])
        if self._expect is not None and self._expect.count == position:
            self._found = row["hash"]
        if isinstance(row["text"], str) and row["text"]:
            self.texts.setdefault(row["text"], position)

    def _skip(self, first: int, last: int) -> None:
        self._gaps.append((first, last))
        if last - first < _MOST:
            for position in range(first, last + 1):
                self._places.append(_Place(position, None, self._befores if position == first else ()))
        self._befores = ()

    def _fits(self, row: Row, before: object) -> bool:
        try:
            return self._chain.holds(row, before)
        except KeyMissing as error:
            self.missing[error.key_id] = error
            return True  # as far as one can see

    def _hashes(self, row: Row) -> Iterator[str]:
        """What the row's hash would be if only its hash had been changed."""
        for before in self._befores:
            with contextlib.suppress(KeyMissing):
                yield self._chain.hash(row, before)

    def at_the_end(self, stored: Row | None) -> Iterator[Flaw]:
        """Hold the last entry against where the ledger remembers that it ended."""
        last = self.head
        if stored is None:
            if last != self._start:
                yield Flaw(last.count, "removed", "The row that says where the ledger ends is gone.")
            return
        try:
            sealed = self._chain.is_sealed(stored)
        except KeyMissing as error:
            self.missing[error.key_id] = error
            return
        if not sealed:
            yield Flaw(last.count, "changed", "The row that says where the ledger ends is not what was written.")
        elif stored["count"] > last.count:
            says = f"The ledger ended at entry {stored['count']}; the entries after {last.count} were cut off."
            yield Flaw(last.count + 1, "cut off", says)
        elif stored["count"] < last.count:
            says = f"The ledger ended at entry {stored['count']}; what stands after it was put there."
            yield Flaw(stored["count"] + 1, "inserted", says)
        elif stored["hash"] != last.hash and self._fitted:
            yield Flaw(last.count, "changed", f"Entry {last.count} is not the one with which the ledger ended.")

    def against_expectation(self) -> Iterator[Flaw]:
        """Whether the chain runs through the head that was kept elsewhere."""
        expect = self._expect
        if expect is None or self._found == expect.hash:
            return
        if expect.count > self.head.count:
            says = f"The head kept elsewhere counts {expect.count} entries; those after {self.head.count} were cut off."
            yield Flaw(self.head.count + 1, "cut off", says)
        elif self._found is not None:
            says = (
                f"Entry {expect.count} is not the one that the head kept elsewhere names: the ledger was cut off before it."
            )
            yield Flaw(expect.count, "cut off", says)

    def out_of_place(self) -> Iterator[Flaw]:
        """What became of each entry that is not what was written in its place."""
        self._look_for_rightful()
        moved = {id(place.rightful): place.position for place in self._places if place.rightful is not place.row}
        for row in [*self._strays, *(place.row for place in self._places if place.row is not None)]:
            if id(row) in moved:
                says = f"The entry at position {row['position']} was moved: it belongs at {moved[id(row)]}."
                yield Flaw(_whole(row["position"]), "reordered", says)
        for place in self._places:
            yield from self._at(place, moved)
        for row in self._strays:
            if id(row) not in moved:
                yield _inserted(row)
        for first, last in self._gaps:
            if last - first >= _MOST:
                yield _removed(first, last)

    def _at(self, place: _Place, moved: dict[int, int]) -> Iterator[Flaw]:
        if place.row is None:
            if place.rightful is None:
                yield _removed(place.position, place.position)
        elif place.rightful is None and id(place.row) in moved:
            yield _removed(place.position, place.position)
        elif place.rightful is None and place.befores:
            yield Flaw(place.position, "changed", f"The entry at position {place.position} is not what was written.")
        elif place.rightful not in (None, place.row) and id(place.row) not in moved:
            yield _inserted(place.row)

    def _look_for_rightful(self) -> None:
        """Find what was written in each place among all that does not fit where it stands."""
        unclaimed = [*self._strays, *(place.row for place in self._places if place.row is not None)][:_MOST]
        before: _Place | None = None
        for place in self._places[:_MOST]:
            if before is not None and before.position == place.position - 1 and before.rightful is not None:
                place.befores = (before.rightful["hash"],)
            place.rightful = self._rightful(place, unclaimed)
            if place.rightful is not None:
                unclaimed = [row for row in unclaimed if row is not place.rightful]
            before = place

    def _rightful(self, place: _Place, among: list[Row]) -> Row | None:
        """The row that was written there, tried first where it stands and beside that."""
        if place.row is not None:
            among = sorted(among, key=lambda row: abs(_whole(row["position"]) - place.position))
        for row in among:
            if any(self._fits({**row, "position": place.position}, before) for before in place.befores):
                return row
        return None


def _whole(position: object) -> int:
    return position if isinstance(position, int) else 0


def _inserted(row: Row) -> Flaw:
    position = _whole(row["position"])
    return Flaw(position, "inserted", f"The entry at position {row['position']!r} was put there.")


def _removed(first: int, last: int) -> Flaw:
    says = f"The entry at position {first} is gone." if first == last else f"The entries from {first} to {last} are gone."
    return Flaw(first, "removed", says)


def _texts(connection: sa.Connection, named: dict[str, int]) -> Iterator[Flaw]:
    """Whether the words that entries name are there, whole, and no others."""
    left = dict(named)
    for digest, source, locale, body in connection.exec_driver_sql("SELECT digest, source, locale, body FROM texts"):
        position = left.pop(digest, None)
        if not _is_digest_of(digest, source, locale, body):
            yield Flaw(position or 0, "text", f"The words with the digest {digest!r} are not those that were shown.")
        elif position is None:
            yield Flaw(0, "text", f"No entry names the words with the digest {digest!r}.")
    for digest, position in left.items():
        yield Flaw(position, "text", f"The words that entry {position} names, with the digest {digest!r}, are gone.")


def _is_digest_of(digest: object, source: Any, locale: Any, body: Any) -> bool:
    try:
        return ShownText(source, locale, body, "").digest == digest
    except (TypeError, ValueError):  # no text, or none that can be written in UTF-8
        return False
