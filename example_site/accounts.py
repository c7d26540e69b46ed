"""Accounts: the two demo accounts, signing in and out, and the account page."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from . import catalogue
from .extensions import login_manager
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
    shelf: tuple[str, ...] = ()  # slugs of the clips that are theirs
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        """What the session remembers of the account."""
        return self.name


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
login_manager.user_loader(_BY_NAME.get)


def may_look(user: Account, need: str) -> bool:
    """Whether this account's work needs it: the staff's needs the reports, and nothing else yet."""
    return user.staff and need == "reports"


@accounts.get("/login")
def login() -> str | Response:
    """The form, or the way on for somebody who is signed in."""
    return _onward() if current_user.is_authenticated else _form()


@accounts.post("/login")
def enter() -> str | Response | tuple[str, int]:
    """Sign in by name and password."""
    account = _BY_NAME.get(request.form.get("name", "").strip().lower())
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
    """What belongs to the one who is signed in."""
    shelf = catalogue.find_all(current_user.shelf)
    return render_template("account.html", shelf=shelf, priced=catalogue.ANIMATIONS)


# Not by decorator, as Flask-Login's has no types.
accounts.add_url_rule("/account", view_func=login_required(account))


def _form(failed: bool = False) -> str:
    wanted = local_path(request.values.get("next"))
    return render_template("login.html", failed=failed, next=wanted, accounts=_ACCOUNTS)


def _onward() -> Response:
    return redirect(local_path(request.values.get("next")) or url_for("accounts.account"), 303)
