"""Receipts: what a visitor can keep, and what the site says of it years later without looking anything up."""

import json
import sqlite3
from contextlib import closing

import pytest
from sites import with_services

from conftest import choose, cookie
from flask_mixamo_privacy import wording
from flask_mixamo_privacy.declaration import built_in
from flask_mixamo_privacy.language import language

OLD, NEW = {"old": "the secret of last year"}, {"new": "the secret of this year"}
FIELDS = {
    "schema_version", "record_id", "pii_controllers", "privacy_notice", "language", "purposes", "services",
    "collection_method", "global_privacy_control", "notice_shown", "events", "signature",
}  # fmt: skip


@pytest.fixture
def keeper(tiny):
    """Builds a site and a visitor who accepted everything on its settings page."""

    def build(**config):
        site = tiny(**{"PRIVACY_KEYS": OLD, **config})
        visitor = site.visitor()
        shown = wording.settings(site.privacy.site(site.app).policy, language("en")).shown
        choose(visitor, "accept_all", shown=shown)
        return site, visitor

    return build


def receipt(visitor):
    response = visitor.get("/privacy/receipt")
    assert response.status_code == 200, response.text
    return response.json


def verified(site, said, *, stdin=False):
    """The exit code, and what was said to it."""
    text = said if isinstance(said, str) else json.dumps(said)
    path = site.folder / "receipt.json"
    path.write_text(text)
    runner = site.app.test_cli_runner()
    given = {"input": text} if stdin else {}
    outcome = runner.invoke(args=["privacy", "receipt", "verify", "-" if stdin else str(path)], **given)
    return outcome.exit_code, outcome.output.strip()


def test_promise_18_a_decision_can_be_kept_as_a_signed_file(keeper, clock):
    """What was decided, when, on which words, where, in which language, under which policy."""
    site, visitor = keeper()
    said, row, marks = receipt(visitor), site.ledger()[0], built_in().marks
    assert set(said) == FIELDS and said["record_id"] == row["receipt"]
    assert said["purposes"] == [
        {"purpose": purpose, "lawful_basis": "consent", "fingerprint": marks[purpose]} for purpose in sorted(marks)
    ]
    assert said["privacy_notice"] == {"version": row["policy"], "fingerprint": row["fingerprint"]}
    assert (said["language"], said["collection_method"], said["global_privacy_control"]) == ("en", "settings", False)
    assert said["notice_shown"]["digest"] == row["text"] and "Save my choice" in str(said["notice_shown"]["text"])
    assert said["events"] == [{"event_time": "2026-05-08T12:00:00.000Z", "event_state": "given", "ledger_hash": row["hash"]}]


def test_a_receipt_is_a_download_that_nobody_caches(keeper, clock):
    """A file with the day in its name."""
    response = keeper()[1].get("/privacy/receipt")
    assert response.headers["Content-Disposition"] == 'attachment; filename="privacy-receipt-2026-05-08.json"'
    assert (response.headers["Cache-Control"], response.content_type) == ("no-store", "application/json")


def test_a_receipt_says_what_was_taken_back_of_it(tiny):
    """And no longer names what is not granted any more."""
    site = tiny(PRIVACY_KEYS=OLD, PRIVACY_POLICY=with_services())
    visitor = site.visitor()
    choose(visitor, "accept_all")
    choose(visitor, "save", "statistics", "media")
    said = receipt(visitor)
    assert [purpose["purpose"] for purpose in said["purposes"]] == ["media", "statistics"]
    assert (said["events"][1]["event_state"], said["events"][1]["withdrawn"]) == ("withdrawn in part", ["customisation"])
    assert verified(site, said)[0] == 0


@pytest.mark.parametrize("choice", [None, "reject_all"])
def test_without_a_grant_there_is_no_receipt(tiny, choice):
    """404, with a page in the visitor's language."""
    visitor = tiny().visitor(Accept_Language="de")
    if choice:
        choose(visitor, choice)
    response = visitor.get("/privacy/receipt")
    assert response.status_code == 404 and response.headers["Cache-Control"] == "no-store"
    assert "Sie haben keinen Beleg" in response.text


@pytest.mark.parametrize("then", [["reject_all"], ["save", "accept_all"]], ids=["withdrawn", "replaced"])
def test_a_grant_that_ended_gives_no_receipt_to_whoever_kept_its_cookie(keeper, then):
    """Be it withdrawn, or another one put in its place."""
    visitor = keeper()[1]
    kept = cookie(visitor)
    for choice in then:
        choose(visitor, choice, "statistics")
    visitor.set_cookie("privacy_consent", kept)
    assert visitor.get("/privacy/receipt").status_code == 404


def test_a_grant_that_the_ledger_does_not_know_gives_no_receipt(keeper):
    """A signed cookie alone proves nothing here."""
    site, visitor = keeper()
    (site.folder / "privacy-ledger.sqlite").unlink()
    assert visitor.get("/privacy/receipt").status_code == 404


