"""A short run of the torture: real processes under load are killed, and their disks, clock and databases fail.

`make torture` runs all of it, with fifty kills on each database.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.postgres import Server
from torture import faults
from torture.faults import Fault
from torture.world import World

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]


@pytest.fixture
def survive(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Return a function that causes failures, and asserts that every promise was kept after each of them."""
    with ExitStack() as ending:

        def run(causes: Sequence[Fault], postgres: Server | None = None) -> World:
            world = World(tmp_path, postgres, "fixed", 3, short=True)
            ending.callback(world.end)
            assert world.run(causes) == [], (world.folder / "output.log").read_text()[-4000:]
            return world

        yield run


@pytest.fixture
def postgres() -> Iterator[Server]:
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder)


def test_promises_survive_failures_on_sqlite(survive):
    """After kills, a full disk and damaged segments, nothing that was acknowledged is lost, doubled or undone."""
    world = survive([faults.kill_everything, faults.FULL_DISKS[0], faults.damage])
    must, exist = world.verifier.acknowledged()
    assert must == exist > 0 and world.people.counts["decisions: withdrawn"]


def test_promises_survive_failures_on_postgresql(survive, postgres):
    """The same if every process of the database is killed and starts again after a moment."""
    world = survive([faults.kill_database], postgres)
    must, exist = world.verifier.acknowledged()
    assert must == exist > 0
