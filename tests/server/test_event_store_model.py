"""The event store against a model of it, after any sequence of batches, erasures, counts and retention."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.tracking.parsing import Row
from flask_mixamo_privacy.tracking.schema import events, metadata
from flask_mixamo_privacy.tracking.store import EventStore
from support.event_stores import add, as_logged, count_until, row, store_at, uses

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]

HOURS = [f"2026-05-{day:02d}T{hour:02d}:00:00.000Z" for day in (6, 7, 8, 9) for hour in (0, 12)]
TEXTS = [None, "", "/", "/a", "/A", "🦊" * 500, "🦊" * 501, "long" * 300]

DATA = ["{}", '{"a":"/a"}', json.dumps({"a": "x" * 20_000})]


def event(visitor: str, number: int, hour: int, page: int = 0, previous: int = 0, data: int = 0) -> Row:
    """Return an event from its visitor and id, and the places of its values in the lists above."""
    values = {"page": TEXTS[page], "previous": TEXTS[previous], "referrer": TEXTS[page], "data": DATA[data]}
    return row(visitor=visitor, id=str(number), at=HOURS[hour], **values)


places = st.integers(0, len(TEXTS) - 1)
hours = st.integers(0, len(HOURS) - 1)
rows = st.tuples(st.sampled_from("abcd"), st.integers(1, 6), hours, places, places, st.integers(0, 2))
steps = st.one_of(
    st.tuples(st.just("add"), st.lists(rows, max_size=12)),
    st.tuples(st.just("erase"), st.sampled_from("abcd")),
    st.tuples(st.just("count"), hours.map(HOURS.__getitem__)),
    st.tuples(st.just("prune"), st.sampled_from(["2026-05-07", "2026-05-08", "2026-05-09"])),
)


@dataclass
class Model:
    """What the store must have."""

    events: dict[tuple[str, str], tuple[int, Row]] = field(default_factory=dict)  # the slot and the event
    tombstones: dict[str, str] = field(default_factory=dict)  # the day of each erased visitor
    counted: str = ""

    def add(self, batch: list[Row]) -> int:
        before = len(self.events)
        for each in sorted(batch, key=lambda each: each[:3]):
            if each[1] not in self.tombstones:
                self.events.setdefault((each[1], each[2]), (milliseconds_of(max(each[0], self.counted)), each))
        return len(self.events) - before

    def keep(self, condition: Any) -> int:
        """Keep the events with a condition, and return the number of the others."""
        before = len(self.events)
        self.events = {key: each for key, each in self.events.items() if condition(each[1])}
        return before - len(self.events)


def take(store: EventStore, model: Model, what: str, value: Any) -> None:
    """Take one step in both, and compare the results."""
    if what == "add":
        batch = [event(*each) for each in value]
        assert add(store, *batch) == model.add(batch)
    elif what == "erase":
        model.tombstones.setdefault(value, "2026-05-08")
        assert store.erase(value, "2026-05-08") == model.keep(lambda each: each[1] != value)
    elif what == "prune":
        model.tombstones = {name: day for name, day in model.tombstones.items() if day >= value}
        assert store.count(value) == store.prune(value) == model.keep(lambda each: each[0] >= value)
    elif value > model.counted:
        model.counted = value
        count_until(store, value)


def compare(store: EventStore, model: Model) -> None:
    """Compare every event with its slot, the visitors, and the uses of each text."""
    with store.read() as connection:
        assert connection is not None
        slots = sorted(connection.scalars(sa.select(events.c.slot)))
    kept = [each for _, each in model.events.values()]
    assert sorted(store.rows(), key=str) == sorted(as_logged(*kept), key=str)
    assert slots == sorted(slot for slot, _ in model.events.values())
    assert sorted(store.visitors()) == sorted({each[1] for each in kept})
    assert sum(uses(store).values()) == sum(value is not None for each in kept for value in (each[3], *each[5:]))


def empty(store: EventStore) -> None:
    with store.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.delete(table))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EventStore:
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/events.sqlite" if is_sqlite else request.getfixturevalue("server").database()
    return store_at(url, tmp_path)


LATE = [("a", 1, 0, 3), ("b", 1, 0, 7)]


@example([("add", LATE), ("count", HOURS[4]), ("add", [*LATE, ("a", 2, 1)]), ("prune", "2026-05-07")])
@example([("add", LATE), ("erase", "b"), ("add", LATE), ("prune", "2026-05-09"), ("add", LATE)])
@given(st.lists(steps, min_size=1, max_size=12))
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_sequence_leaves_what_the_model_has(store, sequence):
    """Events, slots, visitors, texts and their uses are exact after each step."""
    empty(store)
    model = Model()
    for what, value in sequence:
        take(store, model, what, value)
        compare(store, model)
