"""Forms that collect personal data: registration, account, newsletter, feedback.

Each view is a collection point that privacy.toml declares. ``@privacy.collects`` removes undeclared fields, requires the
required ones, and records the submission before the view begins. ``form=`` is the view that shows a rejected form again.
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
from .forms import email, form_value, keep, require_address
from .models import Customer, Feedback, Subscriber
from .origin import refuse_foreign_posts

people = Blueprint("people", __name__)
people.before_request(refuse_foreign_posts)

_THANKS = {
    "feedback": ("Thank you", "Somebody reads it, usually the same week."),
    "newsletter": (
        "One more step",
        "We have sent you a mail. Open its link, and you are on the list.",
    ),
}


@people.route("/register", methods=["GET", "POST"])
@privacy.collects("registration", form=".register")
def register() -> Any:
    """Create a login, and redirect to the account's form."""
    if request.method == "GET":
        return render_template("register.html")
    require_address()
    password = request.form["password"]
    if len(password) < 8:
        privacy.reject("Please choose a password of eight characters or more.", "password")
    customer = Customer(email=email(), name="", password_hash=generate_password_hash(password))
    try:
        keep(customer)
    except IntegrityError:
        privacy.reject("There is an account with this address already. Please sign in.", "email")
    login_user(of_customer(customer))
    return redirect(url_for("people.profile"), 303)


@privacy.collects("account", form=".profile")
def profile() -> Any:
    """Show or change the account's details."""
    number = current_user.customer or abort(404)  # demo accounts have no row
    with session() as open_session, open_session.begin():
        customer = open_session.get(Customer, number) or abort(404)
        if request.method == "GET":
            return render_template("profile.html", customer=customer)
        customer.name, customer.software = form_value("name"), form_value("software")
    return redirect(url_for("accounts.account"), 303)


# Not as a decorator, because Flask-Login has no types.
people.add_url_rule("/account/profile", view_func=login_required(profile), methods=["GET", "POST"])


@people.route("/newsletter", methods=["GET", "POST"])
@privacy.collects("newsletter", form=".newsletter")
def newsletter() -> Any:
    """Subscribe to the newsletter. A child's submission never reaches this view."""
    if request.method == "GET":
        return render_template("newsletter.html")
    require_address()
    with session() as open_session, open_session.begin():
        if not open_session.scalar(sa.select(Subscriber.id).where(Subscriber.email == email())):
            open_session.add(Subscriber(email=email(), old_enough=True))
    return _thank("newsletter")


@people.route("/feedback", methods=["GET", "POST"])
@privacy.collects("feedback", form=".feedback")
def feedback() -> Any:
    """Send feedback to the shop."""
    if request.method == "GET":
        return render_template("feedback.html")
    if email():
        require_address()
    keep(Feedback(message=form_value("message", 5000), email=email() or None))
    return _thank("feedback")


@people.get("/thanks/<what>")
def thanks(what: str) -> str:
    """Thank the user, on a page that can be reloaded without submitting the form again."""
    title, text = _THANKS.get(what) or abort(404)
    return render_template("thanks.html", title=title, text=text)


def _thank(what: str) -> Response:
    return redirect(url_for("people.thanks", what=what), 303)
