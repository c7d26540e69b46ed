"""Whatever is done in whatever order: no trace of who was erased, no lost decision, and a replay that changes nothing twice.

Each test counts the steps that were really taken. ``make machine`` takes thousands of them and prints how many of which;
``make faults`` plants one fault after the other in the code that keeps these promises, and says after how many steps the
machine found it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from disks import Tables
from machine import Machine, run

STEPS = int(os.environ.get("PRIVACY_STEPS", "0"))  # of each database, for whoever has the time
LONG = 6 * 3600 if STEPS else 240


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]):
    """Prints how many steps were taken, where many were asked for."""

    def say(where: str, taken) -> None:
        if STEPS:
            with capsys.disabled():
                sys.stdout.write(f"\n{taken.total()} steps on {where}: {dict(taken.most_common())}\n")

    return say


@pytest.mark.server
@pytest.mark.timeout(LONG)
def test_promise_34_no_order_of_events_brings_anybody_back(tell) -> None:
    """On files, searched byte by byte after every step."""
    taken = run(Machine, wanted := STEPS or 240, shrink=not STEPS)
    tell("SQLite", taken)
    assert taken.total() >= wanted


@pytest.fixture
def on_a_server() -> Iterator[type[Machine]]:
    from test_postgres import Server

    server = Server()
    server.start()

    class OnServer(Machine):
        make_disk = staticmethod(lambda folder: Tables(folder, {part: server.database() for part in PARTS_OF_A_SERVER}))

    yield OnServer
    server.stop()
    shutil.rmtree(server.folder)


PARTS_OF_A_SERVER = ("ledger", "events", "rights", "shop")


@pytest.mark.server
@pytest.mark.xdist_group("postgres")
@pytest.mark.timeout(LONG)
def test_promise_34_no_order_of_events_brings_anybody_back_on_postgresql(on_a_server, tell) -> None:
    """On a server, searched row by row after every step."""
    taken = run(on_a_server, wanted := STEPS or 120, shrink=not STEPS)
    tell("PostgreSQL", taken)
    assert taken.total() >= wanted
