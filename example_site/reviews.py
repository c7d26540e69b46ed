"""Public reviews of animations."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from flask import Blueprint, abort, redirect, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from . import catalogue
from .database import session
from .extensions import privacy
from .forms import form_value, keep
from .models import Review
from .origin import refuse_foreign_posts

_MOST = 50  # reviews shown of one animation

reviews = Blueprint("reviews", __name__)
reviews.before_request(refuse_foreign_posts)


@reviews.post("/animations/<slug>/reviews")
@privacy.collects("posting", form="shop.animation")
def review(slug: str) -> Response:
    """Post a review. Without the tick that acknowledges its publicity, a submission never reaches this view."""
    if catalogue.find(slug) is None:
        abort(404)
    author = getattr(current_user, "email", "") or None  # erases the review with its author; never shown
    keep(Review(clip=slug, name=form_value("name", 60), message=form_value("message", 5000), email=author))
    return redirect(url_for("shop.animation", slug=slug) + "#reviews", 303)


def reviews_of(slug: str) -> Sequence[Review]:
    """Return the reviews of an animation, the newest first."""
    with session() as open_session:
        chosen = sa.select(Review).where(Review.clip == slug).order_by(Review.id.desc()).limit(_MOST)
        return open_session.scalars(chosen).all()