def test_a_ledger_that_cannot_be_read_gives_a_receipt_later(keeper):
    """503 and a sentence; the site is served."""
    site, visitor = keeper()
    (site.folder / "privacy-ledger.sqlite").write_bytes(b"not a database" * 1000)
    response = visitor.get("/privacy/receipt")
    assert response.status_code == 503 and "could not be read just now" in response.text
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize("stdin", [False, True])
def test_a_receipt_verifies_without_ledger_or_network(keeper, stdin):
    """By the keys alone, from a file or standard input, written in another order and with other spaces."""
    site, visitor = keeper()
    said = receipt(visitor)
    (site.folder / "privacy-ledger.sqlite").unlink()
    code, output = verified(site, json.dumps(said, indent=4, sort_keys=True, ensure_ascii=True), stdin=stdin)
    assert code == 0 and output.startswith(f"Whole: {said['record_id']} of ") and "customisation, statistics" in output


def test_a_receipt_verifies_after_the_keys_and_the_secret_key_rotated(keeper):
    """It names its key, which is kept; Flask's own may be another."""
    site, visitor = keeper()
    said = receipt(visitor)
    assert said["signature"]["key"] == "old"
    site.privacy.site(site.app).keys.__dict__["_secrets"] = OLD | NEW
    site.app.config["SECRET_KEY"] = "another one"
    assert verified(site, said)[0] == 0
    site.privacy.site(site.app).keys.__dict__["_secrets"] = NEW
    code, output = verified(site, said)
    assert code == 2 and "the key 'old', but PRIVACY_KEYS has only: new" in output


@pytest.mark.parametrize("field", sorted(FIELDS - {"signature", "schema_version"}))
def test_an_altered_receipt_says_which_field_it_is(keeper, field):
    """Changed or taken away."""
    site, visitor = keeper()
    said = receipt(visitor)
    changed = {**said, field: {"some": "thing"}}
    without = {name: value for name, value in said.items() if name != field}
    assert [verified(site, one) for one in (changed, without)] == [(1, f"Altered: {field}.")] * 2


def test_a_receipt_with_something_added_is_altered(keeper):
    """A field of its own, a purpose more, another time."""
    site, visitor = keeper()
    said = receipt(visitor)
    more = [*said["purposes"], {"purpose": "advertising", "lawful_basis": "consent"}]
    assert verified(site, {**said, "note": "x"}) == (1, "Altered: note.")
    assert verified(site, {**said, "purposes": more, "language": "de"}) == (1, "Altered: language, purposes.")


@pytest.mark.parametrize("name", ["value", "algorithm", "key", "fields"])
def test_an_altered_signature_is_found(keeper, name):
    """Each part of it; under a key that is not there nothing can be said."""
    site, visitor = keeper(PRIVACY_KEYS=OLD | NEW)
    said = receipt(visitor)
    said["signature"][name] = {"value": "0" * 64, "algorithm": "none", "key": "old", "fields": {}}[name]
    assert verified(site, said) == (1, "Altered: signature.")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is no JSON"),
        ("[]", "its schema_version is not"),
        ('{"schema_version": "x"}', "its schema_version is not"),
        ('{"schema_version": "flask-mixamo-privacy receipt 1"}', "it has no signature that names a key"),
        ('{"schema_version": "flask-mixamo-privacy receipt 1", "signature": []}', "it has no signature that names a key"),
        ('{"a": 1, "a": 2}', "a field is there twice"),
        ("[" * 100_000, "it is no JSON"),
        (" " * 1_000_001, "it is larger than"),
    ],
    ids=["empty", "list", "other", "unsigned", "no signature", "twice", "deep", "large"],
)  # fmt: skip
def test_what_is_no_receipt_could_not_be_looked_at(tiny, text, says):
    """Exit code 2, and why."""
    code, output = verified(tiny(PRIVACY_KEYS=OLD), text)
    assert code == 2 and "is no receipt of this site" in output and says in output


def test_the_settings_page_offers_the_receipt_to_whoever_has_one(keeper):
    """And to nobody else."""
    site, visitor = keeper()
    link = 'href="/privacy/receipt" download>Download the receipt<'
    assert link in visitor.get("/privacy/consent").text
    assert link not in site.visitor().get("/privacy/consent").text


def test_a_receipt_names_its_entry_in_the_ledger(keeper):
    """By a hash that only this entry has."""
    site, visitor = keeper()
    hashes = [event["ledger_hash"] for event in receipt(visitor)["events"]]
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite")) as connection:
        assert hashes == [hash for (hash,) in connection.execute("SELECT hash FROM entries WHERE kind = 'grant'")]


@pytest.mark.parametrize("field", ["value", "name"])
def test_half_a_character_in_a_receipt_is_an_alteration(keeper, field):
    """JSON can say what no text may hold."""
    site, visitor = keeper()
    said = receipt(visitor)
    if field == "value":
        said["signature"]["value"] = "\ud800"
    else:
        said["\ud800"] = 1
    assert verified(site, said) == (1, "Altered: signature." if field == "value" else "Altered: ?.")
