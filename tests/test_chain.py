"""The ledger's chain: whatever is done to a row is found, and what the site does itself leaves it whole."""

import json
import multiprocessing
import sqlite3
from contextlib import closing

import pytest

from conftest import choose
from flask_mixamo_privacy.chain import Head
from flask_mixamo_privacy.errors import LedgerUnavailable
from flask_mixamo_privacy.keys import Keys
from flask_mixamo_privacy.ledger import Entry, Ledger
from flask_mixamo_privacy.pending import Pending
from flask_mixamo_privacy.verification import verify
from flask_mixamo_privacy.wording import Wording

OLD, NEW = {"old": "the secret of last year"}, {"new": "the secret of this year"}
TABLES = ("entries", "texts", "head")
YEAR = 365 * 86400
BITS = (1, 32, 128)  # the lowest, the one that tells capitals from small letters, and the highest, which leaves no UTF-8


class Book:
    """A ledger in a folder, and a hand that may do anything to its file."""

    def __init__(self, folder, keys=OLD):
        self.folder, self.path = folder, folder / "privacy-ledger.sqlite"
        self.ledger = Ledger(f"sqlite:///{self.path}", Keys(keys, ""), Pending(str(folder / "ledger.pending")))

    def write(self, *days, kind="access"):
        for day in days:
            self.ledger.append(Entry(kind, f"{day}T12:00:00.000Z", receipt=f"of {day}", detail='{"who": "ann"}'))
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

    def flaws(self, expect=None):
        return [(flaw.kind, flaw.position) for flaw in verify(self.ledger, expect).flaws]


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


@pytest.fixture
def five(book):
    return book.write(*(f"2026-05-0{day}" for day in range(1, 6)))


@pytest.fixture
def decided(book):
    """A ledger with words and without, and a name in it."""
    words = Wording("banner", "en", '{"text":"May we?"}', "print")
    grant = Entry(
        "grant", "2026-05-08T12:00:00.000Z", "receipt", "", "2026-05-01", "print", ("statistics",), text=words.digest
    )
    book.ledger.append(grant, words)
    book.ledger.append(Entry("refusal", "2026-05-08"))
    book.ledger.append(Entry("erasure", "2026-05-08T13:00:00.000Z", gpc=True, subject="0a1b", subject_key="old"))
    return book


@pytest.fixture
def sealed(book, request):
    """The same after an entry that has aged: the chain begins at a checkpoint, which is a row like the others."""
    book.ledger.append(Entry("access", "2020-05-08T12:00:00.000Z"))
    decided = request.getfixturevalue("decided")
    assert decided.ledger.age("2026-05-01", "2026-05-09T12:00:00.000Z") == 1
    return decided


def loosen(book, table):
    """Take their types and constraints from a table's columns, so that a cell may hold anything."""
    columns = ", ".join(row[1] for row in book.look(f"PRAGMA table_info({table})"))
    book.hand(f"CREATE TABLE loose ({columns})", f"INSERT INTO loose SELECT {columns} FROM {table}", f"DROP TABLE {table}")
    book.hand(f"ALTER TABLE loose RENAME TO {table}")
    return columns.split(", ")


def bytes_changed(value):
    """The value with each of its bytes changed, by one bit after the other."""
    if isinstance(value, int):
        return [value ^ 1, value + 256]
    stored = value.encode()
    flipped = [stored[:at] + bytes([stored[at] ^ bit]) + stored[at + 1 :] for at in range(len(stored)) for bit in BITS]
    return [*flipped, stored + b"\0", stored[:-1]] if stored else [b"x", b"\0"]


def of_another_type(value):
    """What looks like the value and is none of its kind."""
    if isinstance(value, int):
        return [None, str(value).encode(), value + 0.5]
    return [None, 7, 0.5] if value else [None, 0]


