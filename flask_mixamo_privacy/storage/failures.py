"""Failures in the app's own log: one line with what failed, the class of the error and the next step, and no value.

The text of an error of a driver, or of the site's own code, may contain a visitor's data. So it is never logged. A failure
that repeats, such as each grant on a full disk, is logged once a minute with a count.
"""

from __future__ import annotations

import logging
import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Hashable, Iterator

from ..errors import NotAllowed, PrivacyError
from .memory import TokenBuckets

logger = logging.getLogger("flask_mixamo_privacy")

_LONGEST = 600  # characters of a line
_AT_ONCE = 3  # lines about failures of one kind at the beginning
EVERY = 60.0  # seconds between two of them after that
_MOST_KINDS = 256  # that are remembered
_NUMBER = re.compile(r"\d+")  # such as the bytes that a full disk took; it makes no other kind


class Repetitions:
    """Limits the lines about failures of one kind, and counts the failures without a line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Log each kind again from the beginning."""
        self._buckets = TokenBuckets(_AT_ONCE, 1 / EVERY, _MOST_KINDS)
        self._without_line: Counter[Hashable] = Counter()

    def count(self, kind: Hashable) -> int | None:
        """Return how many failures of this kind had no line since the last one, or None if this one has none either."""
        with self._lock:
            now = time.monotonic()
            if self._buckets.wait(kind, now):
                self._without_line[kind] += 1
                return None
            self._buckets.take(kind, 1, now)
            return self._without_line.pop(kind, 0)


#: Those of this process. A new app forgets them, because its failures may have another cause.
repetitions = Repetitions()


def log_failure(message: str, error: BaseException, *, level: int = logging.ERROR, log: logging.Logger = logger) -> None:
    """Log one line about an error, unless the same kind was logged within the last minute.

    At the level DEBUG, also log the lines of code that led to it, without values.
    """
    text = describe(error)
    without_line = repetitions.count((message, _NUMBER.sub("", text)))
    if without_line is None:
        return
    more = f" ({without_line} more times since the last such line)" if without_line else ""
    log.log(level, "%s: %s%s", message, text, more)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("The lines of code that led to %s:\n%s", type(error).__name__, "".join(_frames(error)))


def describe(error: BaseException) -> str:
    """Return one line about an error: its class, and its text if that cannot contain a visitor's data, or else its place."""
    return _one_line(f"{type(error).__name__}: {text}" if (text := _text(error)) else type(error).__name__ + _place(error))


def describe_to_staff(error: BaseException) -> str:
    """Return the same without the place in the code."""
    return _one_line(f"{type(error).__name__}: {_text(error) or 'the log of the app names the line of code'}")


def _text(error: BaseException) -> str:
    if isinstance(error, NotAllowed):
        return f"{error.what} is not allowed; allowed: {error.allowed}. {error.hint}".rstrip()
    if isinstance(error, PrivacyError):
        return str(error)
    if isinstance(error, OSError):
        return f"[Errno {error.errno}] {error.strerror}" if error.errno is not None else ""
    return describe_driver_error(error) if isinstance(getattr(error, "orig", None), BaseException) else ""


def describe_driver_error(error: BaseException) -> str:
    """Return the class of a database error and, if it has no values of rows, the first line of its text.

    PostgreSQL quotes values: ``Key (email)=(…) already exists``. Only its operational errors, such as a refused
    connection, quote none. SQLite quotes a value only if its bytes are no text: ``… with text '…'``.
    """
    original = getattr(error, "orig", None) or error
    driver = type(original).__module__.partition(".")[0]
    classes = {cls.__name__ for cls in type(original).__mro__}
    is_safe = driver == "sqlite3" or (driver != "sqlalchemy" and "OperationalError" in classes)
    text = str(original).partition("\n")[0].partition(" with text ")[0] if is_safe else ""
    return f"({driver}.{type(original).__name__}) {text}".rstrip()


def _place(error: BaseException) -> str:
    """Return the line of code that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" in {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _frames(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield from (f"{type(error).__name__}:\n", *traceback.format_tb(error.__traceback__))
        error = error.__cause__ or error.__context__


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    text = text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
