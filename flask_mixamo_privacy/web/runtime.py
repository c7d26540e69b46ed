"""The runtime: the privacy objects of one app, built once by ``init_app``."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from flask import Flask

from ..config import Settings
from ..errors import LedgerUnavailable, LogFull
from ..policy.clickhouse_url import parse_clickhouse_url
from ..policy.versions import Versions
from ..signals import SIGNALS_OF_REQUESTS, recording_failed
from ..storage.clock import days_ago, timestamp, today
from ..storage.failures import EVERY, log_failure, repetitions
from ..storage.files import DailyCounter, Spool
from ..storage.keys import KeyRing
from ..storage.memory import NetworkAllowance
from ..tracking.events import logged_client
from ..tracking.ingest import EventParser, RateLimit
from ..tracking.log import EventLog
from ..tracking.scrub import Providers
from .assets import TRACKER, Assets
from .background import RegularWork
from .cookie_guard import CookieGuard
from .cookies import Cookies
from .csp import BlockedLoads, ContentSecurityPolicy
from .locale import SiteLocale
from .page_names import PageNames

if TYPE_CHECKING:
    from ..ledger.ledger import Ledger
    from ..mail.confirmations import OptInConfirmations
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
    from ..tracking.engine import Events
    from ..tracking.loader import Loaded, Loader
    from ..tracking.store import EventStore


@dataclass(frozen=True)
class Rights:
    """The objects that serve data subject requests."""

    stores: PersonalStores
    request_store: RequestStore
    data_subjects: DataSubjects
    requests: RequestService
    replay: Replay
    minors: KnownMinors
    acceptances: Acceptances
    confirmations: OptInConfirmations


#: The keys in ``app.extensions`` of the public Privacy object and of the Runtime.
EXTENSION, RUNTIME = "mixamo_privacy", "mixamo_privacy.runtime"
T = TypeVar("T")
logger = logging.getLogger("flask_mixamo_privacy")

_COUNTED = ("denied", "refused", "forwarded")  # accesses, events beyond a limit, requests by a proxy that is not declared
_MOST_DENIALS = 100  # entries about one user in a day
_PARSERS = _MOUNTS = 16  # at most are kept: a client may send any Host, and a proxy may pass on any mount


class Pruned(NamedTuple):
    """The number of deleted rows and files, by kind."""

    events: int
    entries: int  # of the ledger
    mails: int  # copies of unreadable mails


class part(Generic[T]):  # noqa: N801 - a decorator
    """A part of a runtime. One thread builds it at its first use; then it is an ordinary attribute.

    So a serving process imports SQLAlchemy, reports, rights and mail only when a request needs them.
    """

    def __init__(self, build: Callable[[Runtime], T]) -> None:
        self._build = build
        self._name = build.__name__

    def __get__(self, runtime: Runtime, owner: type[Runtime]) -> T:
        with runtime.building:
            if self._name not in vars(runtime):
                vars(runtime)[self._name] = self._build(runtime)
            return vars(runtime)[self._name]  # type: ignore[no-any-return]


def _remote_events(url: str) -> Events | None:
    """Return the events of a site that has them in a database of their own."""
    if (parsed := parse_clickhouse_url(url)) is None:
        return None
    from ..tracking.clickhouse_events import ClickHouseEvents

    return ClickHouseEvents.at(parsed)


class Runtime:
    """The policy, cookies, ledger, log, store and pages of one app. Its creation touches no disk and starts no thread."""

    def __init__(self, app: Flask, settings: Settings, registered: StoreRegistry) -> None:
        self.building = threading.RLock()
        self.settings = settings
        self.settings_read: dict[str, Any] = {}  # as init_app read them; later changes have no effect
        self.policy: Policy = settings.policy
        self.cookie_beginning = f"{settings.cookie_name}_"  # of the names of our cookies, without a prefix
        self.cookies_at = lru_cache(maxsize=_MOUNTS)(partial(Cookies, app.config, settings))  # by mount and scheme
        self.keys = KeyRing(settings.keys, settings.keys_file)
        self.log = EventLog(settings.log_dir, most=settings.log_most)
        self.providers = Providers(settings.isp_database)
        self.log_fields = frozenset(self.policy.log.fields)
        self.client = lru_cache(maxsize=4096)(partial(logged_client, self.log_fields, self.providers))
        self.pages = PageNames(app, settings.logged_in, self.log_fields)
        self.rate_limit = RateLimit()
        self.event_parser = lru_cache(maxsize=_PARSERS)(self._event_parser)
        self.assets = Assets(settings.assets_dir)
        self.policy_facts: dict[str, Any] = {  # for the policy page, besides the policy
            "provider": settings.isp_database is not None,
            "enforced": settings.csp == "enforce",
            "cookies_begin": settings.cookie_name,
            **{name: getattr(settings, name) for name in ("min_cell", "confirm_opt_ins", "public_reports")},
        }
        self.versions = Versions(settings.versions_dir, settings.languages, **self.policy_facts)
        self.guard = CookieGuard(self.policy, app.config, settings.cookie_name)
        self.csp = None if settings.csp == "off" else ContentSecurityPolicy(self.policy, f"{settings.url_prefix}/csp-report")
        self.denied, self.refused, self.forwarded = (DailyCounter(settings.log_dir, name) for name in _COUNTED)
        self.denials = NetworkAllowance(_MOST_DENIALS)
        self.blocked_loads = BlockedLoads(os.path.join(settings.log_dir, "blocked.jsonl"))
        self.helpers: Any = None  # the TemplateHelpers, the ``privacy`` object of templates
        self.failures = 0  # recording failures in this process
        repetitions.forget()
        self._refusal_logged = -EVERY
        self.extensions = app.extensions
        self.site_locale = SiteLocale(app, settings.locale, settings.languages, self.policy.language, self.report_failure)
        self.app = app
        self._registered = registered
        self._background = RegularWork(app, self)
        self._failing = threading.Lock()

    # Spools are in the log's folder, because it is local and writable while a database is unreachable.
    @part
    def ledger(self) -> Ledger:
        from ..ledger.ledger import Ledger

        return Ledger(self.settings.ledger_url, self.keys, Spool(os.path.join(self.settings.log_dir, "ledger.pending")))

    @part
    def store(self) -> EventStore:
        from ..tracking.store import EventStore

        settings = self.settings
        pending = Spool(os.path.join(settings.log_dir, "erasures.pending"))
        return EventStore(settings.books_url, self.keys, pending, _remote_events(settings.events_url))

    @part
    def calendar(self) -> Calendar:
        from ..reports.windows import Calendar

        return Calendar(self.settings.timezone, self.policy)

    @part
    def publisher(self) -> Publisher:
        from ..reports.publisher import Publisher, decision_tables

        decisions = decision_tables(self.ledger.decisions)
        return Publisher(self.calendar, self.settings.min_cell, decisions, self.store.events)

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

        settings = self.settings
        return Loader(settings.log_dir, self.store, settings.log_keep, self.publisher, settings.log_most)

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
        from ..mail.confirmations import OptInConfirmations
        from ..policy.parts import Requests
        from ..rights.data_subjects import DataSubjects, Replay
        from ..rights.link_limit import LinkLimit
        from ..rights.request_mail import RequestMail
        from ..rights.request_store import RequestStore
        from ..rights.requests import RequestService
        from ..rights.stores import PersonalStores
        from ..rights.subject_flags import Acceptances, KnownMinors, SubjectFlags
        from ..tracking.loader import WAIT

        policy, settings, languages = self.policy, self.settings, self.settings.languages
        flags = SubjectFlags(settings.rights_url, self.keys)
        minors, acceptances = KnownMinors(flags, policy.minors), Acceptances(flags)
        stores = PersonalStores(policy, self._registered)
        request_store = RequestStore(settings.rights_url, (policy.requests or Requests()).days)
        built_in = (self.mail.marketing, acceptances, minors, request_store)  # in the order of an erasure
        data_subjects = DataSubjects(stores, self.ledger, self.keys, built_in)
        mailer, base = self.mailer, settings.base_url or ""
        limit, pages = LinkLimit(settings.rights_url, self.keys), settings.url_prefix
        mail = RequestMail(policy.site, request_store, mailer.send, limit, pages, mailer.problem, base, languages)
        confirmations = OptInConfirmations(settings, self.mail.marketing, minors, mailer, limit)
        requests = RequestService(policy, request_store, data_subjects, mail, self._send_signal, confirmations.send_links)
        archives = policy.retention.archives
        replay = Replay(self.ledger, self.keys, data_subjects, self.store, archives, lambda: self.load(WAIT))
        return Rights(stores, request_store, data_subjects, requests, replay, minors, acceptances, confirmations)

    @part
    def inbox(self) -> Inbox:
        """The reader of incoming mail. Commands use it, and the daily pruning."""
        from ..mail.classifier import InboxConfig
        from ..mail.inbox import Inbox, Quarantine

        settings, mail = self.settings, self.mail
        own_words = settings.languages.own_texts("Unsubscribe")
        config = InboxConfig(mail.unsubscribe, mail.contact, mail.marketing.tokens.read, settings.mail_server, own_words)
        quarantine = Quarantine(settings.mail_aside, self.policy.retention.mail)
        return Inbox(config, mail.marketing, self.rights.requests, settings.rights_url, quarantine, self.policy.language)

    def tracker_url(self, root: str, visitor_tag: str) -> str:
        """Return the tracker's URL below the app's root path. It differs by the script's content and by visitor tag."""
        return f"{root}{self.settings.url_prefix}/tracker.js?v={self.assets.built(TRACKER).digest}&for={visitor_tag}"

    @property
    def root_url(self) -> str:
        """The URL of the app's root outside a request, with ``localhost`` if the host is not configured."""
        config = self.app.config
        host = f"{config['PREFERRED_URL_SCHEME']}://{config['SERVER_NAME'] or 'localhost'}"
        root = quote(config["APPLICATION_ROOT"].strip("/"), safe="/%")
        return self.settings.base_url or (f"{host}/{root}" if root else host)

    def wake(self) -> None:
        """Start the background threads, if the settings allow it and this is not a test."""
        if self.settings.loader and not self.app.testing:
            self._background.start()

    def append(self, lines: str) -> None:
        """Write lines to the log and start the background threads; raises :class:`LogUnavailable`."""
        self.log.append(lines)
        self.wake()

    def report_failure(
        self, error: Exception, message: str = "The page was served despite an error", *, raise_in_tests: bool = True
    ) -> None:
        """Count, log and signal an error that must not break the page. Under ``TESTING`` and in debug mode, raise it."""
        if isinstance(error, LogFull):
            self.count_refused(str(error))
            return
        with self._failing:
            self.failures += 1
        if raise_in_tests and (self.app.testing or self.app.debug):
            raise error
        log_failure(message, error)
        recording_failed.send(self.app, error=error)

    def count_refused(self, reason: str) -> None:
        """Count a report or a page view that a limit refused. Log the reason once a minute at most."""
        with suppress(OSError):
            self.refused.add(today())
        if (now := time.monotonic()) - self._refusal_logged >= EVERY:
            self._refusal_logged = now
            logger.warning("Events were refused; `flask privacy load` prints how many. %s", reason)

    def load(
        self, wait: float = 0.0, progress: Callable[[int], None] = lambda size: None, most: int | None = None
    ) -> Loaded:
        """Drain the ledger's spool, seal the refusals, and load the log, also while the ledger is unreachable."""
        try:
            self.ledger.drain_spool()
            if os.path.isdir(self.ledger.refusals.folder):
                from ..ledger.refusals import seal_refusals

                seal_refusals(self.ledger)
        except LedgerUnavailable as error:
            log_failure("The ledger could not be written and will be tried again", error, level=logging.WARNING)
        return self.loader.load(wait, progress, most)

    def prune(self, progress: Callable[[int], None] = lambda number: None) -> Pruned:
        """Delete events, aggregates, ledger entries and mails that are older than the policy allows.

        Counts of denied accesses are kept as long as the entries of allowed ones, and reports of blocked loads for 30 days.
        """
        retention = self.policy.retention
        # A replay after a restore needs the erasures since the archive, and a withdrawal the grants of all stored events.
        oldest = days_ago(max(kept.days for kept in (retention.decisions, retention.archives, retention.events)))
        self.blocked_loads.prune(days_ago(30))
        for counter in (self.denied, self.refused, self.forwarded):
            counter.prune(oldest)
        prune_events = partial(self.store.prune, *self.first_kept(), progress, self.loader.keep_out)
        events = prune_events() if self.store.database.exists else 0
        return Pruned(events, self.ledger.prune(oldest, timestamp()), self.inbox.prune())

    def first_kept(self) -> tuple[str, str]:
        """Return the first day whose events are kept, and the first day whose aggregates are kept."""
        retention = self.policy.retention
        return days_ago(retention.events.days), days_ago(retention.aggregates.days)

    def _event_parser(self, host: str, root: str, personal: bool, *_: object) -> EventParser:
        return EventParser(host, lambda path: self.pages.name_of_reported(path, root, personal), personal)

    def _send_signal(self, event: str, number: int) -> None:
        try:
            SIGNALS_OF_REQUESTS[event].send(self.app, number=number)
        except Exception as error:  # an error in a receiver must not undo the stored request
            self.report_failure(error, "A signal receiver failed; the request is stored")
