"""The event log: append-only files, one segment per process, one ``write`` per request."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import cache

from ..errors import LogFull, LogUnavailable
from ..storage.files import create_locked, make_private_folder
from ..storage.platform import after_fork_in_child, delete_file

SUFFIX = ".events"
_SYNC_EVERY = 1.0  # seconds of events that a power cut may lose
_LONGEST_LIFE = 3600.0  # seconds until a segment is closed
_ROOM = 1024 * 1024  # bytes that a process writes before it measures all segments again
_CHECK_FOLDER = "Check that this user may write to PRIVACY_LOG_DIR and that its disk has free space."
_FREE_SPACE = "Free some space; the next event then opens a new segment."

_logs: weakref.WeakSet[EventLog] = weakref.WeakSet()


class EventLog:
    """Appends lines to the segment of this process. Thread-safe and fork-safe. Creates no file before the first line."""

    def __init__(
        self, folder: str, segment_bytes: int = 16 * 1024 * 1024, background: bool = True, most: int = sys.maxsize
    ) -> None:
        self.folder = folder
        self._most = most  # bytes of all segments together
        self._segment_bytes = segment_bytes
        self._background = background
        self._syncer: threading.Thread | None = None
        self._descriptor: int | None = None
        self._forget()
        _logs.add(self)

    def append(self, lines: str) -> None:
        """Write whole lines. Raises :class:`LogUnavailable` unless every byte is in the file.

        Raises its subclass :class:`LogFull` if the segments of all processes have their largest size. Once this method
        returns, the lines survive ``kill -9`` of this process. A power cut may lose the last second.
        """
        data = lines.encode("ascii")
        with self._lock:
            try:
                if len(data) > self._room:
                    self._measure(len(data))
                descriptor = self._open() if self._descriptor is None else self._descriptor
                written = _write(descriptor, data)
            except OSError as error:
                self._abandon()
                message = f"The log in {self.folder} could not be written: {error.strerror}. {_CHECK_FOLDER}"
                raise LogUnavailable(message) from error
            if written != len(data):
                # A full disk takes only a part of the line. Close the segment, so that no line follows the torn one.
                self._close()
                message = f"The log in {self.folder} took {written} of {len(data)} bytes: the disk is full. {_FREE_SPACE}"
                raise LogUnavailable(message)
            self._size += written
            self._room -= written
            self._dirty = True
            if self._size >= self._segment_bytes or time.monotonic() - self._opened > _LONGEST_LIFE:
                self._close()

    def close(self) -> None:
        """Close the segment, so that a loader can load and delete it. The next line opens another segment."""
        with self._lock:
            self._close()

    def _measure(self, size: int) -> None:
        """Measure how much this process may write until it measures again. Raises :class:`LogFull` if it is too little.

        Several processes can together exceed the limit by :data:`_ROOM` each.
        """
        free = self._most - size_of(self.folder)
        self._room = min(free, _ROOM) if size <= free else 0
        if not self._room:
            self._close()  # the loader deletes a segment only if no process has it open
            raise LogFull(
                f"The log in {self.folder} has {self._most - free} bytes, and PRIVACY_LOG_MOST allows {self._most}. "
                "Check that `flask privacy load` can load it, or set PRIVACY_LOG_MOST to a larger number."
            )

    def _open(self) -> int:
        make_private_folder(self.folder)
        self._path = os.path.join(self.folder, f"{_host()}-{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}")
        self._descriptor = create_locked(self._path)  # a loader deletes a segment that it can lock
        self._size = 0
        self._opened = time.monotonic()
        if self._background and self._syncer is None:
            self._syncer = threading.Thread(target=self._sync_forever, name="privacy-log", daemon=True)
            self._syncer.start()
        return self._descriptor

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.fsync(descriptor)
            os.close(descriptor)

    def _abandon(self) -> None:
        """Close a segment after an error, and delete it if it is empty, so that a full disk does not collect empty files."""
        is_empty = self._descriptor is not None and not self._size
        self._close()
        if is_empty:
            with contextlib.suppress(OSError):
                delete_file(self._path)

    def _sync_forever(self) -> None:
        while True:
            time.sleep(_SYNC_EVERY)
            with contextlib.suppress(OSError):
                self._sync()

    def _sync(self) -> None:
        """Flush the segment to disk without blocking a writer. Close a segment older than :data:`_LONGEST_LIFE`."""
        with self._lock:
            if self._descriptor is not None and time.monotonic() - self._opened > _LONGEST_LIFE:
                self._close()
            if self._descriptor is None or not self._dirty:
                return
            self._dirty = False
            descriptor = os.dup(self._descriptor)
        try:
            _datasync(descriptor)
        finally:
            os.close(descriptor)

    def _forget(self) -> None:
        """Reset to no segment. A child process must not write to the segment of its parent."""
        self._lock = threading.Lock()
        self._descriptor = None
        self._syncer = None
        self._path = ""
        self._size = 0
        self._room = 0
        self._opened = 0.0
        self._dirty = False

    def _after_fork(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._forget()


def _forget_all() -> None:
    for log in list(_logs):
        log._after_fork()


after_fork_in_child(_forget_all)


@cache
def _write_of_c() -> Callable[[int, bytes, int], int] | None:
    """Return ``write`` of the C library, or None on Windows, where a process cannot look up functions of its library."""
    import ctypes  # takes 2 ms, which no start of a process needs

    try:
        write = ctypes.PyDLL(None).write
    except (TypeError, OSError, AttributeError):
        return None
    write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
    write.restype = ctypes.c_ssize_t
    return write


def _write(descriptor: int, data: bytes) -> int:
    """Call ``write`` once and return the number of bytes written, which may be too few. Raises :class:`OSError`.

    ``os.write`` releases the GIL. To get the GIL back, the thread then waits a thousand times as long as the kernel takes to
    write a line. This call keeps the GIL instead. While a disk does not respond, all threads of this process therefore wait.
    """
    write_with_gil = _write_of_c()
    if write_with_gil is None:
        return os.write(descriptor, data)
    written = write_with_gil(descriptor, data, len(data))
    return written if written >= 0 else os.write(descriptor, data)  # retries after a signal (PEP 475), or raises the error


_datasync = getattr(os, "fdatasync", os.fsync)  # macOS and Windows have no fdatasync


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]


def is_of_this_host(segment: str) -> bool:
    """Whether a process of this host named a segment."""
    return segment.rsplit("-", 2)[0] == _host()


def segments(folder: str) -> list[str]:
    """Return the paths of all segments in the folder, the oldest first."""
    try:
        with os.scandir(folder) as entries:
            paths = [entry.path for entry in entries if entry.name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(_with_times(paths))]


def size_of(folder: str) -> int:
    """Return the size in bytes of all segments in the folder."""
    sizes = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):  # another process has loaded and deleted it
                    sizes += entry.stat().st_size
    return sizes


def _with_times(paths: list[str]) -> Iterator[tuple[int, str]]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # another process has loaded and deleted it
            yield os.stat(path).st_mtime_ns, path