def not_found(book, table, changes):
    """The changes to the cells of a table that verifying does not find, each undone before the next."""
    names, missed = loosen(book, table), []
    with closing(sqlite3.connect(book.path, isolation_level=None)) as hand:
        hand.execute("PRAGMA synchronous=OFF")
        for rowid, *values in hand.execute(f"SELECT rowid, {', '.join(names)} FROM {table}").fetchall():
            for name, value in zip(names, values, strict=True):
                update = f"UPDATE {table} SET {name} = {{}} WHERE rowid = {rowid}"
                for changed in changes(value):
                    hand.execute(update.format("CAST(? AS TEXT)" if isinstance(changed, bytes) else "?"), (changed,))
                    missed += [] if verify(book.ledger).flaws else [(rowid, name, changed)]
                hand.execute(update.format("?"), (value,))
    assert verify(book.ledger).flaws == []
    return missed


@pytest.mark.parametrize("table", TABLES)
def test_every_changed_byte_of_every_cell_is_found(sealed, table):
    """In entries, a checkpoint among them, in the words they name, and in the row that says where the ledger ends."""
    kinds = [kind for (kind,) in sealed.look("SELECT kind FROM entries ORDER BY position")]
    assert kinds == ["grant", "refusal", "erasure", "checkpoint"] and not_found(sealed, table, bytes_changed) == []


@pytest.mark.parametrize("table", TABLES)
def test_nothing_and_another_type_are_found_in_every_cell(decided, table):
    """NULL, a number in the place of a text, a text in the place of a number."""
    assert not_found(decided, table, of_another_type) == []


def test_a_blob_is_not_the_text_of_the_same_bytes(decided):
    """Each stands in a cell by itself, and only one was written."""
    decided.hand("UPDATE entries SET detail = CAST(detail AS BLOB) WHERE position = 2")
    assert decided.flaws() == [("changed", 2)]


