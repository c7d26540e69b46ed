"""A new password, for whoever reads the mail of an account's address."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from . import post, records
from .origin import refuse_foreign_posts

_AN_HOUR = 3600

passwords = Blueprint("passwords", __name__)
passwords.before_request(refuse_foreign_posts)


@passwords.route("/password", methods=["GET", "POST"])
def forgotten() -> str:
    """Send the link; the answer is the same whether there is such an account."""
    if request.method == "POST":
        email = request.form.get("email", "").strip().lower()
        with records.session() as session:
            customer = session.scalar(sa.select(records.Customer).where(records.Customer.email == email))
        if customer is not None:
            post.send_way_back(customer, url_for("passwords.chosen", token=_token(customer), _external=True))
    return render_template("password.html", sent=request.method == "POST", token=None)


@passwords.route("/password/<token>", methods=["GET", "POST"])
def chosen(token: str) -> str | Response | tuple[str, int]:
    """Take the new password; a link works once, as the old password is part of what it is signed over."""
    with records.session() as session:
        customer = _customer(session, token)
        if customer is None:
            return render_template("password.html", sent=False, token=None, over=True), 410
        if request.method == "GET" or not request.form.get("password"):
            return render_template("password.html", sent=False, token=token)
        customer.password_hash = generate_password_hash(request.form["password"])
        session.commit()
    return redirect(url_for("accounts.login"), 303)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="pacework.password")


def _token(customer: records.Customer) -> str:
    return str(_signer().dumps([customer.id, customer.password_hash[-12:]]))


def _customer(session: Session, token: str) -> records.Customer | None:
    try:
        number, old = _signer().loads(token, max_age=_AN_HOUR)
    except (BadData, ValueError, TypeError):
        return None
    customer = session.get(records.Customer, number)
    return customer if customer is not None and customer.password_hash[-12:] == old else None
