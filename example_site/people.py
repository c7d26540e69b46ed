"""Where people give the shop something of their own: an account, an order, the newsletter, feedback."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user, login_user
from sqlalchemy.exc import IntegrityError
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from . import catalogue
from .accounts import of_customer
from .database import session
from .extensions import privacy
from .models import Customer, Feedback, Order, Subscriber
from .origin import refuse_foreign_posts

people = Blueprint("people", __name__)
people.before_request(refuse_foreign_posts)

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NO_ADDRESS = "Please give a whole e-mail address."


@people.route("/register", methods=["GET", "POST"])
def register() -> Any:
    """Open an account."""
    if request.method == "GET":
        return _page("register.html")
    email, name, password = _email(), _said("name", 100), request.form.get("password", "")
    if not _ADDRESS.fullmatch(email) or len(password) < 8:
        return _page("register.html", "Please give an e-mail address, and a password of eight characters or more.")
    customer = Customer(email=email, name=name, password_hash=generate_password_hash(password))
    try:
        _keep(customer)
    except IntegrityError:
        return _page("register.html", "There is an account with this address already. Please sign in.")
    login_user(of_customer(customer))
    return redirect(url_for("accounts.account"), 303)


@people.route("/animations/<slug>/order", methods=["GET", "POST"])
def order(slug: str) -> Any:
    """Order an animation. Nothing is charged: this is a demonstration."""
    animation = catalogue.find(slug) or abort(404)
    if request.method == "GET":
        return _page("order.html", animation=animation)
    found = {"email": _email(), "name": _said("name", 100), "address": _said("address", 500)}
    if not all(found.values()) or not _ADDRESS.fullmatch(found["email"]):
        return _page("order.html", "Please fill in all three.", animation=animation)
    mine = getattr(current_user, "customer", None)
    _keep(Order(customer_id=mine, clip=slug, price=animation.price, **found))
    return _page(
        "thanks.html", title="Thank you", text=f"{animation.name} is ordered; the receipt goes to {found['email']}."
    )


@people.route("/newsletter", methods=["GET", "POST"])
def newsletter() -> Any:
    """Sign up to the newsletter; nothing is kept of whoever is too young."""
    if request.method == "GET":
        return _page("newsletter.html")
    if not _ADDRESS.fullmatch(_email()) or request.form.get("old_enough") not in ("yes", "no"):
        return _page("newsletter.html", "Please give an e-mail address, and say whether you are 13 or older.")
    if request.form["old_enough"] == "yes":
        with session() as open_session, open_session.begin():
            if not open_session.scalar(sa.select(Subscriber.id).where(Subscriber.email == _email())):
                open_session.add(Subscriber(email=_email(), old_enough=True))
        return _page("thanks.html", title="Thank you", text="We write when there is something new to move to.")
    return _page("thanks.html", title="Not yet", text="The newsletter is for those who are 13 or older. Nothing was kept.")


@people.route("/feedback", methods=["GET", "POST"])
def feedback() -> Any:
    """Tell the shop something."""
    if request.method == "GET":
        return _page("feedback.html")
    message, email = _said("message", 5000), _email()
    if not message or (email and not _ADDRESS.fullmatch(email)):
        return _page("feedback.html", "Please write something." if not message else _NO_ADDRESS)
    _keep(Feedback(message=message, email=email or None))
    return _page("thanks.html", title="Thank you", text="Somebody reads it, usually the same week.")


@people.get("/orders")
@privacy.need("support", fields=("name", "email", "order"))
def orders() -> str:
    """Every order, for staff who help people with theirs; the ledger notes the look."""
    with session() as open_session:
        found = open_session.scalars(sa.select(Order).order_by(Order.id.desc())).all()
    return render_template("orders.html", orders=found, clips={clip.slug: clip.name for clip in catalogue.ANIMATIONS})


def _email() -> str:
    return _said("email", 254).lower()


def _said(name: str, longest: int) -> str:
    return request.form.get(name, "").strip()[:longest]


def _keep(row: Any) -> None:
    with session() as open_session, open_session.begin():
        open_session.add(row)


def _page(template: str, failed: str = "", **values: Any) -> Response | tuple[str, int]:
    page = render_template(template, failed=failed, form=request.form, **values)
    return page, 422 if failed else 200
