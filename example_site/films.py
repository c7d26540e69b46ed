"""Films: pages that embed a player from another host, and that player, which the shop serves under another name.

A real shop would embed a company's player. A browser resolves every name that ends in ``.localhost`` to this computer
(RFC 6761), and keeps it apart from the shop's own. So the example needs neither a company nor a second server.
"""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from . import catalogue

HOST = "player.localhost"

films = Blueprint("films", __name__)


@films.get("/animations/<slug>/film")
def film(slug: str) -> str:
    """Show a film of an animation. The player loads only once the visitor allows it."""
    return render_template("film.html", animation=catalogue.find(slug) or abort(404), player=_player(slug))


@films.get("/player/<slug>")
def player(slug: str) -> str:
    """Show the player on its own host. It stands for another company's page, so it has nothing of the shop's layout."""
    if request.host.partition(":")[0] != HOST:
        abort(404)
    return render_template("player.html", animation=catalogue.find(slug) or abort(404))


def _player(slug: str) -> str:
    """Return the URL of the player on its host, at the shop's port."""
    _, colon, port = request.host.partition(":")
    return f"{request.scheme}://{HOST}{colon}{port}{request.script_root}/player/{slug}"
