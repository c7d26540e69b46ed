"""A side file for what must not be lost while its database is away."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("flask_mixamo_privacy")


class Pending:
    """Entries that wait, each on the disk before ``append`` returns; taken up later, in order, once or more often."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry and wait until the disk has it; raises :class:`OSError` when it cannot."""
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        with self._locked(os.O_RDWR | os.O_CREAT) as descriptor:
            assert descriptor is not None
            end = _cut_torn_line(descriptor)
            if os.write(descriptor, line.encode()) != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"{self.path} could not take a whole line: the disk is full.")
            os.fsync(descriptor)

    def take(self, apply: Callable[[list[dict[str, Any]]], None], *, wait: bool = True) -> int:
        """Hand all entries to ``apply`` and drop them once it returned; gives their number.

        A crash in between hands them over again, so ``apply`` must be idempotent. Without ``wait`` nothing is taken while
        somebody else is at it.
        """
        if not self:
            return 0
        with self._locked(os.O_RDWR, wait) as descriptor:
            if descriptor is None:
                return 0
            entries = list(_entries(descriptor))
            if entries:
                apply(entries)
            os.ftruncate(descriptor, 0)
            os.fsync(descriptor)
        return len(entries)

    def __bool__(self) -> bool:
        try:
            return os.stat(self.path).st_size > 0
        except OSError:
            return False

    @contextmanager
    def _locked(self, flags: int, wait: bool = True) -> Iterator[int | None]:
        descriptor = os.open(self.path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield None
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)  # and with it the lock


def _cut_torn_line(descriptor: int) -> int:
    """Go to the end of the last whole line, so that nothing is glued to what a crash tore; gives that place."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, 0, os.SEEK_SET)
    end = os.read(descriptor, size).rfind(b"\n") + 1
    os.ftruncate(descriptor, end)
    return os.lseek(descriptor, end, os.SEEK_SET)


def _entries(descriptor: int) -> Iterator[dict[str, Any]]:
    with open(os.dup(descriptor), "rb") as file:
        file.seek(0)
        for line in file:
            if not line.endswith(b"\n"):  # torn by a crash, before it was acknowledged
                return
            try:
                yield json.loads(line)
            except ValueError:
                logger.error("A line that waited in a side file is not JSON and was dropped: %r", line[:200])
