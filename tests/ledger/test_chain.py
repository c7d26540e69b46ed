"""The ledger's chain: verification finds every manipulation of a row, and the site's own writes keep the chain valid."""

import json
import multiprocessing
import sqlite3
import sys
from contextlib import closing

import pytest

from conftest import choose
from flask_mixamo_privacy.consent.proof import ShownText
from flask_mixamo_privacy.errors import LedgerUnavailable
from flask_mixamo_privacy.ledger.entry import Head, LedgerEntry
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.ledger.verify import verify
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing

OLD, NEW = {"old": "the secret of last year"}, {"new": "the secret of this year"}
TABLES = ("entries", "texts", "head")
YEAR = 365 * 86400
BITS = (1, 32, 128)  # the lowest bit, the one that distinguishes upper and lower case, and the highest, which breaks UTF-8


class Book:
    """A ledger in a folder, with raw access to its database file."""

    def __init__(self, folder, keys=OLD):
        self.folder, self.path = folder, folder / "privacy-ledger.sqlite"
        self.ledger = Ledger(f"sqlite:///{self.path}", KeyRing(keys, ""), Spool(str(folder / "ledger.pending")))

    def write(self, *days, kind="access"):
        for day in days:
            self.ledger.append(LedgerEntry(kind, f"{day}T12:00:00.000Z", receipt=f"of {day}", detail='{"who": "ann"}'))
        return self

    def hand(self, *statements):
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            for statement in statements:
                connection.execute(*statement if isinstance(statement, tuple) else (statement,))

    def look(self, statement):
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def count(self):
        return self.look("SELECT COUNT(*) FROM entries")[0][0]

    def discrepancies(self, expect=None):
        return [(each.kind, each.position) for each in verify(self.ledger, expect).discrepancies]


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


@pytest.fixture
def five(book):
    return book.write(*(f"2026-05-0{day}" for day in range(1, 6)))


@pytest.fixture
def decided(book):
    """A ledger with and without shown texts, and with a name in it."""
    shown = ShownText("banner", "en", '{"text":"May we?"}', "print")
    grant = LedgerEntry(
        "grant", "2026-05-08T12:00:00.000Z", "receipt", "", "2026-05-01", "print", ("statistics",), text=shown.digest
    )
    book.ledger.append(grant, shown)
    book.ledger.append(LedgerEntry("refusal", "2026-05-08"))
    book.ledger.append(LedgerEntry("erasure", "2026-05-08T13:00:00.000Z", gpc=True, subject="0a1b", subject_key="old"))
    return book


@pytest.fixture
def sealed(book, request):
    """The same ledger after pruning: the chain begins at a checkpoint, which is a row like the others."""
    book.ledger.append(LedgerEntry("access", "2020-05-08T12:00:00.000Z"))
    decided = request.getfixturevalue("decided")
    assert decided.ledger.prune("2026-05-01", "2026-05-09T12:00:00.000Z") == 1
    return decided


def loosen(book, table):
    """Remove types and constraints from a table's columns, so that a cell may contain any value."""
    columns = ", ".join(row[1] for row in book.look(f"PRAGMA table_info({table})"))
    book.hand(f"CREATE TABLE loose ({columns})", f"INSERT INTO loose SELECT {columns} FROM {table}", f"DROP TABLE {table}")
    book.hand(f"ALTER TABLE loose RENAME TO {table}")
    return columns.split(", ")


def bytes_changed(value):
    """Yield the value with each of its bytes changed, one bit at a time."""
    if isinstance(value, int):
        return [value ^ 1, value + 256]
    stored = value.encode()
    flipped = [stored[:at] + bytes([byte ^ BITS[at % len(BITS)]]) + stored[at + 1 :] for at, byte in enumerate(stored)]
    return [*flipped, stored + b"\0", stored[:-1]] if stored else [b"x", b"\0"]


def of_another_type(value):
    """Yield values that look the same but have another type."""
    if isinstance(value, int):
        return [None, str(value).encode(), value + 0.5]
    return [None, 7, 0.5] if value else [None, 0]


