"""The answer to an access request: what people call a field, in their language, and the words that they agreed to."""

from dataclasses import replace

import pytest

from flask_mixamo_privacy.policy.parts import CollectionPoint, Field, Purpose
from support.people_site import FIELDS, policy

pytestmark = pytest.mark.usefixtures("clock")

ADA = "ada@shop.example"


def answered(people, visitor=None):
    """Answer an access request, and return the page with the data as the person reads it."""
    people.site.cli("requests", "answer", str(people.confirmed("access")))
    return (visitor or people.site.visitor()).post(people.link()).text


def test_labels_come_from_the_declaration(people):
    """A declared field has its label, and another column its name in words. The table is a heading."""
    name = Field("name", "identifying", "Your name.", label={"en": "Your name", "de": "Ihr Name"})
    site = people(PRIVACY_POLICY=policy(*(name if field.name == "name" else field for field in FIELDS)))
    site.add(ADA)
    text = answered(site)
    assert "<h2>Accounts</h2>" in text and "<dt>Your name</dt><dd>" in text and "<dt>E-mail address</dt>" in text
    assert "created_at" not in text and "account_id" not in text and "<dt>Saved on</dt>" in text
    assert "<dt>Ihr Name</dt>" in answered(site, site.site.visitor(Accept_Language="de"))


@pytest.mark.parametrize(
    ("code", "day", "moment"), [("en", "May 8, 2026", "May 8, 2026, 12:00"), ("de", "8. Mai 2026", "8. Mai 2026, 12:00")]
)
def test_dates_are_in_the_readers_language(people, code, day, moment):
    """No ISO date is on the page; a day and a time are written as people write them."""
    site = people()
    site.add(ADA)
    text = answered(site, site.site.visitor(Accept_Language=code)).partition("<main>")[2]
    assert f"{day}:" in text and moment in text and "2026-05-08" not in text


def test_a_store_of_functions_is_described_too(people):
    """Nested data, yes and no, and empty values are words; the declared names of fields are labels."""
    site = people(PRIVACY_POLICY=policy(*FIELDS, Field("old_enough", "anonymous", "Yes or no.", label="Old enough for us")))
    export = {
        "profile": {"old_enough": True, "pets": ["cat", "dog"], "fax": None, "born": "1815-12-10", "odd": "2026-02-31"}
    }
    site.site.privacy.register_store("crm_system", export=lambda subject: export)
    text = answered(site)
    assert "<h2>Crm system</h2>" in text and "<dt>Old enough for us</dt><dd>" in text and ">Yes</span>" in text
    for part in (">cat</span>", ">Not given</span>", "December 10, 1815", "2026-02-31"):
        assert part in text, part
    assert "True" not in text and "None" not in text


def test_the_words_of_an_opt_in_are_shown_and_not_their_digest(people):
    """The page has the sentence that the person agreed to, and the title of the list."""
    point = CollectionPoint("newsletter", "Our newsletter", ("marketing",), "We write to you.", ("email",))
    purpose = Purpose("marketing", "News by e-mail", "To write to you.", ask="form")
    own = policy()
    config = {"PRIVACY_POLICY": replace(own, purposes=(*own.purposes, purpose), collection=(point,))}
    site = people(**config, PRIVACY_CONFIRM_OPT_INS="never")
    view = site.site.privacy.collects("newsletter")(lambda: "thanks")
    site.site.app.add_url_rule("/newsletter", "newsletter", view, methods=["POST"])
    site.site.visitor().post("/newsletter", data={"email": ADA})
    [row] = site.site.ledger("opt-in")
    text = answered(site)
    assert "<h2>Mailing lists</h2>" in text and "Our newsletter. We write to you." in text and row["text"] not in text
    assert "News by e-mail" in text and "Through a program" in text
    found = site.rights.data_subjects.export(ADA, "the person")
    assert found["opt-ins"][0]["text"] == row["text"]  # the export for machines keeps the digest


def test_promise_32_page_and_mail_state_that_nothing_was_found(people):
    """Nothing names a store, and there is no empty file to save."""
    site = people()
    text = answered(site)
    assert "Nothing found under this address." in text and 'name="file"' not in text
    assert "Nothing found under this address." in site.mails[-1].get_content()


def test_the_mail_does_not_deny_what_the_page_shows(people):
    """An opt-in that only the extension stores counts as data."""
    site = people()
    site.rights  # noqa: B018 — creates the databases
    with site.site.app.app_context():
        site.site.privacy.opt_in(ADA, "marketing", wording="Yes, write to me")
    text = answered(site)
    assert "Yes, write to me." in text and "Nothing found" not in site.mails[-1].get_content()


@pytest.mark.parametrize("iso", ["2026-05-08T12:00:00.000Z", "2026-05-08T14:00:00+02:00"])
def test_a_time_with_a_zone_is_in_utc(iso):
    """Each time names its zone, because the reader's is unknown."""
    from flask_mixamo_privacy.i18n.language import language

    assert "12:00" in language("en").moment(iso) and "UTC" in language("en").moment(iso)
