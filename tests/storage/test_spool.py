"""The spool: entries that wait for a database, and what an append costs while many of them wait."""

import json
import os

import pytest

from flask_mixamo_privacy.storage import files
from flask_mixamo_privacy.storage.files import DailyCounter, Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(str(tmp_path / "pending"))


def written(spool, *lines):
    with open(spool.path, "wb") as file:
        file.write(b"".join(lines))


def drained(spool):
    found = []
    spool.drain(found.extend)
    return found


def test_an_append_reads_only_the_end_of_the_file(spool, monkeypatch):
    """Thousands of withdrawals may wait, and each further one costs the same."""
    written(spool, *[json.dumps({"number": number, "text": "x" * 80}).encode() + b"\n" for number in range(20_000)])
    sizes, read = [], os.read
    monkeypatch.setattr(files.os, "read", lambda descriptor, size: sizes.append(size) or read(descriptor, size))
    spool.append({"number": 20_000})
    assert sum(sizes) <= 64 * 1024 and drained(spool)[-1] == {"number": 20_000}


@pytest.mark.parametrize("torn", [b'{"number": 2', b"x" * 200_000], ids=["short", "longer than a block"])
def test_an_append_cuts_a_torn_line(spool, torn):
    """A crash left it, and the entry before it stays."""
    written(spool, b'{"number":1}\n', torn)
    spool.append({"number": 3})
    assert drained(spool) == [{"number": 1}, {"number": 3}]


def test_an_append_cuts_a_torn_line_that_is_alone(spool):
    """The file then has the new entry only."""
    written(spool, b"y" * 150_000)
    spool.append({"number": 1})
    assert drained(spool) == [{"number": 1}] and not spool


def test_counts_of_old_days_are_deleted(tmp_path):
    """A counter has one file a day, and deletes those before a day."""
    counter, other = DailyCounter(str(tmp_path)), DailyCounter(str(tmp_path), "refused")
    for day in ("2026-05-07", "2026-05-08", "2026-05-08"):
        counter.add(day), other.add(day)
    counter.prune("2026-05-08")
    assert counter.days() == {"2026-05-08": 2} and other.days() == {"2026-05-07": 1, "2026-05-08": 2}


def test_a_count_has_a_bounded_size(tmp_path, monkeypatch):
    """A flood of requests fills no disk."""
    monkeypatch.setattr(files, "_MOST_COUNTED", 3)
    counter = DailyCounter(str(tmp_path))
    for _ in range(9):
        counter.add("2026-05-08")
    assert counter.days() == {"2026-05-08": 3}
