"""The spool: entries that wait for a database, and what an append costs while many of them wait."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

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


def raise_away():
    raise ConnectionError("away")


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


def test_an_append_does_not_wait_for_a_drain(spool):
    """A drain may erase for minutes. What was appended meanwhile waits for the next drain."""
    spool.append({"number": 1})
    spool.drain(lambda entries: spool.append({"number": len(entries) + 1}))
    assert drained(spool) == [{"number": 2}] and not spool


def test_a_failed_drain_keeps_the_entries(spool):
    """Those that were appended meanwhile stay behind them."""

    def fail(entries):
        spool.append({"number": 2})
        raise ConnectionError("away")

    spool.append({"number": 1})
    with pytest.raises(ConnectionError):
        spool.drain(fail)
    assert drained(spool) == [{"number": 1}, {"number": 2}]


def test_only_one_drain_works_at_a_time(spool):
    """A second one passes no entry twice, and need not wait."""
    spool.append({"number": 1})
    inner = []
    assert spool.drain(lambda entries: inner.append(spool.drain(pytest.fail, wait=False))) == 1
    assert inner == [0] and drained(spool) == []


def test_a_long_spool_is_drained_in_parts(spool, monkeypatch):
    """Few entries are in memory at once. An invalid line is dropped, and a torn last one too."""
    monkeypatch.setattr(files, "_MOST_ENTRIES", 2)
    written(spool, *[b'{"number":%d}\n' % number for number in range(5)], b"nonsense\n", b'{"torn"')
    parts = []
    assert spool.drain(parts.append) == 5 and not spool
    assert [len(part) for part in parts] == [2, 2, 1]


def test_a_long_spool_is_written_again_once(spool, monkeypatch):
    """Writing the rest after each part would take quadratic time, and appends would wait for it."""
    monkeypatch.setattr(files, "_MOST_ENTRIES", 2)
    written(spool, *[b'{"number":%d}\n' % number for number in range(9)])
    cuts, cut = [], spool._cut
    monkeypatch.setattr(spool, "_cut", lambda end: cuts.append(end) or cut(end))
    assert spool.drain(lambda entries: None) == 9 and len(cuts) == 1 and not spool


def test_the_parts_before_a_failure_are_not_drained_again(spool, monkeypatch):
    """A database that fails from time to time still gets further with each drain."""
    monkeypatch.setattr(files, "_MOST_ENTRIES", 2)
    written(spool, *[b'{"number":%d}\n' % number for number in range(5)])
    with pytest.raises(ConnectionError):
        spool.drain(lambda entries: None if entries[0]["number"] < 2 else raise_away())
    assert [entry["number"] for entry in drained(spool)] == [2, 3, 4]


def test_an_append_does_not_wait_until_entries_are_parsed(spool, monkeypatch):
    """Reading twenty thousand of them takes a while, and needs no lock."""
    spool.append({"number": 1})
    monkeypatch.setattr(files, "_MOST_ENTRIES", 1)
    appends = iter([lambda: spool.append({"number": 2})])  # with the lock held, it would never return
    monkeypatch.setattr(files.json, "loads", lambda line: next(appends, dict)() or {"line": line})
    assert spool.drain(lambda entries: None) == 2 and not spool


def test_a_torn_line_alone_does_not_count_as_an_entry(spool):
    """A drain deletes it, so no page states that an erasure still waits."""
    written(spool, b'{"torn"')
    assert spool.drain(pytest.fail) == 0 and not spool


def test_no_append_is_lost_beside_drains(spool):
    """Each entry is drained once, although the file is replaced again and again."""
    found = []

    def append(first):
        for number in range(first, first + 100):
            spool.append({"number": number})

    with ThreadPoolExecutor(4) as threads:
        appending = [threads.submit(append, first) for first in (0, 100, 200)]
        while not all(future.done() for future in appending):
            spool.drain(found.extend)
        spool.drain(found.extend)
    assert sorted(entry["number"] for entry in found) == list(range(300))
