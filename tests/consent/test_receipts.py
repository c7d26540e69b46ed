"""Receipts: a signed file for the visitor, which the site verifies years later from its keys alone."""

import json
import sqlite3
from contextlib import closing

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.consent import proof
from flask_mixamo_privacy.i18n.language import language
from flask_mixamo_privacy.policy.toml import built_in
from support.service_site import with_services

OLD, NEW = {"old": "the secret of last year"}, {"new": "the secret of this year"}
FIELDS = {
    "schema_version", "record_id", "pii_controllers", "privacy_notice", "language", "purposes", "services",
    "collection_method", "global_privacy_control", "notice_shown", "events", "signature",
}  # fmt: skip


@pytest.fixture
def site_with_receipt(tiny):
    """Builds a site and a visitor who accepted everything on its settings page."""

    def build(**config):
        site = tiny(**{"PRIVACY_KEYS": OLD, **config})
        visitor = site.visitor()
        shown = proof.settings(site.privacy.runtime(site.app).policy, language("en")).form_token
        choose(visitor, "accept_all", shown=shown)
        return site, visitor

    return build


def receipt(visitor):
    response = visitor.get("/privacy/receipt")
    assert response.status_code == 200, response.text
    return response.json


def verified(site, data, *, stdin=False):
    """Return the exit code and the output of the verification."""
    text = data if isinstance(data, str) else json.dumps(data)
    path = site.folder / "receipt.json"
    path.write_text(text)
    runner = site.app.test_cli_runner()
    given = {"input": text} if stdin else {}
    outcome = runner.invoke(args=["privacy", "receipt", "verify", "-" if stdin else str(path)], **given)
    return outcome.exit_code, outcome.output.strip()


def test_promise_18_a_decision_can_be_kept_as_a_signed_file(site_with_receipt, clock):
    """The file has the decision, time, place, text shown, language and policy."""
    site, visitor = site_with_receipt()
    data, row, marks = receipt(visitor), site.ledger()[0], built_in().purpose_fingerprints
    assert set(data) == FIELDS and data["record_id"] == row["receipt"]
    assert data["purposes"] == [
        {"purpose": purpose, "lawful_basis": "consent", "fingerprint": marks[purpose]} for purpose in sorted(marks)
    ]
    assert data["privacy_notice"] == {"version": row["policy"], "fingerprint": row["fingerprint"]}
    assert (data["language"], data["collection_method"], data["global_privacy_control"]) == ("en", "settings", False)
    assert data["notice_shown"]["digest"] == row["text"] and "Save my choice" in str(data["notice_shown"]["text"])
    assert data["events"] == [{"event_time": "2026-05-08T12:00:00.000Z", "event_state": "given", "ledger_hash": row["hash"]}]


def test_a_receipt_is_a_download_that_is_not_cached(site_with_receipt, clock):
    """The file's name has the day."""
    response = site_with_receipt()[1].get("/privacy/receipt")
    assert response.headers["Content-Disposition"] == 'attachment; filename="privacy-receipt-2026-05-08.json"'
    assert (response.headers["Cache-Control"], response.content_type) == ("no-store", "application/json")


def test_a_receipt_lists_what_was_withdrawn(tiny):
    """A purpose that was withdrawn is no longer listed as granted."""
    site = tiny(PRIVACY_KEYS=OLD, PRIVACY_POLICY=with_services())
    visitor = site.visitor()
    choose(visitor, "accept_all")
    choose(visitor, "save", "statistics", "media")
    data = receipt(visitor)
    assert [purpose["purpose"] for purpose in data["purposes"]] == ["media", "statistics"]
    assert (data["events"][1]["event_state"], data["events"][1]["withdrawn"]) == ("withdrawn in part", ["customisation"])
    assert verified(site, data)[0] == 0


@pytest.mark.parametrize("choice", [None, "reject_all"])
def test_without_a_grant_there_is_no_receipt(tiny, choice):
    """Without a grant the answer is 404, in the visitor's language."""
    visitor = tiny().visitor(Accept_Language="de")
    if choice:
        choose(visitor, choice)
    response = visitor.get("/privacy/receipt")
    assert response.status_code == 404 and response.headers["Cache-Control"] == "no-store"
    assert "Sie haben keinen Beleg" in response.text


@pytest.mark.parametrize("then", [["reject_all"], ["save", "accept_all"]], ids=["withdrawn", "replaced"])
def test_an_ended_grant_has_no_receipt(site_with_receipt, then):
    """A kept cookie of a grant that was withdrawn or replaced gets no receipt."""
    visitor = site_with_receipt()[1]
    kept = cookie(visitor)
    for choice in then:
        choose(visitor, choice, "statistics")
    visitor.set_cookie("privacy_consent", kept)
    assert visitor.get("/privacy/receipt").status_code == 404


def test_a_grant_unknown_to_the_ledger_has_no_receipt(site_with_receipt):
    """A signed cookie without its ledger entry proves nothing."""
    site, visitor = site_with_receipt()
    (site.folder / "privacy-ledger.sqlite").unlink()
    assert visitor.get("/privacy/receipt").status_code == 404


