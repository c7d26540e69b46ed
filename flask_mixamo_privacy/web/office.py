"""The parts of one site that serve data subjects' rights. ``Site`` puts them together."""

from __future__ import annotations

from dataclasses import dataclass

from ..rights.acceptances import Acceptances
from ..rights.book import Book
from ..rights.desk import Desk
from ..rights.minors import Minors
from ..rights.people import People
from ..rights.replay import Replay
from ..rights.stores import Stores


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
