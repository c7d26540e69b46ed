"""Lines of the log as rows of the store, by whole columns, so that the work is done in C."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

import orjson

from .store import COLUMNS, Row

_PART = 128 * 1024  # bytes read at once: more than fits into a processor's cache takes twice as long
_pick = itemgetter(*COLUMNS)

Bad = list[tuple[bytes, int]]  # lines that are no event, each with its place in bytes


def parse(chunk: bytes) -> tuple[list[Row], Bad]:
    """Lines as rows of the store; those that are no event come back with their place."""
    rows: list[Row] = []
    bad: Bad = []
    known: dict[str | None, str | None] = {}
    for place, part in _parts(chunk):
        time.sleep(0)  # a thread that serves a visitor meanwhile waits for a part at most
        good = _parse_at_once(part, known)
        if good is None:
            good, flawed = _parse_one_by_one(part)
            bad += [(line, place + at) for line, at in flawed]
        rows += good
    return rows, bad


def moment_of(lines: bytes) -> str:
    """When the first whole line that is an event was written; the empty text where that cannot be said."""
    for line in lines.splitlines(keepends=True):
        rows, bad = _parse_one_by_one(line)
        if rows or bad:
            return str(rows[0][_AT]) if rows else ""
    return ""


def _parts(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(chunk):
        end = chunk.find(b"\n", start + _PART) + 1 or len(chunk)
        yield start, chunk[start:end]
        start = end


def _parse_at_once(part: bytes, known: dict[str | None, str | None]) -> list[Row] | None:
    """Every line as a row, or None where one of them is none.

    Equal texts become one object, of those in ``known`` too: they are hashed and looked at many times yet.
    """
    if _NUL in part or not part.endswith(b"\n"):
        return None
    try:
        columns = _columns(list(map(orjson.loads, part[:-1].split(b"\n"))))
        once = (
            column if name in _OWN else map(known.setdefault, column, column)
            for name, column in zip(COLUMNS, columns, strict=True)
        )
        return list(zip(*once, strict=True))
    except _NOT_AN_EVENT:
        return None


def _parse_one_by_one(part: bytes) -> tuple[list[Row], Bad]:
    rows: list[Row] = []
    bad: Bad = []
    place = 0
    for line in part.splitlines(keepends=True):
        if line.startswith(b" ") and line.isspace():  # of an erased visitor, once
            place += len(line)
            continue
        try:
            if _NUL in line:
                raise ValueError("no text of an event")
            rows += zip(*_columns([orjson.loads(line)]), strict=True)
        except _NOT_AN_EVENT:
            bad.append((line, place))
        place += len(line)
    return rows, bad


_NUL = b"\\u0000"  # our log never writes one, and PostgreSQL takes none
_NOT_AN_EVENT = (ValueError, KeyError, TypeError)


def _columns(events: list[dict[str, Any]]) -> list[Sequence[Any]]:
    """The events by column, each value of the store's type; raises one of _NOT_AN_EVENT."""
    columns: list[Sequence[Any]] = list(zip(*map(_pick, events), strict=True))
    for types, column in zip(_TYPES, columns, strict=True):
        if not types.issuperset(map(type, column)):
            raise TypeError("a value of another type")
    if not _are_times(columns[_AT]):
        raise ValueError("no moment")
    columns[_DATA] = [orjson.dumps(data).decode() if data else "{}" for data in columns[_DATA]]
    return columns


_OWN = ("at", "id")  # what is different in nearly every line
_AT, _DATA = COLUMNS.index("at"), COLUMNS.index("data")
_TEXT = dict.fromkeys(("at", "visitor", "id", "kind", "visit"), frozenset({str})) | {"data": frozenset({dict})}
_TYPES = [_TEXT.get(name, frozenset({str, type(None)})) for name in COLUMNS]


def _are_times(texts: Sequence[str]) -> bool:
    """Whether all are as ``2026-05-08T12:00:00.000Z``; reports rely on it."""
    for day in {text[:10] for text in texts}:
        date.fromisoformat(day)  # no 30 February
    return set(map(len, texts)) == {24} and _TIMES.fullmatch("".join(texts)) is not None


_TIMES = re.compile(r"(?:2\d\d\d-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d\d\dZ)+", re.ASCII)
