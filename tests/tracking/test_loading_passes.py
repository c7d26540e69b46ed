"""One pass of the loader over several batches, between which others write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flask_mixamo_privacy.tracking.events import FIELDS
from flask_mixamo_privacy.tracking.loader import Loader
from support.event_stores import EVENT, store_at, uses

LONG = "x" * 15_000  # makes a batch of few events


def write_segment(folder: Path, name: str, visitor: str, page: str) -> None:
    """Write a segment that is as long as a batch."""
    folder.mkdir(exist_ok=True)
    event = EVENT | {"visitor": visitor, "page": page, "referrer": f"https://search.example/{LONG}", "data": {}}
    lines = (json.dumps({field: (event | {"id": f"{name} {number}"})[field] for field in FIELDS}) for number in range(600))
    (folder / f"{name}.events").write_text("".join(line.replace(": ", ":").replace(", ", ",") + "\n" for line in lines))


@pytest.fixture
def log(tmp_path):
    write_segment(tmp_path / "log", "a", "erased", "/only the erased")
    write_segment(tmp_path / "log", "b", "other", "/both")
    write_segment(tmp_path / "log", "c", "other", "/only the erased")
    return tmp_path / "log"


def load(log, store, between):
    """Load all batches, and call a function after the first one."""
    calls = iter([between])
    Loader(str(log), store).load(progress=lambda size: next(calls, int)())
    return sorted({(event["visitor"], event["page"]) for event in store.rows()})


def test_a_text_that_an_erasure_deletes_between_two_batches_is_stored_again(log, tmp_path):
    """Codes are remembered from batch to batch only while no other connection writes."""
    store = store_at(f"sqlite:///{tmp_path}/events.sqlite", tmp_path)
    found = load(log, store, lambda: store.erase("erased", "2026-06-01"))
    assert found == [("other", "/both"), ("other", "/only the erased")]
    assert uses(store)["/only the erased"] == 600


def test_a_pruning_between_two_batches_deletes_no_text_that_the_second_one_needs(log, tmp_path):
    store = store_at(f"sqlite:///{tmp_path}/events.sqlite", tmp_path)
    found = load(log, store, lambda: store.prune("2027-01-01"))
    assert found == [("other", "/both"), ("other", "/only the erased")] and uses(store)["page_view"] == 1200


def test_a_database_moved_away_between_two_batches_gets_none_of_the_later_ones(log, tmp_path):
    """The connection that stays open for a pass would write to the file under its new name."""
    path, moved = tmp_path / "events.sqlite", tmp_path / "moved"
    moved.mkdir()
    store = store_at(f"sqlite:///{path}", tmp_path)
    found = load(log, store, lambda: [each.rename(moved / each.name) for each in tmp_path.glob("events.sqlite*")])
    assert found == [("other", "/both"), ("other", "/only the erased")]
    assert {event["visitor"] for event in store_at(f"sqlite:///{moved}/events.sqlite", moved).rows()} == {"erased"}
