"""Torture the site on SQLite and on PostgreSQL. Exits with 1 if a promise is broken."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from support.postgres import Server
from torture.faults import KILLS, OTHERS, Fault
from torture.world import World

KILLED = int(os.environ.get("TORTURE_KILLS", "50"))  # times, on each database
ROUNDS = int(os.environ.get("TORTURE_ROUNDS", "2"))  # of every other failure
CLIENTS = int(os.environ.get("TORTURE_CLIENTS", "4"))
SEED = os.environ.get("TORTURE_SEED") or str(random.randrange(10**9))  # noqa: S311 — invented data needs no secret
ONLY = os.environ.get("TORTURE_ONLY", "").split()  # names of other failures; empty for all
DATABASES = os.environ.get("TORTURE_DATABASES", "sqlite postgresql").split()


def plan(rng: random.Random) -> list[Fault]:
    """Return the failures of one run in a random order."""
    faults = [KILLS[number % len(KILLS)] for number in range(KILLED)] + [
        other for other in OTHERS if _is_chosen(other)
    ] * ROUNDS
    rng.shuffle(faults)
    return faults


def _is_chosen(fault: Fault) -> bool:
    return not ONLY or fault.__name__ in ONLY


def torture(database: str) -> list[str]:
    """Run all failures on one database, print the counts, and return the broken promises."""
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    began, postgres = time.monotonic(), Server() if database == "postgresql" else None
    try:
        if postgres is not None:
            postgres.start()
        world = World(folder, postgres, SEED, CLIENTS)
        broken = []
        try:
            for number, fault in enumerate(faults := plan(random.Random(SEED)), 1):  # noqa: S311 — invented data needs no secret
                found = world.run([fault])
                broken += found
                print(f"{database} {number}/{len(faults)} {fault.__name__}", *found, sep="\n  ", flush=True)
        finally:
            print(world.summary(), f"seconds: {time.monotonic() - began:.0f}", sep="\n", flush=True)
            if broken:
                print(
                    "output of the site:",
                    shutil.copy(folder / "output.log", f"{tempfile.gettempdir()}/{database}.log"),
                )
            world.end()
    finally:
        shutil.rmtree(folder)
        if postgres is not None:
            postgres.kill()
            shutil.rmtree(postgres.folder)
    return broken


def main() -> None:
    """Torture the site on each database."""
    print(f"seed: {SEED} (TORTURE_SEED)", flush=True)
    broken = [finding for database in DATABASES for finding in torture(database)]
    print(*broken or ["Every promise was kept."], sep="\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
