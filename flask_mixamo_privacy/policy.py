"""What the site declares: purposes, the words that ask for consent, cookies, and how long data is kept."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .errors import PolicyError, UndeclaredPurpose

#: A consent lasts this many days; then the visitor is asked again (the French CNIL recommends six months).
CONSENT_DAYS = 182

#: A visitor ID lives at most this many days from its first issue (the 13 months of the French CNIL's guidance).
VISITOR_DAYS = 395


@dataclass(frozen=True)
class Purpose:
    """What data is used for; an optional purpose needs the visitor's consent, the others need a reason."""

    id: str
    title: str
    description: str
    optional: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", self.id):
            raise PolicyError(f"A purpose's id is {self.id!r}; allowed: up to 32 of a-z, 0-9, _ and -, a letter first.")
        if not self.title.strip() or not self.description.strip():
            raise PolicyError(f"The purpose {self.id!r} has no title or no description; a visitor must know what is asked.")

    @cached_property
    def fingerprint(self) -> str:
        """Six characters over what matters to a decision; a reworded title asks nobody again."""
        material = json.dumps({"id": self.id, "optional": self.optional}, sort_keys=True)
        return base64.urlsafe_b64encode(hashlib.sha256(material.encode()).digest()[:4]).decode()[:6]


@dataclass(frozen=True)
class Cookie:
    """A cookie as the policy page lists it."""

    name: str
    purpose: str
    lifetime: str
    description: str


@dataclass(frozen=True)
class Policy:
    """The declaration: everything a page says and the code enforces comes from here."""

    version: str
    purposes: tuple[Purpose, ...]
    banner: str
    cookies: tuple[Cookie, ...] = ()
    retention_days: int = VISITOR_DAYS
    _by_id: Mapping[str, Purpose] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {purpose.id: purpose for purpose in self.purposes}
        if len(by_id) != len(self.purposes):
            raise PolicyError("Two purposes have the same id; give each its own.")
        object.__setattr__(self, "_by_id", by_id)

    def purpose(self, purpose_id: str) -> Purpose:
        """The purpose declared under this id; raises :class:`UndeclaredPurpose`, which lists those there are."""
        try:
            return self._by_id[purpose_id]
        except (KeyError, TypeError):
            raise UndeclaredPurpose(purpose_id, self._by_id) from None

    @cached_property
    def optional(self) -> tuple[Purpose, ...]:
        """The purposes a visitor decides on, in declared order."""
        return tuple(purpose for purpose in self.purposes if purpose.optional)

    @cached_property
    def fingerprint(self) -> str:
        """The optional purposes' fingerprints in declared order: what a decision is about."""
        return "".join(purpose.fingerprint for purpose in self.optional)


BUILT_IN = Policy(
    version="2026-11-23",
    banner=(
        "May we count your visits and remember what you customise? We use our own cookies for that, "
        "and nothing is recorded unless you accept."
    ),
    purposes=(
        Purpose(
            "necessary",
            "Necessary",
            "What the site cannot work without: your decision on this page, and your choices until you close the browser.",
            optional=False,
        ),
        Purpose(
            "statistics",
            "Statistics",
            "We count visits, repeat visits and the pages that are read, under a random number in a cookie of this site. "
            "Your full address is never kept, and the numbers are only looked at as totals.",
        ),
        Purpose(
            "customisation",
            "Customisation",
            "We remember what you customise, such as a theme, for your next visit. "
            "If you also allow statistics, we count which choices are made.",
        ),
    ),
    cookies=(
        Cookie("privacy_consent", "necessary", "182 days", "Your decision on this page, signed. A refusal names nobody."),
        Cookie(
            "privacy_visitor",
            "statistics",
            "395 days from the first issue",
            "A random number, the day of the first visit, how many visits there were and when the last was, signed.",
        ),
        Cookie(
            "privacy_choices",
            "customisation",
            "395 days; until the browser closes without consent",
            "The choices you made, signed. It holds no number that could name you.",
        ),
    ),
)
