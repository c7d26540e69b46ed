"""Validation and rate limit of the events that browsers report."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

import orjson

from ..errors import EventError, ReportError
from ..storage.clock import DAY
from ..storage.memory import TokenBuckets, bounded_cache
from .events import check_name, new_id, properties
from .scrub import network_of, origin_of, scrub_path, split_referrer

#: The limits of one report: bytes, events.
MOST_BYTES, MOST_EVENTS = 64 * 1024, 100

#: Kinds that only the server records. A browser may not report them.
RESERVED = frozenset({"visit_start", "repeat_visit", "customisation"})

_LONGEST = 2000  # characters of an address
_LONGEST_AGE = DAY * 1000  # milliseconds of an event that a browser reports
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:")
_AN_ID = "1 to 64 letters, digits and _.:-"
_FLAT = "a flat object, or null"
_A_LIST = f"a JSON list of 1 to {MOST_EVENTS} events"

_MOST_CACHED = 1024  # cached events; browsers report most events many times
_MOST_CACHED_BYTES = 400  # of one cached event

#: Returns the name of a page for the path in a browser's address bar. The name is empty if the page has no public name, and
#: None if the page is not counted.
Namer = Callable[[str], str | None]

#: The content of an event: kind, data as JSON, page, previous, referrer.
Content = tuple[str, str, str, str, str]

#: A validated event: its id, its time in seconds since 1970-01-01 UTC, and its content.
BrowserEvent = tuple[str, float, Content]


class EventParser:
    """Parses reports to one host with one way of naming pages. Caches the content of frequent events.

    With ``origins_only``, as for a logged-in user, the referrer is the origin of another site's page.
    """

    def __init__(self, host: str, name: Namer, origins_only: bool = False) -> None:
        self._host, self._name, self._origins_only = host, name, origins_only
        self._cached_content = lru_cache(maxsize=_MOST_CACHED)(self._content)

    def read(self, body: bytes | bytearray, now: float) -> list[BrowserEvent]:
        """Return the events in a JSON body, without those of pages that are not counted. Raises :class:`ReportError`.

        Other fields of an event are dropped: the server itself adds the visitor and the client.
        """
        events, number = [], 0
        try:
            for number, event in enumerate(_objects(body), 1):  # noqa: B007 — the error names the number
                content = self._parse(event)
                if content is not None:
                    event_id, age = event.get("id"), event.get("age")
                    if type(event_id) is not str or not _ID.fullmatch(event_id):
                        event_id = _event_id(event_id)
                    recent = type(age) is int and 0 <= age <= _LONGEST_AGE  # as the tracker sends it
                    events.append((event_id, now - age / 1000 if recent else _time(event, now), content))
        except ReportError as error:
            if not number:
                raise
            raise ReportError(f"{error.what} {number}", error.value, error.allowed) from None
        return events

    def _parse(self, event: Any) -> Content | None:
        """Return the content of an event, or None if its page is not counted."""
        if type(event) is not dict:
            raise ReportError("Event", event, "an object")
        get = event.get
        kind, page, previous, data = get("kind"), get("page"), get("previous"), get("data")
        try:
            packed = orjson.dumps(data) if data else b""
        except TypeError:  # nested too deep for orjson
            raise ReportError("The data of event", data, _FLAT) from None
        try:
            if len(packed) + len(page or "") + len(previous or "") < _MOST_CACHED_BYTES:
                return self._cached_content(kind, page, previous, packed)
            return self._content(kind, page, previous, packed)
        except TypeError:  # a field is not a string; the call below raises the error that names it
            return self._content(kind, page, previous, packed)

    def _content(self, kind: Any, page: Any, previous: Any, packed: bytes) -> Content | None:
        kind, page = _kind(kind), self._page(page)
        previous_page, referrer = self._origin(previous)
        data = self._data(kind, orjson.loads(packed)) if packed else "{}"
        return None if page is None else (kind, data, page, previous_page, referrer)

    def _page(self, path: Any) -> str | None:
        if path is None:
            return ""
        if not isinstance(path, str) or not path.startswith("/"):
            raise ReportError("The page of event", path, "a path that begins with /, or null")
        return self._name(path[:_LONGEST])

    def _origin(self, address: Any) -> tuple[str, str]:
        """Return ``(previous, referrer)``: the page of this site or of another site that led to the page."""
        if not address:
            return "", ""
        if not isinstance(address, str):
            raise ReportError("The previous page of event", address, "a path, a URL, or null")
        path, referrer = self._split(address)
        return (path and self._name(path)) or "", origin_of(referrer) if self._origins_only else referrer

    def _split(self, address: str) -> tuple[str, str]:
        """Return ``(path, referrer)``: a path of this site, or a page of another site. At least one of them is empty."""
        if address.startswith("/"):
            return address[:_LONGEST], ""
        return split_referrer(address[:_LONGEST], self._host)

    def _data(self, kind: str, data: Any) -> str:
        if type(data) is not dict:
            raise ReportError("The data of event", data, _FLAT)
        if kind in ("click", "exit_link"):
            data = dict(self._click_properties(data))
        try:
            return properties(data)
        except EventError as error:
            raise ReportError(f"{error.what} of event", error.value, error.allowed) from None

    def _click_properties(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield the properties of a click, with the target named like a page and the button scrubbed like a path."""
        for key, value in data.items():
            if key == "to":
                if (target := self._target(value)) is not None:
                    yield key, target
            else:
                yield key, scrub_path(value[:_LONGEST]) if key == "button" and isinstance(value, str) and value else value

    def _target(self, address: Any) -> Any:
        if not isinstance(address, str) or _SCHEME.fullmatch(address):
            return address  # a bare scheme, such as "mailto:"; properties() rejects other types
        path, other_site = self._split(address)
        return other_site or (path and self._name(path)) or None


