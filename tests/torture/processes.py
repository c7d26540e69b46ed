"""The processes of the site: gunicorn with its workers, the loader, and the commands of an operator."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from support.postgres import is_running
from torture.site import DATABASE, FOLDER

TESTS = Path(__file__).parents[1]


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process started and that still run."""
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    return []


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)


class Processes:
    """Gunicorn and a loader. The listening socket stays open here, so clients can always connect and then wait."""

    def __init__(self, folder: Path, database: str | None, workers: int = 2) -> None:
        self._folder, self._workers = folder, workers
        self._env = os.environ | {FOLDER: str(folder), DATABASE: database or "", "HOME": str(folder)}
        self._env["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH")])
        )
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._listener.getsockname()[1]
        self._output = open(folder / "output.log", "ab")  # noqa: SIM115 — of all processes, until the end
        self.start_server()
        self.start_loader()

    def start_server(self) -> None:
        descriptor = self._listener.fileno()
        options = f"--workers {self._workers} --threads 4 --keep-alive 30 --graceful-timeout 20 --bind fd://{descriptor}"
        self._server = self._start("gunicorn", *options.split(), "torture.served:app")

    def start_loader(self) -> None:
        self._loader = self.start_flask("load", "--follow")

    def start_flask(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``flask privacy …``."""
        return self._start("flask", "--app", "torture.served", "privacy", *arguments)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *command], cwd=self._folder, env=self._env, stdout=self._output, stderr=self._output,
            pass_fds=[self._listener.fileno()], start_new_session=True,
        )  # fmt: skip

    @property
    def workers(self) -> list[int]:
        return children(self._server.pid)

    def writers(self) -> list[int]:
        """Return the ids of every process that writes a file of the site."""
        return [*self.workers, self._loader.pid]

    def kill_worker(self, rng: random.Random) -> None:
        if workers := self.workers:
            kill(rng.choice(workers))  # gunicorn starts another one

    def kill_workers(self) -> None:
        """Kill all workers, and wait until they are gone. Gunicorn starts others."""
        workers = self.workers
        for worker in workers:
            kill(worker)
        while any(map(is_running, workers)):
            time.sleep(0.01)

    def kill_server(self) -> None:
        """Kill gunicorn together with its workers, and start it again."""
        self._kill_group(self._server)
        self.start_server()

    def kill_loader(self) -> None:
        """Kill the loader, and start it again."""
        self._kill_group(self._loader)
        self.start_loader()

    def kill_all(self) -> None:
        for process in (self._server, self._loader):
            self._kill_group(process)
        self.start_server()
        self.start_loader()

    def terminate_server(self) -> int:
        """Stop gunicorn as an operator does, and start it again. Returns its exit code."""
        self._server.terminate()
        code = self._server.wait(60)
        self.start_server()
        return code

    def reload_server(self) -> None:
        """Replace every worker as an operator does after an upgrade, and wait until the old ones have exited."""
        before, deadline = set(self.workers), time.monotonic() + 60
        self._server.send_signal(signal.SIGHUP)
        while before & set(self.workers):
            assert time.monotonic() < deadline, "the old workers do not exit"
            time.sleep(0.05)

    def end(self) -> None:
        for process in (self._server, self._loader):
            self._kill_group(process)
        self._listener.close()
        self._output.close()

    def _kill_group(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
