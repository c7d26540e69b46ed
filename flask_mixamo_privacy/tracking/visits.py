"""A visitor, and the visits a visitor makes."""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass, replace
from functools import lru_cache

from ..storage.moments import DAY

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
