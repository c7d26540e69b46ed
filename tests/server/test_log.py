"""The event log and its loader under failures: full disks, torn and malformed lines, failed inserts, forks."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import Tiny, choose
from flask_mixamo_privacy.errors import LoaderBusy, StoreUnavailable
from flask_mixamo_privacy.tracking import loader, sql_events
from flask_mixamo_privacy.tracking.events import FIELDS, new_id
from flask_mixamo_privacy.tracking.loader import Loaded
from flask_mixamo_privacy.tracking.log import EventLog, segments
from flask_mixamo_privacy.web.background import Background

EVENT: dict[str, Any] = dict.fromkeys(FIELDS) | {
    "id": "1", "at": "2026-05-08T12:00:00.000Z", "kind": "page_view", "visitor": "v", "visit": "w", "page": "/", "data": {},
}  # fmt: skip


def line(**values: Any) -> bytes:
    return json.dumps(EVENT | values).encode() + b"\n"


def lines(*ids: object) -> bytes:
    return b"".join(line(id=str(name)) for name in ids)


class Logged(Tiny):
    """A site whose log the test writes itself."""

    def __init__(self, folder: Path, **config: Any) -> None:
        super().__init__(folder, **config)
        self.site = self.privacy.runtime(self.app)
        self.log = folder / "privacy-log"
        self.database = folder / "privacy-events.sqlite"
        self.log.mkdir(exist_ok=True)

    def segment(self, content: bytes, name: str = "host-1-a.events") -> Path:
        with open(self.log / name, "ab") as file:
            file.write(content)
        return self.log / name

    def load(self) -> Loaded:
        return self.site.load()

    def ids(self) -> set[str]:
        return {row["id"] for row in self.site.store.rows()}

    def query(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement).fetchall()


@pytest.fixture
def logged(tmp_path: Path) -> Callable[..., Logged]:
    folder = tmp_path / "instance"
    folder.mkdir()
    return lambda **config: Logged(folder, **config)


@contextmanager
def living_writer(path: Path) -> Iterator[None]:
    """Act as the living process that writes this segment."""
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# Full disk


FULL_DISK = """
import json, resource, signal, sys
from flask import Flask
from flask_mixamo_privacy import Privacy

app = Flask("full", instance_path=sys.argv[1])
app.config.update(SECRET_KEY="not a secret, a test", TESTING=sys.argv[2] == "loud", PRIVACY_LOADER=False)
privacy = Privacy(app)
app.add_url_rule("/<int:number>", "page", lambda number: "page")
visitor, site = app.test_client(), privacy.runtime(app)
visitor.post("/privacy/consent", data={"choice": "accept_all"})
visitor.get("/0")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, most))
raised, status, counted = "", [], []
try:
    for number in range(1, 60):
        before = site.failures
        status.append(visitor.get(f"/{number}").status_code)
        if site.failures == before:
            counted.append(f"/{number}")
