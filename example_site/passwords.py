"""Password reset by a link in a mail to the account's address."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from . import newsletter
from .database import session
from .forms import email
from .models import Customer
from .origin import refuse_foreign_posts

_ONE_HOUR = 3600

passwords = Blueprint("passwords", __name__)
passwords.before_request(refuse_foreign_posts)


@passwords.route("/password", methods=["GET", "POST"])
def forgotten() -> str:
    """Send the link. The answer is the same whether or not the account exists."""
    if request.method == "POST":
        with session() as open_session:
            customer = open_session.scalar(sa.select(Customer).where(Customer.email == email()))
        if customer is not None:
            newsletter.send_password_link(customer, url_for("passwords.choose", token=_token(customer), _external=True))
    return render_template("password.html", sent=request.method == "POST")


@passwords.route("/password/<token>", methods=["GET", "POST"])
def choose(token: str) -> str | Response | tuple[str, int]:
    """Set the new password. A link works once, because a part of the old password's hash is signed into its token."""
    with session() as open_session, open_session.begin():
        customer = _customer(open_session, token)
        if customer is None:
            return render_template("password.html", over=True), 410
        password = request.form.get("password", "")
        if len(password) < 8:
            return render_template("password.html", token=token)
        customer.password_hash = generate_password_hash(password)
    return redirect(url_for("accounts.login"), 303)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="a new password")


def _token(customer: Customer) -> str:
    return str(_signer().dumps([customer.id, customer.password_hash[-12:]]))


def _customer(open_session: Session, token: str) -> Customer | None:
    try:
        number, hash_end = _signer().loads(token, max_age=_ONE_HOUR)
    except BadData:
        return None
    customer = open_session.get(Customer, number)
    return customer if customer is not None and customer.password_hash[-12:] == hash_end else None
