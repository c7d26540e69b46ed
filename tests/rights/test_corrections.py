"""Corrections: fields that staff never set, and addresses that are set only by two links."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from flask_mixamo_privacy.policy.parts import Field
from flask_mixamo_privacy.rights.rows import is_protected, is_secret
from support.people_site import FIELDS, Account, Base, Order, policy

pytestmark = pytest.mark.usefixtures("clock")

ADA, NEW = "ada@shop.example", "augusta@new.example"


@pytest.mark.parametrize(
    "name",
    [
        "password", "password_hash", "passwordHash", "passwd", "apikey", "api_key", "reset_token", "secret", "totp", "is_admin",
        "isAdmin", "role", "user_role", "userRoles", "permissions", "is_superuser", "email_verified", "id", "customer_id", "uuid",
        "pw", "user_pass", "pwhash", "passcode", "pin", "loginPin", "security_answer", "recovery_codes", "backupCodes", "two_factor",
        "2fa", "credentials", "passwort", "kennwort_2", "mot_de_passe", "contraseña", "lösenord", "hasło", "пароль", "パスワード",
        "access_level", "user_type", "accountStatus", "is_owner", "can_edit", "mayPublish", "approved", "wallet_balance", "oidc_sub",
        "guid", "tenant",
    ],
)  # fmt: skip
def test_a_credential_a_right_or_a_key_is_never_corrected(name):
    """Staff who set one could act as the person."""
    assert is_protected(name)


@pytest.mark.parametrize(
    "name", ["name", "email", "address", "vat_id", "pin_code", "message", "secretary", "keyboard", "monkey", "birthday", "salutation",
     "boarding_pass", "passport", "blood_group", "marital_status", "state", "candidate", "maybe", "is_student", "größe", "spin"]
)  # fmt: skip
def test_an_innocent_field_can_be_corrected(name):
    """A word within another word protects nothing."""
    assert not is_protected(name)


@pytest.mark.parametrize(("name", "secret"), [("passwordHash", True), ("authToken", True), ("secretary_name", False)])
def test_a_credential_in_camel_case_is_not_exported(name, secret):
    """Words are divided at capital letters too."""
    assert is_secret(name) is secret


@pytest.mark.parametrize("name", ["password_hash", "id", "account_id"])
def test_staff_cannot_set_a_protected_field(people, name):
    """The field is refused also if the policy declares it, and the request stays open."""
    site = people(PRIVACY_POLICY=policy(*FIELDS, Field(name, "identifying", "Declared.")))
    site.add()
    outcome = answer(site, site.confirmed("correct"), f"{name}=7")
    assert (
        outcome.exit_code == 2
        and f"The field to correct is '{name}'; allowed: address, email, message, name." in outcome.output
    )
    assert {account.password_hash for account in site.rows(Account)} == {"scrypt"}
    assert f"<option>{name}" not in site.site.visitor().get("/privacy/requests/staff/1").text


def test_a_field_under_another_name_cannot_reach_a_protected_column(people):
    """The name of the column counts, also if the site's mapping hides it."""
    site = people(PRIVACY_POLICY=policy(*FIELDS, Field("nickname", "identifying", "Declared.")))
    site.site.privacy.register_models(site.engine, {Account: "email"}, name="more", fields={"password_hash": "nickname"})
    site.add()
    outcome = answer(site, site.confirmed("correct"), "nickname=known")
    assert outcome.exit_code == 2 and {account.password_hash for account in site.rows(Account)} == {"scrypt"}


def test_a_site_marks_a_column_that_is_never_corrected(people):
    """The store sets its other columns."""

    class Card(Base):
        __tablename__ = "cards"
        number: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str]
        name: Mapped[str] = mapped_column(info={"privacy_correct": False})

    try:
        site = people()
        Base.metadata.create_all(site.engine)
        site.site.privacy.register_models(site.engine, {Card: "email"}, name="cards")
        assert "name" not in site.rights.requests.corrections.fields
    finally:
        Base.metadata.remove(Card.__table__)


