"""The differences between POSIX systems and Windows: open files and forks."""

from __future__ import annotations

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

PAUSE = 0.01  # seconds between two attempts
_ATTEMPTS = 100


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
            time.sleep(PAUSE)


def after_fork_in_child(function: Callable[[], object]) -> None:
    """Call the function in each forked child. Windows has no fork."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
