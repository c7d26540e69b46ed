"""How often somebody unknown was turned away, by day."""

from __future__ import annotations

import os

from .pending import append_private


class Denials:
    """How many were turned away in a day without anybody knowing who: the size of a file, to which each adds a byte.

    So it costs nothing to count, whichever process does it, and nobody can make it cost much.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def add(self, day: str) -> None:
        append_private(self._path(day), b".")

    def count(self, day: str) -> int:
        """Of one day, such as ``2026-05-08``."""
        try:
            return os.path.getsize(self._path(day))
        except FileNotFoundError:
            return 0

    def days(self) -> dict[str, int]:
        """Of each day on which there were any."""
        try:
            names = [name for name in os.listdir(self._folder) if name.startswith("denied-")]
        except FileNotFoundError:
            return {}
        return {name.removeprefix("denied-"): self.count(name.removeprefix("denied-")) for name in sorted(names)}

    def _path(self, day: str) -> str:
        return os.path.join(self._folder, f"denied-{day}")
