"""Tables of events, counted in Python. A table has a group of events for each row."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import compress, count
from typing import Any, NamedTuple

import orjson

from ..tracking import row_names
from ..tracking.event_table import Names
from ..tracking.events import KINDS
from .own_tables import OwnTable, Step
from .windows import Calendar


@dataclass(slots=True)
class Group:
    """The events of one row: their number, the sum of what they measure, and their distinct visitors."""

    number: int = 0
    amount: int = 0
    visitors: set[int] = field(default_factory=set)

    def add(self, other: Group) -> None:
        self.number += other.number
        self.amount += other.amount
        self.visitors |= other.visitors


Table = Mapping[str, Group]  # by row


def merge_tables(tables: Sequence[Table]) -> Table:
    """Merge tables row by row."""
    if len(tables) == 1:
        return tables[0]
    by_row: defaultdict[str, list[Group]] = defaultdict(list)
    for table in tables:
        _call(list.append, map(by_row.__getitem__, table), table.values())
    return {row: groups[0] if len(groups) == 1 else merge_groups(groups) for row, groups in by_row.items()}


def merge_groups(groups: Collection[Group]) -> Group:
    """Merge groups. A visitor who is in several of them counts once."""
    number = amount = 0
    for group in groups:  # a generator for each sum would take twice as long, and a month merges thousands of rows
        number += group.number
        amount += group.amount
    return Group(number, amount, set[int]().union(*[group.visitors for group in groups]))


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


#: The kind under which the events of the site's own are counted. It is no name that such an event can have.
OWN = ""

#: The columns that the tables of an open day need, by kind of event.
COLUMNS_OF = {
    "page_view": ("slot", "visitor", "at", "page", "previous"),
    "visit_start": ("visitor", "visit", "page", "referrer", "browser", "platform", "provider"),
    "repeat_visit": ("visitor", "visit", "data"),
    "page_exit": ("visitor", "page", "data"),
    "exit_link": ("visitor", "data"),
    "click": ("visitor", "page", "data"),
    "customisation": ("visitor", "data"),
    OWN: ("slot", "visitor", "at", "kind", "data"),
}
_COLUMNS_OF_DAY = COLUMNS_OF | {"page_view": (*COLUMNS_OF["page_view"], "visit")}


def tables_of(events: Columns, names: Names, calendar: Calendar) -> dict[str, Table]:
    """Return the non-empty tables of some events, which must be in order of time. ``names`` has the texts of their codes."""
    if not events.slot:
        return {}
    kinds = defaultdict(Columns, _by_kind(events, names))
    tables: dict[str, Table] = {"visitors": {"everybody": Group(len(events.slot), 0, set(events.visitor))}}
    tables |= {name: counter() for name, counter in counters_of(kinds, names, calendar).items()}
    return {name: table for name, table in tables.items() if table}


def counters_of(kinds: Mapping[str, Columns], names: Names, calendar: Calendar) -> dict[str, Callable[[], Table]]:
    """Return for each table, except that of all visitors, the function that counts it from the events of each kind."""
    properties = _Properties(names)

    def remembered(what: str, name: Callable[[Any], str]) -> dict[Any, str]:
        return names.rows.setdefault(what, _Rows(name))

    def rows_of_text(row: Callable[[str | None], str]) -> dict[Any, str]:
        return remembered(row.__name__, lambda code: row(None if code is None else names[code]))

    def of_data(kind: str, row: Callable[[dict[str, Any]], str]) -> Table:
        some = kinds[kind]
        return _table(some.data, some.visitor, remembered(row.__name__, lambda data: row(properties[data])))

    text = rows_of_text(row_names.recorded)

    @cache
    def numbers() -> list[str | None]:
        return list(map(_numbers(kinds["repeat_visit"], properties).get, kinds["visit_start"].visit))

    def of_numbers(name: Callable[[str | None], str]) -> Table:
        return _table(list(map(name, numbers())), kinds["visit_start"].visitor)

    def of_starts(column: str, rows: dict[Any, str] = text) -> Table:
        starts = kinds["visit_start"]
        return _table(getattr(starts, column), starts.visitor, rows)

    declared = {name: partial(count_own, table, kinds, names, properties) for name, table in calendar.own.items()}
    return declared | {
        "returning": lambda: of_numbers(lambda number: "first" if number is None else "repeat"),
        "visit_numbers": lambda: of_numbers(lambda number: number or "1"),
        "days_between": lambda: of_data("repeat_visit", row_names.gap_row),
        "pages": lambda: _table(kinds["page_view"].page, kinds["page_view"].visitor, text),
        "time": lambda: _times(kinds["page_exit"], text, properties),
        "entries": lambda: of_starts("page"),
        "exits": lambda: _exits(kinds["page_view"], text),
        "movement": lambda: _movement(kinds["page_view"], names),
        "referrers": lambda: of_starts("referrer", rows_of_text(row_names.site_row)),
        "exit_links": lambda: of_data("exit_link", row_names.link_row),
        "clicks": lambda: _clicks(kinds["click"], names, properties),
        "events": lambda: _table(kinds[OWN].kind, kinds[OWN].visitor, text),
        "choices": lambda: of_data("customisation", row_names.choice_row),
        "changes": lambda: _changes(kinds["customisation"], properties),
        "browsers": lambda: of_starts("browser"),
        "platforms": lambda: of_starts("platform"),
        "providers": lambda: of_starts("provider", rows_of_text(row_names.provider_row)),
        "hours": lambda: _table(_hours(kinds["page_view"], calendar), kinds["page_view"].visitor),
    }


def networks_of(events: Columns, names: Names) -> dict[int, str]:
    """Return the last network of each visitor that was recorded and is not a proxy's, which many people share."""
    known = names.rows["networks"]
    for code in set(events.network) - known.keys():
        known[code] = "" if code is None else row_names.limited(names[code])
    networks = list(map(known.__getitem__, events.network))
    return dict(compress(zip(events.visitor, networks, strict=True), networks))


