"""The ledger: its queries, and the pseudonyms of its entries."""

import json

import pytest

from flask_mixamo_privacy.ledger.entry import LedgerEntry, ShownText
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing

OLD, NEW = {"old": "the secret of last year"}, {"new": "the secret of this year"}
DAYS = ("2026-05-07", "2026-05-08", "2026-05-09")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/ledger.sqlite", KeyRing(OLD, ""), Spool(str(tmp_path / "ledger.pending")))


def written(ledger, *kinds, **since):
    return [(row["kind"], row["at"][:10]) for row in ledger.entries(*kinds, **since)]


def test_the_ledger_lists_entries_by_kind_and_time(ledger):
    """Entries are listed in the order of writing, by kind and from a day on; without a file there are none."""
    assert written(ledger) == []
    for day in DAYS:
        ledger.append(LedgerEntry("erasure", f"{day}T12:00:00.000Z"))
        ledger.append(LedgerEntry("refusal", day))
    assert len(written(ledger)) == 6
    assert written(ledger, "refusal") == [("refusal", day) for day in DAYS]
    assert written(ledger, "refusal", "erasure", since="2026-05-09") == [("erasure", DAYS[2]), ("refusal", DAYS[2])]
    assert written(ledger, since="2026-05-09T00:00:00.000Z") == [("erasure", DAYS[2])]


def test_an_entry_has_the_subject_as_a_keyed_hash_and_the_key_id(ledger):
    """An entry has a keyed hash and its key's id, and no subject by default."""
    key_id, hashed = KeyRing(OLD, "").pseudonymise("user 7")
    ledger.append(LedgerEntry("erasure", DAYS[0], subject=hashed, subject_key=key_id))
    ledger.append(LedgerEntry("refusal", DAYS[0]))
    assert [(row["subject"], row["subject_key"]) for row in ledger.entries()] == [(hashed, "old"), ("", "")]


def test_a_subject_is_found_under_every_key_that_is_kept():
    """The pseudonyms have one per key, by its id, the newest last."""
    before, after = KeyRing(OLD, ""), KeyRing(OLD | NEW, "")
    assert list(after.pseudonyms_by_key("user 7")) == ["old", "new"]
    assert after.pseudonyms_by_key("user 7")["old"] == before.pseudonymise("user 7")[1]
    assert after.pseudonyms_by_key("user 7")["new"] == after.pseudonymise("user 7")[1] != before.pseudonymise("user 7")[1]
    assert after.pseudonyms_by_key("user 8") != after.pseudonyms_by_key("user 7")


def test_promise_16_an_erasure_by_command_has_the_visitor_as_a_hash_alone(tiny):
    """Only the holder of the key can identify the visitor of the entry."""
    site = tiny(PRIVACY_KEYS=OLD)
    assert site.cli("erase", "a-visitor").exit_code == 0
    row = site.ledger("erasure")[0]
    assert (row["subject_key"], row["subject"]) == KeyRing(OLD, "").pseudonymise("a-visitor")
    assert json.loads(row["detail"])["what"] == "events" and "a-visitor" not in str(row)


def test_an_entry_is_pseudonymised_stamped_and_encoded_in_one_place(ledger):
    """The detail keeps its order; a person has one spelling before hashing; a text is kept once, with its language."""
    text = ShownText("banner", "de", "{}", "print")
    written = ledger.record("grant", subject=" Ada@Example.org", text=text, detail={"z": "ü", "a": [1]}, purposes=("s",))
    spooled = ledger.record_or_spool("access", pseudonym=("old", "0a"), at="2026-05-08", detail={"list": "ü"}, escape=False)
    first, second = ledger.entries()
    key_id, hashed = ledger.pseudonym("ada@example.org")
    assert (first["subject_key"], first["subject"], first["at"]) == (key_id, hashed, written.at)
    assert (first["detail"], first["text"], first["locale"]) == ('{"z": "\\u00fc", "a": [1]}', text.digest, "de")
    assert ledger.shown_text(text.digest, "print") == text and first["purposes"] == '["s"]'
    assert (
        (second["subject_key"], second["subject"], second["at"]) == ("old", "0a", spooled.at) == ("old", "0a", "2026-05-08")
    )
    assert second["detail"] == '{"list": "ü"}' and second["locale"] == ""


def test_half_a_character_keeps_no_entry_from_the_ledger(ledger):
    """An operator's name may hold bytes that are no UTF-8, which Python reads as lone surrogates."""
    ledger.record_or_spool("access", detail={"by": "j\udcfcrgen ü"}, escape=False)
    assert [row["detail"] for row in ledger.entries()] == ['{"by": "j\\udcfcrgen \\u00fc"}'] and ledger.drain_spool() == 0


@pytest.mark.parametrize(("waiting", "drained"), [(3, True), (400, False)])
def test_a_grant_does_not_write_thousands_of_spooled_entries(ledger, waiting, drained):
    """Its visitor waits for the answer. The background thread, or a command, drains a long spool."""
    for number in range(waiting):
        ledger.spool(LedgerEntry("withdrawal", f"{DAYS[0]}T12:00:00.000Z", receipt=str(number)))
    ledger.append(LedgerEntry("grant", f"{DAYS[1]}T12:00:00.000Z"))
    assert [row["kind"] for row in ledger.entries()] == ["withdrawal"] * (waiting if drained else 0) + ["grant"]
    assert ledger.drain_spool() == (0 if drained else waiting)
