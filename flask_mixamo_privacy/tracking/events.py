"""Events: the one gate that drops what was not granted, and the line that the log keeps."""

from __future__ import annotations

import base64
import hmac
import itertools
import json
import os
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote

from ..errors import EventError
from ..storage.clock import DAY, timestamp
from .scrub import scrub_text

#: The fields of an event, in the order in which they are written.
FIELDS = (
    "id", "at", "kind", "visitor", "visit", "page", "previous", "referrer",
    "browser", "platform", "provider", "network", "data",
)  # fmt: skip

#: Those among them that say where something happened, and with what.
CONTEXT_FIELDS = FIELDS[5:12]

#: The kinds that the extension records itself; any other kind is a name given to ``privacy.track``.
KINDS = (
    "visit_start", "repeat_visit", "page_view", "page_exit", "click", "exit_link", "customisation",
)  # fmt: skip

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_MOST_PROPERTIES = 16

Value = str | int | float | bool | None


class _Ids:
    """Event ids: a random prefix and a counter, a tenth of what a UUID costs; anew in every process."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.prefix = secrets.token_urlsafe(9)
        self._count = itertools.count()

    def __call__(self) -> str:
        return f"{self.prefix}{next(self._count):08x}"


new_id = _Ids()


def needs(kind: str) -> frozenset[str]:
    """The purposes that must all be granted before an event of this kind is recorded."""
    return _CUSTOMISATION if kind == "customisation" else _STATISTICS


_STATISTICS = frozenset({"statistics"})
_CUSTOMISATION = frozenset({"statistics", "customisation"})


def collect(
    granted: Collection[str], kind: str, event_id: str, now: float, visitor: str, visit: str, scene: str, data: str
) -> str:
    """The gate: one JSON line, or the empty text when not every purpose it needs is granted.

    ``scene`` and ``data`` are JSON already: :func:`scene` and :func:`properties` make them.
    """
    if not needs(kind).issubset(granted):
        return ""
    return (
        f'{{"id":{quote(event_id)},"at":"{timestamp(now)}","kind":{quote(kind)},'
        f'"visitor":"{visitor}","visit":"{visit}",{scene},"data":{data}}}\n'
    )


@lru_cache(maxsize=1024)
def context_fields(fields: frozenset[str], *values: str) -> str:
    """Where something happened and with what, as the middle of a JSON object.

    The values are those of :data:`SCENE`, in its order. One that is empty, or whose field the policy does not declare,
    becomes null.
    """
    said = {name: value for name, value in zip(CONTEXT_FIELDS, values, strict=True) if name in fields}
    return ",".join(f'"{name}":{quote(said[name]) if said.get(name) else "null"}' for name in CONTEXT_FIELDS)


def properties(values: Mapping[str, object]) -> str:
    """Properties as JSON, e-mail addresses taken out; raises :class:`EventError` for what the log does not take."""
    if len(values) > _MOST_PROPERTIES:
        raise EventError("The number of an event's properties", len(values), f"{_MOST_PROPERTIES} at most")
    return json.dumps({check_name(name): _property(name, value) for name, value in values.items()}, separators=(",", ":"))


def _property(name: str, value: object) -> Value:
    if isinstance(value, str):
        return scrub_text(value)
    # JSON's readers agree on whole numbers up to 2 ** 53, and on no NaN; no comparison with NaN is true.
    if value is None or (isinstance(value, bool | int | float) and abs(value) <= 2**53):
        return value
    raise EventError(f"The property {name!r} of an event", value, "a text, a number up to 2 ** 53, True, False or None")


def check_name(name: str) -> str:
    """The name of an event or a property itself; raises :class:`EventError` unless it is short and plain."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise EventError("The name of an event or a property", name, "up to 64 of letters, digits and _.:- , a letter first")
    return name


# A visitor, and the visits a visitor makes.

#: Seconds without a request after which the next one starts a new visit.
VISIT_GAP = 30 * 60

#: Seconds after which the cookie's "last seen" is renewed; oftener would be a Set-Cookie on every page.
REISSUE_AFTER = 60


class BadVisitor(ValueError):
    """A text that is no visitor, or one whose ID has lived long enough."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """What the visitor cookie says; exists only under a grant of ``statistics``."""

    id: str  # 128 random bits
    first_day: int  # of the first issue, in days since 1970-01-01 UTC
    number: int  # of the visit, from 1
    last_seen: int  # in seconds since 1970-01-01 UTC
    check: str  # the beginning of the receipt of the grant that this ID serves

    @classmethod
    def new(cls, receipt: str, now: float) -> Visitor:
        """A visitor nobody has seen before, at the first visit."""
        return cls(secrets.token_urlsafe(16), int(now) // DAY, 1, int(now), receipt[:8])

    def encode(self) -> str:
        """The compact text that is signed."""
        return f"{self.id}.{self.first_day:x}.{self.number:x}.{self.last_seen:x}.{self.check}"

    @classmethod
    def decode(cls, text: str, today: int, days: int) -> Visitor:
        """Read a signed text again; raises :class:`ValueError` unless it is whole and began less than so many days ago."""
        visitor, first_day, number, last_seen, check = text.split(".")
        self = cls(visitor, int(first_day, 16), int(number, 16), int(last_seen, 16), check)
        if self.first_day + days <= today:
            raise BadVisitor(text)
        return self

    def serves(self, receipt: str) -> bool:
        """Whether the ID belongs to the grant with this receipt."""
        return bool(receipt) and self.check == receipt[:8]

    def seen(self, now: float) -> Visitor:
        """The visitor at this moment: in the same visit, or in the next one after a gap."""
        gone = now - self.last_seen
        if gone > VISIT_GAP:
            return replace(self, number=self.number + 1, last_seen=int(now))
        return replace(self, last_seen=int(now)) if gone > REISSUE_AFTER else self

    def under(self, receipt: str) -> Visitor:
        """The same visitor, serving another grant."""
        return replace(self, check=receipt[:8])

    @property
    def visit(self) -> str:
        """The visit's id: an HMAC of visitor and number, so that two tabs opened at once agree on it."""
        return _visit_id(self.id, self.number)

    @property
    def mark(self) -> str:
        """Two characters that tell what a tab has kept for this visitor from what it kept for an earlier one."""
        return _visit_id(self.id, 0)[:2]


@lru_cache(maxsize=4096)
def _visit_id(visitor: str, number: int) -> str:
    return _derive(visitor, f"visit {number}")


def start_id(visit: str, kind: str) -> str:
    """The id of the event that starts a visit, the same however many tabs report it."""
    return _derive(visit, kind)


def _derive(key: str, message: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key.encode(), message.encode(), "sha256")[:12]).decode()