def not_found(book, table, changes):
    """Return the changed cells of a table that verification misses. Each change is undone before the next."""
    names, missed = loosen(book, table), []
    with closing(sqlite3.connect(book.path, isolation_level=None)) as hand:
        hand.execute("PRAGMA synchronous=OFF")
        for rowid, *values in hand.execute(f"SELECT rowid, {', '.join(names)} FROM {table}").fetchall():
            for name, value in zip(names, values, strict=True):
                update = f"UPDATE {table} SET {name} = {{}} WHERE rowid = {rowid}"
                for changed in changes(value):
                    hand.execute(update.format("CAST(? AS TEXT)" if isinstance(changed, bytes) else "?"), (changed,))
                    missed += [] if verify(book.ledger).discrepancies else [(rowid, name, changed)]
                hand.execute(update.format("?"), (value,))
    assert verify(book.ledger).discrepancies == []
    return missed


@pytest.mark.parametrize("table", TABLES)
def test_every_changed_byte_of_every_cell_is_found(sealed, table):
    """In entries, checkpoints, the shown texts that they name, and the row of the ledger's head."""
    kinds = [kind for (kind,) in sealed.look("SELECT kind FROM entries ORDER BY position")]
    assert kinds == ["grant", "refusal", "erasure", "checkpoint"] and not_found(sealed, table, bytes_changed) == []


@pytest.mark.parametrize("table", TABLES)
def test_null_and_another_type_are_found_in_every_cell(decided, table):
    """NULL, a number instead of a text, and a text instead of a number are found."""
    assert not_found(decided, table, of_another_type) == []


def test_a_blob_is_not_the_text_of_the_same_bytes(decided):
    """The blob and the text are two different values, and only one of them was written."""
    decided.hand("UPDATE entries SET detail = CAST(detail AS BLOB) WHERE position = 2")
    assert decided.discrepancies() == [("changed", 2)]


@pytest.mark.parametrize(
    ("done", "discrepancies"),
    [
        ("UPDATE entries SET detail = 'x' WHERE position = 2", [("changed", 2)]),
        ("UPDATE entries SET hash = substr(hash, 2) || 'g' WHERE position = 2", [("changed", 2)]),
        ("UPDATE entries SET detail = 'x' WHERE position IN (1, 2, 5)", [("changed", 1), ("changed", 2), ("changed", 5)]),
        ("DELETE FROM entries WHERE position = 3", [("removed", 3)]),
        ("DELETE FROM entries WHERE position IN (1, 2)", [("removed", 1)]),
        ("DELETE FROM entries WHERE position = 5", [("cut off", 5)]),
        ("DELETE FROM entries WHERE position > 1", [("cut off", 2)]),
        ("DELETE FROM entries", [("cut off", 1)]),
        ("DELETE FROM head", [("removed", 5)]),
        ("UPDATE head SET count = 4", [("changed", 5)]),
        ("UPDATE entries SET position = 9 WHERE position = 2", [("removed", 2), ("removed", 6)]),
        ("UPDATE entries SET position = 0 WHERE position = 1", [("inserted", 0), ("removed", 1)]),
    ],
)  # fmt: skip
def test_a_manipulated_entry_is_reported_with_its_position(five, done, discrepancies):
    """Entries may be changed, removed, or cut off at the end."""
    five.hand(done)
    assert set(discrepancies) <= set(five.discrepancies())


def test_swapped_entries_are_found(five):
    """Verification reports the first of the two. Later entries no longer follow the entry that they were sealed with."""
    five.hand(*(f"UPDATE entries SET position = {to} WHERE position = {of}" for of, to in ((2, 99), (4, 2), (99, 4))))
    assert five.discrepancies()[0] == ("changed", 2) and ("changed", 4) in five.discrepancies()


def test_an_inserted_entry_is_found(five):
    """Verification reports the inserted entry and those after it, which were moved to make room."""
    five.hand(
        "UPDATE entries SET position = -position - 1 WHERE position > 2",
        "UPDATE entries SET position = -position WHERE position < 0",
    )
    columns = [row[1] for row in five.look("PRAGMA table_info(entries)")]
    same = ", ".join({"position": "3", "entry": "'new'"}.get(name, name) for name in columns)
    five.hand(f"INSERT INTO entries SELECT {same} FROM entries WHERE position = 1")
    assert five.discrepancies()[0] == ("changed", 3) and five.discrepancies()[-1] == ("inserted", 6)


