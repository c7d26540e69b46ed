"""From events to tables: every report is a table of rows, each with its events and whose they are."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from .disclosure_control import OTHER, Table, Tally
from .windows import Calendar

#: The columns of an event as it is counted, in the order of :class:`Columns`: those of the store.
COUNTED = (
    "at", "visitor", "id", "kind", "visit", "page", "previous", "referrer",
    "browser", "platform", "provider", "network", "data",
)  # fmt: skip

#: Tables that make sense of a whole day only: what came last, what was changed.
WHOLE_DAY = ("exits", "changes")

UNKNOWN = "(not recorded)"

# What a browser sent may be any text: none becomes a total's name or that of the rest, and each fits into an index.
_RESERVED = {"": UNKNOWN, OTHER: f"“{OTHER}”"}
_LONGEST_NAME, _LONGEST_ROW = 250, 600  # characters
_LONGEST_TIME = 86_400  # seconds that one exit may count for


Event = Sequence[Any]  # with the columns of COUNTED


class Columns(NamedTuple):
    """Events as they are counted, by column: whole columns are counted in C."""

    at: Sequence[str] = ()
    visitor: Sequence[str] = ()
    id: Sequence[str] = ()
    kind: Sequence[str] = ()
    visit: Sequence[str] = ()
    page: Sequence[str | None] = ()
    previous: Sequence[str | None] = ()
    referrer: Sequence[str | None] = ()
    browser: Sequence[str | None] = ()
    platform: Sequence[str | None] = ()
    provider: Sequence[str | None] = ()
    network: Sequence[str | None] = ()
    data: Sequence[str] = ()


_NONE = Columns()
_kind_of, visitor_of = itemgetter(COUNTED.index("kind")), itemgetter(COUNTED.index("visitor"))
_ENDS = ((1, "1"), (2, "2"), (3, "3"), (5, "4–5"), (10, "6–10"))
_GAPS = ((0, "the same day"), (1, "1 day"), (6, "2–6 days"), (13, "1 week"), (29, "2–4 weeks"))


def tables_of(events: Sequence[Event], calendar: Calendar) -> dict[str, Table]:
    """Every table over some events, which are in order of time; a table without events is left out."""
    if not events:
        return {}
    kinds = _by_kind(events)
    views, starts, repeats, exit_links, clicks, choices = (
        kinds.get(kind, _NONE)
        for kind in ("page_view", "visit_start", "repeat_visit", "exit_link", "click", "customisation")
    )
    texts = (_within(_ENDS, _read(data).get("visit_number"), "11 or more") for data in repeats.data)
    numbers = dict(zip(repeats.visit, texts, strict=True))
    last = dict(zip(views.visit, zip(views.page, views.visitor, strict=True), strict=True)).values()
    found: dict[str, Table] = {
        "visitors": {"everybody": Tally(len(events), 0, set(map(visitor_of, events)))},
        "returning": _table(["repeat" if visit in numbers else "first" for visit in starts.visit], starts.visitor),
        "visit_numbers": _table([numbers.get(visit, "1") for visit in starts.visit], starts.visitor),
        "days_between": _table(repeats.data, repeats.visitor, _gap),
        "pages": _table(views.page, views.visitor),
        "time": _times(kinds.get("page_exit", _NONE)),
        "entries": _table(starts.page, starts.visitor),
        "exits": _table([page for page, _ in last], [visitor for _, visitor in last]),
        "movement": _table(_pairs(views.previous, views.page), views.visitor, _move),
        "referrers": _table(starts.referrer, starts.visitor, _site),
        "exit_links": _table(exit_links.data, exit_links.visitor, _target),
        "clicks": _table(_pairs(clicks.page, clicks.data), clicks.visitor, _pressed),
        "choices": _table(choices.data, choices.visitor, _choice),
        "changes": _changes(choices),
        "browsers": _table(starts.browser, starts.visitor),
        "platforms": _table(starts.platform, starts.visitor),
        "providers": _table(starts.provider, starts.visitor, _if_known),
        "hours": _table(_hours(views.at, calendar), views.visitor),
    }
    return {name: table for name, table in found.items() if table}


def key(*parts: str) -> str:
    """A row that has two names, as one text; none is called as the rest is."""
    if set(parts) == {OTHER}:
        parts = (_RESERVED[OTHER], *parts[1:])
    return orjson.dumps([part[:_LONGEST_NAME] for part in parts]).decode()


def parts_of(row: str) -> tuple[str, str]:
    """The two names again."""
    first, second = orjson.loads(row)
    return str(first), str(second)


def site_of(referrer: str) -> str:
    """The site that a referrer is a page of: ``https://search.example``."""
    return "/".join(referrer.split("/", 3)[:3])


# How a row is called, by what was counted; None where it is not told at all.


def _recorded(text: str | None) -> str:
    return text or UNKNOWN


def _if_known(text: str | None) -> str | None:
    return text or None


def _site(referrer: str | None) -> str | None:
    return site_of(referrer) if referrer else None


def _move(pages: tuple[str | None, str | None]) -> str | None:
    previous, page = pages
    return key(previous, page) if previous and page else None


