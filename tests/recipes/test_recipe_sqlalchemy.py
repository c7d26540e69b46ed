"""The recipes for Flask-SQLAlchemy and Flask-SQLAlchemy-Lite."""

from __future__ import annotations

import json
from importlib import import_module

import pytest
from sqlalchemy import select

from conftest import in_a_thread

pytestmark = pytest.mark.recipes

ADA = "ada@shop.example"


def sold(module, app):
    """Store an account with an order, and one without."""
    with app.app_context():
        account = module.Account(email=ADA, name="Ada")
        module.db.session.add_all([account, module.Account(email="bob@shop.example", name="Bob")])
        module.db.session.flush()
        module.db.session.add(module.Order(account_id=account.id, street="Elm 1"))
        module.db.session.commit()


def closed(module, app):
    """Close the database's connections."""
    with app.app_context():
        module.db.session.close()
        module.db.engine.dispose()


def rows(module, app):
    """Return each account, and each order's street."""
    with app.app_context():
        accounts = module.db.session.execute(select(module.Account.email, module.Account.name)).all()
        streets = module.db.session.scalars(select(module.Order.street)).all()
        return sorted(map(tuple, accounts)), streets


def command(app, *arguments):
    outcome = app.test_cli_runner().invoke(args=["privacy", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


@pytest.mark.parametrize("name", ["shop", "desk"])
def test_a_person_is_exported_and_erased(recipe, name):
    """An erasure keeps the order's declared field, deletes the person's name, and leaves others alone."""
    page = recipe("sqlalchemy")

    def export_and_erase():
        app = page.app(name, "create_app")
        module = import_module(name)
        sold(module, app)
        exported = json.loads(command(app, "export", ADA))["stores"]["database"]
        assert "Ada" in json.dumps(exported) and "Elm 1" in json.dumps(exported)
        command(app, "erase", "--subject", ADA)
        accounts, streets = rows(module, app)
        assert ("bob@shop.example", "Bob") in accounts and (ADA, "Ada") not in accounts
        assert streets == ["Elm 1"] and not any(person == "Ada" for _, person in accounts)
        closed(module, app)

    in_a_thread(export_and_erase)  # Flask-SQLAlchemy-Lite closes its sessions by asyncio


@pytest.mark.parametrize("name", ["shop", "desk"])
def test_the_check_finds_no_undeclared_column(recipe, name):
    """Every personal column of the page is declared and registered."""
    page = recipe("sqlalchemy")
    output = page.run(page.commands()[0].replace("shop", name), codes=(0, 1))
    assert "column" not in output.lower() and "model" not in output.lower(), output