def test_an_entry_appended_without_the_key_is_found(five):
    """Without the key, it is impossible to write an entry with a valid seal."""
    columns = [row[1] for row in five.look("PRAGMA table_info(entries)")]
    same = ", ".join({"position": "6", "entry": "'new'"}.get(name, name) for name in columns)
    five.hand(f"INSERT INTO entries SELECT {same} FROM entries WHERE position = 5")
    assert ("inserted", 6) in five.discrepancies()


def test_verifying_takes_a_bounded_number_of_seals_a_row(five, monkeypatch):
    """The number is bounded even if every entry was changed or moved."""
    made = []
    mac = KeyRing.mac
    monkeypatch.setattr(KeyRing, "mac", lambda *given: made.append(1) or mac(*given))
    for done in ("detail = 'x'", "hash = 'x'", "position = 1000 - position"):
        made.clear()
        five.hand(f"UPDATE entries SET {done}")
        assert five.discrepancies() and len(made) <= 3 * five.count() + 1


def test_a_truncation_stays_visible_after_the_next_entry(five):
    """Later entries do not hide the truncation, whether or not the row of the ledger's head was cut too."""
    five.hand("DELETE FROM entries WHERE position = 5")
    five.write("2026-05-06")
    assert five.discrepancies() == [("removed", 5)]
    five.hand("DELETE FROM head")
    five.write("2026-05-07", "2026-05-08")
    assert {kind for kind, _ in five.discrepancies()} == {"removed", "changed"}


def test_a_full_rollback_is_found_by_an_external_head(five, tmp_path):
    """A complete rollback leaves no evidence in the ledger. An external head reveals it, even after new entries."""
    before, head = five.path.read_bytes(), five.write("2026-05-06").ledger.head()
    five.path.write_bytes(before)
    assert five.discrepancies() == [] and five.discrepancies(head) == [("cut off", 6)]
    five.write("2026-05-07", "2026-05-08")
    assert five.discrepancies() == [] and five.discrepancies(head) == [("cut off", 6)]


@pytest.mark.parametrize("count", [0, 3, 5])
def test_an_external_head_is_a_position_in_the_chain(five, count):
    """A head of any earlier time is valid while the chain continues after it."""
    kept = five.look(f"SELECT hash FROM entries WHERE position = {count}") or [("0" * 64,)]
    assert five.discrepancies(Head(count, kept[0][0])) == []
    assert five.discrepancies(Head(count, "f" * 64)) != [] or count == 0


@pytest.mark.parametrize(
    ("done", "position"),
    [
        ("UPDATE texts SET body = 'Yes?'", 1),
        ("DELETE FROM texts", 1),
        ("INSERT INTO texts VALUES ('0a', 'banner', 'en', 'Yes?')", 0),
        ("INSERT INTO texts SELECT '0a', source, locale, body FROM texts", 0),
    ],
)
def test_a_manipulated_shown_text_is_reported(decided, done, position):
    """A text that was changed, deleted or added is reported with the entry that names it."""
    decided.hand(done)
    assert decided.discrepancies() == [("text", position)]


def write_on(folder, number):
    book = Book(folder)
    for _ in range(number):
        book.write("2026-05-08")


