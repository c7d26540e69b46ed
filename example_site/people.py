"""Where people tell the shop of themselves: a login, an account, the newsletter, feedback.

Each view stands at a point that privacy.toml declares. ``@privacy.collects`` lets nothing else in, asks for what is
required, and has the record written before the view begins; ``privacy.notice`` says it all in the form.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user
from sqlalchemy.exc import IntegrityError
from werkzeug.security import generate_password_hash
from werkzeug.wrappers import Response

from .accounts import of_customer
from .database import session
from .extensions import privacy
from .forms import NO_ADDRESS, email, is_address, keep, page, said
from .models import Customer, Feedback, Subscriber
from .origin import refuse_foreign_posts

people = Blueprint("people", __name__)
people.before_request(refuse_foreign_posts)

_THANKS = {
    "feedback": ("Thank you", "Somebody reads it, usually the same week."),
    "newsletter": ("You are on the list", "We write when something new moves, and stop as soon as you say so."),
}


@people.route("/register", methods=["GET", "POST"])
@privacy.collects("registration")
def register() -> Any:
    """Make a login, and go on to the account."""
    if request.method == "GET":
        return page("register.html")
    password = request.form["password"]
    if not is_address(email()) or len(password) < 8:
        return page("register.html", "Please give an e-mail address, and a password of eight characters or more.")
    customer = Customer(email=email(), name="", password_hash=generate_password_hash(password))
    try:
        keep(customer)
    except IntegrityError:
        return page("register.html", "There is an account with this address already. Please sign in.")
    login_user(of_customer(customer))
    return redirect(url_for("people.profile"), 303)


@privacy.collects("account")
def profile() -> Any:
    """Fill the account, or change what is in it."""
    number = current_user.customer or abort(404)  # the demo accounts have none
    with session() as open_session, open_session.begin():
        customer = open_session.get_one(Customer, number)
        if request.method == "GET":
            return page("profile.html", customer=customer)
        customer.name, customer.software = said("name"), said("software")
    return redirect(url_for("accounts.account"), 303)


# Not by decorator, as Flask-Login's has no types.
people.add_url_rule("/account/profile", view_func=login_required(profile), methods=["GET", "POST"])


@people.route("/newsletter", methods=["GET", "POST"])
@privacy.collects("newsletter")
def newsletter() -> Any:
    """Sign up to the newsletter. Whoever is too young never comes as far as this view."""
    if request.method == "GET":
        return page("newsletter.html")
    if not is_address(email()):
        return page("newsletter.html", NO_ADDRESS)
    with session() as open_session, open_session.begin():
        if not open_session.scalar(sa.select(Subscriber.id).where(Subscriber.email == email())):
            open_session.add(Subscriber(email=email(), old_enough=True))
    return _thank("newsletter")


@people.route("/feedback", methods=["GET", "POST"])
@privacy.collects("feedback")
def feedback() -> Any:
    """Tell the shop something."""
    if request.method == "GET":
        return page("feedback.html")
    if email() and not is_address(email()):
        return page("feedback.html", NO_ADDRESS)
    keep(Feedback(message=said("message", 5000), email=email() or None))
    return _thank("feedback")


@people.get("/thanks/<what>")
def thanks(what: str) -> str:
    """Where a form leads to: a page that can be loaded again without sending anything again."""
    title, text = _THANKS.get(what) or abort(404)
    return render_template("thanks.html", title=title, text=text)


def _thank(what: str) -> Response:
    return redirect(url_for("people.thanks", what=what), 303)
