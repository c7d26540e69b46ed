"""Tables counted from events and decisions. A table has a tally of events and visitors per row."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from ..ledger.refusals import REFUSALS, number_of
from ..tracking.ingest import limited_network
from .disclosure_control import OTHER, Table, Tally
from .windows import Calendar

#: The columns of a counted event, in the order of :class:`Columns` and of the store.
COUNTED = (
    "at", "visitor", "id", "kind", "visit", "page", "previous", "referrer",
    "browser", "platform", "provider", "network", "data",
)  # fmt: skip

#: Tables that need the events of a whole day: the last page of a visit, the change of a choice.
WHOLE_DAY = ("exits", "changes")

UNKNOWN = "(not recorded)"

# A browser may send any text. It must not become the row of the total or "other", and it must fit into a database index.
_RESERVED = {"": UNKNOWN, OTHER: f"“{OTHER}”"}
_LONGEST_NAME, _LONGEST_ROW = 250, 600  # characters
_LONGEST_TIME = 86_400  # seconds counted per exit at most


Event = Sequence[Any]  # with the columns of COUNTED


class Columns(NamedTuple):
    """Counted events by column. Whole columns are counted in C."""

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
_network_of = itemgetter(COUNTED.index("network"))
_ENDS = ((1, "1"), (2, "2"), (3, "3"), (5, "4–5"), (10, "6–10"))
_GAPS = ((0, "the same day"), (1, "1 day"), (6, "2–6 days"), (13, "1 week"), (29, "2–4 weeks"))


def tables_of(events: Sequence[Event], calendar: Calendar) -> dict[str, Table]:
    """Return the non-empty tables of some events, which must be in order of time."""
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
    tables: dict[str, Table] = {
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
    return {name: table for name, table in tables.items() if table}


def networks_of(events: Sequence[Event]) -> dict[str, str]:
    """Return the network of each visitor, where one was recorded and is not a proxy's, which many people share."""
    networks = list(map(_network_of, events))
    by_visitor = dict(compress(zip(map(visitor_of, events), networks, strict=True), networks))
    known = {network: limited_network(network.partition("/")[0]) for network in set(by_visitor.values())}
    return {visitor: known[network] for visitor, network in by_visitor.items() if known[network]}


def key(*parts: str) -> str:
    """Return the row key of two names as JSON. It never equals the key of "other"."""
    if set(parts) == {OTHER}:
        parts = (_RESERVED[OTHER], *parts[1:])
    return orjson.dumps([part[:_LONGEST_NAME] for part in parts]).decode()


def parts_of(row: str) -> tuple[str, str]:
    """Return the two names of a row key."""
    first, second = orjson.loads(row)
    return str(first), str(second)


def site_of(referrer: str) -> str:
    """Return the site of a referring page: ``https://search.example``."""
    return "/".join(referrer.split("/", 3)[:3])


# Row names by key. None leaves the event out of the table.


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
    choice = _read(data)
    return key(str(choice.get("name", "")), str(choice.get("value", "")))


def _by_kind(events: Sequence[Event]) -> dict[str, Columns]:
    kinds: dict[str, list[Event]] = {}
    for kind, event in zip(map(_kind_of, events), events, strict=True):
        kinds.setdefault(kind, []).append(event)
    return {kind: Columns(*zip(*some, strict=True)) for kind, some in kinds.items()}


def _table(keys: Sequence[Any], visitors: Sequence[str], name: Callable[[Any], str | None] = _recorded) -> dict[str, Tally]:
    """Count events by the name of their key. Calls ``name`` once per key, and skips the events of a key without a name."""
    visitors_by_key: defaultdict[Any, set[str]] = defaultdict(set)
    for each, visitor in zip(keys, visitors, strict=True):
        visitors_by_key[each].add(visitor)
    table: dict[str, Tally] = {}
    for each, number in Counter(keys).items():
        if (row := name(each)) is not None:
            tally = Tally(number, 0, visitors_by_key[each])
            if (first := table.setdefault(_fit(row), tally)) is not tally:
                first.add(tally)  # another key has the same name
    return table


def _fit(row: str) -> str:
    if row in _RESERVED or len(row) > _LONGEST_ROW:
        return _RESERVED.get(row, row[:_LONGEST_ROW] if row[:1] != "[" else row)
    return row


def _hours(moments: Sequence[str], calendar: Calendar) -> list[str]:
    minutes = [moment[:16] for moment in moments]
    hours = {minute: calendar.hour_of(minute) for minute in set(minutes)}
    return [hours[minute] for minute in minutes]


def _pairs(ones: Sequence[Any], others: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(ones, others, strict=True))


def _read(data: str) -> dict[str, Any]:
    properties: dict[str, Any] = orjson.loads(data)
    return properties


def _times(exits: Columns) -> Table:
    """Sum the whole seconds in view by page. Skips exits without a valid number of seconds."""
    seconds = {data: _seconds(_read(data).get("seconds")) for data in set(exits.data)}
    valid = [seconds[data] is not None for data in exits.data]
    pages, visitors = list(compress(exits.page, valid)), list(compress(exits.visitor, valid))
    table = _table(pages, visitors)
    for (page, data), number in Counter(zip(pages, compress(exits.data, valid), strict=True)).items():
        table[_fit(_recorded(page))].amount += number * (seconds[data] or 0)
    return table


def _seconds(value: object) -> int | None:
    return int(min(value, _LONGEST_TIME)) if isinstance(value, int | float) and value >= 0 else None


def _changes(choices: Columns) -> Table:
    """Count the choices that differ from the previous choice of the same visitor on the same day."""
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


# Tables of decisions.

_MOST_PERSONS = 1000  # of one day's refusals in one language; a flood of refusals must not fill the memory

Rows = Callable[[str, str], Iterable[Any]]  # the decisions of the ledger from one day to before another


def decision_tables(rows: Rows) -> Callable[[date, date], dict[date, dict[str, Table]]]:
    """Return a function that returns the tables of decisions by UTC day. A refusal is dated only by its UTC day.

    A row is one decision, or the refusals of one day in one language.
    """

    def decisions(first: date, end: date) -> dict[date, dict[str, Table]]:
        by_day: dict[date, dict[str, dict[str, Tally]]] = {}
        for number, row in enumerate(rows(first.isoformat(), end.isoformat())):
            outcome = _outcome(row.kind, row.purposes)
            tables = by_day.setdefault(date.fromisoformat(row.at[:10]), {})
            keys = {
                "decisions": outcome,
                "decisions_by_version": key(row.policy, outcome),
                "decisions_by_locale": key(row.locale, outcome),
            }
            decided = _decided(row, str(number))
            for name, row_key in keys.items():
                tables.setdefault(name, {}).setdefault(row_key, Tally()).add(decided)
        return {day: dict(tables) for day, tables in by_day.items()}

    return decisions


def _decided(row: Any, name: str) -> Tally:
    """Return the number of decisions in a row, each as a person of its own: the ledger does not record who decides again.

    The persons decide only whether a cell is too small, so at most :data:`_MOST_PERSONS` are distinguished.
    """
    number = number_of(row.detail) if row.kind == REFUSALS else 1
    return Tally(number, 0, {f"{name}.{person}" for person in range(min(number, _MOST_PERSONS))})


def _outcome(kind: str, purposes: str) -> str:
    """Return the outcome of a decision for statistics: granted, withdrawn or refused."""
    if kind not in ("refusal", REFUSALS) and "statistics" in json.loads(purposes):
        return "granted"
    return "withdrawn" if kind == "withdrawal" else "refused"
