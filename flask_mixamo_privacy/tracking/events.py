"""Events, and the consent gate that every event passes before it is logged."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import re
import secrets
from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from typing import NamedTuple

from ..errors import EventError
from ..storage.clock import DAY, timestamp
from ..storage.platform import after_fork_in_child
from .scrub import client_of, network_of, scrub_text

#: The fields of an event, in the order in which they are written.
FIELDS = (
    "id", "at", "kind", "visitor", "visit", "page", "previous", "referrer",
    "browser", "platform", "provider", "network", "data",
)  # fmt: skip

_PAGE_FIELDS, _CLIENT_FIELDS = FIELDS[5:8], FIELDS[8:12]

#: The kinds that the extension records itself; any other kind is a name given to ``privacy.track``.
KINDS = (
    "visit_start", "repeat_visit", "page_view", "page_exit", "click", "exit_link", "customisation",
)  # fmt: skip

#: The kinds that come first, in this order, among events of one millisecond. So their order does not depend on random ids.
FIRST = KINDS[:3]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_MOST_PROPERTIES = 16
_LEAST_OF_A_PERSON = 10**8  # a number with fewer digits is no telephone, card or account

Value = str | int | float | bool | None

#: The kind, the id, the time, the members of page and client, and the data of one event.
Event = tuple[str, str, float, str, str]


class _Ids:
    """Generator of event ids: a random prefix per process and a counter. An id takes a tenth of the time of a UUID."""

    def __init__(self) -> None:
        self.renew()
        after_fork_in_child(self.renew)

    def renew(self) -> None:
        self.prefix = secrets.token_urlsafe(9)
        self._count = itertools.count()

    def __call__(self) -> str:
        return f"{self.prefix}{next(self._count):08x}"


new_id = _Ids()


def needs(kind: str) -> frozenset[str]:
    """Return the purposes that must all be granted before an event of this kind is recorded."""
    return _CUSTOMISATION if kind == "customisation" else _STATISTICS


_STATISTICS = frozenset({"statistics"})
_CUSTOMISATION = frozenset({"statistics", "customisation"})


def collect(
    granted: Collection[str], kind: str, event_id: str, now: float, visitor: str, visit: str, context: str, data: str
) -> str:
    """Return the event as one JSON line, or the empty string unless every purpose that it needs is granted.

    ``context`` has the members of page and client, and ``data`` is the result of :func:`properties`.
    """
    return collect_all(granted, [(kind, event_id, now, context, data)], visitor, visit)


def collect_all(granted: Collection[str], events: Iterable[Event], visitor: str, visit: str) -> str:
    """Return events of one visit as JSON lines, without those that need a purpose which is not granted."""
    if not _STATISTICS.issubset(granted):
        return ""
    may_customise, lines = _CUSTOMISATION.issubset(granted), ""
    for kind, event_id, at, context, data in events:
        if may_customise or kind != "customisation":
            lines += (
                f'{{"id":{quote(event_id)},"at":"{timestamp(at)}","kind":{quote(kind)},'
                f'"visitor":"{visitor}","visit":"{visit}",{context},"data":{data}}}\n'
            )
    return lines


@lru_cache(maxsize=1024)
def page_members(fields: frozenset[str], page: str, previous: str, referrer: str) -> str:
    """Return the fields of a page as JSON members, without the braces of an object.

    A value is null if it is empty, or if ``fields``, the fields that the policy declares, do not include it.
    """
    return _members(fields, _PAGE_FIELDS, (page, previous, referrer))


class LoggedClient(NamedTuple):
    """A client as the log describes it: the same for all pages of a visit."""

    is_robot: bool
    members: str  # browser, platform, provider and network as JSON members


def logged_client(fields: frozenset[str], provider_of: Callable[[str], str], user_agent: str, address: str) -> LoggedClient:
    """Return the client with this ``User-Agent`` and this address. Neither is stored."""
    client = client_of.cached(user_agent)
    values = client.browser, client.platform, provider_of(address), network_of.cached(address)
    return LoggedClient(client.robot, _members(fields, _CLIENT_FIELDS, values))


def _members(fields: frozenset[str], names: Iterable[str], values: Iterable[str]) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join(f'"{name}":{quote(value) if value and name in fields else "null"}' for name, value in pairs)


def properties(values: Mapping[str, object]) -> str:
    """Return properties as JSON without e-mail addresses. Raises :class:`EventError` if one of them is not allowed."""
    if len(values) > _MOST_PROPERTIES:
        raise EventError("The number of properties", len(values), f"at most {_MOST_PROPERTIES}")
    return json.dumps({check_name(name): _property(name, value) for name, value in values.items()}, separators=(",", ":"))


def _property(name: str, value: object) -> Value:
    if isinstance(value, str):
        return scrub_text(value)
    # JSON parsers agree on integers up to 2 ** 53 only, and JSON has no NaN (RFC 8259, 6). Any comparison with NaN is false.
    if value is None or (isinstance(value, bool | int | float) and abs(value) <= 2**53):
        return value if abs(value or 0) < _LEAST_OF_A_PERSON else _number(str(value), value)
    raise EventError(f"The property {name!r}", value, "a string, a number of at most 2 ** 53, True, False or None")


def _number(text: str, value: Value) -> Value:
    """Return the value, or the kind of number that its text is: of a telephone, a card or an account."""
    return value if (scrubbed := scrub_text(text)) == text else scrubbed


def check_name(name: str) -> str:
    """Return the name of an event or a property. Raises :class:`EventError` unless it is allowed."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise EventError("The event or property name", name, "1 to 64 letters, digits and _.:- , beginning with a letter")
    return name


