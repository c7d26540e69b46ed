"""Privacy: what a site developer installs."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Collection, Iterable, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, has_request_context
from jinja2 import Environment

from . import config
from .cli import privacy as commands
from .collection.disclosure import DisclosedFields, disclose, read
from .collection.submission import CollectedData
from .errors import AlreadyInitialised, EventError, NotInitialised
from .ledger.entry import ShownText
from .mail.permission import PURPOSE, MailPermission
from .rights.stores import PersonalStore, StoreRegistry
from .tracking.events import KINDS, check_name, properties
from .web.access import Need
from .web.context import current_runtime, privacy_context
from .web.forms import CollectionGuard
from .web.http import base_of_mails
from .web.licences import acceptance_required
from .web.page_names import Naming
from .web.page_views import queue_event
from .web.response import after_request
from .web.runtime import EXTENSION, RUNTIME, Runtime
from .web.template_tags import ConsentTag, external_link, is_external, is_web_address
from .web.templates import TemplateHelpers
from .web.views import pages
from .web.views.policy import gpc

if TYPE_CHECKING:
    from .mail.outgoing import FilteringSMTP

F = TypeVar("F", bound=Callable[..., Any])


class Privacy:
    """Makes a Flask app obey its privacy policy: ``Privacy(app)``, or ``init_app`` in a factory."""

    acceptance_required = staticmethod(acceptance_required)

    def __init__(self, app: Flask | None = None) -> None:
        self._stores: StoreRegistry = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register pages, template verbs, commands and the hook that closes each request.

        Touches no disk and starts no thread. Raises :class:`SettingError` for a setting that cannot work and
        :class:`AlreadyInitialised` for an app that has Privacy.
        """
        if EXTENSION in app.extensions:
            raise AlreadyInitialised(app.name)
        settings = config.read(app.config, app.instance_path, app.root_path)
        runtime = app.extensions[RUNTIME] = Runtime(app, settings, self._stores)
        runtime.settings_read = {name: value for name, value in app.config.items() if name.startswith("PRIVACY_")}
        app.extensions[EXTENSION] = self
        app.register_blueprint(pages, url_prefix=settings.url_prefix)
        _extend(app.jinja_env, TemplateHelpers(runtime, settings.url_prefix))
        app.cli.add_command(commands)
        app.add_url_rule("/.well-known/gpc.json", "mixamo_privacy_gpc", gpc)
        # The first function registered runs last: it sees what every other one made of the response.
        app.after_request_funcs.setdefault(None, []).insert(0, after_request(runtime))

    def runtime(self, app: Flask) -> Runtime:
        """What ``init_app`` put together for this app; raises :class:`NotInitialised`."""
        try:
            return app.extensions[RUNTIME]  # type: ignore[no-any-return]
        except KeyError:
            raise NotInitialised(app.name) from None

    def track(self, name: str, /, **values: str | int | float | bool | None) -> None:
        """Record an event of the site's own; does nothing without the visitor's consent to statistics.

        A name or a value that the log does not take raises :class:`EventError` in tests and in debug mode; in
        production it is logged, and the page is served.
        """
        if not has_request_context():
            return  # nobody is visiting: a task in a worker, a command
        ctx = privacy_context()
        try:
            if name in KINDS:
                raise EventError("The name of an event", name, f"any but those recorded by themselves: {', '.join(KINDS)}")
            data = properties(values)
            check_name(name)
        except EventError as error:
            ctx.runtime.report_failure(error)
            return
        if "statistics" in ctx.consent.granted:
            queue_event(ctx, name, data)

    def customise(self, name: str, value: str | int | float | bool | None) -> None:
        """Remember a choice: for 395 days with consent to customisation, else until the browser closes.

        With consent to statistics too, the choice is also recorded. Errors as in :meth:`track`.
        """
        ctx = privacy_context()
        try:
            data = properties({"name": check_name(name), "value": value})
            sealed = ctx.runtime.cookies.sign_choices(ctx.choices_check, {**ctx.choices, name: value})
        except EventError as error:
            ctx.runtime.report_failure(error)
            return
        ctx.choices[name] = value
        ctx.choices_to_set = sealed
        if {"statistics", "customisation"} <= ctx.consent.granted:
            queue_event(ctx, "customisation", data)

    def customisation(self, name: str, default: Any = None) -> Any:
        """The choice remembered under this name, or the default."""
        ctx = privacy_context()
        ctx.depends_on_consent = True
        if name not in ctx.choices:
            return default
        ctx.is_private = True
        return ctx.choices[name]

    def page(self, naming: Naming) -> Callable[[F], F]:
        """Choose how a view's page is named in the log: by its ``"path"``, its URL ``"rule"``, or ``"never"`` counted.

        Without it, the path is taken, and the rule while somebody is logged in.
        """
        if naming not in ("path", "rule", "never"):
            raise ValueError(f'@privacy.page is given {naming!r}; allowed: "path", "rule", "never".')

        def mark(view: F) -> F:
            view.privacy_page = naming  # type: ignore[attr-defined]
            return view

        return mark

    def register_store(
        self,
        name: str,
        *,
        subject: Callable[[], Iterable[str]] | None = None,
        export: Callable[[str], Any] | None = None,
        erase: Callable[..., Any] | None = None,
        correct: Callable[[str, Mapping[str, str]], Any] | None = None,
    ) -> None:
        """Tell where personal data lies: a database, a mailing list's service, a folder of files.

        A subject is an e-mail address in lower case, or an id of the site's own. A store is asked for a host that is not
        ASCII twice, in ASCII (IDNA) and in Unicode. All callables may be left out; answers then say that this store is
        not covered.

        - ``subject()`` gives every subject that the store holds. After a restore they are matched against the ledger, which
          knows people by keyed hashes alone.
        - ``export(subject)`` gives what is stored, as JSON can say it; something false where there is nothing.
        - ``erase(subject, before=None)`` forgets the subject, or only what was written before a moment (an aware
          ``datetime``), and gives the number of rows; doing it twice must do no harm. Without a parameter ``before`` the
          store is left to a person after a restore, for whoever came back since would be erased as well.
        - ``correct(subject, {field: value})`` sets fields anew and gives the number of rows.

        Call it before or after ``init_app``. Raises :class:`StoreError` for what cannot work.
        """
        store = PersonalStore(name, subject, export, erase, correct)
        self._stores.append(lambda policy: store)

    def register_models(
        self,
        session: Any,
        subjects: Mapping[Any, str],
        *,
        name: str = "database",
        made: str | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Register SQLAlchemy models as a store: plain declarative ones, Flask-SQLAlchemy's, Flask-SQLAlchemy-Lite's.

        ``privacy.register_models(db.session, {Account: "email", Order: "account_id.email"})`` names the column with the
        person of each model, or one behind a foreign key. ``session`` is an engine, or what gives a session when called: a
        sessionmaker, ``db.session`` of Flask-SQLAlchemy, ``lambda: db.session`` of Flask-SQLAlchemy-Lite. What becomes of
        each column is what ``on_erase`` of the declared field of that name says; ``fields={"mail": "email"}`` or
        ``info={"privacy": "email"}`` names another field. ``made`` is the column with the time of a row, which tells
        what came after an erasure; it is found where it is called ``created_at`` or the like.

        Raises :class:`StoreError` for a column that is not there.
        """
        from .rights.models import Models  # SQLAlchemy's ORM, which only such a site needs

        models = Models(name, session, dict(subjects), made, fields)
        self._stores.append(models.bind)

    def need(self, need: str, *, whose: str | Callable[..., str | None] | None = None, fields: Collection[str] = ()) -> Need:
        """Say why personal data is read, around the reading: ``@privacy.need("support")`` or ``with privacy.need(…):``.

        ``PRIVACY_STAFF(user, need)`` decides; without it nobody may read. The ledger keeps who looked, why, at which page,
        at which fields, and whose data it was, as a keyed hash; ``whose`` is a subject, or a callable that gets what the
        view gets, and is called for nobody who is denied. A denial is kept as well, of an address a keyed hash;
        people who are not logged in are only counted.
        """
        return Need(need, whose, fields)

    def collects(self, point: str, *, subject: str = "email", controls: Collection[str] = ()) -> CollectionGuard:
        """Collect at a declared point: ``@privacy.collects("registration")`` on a view, or
        ``with privacy.collects("registration") as given:`` around the lines that keep what was given.

        Only declared fields pass: from there on ``request.form``, ``request.files`` and ``request.get_json()`` hold
        nothing else, besides ``controls`` of the page that say nothing about anybody, such as ``("next",)``. A required
        field that is empty is answered 400, by :class:`NotCollected`. The ledger keeps when, under which version of the
        policy, after which words, which fields, no values, and whom it is about as a keyed hash: of the field named
        ``subject``, else of whoever is logged in. If that cannot be written, nothing is taken: 503. Opt-ins take effect
        once the view answered below 400, or the block ended.

        A point that is not declared raises :class:`UndeclaredCollection` in tests and in debug mode. In production it is
        logged; its page is served, and what is sent there is answered 503 and never reaches the view.
        """
        return CollectionGuard(point, subject, controls)

    @property
    def given(self) -> CollectedData:
        """What was given at the point of the request at hand, for a view under ``@privacy.collects``."""
        return privacy_context().given or CollectedData()

    def read(self, record: Any, purpose: str, *, point: str | None = None) -> DisclosedFields:
        """Of a record the fields that were collected for a purpose, at any point or at one.

        ``record`` is a mapping or an object with attributes. Raises :class:`OtherPurpose` where nothing is collected for
        it, and :class:`UndeclaredField` when a field is asked of the result that was collected for something else.
        """
        return read(current_runtime().policy, record, purpose, point)

    def disclose(
        self,
        recipient: str,
        record: Any,
        purpose: str = "",
        *,
        fields: Collection[str] | None = None,
        basis: str | None = None,
        reference: str = "",
        actor: str = "",
        subject: str | None = None,
    ) -> DisclosedFields:
        """The one way out for personal data: of a record, a mapping or an object, the fields that a recipient may get.

        These are the ones declared for the recipient, or the given ``fields`` of them. The ledger keeps who got which
        fields, on which basis, and whose they were, as a keyed hash of ``subject`` or of the record's ``email``; no values.
        The basis is that of the purpose, or ``"legal"`` or ``"safety"``, which need a ``reference`` (a file number) and an
        ``actor`` (who decided), or ``"transfer"``, to a new owner, which a posted version of the policy has to speak of.
        On these three somebody undeclared may get declared ``fields`` that are named.

        Raises, in production too: :class:`UndeclaredRecipient`, :class:`UndeclaredField`, :class:`OtherPurpose`,
        :class:`DisclosureError`; and :class:`OSError` when it cannot be noted, for then nothing goes out.
        """
        runtime, said = current_runtime(), (reference, actor, subject)
        return disclose(runtime.policy, runtime.versions, runtime.ledger, recipient, record, purpose, fields, basis, *said)

    def may_mail(
        self, address: str, mail_class: str | None = None, reference: object = None, *, list: str | None = None
    ) -> MailPermission:
        """Whether a mail may leave now: true or false, with a ``reason``. Ask when it leaves, not when the list is made.

        ``"marketing"`` needs an opt-in and no opt-out, of this list where one is named, and no known child;
        ``"service"`` passes an opt-out and needs the purchase or the account that it is about as its reference;
        ``"request"`` answers a request, whose number is its reference. Raises :class:`MailClassError` for a mail that
        does not say what it is, or lacks its reference.
        """
        return current_runtime().mail.may_mail(address, mail_class, reference, list)

    def opt_in(
        self,
        address: str,
        list: str = PURPOSE,
        *,
        wording: ShownText | None = None,
        text: str = "",
        source: str = "form",
        locale: str = "",
    ) -> MailPermission:
        """Sign an address up; false for a known child. Call it once the person ticked the box, and at no other time.

        The ledger keeps when, under which version of the policy, and the digest of the words that stood there: of
        ``wording``, which is kept whole, or ``text``, a digest of the caller's. Raises :class:`LedgerUnavailable` or
        :class:`RightsUnavailable` where that cannot be written: then nobody was signed up.
        """
        return current_runtime().mail.marketing.opt_in(
            address, list, wording=wording, text=text, source=source, locale=locale
        )

    def opt_out(self, address: str, list: str | None = None, *, source: str = "site") -> None:
        """Take an address off a list, or off all of them."""
        current_runtime().mail.marketing.opt_out(address, list or "", source)

    def unsubscribe_headers(self, address: str, list: str = PURPOSE) -> dict[str, str]:
        """``List-Unsubscribe`` and ``List-Unsubscribe-Post`` for one mail to one address (RFC 2369, RFC 8058)."""
        return current_runtime().mail.links.headers(address, list, base_of_mails())

    def unsubscribe_url(self, address: str, list: str = PURPOSE) -> str:
        """The page where this person unsubscribes, for a link in the mail's text."""
        return current_runtime().mail.links.url(address, list, base_of_mails())

    def mail_class(self, mail_class: str, reference: object = None, *, list: str | None = None) -> dict[str, str]:
        """The header by which a mail says what it is until it leaves, for :meth:`smtp` and the Flask-Mailman backend."""
        from .mail.outgoing import headers_of

        return headers_of(mail_class, reference, list)

    def smtp(self, server: smtplib.SMTP) -> FilteringSMTP:
        """Wrap a connection: what is sent by it is decided on as it leaves, and what may not leave does not."""
        from .mail.outgoing import FilteringSMTP

        return FilteringSMTP(server, current_runtime().mail, base_of_mails())

    def send(self, message: Message) -> dict[str, tuple[int, bytes]]:
        """Send a mail that says what it is by ``PRIVACY_SEND`` or ``PRIVACY_SMTP_URL``; gives whom it was held back from.

        Sender, date and Message-ID are added where they are missing.
        """
        from .mail.outgoing import CallableServer, FilteringSMTP

        runtime = current_runtime()
        server = CallableServer(runtime.mailer.transport)
        for name, value in runtime.mail.default_headers().items():
            if name not in message:
                message[name] = value
        return FilteringSMTP(server, runtime.mail, base_of_mails()).send_message(message)


def _extend(templates: Environment, verbs: TemplateHelpers) -> None:
    templates.globals["privacy"] = verbs
    templates.add_extension(ConsentTag)
    templates.filters["external_link"] = external_link
    templates.tests["external"] = is_external
    templates.tests["web_address"] = is_web_address
