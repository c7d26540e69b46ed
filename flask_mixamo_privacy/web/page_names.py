"""Names of pages in the log: the path, or its URL rule if the path could identify a person."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from flask import Flask, Request, g, session
from flask import request as current_request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..storage.memory import LONGEST_KEY, BoundedCache
from ..tracking.events import page_members
from ..tracking.scrub import origin_of, scrub_path, split_referrer
from .hosts import host_of_routes, routes_by_host
from .other_extensions import login_manager
from .view_marks import find_marks

Naming = Literal["path", "rule", "never"]

_STRICTEST: tuple[Naming, ...] = ("never", "rule", "path")
_CALLED = "privacy_page"  # the attribute of a request with the mark of its view


class LoggedPage(NamedTuple):
    """A page as the log describes it."""

    members: str  # its name, the previous page and the referrer as JSON members
    is_counted: bool  # whether to open it is a page view


class PageNames:
    """The names of one app's pages.

    Remembers the public endpoints, which were served to an anonymous user, and those whose page all visitors share.
    """

    def __init__(self, app: Flask, logged_in: Callable[[], bool] | None, fields: frozenset[str]) -> None:
        self._app = app
        self._fields = fields  # of the log, as the policy declares them
        self._logged_in = logged_in
        self._public: set[str] = set()
        self._namings: dict[tuple[str | None, str], tuple[Any, Naming | None]] = {}  # by endpoint and method: view, mark
        self._called: dict[str, Naming] = {}  # by endpoint: the mark of the view that was called
        self._shared: set[str] = set()
        self._by_host = routes_by_host(app)
        self._match_on = BoundedCache(self._match, 4096)
        self._cached_logged_page = lru_cache(maxsize=4096)(self._logged_page)

    def is_logged_in(self, request: Request) -> bool:
        """Whether a user is logged in, by ``PRIVACY_LOGGED_IN`` or else Flask-Login. False if the site has neither."""
        if self._logged_in is not None:
            return bool(self._logged_in())
        if not hasattr(self._app, "login_manager") or login_manager(self._app) is None:
            return False
        user = g.get("_login_user")
        if user is not None:
            return bool(user.is_authenticated)
        # Without a session cookie the session stays unread: reading it makes Flask send "Vary: Cookie".
        config = self._app.config
        if config.get("REMEMBER_COOKIE_NAME", "remember_token") in request.cookies:
            return True
        return config["SESSION_COOKIE_NAME"] in request.cookies and "_user_id" in session

    @property
    def revision(self) -> int:
        """A number that grows whenever the name of a page may have changed; a part of cache keys."""
        return len(self._public) + len(self._called)

    @property
    def has_login(self) -> bool:
        """Whether the site has logins: ``PRIVACY_LOGGED_IN`` or Flask-Login."""
        return self._logged_in is not None or login_manager(self._app) is not None

    def naming(self, endpoint: str | None, method: str = "GET") -> Naming | None:
        """The naming that the site chose for this endpoint with ``@privacy.page``; None if it chose none.

        Of a class-based view, a method's own mark counts. Otherwise the strictest mark of the other methods counts, because
        all methods have the same path.
        """
        endpoint = endpoint or ""
        view = self._app.view_functions.get(endpoint)
        known = self._namings.get((endpoint, method))
        if known is None or known[0] is not view:
            known = view, self._mark_of(view, method)
            if view is not None:  # a client may send any method
                self._namings[endpoint, method] = known
        return known[1] or self._called.get(endpoint)

    @staticmethod
    def _mark_of(view: Any, method: str) -> Naming | None:
        marks: dict[str, Naming] = {}
        for of_method, mark in find_marks(view, "privacy_page"):
            marks.setdefault(of_method, mark)
        found = marks.get("GET" if method == "HEAD" else method) or marks.get("")
        return found or min(marks.values(), key=_STRICTEST.index, default=None)

    def naming_of(self, request: Request) -> Naming | None:
        """The naming for this request: that of the view that was called, or else that of its endpoint."""
        return request.__dict__.get(_CALLED) or self.naming(request.endpoint, request.method)

    def remember_naming(self, request: Request, naming: Naming) -> None:
        """Remember that a view with this mark was called: any decorator may hide the view from :meth:`naming`."""
        if vars(request).setdefault(_CALLED, naming) == naming and request.endpoint and request.method in ("GET", "HEAD"):
            self._called[request.endpoint] = naming

    def is_shared(self, endpoint: str | None) -> bool:
        """Return whether this process has served a page of the endpoint that was the same for every visitor."""
        return endpoint in self._shared

    def remember_shared(self, request: Request) -> None:
        """Remember that the endpoint's page is the same for every visitor.

        Remember it as public if the request has neither cookies nor a password, so no user is logged in.
        """
        if request.endpoint:
            self._shared.add(request.endpoint)
        if "HTTP_COOKIE" not in request.environ and "HTTP_AUTHORIZATION" not in request.environ and request.endpoint:
            self._public.add(request.endpoint)

    def logged_page(
        self, request: Request, logged_in: bool, referrer: str, host: str | None, may_be_own: bool
    ) -> LoggedPage:
        """The page being served, as the log describes it.

        ``logged_in`` is whether a user is logged in. ``host`` is the site, or None if the referrer is a page of this site.
        With ``may_be_own``, a referrer of another host may be one too. The caller has cut the texts to :data:`LONGEST_KEY`.
        """
        rule, root = request.url_rule, request.root_path
        endpoint, text = (rule.endpoint, rule.rule) if rule is not None else (None, None)
        naming = request.__dict__.get(_CALLED) or self.naming(endpoint, request.method)
        path, is_get = request.path[:LONGEST_KEY], request.method == "GET"
        key = (endpoint, text, naming, path, root, is_get, logged_in, referrer, host, may_be_own)
        if self._by_host or len(root) > LONGEST_KEY:
            return self._logged_page(*key)
        return self._cached_logged_page(*key, self.revision, hasattr(self._app, "login_manager"))

    def _logged_page(
        self,
        endpoint: str | None,
        rule: str | None,
        naming: Naming | None,
        path: str,
        root_path: str,
        is_get: bool,
        logged_in: bool,
        referrer: str,
        host: str | None,
        may_be_own: bool,
        *_: object,
    ) -> LoggedPage:
        by_rule = rule is not None and (naming == "rule" or (logged_in and naming != "path"))
        page = root_path + rule if rule is not None and by_rule else scrub_path.cached((root_path + path)[:LONGEST_KEY])
        is_of_site = endpoint is not None and _is_of_site(endpoint)
        if endpoint and is_of_site and not by_rule and not logged_in:
            self._public.add(endpoint)
        previous, other_site = self._sources(referrer, host, may_be_own, root_path, logged_in) if referrer else ("", "")
        if previous and not is_get:  # a form was sent from a page; its own URL is none
            page, previous = previous, ""
        return LoggedPage(page_members(self._fields, page, previous, other_site), is_of_site and naming != "never")

    def name_of_previous(self, path: str, root_path: str, logged_in: bool) -> str:
        """The name of this site's page that linked to the current page; empty for a page that is not counted.

        A user may have opened that page and logged out since. So its path is the name only if the site chose so, or if an
        anonymous visitor could have opened it.
        """
        match = self._match_below(unquote(path), root_path)
        if match is None:
            return ""
        endpoint, rule = match
        naming = self.naming(endpoint)
        if naming == "never":
            return ""
        if naming == "path" or (naming is None and not logged_in and self._is_anonymous(endpoint, rule)):
            return scrub_path(path)
        return root_path + rule

    def _sources(
        self, referrer: str, host: str | None, may_be_own: bool, root_path: str, logged_in: bool
    ) -> tuple[str, str]:
        """Return ``(previous, referrer)``: the name of a page of this site, or a page of another site, or neither.

        A referrer that may be a user's page is reduced to its origin.
        """
        previous, other_site = split_referrer.cached(referrer, host)
        if other_site and (logged_in or (may_be_own and self.may_be_personal(urlsplit(referrer).path, root_path))):
            other_site = origin_of(other_site)
        return previous and self.name_of_previous(previous, root_path, logged_in), other_site

    def may_be_personal(self, path: str, root_path: str) -> bool:
        """Return whether the path is that of a page of this site which a logged-in user may have opened."""
        match = self._match_here(unquote(path).removeprefix(root_path)) if self.has_login else None
        return match is not None and not self._is_anonymous(*match)

    def _is_anonymous(self, endpoint: str, rule: str) -> bool:
        """Return whether the path of a referrer is that of no user.

        Any profile may be public, but the one that a user left to log out is most often the user's own. So a rule with
        arguments has no path if the site has logins.
        """
        return endpoint in self._public and not (self.has_login and "<" in rule)

    def name_of_path(self, path: str, root_path: str, logged_in: bool) -> str:
        """The name of the page at a path; empty if there is no such page or it is not counted.

        A user may have opened the page and logged out since. So its path is the name only as in :meth:`name_of_reported`.
        """
        path = unquote(path)
        match = self._match_below(path, root_path)
        if match is None:
            return ""
        endpoint, rule = match
        naming = self.naming(endpoint)
        is_public = not self.has_login or (not logged_in and endpoint in self._public)
        by_rule = naming == "rule" or (naming is None and not is_public)
        return "" if naming == "never" else root_path + rule if by_rule else scrub_path(path)

    def rule_of(self, path: str, root_path: str) -> str:
        """The URL rule that matches a percent-encoded path; empty if none does."""
        match = self._match_below(unquote(path), root_path)
        return match[1] if match else ""

    def name_of_reported(self, path: str, root_path: str, logged_in: bool) -> str | None:
        """The name of a page that a browser reports; None if the page is not counted.

        The report may arrive after a logout. So the path is the name only if the site chose so or has no logins, or if the
        endpoint is public. If the site has logins, a path without a rule has an empty name.
        """
        path = unquote(path)
        match = self._match_below(path, root_path)
        if match is None:
            return "" if self.has_login else scrub_path(path)
        endpoint, rule = match
        naming = self.naming(endpoint)
        if naming == "never" or endpoint.startswith("mixamo_privacy."):
            return None
        is_public = not self.has_login or (not logged_in and endpoint in self._public)
        return scrub_path(path) if naming == "path" or (naming is None and is_public) else root_path + rule

    def _match_below(self, path: str, root_path: str) -> tuple[str, str] | None:
        """Match a decoded path to ``(endpoint, rule)``; None if the app is mounted elsewhere or has no such page."""
        inside = not root_path or path == root_path or path.startswith(root_path + "/")
        return self._match_here(path.removeprefix(root_path)) if inside else None

    def _match_here(self, path: str) -> tuple[str, str] | None:
        """Match a path to a rule of this request's host, if the routes depend on the host."""
        if self._by_host or len(path) > LONGEST_KEY:
            return self._match_on(host_of_routes(self._app), path)
        return self._match_on.cached("", path)

    def _match(self, host: str, path: str) -> tuple[str, str] | None:
        adapter = self._app.create_url_adapter(current_request) if host else None
        try:
            rule, _ = (adapter or self._app.url_map.bind("localhost")).match(path or "/", method="GET", return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        return rule.endpoint, rule.rule


def _is_of_site(endpoint: str) -> bool:
    """Return whether a page is the site's own, and neither the extension's nor a static file."""
    return not (endpoint.startswith("mixamo_privacy.") or endpoint == "static" or endpoint.endswith(".static"))
