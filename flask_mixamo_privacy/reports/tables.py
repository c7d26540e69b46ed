"""Tables counted from events and decisions. A table has a tally of events and visitors per row."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import compress
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from ..storage.clock import timestamp_of_milliseconds
from ..tracking.event_table import STORED, Names, StoredRow
from ..tracking.ingest import limited_network
from .disclosure_control import OTHER, Table, Tally
from .windows import Calendar

#: Tables that need the events of a whole day: the last page of a visit, the change of a choice.
WHOLE_DAY = ("exits", "changes")

UNKNOWN = "(not recorded)"

# A browser may send any text. It must not become the row of the total or "other", and it must fit into a database index.
_RESERVED = {"": UNKNOWN, OTHER: f"“{OTHER}”"}
_LONGEST_NAME, _LONGEST_ROW = 250, 600  # characters
_LONGEST_TIME = 86_400  # seconds counted per exit at most
_QUARTER = 15 * 60_000  # milliseconds; since the year 2000, an hour begins at a quarter of a UTC hour in every time zone


class Columns(NamedTuple):
    """Stored events by column, coded as in the store. Whole columns are counted in C."""

    slot: Sequence[int] = ()
    visitor: Sequence[int] = ()
    id: Sequence[str] = ()
    at: Sequence[int | None] = ()
    kind: Sequence[int] = ()
    visit: Sequence[str] = ()
    page: Sequence[int | None] = ()
    previous: Sequence[int | None] = ()
    referrer: Sequence[int | None] = ()
    browser: Sequence[int | None] = ()
    platform: Sequence[int | None] = ()
    provider: Sequence[int | None] = ()
    network: Sequence[int | None] = ()
    data: Sequence[int] = ()


#: The columns that the tables of an open day need, by kind of event.
COLUMNS_OF = {
    "page_view": ("slot", "visitor", "at", "page", "previous"),
    "visit_start": ("visitor", "visit", "page", "referrer", "browser", "platform", "provider"),
    "repeat_visit": ("visitor", "visit", "data"),
    "page_exit": ("visitor", "page", "data"),
    "exit_link": ("visitor", "data"),
    "click": ("visitor", "page", "data"),
    "customisation": ("visitor", "data"),
}

_kind_of, visitor_of = itemgetter(STORED.index("kind")), itemgetter(STORED.index("visitor"))
_network_of = itemgetter(STORED.index("network"))
_ENDS = ((1, "1"), (2, "2"), (3, "3"), (5, "4–5"), (10, "6–10"))
_GAPS = ((0, "the same day"), (1, "1 day"), (6, "2–6 days"), (13, "1 week"), (29, "2–4 weeks"))


def tables_of(events: Sequence[StoredRow], names: Names, calendar: Calendar) -> dict[str, Table]:
    """Return the non-empty tables of some events, which must be in order of time. ``names`` has the texts of their codes."""
    if not events:
        return {}
    kinds = defaultdict(Columns, _by_kind(events, names))
    tables: dict[str, Table] = {"visitors": {"everybody": Tally(len(events), 0, set(map(visitor_of, events)))}}
    tables |= {name: count() for name, count in counters_of(kinds, names, calendar).items()}
    return {name: table for name, table in tables.items() if table}


def counters_of(kinds: Mapping[str, Columns], names: Names, calendar: Calendar) -> dict[str, Callable[[], Table]]:
    """Return for each table, except that of all visitors, the function that counts it from the events of each kind."""
    properties = _Properties(names)
    text = partial(_recorded, names)

    @cache
    def numbers() -> list[str | None]:
        return list(map(_numbers(kinds["repeat_visit"], properties).get, kinds["visit_start"].visit))

    def of_numbers(name: Callable[[str | None], str]) -> Table:
        return _table(list(map(name, numbers())), kinds["visit_start"].visitor)

    def of_starts(column: str, name: Callable[[Any], str | None] = text) -> Table:
        starts = kinds["visit_start"]
        return _table(getattr(starts, column), starts.visitor, name)

    return {
        "returning": lambda: of_numbers(lambda number: "first" if number is None else "repeat"),
        "visit_numbers": lambda: of_numbers(lambda number: number or "1"),
        "days_between": lambda: _of_data(kinds["repeat_visit"], properties, _gap),
        "pages": lambda: _table(kinds["page_view"].page, kinds["page_view"].visitor, text, names.rows["pages"]),
        "time": lambda: _times(kinds["page_exit"], text, properties),
        "entries": lambda: of_starts("page"),
        "exits": lambda: _exits(kinds["page_view"], text),
        "movement": lambda: _movement(kinds["page_view"], names),
        "referrers": lambda: of_starts("referrer", lambda code: _site(names.get(code))),
        "exit_links": lambda: _of_data(kinds["exit_link"], properties, _target),
        "clicks": lambda: _clicks(kinds["click"], text, properties),
        "choices": lambda: _of_data(kinds["customisation"], properties, _choice),
        "changes": lambda: _changes(kinds["customisation"], properties),
        "browsers": lambda: of_starts("browser"),
        "platforms": lambda: of_starts("platform"),
        "providers": lambda: of_starts("provider", lambda code: names.get(code) or None),
        "hours": lambda: _table(_hours(kinds["page_view"], calendar), kinds["page_view"].visitor),
    }


def networks_of(events: Sequence[StoredRow], names: Mapping[int, str]) -> dict[int, str]:
    """Return the network of each visitor, where one was recorded and is not a proxy's, which many people share."""
    networks = list(map(_network_of, events))
    by_visitor = dict(compress(zip(map(visitor_of, events), networks, strict=True), networks))
    known = {network: limited_network(names[network].partition("/")[0]) for network in set(by_visitor.values())}
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