def test_without_a_readable_ledger_the_receipt_is_answered_503(site_with_receipt):
    """The answer has a message, and the site is served."""
    site, visitor = site_with_receipt()
    (site.folder / "privacy-ledger.sqlite").write_bytes(b"not a database" * 1000)
    response = visitor.get("/privacy/receipt")
    assert response.status_code == 503 and "could not be read just now" in response.text
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize("stdin", [False, True])
def test_a_receipt_verifies_without_ledger_or_network(site_with_receipt, stdin):
    """The keys suffice, from a file or standard input, with any key order and white space."""
    site, visitor = site_with_receipt()
    data = receipt(visitor)
    (site.folder / "privacy-ledger.sqlite").unlink()
    code, output = verified(site, json.dumps(data, indent=4, sort_keys=True, ensure_ascii=True), stdin=stdin)
    assert code == 0 and output.startswith(f"Intact: {data['record_id']} of ") and "customisation, statistics" in output


def test_a_receipt_verifies_after_the_keys_and_the_secret_key_rotated(site_with_receipt):
    """The receipt names its key, which is kept; Flask's secret key may be another."""
    site, visitor = site_with_receipt()
    data = receipt(visitor)
    assert data["signature"]["key"] == "old"
    site.privacy.runtime(site.app).keys.__dict__["_secrets"] = OLD | NEW
    site.app.config["SECRET_KEY"] = "another one"
    assert verified(site, data)[0] == 0
    site.privacy.runtime(site.app).keys.__dict__["_secrets"] = NEW
    code, output = verified(site, data)
    assert code == 2 and "the key 'old', but PRIVACY_KEYS has only: new" in output


@pytest.mark.parametrize("field", sorted(FIELDS - {"signature", "schema_version"}))
def test_an_altered_receipt_is_reported_with_the_field(site_with_receipt, field):
    """A changed or removed field is named."""
    site, visitor = site_with_receipt()
    data = receipt(visitor)
    changed = {**data, field: {"some": "thing"}}
    without = {name: value for name, value in data.items() if name != field}
    assert [verified(site, one) for one in (changed, without)] == [(1, f"Altered: {field}.")] * 2


def test_a_receipt_with_an_addition_is_altered(site_with_receipt):
    """An added field, an added purpose or another language is an alteration."""
    site, visitor = site_with_receipt()
    data = receipt(visitor)
    more = [*data["purposes"], {"purpose": "advertising", "lawful_basis": "consent"}]
    assert verified(site, {**data, "note": "x"}) == (1, "Altered: note.")
    assert verified(site, {**data, "purposes": more, "language": "de"}) == (1, "Altered: language, purposes.")


@pytest.mark.parametrize("name", ["value", "algorithm", "key", "fields"])
def test_an_altered_signature_is_found(site_with_receipt, name):
    """Each part of the signature is checked; under an unknown key nothing can be verified."""
    site, visitor = site_with_receipt(PRIVACY_KEYS=OLD | NEW)
    data = receipt(visitor)
    data["signature"][name] = {"value": "0" * 64, "algorithm": "none", "key": "old", "fields": {}}[name]
    assert verified(site, data) == (1, "Altered: signature.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is not JSON"),
        ("[]", "its schema_version is not"),
        ('{"schema_version": "x"}', "its schema_version is not"),
        ('{"schema_version": "flask-mixamo-privacy receipt 1"}', "it has no signature that names a key"),
        ('{"schema_version": "flask-mixamo-privacy receipt 1", "signature": []}', "it has no signature that names a key"),
        ('{"a": 1, "a": 2}', "a field occurs twice"),
        ("[" * 100_000, "it is not JSON"),
        (" " * 1_000_001, "it is larger than"),
    ],
    ids=["empty", "list", "other", "unsigned", "no signature", "twice", "deep", "large"],
)  # fmt: skip
def test_an_invalid_receipt_exits_with_2(tiny, text, message):
    """The output has the reason."""
    code, output = verified(tiny(PRIVACY_KEYS=OLD), text)
    assert code == 2 and "is not a receipt of this site" in output and message in output


def test_the_settings_page_offers_the_receipt_only_with_a_grant(site_with_receipt):
    """Only a visitor with a grant is offered the receipt."""
    site, visitor = site_with_receipt()
    link = 'href="/privacy/receipt" download>Download the receipt<'
    assert link in visitor.get("/privacy/consent").text
    assert link not in site.visitor().get("/privacy/consent").text


def test_a_receipt_has_the_hash_of_its_ledger_entry(site_with_receipt):
    """No other entry has this hash."""
    site, visitor = site_with_receipt()
    hashes = [event["ledger_hash"] for event in receipt(visitor)["events"]]
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite")) as connection:
        assert hashes == [hash for (hash,) in connection.execute("SELECT hash FROM entries WHERE kind = 'grant'")]


@pytest.mark.parametrize("field", ["value", "name"])
def test_a_lone_surrogate_in_a_receipt_is_an_alteration(site_with_receipt, field):
    """JSON can encode a lone surrogate, which no valid text contains."""
    site, visitor = site_with_receipt()
    data = receipt(visitor)
    if field == "value":
        data["signature"]["value"] = "\ud800"
    else:
        data["\ud800"] = 1
    assert verified(site, data) == (1, "Altered: signature." if field == "value" else "Altered: \ufffd.")
