"""Events: the one gate that drops what was not granted, and the line that the log keeps."""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
from collections.abc import Collection, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote

from ..errors import EventError
from ..storage.moments import timestamp
from .addresses import scrub_text

#: The fields of an event, in the order in which they are written.
FIELDS = (
    "id", "at", "kind", "visitor", "visit", "page", "previous", "referrer",
    "browser", "platform", "provider", "network", "data",
)  # fmt: skip

#: Those among them that say where something happened, and with what.
SCENE = FIELDS[5:12]

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
def scene(fields: frozenset[str], *values: str) -> str:
    """Where something happened and with what, as the middle of a JSON object.

    The values are those of :data:`SCENE`, in its order. One that is empty, or whose field the policy does not declare,
    becomes null.
    """
    said = {name: value for name, value in zip(SCENE, values, strict=True) if name in fields}
    return ",".join(f'"{name}":{quote(said[name]) if said.get(name) else "null"}' for name in SCENE)


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