def _objects(body: bytes | bytearray) -> list[Any]:
    if len(body) > MOST_BYTES:
        raise ReportError("The size of the body", len(body), f"at most {MOST_BYTES} bytes", 413)
    try:
        objects = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ReportError("The body", body[:60].decode("utf-8", "replace"), _A_LIST) from None
    if not isinstance(objects, list) or not objects:
        raise ReportError("The body", objects, _A_LIST)
    if len(objects) > MOST_EVENTS:
        raise ReportError("The number of events", len(objects), f"at most {MOST_EVENTS}", 413)
    return objects


def _time(event: Mapping[str, Any], now: float) -> float:
    """Return the time of an event from its age, or else from the browser's clock, clamped to the last 24 hours."""
    age = event.get("age")
    if age is not None:
        time = now - _milliseconds(age, "The age of event") / 1000
    else:
        timestamp = event.get("at")
        time = now if timestamp is None else _seconds(timestamp)
    return time if now - DAY <= time <= now else min(max(time, now - DAY), now)


def _kind(kind: Any) -> str:
    allowed = "page_view, page_exit, click, exit_link, or 1 to 64 letters, digits and _.:- , beginning with a letter"
    if isinstance(kind, str) and kind in RESERVED:
        raise ReportError("The kind of event", kind, f"{allowed}; only the server records this kind")
    try:
        return check_name(kind)
    except EventError:
        raise ReportError("The kind of event", kind, allowed) from None


def _event_id(event_id: Any) -> str:
    if event_id is None:
        return new_id()
    if not isinstance(event_id, str) or not _ID.fullmatch(event_id):
        raise ReportError("The id of event", event_id, f"{_AN_ID}, or null")
    return event_id


def _milliseconds(value: Any, name: str) -> float:
    if type(value) is not int and type(value) is not float:
        raise ReportError(name, value, "a number of milliseconds")
    return value


def _seconds(timestamp: Any) -> float:
    """Return seconds since 1970 for an ISO 8601 string, in UTC unless it has an offset, or for a number of milliseconds."""
    if not isinstance(timestamp, str):
        return _milliseconds(timestamp, "The time of event") / 1000
    try:
        moment = datetime.fromisoformat(timestamp)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ReportError("The time of event", timestamp, "an ISO 8601 string, or milliseconds since 1970") from None


# The rate limits of reports: token buckets by visitor and network, and one of the process.

BURST, PER_SECOND = 120, 2.0  # reports of a visitor: at once, and each second
NETWORK_BURST, NETWORK_PER_SECOND = 30_000, 500.0  # events of a network. A new decision is a new visitor, in one network.
PROCESS_BURST, PROCESS_PER_SECOND = 120_000, 60_000.0  # events of a process, which is more than a loader loads
_MOST_BUCKETS = 4096

#: Networks of proxies. Without ProxyFix, the address of every visitor is the proxy's, so it is not limited as one network.
_OF_PROXIES = [
    *map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")),
    *map(ip_network, ("::/48", "fc00::/7", "fe80::/10")),
]


@bounded_cache(4096)
def limited_network(address: str) -> str:
    """Return the network of an address, as :func:`.network_of` does, or an empty string for a proxy's address."""
    network = network_of(address)
    prefix = ip_address(network.partition("/")[0]) if network else None
    is_limited = prefix is not None and not any(prefix in proxies for proxies in _OF_PROXIES)
    return network if is_limited else ""


class RateLimit:
    """The limits of one process. Decisions have none. Networks are in memory only.

    ``now`` is the time of the call, in seconds. The time at which a slow request began would refill the buckets.
    """

    def __init__(self) -> None:
        self._buckets = TokenBuckets(BURST, PER_SECOND, _MOST_BUCKETS)
        self._networks = TokenBuckets(NETWORK_BURST, NETWORK_PER_SECOND, _MOST_BUCKETS)
        self._process = TokenBuckets(PROCESS_BURST, PROCESS_PER_SECOND, 1)
        self._lock = threading.Lock()

    def retry_after(self, visitor: str, now: float, network: str = "") -> int:
        """Allow a visitor's report and return 0, or return the whole seconds to wait. An empty network has no limit."""
        with self._lock:
            wait = max(self._process.wait("", now), self._networks.wait(network, now) if network else 0.0)
            wait = max(wait, self._buckets.take_one(visitor, now) if not wait else self._buckets.wait(visitor, now))
        return math.ceil(wait)

    def count_events(self, number: int, now: float, network: str = "") -> None:
        """Count the events of a report that was allowed. The next report waits if they were too many."""
        with self._lock:
            self._process.take("", number, now)
            if network:
                self._networks.take(network, number, now)
