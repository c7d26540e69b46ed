"""What becomes of a message: one of three things, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from .tokens import Bearer


@dataclass(frozen=True)
class Act:
    """Take somebody off a list, by token or, where none came, by address."""

    reason: str
    bearer: Bearer | None = None
    address: str = ""
    source: str = "mail"
    wish: str = ""  # the kind of a request that is opened as well

    action = "act"


@dataclass(frozen=True)
class Ask:
    """A person decides, as with a request: its kind, and whether the sender gets the one answer that there is."""

    reason: str
    wish: str = "object"
    answer: bool = False
    address: str = ""

    action = "ask"


@dataclass(frozen=True)
class Ignore:
    """Nothing is done."""

    reason: str
    is_for_want_of_words: bool = False  # because nothing that was read of it asks for anything

    action = "ignore"


Verdict = Act | Ask | Ignore