class _Rows(dict[Any, str]):
    """The rows of keys. Each is found once."""

    def __init__(self, name: Callable[[Any], str]) -> None:
        self._name = name

    def __missing__(self, key: Any) -> str:
        self[key] = row = self._name(key)
        return row


class _Properties(dict[int, dict[str, Any]]):
    """The properties of events, by the code of their text. Each text is parsed once."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names

    def __missing__(self, code: int) -> dict[str, Any]:
        properties: dict[str, Any] = orjson.loads(self._names[code])
        self[code] = properties
        return properties


def _by_kind(events: Columns, names: Names) -> dict[str, Columns]:
    """Return the events of each built-in kind, and those of the site's own kinds, with the columns that tables need."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    _call(list.append, map(places.__getitem__, events.kind), count())
    of_kinds = {names[code]: places[code] for code in list(places) if names[code] in KINDS}
    own = [place for code in places if names[code] not in KINDS for place in places[code]]
    return {kind: _picked(events, some, _COLUMNS_OF_DAY[kind]) for kind, some in (of_kinds | {OWN: own}).items() if some}


def _picked(events: Columns, places: Sequence[int], needed: Sequence[str]) -> Columns:
    return Columns(**{name: list(map(getattr(events, name).__getitem__, places)) for name in needed})


def _call(function: Callable[..., object], *arguments: Iterable[Any]) -> None:
    """Call a function for many arguments, in half of the time of a loop in Python."""
    deque(map(function, *arguments), maxlen=0)


def _table(keys: Sequence[Any], visitors: Sequence[int], rows: dict[Any, str] | None = None) -> dict[str, Group]:
    """Count events by the row of their key, which is the key itself without ``rows``. Skips those with an empty row."""
    visitors_by_key: defaultdict[Any, set[int]] = defaultdict(set)
    _call(set.add, map(visitors_by_key.__getitem__, keys), visitors)
    table: dict[str, Group] = {}
    for each, number in Counter(keys).items():
        if row := each if rows is None else rows[each]:
            group = Group(number, 0, visitors_by_key[each])
            if (first := table.setdefault(row, group)) is not group:
                first.add(group)  # another key has the same name
    return table


def _hours(views: Columns, calendar: Calendar) -> list[str]:
    is_late = views.at.count(None) < len(views.at)
    moments = [slot if at is None else at for slot, at in zip(views.slot, views.at, strict=True)] if is_late else views.slot
    return row_names.hour_rows(moments, calendar.hour_of)


def _pairs(ones: Sequence[Any], others: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(ones, others, strict=True))


