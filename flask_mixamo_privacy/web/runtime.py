"""All that one app's privacy is made of, put together once by ``init_app``."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from flask import Flask

from ..config import Settings
from ..errors import LedgerUnavailable
from ..policy.versions import Versions
from ..signals import SIGNALS_OF_REQUESTS, recording_failed
from ..storage.clock import days_ago, timestamp
from ..storage.files import DailyCounter, Spool
from ..storage.keys import KeyRing
from ..tracking.ingest import EventParser, RateLimit
from ..tracking.log import EventLog
from ..tracking.scrub import Providers
from .assets import TRACKER, Assets
from .background import Background, RegularWork
from .cookies import CookieGuard, Cookies
from .csp import BlockedLoads, ContentSecurityPolicy
from .page_names import PageNames

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from ..mail.inbox import Inbox
    from ..mail.outgoing import MailGate, MailTransport
    from ..policy.model import Policy
    from ..reports.publisher import Publisher, Rebuilder
    from ..reports.reports import Reports
    from ..reports.windows import Calendar
    from ..rights.data_subjects import DataSubjects, Replay
    from ..rights.request_store import RequestStore
    from ..rights.requests import RequestService
    from ..rights.stores import PersonalStores, StoreRegistry
    from ..rights.subject_flags import Acceptances, KnownMinors
    from ..tracking.loader import Loaded, Loader
    from ..tracking.store import EventStore


# The parts of one site that serve data subjects' rights. ``Site`` puts them together.


@dataclass(frozen=True)
class Rights:
    """The site's stores, its people, their requests, and what the extension itself stores about them."""

    stores: PersonalStores
    request_store: RequestStore
    data_subjects: DataSubjects
    requests: RequestService
    replay: Replay
    minors: KnownMinors
    acceptances: Acceptances


#: The keys in ``app.extensions``: of the public Privacy object, and of the Site.
EXTENSION, RUNTIME = "mixamo_privacy", "mixamo_privacy.runtime"

T = TypeVar("T")

logger = logging.getLogger("flask_mixamo_privacy")

_READERS = 16  # kept at most; a client may send any Host header


class Pruned(NamedTuple):
    """How much was deleted because of its age."""

    events: int
    entries: int  # of the ledger
    mails: int  # copies of those that could not be read


class part(Generic[T]):  # noqa: N801 - a decorator
    """A part of a site, built at its first use by one thread; then an ordinary attribute.

    A serving process thus imports SQLAlchemy, the reports, rights and mail only once a visitor makes it use them.
    """

    def __init__(self, build: Callable[[Runtime], T]) -> None:
        self._build = build
        self._name = build.__name__

    def __get__(self, site: Runtime, owner: type[Runtime]) -> T:
        with site.building:
            if self._name not in vars(site):
                vars(site)[self._name] = self._build(site)
            return vars(site)[self._name]  # type: ignore[no-any-return]