def _gap(data: str) -> str:
    return _within(_GAPS, _read(data).get("days_since_last"), "a month or more")


def _target(data: str) -> str:
    return str(_read(data).get("to") or UNKNOWN)


def _pressed(click: tuple[str | None, str]) -> str:
    page, data = click[0], _read(click[1])
    return key(page or UNKNOWN, str(data.get("to") or data.get("on") or UNKNOWN))


def _choice(data: str) -> str:
    said = _read(data)
    return key(str(said.get("name", "")), str(said.get("value", "")))


def _by_kind(events: Sequence[Event]) -> dict[str, Columns]:
    kinds: dict[str, list[Event]] = {}
    for kind, event in zip(map(_kind_of, events), events, strict=True):
        kinds.setdefault(kind, []).append(event)
    return {kind: Columns(*zip(*some, strict=True)) for kind, some in kinds.items()}


def _table(keys: Sequence[Any], visitors: Sequence[str], name: Callable[[Any], str | None] = _recorded) -> dict[str, Tally]:
    """A row for each name of a key, which is asked for once a key; an event whose key has none is left out."""
    behind: defaultdict[Any, set[str]] = defaultdict(set)
    for one, visitor in zip(keys, visitors, strict=True):
        behind[one].add(visitor)
    found: dict[str, Tally] = {}
    for one, number in Counter(keys).items():
        if (row := name(one)) is not None:
            tally = Tally(number, 0, behind[one])
            if (first := found.setdefault(_fit(row), tally)) is not tally:
                first.add(tally)  # two keys of one name
    return found


def _fit(row: str) -> str:
    if row in _RESERVED or len(row) > _LONGEST_ROW:
        return _RESERVED.get(row, row[:_LONGEST_ROW] if row[:1] != "[" else row)
    return row


def _hours(moments: Sequence[str], calendar: Calendar) -> list[str]:
    minutes = [at[:16] for at in moments]
    hours = {minute: calendar.hour_of(minute) for minute in set(minutes)}
    return [hours[minute] for minute in minutes]


def _pairs(ones: Sequence[Any], others: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(ones, others, strict=True))


def _read(data: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(data)
    return found


def _times(exits: Columns) -> Table:
    """Whole seconds that pages were in view; an exit that does not say how long is left out."""
    seconds = {data: _seconds(_read(data).get("seconds")) for data in set(exits.data)}
    told = [seconds[data] is not None for data in exits.data]
    pages, visitors = list(compress(exits.page, told)), list(compress(exits.visitor, told))
    found = _table(pages, visitors)
    for (page, text), number in Counter(zip(pages, compress(exits.data, told), strict=True)).items():
        found[_fit(_recorded(page))].amount += number * (seconds[text] or 0)
    return found


def _seconds(said: object) -> int | None:
    return int(min(said, _LONGEST_TIME)) if isinstance(said, int | float) and said >= 0 else None


def _changes(choices: Columns) -> Table:
    """How often a choice was made that differs from the one before it, by the same visitor on the same day."""
    before: dict[tuple[str, str], str] = {}
    changed: list[tuple[str, str]] = []
    for visitor, data in zip(choices.visitor, map(_read, choices.data), strict=True):
        name, value = str(data.get("name", "")), str(data.get("value", ""))
        if before.get((visitor, name), value) != value:
            changed.append((name, visitor))
        before[visitor, name] = value
    return _table([name for name, _ in changed], [visitor for _, visitor in changed])


def _within(ends: tuple[tuple[int, str], ...], number: object, beyond: str) -> str:
    if not isinstance(number, int):
        return UNKNOWN
    return next((name for end, name in ends if number <= end), beyond)


# Decisions as tables: how many granted and refused, by policy version and language; they know nobody.

Rows = Callable[[str, str], Iterable[Any]]  # the ledger's decisions, from a day to before another: day, kind, purposes, …


def decided_by(rows: Rows) -> Callable[[date, date], dict[date, dict[str, Table]]]:
    """The tables of decisions of each day (UTC, since a refusal knows its day alone), from one to before another."""

    def decided(first: date, end: date) -> dict[date, dict[str, Table]]:
        found: dict[date, dict[str, dict[str, Tally]]] = {}
        for number, row in enumerate(rows(first.isoformat(), end.isoformat())):
            outcome = _outcome(row.kind, row.purposes)
            tables = found.setdefault(date.fromisoformat(row.at[:10]), {})
            of_row = {
                "decisions": outcome,
                "decisions_by_version": key(row.policy, outcome),
                "decisions_by_locale": key(row.locale, outcome),
            }
            for name, of in of_row.items():
                # Each decision is taken for another person: that several are one person's is written down nowhere.
                tables.setdefault(name, {}).setdefault(of, Tally()).add(Tally(1, 0, {str(number)}))
        return {day: dict(tables) for day, tables in found.items()}

    return decided


def _outcome(kind: str, purposes: str) -> str:
    """What a decision came to for statistics, be the rest of it taken back or granted."""
    if kind != "refusal" and "statistics" in json.loads(purposes):
        return "granted"
    return "withdrawn" if kind == "withdrawal" else "refused"
