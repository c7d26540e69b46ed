"""The parts of one site that serve data subjects' rights. ``Site`` puts them together."""

from __future__ import annotations

from dataclasses import dataclass

from .acceptances import Acceptances
from .book import Book
from .desk import Desk
from .minors import Minors
from .people import People
from .replay import Replay
from .stores import Stores


@dataclass(frozen=True)
class Rights:
    """The site's stores, its people, their requests, and what the extension itself stores about them."""

    stores: Stores
    book: Book
    people: People
    desk: Desk
    replay: Replay
    minors: Minors
    acceptances: Acceptances