class Runtime:
    """One app's policy, cookies, ledger, log, store and pages. Building it touches no disk and starts no thread."""

    def __init__(self, app: Flask, settings: Settings, registered: StoreRegistry) -> None:
        self.building = threading.RLock()
        self.settings = settings
        self.settings_read: dict[str, Any] = {}  # the app's settings as they were then; later ones have no effect
        self.policy: Policy = settings.policy
        self.cookies = Cookies(app.config, settings)
        self.keys = KeyRing(settings.keys, settings.keys_file)
        self.log = EventLog(settings.log_dir)
        self.providers = Providers(settings.isp_database)
        self.pages = PageNames(app, settings.logged_in)
        self.allowance = RateLimit()
        self.reader = lru_cache(maxsize=_READERS)(self._reader)
        self.assets = Assets(settings.assets_dir)
        self.policy_facts: dict[str, Any] = {  # what the policy page has to know besides the policy
            "min_cell": settings.min_cell,
            "provider": settings.isp_database is not None,
            "enforced": settings.csp == "enforce",
        }
        self.versions = Versions(settings.versions_dir, **self.policy_facts)
        self.guard = CookieGuard(self.policy, app.config)
        report_to = f"{settings.url_prefix}/csp-report"
        self.csp = None if settings.csp == "off" else ContentSecurityPolicy(self.policy, report_to)
        self.denied = DailyCounter(settings.log_dir)
        self.blocked_loads = BlockedLoads(os.path.join(settings.log_dir, "blocked.jsonl"))
        self.log_fields = frozenset(self.policy.log.fields)
        self.failures = 0  # recordings that failed in this process
        self._app = app
        self._registered = registered
        self._background = Background(RegularWork(app, self).run)
        self._failing = threading.Lock()

    # The side files lie in the log's folder, which is local and writable while a database may be away.
    @part
    def ledger(self) -> Ledger:
        from ..ledger.ledger import Ledger

        return Ledger(self.settings.ledger_url, self.keys, Spool(os.path.join(self.settings.log_dir, "ledger.pending")))

    @part
    def store(self) -> EventStore:
        from ..tracking.store import EventStore

        return EventStore(
            self.settings.events_url, self.keys, Spool(os.path.join(self.settings.log_dir, "erasures.pending"))
        )

    @part
    def calendar(self) -> Calendar:
        from ..reports.windows import Calendar

        return Calendar(self.settings.timezone)

    @part
    def publisher(self) -> Publisher:
        from ..reports.publisher import Publisher
        from ..reports.tables import decision_tables

        return Publisher(self.calendar, self.settings.min_cell, decision_tables(self.ledger.decisions))

    @part
    def rebuilder(self) -> Rebuilder:
        from ..reports.publisher import Rebuilder

        return Rebuilder(self.store, self.publisher)

    @part
    def reports(self) -> Reports:
        from ..reports.reports import Reports

        return Reports(self.store, self.publisher, self.calendar, self.settings.min_cell)

    @part
    def loader(self) -> Loader:
        from ..tracking.loader import Loader

        return Loader(self.settings.log_dir, self.store, self.settings.log_keep, self.publisher)

    @part
    def mail(self) -> MailGate:
        from ..mail.outgoing import MailGate

        return MailGate(self.settings, self.ledger, self.keys, lambda person: self.rights.minors.is_minor(person))

    @part
    def mailer(self) -> MailTransport:
        from ..mail.outgoing import MailTransport

        settings, contact = self.settings, self.policy.contact
        sender = settings.mail_from or (contact.email if contact else None)
        return MailTransport(settings.send, settings.smtp_url, self.policy.site, sender)

    @part
    def rights(self) -> Rights:
        from ..policy.parts import Requests
        from ..rights.data_subjects import DataSubjects, Replay
        from ..rights.request_store import RequestStore
        from ..rights.requests import RequestService
        from ..rights.stores import PersonalStores
        from ..rights.subject_flags import Acceptances, KnownMinors, SubjectFlags
        from ..tracking.loader import WAIT

        policy, settings = self.policy, self.settings
        flags = SubjectFlags(settings.rights_url, self.keys)
        minors, acceptances = KnownMinors(flags, policy.minors), Acceptances(flags)
        stores = PersonalStores(policy, self._registered)
        request_store = RequestStore(settings.rights_url, (policy.requests or Requests()).days)
        built_in = (self.mail.marketing, acceptances, minors, request_store)  # an erasure goes through them in this order
        data_subjects = DataSubjects(stores, self.ledger, self.keys, built_in)
        requests = RequestService(policy, request_store, data_subjects, self.mailer.send, self._tell, settings.url_prefix)
        archives = policy.retention.archives
        replay = Replay(self.ledger, self.keys, data_subjects, self.store, archives, lambda: self.load(WAIT))
        return Rights(stores, request_store, data_subjects, requests, replay, minors, acceptances)

    @part
    def inbox(self) -> Inbox:
        """What reads incoming mail: for commands, and once a day for the background worker."""
        from ..mail.classifier import InboxConfig
        from ..mail.inbox import Inbox, Quarantine

        settings, mail = self.settings, self.mail
        place = InboxConfig(mail.unsubscribe, mail.contact, mail.marketing.tokens.read, settings.mail_server)
        aside = Quarantine(settings.mail_aside, self.policy.retention.mail)
        return Inbox(place, mail.marketing, self.rights.requests, settings.rights_url, aside, self.policy.language)

    def tracker_address(self, root: str, mark: str) -> str:
        """Where the tracker is, below the app's root path; elsewhere for another content, and for another mark."""
        return f"{root}{self.settings.url_prefix}/tracker.js?v={self.assets.built(TRACKER).digest}&for={mark}"

    @property
    def has_babel(self) -> bool:
        """Whether Flask-Babel was initialised for the app, before us or after."""
        return "babel" in self._app.extensions

    def wake(self) -> None:
        """See that a serving process works in the background, as far as it may."""
        if self.settings.loader and not self._app.testing:
            self._background.start()

    def append(self, lines: str) -> None:
        """Log events, and see that a serving process loads them; raises :class:`LogUnavailable`."""
        self.log.append(lines)
        self.wake()

    def report_failure(
        self, error: Exception, says: str = "The page was served in spite of this", *, tell_tests: bool = True
    ) -> None:
        """Count and log what went wrong while a page was served; raise it where a test is watching."""
        with self._failing:
            self.failures += 1
        if tell_tests and (self._app.testing or self._app.debug):
            raise error
        logger.error("%s: %s", says, error, exc_info=error)
        recording_failed.send(self._app, error=error)

    def load(
        self, wait: float = 0.0, progress: Callable[[int], None] = lambda size: None, most: int | None = None
    ) -> Loaded:
        """Take up what waited beside the ledger, then load the log; events do not wait for a ledger that is away."""
        try:
            self.ledger.drain_spool()
        except LedgerUnavailable as error:
            logger.warning("What waits beside the ledger will be tried again: %s", error)
        return self.loader.load(wait, progress, most)

    def prune(self, progress: Callable[[int], None] = lambda number: None) -> Pruned:
        """Delete the events, aggregates, decisions and mails that the policy keeps no longer.

        What browsers refused is kept a month.
        """
        retention = self.policy.retention
        self.blocked_loads.prune(days_ago(30))
        events = self.store.prune(*self.first_kept(), progress)
        # As long as an archive may be restored, what was erased since has to be known.
        oldest = days_ago(max(retention.decisions.days, retention.archives.days))
        return Pruned(events, self.ledger.prune(oldest, timestamp()), self.inbox.prune())

    def first_kept(self) -> tuple[str, str]:
        """The first day of which events are kept, and the first of which aggregates are."""
        retention = self.policy.retention
        return days_ago(retention.events.days), days_ago(retention.aggregates.days)

    def _reader(self, host: str, root: str, personal: bool, *_: object) -> EventParser:
        return EventParser(host, lambda path: self.pages.name_of_reported(path, root, personal))

    def _tell(self, what: str, number: int) -> None:
        try:
            SIGNALS_OF_REQUESTS[what].send(self._app, number=number)
        except Exception as error:  # a listener's fault must not undo what was written down
            self.report_failure(error, "A listener failed; what was asked for is written down")
