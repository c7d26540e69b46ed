"""Disclosure of personal data: recipient, fields, purpose and basis are checked and recorded first."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from flask_mixamo_privacy.errors import (
    DisclosureError,
    OtherPurpose,
    PolicyError,
    UndeclaredField,
    UndeclaredPurpose,
    UndeclaredRecipient,
)
from flask_mixamo_privacy.policy.parts import Recipient
from support.form_site import RECIPIENTS, policy

pytestmark = pytest.mark.usefixtures("clock")

ADA = {"email": "ada@shop.example", "name": "Ada", "address": "1 Secret Lane", "password_hash": "scrypt"}
COURT = {"basis": "legal", "reference": "Az. 12/26", "actor": "counsel"}


@pytest.fixture
def site(tiny):
    return tiny(PRIVACY_POLICY=policy())


def disclose(site, recipient="payment", record=ADA, purpose="purchase", **values):
    with site.app.app_context():
        return site.privacy.disclose(recipient, record, purpose, **values)


def test_promise_29_a_recipient_gets_only_its_fields(site):
    """The source may be a mapping or an object, and may have more fields."""
    wanted = {"name": "Ada", "email": "ada@shop.example"}
    assert disclose(site) == wanted and disclose(site, record=SimpleNamespace(**ADA)) == wanted
    assert json.dumps(disclose(site, fields=["name"])) == '{"name": "Ada"}'


def test_promise_29_an_unlisted_field_raises(site):
    """The error is raised for a requested field, and for a lookup in the disclosed data."""
    message = r"The field 'address' is not declared for the recipient 'payment'; allowed: name, email\. Leave the field out"
    with pytest.raises(UndeclaredField, match=message):
        disclose(site, fields=["name", "address"])
    with pytest.raises(UndeclaredField, match=message):
        disclose(site)["address"]


def test_promise_29_the_ledger_stores_field_names_without_values(site):
    """The entry has time, recipient, fields, purpose, basis and a keyed hash of the data subject."""
    disclose(site)
    [row] = site.ledger("disclosure")
    assert json.loads(row["detail"]) == {"recipient": "payment", "fields": ["email", "name"], "basis": "contract"}
    assert (row["at"], row["policy"], json.loads(row["purposes"])) == (
        "2026-05-08T12:00:00.000Z",
        "2026-05-08",
        ["purchase"],
    )
    assert len(row["subject"]) == 64 and row["subject_key"]
    written = b"".join(path.read_bytes() for path in site.folder.rglob("*") if path.is_file())
    assert not [value for value in ADA.values() if value.encode() in written and value != "scrypt"]


def test_a_disclosure_that_cannot_be_recorded_raises(site, monkeypatch):
    """Neither the ledger nor the spool can be written, so nothing is disclosed."""

    def away(*_):
        raise OSError("disk full")

    monkeypatch.setattr(site.privacy.runtime(site.app).ledger, "append_or_spool", away)
    with pytest.raises(OSError, match="disk full"):
        disclose(site)


@pytest.mark.parametrize("testing", [True, False], ids=["tests", "production"])
def test_promise_28_an_undeclared_recipient_is_refused(tiny, testing):
    """The error is also raised in production and contains the missing declaration."""
    site = tiny(PRIVACY_POLICY=policy(), TESTING=testing)
    with pytest.raises(UndeclaredRecipient) as raised:
        disclose(site, "adnet")
    assert str(raised.value).startswith(
        "The recipient 'adnet' is not declared; allowed: payment. Use one of these, or add to privacy.toml and freeze"
    )
    assert '[[recipients]]\nid = "adnet"' in str(raised.value) and site.ledger() == []


def test_promise_08_disclosing_for_another_purpose_raises(site):
    """The purpose may be one that the recipient does not serve, an undeclared one, or missing."""
    with pytest.raises(OtherPurpose, match="The purpose is 'use'; allowed for the recipient 'payment': purchase"):
        disclose(site, purpose="use")
    with pytest.raises(UndeclaredPurpose):
        disclose(site, purpose="profit")
    with pytest.raises(OtherPurpose):
        disclose(site, purpose="")
    assert site.ledger() == []


@pytest.mark.parametrize("basis", ["consent", "whim"])
def test_a_basis_must_be_the_purposes_own(site, basis):
    """Another basis raises an error that lists the allowed ones."""
    with pytest.raises(DisclosureError, match=f"basis is '{basis}'; allowed: .*contract.*legal, safety, transfer"):
        disclose(site, basis=basis)
    assert disclose(site, basis="contract")["name"] == "Ada"


@pytest.mark.parametrize("basis", ["legal", "safety"])
@pytest.mark.parametrize("missing", ["reference", "actor"])
def test_promise_38_law_and_safety_need_a_reference_and_an_actor(site, basis, missing):
    """Without a reference or an actor, nothing is disclosed."""
    given = COURT | {"basis": basis, missing: "  "}
    with pytest.raises(
        DisclosureError, match=f"{missing} is '  '; allowed: .* The ledger records it for the basis '{basis}'."
    ):
        disclose(site, **given)
    assert site.ledger() == []


@pytest.mark.parametrize("basis", ["legal", "safety"])
def test_promise_38_a_legal_disclosure_is_recorded(site, basis):
    """The recipient is declared, or an authority that requests declared fields by name; reference and actor are recorded."""
    assert disclose(site, purpose="", **COURT | {"basis": basis}) == {"name": "Ada", "email": "ada@shop.example"}
    assert disclose(site, "court", fields=["address"], purpose="", **COURT) == {"address": "1 Secret Lane"}
    detail = json.loads(site.ledger("disclosure")[1]["detail"])
    assert detail == {
        "recipient": "court",
        "fields": ["address"],
        "basis": "legal",
        "reference": "Az. 12/26",
        "actor": "counsel",
    }


def test_promise_38_an_authority_gets_only_the_fields_it_names(site):
    """An authority gets neither all fields nor a field that the policy does not declare."""
    with pytest.raises(UndeclaredRecipient):
        disclose(site, "court", purpose="", **COURT)
    with pytest.raises(UndeclaredField, match="'password_hash' is not declared for this site"):
        disclose(site, "court", purpose="", fields=["password_hash"], **COURT)


def test_promise_39_a_new_owner_needs_a_published_version_that_names_it(tiny, tmp_path):
    """A declared new owner is refused until a frozen version names it."""
    own = policy()
    spoken = replace(own, notices=replace(own.notices, transfer=True))
    versions = {"PRIVACY_VERSIONS_DIR": str(tmp_path / "versions")}
    transfer = {"recipient": "buyer", "purpose": "", "fields": ["email"], "basis": "transfer"}
    site = tiny(PRIVACY_POLICY=spoken, **versions)
    with pytest.raises(
        DisclosureError, match=r"The newest version of the policy is None; allowed: a version with a notice of transfer"
    ):
        disclose(site, **transfer)
    silent = tiny(PRIVACY_POLICY=own, **versions)
    assert silent.cli("policy", "freeze", "--date", "2026-05-08").exit_code == 0
    with pytest.raises(DisclosureError, match=r"is '2026-05-08'; .* run `flask privacy policy freeze`"):
        disclose(site, **transfer)
    assert site.cli("policy", "freeze", "--date", "2026-05-09").exit_code == 0
    assert disclose(site, **transfer) == {"email": "ada@shop.example"} and len(site.ledger("disclosure")) == 1


@pytest.mark.parametrize("change", [{"sells": True}, {"id": "sale-of-data"}])
def test_promise_27_a_buyer_of_data_cannot_be_declared(change):
    """The policy raises an error at startup."""
    buyer = replace(RECIPIENTS[0], **change)
    with pytest.raises(PolicyError, match="Remove the recipient: data is never sold, traded or rented"):
        policy(recipients=(buyer,))


def test_promise_28_the_policy_page_names_every_recipient(tiny):
    """Each recipient has its name, purpose, fields, country and link to its own policy."""
    other = Recipient("mail", "Post", "delivers mail", ("use",), ("email", "address"), "DE", "https://mail.example/privacy")
    text = tiny(PRIVACY_POLICY=policy(recipients=(*RECIPIENTS, other))).visitor().get("/privacy/").text
    for words in (
        "Pay",
        "takes payments",
        "Name, E-mail address",
        "Ireland",
        "Post",
        "E-mail address, Address",
        "Germany",
        "https://mail.example/privacy",
    ):
        assert words in text


@pytest.mark.parametrize("given", [None, 12, ["12/26"]])
@pytest.mark.parametrize(("name", "allowed"), [("reference", "a file number"), ("actor", "the person who decided")])
def test_promise_29_a_reference_or_actor_that_is_no_text_raises(site, name, allowed, given):
    """The error is the same as for a missing value, and nothing is disclosed."""
    with pytest.raises(DisclosureError) as raised:
        disclose(site, purpose="", fields=["name"], **COURT | {name: given})
    hint = f"The ledger records it for the basis 'legal'. Pass `{name}` to disclose()."
    assert str(raised.value) == f"{name} is {given!r}; allowed: {allowed}. {hint}" and site.ledger() == []


def test_the_command_lists_disclosures(site):
    """The output is text or JSON, and can be limited to one recipient, one data subject, or a first day."""
    disclose(site)
    disclose(site, "court", record=ADA | {"email": "eve@shop.example"}, purpose="", fields=["name"], **COURT)
    output = site.cli("disclosures").output
    assert "2026-05-08T12:00:00.000Z payment for purchase: email, name (basis: contract)\n" in output
    assert "court: name (basis: legal, reference: Az. 12/26, actor: counsel)\n2 disclosures.\n" in output
    found = json.loads(site.cli("disclosures", "--json").output)
    assert [row["recipient"] for row in found] == ["payment", "court"]
    assert (
        found[0].items()
        >= {"purpose": "purchase", "fields": ["email", "name"], "basis": "contract", "policy": "2026-05-08"}.items()
    )
    for choice, number in (("--recipient=court", 1), ("--subject=EVE@shop.example", 1), ("--since=2026-05-09", 0)):
        assert len(json.loads(site.cli("disclosures", "--json", choice).output)) == number, choice


@pytest.mark.parametrize("command", ["disclosures", "access"])
@pytest.mark.parametrize("day", ["garbage", "2026-02-30", "08.05.2026", "2026-5-8"])
def test_an_invalid_day_exits_with_2(site, command, day):
    """The message shows the format. An invalid day does not count as a day without entries."""
    outcome = site.cli(command, "--since", day)
    assert outcome.exit_code == 2 and f"{day!r} is not a day; write it as 2026-05-08." in outcome.output
