"""Collection points in Flask-WTF forms: only declared fields, and a missing one is an error of its field."""

import importlib
import json
import re
import sys

import pytest
from flask import render_template_string
from flask_wtf import CSRFProtect
from wtforms import StringField, SubmitField
from wtforms.validators import Length

from flask_mixamo_privacy.errors import UndeclaredCollection
from flask_mixamo_privacy.wtf import CollectionForm
from support.form_site import born, hidden, policy

pytestmark = pytest.mark.usefixtures("clock")

ADA = "ada@shop.example"
PAGE = """<form method=post>{{ form.hidden_tag() }}{{ form.notice }}
{% for field in form if field.errors %}<b>{{ field.name }}: {{ field.errors|join }}</b>{% endfor %}
{% for error in form.form_errors %}<i>{{ error }}</i>{% endfor %}"""


class Registration(CollectionForm):
    collects = "registration"
    email = StringField("E-mail", [Length(max=30)])
    name = StringField("Name")
    shoe_size = StringField("Shoe size")
    submit = SubmitField("Register")


class Newsletter(CollectionForm):
    collects = "newsletter"
    email = StringField("E-mail")


def with_form(tiny, kind=Registration, **config):
    site = tiny(PRIVACY_POLICY=policy(), **config)
    CSRFProtect(site.app)

    def view():
        form = kind()
        if form.validate_on_submit():
            return {"data": form.data, "given": dict(form.given), "opt_ins": sorted(form.given.opt_ins)}
        return render_template_string(PAGE, form=form)

    site.app.add_url_rule("/form", "form", view, methods=["GET", "POST"])
    return site


def send(visitor, **fields):
    return visitor.post("/form", data=hidden(visitor, "/form") | fields)


def test_only_declared_fields_reach_the_form(tiny):
    """The form also gets the token and the button, and one record is written."""
    site = with_form(tiny)
    answer = send(site.visitor(), email=ADA, shoe_size="42", submit="Register").json
    assert (answer["data"]["email"], answer["data"]["shoe_size"], answer["data"]["submit"]) == (ADA, None, True)
    assert answer["given"] == {"email": ADA}
    [row] = site.ledger("collection")
    assert json.loads(row["detail"]) == {"point": "registration", "fields": ["email"], "dropped": 1} and row["text"]


def test_a_missing_field_is_an_error_of_its_field(tiny):
    """The form shows the error, and nothing is recorded."""
    site = with_form(tiny)
    assert "<b>email: Please fill in: your email.</b>" in send(site.visitor(), name="Ada").text
    assert site.ledger() == []


def test_the_forms_own_validators_count(tiny):
    """A form that they reject is not recorded."""
    site = with_form(tiny)
    assert "email: Field cannot be longer than 30" in send(site.visitor(), email="a" * 30 + ADA).text and site.ledger() == []


def test_promise_20_a_minor_is_refused_in_the_form(tiny):
    """The error is of the complete form; a person who is old enough is signed up."""
    site = with_form(tiny, Newsletter)
    child = site.visitor()
    assert "<i>We cannot sign you up.</i>" in send(child, email=ADA, **born(2015)).text
    assert "<i>We cannot sign you up.</i>" in send(child, email=ADA, **born(1980)).text
    assert send(site.visitor(), email="eve@shop.example", **born(1980)).json["opt_ins"] == ["marketing"]


def test_an_opt_in_has_no_effect_if_the_view_fails(tiny):
    """The opt-in of a valid form takes effect only after the view has returned."""
    site = with_form(tiny, Newsletter)
    marketing = site.privacy.runtime(site.app).mail.marketing
    site.app.view_functions["form"] = lambda: ("no", 422) if Newsletter().validate_on_submit() else "form"
    fields = hidden(with_form(tiny, Newsletter).visitor(), "/form") | {"email": ADA} | born(1980)
    site.app.config["WTF_CSRF_ENABLED"] = False
    assert site.visitor().post("/form", data=fields).status_code == 422 and marketing.of(ADA) == []
    site.app.view_functions["form"] = lambda: "yes" if Newsletter().validate_on_submit() else "form"
    assert site.visitor().post("/form", data=fields).text == "yes" and marketing.of(ADA)[0].is_in


def test_the_csrf_token_is_still_required(tiny):
    """Filtering the form does not bypass Flask-WTF's own check."""
    assert with_form(tiny).visitor().post("/form", data={"email": ADA}).status_code == 400


def test_promise_07_an_undeclared_point_raises(tiny):
    """An undeclared point raises in tests; in production the form is empty and never valid."""

    class Survey(CollectionForm):
        collects = "survey"
        email = StringField("E-mail")

    with pytest.raises(UndeclaredCollection):
        with_form(tiny, Survey).visitor().get("/form")
    site = with_form(tiny, Survey, TESTING=False)
    assert send(site.visitor(), email=ADA).text.startswith("<form method=post>") and site.ledger() == []


def test_without_flask_wtf_the_first_use_names_the_missing_package(tiny, monkeypatch):
    """The module can be imported without it."""
    monkeypatch.setitem(sys.modules, "flask_wtf", None)
    monkeypatch.delitem(sys.modules, "flask_mixamo_privacy.wtf")
    bare = importlib.import_module("flask_mixamo_privacy.wtf").CollectionForm
    form = type("Registration", (bare,), {"collects": "registration"})
    with tiny(PRIVACY_POLICY=policy()).app.test_request_context(), pytest.raises(ImportError, match="pip install Flask-WTF"):
        form()


SHOWN = """{{ privacy.problem.prefix }}{{ privacy.problems() }}{{ form.name }}
{{ form.email(**privacy.field('email').aria) }}{{ privacy.field('email').error }}"""


@pytest.mark.parametrize(
    ("sent", "message"),
    [({"email": "a" * 40}, "Field cannot be longer than 30 characters."), ({}, "Please fill in: your email.")],
)
def test_every_error_of_the_form_is_in_the_summary(tiny, monkeypatch, sent, message):
    """The errors of validators and of missing fields link to their field, which is marked as invalid."""
    monkeypatch.setattr("test_wtf.PAGE", SHOWN)
    text = with_form(tiny, WTF_CSRF_ENABLED=False).visitor().post("/form", data=sent).text
    assert text.startswith("Error: ") and f'<a href="#email">{message}</a>' in text
    assert (
        'aria-describedby="email-error" aria-invalid="true"' in text
        and f'id="email-error" lang="en" dir="ltr">{message}' in text
    )


def test_a_field_is_marked_without_a_change_of_the_template(tiny):
    """A field with an error has ``aria-invalid``, and another field has not."""
    page = "{{ form.email }}{{ form.name }}"
    site = with_form(tiny, WTF_CSRF_ENABLED=False)

    def view():
        form = Registration()
        form.validate_on_submit()
        return render_template_string(page, form=form)

    site.app.view_functions["form"] = view
    text = site.visitor().post("/form", data={"name": "Ada"}).text
    assert re.findall(r'<input aria-invalid="true" id="(\w+)"', text) == ["email"] and text.count("aria-invalid") == 1
