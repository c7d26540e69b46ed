"""Accounts: two demo accounts, signing in and out, and the account page."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from . import catalogue
from .database import session
from .extensions import login_manager
from .models import Customer, Order
from .origin import local_path, refuse_foreign_posts

accounts = Blueprint("accounts", __name__)
accounts.before_request(refuse_foreign_posts)

login_manager.login_view = "accounts.login"
login_manager.login_message = None  # the login page has its own text


class Account(NamedTuple):
    """A user who can sign in, with the attributes that Flask-Login needs."""

    name: str
    hashed: str
    staff: bool = False
    shelf: tuple[str, ...] = ()  # slugs of the animations that the user owns
    customer: int | None = None  # the id of the customer's row; None for a demo account
    email: str = ""
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """Return the id that Flask-Login keeps in the session."""
        return self.name if self.customer is None else f"{_CUSTOMER}{self.customer}"


# Both passwords are "demo".
_ACCOUNTS = (
    Account(
        "customer",
        "scrypt:32768:8:1"
        "$DBzZWC7uOMtULv0r$"
        "5f47c21c75b0aba19cfa3f44febc110017f72ee54e88cdbc1666999e3d52e66b"
        "7fe274699c8c36c59189ece23acd83fd27bd2f2c349f8c98df99692a2b38625f",
        shelf=("walk", "wave", "trudge"),
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
_CUSTOMER = "customer-"


def of_customer(customer: Customer) -> Account:
    """Return the account of a customer, with the ordered animations on its shelf."""
    with session() as open_session:
        ordered = sa.select(Order.clip).where(Order.customer_id == customer.id).order_by(Order.id).distinct()
        shelf = tuple(open_session.scalars(ordered))
    name = customer.name or customer.email
    return Account(name, customer.password_hash, shelf=shelf, customer=customer.id, email=customer.email)


def _load(user_id: str) -> Account | None:
    number = user_id.removeprefix(_CUSTOMER)
    if number == user_id or not number.isdigit():
        return _BY_NAME.get(user_id)
    with session() as open_session:
        customer = open_session.get(Customer, int(number))
    return of_customer(customer) if customer is not None else None


login_manager.user_loader(_load)  # not as a decorator, because Flask-Login has no types


def _find(name: str) -> Account | None:
    """Return the account with this demo name or e-mail address, or None."""
    name = name.strip().lower()
    if "@" not in name:
        return _BY_NAME.get(name)
    with session() as open_session:
        customer = open_session.scalar(sa.select(Customer).where(Customer.email == name))
    return of_customer(customer) if customer is not None else None


def may_access(user: Account, need: str) -> bool:
    """Return whether this user may access pages with this need: staff see reports, requests, health and orders."""
    return user.staff and need in ("reports", "requests", "health", "support")


@accounts.get("/login")
def login() -> str | Response:
    """Show the login form, or redirect a user who is signed in."""
    return _onward() if current_user.is_authenticated else _form()


@accounts.post("/login")
def enter() -> str | Response | tuple[str, int]:
    """Sign in with name and password."""
    account = _find(request.form.get("name", ""))
    if account is None or not check_password_hash(account.hashed, request.form.get("password", "")):
        return _form(failed=True), 422
    login_user(account)
    return _onward()


@accounts.post("/logout")
def logout() -> Response:
    """Sign out."""
    logout_user()
    return redirect(url_for("shop.home"), 303)


def account() -> str:
    """Show the user's own animations."""
    shelf = catalogue.find_all(current_user.shelf)
    return render_template("account.html", shelf=shelf, priced=catalogue.ANIMATIONS)


# Not as a decorator, because Flask-Login has no types.
accounts.add_url_rule("/account", view_func=login_required(account))


def _form(failed: bool = False) -> str:
    wanted = local_path(request.values.get("next"))
    return render_template("login.html", failed=failed, next=wanted, accounts=_ACCOUNTS)


def _onward() -> Response:
    return redirect(local_path(request.values.get("next")) or url_for("accounts.account"), 303)
