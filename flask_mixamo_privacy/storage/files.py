"""Private folders and files, file locks, the spool and the daily counter."""

from __future__ import annotations

import errno
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from itertools import islice
from typing import Any

from .platform import BINARY, IS_WINDOWS, PAUSE, fcntl, replace_file

logger = logging.getLogger("flask_mixamo_privacy")


def make_private_folder(path: str | os.PathLike[str]) -> None:
    """Create a folder that only the site's own user can open. An existing folder keeps its mode."""
    os.makedirs(path, mode=0o700, exist_ok=True)


def open_private(path: str, flags: int) -> int:
    """Open a file and return its descriptor. A new file can be read only by the site's own user."""
    return os.open(path, flags | BINARY, 0o600)


def create_locked(path: str) -> int:
    """Create a private file that no other process can lock, and return its descriptor for appending."""
    # Other processes look for the final name. On Windows a file that is open cannot get it, and cannot be deleted either.
    first = path if IS_WINDOWS else os.path.splitext(path)[0]
    descriptor = open_private(first, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
    try:
        lock(descriptor, wait=IS_WINDOWS)
        if not IS_WINDOWS:
            os.rename(first, path)
    except BaseException:
        os.close(descriptor)
        os.unlink(first)
        raise
    return descriptor


def append_private(path: str, line: bytes, max_size: int | None = None) -> None:
    """Append a line to a private file in one write, unless the file has ``max_size`` bytes or more."""
    make_private_folder(os.path.dirname(path))
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        if max_size is None or os.fstat(descriptor).st_size < max_size:
            os.write(descriptor, line)
    finally:
        os.close(descriptor)


def replace_private(path: str, content: bytes) -> None:
    """Replace a private file atomically. A reader sees either the complete old file or the complete new one."""
    temporary = _write_beside(path, content)
    try:
        replace_file(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def create_private(path: str, content: bytes) -> None:
    """Create a private file atomically and sync it to disk. An existing file stays, so only one of two processes wins."""
    make_private_folder(os.path.dirname(path))
    temporary = _write_beside(path, content, sync=True)
    try:
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _write_beside(path: str, content: bytes, *, sync: bool = False) -> str:
    """Write a temporary file in the same folder and return its path."""
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


# Locks. A lock belongs to the descriptor of the locked file, so a killed process leaves no lock. Two libraries do not fit.
# filelock locks a second file beside each file, which cannot follow a segment that is renamed. portalocker locks the first
# 64 KiB of a file on Windows. No process can read a locked byte there, so no loader could read a segment being written.

# SQLite locks bytes at this place too. No file here grows so large, and Windows allows locks beyond the end of a file.
_LOCKED_BYTE = 1 << 30


def lock(descriptor: int, *, wait: bool) -> None:
    """Lock a file until its descriptor is closed. Without ``wait``, raises :class:`BlockingIOError` if the lock is held."""
    if not IS_WINDOWS:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    while not _lock_byte(descriptor):
        if not wait:
            raise BlockingIOError(errno.EWOULDBLOCK, "Another descriptor holds the lock of this file")
        time.sleep(PAUSE)


def _unlock(descriptor: int) -> None:
    """Release the lock of a file whose descriptor stays open."""
    if not IS_WINDOWS:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return
    msvcrt: Any = import_module("msvcrt")
    _at_locked_byte(descriptor, msvcrt.LK_UNLCK)


def _lock_byte(descriptor: int) -> bool:
    """Lock one byte, and return whether that succeeded."""
    msvcrt: Any = import_module("msvcrt")
    try:
        _at_locked_byte(descriptor, msvcrt.LK_NBLCK)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EDEADLK):
            raise
        return False
    return True


def _at_locked_byte(descriptor: int, mode: int) -> None:
    """Call ``msvcrt.locking``, which locks bytes from the file's position on. The position stays."""
    msvcrt: Any = import_module("msvcrt")
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, mode, 1)
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)


def lock_now(descriptor: int) -> bool:
    """Lock a file unless the lock is held, and return whether it is locked now."""
    try:
        lock(descriptor, wait=False)
    except OSError:
        return False
    return True


@contextmanager
def try_lock(descriptor: int) -> Iterator[bool]:
    """Lock a file for the block unless the lock is held, and yield whether it is locked."""
    is_locked = lock_now(descriptor)
    try:
        yield is_locked
    finally:
        if is_locked:
            _unlock(descriptor)


_BLOCK = 64 * 1024  # bytes read at once from the end of a spool
_MOST_ENTRIES = 20_000  # of a spool in memory


