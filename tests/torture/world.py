"""Everything that one run needs: a site with its processes, its disks, its database, its clients and their memory."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flask_mixamo_privacy.web.context import current_runtime
from support.postgres import Server
from torture.clients import Crowd
from torture.dials import Dials
from torture.disks import Disks
from torture.faults import Fault
from torture.people import People
from torture.processes import Processes
from torture.site import make_site
from torture.verification import Verifier, settled

#: The number of answers before and after a failure, at least and at most; in a short run.
_LOAD, _SHORT_LOAD = (20, 80), (10, 40)


class World:
    """A running site. ``run`` causes failures and returns the broken promises; ``end`` stops every process.

    A short run, as in the test suite, mounts no disks.
    """

    def __init__(self, folder: Path, postgres: Server | None, seed: str, clients: int = 4, *, short: bool = False) -> None:
        self.folder, self.postgres, self._random = folder, postgres, random.Random(seed)  # noqa: S311 — invented data needs no secret
        self._load = _SHORT_LOAD if short else _LOAD
        self.disks = Disks(self.folder, mounted=not short)
        database = postgres.database() if postgres is not None else None
        self.dials, self.people = Dials(self.folder / "dials"), People()
        app = make_site(self.folder, database, PRIVACY_LOADER=False)
        with app.app_context():
            self.loader = current_runtime().loader
        self.verifier = Verifier(app, self.people)
        self.survived: Counter[str] = Counter()
        self.processes = Processes(self.folder, database)
        self.crowd = Crowd(self.processes.port, self.people, clients, seed)

    def run(self, faults: Sequence[Fault]) -> list[str]:
        """Cause each failure under load and check every promise afterwards. Returns what is broken, or an empty list."""
        broken = []
        for fault in faults:
            self._wait_for_answers(self._random.randint(*self._load))
            fault(self, self._random)
            self._wait_for_answers(self._random.randint(*self._load))
            findings = self._check()
            self.survived[fault.__name__] += not findings
            broken += [f"{fault.__name__}: {finding}" for finding in findings]
        return broken

    def _check(self) -> list[str]:
        self.crowd.pause()
        try:
            return self.verifier.findings()
        finally:
            self.crowd.resume()

    def _wait_for_answers(self, number: int) -> None:
        """Wait until the clients have received this number of answers, however slow the machine is."""
        enough, deadline = self.people.counts["requests answered"] + number, time.monotonic() + 60
        while self.people.counts["requests answered"] < enough:
            assert time.monotonic() < deadline, (self.folder / "output.log").read_text()
            time.sleep(0.02)

    def summary(self) -> str:
        """Return the counts of the run, line by line."""
        must, exist = self.verifier.acknowledged()
        everyone = self.people.all
        lines = [
            f"failures survived: {self.survived.total()} ({', '.join(f'{n} {name}' for name, n in self.survived.items())})",
            f"events acknowledged to visitors whose grant stands: {must}; found: {exist}",
            f"events in lines damaged on purpose: {len(self.verifier.damaged)}",
            f"people: {len(everyone)}; with an answered decision: {settled(everyone)}",
            *(f"{what}: {number}" for what, number in sorted(self.people.counts.items())),
        ]
        return "\n".join(lines)

    def end(self) -> None:
        self.crowd.stop()
        self.processes.end()
        self.crowd.join()
        self.disks.end()
