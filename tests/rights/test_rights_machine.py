"""Random operations in any order: no trace of erased persons, no lost decision, and an idempotent replay.

Each test counts the steps taken. ``make machine`` runs thousands of steps and prints their counts. ``make faults`` injects
one fault after another into the code that keeps these promises, and reports after how many steps the machine found it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from support.backups import Tables
from support.state_machine import Machine, run

STEPS = int(os.environ.get("PRIVACY_STEPS", "0"))  # of each database, for longer runs
LONG = 6 * 3600 if STEPS else 240


@pytest.fixture(autouse=True)
def below_the_folder_of_the_test(tmp_path, monkeypatch):
    """The plugin moves the files of a site that lie outside it."""
    monkeypatch.setattr(Machine, "parent", tmp_path)


@pytest.fixture
def report_steps(capsys: pytest.CaptureFixture[str]):
    """Print the number of steps, if many were requested."""

    def report(where: str, taken) -> None:
        if STEPS:
            with capsys.disabled():
                sys.stdout.write(f"\n{taken.total()} steps on {where}: {dict(taken.most_common())}\n")

    return report


@pytest.mark.server
@pytest.mark.timeout(LONG)
def test_promise_34_no_order_of_events_restores_an_erased_person(report_steps) -> None:
    """The files are searched byte by byte after every step."""
    taken = run(Machine, wanted := STEPS or 240, shrink=not STEPS)
    report_steps("SQLite", taken)
    assert taken.total() >= wanted


@pytest.fixture
def on_a_server() -> Iterator[type[Machine]]:
    from support.postgres import Server, kept_connections

    server = Server()
    server.start()

    class OnServer(Machine):
        make_disk = staticmethod(lambda folder: Tables(folder, {part: server.database() for part in PARTS_OF_A_SERVER}))

    with kept_connections():
        yield OnServer
    server.stop()
    shutil.rmtree(server.folder)


PARTS_OF_A_SERVER = ("ledger", "events", "rights", "shop")


@pytest.mark.server
@pytest.mark.xdist_group("postgres")
@pytest.mark.timeout(LONG)
def test_promise_34_no_order_of_events_restores_an_erased_person_on_postgresql(on_a_server, report_steps) -> None:
    """The databases are searched row by row after every step."""
    taken = run(on_a_server, wanted := STEPS or 120, shrink=not STEPS)
    report_steps("PostgreSQL", taken)
    assert taken.total() >= wanted
