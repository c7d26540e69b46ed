"""Planted faults: break one promise after another and print how soon the state machine finds each fault.

Run as a program. The machine must first find no fault in the unchanged code. Each fault is planted in memory and removed
again. Exit with 1 if a fault is not found. Arguments select faults by name.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from weakref import WeakSet

sys.path.insert(0, str(Path(__file__).parents[1]))

import sqlalchemy as sa

from flask_mixamo_privacy.ledger.entry import BEGINNING, Chain, Head
from flask_mixamo_privacy.tracking import schema
from flask_mixamo_privacy.tracking.store import EventStore
from support.state_machine import Machine, run

MOST = 6000  # steps

_seal_rows = Chain.seal_rows
_add, _erase, _restore_tombstones = EventStore.add, EventStore.erase, EventStore.restore_tombstones
_chains_sealed: WeakSet[Chain] = WeakSet()


def link_is_skipped(chain: Chain, rows: Any, head: Head) -> Head:
    """Drop the previous hash from the first entry that a process writes under a new key."""
    is_first = len(list(chain._keys)) > 1 and chain not in _chains_sealed
    _chains_sealed.add(chain)
    return _seal_rows(chain, rows, Head(head.count, BEGINNING.hash) if is_first else head)


def loader_ignores_tombstones(store: EventStore, connection: sa.Connection, rows: Any) -> int:
    with mock.patch.object(EventStore, "erased", lambda *_: set()):
        return _add(store, connection, rows)


def working_sets_keep_the_visitor(store: EventStore, visitor: str, day: str, wait: int | None = None) -> int:
    with store.write() as connection:
        names, people = schema.visitors, schema.people
        code = connection.scalar(sa.select(names.c.code).where(names.c.visitor == visitor))
        kept = [(names, _of(connection, names, visitor)), (people, _of(connection, people, code))]
    deleted = _erase(store, visitor, day, wait)
    with store.write() as connection:
        for table, rows in kept:
            for row in rows:
                connection.execute(sa.insert(table).values(row))
    return deleted


def _of(connection: sa.Connection, table: sa.Table, visitor: str | int | None) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.select(table).where(table.c.visitor == visitor)).mappings()]


def tombstones_stay_clean(store: EventStore, tombstones: Any) -> None:
    with mock.patch.object(EventStore, "_set_clean"):
        _restore_tombstones(store, tombstones)


def _none(*arguments: Any, **values: Any) -> int:
    return 0


#: Each fault: the function that it replaces, and the replacement.
FAULTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "restored tombstones left out of a replay": ("tracking.store.EventStore.restore_tombstones", _none),
    "a replay that marks no tombstone as unclean": ("tracking.store.EventStore.restore_tombstones", tombstones_stay_clean),
    "a replay that ignores age": ("rights.data_subjects.just_after", lambda at: datetime.max.replace(tzinfo=UTC)),
    "an erasure that leaves a kept segment": ("tracking.visitor_data._scrub_segment", _none),
    "a withdrawal that is lost": ("consent.recording.DecisionRecorder._spool", lambda *_: True),
    "a link of the chain skipped when keys rotate": ("ledger.entry.Chain.seal_rows", link_is_skipped),
    "a loader that ignores tombstones": ("tracking.store.EventStore.add", loader_ignores_tombstones),
    "opt-outs that are not replayed": ("mail.preferences.MarketingPreferences.replay", _none),
    "accepted licences that are not replayed": ("rights.subject_flags.SubjectFlags.replay_erasures", _none),
    "requests that are not replayed": ("rights.request_store.RequestStore.subjects", lambda request_store: set()),
    "working sets of reports that keep the visitor": ("tracking.store.EventStore.erase", working_sets_keep_the_visitor),
}


def is_clean() -> bool:
    """Return whether the machine finds no fault in the unchanged code."""
    return run(Machine, 1000, shrink=False).total() >= 1000


def is_found(name: str) -> bool:
    """Plant a fault, run the machine, and print the result."""
    where, broken = FAULTS[name]
    taken: Counter[str] = Counter()
    began = time.perf_counter()
    with mock.patch(f"flask_mixamo_privacy.{where}", broken):
        try:
            run(Machine, MOST, shrink=False, taken=taken)
            message = "NOT FOUND"
        except AssertionError as error:  # any other exception is an error in the machine itself
            message = f"found ({_reason(error)})"
    sys.stdout.write(f"{name}: {message}, {taken.total()} steps, {time.perf_counter() - began:.0f} s\n")
    sys.stdout.flush()
    return message != "NOT FOUND"


def _reason(error: BaseException) -> str:
    """Return the name of the check that failed."""
    names, frame = [], error.__traceback__
    while frame is not None:
        names.append(frame.tb_frame.f_code.co_name)
        frame = frame.tb_next
    checks = [name for name in names if hasattr(Machine, name) and name not in ("every_promise_is_kept", "run")]
    return checks[-1].replace("_", " ").strip() if checks else type(error).__name__


if __name__ == "__main__":
    results = [is_clean(), *map(is_found, sys.argv[1:] or FAULTS)]
    sys.exit(0 if all(results) else 1)
