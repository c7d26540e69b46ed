"""Keeps what an app writes out of its usual place for as long as somebody only looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_FOLDER: ContextVar[str | None] = ContextVar("folder", default=None)

#: What holds in place of an app's own settings: its databases, its log and its mail are left alone.
SETTINGS: dict[str, Any] = {
    "PRIVACY_EVENTS_URL": None,
    "PRIVACY_LEDGER_URL": None,
    "PRIVACY_DATABASE_URL": None,
    "PRIVACY_LOG_DIR": None,
    "PRIVACY_LOADER": False,
    "PRIVACY_SEND": lambda mail: None,
    "PRIVACY_SMTP_URL": None,
    "PRIVACY_MAIL_ASIDE": None,
}


@contextmanager
def set_aside(folder: str) -> Iterator[None]:
    """Apps that are initialised meanwhile keep the extension's files in this folder, and send no mail."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def folder() -> str | None:
    """The folder, if apps are to keep their files aside."""
    return _FOLDER.get()
