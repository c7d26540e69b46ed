"""Windows, as far as a POSIX system can imitate it: what Python lacks there, and what its files do not allow.

Call :func:`imitate` first in a process of its own. Python then has no POSIX module, no ``fork`` and no user ids. Files opened
without ``O_BINARY`` get ``\\r\\n`` line ends. A file that is open cannot be renamed, replaced or deleted. A locked byte cannot
be read, so :func:`_locking` refuses a lock inside a file's content.
"""

import ctypes
import errno
import fcntl
import functools
import importlib
import locale
import os
import subprocess  # noqa: F401 - must be imported first, because it takes a module msvcrt for Windows itself
import sys
import types

MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog")
NAMES_IN_OS = (
    "getuid", "geteuid", "getgid", "getegid", "getgroups", "setuid", "fork", "forkpty", "register_at_fork", "fchmod", "fchown",
    "chown", "lchown", "fdatasync", "pread", "pwrite", "preadv", "pwritev", "writev", "sendfile", "uname", "getpgid", "killpg",
    "setsid", "getloadavg", "mkfifo", "sched_getaffinity", "posix_fadvise", "posix_fallocate", "lockf", "sync", "sysconf",
    "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_SYNC", "O_DSYNC", "O_NOCTTY", "O_PATH",
)  # fmt: skip
_BINARY = 1 << 29  # a flag that no system uses

_text_files: set[int] = set()


def imitate() -> None:
    """Take away what Windows does not have. This process cannot get it back."""
    importlib.import_module("asyncio")  # from Python 3.12 on, it asks POSIX for a limit when it is imported
    for name in MODULES:
        sys.modules[name] = None
    for name in NAMES_IN_OS:
        if hasattr(os, name):
            delattr(os, name)
    sys.modules["msvcrt"] = types.SimpleNamespace(LK_UNLCK=0, LK_LOCK=1, LK_NBLCK=2, locking=_locking)
    ctypes.PyDLL = _no_library
    locale.getpreferredencoding = lambda do_setlocale=True: "cp1252"
    os.O_BINARY, os.open, os.write = _BINARY, _opener(os.open), _writer(os.write)
    for name, places in {"rename": 2, "replace": 2, "unlink": 1, "remove": 1}.items():
        setattr(os, name, _on_closed_files(getattr(os, name), places))
    importlib.reload(importlib.import_module("tempfile"))  # which asks for O_BINARY when it is imported


def _locking(descriptor: int, mode: int, size: int) -> None:
    """Lock bytes from the file's position on, as ``msvcrt.locking`` does."""
    if os.lseek(descriptor, 0, os.SEEK_CUR) <= os.fstat(descriptor).st_size:
        raise OSError(errno.EIO, "On Windows no other process could read the locked bytes")
    assert size == 1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN if mode == 0 else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def _no_library(name: object) -> object:
    raise TypeError("argument of type 'NoneType' is not iterable")


def _opener(original):
    @functools.wraps(original)
    def opened(path, flags, mode=0o777, **options):
        descriptor = original(path, flags & ~_BINARY, mode, **options)
        (_text_files.discard if flags & _BINARY else _text_files.add)(descriptor)
        return descriptor

    return opened


def _writer(original):
    @functools.wraps(original)
    def written(descriptor, data):
        if descriptor in _text_files:
            original(descriptor, bytes(data).replace(b"\n", b"\r\n"))
            return len(data)
        return original(descriptor, data)

    return written


def _on_closed_files(original, places):
    @functools.wraps(original)
    def checked(*paths, **options):
        for path in paths[:places]:
            if os.path.realpath(path) in _open_files():
                raise PermissionError(errno.EACCES, "The file is used by another process", os.fspath(path))
        if original.__name__ == "rename" and os.path.exists(paths[1]):
            raise FileExistsError(errno.EEXIST, "The file exists", os.fspath(paths[1]))
        return original(*paths, **options)

    return checked


def _open_files() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:  # the descriptor of listdir itself
            continue
    return found