def test_an_address_is_corrected_after_a_link_to_the_old_and_the_new_one(people):
    """Each mail names the new address, and until both are opened nothing changes."""
    site = people()
    site.add()
    number = site.confirmed("correct")
    refused = answer(site, number, f"email={NEW.upper()}")
    assert refused.exit_code == 2 and "The new address of request 1 is 'augusta@new.example'" in refused.output
    assert [mail["To"] for mail in site.mails[1:]] == [ADA, NEW]
    assert all(NEW in mail.get_content() for mail in site.mails[1:])
    for mail in site.mails[1:3]:
        assert answer(site, number, f"email={NEW}").exit_code == 2 and emails(site) == {ADA}
        press(site, mail)
    assert answer(site, number, f"email={NEW}").exit_code == 0 and emails(site) == {NEW}


def test_links_about_a_new_address_are_mailed_once(people):
    """Staff may try again without another mail, and opening the page by a program changes nothing."""
    site = people()
    site.add()
    number = site.confirmed("correct")
    for _ in range(3):
        answer(site, number, f"email={NEW}")
        site.site.visitor().get(site.link())
    assert len(site.mails) == 3 and emails(site) == {ADA}


def test_the_link_of_the_request_does_not_replace_the_one_about_the_new_address(people):
    """Another visitor may have written the message, and the mail that confirmed it named no address."""
    site = people()
    site.add()
    number = site.confirmed("correct", message=f"Please write to {NEW} from now on.")
    answer(site, number, f"email={NEW}")
    press(site, site.mails[-1])
    assert answer(site, number, f"email={NEW}").exit_code == 2 and emails(site) == {ADA}


def test_links_to_one_new_address_permit_no_other(people):
    """Staff who change the address afterwards wait for its links."""
    site = people()
    site.add()
    number = site.confirmed("correct")
    answer(site, number, f"email={NEW}")
    press(site, site.mails[1]), press(site, site.mails[2])
    assert answer(site, number, "email=eve@evil.example").exit_code == 2 and emails(site) == {ADA}


def test_how_staff_know_the_person_does_not_replace_the_links(people):
    """An address stays as it is, whatever staff state."""
    site = people()
    site.add()
    site.ask("correct")
    outcome = answer(site, 1, f"email={NEW}", "--identity", "passport seen")
    assert outcome.exit_code == 2 and emails(site) == {ADA}
    assert [mail["To"] for mail in site.mails] == [ADA, NEW]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("email=augusta", "The new value of email is 'augusta'"),
        ("name=eve@evil.example", "both addresses agreed"),
        ("name=Eve <eve@evil.example>", "both addresses agreed"),
        ("name=eve@evil.example, ada@shop.example", "allowed: a mail address, or a text without one."),
        ("name=eve\uff20localhost", "allowed: a mail address, or a text without one."),
    ],
)
def test_an_address_is_recognised_by_the_field_and_by_the_value(people, change, message):
    """A field of addresses takes nothing else, and another field takes an address only by links."""
    site = people()
    site.add()
    outcome = answer(site, site.confirmed("correct"), change)
    assert outcome.exit_code == 2 and message in outcome.output


def test_a_link_that_could_not_be_mailed_is_mailed_again(people):
    """The error names the mail, and the next answer sends it."""
    down = []
    site = people(PRIVACY_SEND=lambda mail: 1 / 0 if down else site.mails.append(mail))
    site.add()
    number = site.confirmed("correct")
    down.append(True)
    assert "The mail could not be sent" in answer(site, number, f"email={NEW}").output
    down.clear()
    answer(site, number, f"email={NEW}")
    assert [mail["To"] for mail in site.mails[1:]] == [ADA, NEW]


def answer(site, number, change, *more):
    return site.site.cli("requests", "answer", str(number), "--set", change, *more)


def press(site, mail):
    """Open the link in a mail, and press its button."""
    path = re.search(r"http://localhost(/\S+)", mail.get_content())[1]
    visitor = site.site.visitor()
    assert visitor.get(path).status_code == 200 and visitor.post(path).status_code == 200


def emails(site):
    """Return the addresses of all accounts and orders."""
    with site.engine.connect() as connection:
        return {row[0] for model in (Account, Order) for row in connection.execute(sa.select(model.email))}
