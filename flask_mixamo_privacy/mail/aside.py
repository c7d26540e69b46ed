"""Copies of messages that could not be read, set aside for a person to look at."""

from __future__ import annotations

from pathlib import Path

from ..policy.period import Period
from ..storage.moments import DAY, now
from ..storage.pending import make_private_folder, replace_private

_END = ".eml"


class Aside:
    """A folder for the site's own user alone. Building it touches no disk."""

    def __init__(self, folder: str, kept: Period) -> None:
        self._folder = Path(folder)
        self._kept = kept

    def keep(self, raw: bytes, name: str) -> str:
        """Put a copy there; gives its path."""
        make_private_folder(self._folder)
        path = str(self._folder / f"{name}{_END}")
        replace_private(path, raw)
        return path

    def prune(self) -> int:
        """Delete the copies that are kept no longer, by when they were made; gives their number."""
        first = now().timestamp() - self._kept.days * DAY
        old = [path for path in self._folder.glob(f"*{_END}") if path.stat().st_mtime < first]
        for path in old:
            path.unlink(missing_ok=True)  # another may be at it
        return len(old)
