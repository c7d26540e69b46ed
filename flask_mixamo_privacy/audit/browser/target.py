"""Which pages are looked at: those of the app's URL map, with example arguments, and those that they link to."""

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

if TYPE_CHECKING:
    from playwright.async_api import Page


#: Whoever follows these is not signed in any more.
SKIPPED = ("*logout*", "*log[-_]out*", "*logoff*", "*signout*", "*sign[-_]out*", "*signoff*")
_OURS = "mixamo_privacy"


class Routes:
    """The pages of one app below a root path, one for each rule and set of query names."""

    def __init__(self, app: Flask, root: str, examples: Mapping[str, str], skip: Collection[str], limit: int) -> None:
        self._app, self._root, self._examples = app, root, examples
        self._skip, self.limit = (*SKIPPED, *skip), limit
        self._adapter = app.url_map.bind("localhost")

    def first(self) -> list[str]:
        """The pages that can be built, the plainest first."""
        found = {path: None for rule in self._rules() for path in self._built(rule) if self.key(path) is not None}
        return sorted(found, key=lambda path: (path.count("/"), len(path)))

    def without_example(self) -> list[str]:
        """The rules that only a link can lead to, as some argument has no example."""
        mine = (rule for rule in self._rules() if not rule.endpoint.startswith(_OURS))  # ours stand in mails
        return sorted({rule.rule for rule in mine if not any(self._built(rule))})

    def key(self, path: str) -> str | None:
        """What makes two addresses the same page to the audit; None where no page of the site is there."""
        parts = urlsplit(path)
        inside = parts.path.removeprefix(self._root)
        if not f"{parts.path}/".startswith(f"{self._root}/") or any(
            fnmatchcase(parts.path.lower(), skipped.lower()) for skipped in self._skip
        ):
            return None
        try:
            with self._app.app_context():  # a converter may look something up
                rule, _ = self._adapter.match(inside or "/", "GET", return_rule=True)
        except RequestRedirect as away:
            there = self._root + urlsplit(away.new_url).path
            return self.key(f"{there}?{parts.query}") if there == f"{parts.path}/" else None
        except HTTPException:
            return None
        names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
        return " ".join([rule.rule, *names]) if self._is_page(rule) else None

    def rule_of(self, path: str) -> str:
        """The rule behind an address that has a key."""
        return (self.key(path) or "").partition(" ")[0]

    def _rules(self) -> Iterator[Rule]:
        for rule in self._app.url_map.iter_rules():
            if "GET" in (rule.methods or ()) and self._is_page(rule) and not rule.subdomain and not rule.host:
                yield rule

    def _is_page(self, rule: Rule) -> bool:
        """Not a file, and of the extension's own addresses not those that are for programs."""
        if rule.endpoint == "static" or rule.endpoint.endswith(".static"):
            return False
        last = rule.rule.rpartition("/")[2]
        ours = rule.endpoint.startswith(_OURS)
        return not (ours and ("." in last or last in ("receipt", "csp-report")))

    def _built(self, rule: Rule) -> Iterator[str]:
        values = {name: self._examples[name] for name in rule.arguments if name in self._examples}
        if rule.arguments - set(rule.defaults or ()) <= values.keys():
            try:
                with self._app.app_context():
                    built = rule.build(values, append_unknown=False)
            except (BuildError, ValueError, TypeError, AttributeError):  # of a converter that takes no text
                built = None
            if built is not None:
                yield self._root + built[1]


# What is audited, and how.

#: Does on a page what a visitor may do: signs in, chooses a theme. The page is one of Playwright's asynchronous interface.
Step = Callable[["Page"], Awaitable[Any]]


@dataclass(frozen=True)
class Target:
    """One running site."""

    url: str  # without a slash at its end
    host: str
    root: str  # the path below which the app is mounted, without a slash at its end
    prefix: str  # of the extension's own pages
    policy: Policy
    routes: Routes
    logins: Mapping[str, Step]
    steps: tuple[Step, ...] = ()
    wait: float = 0.1  # seconds on each page after it has loaded
    names: tuple[str, ...] = ()  # other hosts under which the settings say that the site is found

    @property
    def settings(self) -> str:
        """The path of the settings page."""
        return f"{self.root}{self.prefix}/consent"

    @property
    def home(self) -> str:
        return f"{self.root}/"


# Why an audit could not look. A blank crawl is never a clean one.


class AuditError(PrivacyError):
    """The audit saw nothing, or not what it was to see; says why and what to do next."""


class NoBrowser(AuditError):
    """Chromium is not there, or does not start."""

    def __init__(self, path: str | None, why: str) -> None:
        self.path, self.why = path, why
        what = f"{path} did not start" if path else "No Chromium was found, and Playwright's own did not start"
        super().__init__(f"{what}: {why} Install one with your system's packages, or run: playwright install chromium")


class WrongServer(AuditError):
    """Another server answered than the one that was to be audited."""

    def __init__(self, url: str, why: str) -> None:
        self.url = url
        super().__init__(f"The server at {url} is not the one to audit: {why}")


class NoSuchUser(AuditError):
    """Flask-Login knows nobody by the id that a login names."""

    def __init__(self, login: str, user_id: str) -> None:
        self.login, self.user_id = login, user_id
        super().__init__(
            f"The login {login!r} names the user {user_id!r}, whom Flask-Login does not know. Give the id that its "
            "user_loader takes, or in PRIVACY_AUDIT_LOGINS an async callable (page) that signs in."
        )


class DecisionNotApplied(AuditError):
    """A visitor's answer could not be given, or did not come to what it says."""

    def __init__(self, state: str, why: str) -> None:
        self.state = state
        super().__init__(f"The audit could not get to the state {state!r}: {why}")
