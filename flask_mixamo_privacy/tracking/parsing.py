"""Log lines parsed into rows of the event store. Whole columns are checked at once, so that the work is done in C."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

import orjson

from .event_table import COLUMNS, Row
from .events import FIELDS

_BLOCK = 128 * 1024  # bytes parsed at once; a block that does not fit into the processor's cache takes twice as long
_NUL = b"\\u0000"  # the log never contains one, and PostgreSQL rejects it; after a backslash it is a text about NUL
_IS_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NOT_AN_EVENT = (ValueError, KeyError, TypeError)
_TIME = r"2\d\d\d-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d\d\dZ"
_TIMES = re.compile(f"(?:{_TIME})+", re.ASCII)
_AT, _DATA = COLUMNS.index("at"), COLUMNS.index("data")
_REQUIRED = dict.fromkeys(("at", "visitor", "id", "kind", "visit"), frozenset({str})) | {"data": frozenset({dict})}
_TYPES = [_REQUIRED.get(name, frozenset({str, type(None)})) for name in COLUMNS]
_pick = itemgetter(*COLUMNS)

# A line as the log writes it. One expression reads a whole block in a third of the time of a JSON parser, and it checks the
# types too. A JSON parser then reads each different text once. Any other line of JSON is read as such.
_PLAIN = r'"([^"\\\x00-\x1f]*+)"'
_TEXT = r'(null|"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")'
_PATTERNS = dict.fromkeys(("id", "kind", "visitor", "visit"), _PLAIN) | {"at": f'"({_TIME})"', "data": r"(\{.*\})"}
_LINE = re.compile(
    r"^\{" + ",".join(f'"{name}":{_PATTERNS.get(name, _TEXT)}' for name in FIELDS) + r"\}\n", re.ASCII | re.MULTILINE
)
_order = itemgetter(*map(FIELDS.index, COLUMNS))
_IS_TEXT = [name not in _PATTERNS for name in COLUMNS]

Malformed = list[tuple[bytes, int]]  # lines that are not events, each with its offset in bytes


def parse(chunk: bytes) -> tuple[list[Row], Malformed]:
    """Return the rows of the events in a chunk of the log, and the malformed lines with their offsets."""
    rows: list[Row] = []
    malformed: Malformed = []
    texts: dict[str, str | None] = {}
    data: dict[str, str] = {}
    for start, block in _blocks(chunk):
        time.sleep(0)  # releases the GIL, so that a thread that serves a visitor waits for one block at most
        block_rows = _parse_block(block, texts, data)
        if block_rows is None:
            block_rows, block_malformed = _parse_lines(block)
            malformed += [(line, start + offset) for line, offset in block_malformed]
        rows += block_rows
    return rows, malformed


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


def _parse_block(block: bytes, texts: dict[str, str | None], data: dict[str, str]) -> list[Row] | None:
    """Return every line as a row, or None if at least one line is not an event in the form of the log.

    ``texts`` and ``data`` have the value of each JSON text that was read already. Equal values are one object, so hashing
    and comparing them later is faster.
    """
    if _NUL in block or not block.isascii():
        return None
    lines = _LINE.findall(block.decode("ascii"))
    if len(lines) != block.count(b"\n") or not block.endswith(b"\n"):
        return None
    columns: list[Sequence[Any]] = list(_order(list(zip(*lines, strict=True))))
    try:
        for day in {text[:10] for text in columns[_AT]}:
            date.fromisoformat(day)  # raises ValueError for 30 February
        for number, is_text in enumerate(_IS_TEXT):
            if is_text:
                column = columns[number]
                texts.update((token, orjson.loads(token)) for token in set(column) - texts.keys())
                columns[number] = list(map(texts.__getitem__, column))
        data.update((token, _data(orjson.loads(token))) for token in set(columns[_DATA]) - data.keys())
    except _NOT_AN_EVENT:
        return None
    columns[_DATA] = list(map(data.__getitem__, columns[_DATA]))
    return list(zip(*columns, strict=True))


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
