"""Several hosts on one database: no day closes while lines of that day wait on a live host."""

from __future__ import annotations

import shutil
from datetime import timedelta
from itertools import groupby

import pytest

from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.tracking import loader
from flask_mixamo_privacy.tracking.watermarks import forget
from support.event_factory import FIRST, traffic
from support.loading_hosts import Host

pytestmark = pytest.mark.usefixtures("clock")  # noon of 8 May 2026

EVENTS = traffic(5, 12, 80, 20)
DAYS = [list(events) for _, events in groupby(EVENTS, key=lambda event: event["at"][:10])]
ALL_DAYS = [str(FIRST + timedelta(days=number)) for number in range(18)]  # until 7 May
HOUR = 3600


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a host of one database. A batch has about a day."""
    monkeypatch.setattr(loader, "_CHUNK", 20_000)
    return lambda name, database="shared": Host(tmp_path / name, f"sqlite:///{tmp_path}/{database}.sqlite")


@pytest.fixture
def pair(start):
    """Two hosts with every other event of each day. The second has loaded its first batch, and then stopped."""
    first, second = start("first"), start("second")
    for day in DAYS:
        second.write(day[1::2])
        first.write(day[::2])
    second.load(most=1)
    return first, second


def alone(start):
    """Return what one host with all lines publishes."""
    host = start("alone", "alone")
    for day in DAYS:
        host.write(day)
    host.load()
    return host.published()


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if "has not reported" in record.getMessage()]


def test_a_day_waits_for_the_lines_of_another_host(start, pair):
    """Afterwards the tables are those of one host that had all lines."""
    first, second = pair
    first.load()
    assert len(first.closed()) < 4
    second.load()
    first.load()
    assert first.closed() == ALL_DAYS and first.published() == alone(start)


def test_hosts_that_load_alternately_publish_the_tables_of_one_host(start, pair):
    """After each batch of one host, the other loads a batch."""
    first, second = pair
    first.load(progress=lambda _: second.load(most=1))
    second.load()
    first.load()
    assert first.published() == alone(start)


def test_the_last_host_to_load_closes_the_days(start, pair):
    """No other pass is needed, whichever host has the backlog."""
    first, second = pair
    first.load()
    second.load()
    assert second.published() == alone(start)


def test_a_new_host_with_a_backlog_keeps_days_open_from_its_first_batch(start, clock):
    """Until then, days that another host has closed stay closed."""
    first, second = start("first"), start("second")
    first.write(DAYS[0])
    first.load()
    clock.shift(86400)
    for day in DAYS:
        second.write(day)
    second.load(most=1)
    closed = first.closed()
    first.load()
    assert first.closed() == closed
    second.load()
    assert second.closed() == [*ALL_DAYS, "2026-05-08"]


def test_an_idle_host_keeps_no_day_open(start, clock):
    """A host without new lines reports how far it is, so days close a minute later at most."""
    first, second = start("first"), start("second")
    for host in (first, second):
        host.write(DAYS[0])
        host.load()
    clock.shift(13 * HOUR + 30)  # half a minute after 8 May has closed
    first.load()
    assert first.closed() == ALL_DAYS
    second.load()
    first.load()
    assert first.closed() == [*ALL_DAYS, "2026-05-08"]


def test_a_host_that_died_keeps_days_open_for_a_day(pair, clock, caplog):
    """It is named once in the log when it is silent, and once when it is left out."""
    first, second = pair
    first.load()
    closed = first.closed()
    clock.shift(24 * HOUR - 1)
    for _ in range(3):
        first.load()
    silent = (
        f"({second.id}) has not reported since 2026-05-08T12:00:00.000Z. For 24 hours from then, no later day closes unless "
        "that host loads its log. Run `flask privacy load` on that host. If it was removed, run `flask privacy hosts "
        f"--forget {second.id}`."
    )
    assert first.closed() == closed and [each.partition(" (")[2] for each in warnings(caplog)] == [silent[1:]]
    clock.shift(1)
    for _ in range(3):
        first.load()
    assert first.closed() == [*ALL_DAYS, "2026-05-08"] and len(warnings(caplog)) == 2
    assert "Days close without it. Lines of its log waited then; they count on the day of" in warnings(caplog)[1]


def test_lines_of_a_host_that_was_left_out_count_in_the_open_interval(pair, clock):
    """They are counted once, on the day of their loading, and the host keeps days open again."""
    first, second = pair
    clock.shift(24 * HOUR)
    first.load()
    closed = first.table("cells")
    second.load()
    assert set(closed) <= set(second.table("cells"))
    assert second.hosts()[second.id].state == "reporting"
    clock.shift(24 * HOUR)
    first.load()
    views = sum(event["kind"] == "page_view" for event in EVENTS)
    assert sum(row[6] for row in first.table("cells") if row[0] == "pages" and row[5] == "") == views


def test_a_host_that_vanished_with_an_empty_log_is_forgotten(start, clock, caplog):
    """A container that was removed leaves no warning for ever."""
    first, second = start("first"), start("second")
    for host in (first, second):
        host.write(DAYS[0])
        host.load()
    clock.shift(24 * HOUR)
    for _ in range(2):
        first.load()
    assert set(first.hosts()) == {first.id} and "No line of its log waited then." in warnings(caplog)[-1]
    assert len(warnings(caplog)) == 1


def test_a_forgotten_host_keeps_no_day_open_until_it_loads_a_line(pair):
    """An idle pass does not register it, and a line does."""
    first, second = pair
    assert (forget(first.store, second.id), forget(first.store, second.id)) == (True, False)
    first.load()
    assert first.closed() == ALL_DAYS
    second.load()
    assert set(first.hosts()) == {first.id, second.id}
    forget(first.store, second.id)
    second.load()
    assert set(first.hosts()) == {first.id}


def test_a_host_keeps_its_id_under_another_name(start, clock, monkeypatch):
    """A container with a lasting folder has a new name after each start."""
    host = start("first")
    for number, name in enumerate(("one", "two")):
        monkeypatch.setattr("socket.gethostname", lambda name=name: name)
        host.write(DAYS[number])
        host.load()
        clock.shift(HOUR)
    assert [(row.id, row.name) for row in host.hosts().values()] == [(host.id, "two")]


def test_a_copied_folder_is_another_host(start, clock):
    """An image that contains a log folder is started twice, and each host has a row of its own."""
    first = start("first")
    first.write(DAYS[0])
    first.load()
    shutil.copytree(first.folder, first.folder.parent / "second")
    second = start("second")
    for host, day in ((first, DAYS[2]), (second, DAYS[1])):
        clock.shift(HOUR)
        host.write(day)
        host.load()
    assert len(second.hosts()) == 2 and first.id != second.id


def test_a_restored_database_keeps_the_id_of_a_host(start, clock):
    """Its row is older than the host's own file, which is no other host's report."""
    host = start("first")
    host.write(DAYS[0])
    host.load()
    with host.store.read() as connection:
        older = connection.exec_driver_sql("SELECT reported FROM hosts").scalar()
    clock.shift(HOUR)
    host.write(DAYS[1])
    host.load()
    with host.store.write() as connection:
        connection.exec_driver_sql(f"UPDATE hosts SET reported = '{older}'")
    host.write(DAYS[2])
    host.load()
    assert set(host.hosts()) == {host.id}


def test_a_failed_commit_leaves_one_row(start):
    """The file has the id before the database has it, so the next pass registers the host again."""
    host = start("first")
    with host.store.write() as connection:
        connection.exec_driver_sql("CREATE TRIGGER f BEFORE INSERT ON hosts BEGIN SELECT RAISE(ABORT, 'fault'); END")
    host.write(DAYS[0])
    with pytest.raises(StoreUnavailable):
        host.load()
    assert host.hosts() == {} and host.id
    with host.store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER f")
    host.load()
    assert set(host.hosts()) == {host.id}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 5}', "\x00" * 300])
def test_a_damaged_identity_is_replaced(start, content):
    """A disk that was full while the file was written does not stop the loader."""
    host = start("first")
    (host.folder / "loader.lock").write_text(content)
    host.write(DAYS[0])
    assert host.load().events == len(DAYS[0]) and set(host.hosts()) == {host.id}


def test_a_host_without_lines_is_not_registered(start):
    """A command on a machine that serves no visitor keeps no day open."""
    first, second = start("first"), start("second")
    first.write(DAYS[0])
    first.load()
    second.load()
    assert set(first.hosts()) == {first.id} and second.id == ""


def test_a_host_alone_reports_every_half_an_hour(start, clock):
    """Between reports, an idle loader writes nothing. A second host makes it report every minute."""
    first, second = start("first"), start("second")
    first.write(DAYS[0])
    first.load()
    reported = []
    for seconds in (1799, 1, 60):
        clock.shift(seconds)
        first.load()
        reported.append(first.hosts()[first.id].reported[11:19])
    second.write(DAYS[1])
    second.load()
    first.load()
    assert [*reported, first.hosts()[first.id].reported[11:19]] == ["12:00:00", "12:30:00", "12:30:00", "12:31:00"]


def test_a_clock_that_was_set_back_does_not_stop_reports(start, clock):
    """The host reports at once, under the same id."""
    host = start("first")
    host.write(DAYS[0])
    host.load()
    clock.shift(-2 * HOUR)
    host.write(DAYS[1])
    host.load()
    assert host.hosts()[host.id].reported == "2026-05-08T10:00:00.000Z" and len(host.hosts()) == 1


def test_a_host_reports_at_once_that_older_lines_wait(start):
    """An operator has put segments of another machine into its log folder."""
    host = start("first")
    for day in (5, 6, 7, 0, 1):
        host.write(DAYS[day])
        if day == 7:
            host.load(most=1)
    host.load(most=1)
    assert host.hosts()[host.id].watermark[:10] == ALL_DAYS[0]


def test_a_segment_of_unknown_time_keeps_every_day_open(start):
    """It may belong to any day, on another host as well."""
    first, second = start("first"), start("second")
    second.write(DAYS[0])
    (second.folder / "zzz.events").write_text("no event\n" * 3000)
    second.load(most=1)
    first.write(DAYS[1])
    first.load()
    closed = first.closed()
    second.load()
    assert (closed, second.closed()) == ([], ALL_DAYS)


def test_a_host_keeps_the_cursors_of_another(start, monkeypatch):
    """Each host loads its own segments once, and drops the cursors of those that it deleted."""
    first, second = start("first"), start("second")
    monkeypatch.setattr(loader, "delete_file", lambda path: False)  # a process still writes to them
    for host in (first, second):
        host.write(DAYS[0])
        host.load()
    assert [host.load().lines for host in (first, second, first)] == [0, 0, 0]
