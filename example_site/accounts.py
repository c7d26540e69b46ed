"""Accounts: the two demo accounts, signing in and out, and the account page."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from . import catalogue, records
from .extensions import login_manager, privacy
from .origin import local_path, refuse_foreign_posts

accounts = Blueprint("accounts", __name__)
accounts.before_request(refuse_foreign_posts)

login_manager.login_view = "accounts.login"
login_manager.login_message = None  # the login page says itself why it is shown


class Account(NamedTuple):
    """Somebody who may sign in, as Flask-Login wants it."""

    name: str
    hashed: str
    staff: bool = False
    own: tuple[str, ...] = ()  # slugs of the clips that came with a demo account
    number: int = 0  # of an account that somebody made
    email: str = ""
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """What the session remembers of the account."""
        return str(self.number or self.name)

    @property
    def shelf(self) -> tuple[str, ...]:
        """The slugs of the clips that are theirs."""
        with records.session() as session:
            bought = sa.select(records.Order.order).where(records.Order.account == self.get_id())
            return tuple(dict.fromkeys((*self.own, *session.scalars(bought))))


# Both passwords are "demo".
_ACCOUNTS = (
    Account(
        "customer",
        "scrypt:32768:8:1"
        "$DBzZWC7uOMtULv0r$"
        "5f47c21c75b0aba19cfa3f44febc110017f72ee54e88cdbc1666999e3d52e66b"
        "7fe274699c8c36c59189ece23acd83fd27bd2f2c349f8c98df99692a2b38625f",
        own=("walk", "wave", "trudge"),
    ),
    Account(
        "staff",
        "scrypt:32768:8:1"
        "$xQzxVypKZL4TO9r7$"
        "3465b41766075deb88b5d950cd6e00b9580f352be1209539cafde37cbacd2489"
        "d096f49d542fa583adaa8ac43c95012789a1a2b8f661c4cf3c85a86baea90c65",
        staff=True,
    ),
)
_BY_NAME = {account.name: account for account in _ACCOUNTS}


@login_manager.user_loader  # type: ignore[untyped-decorator]
def _known(key: str) -> Account | None:
    if key in _BY_NAME or not key.isdigit():
        return _BY_NAME.get(key)
    with records.session() as session:
        return _account_of(session.get(records.Customer, int(key)))


def _account_of(row: records.Customer | None) -> Account | None:
    if row is None:
        return None
    return Account(row.name or row.email, row.password_hash, number=row.id, email=row.email)


def _called(name: str) -> Account | None:
    """The account of this name, or of this address."""
    if name in _BY_NAME or "@" not in name:
        return _BY_NAME.get(name)
    with records.session() as session:
        return _account_of(session.scalar(sa.select(records.Customer).where(records.Customer.email == name)))


@accounts.get("/login")
def login() -> str | Response:
    """The form, or the way on for somebody who is signed in."""
    return _onward() if current_user.is_authenticated else _form()


@accounts.post("/login")
def enter() -> str | Response | tuple[str, int]:
    """Sign in by name and password."""
    account = _called(request.form.get("name", "").strip().lower())
    if account is None or not check_password_hash(account.hashed, request.form.get("password", "")):
        return _form(failed=True), 422
    login_user(account)
    return _onward()


@accounts.route("/signup", methods=["GET", "POST"])
@privacy.collects("account", controls=["next"])
def signup() -> str | Response | tuple[str, int]:
    """Make an account, and sign in."""
    if request.method == "GET":
        return _signup()
    given = privacy.given
    email, name = given["email"].strip().lower(), given.get("name", "").strip()
    with records.session() as session:
        if session.scalar(sa.select(records.Customer).where(records.Customer.email == email)) is not None:
            return _signup(taken=True), 422
        made = records.Customer(email=email, name=name, password_hash=generate_password_hash(given["password"]))
        session.add(made)
        session.commit()
    login_user(_account_of(made))
    return _onward()


@accounts.post("/logout")
def logout() -> Response:
    """Sign out."""
    logout_user()
    return redirect(url_for("shop.home"), 303)


def account() -> str:
    """What belongs to the one who is signed in."""
    shelf = catalogue.find_all(current_user.shelf)
    return render_template("account.html", shelf=shelf, priced=catalogue.ANIMATIONS)


# Not by decorator, as Flask-Login's has no types.
accounts.add_url_rule("/account", view_func=login_required(account))


def _form(failed: bool = False) -> str:
    wanted = local_path(request.values.get("next"))
    return render_template("login.html", failed=failed, next=wanted, accounts=_ACCOUNTS)


def _signup(taken: bool = False) -> str:
    return render_template("signup.html", taken=taken, next=local_path(request.values.get("next")))


def _onward() -> Response:
    return redirect(local_path(request.values.get("next")) or url_for("accounts.account"), 303)
