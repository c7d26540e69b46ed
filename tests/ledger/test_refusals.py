"""Refusals: counted by day, policy and language, and sealed into the chain once the day is over."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from conftest import choose
from flask_mixamo_privacy.errors import LedgerUnavailable
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.ledger.refusals import RefusalCounter, number_of, seal_refusals
from flask_mixamo_privacy.ledger.verify import verify
from flask_mixamo_privacy.reports.disclosure_control import Tally
from flask_mixamo_privacy.reports.publisher import decision_tables
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing

STORED = Path(__file__).with_name("refusal_rows.json")
DAY, FRIDAY = 86400, ("2026-05-08", "2026-05-01", "3f0c1ad2", "de")


def ledger_of(folder: Path, host: str = "a") -> Ledger:
    spool = Spool(str(folder / host / "ledger.pending"))
    return Ledger(f"sqlite:///{folder}/ledger.sqlite", KeyRing({"first": "a secret of this test"}, ""), spool)


@pytest.fixture
def ledger(tmp_path: Path, clock: object) -> Ledger:
    return ledger_of(tmp_path)


def sealed(ledger: Ledger) -> list[tuple[str, str, int]]:
    """Return the day, the language and the number of each entry with refusals."""
    return [(row["at"], row["locale"], number_of(row["detail"])) for row in ledger.entries("refusals")]


def refuse(ledger: Ledger, *languages: str) -> None:
    for language in languages:
        ledger.refusals.add(*FRIDAY[:3], language)


def test_a_refusal_adds_no_entry_until_its_day_is_over(tiny, clock):
    """Its place between two timed grants would reveal its time (law 4)."""
    site = tiny()
    for choice in ("accept_all", "reject_all", "accept_all", "reject_all"):
        choose(site.visitor(), choice)
    site.cli("load")
    assert [row["kind"] for row in site.ledger()] == ["grant", "grant"]
    clock.shift(DAY)
    site.cli("load"), site.cli("load")
    *_, last = site.ledger()
    assert (last["kind"], last["at"], last["detail"]) == ("refusals", "2026-05-08", '{"count": 2}')
    assert len(site.ledger()) == 3 and not any(last[name] for name in ("receipt", "replaces", "subject", "text", "source"))


def test_a_count_has_no_time_finer_than_a_day(ledger):
    """The files and their folder say midnight, and each refusal is the same byte."""
    refuse(ledger, "de", "de")
    (count,) = ledger.refusals.counts()
    assert os.stat(count.path).st_mtime == os.stat(os.path.dirname(count.path)).st_mtime == 1_778_198_400  # 00:00 UTC
    assert Path(count.path).read_bytes()[16:] == b".."


def test_refusals_are_sealed_by_day_policy_and_language(ledger, clock):
    """Each policy and language of a day is one entry, in a chain that verifies."""
    refuse(ledger, "de", "en", "de"), ledger.refusals.add("2026-05-07", "1~2/ü", "3f0c1ad2", "")
    assert seal_refusals(ledger) == 1
    clock.shift(DAY)
    assert seal_refusals(ledger) == 3
    assert sealed(ledger) == [("2026-05-07", "", 1), ("2026-05-08", "de", 2), ("2026-05-08", "en", 1)]
    assert [row["policy"] for row in ledger.entries()] == ["1~2/ü", "2026-05-01", "2026-05-01"]
    assert verify(ledger).discrepancies == []


def test_a_count_that_comes_back_is_sealed_once(ledger, clock, tmp_path):
    """A crash before the file is deleted, or an old copy of the log folder, brings it back."""
    refuse(ledger, "de", "de")
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    clock.shift(DAY)
    seal_refusals(ledger)
    shutil.copytree(tmp_path / "copy", tmp_path / "a", dirs_exist_ok=True)
    seal_refusals(ledger)
    assert sealed(ledger) == [("2026-05-08", "de", 2)] and list(ledger.refusals.counts()) == []


def test_a_refusal_on_a_sealed_day_is_counted_too(ledger, clock):
    """The clock of a host may go back."""
    refuse(ledger, "de")
    clock.shift(DAY)
    seal_refusals(ledger)
    refuse(ledger, "de"), seal_refusals(ledger)
    assert sealed(ledger) == [("2026-05-08", "de", 1)] * 2


def test_two_hosts_seal_their_own_counts(ledger, clock, tmp_path):
    """Each host has its own log folder, and all share one ledger."""
    other = ledger_of(tmp_path, "b")
    refuse(ledger, "de"), refuse(other, "de", "de")
    clock.shift(DAY)
    seal_refusals(ledger), seal_refusals(other), seal_refusals(ledger)
    assert sealed(ledger) == [("2026-05-08", "de", 1), ("2026-05-08", "de", 2)]


def test_no_refusal_is_lost_if_many_are_counted_at_once(tmp_path):
    """Counting needs no lock: each refusal is one byte at the end of a file."""
    counter = RefusalCounter(str(tmp_path / "refusals"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: counter.add(*FRIDAY), range(400)))
    assert [count.number for count in counter.counts()] == [400]


def test_a_refusal_waits_for_no_database(tiny, monkeypatch):
    """A flood of refusals takes no lock that a grant needs, and no failure of the ledger concerns it."""
    site = tiny()
    choose(site.visitor(), "accept_all")
    runtime = site.privacy.runtime(site.app)
    monkeypatch.setattr(runtime.ledger.database, "connect", lambda _: pytest.fail("the ledger was opened"))
    late = f"{runtime.policy.policy_fingerprint}.banner.en.{'0' * 64}"
    for shown in ("", "another policy", late):
        assert choose(site.visitor(), "reject_all", shown=shown).status_code == 303
    assert sum(count.number for count in runtime.ledger.refusals.counts()) == 3


def test_a_refusal_starts_the_thread_that_seals_it(tiny, monkeypatch):
    """On a site without a grant, no event starts it."""
    site, started = tiny(TESTING=False, PRIVACY_LOADER=True), []
    monkeypatch.setattr(site.privacy.runtime(site.app)._background, "start", lambda: started.append("started"))
    choose(site.visitor(), "reject_all")
    assert started == ["started"]


def test_the_counts_wait_while_the_ledger_is_unavailable(ledger, clock, tmp_path):
    """They are sealed once it is back."""
    refuse(ledger, "de")
    clock.shift(DAY)
    (tmp_path / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerUnavailable):
        seal_refusals(ledger)
    (tmp_path / "ledger.sqlite").rmdir()
    assert seal_refusals(ledger) == 1


def test_a_count_that_cannot_be_deleted_is_sealed_once(ledger, clock, monkeypatch):
    """On a disk that has become read-only, each pass finds the file again."""
    refuse(ledger, "de")
    clock.shift(DAY)
    with monkeypatch.context() as disk:
        disk.setattr(os, "unlink", lambda _: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="could not be moved to the ledger"):
                seal_refusals(ledger)
    seal_refusals(ledger)
    assert sealed(ledger) == [("2026-05-08", "de", 1)] and list(ledger.refusals.counts()) == []


def test_a_damaged_file_does_not_block_the_other_counts(ledger, clock, caplog):
    """A power loss may leave it empty. It is logged and deleted; a file of another name is left alone."""
    refuse(ledger, "de", "en")
    folder = Path(next(ledger.refusals.counts()).path).parent
    (folder / "note").write_text("not ours"), (folder / "2026-05-08~3f0c1ad2~de~2026-05-01").write_bytes(b"")
    clock.shift(DAY)
    seal_refusals(ledger)
    assert sealed(ledger) == [("2026-05-08", "en", 1)] and os.listdir(folder) == ["note"]
    assert "is not a count of refusals and was deleted" in caplog.text


def test_verification_seals_first_and_finds_a_changed_count(tiny, clock):
    """`flask privacy ledger verify` covers the refusals of each day that is over."""
    site = tiny()
    choose(site.visitor(), "reject_all")
    clock.shift(DAY)
    assert site.cli("ledger", "verify").output == "Intact: 1 entry.\n"
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite")) as connection, connection:
        connection.execute("UPDATE entries SET detail = '{\"count\": 9}'")
    assert site.cli("ledger", "verify").exit_code == 1


def test_a_ledger_that_cannot_be_written_is_still_verified(tiny, clock, monkeypatch):
    """A warning states that the refusals of earlier days are missing."""
    site = tiny()
    choose(site.visitor(), "accept_all"), choose(site.visitor(), "reject_all")
    clock.shift(DAY)
    monkeypatch.setattr(Ledger, "append_new", lambda *_: (_ for _ in ()).throw(LedgerUnavailable("It is read-only.")))
    outcome = site.cli("ledger", "verify")
    assert (outcome.exit_code, outcome.stdout) == (0, "Intact: 1 entry.\n")
    assert "Warning: the refusals of earlier days could not be added. It is read-only." in outcome.stderr


def test_pruning_seals_refusals_and_deletes_them_in_time(tiny, clock):
    """They are kept as long as other decisions."""
    site = tiny()
    choose(site.visitor(), "reject_all")
    clock.shift(DAY)
    site.cli("prune")
    assert [row["kind"] for row in site.ledger()] == ["refusals"]
    clock.shift(6 * 366 * DAY)
    site.cli("prune")
    assert [row["kind"] for row in site.ledger()] == ["checkpoint"]


def test_refusals_of_an_earlier_version_are_verified_and_reported(ledger, tmp_path, clock):
    """Each was an entry of its own. The report adds them to the counts of the same day."""
    stored = json.loads(STORED.read_text())
    with ledger.database.write():
        pass  # creates the tables
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection, connection:
        connection.executemany(f"INSERT INTO entries VALUES ({', '.join('?' * 20)})", stored["entries"])
        connection.execute("INSERT INTO head VALUES (?, ?, ?, ?)", stored["head"])
    refuse(ledger, "de", "de"), clock.shift(DAY)
    tables = decision_tables(ledger.decisions)(date(2026, 5, 8), date(2026, 5, 9))[date(2026, 5, 8)]
    assert {row: tally.number for row, tally in tables["decisions"].items()} == {"refused": 8, "granted": 1}
    assert tables["decisions"]["refused"].persons == 8 and verify(ledger).discrepancies == []


def test_a_flood_of_refusals_is_reported_without_filling_the_memory(ledger, clock):
    """The number is exact, and each refusal is a person of its own."""
    refuse(ledger, "de")
    with open(next(ledger.refusals.counts()).path, "ab") as file:
        file.truncate(16 + 5_000_000)
    clock.shift(DAY)
    day = decision_tables(ledger.decisions)(date(2026, 5, 8), date(2026, 5, 9))[date(2026, 5, 8)]
    assert day["decisions"]["refused"] == Tally(5_000_000, 0, 5_000_000, 5_000_000)


@pytest.mark.parametrize("detail", ["", "[", "7", "{}", '{"count": "9"}', '{"count": -1}', '{"count": true}', "[" * 100_000])
def test_a_tampered_count_breaks_no_report(detail):
    """It counts as none; verification reports it."""
    assert number_of(detail) == 0
