"""All that keeps people's rights on one site, put together once. Building it touches no disk."""

from __future__ import annotations

from datetime import date

from ..config import Settings
from ..keys import Keys
from ..ledger import Ledger
from ..policy import Requests
from ..tracking.store import Store
from .acceptances import Acceptances
from .book import Book
from .desk import Desk, Notify
from .mail import Mailer
from .minors import Minors
from .moments import now
from .people import People
from .post import Post
from .replay import Replay
from .standings import Standings
from .stores import Outcome, Register, Stores


class Office:
    """The site's stores, its people, the book of requests, the desk, the post, and what is replayed after a restore."""

    def __init__(
        self, settings: Settings, registered: Register, ledger: Ledger, keys: Keys, store: Store, notify: Notify
    ) -> None:
        policy = settings.policy
        contact = policy.contact
        sender = settings.mail_from or (contact.email if contact else None)
        mailer = Mailer(settings.send, settings.smtp_url, policy.site, sender)
        self.way_out = mailer.way_out
        self.stores = Stores(policy, registered)
        self.book = Book(settings.rights_url, (policy.requests or Requests()).days)
        self.people = People(self.stores, ledger, keys, self.book)
        self.desk = Desk(policy, self.book, self.people, mailer, notify, settings.url_prefix)
        self.post = Post(self.desk, mailer, notify, settings.url_prefix)
        self.replay = Replay(ledger, keys, self.people, store, policy.retention.archives)
        standings = Standings(settings.rights_url, keys)
        self.people.forget_standings = standings.forget_person
        self.people.export_accepted = standings.accepted
        self.replay.forget_standings = standings.forget_again
        self.minors = Minors(standings, policy.minors)
        self.acceptances = Acceptances(standings)
        self._expired_on: date | None = None

    def attend(self) -> None:
        """What is to be done in the background, again and again."""
        self.post.process()
        today = now().date()
        if self._expired_on != today:
            self.expire()
            self._expired_on = today

    def expire(self) -> list[Outcome]:
        """Delete what was kept after an erasure and is not needed any longer, in each store by itself."""
        self.minors.expire()
        return self.replay.end() + self.stores.expire(now())
