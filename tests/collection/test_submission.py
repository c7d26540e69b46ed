"""Submissions: validated and recorded without an app and without a request."""

import json

import pytest

from flask_mixamo_privacy.collection.notices import find_point
from flask_mixamo_privacy.collection.submission import Submission, SubmissionError, SubmissionServices, SubmittedForm
from flask_mixamo_privacy.errors import LedgerUnavailable, RightsUnavailable
from flask_mixamo_privacy.ledger.ledger import Ledger
from flask_mixamo_privacy.mail.preferences import MarketingPreferences
from flask_mixamo_privacy.rights.subject_flags import KnownMinors, SubjectFlags
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from support.form_site import policy

ADA = "ada@shop.example"
POLICY = policy()


@pytest.fixture
def failures():
    """Return the list of errors that are reported to the site."""
    return []


@pytest.fixture
def services(tmp_path, failures):
    """Return real services on files."""
    keys = KeyRing({"first": "secret"}, "")
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.sqlite", keys, Spool(str(tmp_path / "ledger.pending")))
    rights = f"sqlite:///{tmp_path}/rights.sqlite"
    minors = KnownMinors(SubjectFlags(rights, keys), POLICY.minors)
    return SubmissionServices(
        ledger, MarketingPreferences(rights, ledger, keys, POLICY, minors.is_minor), minors, failures.append
    )


def submission(services, point, own=(), **values):
    """Build a form with these values, submitted at a point; options of the submission are distinguished by name."""
    options = {name: values.pop(name) for name in ("browser_is_minor", "current_subject") if name in values}
    sent = SubmittedForm(
        {name: [value] for name, value in values.items()}, {name: [value] for name, value in dict(own).items()}
    )
    return Submission(sent, find_point(POLICY, point), POLICY, services, **options)


def accept(form):
    form.validate()
    form.record()
    form.apply_opt_ins()


def kinds(services):
    return [row["kind"] for row in services.ledger.entries()]


def test_field_names_and_no_values_are_recorded(services):
    """The entry has the point, field names, the number of dropped fields, and the subject as a keyed hash."""
    form = submission(services, "registration", email=ADA, name="Ada")
    accept(form)
    (row,) = services.ledger.entries()
    assert dict(form.given) == {"email": ADA, "name": "Ada"}
    assert json.loads(row["detail"]) == {"point": "registration", "fields": ["email", "name"], "dropped": 0}
    assert row["subject"] == services.ledger.pseudonym(ADA)[1] and ADA not in str(row) and "Ada" not in str(row)


@pytest.mark.parametrize(
    ("point", "own", "values", "kind", "fields"),
    [
        ("registration", {}, {"email": " "}, "missing", ("email",)),
        ("newsletter", {}, {"email": ADA}, "no-birth-date", ("old_enough",)),
        ("newsletter", {"privacy_birth_year": "soon"}, {"email": ADA}, "no-birth-date", ("old_enough",)),
        ("newsletter", {}, {"email": ADA, "old_enough": "no"}, "signup-refused", ()),
        ("pictures", {"privacy_opt_in": "no"}, {"email": ADA}, "no-opt-in", ("privacy_opt_in",)),
        ("posting", {}, {"name": "Ada", "message": "Hello"}, "not-acknowledged", ("privacy_acknowledged",)),
        ("registration", {"privacy_notice": "x.notice:registration.en.y"}, {"email": ADA}, "notice-changed", ()),
    ],
)
def test_a_problem_has_a_kind_and_the_fields_concerned(services, point, own, values, kind, fields):
    """Nothing is recorded, and a problem has no text, because the answer adds it."""
    with pytest.raises(SubmissionError) as raised:
        accept(submission(services, point, own, **values))
    assert (raised.value.kind, raised.value.fields) == (kind, fields) and kinds(services) == []


def test_promise_20_a_minor_is_remembered_and_not_signed_up(services):
    """The minor is remembered by the submitted address, and the answer "no" replaces the date."""
    form = submission(services, "newsletter", {"privacy_birth_year": "2025"}, email=ADA)
    assert (form.declares_minor, form.age_answer, form.given["old_enough"]) == (True, "no", "no")
    form.remember_minor()
    assert services.minors.is_minor(ADA)
    with pytest.raises(SubmissionError, match="signup-refused"):
        form.validate()


def test_promise_20_the_first_answer_of_this_browser_counts(services):
    """A later yes changes nothing, and the form does not add a new no."""
    form = submission(services, "newsletter", email=ADA, old_enough="yes", browser_is_minor=True)
    assert (form.declares_minor, form.age_answer) == (False, "no")
    with pytest.raises(SubmissionError, match="signup-refused"):
        form.validate()


def test_the_logged_in_subject_is_looked_up_only_without_an_address(services):
    """The look-up loads the user, and may read a database."""
    asked = []

    def current_subject():
        asked.append(True)
        return "7"

    accept(submission(services, "registration", email=ADA, current_subject=current_subject))
    assert asked == []
    accept(submission(services, "licence", current_subject=current_subject))
    assert [row["subject"] for row in services.ledger.entries()][1] == services.ledger.pseudonym("7")[1] and asked


def test_an_opt_in_takes_effect_after_the_form_is_recorded(services):
    """The form is recorded before the opt-in; then the address may be mailed."""
    accept(submission(services, "pictures", email=ADA))
    assert kinds(services) == ["collection", "opt-in"]
    assert services.marketing.may_mail(ADA, "kids")


def test_an_opt_in_is_not_spooled(services, failures, monkeypatch):
    """With the ledger away, a form without an opt-in is spooled; one with an opt-in is a reported problem."""

    def away(*_):
        raise LedgerUnavailable("away")

    monkeypatch.setattr(services.ledger, "append", away)
    accept(submission(services, "registration", email=ADA))
    assert failures == []
    with pytest.raises(SubmissionError, match="not-recorded"):
        accept(submission(services, "pictures", email=ADA))
    assert [type(error) for error in failures] == [LedgerUnavailable]


def test_no_one_is_signed_up_while_minors_cannot_be_looked_up(services, failures, monkeypatch):
    """The problem is found before anything is recorded."""

    def away(_):
        raise RightsUnavailable("away")

    monkeypatch.setattr(services.minors, "is_minor", away)
    with pytest.raises(SubmissionError, match="not-recorded"):
        accept(submission(services, "pictures", email=ADA))
    assert kinds(services) == [] and len(failures) == 1
