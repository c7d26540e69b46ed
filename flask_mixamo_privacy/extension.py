"""Privacy: what a site developer installs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from flask import Flask, current_app, has_request_context, make_response, render_template
from jinja2 import Environment
from werkzeug.wrappers import Response

from . import cli, config, views, wording
from .closing import close
from .collection import Collecting
from .counting import record
from .current import exchange, here_and_now
from .errors import AlreadyInitialised, EventError, NotInitialised
from .licences import acceptance_required
from .links import external_link, is_external, is_web_address
from .mailing import Mailing
from .markup import TemplateVerbs
from .need import Registration
from .pages import Naming
from .rights.stores import Register
from .site import EXTENSION, Site, site
from .tags import ConsentTag
from .tracking.events import KINDS, check_name, properties
from .whereabouts import no_store

F = TypeVar("F", bound=Callable[..., Any])


class Privacy(Registration, Collecting, Mailing):
    """Makes a Flask app obey its privacy policy: ``Privacy(app)``, or ``init_app`` in a factory."""

    acceptance_required = staticmethod(acceptance_required)

    def __init__(self, app: Flask | None = None) -> None:
        self._sites: WeakKeyDictionary[Flask, Site] = WeakKeyDictionary()
        self._stores: Register = []
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
        here = self._sites[app] = Site(app, settings, self._stores)
        here.read_from = {name: value for name, value in app.config.items() if name.startswith("PRIVACY_")}
        app.extensions[EXTENSION] = self
        app.register_blueprint(views.pages, url_prefix=settings.url_prefix)
        _extend(app.jinja_env, TemplateVerbs(here, settings.url_prefix))
        app.cli.add_command(cli.privacy)
        app.add_url_rule("/.well-known/gpc.json", "mixamo_privacy_gpc", views.policy.gpc)
        # The first function registered runs last: it sees what every other one made of the response.
        app.after_request_funcs.setdefault(None, []).insert(0, _closer(here))

    def site(self, app: Flask) -> Site:
        """What ``init_app`` put together for this app; raises :class:`NotInitialised`."""
        try:
            return self._sites[app]
        except KeyError:
            raise NotInitialised(app.name) from None

    def track(self, name: str, /, **values: str | int | float | bool | None) -> None:
        """Record an event of the site's own; does nothing without the visitor's consent to statistics.

        A name or a value that the log does not take raises :class:`EventError` in tests and in debug mode; in
        production it is logged, and the page is served.
        """
        if not has_request_context():
            return  # nobody is visiting: a task in a worker, a command
        here = exchange()
        try:
            if name in KINDS:
                raise EventError("The name of an event", name, f"any but those recorded by themselves: {', '.join(KINDS)}")
            data = properties(values)
            check_name(name)
        except EventError as error:
            here.site.failed(error)
            return
        if "statistics" in here.consent.granted:
            record(here, name, data)

    def customise(self, name: str, value: str | int | float | bool | None) -> None:
        """Remember a choice: for 395 days with consent to customisation, else until the browser closes.

        With consent to statistics too, the choice is also recorded. Errors as in :meth:`track`.
        """
        here = exchange()
        try:
            data = properties({"name": check_name(name), "value": value})
            sealed = here.site.cookies.seal_choices(here.choices_check, {**here.choices, name: value})
        except EventError as error:
            here.site.failed(error)
            return
        here.choices[name] = value
        here.choices_out = sealed
        if {"statistics", "customisation"} <= here.consent.granted:
            record(here, "customisation", data)

    def customisation(self, name: str, default: Any = None) -> Any:
        """The choice remembered under this name, or the default."""
        here = exchange()
        here.used = True
        if name not in here.choices:
            return default
        here.personal = True
        return here.choices[name]

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


def _extend(templates: Environment, verbs: TemplateVerbs) -> None:
    templates.globals["privacy"] = verbs
    templates.add_extension(ConsentTag)
    templates.filters["external_link"] = external_link
    templates.tests["external"] = is_external
    templates.tests["web_address"] = is_web_address


def consent_required(purpose: str) -> Callable[[F], F]:
    """Serve a view only under a grant of this purpose; else answer 403 with a page on which it can be granted."""

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            if exchange().look().allows(purpose):
                return current_app.ensure_sync(view)(*args, **values)
            return _ask_for(purpose)

        return guarded  # type: ignore[return-value]

    return decorate


def _ask_for(purpose: str) -> Response:
    here = exchange()
    policy = site().policy
    page = render_template(
        "mixamo_privacy/consent_required.html",
        t=here.language,
        title=here.language.of(policy.purpose(purpose).title, policy.language),
        description=here.language.of(policy.purpose(purpose).description, policy.language),
        purpose=purpose,
        shown=wording.settings(policy, here.language).shown,
        can_ask=purpose in policy.marks,
        next=here_and_now(here),
    )
    return no_store(make_response(page, 403))


def _closer(here: Site) -> Callable[[Response], Response]:
    def close_request(response: Response) -> Response:
        try:
            return close(here, response)
        except Exception as error:  # whatever it is, the site's page is served
            here.failed(error)
            return response

    return close_request
