"""Names of report rows. Each function maps fields of an event to its row in some tables; an empty name is in no row.

An engine that counts by SQL stores these names as columns when it loads an event. Then each table is a ``GROUP BY``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson

from ..storage.clock import timestamp_of_milliseconds
from .events import KINDS
from .ingest import limited_network

#: The row into which suppressed rows are merged.
OTHER = "other"

UNKNOWN = "(not recorded)"

#: The columns by which the statements of reports count events, with their types. They stand beside columns of the event
#: itself: ``slot``, ``visitor`` (a code, so an integer), ``id``, ``kind`` and ``visit``. None of them is null: a text may be
#: empty, and ``seconds`` may be -1. ``happened`` is in milliseconds, as ``slot`` is, and differs only if an event came late.
ROW_COLUMNS: dict[str, type] = {
    "happened": int,
    "limited": str,  # the network, unless it is a proxy's
    "page_row": str,
    "move_row": str,  # of page views: the previous page and this one
    "hour_row": str,  # of page views
    "site_row": str,  # of visits that begin, as the next three
    "browser_row": str,
    "platform_row": str,
    "provider_row": str,
    "number_row": str,  # of repeat visits, as the next one
    "gap_row": str,
    "link_row": str,  # of exit links
    "click_row": str,  # of clicks
    "choice_row": str,  # of choices, as the next two
    "setting_row": str,
    "setting_value": str,
    "seconds": int,  # of page exits
    "properties": str,  # of the site's own events: all in one text, from which statements cut values
}

#: Those that an engine stores with an event. The others follow from its moment, and one of them from the time zone.
STORED_NAMES = {name: kind for name, kind in ROW_COLUMNS.items() if name not in ("happened", "hour_row")}

# A browser may send any text. It must not become the row of the total or "other", and it must fit into a database index.
_RESERVED = {"": UNKNOWN, OTHER: f"“{OTHER}”"}
BEGIN, _MIDDLE = "\x1f", "\x1e"  # unit and record separator, which no property needs
_LONGEST_NAME, _LONGEST_ROW = 250, 600  # characters
_LONGEST_TIME = 86_400  # seconds counted per exit at most
_QUARTER = 15 * 60_000  # milliseconds; since the year 2000, an hour begins at a quarter of a UTC hour in every time zone
_ENDS = ((1, "1"), (2, "2"), (3, "3"), (5, "4–5"), (10, "6–10"))
_GAPS = ((0, "the same day"), (1, "1 day"), (6, "2–6 days"), (13, "1 week"), (29, "2–4 weeks"))

Properties = Mapping[str, Any]


def key(*parts: str) -> str:
    """Return the row key of two names as JSON. It never equals the key of "other"."""
    if parts[0] == OTHER and set(parts) == {OTHER}:
        parts = (_RESERVED[OTHER], *parts[1:])
    if max(map(len, parts)) > _LONGEST_NAME:
        parts = tuple(part[:_LONGEST_NAME] for part in parts)
    return orjson.dumps(parts).decode()


def parts_of(row: str) -> tuple[str, str]:
    """Return the two names of a row key."""
    first, second = orjson.loads(row)
    return str(first), str(second)


def recorded(text: str | None) -> str:
    """Return the row of a page, a browser or a platform."""
    return _fit(text or UNKNOWN)


def provider_row(provider: str | None) -> str:
    return _fit(provider) if provider else ""


def move_row(previous: str | None, page: str | None) -> str:
    return key(previous, page) if previous and page else ""


def site_of(referrer: str) -> str:
    """Return the site of a referring page: ``https://search.example``."""
    return "/".join(referrer.split("/", 3)[:3])


def site_row(referrer: str | None) -> str:
    return _fit(site_of(referrer)) if referrer else ""


def number_row(repeat: Properties) -> str:
    return _within(_ENDS, repeat.get("visit_number"), "11 or more")


def gap_row(repeat: Properties) -> str:
    return _within(_GAPS, repeat.get("days_since_last"), "a month or more")


def link_row(link: Properties) -> str:
    return _fit(str(link.get("to") or UNKNOWN))


def click_row(page: str | None, click: Properties) -> str:
    return key(page or UNKNOWN, str(click.get("to") or click.get("on") or UNKNOWN))


def choice_row(choice: Properties) -> str:
    return key(str(choice.get("name", "")), str(choice.get("value", "")))


def setting_row(choice: Properties) -> str:
    return _fit(str(choice.get("name", "")))


def setting_value(choice: Properties) -> str:
    return str(choice.get("value", ""))


