"""A side file for what must not be lost while its database is away."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Pending:
    """Entries that wait, each on the disk before ``append`` returns; taken up later, in order, once or more often."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry and wait until the disk has it; raises :class:`OSError` when it cannot."""
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        with self._locked(os.O_RDWR | os.O_CREAT) as descriptor:
            end = _cut_torn_line(descriptor)
            if os.write(descriptor, line.encode()) != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"{self.path} could not take a whole line: the disk is full.")
            os.fsync(descriptor)

    def take(self, apply: Callable[[list[dict[str, Any]]], None]) -> int:
        """Hand all entries to ``apply`` and drop them once it returned; gives their number.

        A crash in between hands them over again, so ``apply`` must be idempotent.
        """
        if not self:
            return 0
        with self._locked(os.O_RDWR) as descriptor:
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
    def _locked(self, flags: int) -> Iterator[int]:
        descriptor = os.open(self.path, flags | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
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
            if line.endswith(b"\n"):  # else torn by a crash, before it was acknowledged
                yield json.loads(line)
