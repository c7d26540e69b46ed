"""What browsers say they blocked: which host, for what, on which page, on which day. Nothing of who it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import NamedTuple

from ..storage.pending import append_private, replace_private

_MOST = 1000  # distinct entries a process notes in a day; anybody can send reports
_LARGEST = 256 * 1024  # bytes of the file


class Block(NamedTuple):
    """Something that the Content-Security-Policy refused, or would refuse."""

    day: str
    directive: str  # such as "script-src"
    host: str  # such as "stats.example", or a word of the standard's such as "inline"
    page: str  # its URL rule


class Blocked:
    """A small file of what was blocked, each thing once a day and process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._noted: set[Block] = set()

    def note(self, block: Block) -> None:
        """Keep it, unless it is known already or there is too much of it; raises :class:`OSError`."""
        if any(noted.day != block.day for noted in self._noted):
            self._noted.clear()
        if block in self._noted or len(self._noted) >= _MOST:
            return
        self._noted.add(block)
        append_private(self._path, _line(block), _LARGEST)

    def entries(self, since: str = "") -> list[Block]:
        """What was noted from this day on, each once, in order."""
        return sorted({block for block in self._read() if block.day >= since})

    def prune(self, before: str) -> None:
        """Drop what was noted before this day."""
        kept = self.entries(before)
        if os.path.exists(self._path):
            replace_private(self._path, b"".join(map(_line, kept)))

    def _read(self) -> Iterator[Block]:
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    try:
                        yield Block(*json.loads(line))
                    except (ValueError, TypeError):  # torn by a full disk
                        continue
        except FileNotFoundError:
            return


def _line(block: Block) -> bytes:
    return (json.dumps(block) + "\n").encode()
