"""The extension class ``Privacy``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, has_request_context

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
from .web.hosts import on_every_host
from .web.http import base_of_mails
from .web.licences import acceptance_required
from .web.page_names import Naming
from .web.page_views import mark_page, queue_event
from .web.problems import reject
from .web.rendering import OwnSyntax
from .web.response import after_request
from .web.runtime import EXTENSION, RUNTIME, Runtime
from .web.startup import log_messages
from .web.template_tags import ConsentTag, add_filters
from .web.templates import TemplateHelpers
from .web.view_marks import decorate_view
from .web.views import pages
from .web.views.policy import gpc

if TYPE_CHECKING:
    import smtplib

    from .mail.outgoing import FilteringSMTP

F = TypeVar("F", bound=Callable[..., Any])


class Privacy:
    """Makes a Flask app obey its privacy policy: ``Privacy(app)``, or ``init_app`` in a factory."""

    acceptance_required = staticmethod(acceptance_required)
    reject = staticmethod(reject)

    def __init__(self, app: Flask | None = None) -> None:
        self._stores: StoreRegistry = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Register pages, template helpers, commands and the ``after_request`` function.

        Reads ``privacy.toml`` and catalogues, opens no database or log, and starts no thread. Raises
        :class:`SettingError` for an invalid setting, and :class:`AlreadyInitialised` if the app already has Privacy.
        """
        if EXTENSION in app.extensions:
            raise AlreadyInitialised(app.name)
        settings = config.read(app.config, app.instance_path, app.root_path)
        runtime = app.extensions[RUNTIME] = Runtime(app, settings, self._stores)
        runtime.settings_read = {name: value for name, value in app.config.items() if name.startswith("PRIVACY_")}
        app.extensions[EXTENSION] = self
        app.register_blueprint(pages, url_prefix=settings.url_prefix)
        runtime.helpers = app.jinja_env.globals["privacy"] = TemplateHelpers(runtime, settings.url_prefix)
        app.jinja_env.add_extension(ConsentTag)
        app.jinja_env.add_extension(OwnSyntax)
        add_filters(app.jinja_env)
        app.cli.add_command(commands)
        app.add_url_rule("/.well-known/gpc.json", "mixamo_privacy_gpc", gpc, **on_every_host(app))
        # Flask runs the first registered function last, so that it sees the final response.
        app.after_request_funcs.setdefault(None, []).insert(0, after_request(runtime))
        log_messages(app)

    def runtime(self, app: Flask) -> Runtime:
        """Return the runtime that ``init_app`` built for this app; raises :class:`NotInitialised`."""
        try:
            return app.extensions[RUNTIME]  # type: ignore[no-any-return]
        except KeyError:
            raise NotInitialised(app.name) from None

    def track(self, name: str, /, **values: str | int | float | bool | None) -> None:
        """Record an event of the site's own. Does nothing without the visitor's consent to statistics.

        An invalid name or value raises :class:`EventError` in tests and in debug mode. In production the error is
        logged, and the page is served.
        """
        if not has_request_context():
            return  # a worker's task or a command has no visitor
        ctx = privacy_context()
        try:
            if name in KINDS:
                raise EventError("The name of an event", name, f"any name except the automatic events: {', '.join(KINDS)}")
            data = properties(values)
            check_name(name)
        except EventError as error:
            ctx.runtime.report_failure(error)
            return
        if "statistics" in ctx.consent.granted:
            queue_event(ctx, name, data)

    def customise(self, name: str, value: str | int | float | bool | None) -> None:
        """Remember a choice for 395 days with consent to customisation, else until the browser closes.

        If the visitor also consents to statistics, records an event. Raises as :meth:`track` does.
        """
        ctx, value = privacy_context(), value.encode(errors="replace").decode() if isinstance(value, str) else value
        try:
            data = properties({"name": check_name(name), "value": value})
            sealed = ctx.cookies.sign_choices(ctx.choices_check, {**ctx.choices, name: value})
        except EventError as error:
            ctx.runtime.report_failure(error)
            return
        ctx.choices[name] = value
        ctx.choices_to_set = sealed
        if {"statistics", "customisation"} <= ctx.consent.granted:
            queue_event(ctx, "customisation", data)

    def customisation(self, name: str, default: Any = None) -> Any:
        """Return the choice remembered under this name, or the default."""
        ctx = privacy_context()
        ctx.depends_on_consent = True
        ctx.is_private = ctx.is_private or name in ctx.choices
        return ctx.choices.get(name, default)

    def page(self, naming: Naming) -> Callable[[F], F]:
        """Name a view's page in the log by its ``"path"`` or its URL ``"rule"``, or ``"never"`` count it.

        The default is the path, and the URL rule while a user is logged in. Decorate a view function, a class-based view or
        one of its methods.
        """
        if naming not in ("path", "rule", "never"):
            raise ValueError(f'The naming of @privacy.page() is {naming!r}; allowed: "path", "rule", "never".')

        def decorate(view: F) -> F:
            decorated: Any = decorate_view(view, mark_page(naming), "@privacy.page")
            if isinstance(view, type):
                decorated.privacy_page = naming  # for a subclass that replaces the decorators
            return decorated  # type: ignore[no-any-return]

        return decorate

    def register_store(
        self,
        name: str,
        *,
        subject: Callable[[], Iterable[str]] | None = None,
        export: Callable[[str], Any] | None = None,
        erase: Callable[..., Any] | None = None,
        correct: Callable[[str, Mapping[str, str]], Any] | None = None,
    ) -> None:
        """Register a store of personal data: a database, the service of a mailing list, a folder of files.

        A subject is an e-mail address in lower case, or an id of the site's own. For a host with non-ASCII characters
        each callable is called twice: with the host in ASCII (IDNA), and in Unicode. Every callable is optional.
        Answers to data subjects then state that this store is not covered.

        - ``subject()`` returns every subject in the store. A replay after a restore matches them with the ledger,
          which stores only keyed hashes.
        - ``export(subject)`` returns the stored data as JSON-serialisable values, or a false value for no data.
        - ``erase(subject, before=None)`` erases the subject's data and returns the number of rows. With ``before``, an
          aware ``datetime``, it erases only older data. It must be idempotent. A replay skips a store without the
          parameter ``before``, because it would also erase data of people who came back. Staff must then do it.
        - ``correct(subject, {field: value})`` changes fields and returns the number of rows.

        Call this before or after ``init_app``. Raises :class:`StoreError` for an invalid store.
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
        """Register SQLAlchemy models as a store: declarative models, also of Flask-SQLAlchemy and Flask-SQLAlchemy-Lite.

        ``privacy.register_models(db.session, {Account: "email", Order: "account_id.email"})`` names each model's column
        with the subject. A dotted name follows a foreign key.

        - ``session`` is an engine, or a callable that returns a session: a sessionmaker, ``db.session`` of
          Flask-SQLAlchemy, or ``lambda: db.session`` of Flask-SQLAlchemy-Lite.
        - ``fields`` maps columns to declared fields of another name, such as ``{"mail": "email"}``. A column's
          ``info={"privacy": "email"}`` does the same. ``on_erase`` of the declared field decides what an erasure does
          with the column.
        - ``made`` names the column with a row's creation time, which a replay needs to keep rows that are newer than an
          erasure. The default is a column with a usual name, such as ``created_at``.

        Raises :class:`StoreError` for a missing column.
        """
        from .rights.models import Models  # imports the ORM of SQLAlchemy, which other sites do not need

        models = Models(name, session, dict(subjects), made, fields)
        self._stores.append(models.bind)

    def need(self, need: str, *, whose: str | Callable[..., str | None] | None = None, fields: Collection[str] = ()) -> Need:
        """Control and record access to personal data: ``@privacy.need("support")`` or ``with privacy.need(…):``.

        ``PRIVACY_STAFF(user, need)`` grants access; without that setting every access is denied. The ledger records the
        user, the need, the page, the fields, and the data subject as a keyed hash. ``whose`` is the subject, or a
        callable that gets the view's arguments and is called only if access is granted.

        A denied access is recorded too, with a keyed hash in place of the user's e-mail address. Anonymous users are
        only counted.
        """
        return Need(need, whose, fields)

    def collects(
        self, point: str, *, subject: str = "email", controls: Iterable[str] = (), form: str = ""
    ) -> CollectionGuard:
        """Collect a form at a declared point: ``@privacy.collects("registration")`` on a view, or
        ``with privacy.collects("registration") as given:`` around the code that stores the data.

        Only declared fields pass. From then on ``request.form``, ``request.files`` and ``request.get_json()`` contain
        nothing else, besides ``controls`` without personal data, such as ``("next",)``. An empty required field is
        answered 400. ``form`` is the endpoint of the view that then shows the form again; without it, the extension does.

        The ledger records the time, the policy version, the text shown and the names of the fields, but no values. The
        field ``subject``, or else the logged-in user, is recorded as a keyed hash. If that fails, the answer is 503. Opt-ins
        take effect once the view returns a status below 400, or the block ends.

        An undeclared point raises :class:`UndeclaredCollection` in tests and debug mode. Otherwise it collects nothing: 503.
        """
        return CollectionGuard(point, subject, controls, form)

    @property
    def given(self) -> CollectedData:
        """The data collected in the current request, for a view under ``@privacy.collects``."""
        return privacy_context().given or CollectedData()

    def read(self, record: Any, purpose: str, *, point: str | None = None) -> DisclosedFields:
        """Return the fields of a record that were collected for a purpose, at one point or at any.

        ``record`` is a mapping or an object with attributes. Raises :class:`OtherPurpose` if nothing is collected for the
        purpose. Reading a field of the result that was collected for another purpose raises :class:`UndeclaredField`.
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
        """Record a disclosure and return the fields of a record, a mapping or an object, that a recipient may get.

        These are the fields declared for the recipient, or those of them named in ``fields``. The ledger records the
        recipient, the names of the fields and the basis, but no values. The data subject is recorded as a keyed hash of
        ``subject``, or else of the record's ``email``.

        ``basis`` defaults to the basis of the purpose. The exceptional bases also allow an undeclared recipient, who
        gets the declared fields named in ``fields``:

        - ``"legal"`` and ``"safety"`` require a ``reference``, such as a file number, and an ``actor``, who decided.
        - ``"transfer"``, to a new owner, requires a posted version of the policy that announces it.

        Raises :class:`UndeclaredRecipient`, :class:`UndeclaredField`, :class:`OtherPurpose` and
        :class:`DisclosureError`, in production too. Raises :class:`OSError` if the disclosure cannot be recorded.
        """
        runtime = current_runtime()
        site = runtime.policy, runtime.versions, runtime.ledger
        return disclose(*site, recipient, record, purpose, fields, basis, reference, actor, subject)

    def may_mail(
        self, address: str, mail_class: str | None = None, reference: object = None, *, list: str | None = None
    ) -> MailPermission:
        """Return whether a mail may be sent now: true or false, with a ``reason``. Call this when sending each mail.

        - ``"marketing"`` requires an opt-in without an opt-out, for ``list`` if one is named, and no known child.
        - ``"service"`` ignores opt-outs. ``reference`` is the purchase or the account that the mail is about.
        - ``"request"`` answers a data subject request. ``reference`` is its number.

        Raises :class:`MailClassError` if the class or a required reference is missing.
        """
        return current_runtime().mail.may_mail(address, mail_class, reference, list)

    def opt_in(
        self,
        address: str,
        list: str = PURPOSE,
        *,
        wording: ShownText | str | None = None,
        text: str = "",
        source: str = "form",
        locale: str = "",
    ) -> MailPermission:
        """Opt an address in to a list; false for a known child. Call this once the person has ticked the box, and
        your site knows that the address is theirs: it counts as confirmed.

        The ledger records the time, the policy version and the digest of the text shown. ``wording`` is that text, which
        is stored in full; ``text`` is a digest that the caller computed. Without either, the ledger does not show to what
        the person consented (GDPR art. 7(1)), because only the site knows its own form. Raises :class:`LedgerUnavailable` or
        :class:`RightsUnavailable` if the opt-in cannot be stored. The address is then not opted in.
        """
        return current_runtime().mail.marketing.opt_in(
            address, list, wording=wording, text=text, source=source, locale=locale
        )

    def opt_out(self, address: str, list: str | None = None, *, source: str = "site") -> None:
        """Opt an address out of a list, or of all lists."""
        current_runtime().mail.marketing.opt_out(address, list or "", source)

    def unsubscribe_headers(self, address: str, list: str = PURPOSE) -> dict[str, str]:
        """Return ``List-Unsubscribe`` and ``List-Unsubscribe-Post`` for a mail to one address (RFC 2369, RFC 8058)."""
        return current_runtime().mail.links.headers(address, list, base_of_mails())

    def unsubscribe_url(self, address: str, list: str = PURPOSE) -> str:
        """Return the URL of the page where this person unsubscribes, for a link in the text of a mail."""
        return current_runtime().mail.links.url(address, list, base_of_mails())

    def mail_class(self, mail_class: str, reference: object = None, *, list: str | None = None) -> dict[str, str]:
        """Return the header that states a mail's class to :meth:`smtp` and to the Flask-Mailman backend."""
        from .mail.outgoing import headers_of

        return headers_of(mail_class, reference, list)

    def smtp(self, server: smtplib.SMTP) -> FilteringSMTP:
        """Wrap an SMTP connection, so that it sends only mails that may be sent."""
        from .mail.outgoing import FilteringSMTP

        return FilteringSMTP(server, current_runtime().mail, base_of_mails())

    def send(self, message: Message) -> dict[str, tuple[int, bytes]]:
        """Send a mail that states its class, by ``PRIVACY_SEND`` or ``PRIVACY_SMTP_URL``; return the refused recipients.
        Adds sender, date and Message-ID if they are missing.
        """
        from .mail.outgoing import CallableServer, FilteringSMTP

        runtime = current_runtime()
        for name, value in runtime.mail.default_headers().items():
            if name not in message:
                message[name] = value
        return FilteringSMTP(CallableServer(runtime.mailer.transport), runtime.mail, base_of_mails()).send_message(message)
