"""The shop: its pages, and the choices that it remembers: a theme and a favourite."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from flask_mixamo_privacy import consent_required
from flask_mixamo_privacy.web.current import current_visitor

from . import catalogue
from .extensions import privacy
from .origin import current_path, local_path, refuse_foreign_posts
from .reviews import reviews_of

THEMES = ("light", "dark", "auto")

shop = Blueprint("shop", __name__)
shop.before_request(refuse_foreign_posts)


@shop.app_context_processor
def for_every_page() -> dict[str, Any]:
    """Return the values that the layout of every page needs."""
    return {
        "theme": privacy.customisation("theme", "auto"),
        "themes": THEMES,
        "favourite": privacy.customisation("favourite"),
        "current_path": current_path(),
        "kinds": catalogue.KINDS,
        "moods": catalogue.MOODS,
    }


@shop.get("/")
def home() -> str:
    """Show the front page."""
    chosen = catalogue.find_all(catalogue.ON_FRONT)
    return render_template("home.html", chosen=chosen, visitor_is_repeat=current_visitor.is_repeat)


@shop.get("/animations")
def animations() -> str:
    """Show the catalogue, filtered by kind and mood."""
    kind, mood = (request.args.get(name) for name in ("kind", "mood"))
    return render_template(
        "animations.html",
        found=catalogue.matching(kind, mood),
        kind=kind if kind in catalogue.KINDS else None,
        mood=mood if mood in catalogue.MOODS else None,
    )


@shop.get("/animations/<slug>")
def animation(slug: str) -> str:
    """Show one animation. With ``?play`` its figure moves."""
    clip = catalogue.find(slug) or abort(404)
    playing = "play" in request.args
    if playing:
        privacy.track("preview.played", animation=clip.slug, seconds=clip.seconds)
    about = {"reviews": reviews_of(slug), "related": catalogue.related(clip)}
    return render_template("animation.html", animation=clip, playing=playing, **about)


@shop.get("/for-you")
@consent_required("customisation")
def for_you() -> str:
    """Show what goes well with the favourite. The page needs the remembered choice, so it asks for consent to it."""
    favourite = catalogue.find(privacy.customisation("favourite") or "")
    picked = catalogue.related(favourite) if favourite else catalogue.find_all(catalogue.ON_FRONT[:3])
    return render_template("for_you.html", liked=favourite, picked=picked)


@shop.post("/favourite")
def choose_favourite() -> Response:
    """Remember the visitor's favourite animation."""
    animation = catalogue.find(request.form.get("animation", "")) or abort(400)
    privacy.customise("favourite", animation.slug)
    return redirect(url_for("shop.animation", slug=animation.slug), 303)


@shop.get("/studio")
def studio() -> str:
    """Show the page about the studio."""
    return render_template("studio.html")


@shop.post("/theme")
def choose_theme() -> Response:
    """Remember a theme: light, dark, or the one that the visitor's device prefers."""
    theme = request.form.get("theme")
    if theme not in THEMES:
        abort(400)
    privacy.customise("theme", theme)
    return redirect(local_path(request.form.get("next")) or url_for("shop.home"), 303)
