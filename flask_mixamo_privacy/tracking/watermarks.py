"""The watermarks of the hosts that share a database: no day closes while lines of that day wait on one of them."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
from typing import NamedTuple

import sqlalchemy as sa

from ..storage.clock import later, timestamp
from ..storage.files import open_private
from .schema import hosts
from .store import EventStore

logger = logging.getLogger("flask_mixamo_privacy")

#: Hours for which a host that no longer reports keeps days open. A machine that failed in the evening can then be repaired
#: the next morning, and reports are never more than a day late.
LEFT_OUT_AFTER = 24
SILENT_AFTER = 1  # hours until a host that no longer reports is named; days wait for so long after midnight anyway
_PAUSE = 60.0  # seconds between reports that change nothing; other hosts close their days so much later at most
_PAUSE_ALONE = 1800.0  # of a host that shares its database with no other
_LOCK = "loader.lock"
_LONGEST = 256  # bytes of the identity


class LoadingHost(NamedTuple):
    """A host that loads its log into the database."""

    id: str
    name: str  # the machine's, for operators
    watermark: str  # no line from before this moment waits on the host; empty if the moment is unknown
    reported: str  # when the host last reported
    empty: bool  # whether no line waited then
    noted: str  # the state that the app's log already has a line about

    @property
    def state(self) -> str:
        """``reporting``; ``silent``, if days stay open because of this host; or ``left out``, if they close without it."""
        if self.reported <= later(hours=-LEFT_OUT_AFTER):
            return "left out"
        return "silent" if self.reported <= later(hours=-SILENT_AFTER) else "reporting"

    def describe(self) -> tuple[str, str]:
        """Return what a host that no longer reports causes, and the next step."""
        message = f"The host {self.name} ({self.id}) has not reported since {self.reported}."
        if self.state == "silent":
            message += f" For {LEFT_OUT_AFTER} hours from then, no later day closes unless that host loads its log."
        elif self.empty:
            message += " Days close without it. No line of its log waited then."
        else:
            message += " Days close without it. Lines of its log waited then; they count on the day of their loading."
        return message, (
            f"Run `flask privacy load` on that host. If it was removed, run `flask privacy hosts --forget {self.id}`."
        )


class Watermarks:
    """The watermarks of all hosts, during a pass of this host's loader, which holds the lock of its log folder.

    The locked file has this host's id, so the id survives a new process or a new name of the machine. The file also has the
    time of the last report. If the host's row has a later one, another host reports with a copy of this file. Then this host
    takes a new id. The file is synced before the commit, so after a crash it is never older than the row.
    """

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._begun = timestamp()  # the pass finds every line that was written before
        self._id, self._last = _read_identity(lock)

    def first_waiting(self, connection: sa.Connection, waiting: str | None, *, register: bool) -> str | None:
        """Report up to when this host has loaded, and return the time of the first line that waits on any host.

        ``waiting`` is the time of the first line that waits on this host. Both times are None if no line waits, and empty
        if the time is unknown. A host that is not registered stays so, unless ``register`` is true. The transaction holds
        the write lock of the store, so no other host can close a day meanwhile.
        """
        rows = [LoadingHost(*row) for row in connection.execute(sa.select(hosts))]
        own = next((row for row in rows if row.id == self._id and row.reported <= self._last), None)
        others = [row for row in rows if row is not own]
        if own is not None or register:
            self._report(connection, own, waiting, _PAUSE if others else _PAUSE_ALONE)
        for row in others:
            _note(connection, row)
        times = [row.watermark for row in others if row.state != "left out"]
        return min(times if waiting is None else [*times, waiting], default=None)

    def _report(self, connection: sa.Connection, own: LoadingHost | None, waiting: str | None, pause: float) -> None:
        watermark = self._begun if waiting is None else waiting
        is_fresh = own is not None and own.reported > later(seconds=-pause)
        if own is not None and is_fresh and own.watermark <= watermark and own.empty == (waiting is None):
            return  # other hosts need not know yet
        self._id = own.id if own is not None else secrets.token_hex(4)
        self._last = timestamp()
        _write_identity(self._lock, self._id, self._last)
        name = socket.gethostname()[:80] or "unknown"
        row = LoadingHost(self._id, name, watermark, self._last, waiting is None, "")
        connection.execute(sa.delete(hosts).where(hosts.c.id == self._id))
        connection.execute(sa.insert(hosts), row._asdict())


def _note(connection: sa.Connection, host: LoadingHost) -> None:
    """Log one line, of all hosts together, once a host is silent, and once it is left out. Forget it if nothing is lost."""
    if host.state in ("reporting", host.noted):
        return
    logger.warning("%s %s", *host.describe())
    if host.state == "left out" and host.empty:
        connection.execute(sa.delete(hosts).where(hosts.c.id == host.id))
    else:
        connection.execute(sa.update(hosts).where(hosts.c.id == host.id).values(noted=host.state))


def _read_identity(lock: int) -> tuple[str, str]:
    """Return the host's id and the time of its last report, or empty strings."""
    os.lseek(lock, 0, os.SEEK_SET)
    try:
        identity = json.loads(os.read(lock, _LONGEST))
        return str(identity["host"]), str(identity["reported"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def _write_identity(lock: int, host: str, reported: str) -> None:
    content = json.dumps({"host": host, "reported": reported}).encode()
    os.lseek(lock, 0, os.SEEK_SET)
    os.write(lock, content)
    os.ftruncate(lock, len(content))
    os.fsync(lock)


def open_lock(folder: str) -> int:
    """Open the file that the loader of a log folder locks, and return its descriptor."""
    return open_private(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT)


def own_id(folder: str) -> str:
    """Return the id of the host of a log folder, or the empty string if it never loaded a line."""
    try:
        with open(os.path.join(folder, _LOCK), "rb") as lock:
            return _read_identity(lock.fileno())[0]
    except FileNotFoundError:
        return ""


def hosts_in(connection: sa.Connection) -> list[LoadingHost]:
    """Return the hosts that load, in the order of their names."""
    return [LoadingHost(*row) for row in connection.execute(sa.select(hosts).order_by(hosts.c.name, hosts.c.id))]


def forget(store: EventStore, host: str) -> bool:
    """Delete a host's row, so that no day waits for it, and return whether it had one. It has one again once it loads lines.

    Raises :class:`StoreUnavailable`.
    """
    return store.database.delete(sa.delete(hosts).where(hosts.c.id == host)) > 0
