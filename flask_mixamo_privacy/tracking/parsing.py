"""Log lines parsed into columns of events. Whole columns are checked at once, so that the work is done in C."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, compress, islice
from operator import itemgetter, le
from typing import Any

import orjson

from ..storage.clock import hour_in_milliseconds, timestamp_of_milliseconds
from .events import FIELDS
from .schema import CODED

#: The fields of an event in the order of its row in the form of the log.
COLUMNS = ("at", "visitor", "id", "kind", "visit", *CODED[1:])

Row = tuple[Any, ...]  # an event with the columns of COLUMNS
Texts = tuple[str | None, ...]

#: The fields of an event whose values come again and again, in groups that come together.
GROUPS = (("kind",), ("visitor", "visit"), ("page", "previous", "referrer"), ("browser", "platform", "provider", "network"))

_SECONDS = {f"{second // 60:02d}:{second % 60:02d}": second * 1000 for second in range(3600)}  # milliseconds of an hour
_FRACTIONS = {f"{fraction:03d}": fraction for fraction in range(1000)}

_BLOCK = 48 * 1024  # bytes parsed at once; a block that does not fit into the processor's cache takes twice as long
_NUL = b"\\u0000"  # the log never contains one, and PostgreSQL rejects it; after a backslash it is a text about NUL
_IS_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NOT_AN_EVENT = (ValueError, KeyError, TypeError)
_TIME = r"2\d\d\d-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d\d\dZ"
_TIMES = re.compile(f"(?:{_TIME})+", re.ASCII)
_AT, _DATA = COLUMNS.index("at"), COLUMNS.index("data")
_REQUIRED = dict.fromkeys(("at", "visitor", "id", "kind", "visit"), frozenset({str})) | {"data": frozenset({dict})}
_TYPES = [_REQUIRED.get(name, frozenset({str, type(None)})) for name in COLUMNS]
_pick = itemgetter(*COLUMNS)

# A line as the log writes it. One expression reads a whole block faster than a JSON parser, and it checks the types too. A
# group of fields is one text: most such texts have come before, and a JSON parser reads each only once. Any other line of
# JSON is read as such.
_CHARACTERS = r"[ !#-\[\]-\x7f]*+"  # those allowed, because a set of characters is faster than the set of all others
_PLAIN = f'"{_CHARACTERS}"'
_TEXT = rf'(?:{_PLAIN}|null|"{_CHARACTERS}(?:\\.{_CHARACTERS})+")'
_MEMBERS = {name: f'"{name}":{_PLAIN if name in _REQUIRED else _TEXT}' for name in FIELDS}
_STARTS = [
    f'"id":"({_CHARACTERS})"',
    f'"at":"({_TIME})"',
    *(f"({','.join(map(_MEMBERS.__getitem__, names))})" for names in GROUPS),
]
_LINE = re.compile(r"^\{" + ",".join(_STARTS) + r',"data":(\{.*\})\}\n', re.ASCII | re.MULTILINE)

Malformed = list[tuple[bytes, int]]  # lines that are not events, each with its offset in bytes


class Words(dict[str, int]):
    """A number for each text of a group of fields, or of data. Each text is read once, and ``values_of`` has its values."""

    def __init__(self) -> None:
        self.values_of: list[Texts] = []  # by number

    def __missing__(self, text: str) -> int:
        return self.add(text, (_data(orjson.loads(text)),) if text.startswith("{") else _members(text))

    def add(self, text: str, values: Texts) -> int:
        """Return the number of a text with these values."""
        number = self.setdefault(text, len(self.values_of))
        if number == len(self.values_of):
            self.values_of.append(values)
        return number

    def number_of(self, values: Texts) -> int:
        """Return the number of values that were read elsewhere."""
        return self.add(orjson.dumps(values).decode(), values)  # begins with a bracket, unlike each text of a line


@dataclass(slots=True)
class Batch:
    """Events by column. All lists have the same length. Those of groups have numbers of ``words``."""

    words: Words = field(default_factory=Words)
    moments: list[int] = field(default_factory=list)  # when each happened, in milliseconds since 1970-01-01 UTC
    ids: list[str] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    visits: list[int] = field(default_factory=list)  # visitor and visit
    places: list[int] = field(default_factory=list)
    clients: list[int] = field(default_factory=list)
    data: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Batch:
        """Return the events of rows in the form of the log."""
        batch = cls()
        for row in rows:
            batch.append(row)
        return batch

    def append(self, row: Row) -> None:
        """Add one event in the form of the log."""
        at, visitor, name, kind, visit, *others = row
        number_of = self.words.number_of
        groups = ((kind,), (visitor, visit), tuple(others[:3]), tuple(others[3:-1]), tuple(others[-1:]))
        self.extend(moments_of([at]), [name], *([number_of(values)] for values in groups))

    def extend(self, moments: Iterable[int], ids: Iterable[str], *groups: Iterable[int]) -> None:
        """Add events by column."""
        self.moments += moments
        self.ids += ids
        for column, values in zip(self.groups, groups, strict=True):
            column += values

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def groups(self) -> tuple[list[int], ...]:
        """The columns of numbers."""
        return self.kinds, self.visits, self.places, self.clients, self.data

    def rows(self) -> Iterator[Row]:
        """Yield the events as rows in the form of the log."""
        for moment, name, *numbers in zip(self.moments, self.ids, *self.groups, strict=True):
            kind, (visitor, visit), *others = map(self.words.values_of.__getitem__, numbers)
            yield timestamp_of_milliseconds(moment), visitor, name, *kind, visit, *chain.from_iterable(others)

    @property
    def visitors(self) -> set[str]:
        """The visitors of the events."""
        return {self.words.values_of[number][0] or "" for number in set(self.visits)}

    def without(self, visitors: Collection[str]) -> Batch:
        """Return the events of all other visitors."""
        kept = [self.words.values_of[number][0] not in visitors for number in self.visits]
        rest = Batch(self.words)
        groups = [list(compress(column, kept)) for column in self.groups]
        rest.extend(compress(self.moments, kept), compress(self.ids, kept), *groups)
        return rest


def moments_of(timestamps: Sequence[str]) -> list[int]:
    """Return timestamps as milliseconds since 1970-01-01 UTC. Raises :class:`ValueError` for 30 February."""
    hours = {hour: hour_in_milliseconds(hour) for hour in {text[:13] for text in timestamps}}
    return [hours[text[:13]] + _SECONDS[text[14:19]] + _FRACTIONS[text[20:23]] for text in timestamps]


def parse(chunk: bytes, batch: Batch) -> Malformed:
    """Add the events in a chunk of the log to a batch. Return the malformed lines with their offsets."""
    malformed: Malformed = []
    for start, block in _blocks(chunk):
        time.sleep(0)  # releases the GIL, so that a thread that serves a visitor waits for one block at most
        if not _parse_block(block, batch):
            rows, block_malformed = _parse_lines(block)
            for row in rows:
                batch.append(row)
            malformed += [(line, start + offset) for line, offset in block_malformed]
    return malformed


def first_timestamp(lines: bytes) -> str:
    """Return the time of the first line, or the empty string if it is malformed or there is none. Skips blanked lines."""
    for line in lines.splitlines(keepends=True):
        rows, malformed = _parse_lines(line)
        if rows or malformed:
            return str(rows[0][_AT]) if rows else ""
    return ""


def _blocks(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(chunk):
        end = chunk.find(b"\n", start + _BLOCK) + 1 or len(chunk)
        yield start, chunk[start:end]
        start = end


def _parse_block(block: bytes, batch: Batch) -> bool:
    """Add every line to a batch. Return False, and add none, if at least one line is not an event in the form of the log."""
    if not block.isascii() or (b"\\" in block and _NUL in block):
        return False
    lines = _LINE.findall(block.decode("ascii"))
    if len(lines) != block.count(b"\n") or not block.endswith(b"\n"):
        return False
    ids, at, *groups = zip(*lines, strict=True)
    try:
        moments = moments_of(at)
        numbers = [list(map(batch.words.__getitem__, texts)) for texts in groups]
    except _NOT_AN_EVENT:
        return False
    batch.extend(moments, ids, *numbers)
    return True


def _members(text: str) -> tuple[str | None, ...]:
    """Return the values of members of an object, in the order in which they are written."""
    return tuple(orjson.loads(f"{{{text}}}").values())


def _parse_lines(block: bytes) -> tuple[list[Row], Malformed]:
    rows: list[Row] = []
    malformed: Malformed = []
    offset = 0
    for line in block.splitlines(keepends=True):
        if line.startswith(b" ") and line.isspace():  # the blanked line of an erased visitor
            offset += len(line)
            continue
        try:
            if _NUL in line and _IS_NUL.search(line):
                raise ValueError("a NUL character")
            rows += zip(*_columns([orjson.loads(line)]), strict=True)
        except _NOT_AN_EVENT:
            malformed.append((line, offset))
        offset += len(line)
    return rows, malformed


def _columns(events: list[dict[str, Any]]) -> list[Sequence[Any]]:
    """Return the events by column, with the types of the store. Raises one of ``_NOT_AN_EVENT``."""
    columns: list[Sequence[Any]] = list(zip(*map(_pick, events), strict=True))
    for types, column in zip(_TYPES, columns, strict=True):
        if not types.issuperset(map(type, column)):
            raise TypeError("a value of another type")
    if not _are_timestamps(columns[_AT]):
        raise ValueError("not a timestamp")
    columns[_DATA] = list(map(_data, columns[_DATA]))
    return columns


def _data(properties: dict[str, Any]) -> str:
    """Return properties as the text that is stored. Raises :class:`TypeError` if it is no object."""
    if type(properties) is not dict:
        raise TypeError("data of another type")
    return orjson.dumps(properties).decode() if properties else "{}"


def _are_timestamps(texts: Sequence[str]) -> bool:
    """Return whether all texts have the form ``2026-05-08T12:00:00.000Z``, which reports rely on."""
    for day in {text[:10] for text in texts}:
        date.fromisoformat(day)  # raises ValueError for 30 February
    return set(map(len, texts)) == {24} and _TIMES.fullmatch("".join(texts)) is not None


def in_order(columns: list[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return events in order of their first three columns: slot, visitor and id, which is the order of their table."""
    moments = columns[0]
    if all(map(le, moments, islice(moments, 1, None))):
        return columns
    rows = list(zip(*columns, strict=True))
    try:
        rows.sort()
    except TypeError:  # two rows have equal keys, and one has None where the other has a code
        rows.sort(key=itemgetter(0, 1, 2))
    return list(zip(*rows, strict=True))


def are_first(keys: Sequence[Any], known: Iterable[Any]) -> list[bool]:
    """Return for each key whether it is the first of its kind, and not known."""
    seen = set(known)
    is_first = []
    for key in keys:
        is_first.append(key not in seen)
        seen.add(key)
    return is_first
