"""Private folders and files, locks, and a side file for what must not be lost while its database is away."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

logger = logging.getLogger("flask_mixamo_privacy")


def make_private_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder that only the site's own user can open; one that exists stays as it is."""
    os.makedirs(path, mode=0o700, exist_ok=True)


def open_private(path: str, flags: int) -> int:
    """Open a file and return its descriptor; one that is made now can be read by the site's own user alone."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def append_private(path: str, line: bytes, largest: int | None = None) -> None:
    """Add to the end of a private file, in a private folder, in one write; not to one of ``largest`` bytes or more."""
    make_private_folder(os.path.dirname(path))
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        if largest is None or os.fstat(descriptor).st_size < largest:
            os.write(descriptor, line)
    finally:
        os.close(descriptor)


def replace_private(path: str, content: bytes) -> None:
    """Write a private file: a reader sees the old file or the new one, whole."""
    temporary = _write_beside(path, content)
    try:
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def create_private(path: str, content: bytes) -> None:
    """Write a private file, whole and on the disk, unless there is one: of two processes that try at once, one wins."""
    make_private_folder(os.path.dirname(path))
    temporary = _write_beside(path, content, sync=True)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _write_beside(path: str, content: bytes, *, sync: bool = False) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".")  # its mode is 0600
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(descriptor)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def lock(descriptor: int, *, wait: bool) -> None:
    """Take a file's lock until its descriptor is closed; raises :class:`OSError`, without ``wait`` if it is held."""
    fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_now(descriptor: int) -> bool:
    """Take a file's lock if nobody else holds it, and return whether it is ours."""
    try:
        lock(descriptor, wait=False)
    except OSError:
        return False
    return True


@contextmanager
def try_lock(descriptor: int) -> Iterator[bool]:
    """Hold a file's lock for the block if nobody else holds it, and yield whether it is ours."""
    ours = lock_now(descriptor)
    try:
        yield ours
    finally:
        if ours:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


class Spool:
    """Entries that wait, each on the disk before ``append`` returns; taken up later, in order, once or more often."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry and wait until the disk has it; raises :class:`OSError` when it cannot."""
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        make_private_folder(os.path.dirname(self.path))
        with self._locked(os.O_RDWR | os.O_CREAT) as descriptor:
            assert descriptor is not None
            end = _cut_torn_line(descriptor)
            if os.write(descriptor, line.encode()) != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"{self.path} could not take a whole line: the disk is full.")
            os.fsync(descriptor)

    def drain(self, apply: Callable[[list[dict[str, Any]]], None], *, wait: bool = True) -> int:
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
        descriptor = open_private(self.path, flags)
        try:
            try:
                lock(descriptor, wait=wait)
                ours = True
            except BlockingIOError:
                ours = False
            yield descriptor if ours else None
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


# How often somebody unknown was turned away, by day.


class DailyCounter:
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
