"""Lines of the log as rows of the store, by whole columns, so that the work is done in C."""

from __future__ import annotations

import re
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
    for place, part in _parts(chunk):
        good = _parse_at_once(part)
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


def _parse_at_once(part: bytes) -> list[Row] | None:
    """Every line as a row, or None where one of them is none."""
    if _NUL in part or not part.endswith(b"\n"):
        return None
    try:
        rows = [_row(event) for event in map(orjson.loads, part[:-1].split(b"\n"))]
        return rows if _all_good(rows) else None
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
            row = _row(orjson.loads(line))
            if _NUL in line or not _all_good([row]):
                raise ValueError("not an event")
            rows.append(row)
        except _NOT_AN_EVENT:
            bad.append((line, place))
        place += len(line)
    return rows, bad


_NUL = b"\\u0000"  # our log never writes one, and PostgreSQL takes none
_NOT_AN_EVENT = (ValueError, KeyError, TypeError)


def _row(event: dict[str, Any]) -> Row:
    data = event["data"]
    if type(data) is not dict:
        raise TypeError("data is no object")
    event["data"] = orjson.dumps(data).decode() if data else "{}"
    row: Row = _pick(event)
    return row


def _all_good(rows: list[Row]) -> bool:
    """Whether every value has its type, and every moment its form."""
    columns = list(zip(*rows, strict=True))
    typed = all(set(map(type, column)) <= types for types, column in zip(_TYPES, columns, strict=True))
    return typed and _are_times(columns[_AT])


_AT = COLUMNS.index("at")
_TYPES = [{str} if name in ("visitor", "id", "at", "kind", "visit", "data") else {str, type(None)} for name in COLUMNS]


def _are_times(texts: Sequence[str]) -> bool:
    """Whether all are as ``2026-05-08T12:00:00.000Z``; reports rely on it."""
    if set(map(len, texts)) != {24}:
        return False
    minutes, seconds = {text[:16] for text in texts}, {text[16:20] + text[23:] for text in texts}
    for day in {minute[:10] for minute in minutes}:
        date.fromisoformat(day)  # no 30 February
    return all(map(_MINUTE.fullmatch, minutes)) and all(map(_SECOND.fullmatch, seconds))


_MINUTE = re.compile(r"2\d\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_SECOND = re.compile(r":[0-5]\d\.Z", re.ASCII)
