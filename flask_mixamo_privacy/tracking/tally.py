"""From events to tables: every report is a table of rows, each with its events and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from .disclosure import OTHER, Table, Tally
from .windows import Calendar

#: The columns of an event that are counted, in the order of :class:`Counted`.
COUNTED = ("visitor", "id", "at", "kind", "visit", "page", "previous", "referrer", "browser", "platform", "provider", "data")

#: Tables that make sense of a whole day only: what came last, what was changed.
WHOLE_DAY = ("exits", "changes")

UNKNOWN = "(not recorded)"

# What a browser sent may be any text: none becomes a total's name or that of the rest, and each fits into an index.
_RESERVED = {"": UNKNOWN, OTHER: f"“{OTHER}”"}
_LONGEST_NAME, _LONGEST_ROW = 250, 600  # characters
_LONGEST_TIME = 86_400  # seconds that one exit may count for


class Counted(NamedTuple):
    """An event as it is counted."""

    visitor: str
    id: str
    at: str
    kind: str
    visit: str
    page: str | None
    previous: str | None
    referrer: str | None
    browser: str | None
    platform: str | None
    provider: str | None
    data: str


Pair = tuple[str, str]  # row and visitor
_PAGE, _ENDS = itemgetter(5, 0), ((1, "1"), (2, "2"), (3, "3"), (5, "4–5"), (10, "6–10"))
_GAPS = ((0, "the same day"), (1, "1 day"), (6, "2–6 days"), (13, "1 week"), (29, "2–4 weeks"))


def tables_of(events: Sequence[Sequence[Any]], calendar: Calendar) -> dict[str, Table]:
    """Every table over some events, which are in order of time; a table without events is left out."""
    kinds: dict[str, list[Counted]] = {}
    for event in map(Counted._make, events):
        kinds.setdefault(event.kind, []).append(event)
    views, starts = kinds.get("page_view", []), kinds.get("visit_start", [])
    numbers = {event.visit: data.get("visit_number") for event, data in _with_data(kinds.get("repeat_visit", []))}
    found: dict[str, Table] = {
        "visitors": _table(("everybody", event[0]) for event in events),
        "returning": _table(("repeat" if e.visit in numbers else "first", e.visitor) for e in starts),
        "visit_numbers": _table((_within(_ENDS, numbers.get(e.visit, 1), "11 or more"), e.visitor) for e in starts),
        "days_between": _table(
            (_within(_GAPS, data.get("days_since_last"), "a month or more"), e.visitor)
            for e, data in _with_data(kinds.get("repeat_visit", []))
        ),
        "pages": _table((page or UNKNOWN, visitor) for page, visitor in map(_PAGE, views)),
        "time": _times(kinds.get("page_exit", [])),
        "entries": _table((e.page or UNKNOWN, e.visitor) for e in starts),
        "exits": _table((e.page or UNKNOWN, e.visitor) for e in {e.visit: e for e in views}.values()),
        "movement": _table((key(e.previous, e.page), e.visitor) for e in views if e.previous and e.page),
        "referrers": _table((site_of(e.referrer), e.visitor) for e in starts if e.referrer),
        "exit_links": _table(
            (str(data.get("to") or UNKNOWN), e.visitor) for e, data in _with_data(kinds.get("exit_link", []))
        ),
        "clicks": _table(
            (key(e.page or UNKNOWN, str(data.get("to") or data.get("on") or UNKNOWN)), e.visitor)
            for e, data in _with_data(kinds.get("click", []))
        ),
        "choices": _table((_choice(data), e.visitor) for e, data in _with_data(kinds.get("customisation", []))),
        "changes": _changes(kinds.get("customisation", [])),
        "browsers": _table((e.browser or UNKNOWN, e.visitor) for e in starts),
        "platforms": _table((e.platform or UNKNOWN, e.visitor) for e in starts),
        "providers": _table((e.provider, e.visitor) for e in starts if e.provider),
        "hours": _table((calendar.hour_of(e.at), e.visitor) for e in views),
    }
    return {name: table for name, table in found.items() if table}


def key(*parts: str) -> str:
    """A row that has two names, as one text."""
    return orjson.dumps([part[:_LONGEST_NAME] for part in parts]).decode()


def parts_of(row: str) -> tuple[str, str]:
    """The two names again."""
    first, second = orjson.loads(row)
    return str(first), str(second)


def site_of(referrer: str) -> str:
    """The site that a referrer is a page of: ``https://search.example``."""
    return "/".join(referrer.split("/", 3)[:3])


def _table(pairs: Iterable[Pair]) -> Table:
    found: dict[str, Tally] = {}
    for (row, visitor), number in Counter(pairs).items():
        if row in _RESERVED or len(row) > _LONGEST_ROW:
            row = _RESERVED.get(row, row[:_LONGEST_ROW] if row[:1] != "[" else row)
        tally = found.get(row)
        if tally is None:
            tally = found[row] = Tally()
        tally.number += number
        tally.visitors.add(visitor)
    return found


def _with_data(events: Iterable[Counted]) -> Iterator[tuple[Counted, dict[str, Any]]]:
    return ((event, orjson.loads(event.data)) for event in events)


def _times(exits: Iterable[Counted]) -> Table:
    """Whole seconds that pages were in view; an exit that does not say how long is left out."""
    found: dict[str, Tally] = {}
    for event, data in _with_data(exits):
        seconds = data.get("seconds")
        if isinstance(seconds, int | float) and seconds >= 0:
            time = int(min(seconds, _LONGEST_TIME))
            found.setdefault((event.page or UNKNOWN)[:_LONGEST_ROW], Tally()).add(Tally(1, time, {event.visitor}))
    return found


def _choice(data: dict[str, Any]) -> str:
    return key(str(data.get("name", "")), str(data.get("value", "")))


def _changes(choices: Iterable[Counted]) -> Table:
    """How often a choice was made that differs from the one before it, by the same visitor on the same day."""
    before: dict[tuple[str, str], str] = {}
    pairs: list[Pair] = []
    for event, data in _with_data(choices):
        name, value = str(data.get("name", "")), str(data.get("value", ""))
        if before.get((event.visitor, name), value) != value:
            pairs.append((name, event.visitor))
        before[event.visitor, name] = value
    return _table(pairs)


def _within(ends: tuple[tuple[int, str], ...], number: object, beyond: str) -> str:
    if not isinstance(number, int):
        return UNKNOWN
    return next((name for end, name in ends if number <= end), beyond)
