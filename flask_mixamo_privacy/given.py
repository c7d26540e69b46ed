"""What somebody gave at a collection point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.datastructures import FileStorage

from .sifting import Sent


class Given(Mapping[str, Any]):
    """The declared fields by name, and what was said beside them. False where nothing was sent.

    ``files`` has the declared files; ``opt_ins`` the purposes opted in to; ``old_enough`` the answer to the question of
    age, None where it was not given; ``acknowledged`` whether the notice of a posting was; ``dropped`` is the number of
    fields that were sent and are not declared.
    """

    def __init__(self, sent: Sent | None = None) -> None:
        self.was_sent = sent is not None
        self.fields: dict[str, Any] = dict(sent.fields.items()) if sent else {}
        self.files: Mapping[str, FileStorage] = sent.files if sent else {}
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
