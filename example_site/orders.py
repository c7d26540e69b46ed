"""Orders: the basket, buying animations, downloading them under their licence, and the list for support staff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask import session as visit
from flask_login import current_user, login_required

from flask_mixamo_privacy import acceptance_required

from . import catalogue, newsletter
from .catalogue import Animation
from .database import session
from .extensions import privacy
from .forms import email, form_value, require_address
from .models import Order
from .origin import refuse_foreign_posts
from .poses import MOTIONS

LICENCE = (Path(__file__).parent / "licence.txt").read_text(encoding="utf-8")

#: What the staff's navigation calls the list of orders.
TITLE = {"en": "Orders", "de": "Bestellungen", "fr": "Commandes", "es": "Pedidos", "ar": "الطلبات"}

orders = Blueprint("orders", __name__)
orders.before_request(refuse_foreign_posts)


@orders.app_context_processor
def for_every_page() -> dict[str, Any]:
    """Return what is in the basket, for the layout of every page."""
    return {"basket": _basket()}


def _basket() -> list[Animation]:
    """Return the animations in the basket. It is in Flask's session, so it ends with the browser's."""
    return catalogue.find_all(slug for slug in visit.get("basket", ()) if catalogue.find(slug))


@orders.get("/basket")
def basket() -> str:
    """Show the basket."""
    return render_template("basket.html")


@orders.post("/basket")
def change_basket() -> Any:
    """Put an animation into the basket, or take it out."""
    animation = catalogue.find(request.form.get("animation", "")) or abort(400)
    slugs = [each.slug for each in _basket() if each is not animation]
    is_added = "remove" not in request.form
    visit["basket"] = [*slugs, animation.slug] if is_added else slugs
    if is_added:
        privacy.track("basket.filled", animation=animation.slug)
    return redirect(url_for("orders.basket"), 303)


@orders.route("/order", methods=["GET", "POST"])
@privacy.collects("purchase", form=".order_basket")
def order_basket() -> Any:
    """Order everything in the basket. Nothing is charged: this is a demonstration."""
    if not (clips := _basket()):
        return redirect(url_for("orders.basket"), 303)
    if request.method == "GET":
        return render_template("order.html", clips=clips)
    require_address()
    for animation in clips:
        _buy(animation)
    del visit["basket"]
    return redirect(url_for("orders.ordered", slug=clips[0].slug), 303)


@orders.route("/animations/<slug>/order", methods=["GET", "POST"])
@privacy.collects("purchase", form=".order")
def order(slug: str) -> Any:
    """Order one animation without the basket."""
    animation = catalogue.find(slug) or abort(404)
    if request.method == "GET":
        return render_template("order.html", clips=[animation])
    require_address()
    _buy(animation)
    return redirect(url_for("orders.ordered", slug=slug), 303)


def _buy(animation: Animation) -> None:
    """Store an order, pass it to the payment provider, and send its receipt."""
    slug = animation.slug
    bought = Order(
        clip=slug, price=animation.price, email=email(), name=form_value("name"), address=form_value("address", 500)
    )
    bought.customer_id = getattr(current_user, "customer", None)
    with session() as open_session, open_session.begin():
        open_session.add(bought)
        open_session.flush()
        privacy.disclose("payment", bought, "purchase")  # only declared fields are sent, so not the invoice address
    newsletter.send_receipt(bought, animation.name)
    privacy.track("order.placed", animation=slug, price=animation.price)


@orders.get("/animations/<slug>/ordered")
def ordered(slug: str) -> str:
    """Thank the customer, and show the next step."""
    return render_template("ordered.html", animation=catalogue.find(slug) or abort(404))


@acceptance_required("licence", text=LICENCE)
def download(slug: str) -> Any:
    """Send an animation as a file, to a user who bought it and accepted its licence."""
    animation = catalogue.find(slug) or abort(404)
    if slug not in current_user.shelf:
        return redirect(url_for("shop.animation", slug=slug))  # the page on which to order it
    poses = [pose._asdict() for pose in MOTIONS[slug].keys]
    clip = json.dumps({"name": animation.name, "frames": animation.frames, "poses": poses}, indent=1)
    return Response(
        clip, mimetype="application/json", headers={"Content-Disposition": f'attachment; filename="{slug}.json"'}
    )


# Not as a decorator, because Flask-Login has no types.
orders.add_url_rule("/animations/<slug>/download", view_func=login_required(download))


@orders.get("/orders")
@privacy.need("support", fields=("name", "email", "order"))
def staff_list() -> str:
    """List every order, for support staff. The ledger records the access."""
    with session() as open_session:
        rows = open_session.scalars(sa.select(Order).order_by(Order.id.desc())).all()
    return render_template("orders.html", orders=rows, clips={clip.slug: clip.name for clip in catalogue.ANIMATIONS})
