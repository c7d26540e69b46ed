"""The counter: where people give something of themselves. Each form stands at a point that privacy.toml declares."""

from __future__ import annotations

import json
from pathlib import Path

import sqlalchemy as sa
from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from flask_mixamo_privacy import acceptance_required

from . import catalogue, post, records
from .catalogue import Animation
from .extensions import privacy
from .origin import refuse_foreign_posts
from .poses import MOTIONS
from .records import Letter, Order, Ownership, Review, Subscription

_LICENCE = (Path(__file__).parent / "licence.txt").read_text(encoding="utf-8")
_LONGEST = 5000  # characters of a letter or a review
_THANKS = {
    "registered": ("Registered", "We write to you when there is an update of your clip, and know it when you need help."),
    "told": ("Thank you", "We read everything, and mend what we can."),
    "listed": ("You are on the list", "We write when there is something new, and stop as soon as you say so."),
}

counter = Blueprint("counter", __name__)
counter.before_request(refuse_foreign_posts)


@counter.route("/animations/<slug>/buy", methods=["GET", "POST"])
@privacy.collects("purchase")
def buy(slug: str) -> str | Response:
    """Take an order. Nothing is really paid: the payment service would get the fields that are declared for it."""
    found = catalogue.find(slug) or abort(404)
    if request.method == "GET":
        return render_template("buy.html", animation=found)
    given = privacy.given
    order = Order(
        **{name: given[name].strip() for name in ("email", "name", "address")},
        order=slug,
        price=found.price,
        account=_account(),
    )
    with records.session() as session:
        session.add(order)
        session.flush()
        privacy.disclose("payment", order, "purchase")
        session.commit()
    post.send_receipt(order)
    return redirect(url_for("counter.bought", slug=slug, number=order.number), 303)


@counter.get("/animations/<slug>/bought")
def bought(slug: str) -> str:
    """Thanks, with the order's number and what comes next."""
    found = catalogue.find(slug) or abort(404)
    return render_template("bought.html", number=request.args.get("number", "")[:8], animation=found)


@counter.route("/register", methods=["GET", "POST"])
@privacy.collects("registration")
def register() -> str | Response | tuple[str, int]:
    """Register an order, for updates and help; it comes on the shelf of whoever is signed in."""
    if request.method == "GET":
        return render_template("register.html", number=request.args.get("number", ""))
    given = privacy.given
    with records.session() as session:
        number, email = given["order"].strip().upper(), given["email"].strip().lower()
        order = session.scalar(sa.select(Order).where(Order.number == number, sa.func.lower(Order.email) == email))
        if order is None:
            return render_template("register.html", number=number, failed=True), 422
        order.account = order.account or _account()
        session.add(Ownership(email=email, name=given.get("name", "").strip(), number=number))
        session.commit()
    return _thanks("registered")


@counter.route("/feedback", methods=["GET", "POST"])
@privacy.collects("feedback")
def feedback() -> str | Response:
    """Listen."""
    if request.method == "GET":
        return render_template("feedback.html")
    given = privacy.given
    with records.session() as session:
        email = given.get("email", "").strip().lower()
        session.add(Letter(email=email or None, message=given["message"].strip()[:_LONGEST]))
        session.commit()
    return _thanks("told")


@counter.route("/newsletter", methods=["GET", "POST"])
@privacy.collects("newsletter")
def newsletter() -> str | Response:
    """Put an address on the list of the newsletter."""
    if request.method == "GET":
        return render_template("newsletter.html")
    email = privacy.given["email"].strip().lower()
    with records.session() as session:
        if session.scalar(sa.select(Subscription).where(Subscription.email == email)) is None:
            session.add(Subscription(email=email))
            session.commit()
    return _thanks("listed")


@counter.post("/animations/<slug>/reviews")
@privacy.collects("posting", subject="")
def review(slug: str) -> Response:
    """Post what somebody has to say about a clip."""
    found = catalogue.find(slug) or abort(404)
    said = {name: privacy.given[name].strip()[:_LONGEST] for name in ("name", "message")}
    email = current_user.email or None if current_user.is_authenticated else None
    with records.session() as session:
        session.add(Review(clip=found.slug, email=email, **said))
        session.commit()
    return redirect(url_for("shop.animation", slug=slug) + "#reviews", 303)


def reviews_of(slug: str) -> list[Review]:
    """What was posted about a clip, the newest first."""
    with records.session() as session:
        return list(session.scalars(sa.select(Review).where(Review.clip == slug).order_by(Review.id.desc()).limit(50)))


@acceptance_required("licence", text=_LICENCE)
def download(slug: str) -> Response:
    """A clip as a file, for whoever bought it and accepted the licence."""
    found = catalogue.find(slug) or abort(404)
    if slug not in current_user.shelf:
        abort(403)
    response = Response(_as_file(found), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="{slug}.json"'
    return response


# Not by decorator, as Flask-Login's has no types.
counter.add_url_rule("/animations/<slug>/download", view_func=login_required(download))


def _as_file(animation: Animation) -> str:
    keys = [pose._asdict() for pose in MOTIONS[animation.slug].keys]
    return json.dumps({"name": animation.name, "frames": animation.frames, "poses": keys}, indent=1)


@counter.get("/thanks/<for_what>")
def thanks(for_what: str) -> str:
    """A page that can be loaded again without sending a form again."""
    title, text = _THANKS.get(for_what) or abort(404)
    return render_template("thanks.html", title=title, text=text)


def _thanks(for_what: str) -> Response:
    return redirect(url_for("counter.thanks", for_what=for_what), 303)


def _account() -> str | None:
    """Whose shelf it is, if somebody is signed in."""
    return str(current_user.get_id()) if current_user.is_authenticated else None