except Exception as error:
    raised = type(error).__name__
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
loaded = site.load()
pages = [event["page"] for event in site.store.rows() if event["kind"] == "page_view"]
print(json.dumps({
    "status": status, "counted": ["/0", *counted], "pages": pages, "failures": site.failures, "raised": raised,
    "torn": loaded.torn, "malformed": loaded.malformed,
}))
"""


def on_a_full_disk(folder: Path, how: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(folder), how]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout)


@pytest.mark.server
def test_promise_a_full_disk_loses_only_what_did_not_fit(tmp_path):
    """Pages are served, each failure is counted, and every complete line is loaded, also those after the torn line."""
    found = on_a_full_disk(tmp_path, "quiet")
    assert set(found["status"]) == {200} and found["raised"] == ""
    assert 1 < found["failures"] == 60 - len(found["counted"])
    assert sorted(found["pages"]) == sorted(found["counted"])  # including those after the failure, in a new segment
    assert (found["torn"], found["malformed"]) == (found["failures"], 0)


@pytest.mark.server
def test_a_full_disk_raises_under_testing(tmp_path):
    """Under TESTING the first line that does not fit raises an error."""
    assert on_a_full_disk(tmp_path, "loud")["raised"] == "LogUnavailable"


# Torn and malformed lines


def test_a_torn_last_line_of_a_dead_writer_is_counted(logged):
    """The complete lines are loaded, the torn line is counted and is no event, and the segment is finished."""
    site = logged()
    path = site.segment(lines(1, 2) + line(id="3")[:-20])
    assert site.load() == Loaded(events=2, lines=2, torn=1, malformed=0)
    assert site.ids() == {"1", "2"} and not path.exists()


def test_an_incomplete_line_of_a_living_writer_is_not_torn(logged):
    """An incomplete line of a living writer is neither torn nor malformed. It becomes an event once it is complete."""
    site, third = logged(), line(id="3")
    path = site.segment(lines(1, 2) + third[:40])
    with living_writer(path):
        assert site.load() == Loaded(events=2, lines=2)
        site.segment(third[40:])
        assert site.load() == Loaded(events=1, lines=1)
        assert path.exists()
    assert site.load() == Loaded() and not path.exists()


@pytest.mark.parametrize(
    "bad",
    [
        b"not json\n", b"\n", b"[]\n", b"5\n", b"null\n", b'"text"\n', b"{}\n", b"\0\0\0\0\n", b"\xff\xfe\n", b"[" * 5000 + b"\n",
        line(page=5), line(visitor=None), line(visitor=["v"]), line(id=1), line(at="yesterday"), line(at=None), line(kind=None),
        line(network={}), line(page="\ud800"), line()[:-2] + b"\n",
        json.dumps({name: value for name, value in EVENT.items() if name != "visit"}).encode() + b"\n",
    ],
    ids=lambda bad: repr(bad[-30:]),
)  # fmt: skip
def test_a_malformed_line_is_quarantined(logged, bad):
    """A malformed line is stored beside the events and counted, and the other lines of its batch are loaded."""
    site = logged()
    site.segment(lines(1) + bad + lines(2))
    assert site.load() == Loaded(events=2, lines=3, torn=0, malformed=1)
    assert site.ids() == {"1", "2"}
    assert site.query("SELECT offset FROM malformed") == [(len(lines(1)),)]


@pytest.mark.parametrize("data", [[1], 5, "text"])
def test_event_data_must_be_an_object(logged, data):
    """Reports may assume an object, even in a line that another program wrote."""
    site = logged(PRIVACY_MIN_CELL=2)
    site.segment(b"".join(line(kind="customisation", visitor=str(name), data=data) for name in range(5)))
    assert site.load().malformed == 5
    assert site.cli("report").exit_code == 0


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_that_is_too_long_is_quarantined(logged, end):
    """A line of ten megabytes affects neither the lines around it nor the next segment."""
    site = logged()
    site.segment(lines(1) + b"x" * 10_000_000 + end + (lines(2) if end else b""))
    site.segment(lines(3), "host-2-b.events")
    loaded = site.load()
    assert loaded.events == (3 if end else 2)
    assert loaded.malformed + loaded.torn >= 1 and site.load() == Loaded()
    assert all(len(text) <= 4096 for (text,) in site.query("SELECT line FROM malformed"))


def test_two_tabs_can_start_one_visit_in_the_same_millisecond(logged):
    """Both visit_start events have the same id, whatever their referrers, and count as one event."""
    site = logged()
    start = {"kind": "visit_start", "id": "start"}
    site.segment(line(**start, previous=None) + line(**start, previous="/other") + lines(1))
    assert site.load().events == 2 and site.ids() == {"start", "1"}


def test_a_second_load_of_the_same_segment_adds_nothing(logged):
    """Neither events nor malformed lines are added again, even if the cursor was lost."""
    site = logged(PRIVACY_LOG_KEEP=30)
    site.segment(lines(1) + b"not json\n" + lines(2))
    site.load()
    site.query("DELETE FROM cursors")
    assert (site.load().events, site.ids()) == (0, {"1", "2"})
    assert site.query("SELECT count(*) FROM malformed") == [(1,)]


def test_malformed_lines_are_pruned_once_their_segment_is_gone(logged, monkeypatch):
    """They may name a visitor, so no line is kept for ever. An operator can read them as long as the segment exists."""
    monkeypatch.setattr(sql_events, "AT_MOST", 2)
    site = logged()
    living = site.segment(b"of a living writer\n" + lines(1))
    site.segment(b"old\n" * 5 + lines(2), "host-2-b.events")
    with living_writer(living):
        for _ in range(2):
            site.load()
        site.site.prune()
        assert site.query("SELECT line FROM malformed") == [("of a living writer\n",)]
    site.load(), site.load()
    site.site.prune()
    assert site.query("SELECT line FROM malformed") == [] and "of a living" not in (site.database).read_text("latin-1")


def test_more_events_than_one_statement_takes_are_each_counted_once(logged):
    """New events are counted in every statement, and an event on two lines is counted once."""
    site = logged()
    site.segment(lines(*range(300, 900)), "first.events")
    assert site.load().events == 600
    site.segment(lines(*range(1300), *range(1200, 1300)))
    assert site.load() == Loaded(events=700, lines=1400) and site.ids() == set(map(str, range(1300)))


def test_exchanged_segments_lose_no_line(logged):
    """Two partly loaded segments change their names, as in a restored copy. Each unloaded line is still loaded, once."""
    site = logged()
    first, second = site.segment(lines(1, 2, 3)), site.segment(lines(10) * 2 + line(id="a long one"), "host-2-b.events")
    with living_writer(first), living_writer(second):
        site.load()
        site.segment(lines(4), first.name)
        site.segment(lines(*range(20, 26)), second.name)
    first.rename(site.log / "aside")
    second.rename(first)
    (site.log / "aside").rename(second)
    assert site.load().events == 7
    assert site.ids() == {*map(str, (1, 2, 3, 4, 10, *range(20, 26))), "a long one"}


def test_a_cursor_may_be_inside_a_line_that_is_too_long(logged, monkeypatch):
    """The pieces of such a line are set aside once each, while its writer is still at work."""
    monkeypatch.setattr(loader, "_CHUNK", 1000)
    site = logged()
    path = site.segment(lines(1) + b"x" * 3500)
    with living_writer(path):
        assert [site.site.loader.load(most=1).malformed for _ in range(6)].count(1) == 3
        site.segment(b"\n" + lines(2))
    site.load()
    assert site.ids() == {"1", "2"}


def test_one_segment_that_cannot_be_read_does_not_hide_the_others(logged):
    """The segment may be a dangling link, or a file that was deleted while the folder was listed."""
    site = logged()
    site.segment(lines(1))
    (site.log / "host-2-b.events").symlink_to("nowhere")
    assert site.load().events == 1


# Transactions


def test_a_failed_batch_is_rolled_back(logged):
    """The cursor and the events are committed together or not at all; the second attempt loads everything."""
    site = logged()
    site.segment(lines("a"), "first.events")
    site.load()
    site.query("CREATE TRIGGER fault BEFORE INSERT ON events WHEN NEW.id = 'm' BEGIN SELECT RAISE(ABORT, 'fault'); END")
    path = site.segment(lines("b", "m", "z"))
    with pytest.raises(StoreUnavailable):
        site.load()
    assert site.ids() == {"a"} and path.exists()
    assert path.name not in [name for (name,) in site.query("SELECT segment FROM cursors")]
    site.query("DROP TRIGGER fault")
    assert site.load() == Loaded(events=3, lines=3) and site.ids() == {"a", "b", "m", "z"}


def test_batches_before_a_failed_one_stay_loaded(logged, monkeypatch):
    """A long segment is loaded in batches, each with its cursor, and a loaded batch is not read again."""
    monkeypatch.setattr(loader, "_CHUNK", 1000)  # three or four events
    site = logged()
    site.segment(lines("a"), "first.events")
    site.load()
    site.query("CREATE TRIGGER fault BEFORE INSERT ON events WHEN NEW.id = 'm' BEGIN SELECT RAISE(ABORT, 'fault'); END")
    site.segment(lines(*"bcdefghijklmnopqrstuvwxyz"))
    with pytest.raises(StoreUnavailable):
        site.load()
    before = site.ids()
    assert {"a", "b"} < before and "m" not in before
    site.query("DROP TRIGGER fault")
    assert site.load().lines == 26 - len(before) and site.ids() == set("abcdefghijklmnopqrstuvwxyz")


def test_only_one_of_two_loaders_loads(logged):
    """The other loader reports that it is busy, or waits for its turn."""
    site, inside, go_on = logged(), threading.Event(), threading.Event()
    site.segment(lines(1))

    def slowly(_size: int) -> None:
        inside.set()
        go_on.wait(30)

    first = threading.Thread(target=site.site.loader.load, kwargs={"progress": slowly})
    first.start()
    assert inside.wait(30)
    with pytest.raises(LoaderBusy):
        site.load()
    go_on.set()
    assert site.site.load(wait=30) == Loaded()
    first.join()
    assert site.ids() == {"1"}


def test_the_background_loader_survives_a_failure():
    """The background loader retries if the database is unavailable or another loader is at work."""
    faults, done = iter([StoreUnavailable("away"), LoaderBusy("busy"), OSError("full")]), threading.Event()

    def work() -> None:
        for fault in faults:
            raise fault
        done.set()
        threading.Event().wait()  # keeps the thread idle from now on

    Background(work, pause=0.001).start()
    assert done.wait(30)


def test_the_background_loader_uses_a_tenth_of_the_time(monkeypatch):
    """Page views during a backlog take precedence, and a caller that waits for the lock does not wait for minutes."""
    used, pauses, done = iter([0.0, 0.5, 0.5, 0.6, 0.6, 60.6, 60.6]), [], threading.Event()
    monkeypatch.setattr(
        "flask_mixamo_privacy.web.background.time", SimpleNamespace(thread_time=lambda: next(used), sleep=pauses.append)
    )

    def work() -> None:
        if len(pauses) == 4:
            done.set()
            threading.Event().wait()

    Background(work).start()
    assert done.wait(30) and pauses == [2.0, 4.5, 2.0, 30.0]


# Forks


def in_a_child(work: Callable[[], str]) -> str:
    """Return the function's result from a forked process."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        found = answer.read()
    os.waitpid(child, 0)
    return found


FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@FORKS
def test_a_child_does_not_write_to_its_parents_segment(tmp_path):
    """After a fork, each process writes its own segment, and both can continue to write."""
    log = EventLog(str(tmp_path), background=False)
    log.append("parent\n")
    assert in_a_child(lambda: log.append("child\n") or "written") == "written"
    log.append("parent\n")
    assert sorted(Path(path).read_text() for path in segments(str(tmp_path))) == ["child\n", "parent\nparent\n"]
    log.close()


@FORKS
def test_a_child_that_exits_does_not_unlock_its_parents_segment(logged):
    """The parent is still writing, so the loader does not remove its segment."""
    site = logged()
    log = EventLog(str(site.log), background=False)
    log.append(lines(1).decode())
    assert in_a_child(lambda: log.close() or "closed") == "closed"
    site.load()
    assert len(segments(str(site.log))) == 1
    log.append(lines(2).decode())
    log.close()
    site.load()
    assert site.ids() == {"1", "2"} and segments(str(site.log)) == []


@FORKS
def test_ids_do_not_repeat_in_a_child():
    """Parent and child share neither prefix nor counter, so no two events have the same id."""
    new_id()
    children = {in_a_child(new_id) for _ in range(3)}
    assert len(children | {new_id()}) == 4 and len({*(name[:12] for name in children), new_id.prefix}) == 4


def test_a_closed_segment_is_never_reopened(logged):
    """Restarting, rotating and closing each start a new file, so the loader may delete the old one."""
    site = logged()
    log = EventLog(str(site.log), segment_bytes=len(lines(1)) * 3, background=False)
    for number in range(10, 17):
        log.append(lines(number).decode())
    found = [Path(path).read_text().count("\n") for path in segments(str(site.log))]
    assert sorted(found) == [1, 3, 3]
    log.close()
    assert site.load().events == 7 and segments(str(site.log)) == []


def test_a_segment_is_readable_only_by_the_sites_user(tiny):
    """Only the site's own user may access the folder and the file."""
    site = tiny()
    choose(visitor := site.visitor(), "accept_all")
    visitor.get("/")
    path = Path(segments(str(site.folder / "privacy-log"))[0])
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
