"""A submitted form after filtering, and the data that the site receives from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: The button of a licence, which is ours as well.
ACCEPTANCE = "acceptance"

_NO = frozenset({"", "no", "0", "false", "off", "none", "{}"})


@dataclass
class Sent:
    """The declared fields and files, our own controls, and how many fields were left out."""

    fields: dict[str, list[Any]]  # all values of each declared field, in the order sent
    own: dict[str, list[str]]  # all values of each of our own controls
    files: Mapping[str, Any] = field(default_factory=dict)  # by field name, as the web framework represents files
    uploaded: frozenset[str] = frozenset()  # the names of the file fields in which a file was chosen
    dropped: int = 0

    def has(self, name: str) -> bool:
        """Whether something was given under this name, a blank being nothing."""
        values = [str(value).strip() for value in self.fields.get(name, ()) if value is not None]
        return any(values) or name in self.uploaded

    def control(self, name: str) -> str:
        """The first value of one of our own controls; empty if it was not sent."""
        return next(iter(self.own.get(name, ())), "")

    def controls(self, name: str) -> list[str]:
        """All values of one of our own controls."""
        return self.own.get(name, [])

    def agrees(self, name: str) -> bool:
        """Whether one of our own controls was sent, and not only with a no."""
        return not all(says_no(value) for value in self.controls(name))

    def declines(self, name: str) -> bool:
        """Whether one of our own controls was sent, and says no."""
        return name in self.own and not self.agrees(name)


def says_no(value: object) -> bool:
    """Whether an answer is a no, as a form or a program says it, or empty, such as JSON's null."""
    return str(value).strip().lower() in _NO


class Given(Mapping[str, Any]):
    """The declared fields by name, and what was said beside them. False where nothing was sent.

    ``files`` has the declared files; ``opt_ins`` the purposes opted in to; ``old_enough`` the answer to the question of
    age, None where it was not given; ``acknowledged`` whether the notice of a posting was; ``dropped`` is the number of
    fields that were sent and are not declared.
    """

    def __init__(self, sent: Sent | None = None) -> None:
        self.was_sent = sent is not None
        self.fields: dict[str, Any] = {name: values[0] for name, values in sent.fields.items()} if sent else {}
        self.files: Mapping[str, Any] = sent.files if sent else {}
        self.dropped = sent.dropped if sent else 0
        self.acknowledged = sent is not None and sent.agrees("privacy_acknowledged")
        self.opt_ins: frozenset[str] = frozenset()
        self.old_enough: bool | None = None

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __bool__(self) -> bool:
        return self.was_sent

    def __repr__(self) -> str:
        return f"<Given {', '.join(self.fields) or 'nothing'}>"  # names alone: it may end up in somebody's log
