"""What a browser reports, made into clean events; or an error whose sentence is the answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from ..errors import EventError, ReportError
from .addresses import scrub_path, split_referrer
from .events import check_name, new_id, properties

#: The most that one report may hold: bytes, events.
MOST_BYTES, MOST_EVENTS = 64 * 1024, 100

#: Recorded by the server alone: a browser cannot say that a visit starts.
RESERVED = frozenset({"visit_start", "repeat_visit", "customisation"})

_DAY = 86400.0
_LONGEST = 2000  # characters of an address
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:")
_AN_ID = "1 to 64 of letters, digits and _.:-"
_A_LIST = f"a JSON list of 1 to {MOST_EVENTS} events"

#: Names a page by the path in a browser's address bar: the empty text for one that has no name to tell, None for one
#: that is not counted.
Namer = Callable[[str], str | None]


class Reported(NamedTuple):
    """One event as a browser reported it, cleaned; ``data`` is JSON already."""

    id: str
    at: float  # seconds since 1970-01-01 UTC
    kind: str
    page: str
    previous: str
    referrer: str
    data: str


def read(body: bytes, now: float, host: str, name: Namer) -> list[Reported]:
    """The events in a body of JSON, those of pages that are not counted left out; raises :class:`ReportError`.

    Whatever else the objects hold is dropped: who it was and with what is for the server to say.
    """
    return [event for event in map(Reader(now, host, name).read, _objects(body), range(1, MOST_EVENTS + 1)) if event]


def _objects(body: bytes) -> list[Any]:
    if len(body) > MOST_BYTES:
        raise ReportError("The size of the body", len(body), f"{MOST_BYTES} bytes at most", 413)
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ReportError("The body", body[:60].decode("utf-8", "replace"), _A_LIST) from None
    if not isinstance(found, list) or not found:
        raise ReportError("The body", found, _A_LIST)
    if len(found) > MOST_EVENTS:
        raise ReportError("The number of events", len(found), f"{MOST_EVENTS} at most", 413)
    return found


class Reader:
    """Reads the events of one report, whose moment and host are known."""

    def __init__(self, now: float, host: str, name: Namer) -> None:
        self._now, self._host, self._name = now, host, name

    def read(self, event: Any, number: int) -> Reported | None:
        """One event, or None where its page is not counted; raises :class:`ReportError`."""
        if type(event) is not dict:
            raise ReportError(f"Event {number}", event, "an object")
        say = event.get
        kind = _kind(say("kind"), number)
        at = self._time(event, number)
        identity = _identity(say("id"), number)
        page = self._page(say("page"), number)
        previous, referrer = self._origin(say("previous"), number)
        data = say("data")
        data = self._data(kind, data, number) if data else "{}"
        return None if page is None else Reported(identity, at, kind, page, previous, referrer, data)

    def _time(self, event: Mapping[str, Any], number: int) -> float:
        """By the event's age where it is told, else by the browser's clock; within the last day, and never ahead."""
        if event.get("age") is not None:
            at = self._now - _milliseconds(event["age"], f"The age of event {number}") / 1000
        elif event.get("at") is not None:
            at = _moment(event["at"], number)
        else:
            return self._now
        return min(max(at, self._now - _DAY), self._now)

    def _page(self, path: Any, number: int) -> str | None:
        if path is None:
            return ""
        if not isinstance(path, str) or not path.startswith("/"):
            raise ReportError(f"The page of event {number}", path, "a path that begins with /, or none")
        return self._name(path[:_LONGEST])

    def _origin(self, address: Any, number: int) -> tuple[str, str]:
        """The page of this site that led here, or the page of another one."""
        if not address:
            return "", ""
        if not isinstance(address, str):
            raise ReportError(f"The previous page of event {number}", address, "a path or an address, or none")
        path, referrer = self._split(address)
        return (path and self._name(path)) or "", referrer

    def _split(self, address: str) -> tuple[str, str]:
        """``(path, address)``: a path of this site, or another site's page; at most one is not empty."""
        if address.startswith("/"):
            return address[:_LONGEST], ""
        return split_referrer(address[:_LONGEST], self._host)

    def _data(self, kind: str, data: Any, number: int) -> str:
        if type(data) is not dict:
            raise ReportError(f"The data of event {number}", data, "a flat object, or none")
        if kind in ("click", "exit_link"):
            data = dict(self._pressed(data))
        try:
            return properties(data)
        except EventError as error:
            raise ReportError(f"{error.what}, in event {number},", error.value, error.allowed) from None

    def _pressed(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """What was pressed: where it led, by the rules of a page's name, and what it is called."""
        for key, value in data.items():
            if key == "to":
                if (led := self._destination(value)) is not None:
                    yield key, led
            else:
                yield key, scrub_path(value[:_LONGEST]) if key == "button" and isinstance(value, str) and value else value

    def _destination(self, address: Any) -> Any:
        if not isinstance(address, str) or _SCHEME.fullmatch(address):
            return address  # "mailto:", and not to whom; what is no text is refused where all values are
        path, elsewhere = self._split(address)
        return elsewhere or (path and self._name(path)) or None


def _kind(kind: Any, number: int) -> str:
    allowed = "page_view, page_exit, click, exit_link, or a name of up to 64 letters, digits and _.:- , a letter first"
    if isinstance(kind, str) and kind in RESERVED:
        raise ReportError(f"The kind of event {number}", kind, f"{allowed}; this one is recorded by the server itself")
    try:
        return check_name(kind)
    except EventError:
        raise ReportError(f"The kind of event {number}", kind, allowed) from None


def _identity(identity: Any, number: int) -> str:
    if identity is None:
        return new_id()
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise ReportError(f"The id of event {number}", identity, f"{_AN_ID}, or none")
    return identity


def _milliseconds(value: Any, what: str) -> float:
    if type(value) not in (int, float):
        raise ReportError(what, value, "a number of milliseconds")
    return float(value)


def _moment(at: Any, number: int) -> float:
    """Seconds since 1970 of an ISO 8601 text, which is UTC unless it says otherwise, or of a number of milliseconds."""
    if not isinstance(at, str):
        return _milliseconds(at, f"The time of event {number}") / 1000
    try:
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ReportError(f"The time of event {number}", at, "ISO 8601, or milliseconds since 1970") from None
