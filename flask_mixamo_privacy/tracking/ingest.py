"""What a browser reports, made into clean events; or an error whose sentence is the answer."""

from __future__ import annotations

import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from ..errors import EventError, ReportError
from ..storage.clock import DAY
from .events import check_name, new_id, properties
from .scrub import scrub_path, split_referrer

#: The most that one report may hold: bytes, events.
MOST_BYTES, MOST_EVENTS = 64 * 1024, 100

#: Recorded by the server alone: a browser cannot say that a visit starts.
RESERVED = frozenset({"visit_start", "repeat_visit", "customisation"})

_LONGEST = 2000  # characters of an address
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:")
_AN_ID = "1 to 64 of letters, digits and _.:-"
_FLAT = "a flat object, or none"
_A_LIST = f"a JSON list of 1 to {MOST_EVENTS} events"

_REMEMBERED = 1024  # different events; most are told again and again
_WORTH_IT = 400  # bytes of what is remembered of one

#: Names a page by the path in a browser's address bar: the empty text for one that has no name to tell, None for one
#: that is not counted.
Namer = Callable[[str], str | None]

#: What happened and with what, and where: kind, data as JSON, page, previous, referrer.
What = tuple[str, str, str, str, str]

#: One event as a browser reported it, cleaned: its id, its time in seconds since 1970-01-01 UTC, and what happened.
BrowserEvent = tuple[str, float, What]


class EventParser:
    """Reads what is reported to one host, where pages are named in one way. It remembers what it read often."""

    def __init__(self, host: str, name: Namer) -> None:
        self._host, self._name = host, name
        self._known = lru_cache(maxsize=_REMEMBERED)(self._what)

    def read(self, body: bytes, now: float) -> list[BrowserEvent]:
        """The events in a body of JSON, those of pages that are not counted left out; raises :class:`ReportError`.

        Whatever else the objects hold is dropped: who it was and with what is for the server to say.
        """
        found, number = [], 0
        try:
            for number, event in enumerate(_objects(body), 1):  # noqa: B007 — the error says it
                what = self._look(event)
                if what is not None:
                    found.append((_identity(event.get("id")), _time(event, now), what))
        except ReportError as error:
            if not number:
                raise
            raise ReportError(f"{error.what} {number}", error.value, error.allowed) from None
        return found

    def _look(self, event: Any) -> What | None:
        """What an event says; None where its page is not counted."""
        if type(event) is not dict:
            raise ReportError("Event", event, "an object")
        kind, page, previous, data = map(event.get, ("kind", "page", "previous", "data"))
        try:
            packed = orjson.dumps(data) if data else b""
        except TypeError:  # nested deeper than it writes
            raise ReportError("The data of event", data, _FLAT) from None
        try:
            small = len(packed) + len(page or "") + len(previous or "") < _WORTH_IT
            return (self._known if small else self._what)(kind, page, previous, packed)
        except TypeError:  # no text where one belongs: found below, and said
            return self._what(kind, page, previous, packed)

    def _what(self, kind: Any, page: Any, previous: Any, packed: bytes) -> What | None:
        kind, page = _kind(kind), self._page(page)
        led_from, referrer = self._origin(previous)
        data = self._data(kind, orjson.loads(packed)) if packed else "{}"
        return None if page is None else (kind, data, page, led_from, referrer)

    def _page(self, path: Any) -> str | None:
        if path is None:
            return ""
        if not isinstance(path, str) or not path.startswith("/"):
            raise ReportError("The page of event", path, "a path that begins with /, or none")
        return self._name(path[:_LONGEST])

    def _origin(self, address: Any) -> tuple[str, str]:
        """The page of this site that led here, or the page of another one."""
        if not address:
            return "", ""
        if not isinstance(address, str):
            raise ReportError("The previous page of event", address, "a path or an address, or none")
        path, referrer = self._split(address)
        return (path and self._name(path)) or "", referrer

    def _split(self, address: str) -> tuple[str, str]:
        """``(path, address)``: a path of this site, or another site's page; at most one is not empty."""
        if address.startswith("/"):
            return address[:_LONGEST], ""
        return split_referrer(address[:_LONGEST], self._host)

    def _data(self, kind: str, data: Any) -> str:
        if type(data) is not dict:
            raise ReportError("The data of event", data, _FLAT)
        if kind in ("click", "exit_link"):
            data = dict(self._pressed(data))
        try:
            return properties(data)
        except EventError as error:
            raise ReportError(f"{error.what}, in event", error.value, error.allowed) from None

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


def _time(event: Mapping[str, Any], now: float) -> float:
    """By the event's age where it is told, else by the browser's clock; within the last day, and never ahead."""
    age = event.get("age")
    if age is not None:
        at = now - _milliseconds(age, "The age of event") / 1000
    else:
        moment = event.get("at")
        at = now if moment is None else _moment(moment)
    return at if now - DAY <= at <= now else min(max(at, now - DAY), now)


def _kind(kind: Any) -> str:
    allowed = "page_view, page_exit, click, exit_link, or a name of up to 64 letters, digits and _.:- , a letter first"
    if isinstance(kind, str) and kind in RESERVED:
        raise ReportError("The kind of event", kind, f"{allowed}; this one is recorded by the server itself")
    try:
        return check_name(kind)
    except EventError:
        raise ReportError("The kind of event", kind, allowed) from None


def _identity(identity: Any) -> str:
    if identity is None:
        return new_id()
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        raise ReportError("The id of event", identity, f"{_AN_ID}, or none")
    return identity


def _milliseconds(value: Any, what: str) -> float:
    if type(value) is not int and type(value) is not float:
        raise ReportError(what, value, "a number of milliseconds")
    return value


def _moment(at: Any) -> float:
    """Seconds since 1970 of an ISO 8601 text, which is UTC unless it says otherwise, or of a number of milliseconds."""
    if not isinstance(at, str):
        return _milliseconds(at, "The time of event") / 1000
    try:
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ReportError("The time of event", at, "ISO 8601, or milliseconds since 1970") from None


# How much one visitor may report: a bucket of tokens, one a request, filled again as time goes by.

BURST = 120  # requests at once
PER_SECOND = 2.0  # and as many again
_MOST_VISITORS = 4096


class RateLimit:
    """Buckets by receipt, in this process's memory alone; the longest unused is forgotten, which only fills it."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def retry_after(self, receipt: str, now: float) -> int:
        """Take a token: 0, or the whole seconds after which there is one again."""
        with self._lock:
            tokens, since = self._buckets.pop(receipt, (float(BURST), now))
            tokens = min(tokens + max(now - since, 0.0) * PER_SECOND, float(BURST))
            taken = tokens >= 1.0
            self._buckets[receipt] = tokens - taken, now
            if len(self._buckets) > _MOST_VISITORS:
                self._buckets.popitem(last=False)
        return 0 if taken else math.ceil((1.0 - tokens) / PER_SECOND)