def _times(exits: Columns, text: dict[Any, str], properties: _Properties) -> Table:
    """Sum the whole seconds in view by page. Skips exits without a valid number of seconds."""
    seconds_of = {data: row_names.seconds(properties[data]) for data in set(exits.data)}
    seconds = list(map(seconds_of.__getitem__, exits.data))
    valid = [each >= 0 for each in seconds]
    pages = list(compress(exits.page, valid))
    amounts = dict.fromkeys(pages, 0)
    for page, each in zip(pages, compress(seconds, valid), strict=True):
        amounts[page] += each
    table = _table(pages, list(compress(exits.visitor, valid)), text)
    for page, amount in amounts.items():
        table[text[page]].amount += amount
    return table


def _numbers(repeats: Columns, properties: _Properties) -> dict[str, str]:
    """Return the number of each repeat visit, as a row has it."""
    numbers_of = {data: row_names.number_row(properties[data]) for data in set(repeats.data)}
    return dict(zip(repeats.visit, map(numbers_of.__getitem__, repeats.data), strict=True))


def _movement(views: Columns, names: Names) -> Table:
    def move(pages: tuple[int | None, int | None]) -> str:
        previous, page = (None if code is None else names[code] for code in pages)
        return row_names.move_row(previous, page)

    return _table(_pairs(views.previous, views.page), views.visitor, names.rows.setdefault("movement", _Rows(move)))


def _clicks(clicks: Columns, names: Names, properties: _Properties) -> Table:
    def click(clicked: tuple[int | None, int]) -> str:
        page, data = clicked
        return row_names.click_row(None if page is None else names[page], properties[data])

    return _table(_pairs(clicks.page, clicks.data), clicks.visitor, names.rows.setdefault("clicks", _Rows(click)))


def _exits(views: Columns, text: dict[Any, str]) -> Table:
    """Count the last page that each visit viewed."""
    last = dict(zip(views.visit, zip(views.page, views.visitor, strict=True), strict=True)).values()
    return _table([page for page, _ in last], [visitor for _, visitor in last], text)


def _changes(choices: Columns, properties: _Properties) -> Table:
    """Count the choices that differ from the previous choice of the same visitor on the same day."""
    before: dict[tuple[int, str], str] = {}
    changed: list[tuple[str, int]] = []
    settings = {data: _setting(properties[data]) for data in set(choices.data)}
    for visitor, (row, value) in zip(choices.visitor, map(settings.__getitem__, choices.data), strict=True):
        if before.get((visitor, row), value) != value:
            changed.append((row, visitor))
        before[visitor, row] = value
    return _table([row for row, _ in changed], [visitor for _, visitor in changed])


def _setting(choice: Mapping[str, Any]) -> tuple[str, str]:
    return row_names.setting_row(choice), row_names.setting_value(choice)


def count_own(table: OwnTable, kinds: Mapping[str, Columns], names: Names, properties: Mapping[int, Any]) -> Table:
    """Count the visitors of a declared table: of each value, or of each step that was the furthest one."""
    own = kinds[OWN]
    if table.event:
        of_event = [names[code] == table.event for code in own.kind]
        rows = [row_names.value_row(properties[data], table.value) for data in compress(own.data, of_event)]
        pairs = dict.fromkeys(zip(rows, compress(own.visitor, of_event), strict=True))
        return _table([row for row, _ in pairs], [visitor for _, visitor in pairs])
    furthest: dict[int, str] = {}
    before: dict[int, int] | None = None
    for number, text in enumerate(table.steps, 1):
        before = _reached(Step.parse(text), kinds, names, before)
        furthest |= dict.fromkeys(before, str(number))
    return _table(list(furthest.values()), list(furthest))


def _reached(step: Step, kinds: Mapping[str, Columns], names: Names, before: dict[int, int] | None) -> dict[int, int]:
    """Return when each visitor first reached a step, not before the moment at which they reached the step before it."""
    events = kinds["page_view" if step.is_page else OWN]
    codes: Sequence[int | None] = events.page if step.is_page else events.kind
    texts = {code: "" if code is None else names[code] for code in set(codes)}
    matching = {code for code, text in texts.items() if step.matches(row_names.recorded(text) if step.is_page else text)}
    reached: dict[int, int] = {}
    for code, visitor, slot, at in zip(codes, events.visitor, events.slot, events.at, strict=True):
        moment = slot if at is None else at
        if code in matching and (before is None or before.get(visitor, moment + 1) <= moment):
            reached[visitor] = min(moment, reached.get(visitor, moment))
    return reached
