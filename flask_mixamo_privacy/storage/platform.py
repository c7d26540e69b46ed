"""The differences between POSIX systems and Windows: file locks, open files and forks.

A lock belongs to the descriptor of the locked file, so a killed process leaves no lock. Two libraries do not fit. filelock
locks a second file beside each file, which cannot follow a segment that is renamed. portalocker locks the first 64 KiB of a
file on Windows. No process can read a locked byte there, so no loader could read a segment that is being written.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

try:
    fcntl: Any = import_module("fcntl")
except ImportError:
    fcntl = None

#: Whether this is Windows, where a file that is open can be neither renamed nor replaced nor deleted.
IS_WINDOWS: bool = fcntl is None

#: A flag for :func:`os.open`. Without it, Windows writes ``\r\n`` for each ``\n``.
BINARY: int = getattr(os, "O_BINARY", 0)

# SQLite locks bytes at this place too. No file here grows so large, and Windows allows locks beyond the end of a file.
_LOCKED_BYTE = 1 << 30
_PAUSE = 0.01  # seconds between two attempts
_ATTEMPTS = 100


def lock_file(descriptor: int, *, wait: bool) -> None:
    """Lock a file until its descriptor is closed. Without ``wait``, raises :class:`BlockingIOError` if the lock is held."""
    if not IS_WINDOWS:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    while not _lock_byte(descriptor):
        if not wait:
            raise BlockingIOError(errno.EWOULDBLOCK, "Another descriptor holds the lock of this file")
        time.sleep(_PAUSE)


def unlock_file(descriptor: int) -> None:
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


def delete_file(path: str) -> bool:
    """Delete a file, and return whether it is gone. On Windows a file that is open stays."""
    try:
        os.unlink(path)
    except PermissionError:
        if not IS_WINDOWS:
            raise
        return False
    return True


def replace_file(temporary: str, path: str) -> None:
    """Replace a file by a temporary one. On Windows, wait up to a second while another thread reads the file."""
    for attempts_left in reversed(range(_ATTEMPTS if IS_WINDOWS else 1)):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if not attempts_left:
                raise
            time.sleep(_PAUSE)


def after_fork_in_child(function: Callable[[], object]) -> None:
    """Call the function in each forked child. Windows has no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
