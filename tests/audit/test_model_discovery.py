"""`flask privacy check` finds the app's models and the columns that look personal."""

import json
import sys

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.rights.rows import undeclared
from support.people_site import policy

WAYS = """
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, declarative_base, registry

class Base(DeclarativeBase):
    pass

class Mapped(Base):
    __tablename__ = "mapped"
    id = sa.Column(sa.Integer, primary_key=True)
    iban = sa.Column(sa.Text)

class Classic(declarative_base()):
    __tablename__ = "classic"
    id = sa.Column(sa.Integer, primary_key=True)
    iban = sa.Column(sa.Text)

register = registry()

@register.mapped
class Plain:
    __tablename__ = "plain"
    id = sa.Column(sa.Integer, primary_key=True)
    iban = sa.Column(sa.Text)
"""


def test_promise_4_a_model_is_found_however_it_is_declared(tmp_path, tiny, monkeypatch):
    """A model is found in another module, with any base class or with none."""
    (tmp_path / "hostel_app.py").write_text("")
    (tmp_path / "hostel_models.py").write_text(WAYS)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("hostel_app", "hostel_models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        __import__(name)
    site = tiny(PRIVACY_POLICY=policy())
    site.app.import_name = "hostel_app"
    found = {finding["key"] for finding in json.loads(site.cli("check", "--json").output)}
    assert {f"models.{name}.iban" for name in ("Mapped", "Classic", "Plain")} <= found


PERSONAL = [
    "postal_code",
    "postalCode",
    "phonenumber",
    "phone_number",
    "emailaddress",
    "emailAddress",
    "dateofbirth",
    "date_of_birth",
    "tel",
    "remote_addr",
    "email2",
    "phone1",
    "address1",
    "credit_card",
    "social_security_number",
    "tax_id",
    "national_id",
    "nationality",
    "login",
]


@pytest.mark.parametrize(
    ("names", "looks"),
    [(PERSONAL, PERSONAL), (["title", "price", "status", "number", "tax", "last_login_at", "phones_sold"], [])],
)
def test_promise_4_a_column_looks_personal_in_every_spelling(names, looks):
    """A name with a number, or with its words run together, looks personal too."""
    columns = {name: sa.Column(sa.Text) for name in names}
    base = sa.orm.declarative_base()
    model = type("Guest", (base,), {"__tablename__": "g", "id": sa.Column(sa.Integer, primary_key=True), **columns})
    assert list(undeclared(model, policy(), {})) == looks