@pytest.mark.parametrize(
    ("done", "flaws"),
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
def test_what_was_done_to_the_entries_is_told_with_its_place(five, done, flaws):
    """Changed, removed, cut off at the end."""
    five.hand(done)
    assert set(flaws) <= set(five.flaws())


def test_entries_that_changed_places_are_found(five):
    """At the first of the two; those after it no longer follow what they were sealed with."""
    five.hand(*(f"UPDATE entries SET position = {to} WHERE position = {of}" for of, to in ((2, 99), (4, 2), (99, 4))))
    assert five.flaws()[0] == ("changed", 2) and ("changed", 4) in five.flaws()


def test_an_entry_put_between_others_is_found(five):
    """At its place, and so are those after it, which were moved to make room."""
    five.hand(
        "UPDATE entries SET position = -position - 1 WHERE position > 2",
        "UPDATE entries SET position = -position WHERE position < 0",
    )
    columns = [row[1] for row in five.look("PRAGMA table_info(entries)")]
    same = ", ".join({"position": "3", "entry": "'new'"}.get(name, name) for name in columns)
    five.hand(f"INSERT INTO entries SELECT {same} FROM entries WHERE position = 1")
    assert five.flaws()[0] == ("changed", 3) and five.flaws()[-1] == ("inserted", 6)


def test_an_entry_put_at_the_end_is_told(five):
    """Whoever has no key cannot write one that fits."""
    columns = [row[1] for row in five.look("PRAGMA table_info(entries)")]
    same = ", ".join({"position": "6", "entry": "'new'"}.get(name, name) for name in columns)
    five.hand(f"INSERT INTO entries SELECT {same} FROM entries WHERE position = 5")
    assert ("inserted", 6) in five.flaws()


def test_verifying_takes_a_bounded_number_of_seals_a_row(five, monkeypatch):
    """Also where every entry was changed, or moved."""
    made = []
    mac = Keys.mac
    monkeypatch.setattr(Keys, "mac", lambda *given: made.append(1) or mac(*given))
    for done in ("detail = 'x'", "hash = 'x'", "position = 1000 - position"):
        made.clear()
        five.hand(f"UPDATE entries SET {done}")
        assert five.flaws() and len(made) <= 3 * five.count() + 1


def test_what_was_cut_off_stays_known_after_the_next_entry(five):
    """Writing on covers nothing up, whether or not the row that says where the ledger ends was cut too."""
    five.hand("DELETE FROM entries WHERE position = 5")
    five.write("2026-05-06")
    assert five.flaws() == [("removed", 5)]
    five.hand("DELETE FROM head")
    five.write("2026-05-07", "2026-05-08")
    assert {kind for kind, _ in five.flaws()} == {"removed", "changed"}


def test_a_ledger_rolled_back_whole_is_found_by_a_head_kept_elsewhere(five, tmp_path):
    """Nothing inside it can tell; the head can, also after it was written on."""
    before, head = five.path.read_bytes(), five.write("2026-05-06").ledger.head()
    five.path.write_bytes(before)
    assert five.flaws() == [] and five.flaws(head) == [("cut off", 6)]
    five.write("2026-05-07", "2026-05-08")
    assert five.flaws() == [] and five.flaws(head) == [("cut off", 6)]


@pytest.mark.parametrize("count", [0, 3, 5])
def test_a_head_kept_elsewhere_is_a_place_in_the_chain(five, count):
    """Of any time: the chain goes on after it."""
    kept = five.look(f"SELECT hash FROM entries WHERE position = {count}") or [("0" * 64,)]
    assert five.flaws(Head(count, kept[0][0])) == []
    assert five.flaws(Head(count, "f" * 64)) != [] or count == 0


@pytest.mark.parametrize(
    ("done", "position"),
    [
        ("UPDATE texts SET body = 'Yes?'", 1),
        ("DELETE FROM texts", 1),
        ("INSERT INTO texts VALUES ('0a', 'banner', 'en', 'Yes?')", 0),
        ("INSERT INTO texts SELECT '0a', source, locale, body FROM texts", 0),
    ],
)
def test_words_that_are_not_those_shown_are_told(decided, done, position):
    """Changed, gone, or put there, with the entry that names them."""
    decided.hand(done)
    assert decided.flaws() == [("text", position)]


def write_on(folder, number):
    book = Book(folder)
    for _ in range(number):
        book.write("2026-05-08")


def test_several_processes_write_one_chain(book, tmp_path):
    """Four at once, the first of them making the file."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_on, args=(tmp_path, 25)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert (book.flaws(), book.ledger.head().count) == ([], 100)


def test_what_waited_beside_the_ledger_joins_the_chain_once(book):
    """In the order of waiting, with its words; handed over again after a crash, it is known."""
    words = Wording("banner", "en", "{}", "print")
    book.path.mkdir()
    book.ledger.append_or_wait(Entry("withdrawal", "2026-05-08T12:00:00.000Z", text=words.digest), words)
    book.ledger.append_or_wait(Entry("refusal", "2026-05-08"))
    book.path.rmdir()
    waited = (book.folder / "ledger.pending").read_bytes()
    assert book.ledger.take_up() == 2
    (book.folder / "ledger.pending").write_bytes(waited * 2)
    book.write("2026-05-09")
    assert [row["kind"] for row in book.ledger.entries()] == ["withdrawal", "refusal", "access"]
    assert (book.flaws(), (book.folder / "ledger.pending").read_bytes()) == ([], b"")


def test_what_is_no_entry_beside_the_ledger_keeps_nothing_from_it(book, caplog):
    """It is named in the log, and the others are taken up."""
    (book.folder / "ledger.pending").write_text('[]\n{"kind": "grant"}\n7\n')
    book.ledger.take_up()
    assert [row["kind"] for row in book.write("2026-05-08").ledger.entries()] == ["access"] and book.flaws() == []
    assert "Lines that waited beside the ledger are no entries" in caplog.text


def test_keys_rotate_and_old_entries_verify_under_theirs(five):
    """New entries are made under the newest key."""
    after = Book(five.folder, OLD | NEW).write("2026-05-06", "2026-05-07")
    assert [row["chain_key"] for row in after.ledger.entries()] == ["old"] * 5 + ["new"] * 2
    assert after.flaws() == []
    after.hand("UPDATE entries SET chain_key = 'new' WHERE position = 2")
    assert after.flaws() == [("changed", 2)]


def test_a_key_that_an_entry_names_cannot_be_dropped(tiny, five):
    """Verifying says which is missing and does not claim to have looked."""
    site = tiny(PRIVACY_KEYS=NEW, PRIVACY_LEDGER_URL=f"sqlite:///{five.path}")
    outcome = site.cli("ledger", "verify")
    assert outcome.exit_code == 2 and "the key 'old', but PRIVACY_KEYS has only: new. Put the key back" in outcome.output
    checked = site.cli("check")
    assert checked.exit_code == 1 and "Entries of the ledger name the key 'old'" in checked.output


def test_an_end_that_cannot_be_checked_takes_no_entry(tiny, five, caplog):
    """A grant is 503, and the log says which key is missing; a refusal waits beside the ledger until the key is back."""
    place = {"PRIVACY_LEDGER_URL": f"sqlite:///{five.path}"}
    site = tiny(PRIVACY_KEYS=NEW, **place)
    assert choose(site.visitor(), "accept_all").status_code == 503
    assert "ends cannot be checked, so nothing is added to it. A stored row was made under the key 'old'" in caplog.text
    assert choose(site.visitor(), "reject_all").status_code == 303 and five.count() == 5
    again = tiny(PRIVACY_KEYS=OLD | NEW, **place)
    again.privacy.site(again.app).load()
    assert five.count() == 6 and Book(five.folder, OLD | NEW).flaws() == []


def test_a_key_made_up_for_the_end_covers_up_nothing(five):
    """Entries are cut off and the end is said to be sealed under a key that never was: no later entry makes it whole."""
    five.hand("DELETE FROM entries WHERE position > 3", "UPDATE head SET count = 3, key = 'gone'")
    five.hand("UPDATE head SET hash = (SELECT hash FROM entries WHERE position = 3)")
    with pytest.raises(LedgerUnavailable, match="the key 'gone', but PRIVACY_KEYS has only: old"):
        five.write("2026-05-06")
    assert [error.key_id for error in verify(five.ledger).missing] == ["gone"]


def test_a_changed_entry_is_found_although_a_key_of_others_is_missing(five):
    """What can be looked at is looked at."""
    Book(five.folder, OLD | NEW).write("2026-05-06", "2026-05-07").hand("UPDATE entries SET detail = '' WHERE position = 7")
    found = verify(Book(five.folder, NEW).ledger)
    assert [(flaw.kind, flaw.position) for flaw in found.flaws] == [("changed", 7)]
    assert [error.key_id for error in found.missing] == ["old"]


def test_aged_entries_are_sealed_and_the_chain_stays_whole(five):
    """A checkpoint says how many there were and which was the last; the rest runs on from it."""
    heads = {count: Head(count, hash) for count, hash in five.look("SELECT position, hash FROM entries")}
    assert five.ledger.age("2026-05-04", "2031-05-04T12:00:00.000Z") == 3
    assert [row["kind"] for row in five.ledger.entries()] == ["access", "access", "checkpoint"]
    assert json.loads(next(five.ledger.entries("checkpoint"))["detail"]) == {"head": str(heads[3])}
    assert [five.flaws(head) for head in (None, heads[3], heads[4], five.ledger.head())] == [[]] * 4
    assert five.ledger.age("2026-05-04", "2031-05-05T12:00:00.000Z") == 0 and five.ledger.head().count == 6


def test_a_chain_ages_again_and_again(five):
    """Each checkpoint ages like any other entry, and the last one stays."""
    for day in range(2, 9):
        five.ledger.age(f"2026-05-0{day}", f"2026-06-0{day}T12:00:00.000Z")
        assert five.flaws() == []
    assert [row["kind"] for row in five.ledger.entries()] == ["checkpoint"] * 5
    five.write("2026-06-30")
    assert five.ledger.age("2026-07-01", "2026-07-02T12:00:00.000Z") == 1
    assert [row["kind"] for row in five.ledger.entries()] == ["checkpoint"] and five.flaws() == []


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
def test_after_a_checkpoint_nothing_can_be_done_unnoticed(five, done):
    """Neither to it nor to the entries that it leaves."""
    five.ledger.age("2026-05-04", "2031-05-04T12:00:00.000Z")
    five.hand(done)
    assert five.flaws() != []


def test_nobody_can_have_a_change_sealed_away(five):
    """Entries that were made to look old, or were changed, do not age; verifying goes on to tell of them."""
    five.hand("UPDATE entries SET at = '2020-01-01' WHERE position = 2")
    assert five.ledger.age("2026-05-04", "2026-05-06T12:00:00.000Z") == 1
    assert five.flaws() == [("changed", 2)]


def test_words_go_with_the_last_entry_that_names_them(decided):
    """And stay as long as there is one."""
    words = Wording("banner", "en", '{"text":"May we?"}', "print")
    decided.ledger.append(Entry("grant", "2026-06-08T12:00:00.000Z", text=words.digest), words)
    for before, kept in (("2026-06-01", 1), ("2026-07-01", 0)):
        decided.ledger.age(before, "2031-07-01T12:00:00.000Z")
        assert (len(decided.look("SELECT * FROM texts")), decided.flaws()) == (kept, [])


def test_pruning_seals_what_the_policy_keeps_no_longer(tiny, clock):
    """After five years, or as long as archives are kept if that is longer; the command says how many."""
    site = tiny(PRIVACY_KEYS=OLD)
    choose(site.visitor(), "accept_all")
    clock.shift(5 * YEAR)
    choose(site.visitor(), "accept_all")
    assert "of the ledger" not in site.cli("prune").output
    clock.shift(5 * 86400)
    assert "1 entries of the ledger older than 5 years sealed" in site.cli("prune").output
    assert [row["kind"] for row in site.ledger()] == ["grant", "checkpoint"] and site.cli("ledger", "verify").exit_code == 0


def test_the_commands_print_a_head_and_hold_the_ledger_against_it(tiny):
    """COUNT:HASH; 0 clean, 1 findings, 2 could not look."""
    site = tiny(PRIVACY_KEYS=OLD)
    assert site.cli("ledger", "head").output == f"0:{'0' * 64}\n"
    choose(site.visitor(), "accept_all")
    head = site.cli("ledger", "head").output.strip()
    row = site.ledger()[0]
    assert head == f"1:{row['hash']}" and row["chain_key"] == "old"
    clean = site.cli("ledger", "verify", "--expect", head)
    assert (clean.exit_code, clean.output) == (0, "Whole: 1 entries.\n")
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE entries SET locale = 'de'")
    outcome = site.cli("ledger", "verify", "--json")
    assert outcome.exit_code == 1 and json.loads(outcome.output) == {
        "head": head,
        "findings": [{"position": 1, "kind": "changed", "says": "The entry at position 1 is not what was written."}],
    }


@pytest.mark.parametrize(
    ("expect", "code", "says"),
    [
        ("1:00", 2, "'1:00' is no head; write it as `flask privacy ledger head` prints it."),
        (f"2:{'0' * 64}", 2, "the entries up to that one have aged and were sealed at 3:"),
        (f"9:{'0' * 64}", 1, "cut off: The head kept elsewhere counts 9 entries; those after 6 were cut off."),
    ],
)
def test_a_head_that_cannot_be_held_against_the_ledger_says_why(tiny, five, expect, code, says):
    """Written wrongly, aged, or of entries that are not there."""
    five.ledger.age("2026-05-04", "2031-05-04T12:00:00.000Z")
    site = tiny(PRIVACY_KEYS=OLD, PRIVACY_LEDGER_URL=f"sqlite:///{five.path}")
    outcome = site.cli("ledger", "verify", "--expect", expect)
    assert outcome.exit_code == code and says in outcome.output


def test_a_ledger_that_is_no_database_could_not_be_looked_at(tiny):
    """Exit code 2, and why."""
    site = tiny(PRIVACY_KEYS=OLD)
    (site.folder / "privacy-ledger.sqlite").write_bytes(b"not a database" * 1000)
    for command in ("verify", "head"):
        outcome = site.cli("ledger", command)
        assert outcome.exit_code == 2 and "The ledger could not be read" in outcome.output