def value_row(event: Properties, name: str) -> str:
    """Return the row of one property of an event of the site's own."""
    value = event.get(name)
    return recorded(None if value is None else _without_marks(str(value)))


def marked(event: Properties) -> str:
    """Return the properties of an event as one text. Each begins with what :func:`mark` returns for its name."""
    return "".join(f"{mark(_without_marks(name))}{value_row(event, name)}" for name in event)


def mark(name: str) -> str:
    """Return what begins a property in the text of :func:`marked`."""
    return f"{BEGIN}{name}{_MIDDLE}"


def _without_marks(text: str) -> str:
    return text.replace(BEGIN, " ").replace(_MIDDLE, " ")


def seconds(page_exit: Properties) -> int:
    """Return the whole seconds in view, or -1 if no valid number was reported."""
    value = page_exit.get("seconds")
    return int(min(value, _LONGEST_TIME)) if isinstance(value, int | float) and value >= 0 else -1


def limited(network: str | None) -> str:
    """Return the network of a visitor, or nothing if it is a proxy's, which many people share."""
    return limited_network(network.partition("/")[0]) if network else ""


def hour_rows(moments: Sequence[int], hour_of: Callable[[str], str]) -> list[str]:
    """Return the hour of the site's day for each of many moments in milliseconds. ``hour_of`` is that of a calendar."""
    quarters = [moment // _QUARTER for moment in moments]
    hours = {quarter: hour_of(timestamp_of_milliseconds(quarter * _QUARTER)) for quarter in set(quarters)}
    return [hours[quarter] for quarter in quarters]


def _fit(row: str) -> str:
    if row in _RESERVED or len(row) > _LONGEST_ROW:
        return _RESERVED.get(row, row[:_LONGEST_ROW] if row[:1] != "[" else row)
    return row


def _within(ends: tuple[tuple[int, str], ...], number: object, beyond: str) -> str:
    if not isinstance(number, int):
        return UNKNOWN
    return next((name for end, name in ends if number <= end), beyond)


class _Rule(NamedTuple):
    """Finds the name of a row in some fields of an event that has one of some kinds."""

    row: Callable[..., str | int]
    fields: tuple[str, ...]
    kinds: frozenset[str]


def _rule(row: Callable[..., str | int], fields: str, kinds: str) -> _Rule:
    return _Rule(row, tuple(fields.split()), frozenset(kinds.split()))


_RULES = {
    "page_row": _rule(recorded, "page", "page_view page_exit visit_start"),
    "move_row": _rule(move_row, "previous page", "page_view"),
    "site_row": _rule(site_row, "referrer", "visit_start"),
    "browser_row": _rule(recorded, "browser", "visit_start"),
    "platform_row": _rule(recorded, "platform", "visit_start"),
    "provider_row": _rule(provider_row, "provider", "visit_start"),
    "number_row": _rule(number_row, "data", "repeat_visit"),
    "gap_row": _rule(gap_row, "data", "repeat_visit"),
    "link_row": _rule(link_row, "data", "exit_link"),
    "click_row": _rule(click_row, "page data", "click"),
    "choice_row": _rule(choice_row, "data", "customisation"),
    "setting_row": _rule(setting_row, "data", "customisation"),
    "setting_value": _rule(setting_value, "data", "customisation"),
    "seconds": _rule(seconds, "data", "page_exit"),
}


def row_names(fields: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the columns of :data:`STORED_NAMES` for events, whose fields are given by column, with data as JSON."""
    columns: dict[str, list[Any]] = {"limited": list(map(cache(limited), fields["network"]))}
    columns["properties"] = [
        "" if kind in KINDS else marked(orjson.loads(data or "{}"))
        for kind, data in zip(fields["kind"], fields["data"], strict=True)
    ]
    columns |= {name: _column(rule, fields, ROW_COLUMNS[name]) for name, rule in _RULES.items()}
    return {name: columns[name] for name in STORED_NAMES}


def _column(rule: _Rule, fields: Mapping[str, Sequence[Any]], kind_of_value: type) -> list[Any]:
    """Return the names of the events to which a rule applies, and an empty value for the others."""

    @cache
    def name(*texts: str | None) -> str | int:
        values = dict(zip(rule.fields, texts, strict=True))
        return rule.row(*(orjson.loads(text or "{}") if field == "data" else text for field, text in values.items()))

    empty = "" if kind_of_value is str else -1
    texts = zip(*(fields[field] for field in rule.fields), strict=True)
    return [name(*each) if kind in rule.kinds else empty for kind, each in zip(fields["kind"], texts, strict=True)]
