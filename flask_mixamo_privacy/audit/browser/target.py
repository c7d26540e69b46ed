"""The audit's target: a running site, its routes, and the errors of an audit that could not be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError, RequestRedirect, Rule

from ...errors import PrivacyError
from ...policy.model import Policy
from ...web.hosts import HOST, adapter_at, is_on_host

if TYPE_CHECKING:
    from playwright.async_api import Page


# Routes: the pages of the app's URL map, with example arguments, and the pages that they link to.

#: Patterns of links that sign a user out.
SKIPPED = ("*logout*", "*log[-_]out*", "*logoff*", "*signout*", "*sign[-_]out*", "*signoff*")
_EXTENSION = "mixamo_privacy"  # prefix of the extension's endpoints


class Routes:
    """The pages of one app below a root path, one for each rule and set of query names."""

    def __init__(
        self,
        app: Flask,
        root: str,
        examples: Mapping[str, str],
        skip: Collection[str],
        limit: int,
        host: str = "localhost",
    ) -> None:
        self._app, self._root = app, root
        self._skip, self.limit = (*SKIPPED, *skip), limit
        self._adapter = adapter_at(app, host)
        self._examples = {HOST: "", **examples}  # an argument of our own rules; the path does not contain it

    def first(self) -> list[str]:
        """Return the paths that can be built from the URL map, short ones first."""
        paths = {path: None for rule in self._rules() for path in self._built(rule) if self.key(path) is not None}
        return sorted(paths, key=lambda path: (path.count("/"), len(path)))

    def without_example(self) -> list[str]:
        """Return the site's rules with an argument that has no example. Only a link can lead to them."""
        # The extension's own rules with arguments are reached from mails.
        site_rules = (rule for rule in self._rules() if not rule.endpoint.startswith(_EXTENSION))
        return sorted({rule.rule for rule in site_rules if not any(self._built(rule))})

    def key(self, path: str) -> str | None:
        """Return the same key for all URLs of one page: its rule and query names. None if the URL is no page of the site."""
        parts = urlsplit(path)
        inside = parts.path.removeprefix(self._root)
        if not f"{parts.path}/".startswith(f"{self._root}/") or any(
            fnmatchcase(parts.path.lower(), skipped.lower()) for skipped in self._skip
        ):
            return None
        try:
            with self._app.app_context():  # a converter may use the current app
                rule, _ = self._adapter.match(inside or "/", "GET", return_rule=True)
        except RequestRedirect as redirect:
            target = self._root + urlsplit(redirect.new_url).path
            return self.key(f"{target}?{parts.query}") if target == f"{parts.path}/" else None
        except HTTPException:
            return None
        names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
        return " ".join([rule.rule, *names]) if self._is_page(rule) else None

    def rule_of(self, path: str) -> str:
        """Return the rule of a URL that has a key."""
        return (self.key(path) or "").partition(" ")[0]

    def _rules(self) -> Iterator[Rule]:
        for rule in self._app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and self._is_page(rule) and is_on_host(rule, self._adapter):
                yield rule

    def _is_page(self, rule: Rule) -> bool:
        """Return whether a rule is a page: not a file, and not an API of the extension."""
        if rule.endpoint == "static" or rule.endpoint.endswith(".static"):
            return False
        last = rule.rule.rpartition("/")[2]
        is_extension = rule.endpoint.startswith(_EXTENSION)
        return not (is_extension and ("." in last or last in ("receipt", "csp-report")))

    def _built(self, rule: Rule) -> Iterator[str]:
        values = {name: self._examples[name] for name in rule.arguments if name in self._examples}
        if rule.arguments - set(rule.defaults or ()) <= values.keys():
            try:
                with self._app.app_context():
                    built = rule.build(values, append_unknown=False)
            except (BuildError, ValueError, TypeError, AttributeError):  # the converter accepts no text
                built = None
            if built is not None:
                yield self._root + built[1]


# The target.

#: An action of a visitor, such as to sign in or choose a theme, on a page of Playwright's asynchronous interface.
Step = Callable[["Page"], Awaitable[Any]]


@dataclass(frozen=True)
class Target:
    """One running site, and how to audit it."""

    url: str  # without a trailing slash
    host: str
    root: str  # the path below which the app is mounted, without a trailing slash
    prefix: str  # of the extension's own pages
    policy: Policy
    routes: Routes
    logins: Mapping[str, Step]
    steps: tuple[Step, ...] = ()
    wait: float = 0.1  # seconds on each page after it has loaded
    names: tuple[str, ...] = ()  # other hosts of the site, from its settings

    @property
    def settings(self) -> str:
        """Return the path of the settings page."""
        return f"{self.root}{self.prefix}/consent"

    @property
    def home(self) -> str:
        return f"{self.root}/"


# Errors. An audit that visited nothing must never count as clean.


class AuditError(PrivacyError):
    """The audit could not be done. The message states why, and the next step."""


class NoBrowser(AuditError):
    """Chromium is not installed, or does not start."""

    def __init__(self, path: str | None, why: str) -> None:
        self.path, self.why = path, why
        problem = f"{path} did not start" if path else "No Chromium was found, and Playwright's own did not start"
        super().__init__(f"{problem}: {why} Install one with your system's packages, or run: playwright install chromium")


class WrongServer(AuditError):
    """The server at the URL is not the one to audit."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        super().__init__(f"The server at {url} is not the one to audit: {why}")


class NoSuchUser(AuditError):
    """Flask-Login has no user with the id of a login."""

    def __init__(self, login: str, user_id: str) -> None:
        self.login, self.user_id = login, user_id
        super().__init__(
            f"The login {login!r} has the user id {user_id!r}, which Flask-Login does not know. Use an id that your "
            "user_loader accepts, or set PRIVACY_AUDIT_LOGINS to an async callable (page) that signs in."
        )


class DecisionNotApplied(AuditError):
    """A visitor's decision could not be made, or the site did not apply it."""

    def __init__(self, state: str, why: str) -> None:
        self.state = state
        super().__init__(f"The audit could not reach the state {state!r}: {why}")