# Visitors and visits.

#: Seconds without a request after which the next request starts a new visit.
VISIT_GAP = 30 * 60

#: Seconds after which the visitor cookie is reissued. A smaller number would set the cookie on every page.
REISSUE_AFTER = 60


class BadVisitor(ValueError):
    """The value of the visitor cookie is invalid, or its ID has expired."""


class Visitor(NamedTuple):
    """The content of the visitor cookie. Exists only under a grant of ``statistics``."""

    id: str  # 128 bits, derived from a random receipt
    first_day: int  # of the first issue, in days since 1970-01-01 UTC
    number: int  # of the visit, from 1
    last_seen: int  # in seconds since 1970-01-01 UTC
    check: str  # the first 8 characters of the receipt of the grant that allows this ID

    @classmethod
    def new(cls, receipt: str, now: float) -> Visitor:
        """Return a new visitor under a grant, at the first visit.

        The ID is derived from the grant's random receipt. So the consent cookie alone finds what was logged before the
        visitor cookie arrived, and two tabs get the same ID.
        """
        return cls(visitor_id(receipt), int(now) // DAY, 1, int(now), receipt[:8])

    @classmethod
    def before_first_visit(cls, receipt: str, now: float) -> Visitor:
        """Return the visitor that :meth:`new` returns, without a visit. The next event starts visit 1, if nothing did."""
        return cls.new(receipt, now)._replace(number=0, last_seen=0)

    def encode(self) -> str:
        """Return the compact text that is signed."""
        return f"{self.id}.{self.first_day:x}.{self.number:x}.{self.last_seen:x}.{self.check}"

    @classmethod
    def decode(cls, text: str, today: int, days: int) -> Visitor:
        """Parse the compact text. Raises :class:`ValueError` if it is malformed or was first issued ``days`` or more ago."""
        visitor, first_day, number, last_seen, check = text.split(".")
        self = cls(visitor, int(first_day, 16), int(number, 16), int(last_seen, 16), check)
        if self.first_day + days <= today:
            raise BadVisitor(text)
        return self

    def serves(self, receipt: str) -> bool:
        """Return whether the grant with this receipt allows the ID."""
        return bool(receipt) and self.check == receipt[:8]

    def seen_at(self, now: float) -> Visitor:
        """Return the visitor as of ``now``, in the next visit if the gap was longer than :data:`VISIT_GAP`."""
        gap = now - self.last_seen
        if gap > VISIT_GAP:
            return self._replace(number=self.number + 1, last_seen=int(now))
        return self._replace(last_seen=int(now)) if gap > REISSUE_AFTER else self

    def under(self, receipt: str) -> Visitor:
        """Return the same visitor under the grant with this receipt."""
        return self._replace(check=receipt[:8])

    @property
    def visit(self) -> str:
        """The id of the visit: an HMAC of visitor and number. Two tabs opened at the same time therefore share one visit."""
        return _visit_id(self.id, self.number)

    @property
    def tag(self) -> str:
        """Two characters by which a tab distinguishes its events under this grant from those under an earlier one.

        They come from the receipt, so that each page has the same ones before the visitor cookie is set.
        """
        return _visit_id(self.check, 0)[:2]


def visitor_id(receipt: str) -> str:
    """Return the ID of a new visitor under the grant with this receipt."""
    derived = hmac.digest(receipt.encode(), b"visitor", "sha256")[:16]
    return base64.urlsafe_b64encode(derived).decode().rstrip("=")


@lru_cache(maxsize=4096)
def _visit_id(visitor: str, number: int) -> str:
    return _derive(visitor, f"visit {number}")


def start_id(visit: str, kind: str) -> str:
    """Return the id of the event that starts a visit. It is the same in every tab."""
    return _derive(visit, kind)


def _derive(key: str, message: str) -> str:
    derived = hmac.digest(key.encode(), message.encode(), "sha256")[:12]
    return b2a_base64(derived, newline=False).translate(_URL_SAFE).decode()