class Spool:
    """A file of entries that wait for a database. Each is on disk before ``append`` returns.

    ``drain`` applies them later, in order and at least once.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, entry: dict[str, Any]) -> None:
        """Append an entry and sync it to disk; raises :class:`OSError` if that fails."""
        line = json.dumps(entry, separators=(",", ":")) + "\n"
        make_private_folder(os.path.dirname(self.path))
        with self._locked() as descriptor:
            end = _cut_torn_line(descriptor)
            if os.write(descriptor, line.encode()) != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"{self.path} could not be written: the disk is full. Free some space on it.")
            os.fsync(descriptor)

    def drain(self, apply: Callable[[list[dict[str, Any]]], None], *, wait: bool = True) -> int:
        """Pass all entries to ``apply``, delete them once it has returned, and return their number.

        After a crash, the next call passes the same entries again, so ``apply`` must be idempotent. Other processes may
        append meanwhile, because ``apply`` may take long. Without ``wait``, returns 0 while another process drains.
        """
        if not self:
            return 0
        drained, end, is_complete = 0, 0, False
        descriptor = open_private(f"{self.path}.lock", os.O_RDWR | os.O_CREAT)
        try:
            lock(descriptor, wait=wait)
            number = _MOST_ENTRIES
            while number == _MOST_ENTRIES:
                entries, next_end = _read_entries(self.path, end)
                if entries:
                    apply(entries)
                end, number = next_end, len(entries)
                drained += number
            is_complete = True
        except BlockingIOError:
            return 0
        finally:
            try:
                if end or is_complete:
                    self._cut(end)
            finally:
                os.close(descriptor)  # also releases the lock
        return drained

    def _cut(self, end: int) -> None:
        """Delete the lines before an offset, once for all parts: what remains is written again, and appends wait for it."""
        with self._locked() as descriptor:
            os.lseek(descriptor, end, os.SEEK_SET)
            rest = os.read(descriptor, os.fstat(descriptor).st_size - end)
            rest = rest[: rest.rfind(b"\n") + 1]  # a line without an end is torn
            if not rest:
                os.ftruncate(descriptor, 0)
                os.fsync(descriptor)
            elif not IS_WINDOWS:  # which cannot replace an open file; there the next drain passes the entries again
                replace_file(_write_beside(self.path, rest, sync=True), self.path)

    def count(self) -> int:
        """Return the number of waiting entries, without a lock."""
        try:
            with open(self.path, "rb") as file:
                return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
        except FileNotFoundError:
            return 0

    def __bool__(self) -> bool:
        try:
            return os.stat(self.path).st_size > 0
        except OSError:
            return False

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Open and lock the file. Opens it again if a drain has replaced it meanwhile."""
        while True:
            descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT)
            try:
                lock(descriptor, wait=True)
                if self._is_current(descriptor):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)  # also releases the lock

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False


def _cut_torn_line(descriptor: int) -> int:
    """Truncate an incomplete last line, which a crash leaves; return the new end of the file.

    Reads from the end, block by block, because thousands of lines may wait.
    """
    start = os.lseek(descriptor, 0, os.SEEK_END)
    end = 0
    while start > 0 and not end:
        size = min(_BLOCK, start)
        start -= size
        os.lseek(descriptor, start, os.SEEK_SET)
        line_end = os.read(descriptor, size).rfind(b"\n") + 1
        end = start + line_end if line_end else 0
    os.ftruncate(descriptor, end)
    return os.lseek(descriptor, end, os.SEEK_SET)


def _read_entries(path: str, start: int) -> tuple[list[dict[str, Any]], int]:
    """Return the entries from an offset on, at most :data:`_MOST_ENTRIES`, and the offset of the line after them.

    Takes no lock, so no append waits: only a drain deletes or changes a line that has its end.
    """
    entries, end = [], start
    with open(path, "rb") as file:
        file.seek(start)
        for line in islice(file, _MOST_ENTRIES):
            if not line.endswith(b"\n"):  # incomplete because of a crash, so ``append`` never returned
                break
            end += len(line)
            try:
                entries.append(json.loads(line))
            except (ValueError, RecursionError):
                logger.error("A line of a spool is not JSON and was dropped. It has %d bytes.", len(line))
    return entries, end


_MOST_COUNTED = 1_000_000  # a day; it bounds the size of a file that an anonymous user can cause


class DailyCounter:
    """A count of anonymous requests by day: the size of a file to which each of them appends one byte, up to a million.

    Any process can count without a lock, and an attacker cannot make the count expensive.
    """

    def __init__(self, folder: str, name: str = "denied") -> None:
        self._folder = folder
        self._beginning = f"{name}-"

    def add(self, day: str) -> None:
        append_private(self._path(day), b".", _MOST_COUNTED)

    def count(self, day: str) -> int:
        """Return the count of one day, such as ``2026-05-08``."""
        try:
            return os.path.getsize(self._path(day))
        except FileNotFoundError:
            return 0

    def days(self) -> dict[str, int]:
        """Return the count of each day that has one."""
        return {day: self.count(day) for day in self._days()}

    def prune(self, before: str) -> None:
        """Delete the counts of the days before this day."""
        for day in self._days():
            if day < before:
                with suppress(FileNotFoundError):  # another process has deleted it
                    os.unlink(self._path(day))

    def _days(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return sorted(name.removeprefix(self._beginning) for name in names if name.startswith(self._beginning))

    def _path(self, day: str) -> str:
        return os.path.join(self._folder, f"{self._beginning}{day}")