@pytest.mark.server
def test_several_processes_write_one_chain(book, tmp_path):
    """Four processes write at once, and the first one creates the file."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_on, args=(tmp_path, 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (book.discrepancies(), book.ledger.head().count) == ([], 100)


def test_spooled_entries_join_the_chain_once(book):
    """Spooled entries keep their order and their texts. After a crash they are drained again and recognised."""
    shown = ShownText("banner", "en", "{}", "print")
    book.path.mkdir()
    book.ledger.append_or_spool(LedgerEntry("withdrawal", "2026-05-08T12:00:00.000Z", text=shown.digest), shown)
    book.ledger.append_or_spool(LedgerEntry("refusal", "2026-05-08"))
    book.path.rmdir()
    spooled = (book.folder / "ledger.pending").read_bytes()
    assert book.ledger.drain_spool() == 2
    (book.folder / "ledger.pending").write_bytes(spooled * 2)
    book.write("2026-05-09")
    assert [row["kind"] for row in book.ledger.entries()] == ["withdrawal", "refusal", "access"]
    assert (book.discrepancies(), (book.folder / "ledger.pending").read_bytes()) == ([], b"")


def test_an_invalid_spooled_entry_does_not_block_the_others(book, caplog):
    """An invalid spooled entry is logged, and the other entries are written to the ledger."""
    (book.folder / "ledger.pending").write_text('[]\n{"kind": "grant"}\n7\n')
    book.ledger.drain_spool()
    assert [row["kind"] for row in book.write("2026-05-08").ledger.entries()] == ["access"] and book.discrepancies() == []
    assert "The ledger's spool has duplicate lines or lines that are not entries" in caplog.text


def test_keys_rotate_and_old_entries_verify_under_theirs(five):
    """New entries are sealed with the newest key."""
    after = Book(five.folder, OLD | NEW).write("2026-05-06", "2026-05-07")
    assert [row["chain_key"] for row in after.ledger.entries()] == ["old"] * 5 + ["new"] * 2
    assert after.discrepancies() == []
    after.hand("UPDATE entries SET chain_key = 'new' WHERE position = 2")
    assert after.discrepancies() == [("changed", 2)]


def test_a_key_that_an_entry_names_cannot_be_dropped(tiny, five):
    """Verification names the missing key and does not report success."""
    site = tiny(PRIVACY_KEYS=NEW, PRIVACY_LEDGER_URL=f"sqlite:///{five.path}")
    outcome = site.cli("ledger", "verify")
    assert outcome.exit_code == 2 and "the key 'old', but PRIVACY_KEYS has only: new. Restore the key" in outcome.output
    checked = site.cli("check")
    assert checked.exit_code == 1 and "Entries of the ledger name the key 'old'" in checked.output


def test_an_unverifiable_head_accepts_no_entry(tiny, clock, five, caplog):
    """A grant is answered with 503, and the log names the missing key. Refusals are sealed once the key is back."""
    place = {"PRIVACY_LEDGER_URL": f"sqlite:///{five.path}"}
    site = tiny(PRIVACY_KEYS=NEW, **place)
    assert choose(site.visitor(), "accept_all").status_code == 503
    assert "head cannot be checked, so no entry was added. A stored row uses the key 'old'" in caplog.text
    assert choose(site.visitor(), "reject_all").status_code == 303
    clock.shift(86400)
    assert site.cli("load").exit_code == 0 and five.count() == 5
    again = tiny(PRIVACY_KEYS=OLD | NEW, **place)
    again.privacy.runtime(again.app).load()
    assert five.count() == 6 and Book(five.folder, OLD | NEW).discrepancies() == []


def test_an_invented_key_for_the_head_hides_nothing(five):
    """Entries are cut off and the head names a key that never existed: no later entry makes the ledger valid."""
    five.hand("DELETE FROM entries WHERE position > 3", "UPDATE head SET count = 3, key = 'gone'")
    five.hand("UPDATE head SET hash = (SELECT hash FROM entries WHERE position = 3)")
    with pytest.raises(LedgerUnavailable, match="the key 'gone', but PRIVACY_KEYS has only: old"):
        five.write("2026-05-06")
    assert [error.key_id for error in verify(five.ledger).missing] == ["gone"]


def test_a_changed_entry_is_found_while_another_key_is_missing(five):
    """Every entry whose key exists is verified."""
    Book(five.folder, OLD | NEW).write("2026-05-06", "2026-05-07").hand("UPDATE entries SET detail = '' WHERE position = 7")
    found = verify(Book(five.folder, NEW).ledger)
    assert [(each.kind, each.position) for each in found.discrepancies] == [("changed", 7)]
    assert [error.key_id for error in found.missing] == ["old"]


def test_pruned_entries_leave_a_checkpoint_and_the_chain_stays_valid(five):
    """A checkpoint records the number and the last of the pruned entries; the rest of the chain continues from it."""
    heads = {count: Head(count, hash) for count, hash in five.look("SELECT position, hash FROM entries")}
    assert five.ledger.prune("2026-05-04", "2031-05-04T12:00:00.000Z") == 3
    assert [row["kind"] for row in five.ledger.entries()] == ["access", "access", "checkpoint"]
    assert json.loads(next(five.ledger.entries("checkpoint"))["detail"]) == {"head": str(heads[3])}
    assert [five.discrepancies(head) for head in (None, heads[3], heads[4], five.ledger.head())] == [[]] * 4
    assert five.ledger.prune("2026-05-04", "2031-05-05T12:00:00.000Z") == 0 and five.ledger.head().count == 6


def test_a_chain_can_be_pruned_repeatedly(five):
    """Each checkpoint is pruned like any other entry, and the last one stays."""
    for day in range(2, 9):
        five.ledger.prune(f"2026-05-0{day}", f"2026-06-0{day}T12:00:00.000Z")
        assert five.discrepancies() == []
    assert [row["kind"] for row in five.ledger.entries()] == ["checkpoint"] * 5
    five.write("2026-06-30")
    assert five.ledger.prune("2026-07-01", "2026-07-02T12:00:00.000Z") == 1
    assert [row["kind"] for row in five.ledger.entries()] == ["checkpoint"] and five.discrepancies() == []


def test_other_writers_write_between_the_parts_of_a_pruning(five, monkeypatch):
    """A grant never waits until all old entries are verified and deleted."""
    monkeypatch.setattr("flask_mixamo_privacy.ledger.ledger._PRUNED_AT_ONCE", 2)
    found = []
    monkeypatch.setattr(
        "flask_mixamo_privacy.ledger.ledger.sleep", lambda _: (found.append(five.discrepancies()), five.write("2026-05-09"))
    )
    assert five.ledger.prune("2026-05-05", "2031-05-05T12:00:00.000Z") == 4 and found == [[], []]
    left = ["access", "checkpoint", "access", "checkpoint", "access"]
    assert [row["kind"] for row in five.ledger.entries()] == left and five.discrepancies() == []


def test_a_pruning_that_was_interrupted_continues(five, monkeypatch):
    """Each part is complete: a killed process leaves a valid chain, and the next pruning deletes the rest."""
    monkeypatch.setattr("flask_mixamo_privacy.ledger.ledger._PRUNED_AT_ONCE", 1)
    monkeypatch.setattr("flask_mixamo_privacy.ledger.ledger.sleep", lambda _: sys.exit())
    with pytest.raises(SystemExit):
        five.ledger.prune("2026-05-05", "2031-05-05T12:00:00.000Z")
    monkeypatch.undo()
    assert five.discrepancies() == [] and five.ledger.prune("2026-05-05", "2031-05-06T12:00:00.000Z") == 3


def test_a_text_that_is_shown_again_during_the_pruning_stays(decided, monkeypatch):
    """The look for texts without an entry takes no lock, so a grant may name one of them meanwhile."""
    shown = ShownText("banner", "en", '{"text":"May we?"}', "print")
    again = LedgerEntry("grant", "2026-06-08T12:00:00.000Z", text=shown.digest)
    write = decided.ledger.database.write
    writes = iter((lambda: None, lambda: (monkeypatch.undo(), decided.ledger.append(again, shown))))
    monkeypatch.setattr(decided.ledger.database, "write", lambda: (next(writes)(), write())[1])
    decided.ledger.prune("2026-06-01", "2031-07-01T12:00:00.000Z")
    assert len(decided.look("SELECT * FROM texts")) == 1 and decided.discrepancies() == []


@pytest.mark.parametrize(
    "done",
    [
        "DELETE FROM entries WHERE kind = 'checkpoint'",
        "UPDATE entries SET detail = '{}' WHERE kind = 'checkpoint'",
        "UPDATE entries SET kind = 'access' WHERE kind = 'checkpoint'",
        "DELETE FROM entries WHERE position = 4",
        "UPDATE entries SET position = 3 WHERE position = 4",
    ],
)
def test_every_change_after_a_checkpoint_is_found(five, done):
    """Changes to the checkpoint and to the remaining entries are both found."""
    five.ledger.prune("2026-05-04", "2031-05-04T12:00:00.000Z")
    five.hand(done)
    assert five.discrepancies() != []


def test_pruning_does_not_hide_a_changed_entry(five):
    """Entries that were changed or dated back are not pruned, and verification continues to report them."""
    five.hand("UPDATE entries SET at = '2020-01-01' WHERE position = 2")
    assert five.ledger.prune("2026-05-04", "2026-05-06T12:00:00.000Z") == 1
    assert five.discrepancies() == [("changed", 2)]


def test_a_shown_text_is_deleted_with_the_last_entry_that_names_it(decided):
    """A text stays as long as one entry names it."""
    shown = ShownText("banner", "en", '{"text":"May we?"}', "print")
    decided.ledger.append(LedgerEntry("grant", "2026-06-08T12:00:00.000Z", text=shown.digest), shown)
    for before, kept in (("2026-06-01", 1), ("2026-07-01", 0)):
        decided.ledger.prune(before, "2031-07-01T12:00:00.000Z")
        assert (len(decided.look("SELECT * FROM texts")), decided.discrepancies()) == (kept, [])


def test_pruning_follows_the_policys_retention(tiny, clock):
    """Entries are pruned after five years, or after the retention of archives if it is longer.

    The command prints the number.
    """
    site = tiny(PRIVACY_KEYS=OLD)
    choose(site.visitor(), "accept_all")
    clock.shift(5 * YEAR)
    choose(site.visitor(), "accept_all")
    assert "of the ledger" not in site.cli("prune").output
    clock.shift(5 * 86400)
    assert "1 ledger entry older than 5 years deleted" in site.cli("prune").output
    assert [row["kind"] for row in site.ledger()] == ["grant", "checkpoint"] and site.cli("ledger", "verify").exit_code == 0


def test_the_commands_print_a_head_and_verify_the_ledger_with_it(tiny):
    """The head is COUNT:HASH. Exit codes: 0 valid, 1 discrepancies, 2 could not verify."""
    site = tiny(PRIVACY_KEYS=OLD)
    assert site.cli("ledger", "head").output == f"0:{'0' * 64}\n"
    choose(site.visitor(), "accept_all")
    head = site.cli("ledger", "head").output.strip()
    row = site.ledger()[0]
    assert head == f"1:{row['hash']}" and row["chain_key"] == "old"
    clean = site.cli("ledger", "verify", "--expect", head)
    assert (clean.exit_code, clean.output) == (0, "Intact: 1 entry.\n")
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET locale = 'de'")
    outcome = site.cli("ledger", "verify", "--json")
    assert outcome.exit_code == 1 and json.loads(outcome.output) == {
        "head": head,
        "findings": [{"position": 1, "kind": "changed", "says": "The entry at position 1 was changed."}],
    }


@pytest.mark.parametrize(
    ("expect", "code", "message"),
    [
        ("1:00", 2, "'1:00' is not a head; write it as `flask privacy ledger head` prints it."),
        (f"2:{'0' * 64}", 2, "the entries up to it were pruned and sealed at 3:"),
        (f"9:{'0' * 64}", 1, "cut off: The expected head counts 9 entries; the entries after 6 were cut off."),
    ],
)
def test_an_unusable_head_is_explained(tiny, five, expect, code, message):
    """The head may be malformed, pruned, or of entries that do not exist."""
    five.ledger.prune("2026-05-04", "2031-05-04T12:00:00.000Z")
    site = tiny(PRIVACY_KEYS=OLD, PRIVACY_LEDGER_URL=f"sqlite:///{five.path}")
    outcome = site.cli("ledger", "verify", "--expect", expect)
    assert outcome.exit_code == code and message in outcome.output


def test_a_ledger_that_is_no_database_exits_with_2(tiny):
    """The message names the reason."""
    site = tiny(PRIVACY_KEYS=OLD)
    (site.folder / "privacy-ledger.sqlite").write_bytes(b"not a database" * 1000)
    for command in ("verify", "head"):
        outcome = site.cli("ledger", command)
        assert outcome.exit_code == 2 and "The ledger could not be read" in outcome.output