# Names of rows. None leaves the event out of the table.


def _recorded(names: Mapping[int, str], code: int | None) -> str:
    return (code is not None and names[code]) or UNKNOWN


def _site(referrer: str | None) -> str | None:
    return site_of(referrer) if referrer else None


def _move(names: Mapping[int, str], pages: tuple[int | None, int | None]) -> str | None:
    previous, page = (names[code] if code is not None else None for code in pages)
    return key(previous, page) if previous and page else None


def _gap(repeat: dict[str, Any]) -> str:
    return _within(_GAPS, repeat.get("days_since_last"), "a month or more")


def _target(link: dict[str, Any]) -> str:
    return str(link.get("to") or UNKNOWN)


def _pressed(page: str, click: dict[str, Any]) -> str:
    return key(page, str(click.get("to") or click.get("on") or UNKNOWN))


def _choice(choice: dict[str, Any]) -> str:
    return key(str(choice.get("name", "")), str(choice.get("value", "")))


class _Properties(dict[int, dict[str, Any]]):
    """The properties of events, by the code of their text. Each text is parsed once."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names

    def __missing__(self, code: int) -> dict[str, Any]:
        properties: dict[str, Any] = orjson.loads(self._names[code])
        self[code] = properties
        return properties


def _by_kind(events: Sequence[StoredRow], names: Mapping[int, str]) -> dict[str, Columns]:
    kinds = list(map(_kind_of, events))
    return {
        names[kind]: Columns(*zip(*compress(events, map(kind.__eq__, kinds)), strict=True)) for kind in dict.fromkeys(kinds)
    }


def _table(
    keys: Sequence[Any],
    visitors: Sequence[int],
    name: Callable[[Any], str | None] = str,
    rows: dict[Any, str | None] | None = None,
) -> dict[str, Tally]:
    """Count events by the name of their key. Skips the events of a key without a name.

    ``rows`` remembers the name of each key. Without it, ``name`` is called once for each key.
    """
    visitors_by_key: defaultdict[Any, set[int]] = defaultdict(set)
    for each, visitor in zip(keys, visitors, strict=True):
        visitors_by_key[each].add(visitor)
    rows = {} if rows is None else rows
    rows.update((each, _fit(name(each))) for each in visitors_by_key.keys() - rows.keys())
    table: dict[str, Tally] = {}
    for each, number in Counter(keys).items():
        if (row := rows[each]) is not None:
            tally = Tally(number, 0, visitors_by_key[each])
            if (first := table.setdefault(row, tally)) is not tally:
                first.add(tally)  # another key has the same name
    return table


def _fit(row: str | None) -> str | None:
    if row is not None and (row in _RESERVED or len(row) > _LONGEST_ROW):
        return _RESERVED.get(row, row[:_LONGEST_ROW] if row[:1] != "[" else row)
    return row


def _hours(views: Columns, calendar: Calendar) -> list[str]:
    moments = [slot if at is None else at for slot, at in zip(views.slot, views.at, strict=True)]
    quarters = [moment // _QUARTER for moment in moments]
    hours = {quarter: calendar.hour_of(timestamp_of_milliseconds(quarter * _QUARTER)) for quarter in set(quarters)}
    return [hours[quarter] for quarter in quarters]


def _pairs(ones: Sequence[Any], others: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(ones, others, strict=True))


def _times(exits: Columns, text: Callable[[int | None], str], properties: _Properties) -> Table:
    """Sum the whole seconds in view by page. Skips exits without a valid number of seconds."""
    seconds = {data: _seconds(properties[data].get("seconds")) for data in set(exits.data)}
    valid = [seconds[data] is not None for data in exits.data]
    pages, visitors = list(compress(exits.page, valid)), list(compress(exits.visitor, valid))
    table = _table(pages, visitors, text)
    for (page, data), number in Counter(zip(pages, compress(exits.data, valid), strict=True)).items():
        table[_fit(text(page)) or UNKNOWN].amount += number * (seconds[data] or 0)
    return table


def _seconds(value: object) -> int | None:
    return int(min(value, _LONGEST_TIME)) if isinstance(value, int | float) and value >= 0 else None


def _of_data(columns: Columns, properties: _Properties, name: Callable[[dict[str, Any]], str]) -> Table:
    """Count events by a name that their properties have."""
    return _table(columns.data, columns.visitor, lambda data: name(properties[data]))


def _numbers(repeats: Columns, properties: _Properties) -> dict[str, str]:
    """Return the number of each repeat visit, as a row has it."""
    numbers_of = {data: _within(_ENDS, properties[data].get("visit_number"), "11 or more") for data in set(repeats.data)}
    return dict(zip(repeats.visit, map(numbers_of.__getitem__, repeats.data), strict=True))


def _movement(views: Columns, names: Names) -> Table:
    return _table(_pairs(views.previous, views.page), views.visitor, partial(_move, names), names.rows["movement"])


def _clicks(clicks: Columns, text: Callable[[int | None], str], properties: _Properties) -> Table:
    clicked = _pairs(clicks.page, clicks.data)
    return _table(clicked, clicks.visitor, lambda click: _pressed(text(click[0]), properties[click[1]]))


def _exits(views: Columns, text: Callable[[int | None], str]) -> Table:
    """Count the last page that each visit viewed."""
    last = dict(zip(views.visit, zip(views.page, views.visitor, strict=True), strict=True)).values()
    return _table([page for page, _ in last], [visitor for _, visitor in last], text)


def _changes(choices: Columns, properties: _Properties) -> Table:
    """Count the choices that differ from the previous choice of the same visitor on the same day."""
    before: dict[tuple[int, str], str] = {}
    changed: list[tuple[str, int]] = []
    for visitor, data in zip(choices.visitor, map(properties.__getitem__, choices.data), strict=True):
        name, value = str(data.get("name", "")), str(data.get("value", ""))
        if before.get((visitor, name), value) != value:
            changed.append((name, visitor))
        before[visitor, name] = value
    return _table([name for name, _ in changed], [visitor for _, visitor in changed])


def _within(ends: tuple[tuple[int, str], ...], number: object, beyond: str) -> str:
    if not isinstance(number, int):
        return UNKNOWN
    return next((name for end, name in ends if number <= end), beyond)
