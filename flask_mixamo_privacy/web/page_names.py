"""What a page is called in the log: its path, or the rule behind it where the path could name a person."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote

from flask import Flask, Request, g, session
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..tracking.scrub import scrub_path

_LONGEST = 1000  # characters of a path that are looked at

Naming = Literal["path", "rule", "never"]


class PageNames:
    """Names pages of one app. Remembers which endpoints it saw served to people who were not logged in."""

    def __init__(self, app: Flask, logged_in: Callable[[], bool] | None) -> None:
        self._app = app
        self._logged_in = logged_in
        self._public: set[str] = set()
        self._rule_of = lru_cache(maxsize=4096)(self._match)

    def is_logged_in(self, request: Request) -> bool:
        """By ``PRIVACY_LOGGED_IN``, else by Flask-Login, else nobody is."""
        if self._logged_in is not None:
            return bool(self._logged_in())
        if not hasattr(self._app, "login_manager"):
            return False
        user = g.get("_login_user")
        if user is not None:
            return bool(user.is_authenticated)
        # Only a request with a session cookie opens the session: reading it makes Flask say "Vary: Cookie".
        config = self._app.config
        if config.get("REMEMBER_COOKIE_NAME", "remember_token") in request.cookies:
            return True
        return config["SESSION_COOKIE_NAME"] in request.cookies and "_user_id" in session

    @property
    def revision(self) -> int:
        """Grows whenever a page may be named in another way than before."""
        return len(self._public)

    @property
    def has_login(self) -> bool:
        """Whether anybody could ever be logged in, as far as the site told us."""
        return self._logged_in is not None or hasattr(self._app, "login_manager")

    def naming(self, endpoint: str | None) -> Naming | None:
        """What the site chose for this endpoint with ``@privacy.page``, if anything."""
        return getattr(self._app.view_functions.get(endpoint or ""), "privacy_page", None)

    def remember_public(self, request: Request) -> None:
        """Remember that a page was served to somebody who is certainly not logged in: no cookie came, and no password."""
        if "HTTP_COOKIE" not in request.environ and "HTTP_AUTHORIZATION" not in request.environ and request.endpoint:
            self._public.add(request.endpoint)

    def name(self, request: Request, root_path: str, personal: bool) -> str:
        """The name of the page being served; ``personal`` when somebody is logged in."""
        rule, chosen = request.url_rule, self.naming(request.endpoint)
        if rule is not None and (chosen == "rule" or (personal and chosen != "path")):
            return root_path + rule.rule
        if not personal and request.endpoint and request.endpoint not in self._public:
            self._public.add(request.endpoint)
        return scrub_path((root_path + request.path)[:_LONGEST])

    def name_of_previous(self, path: str, root_path: str, personal: bool) -> str:
        """The name of the page of this site that led here, or the empty text for one that is not counted.

        It may have been seen before a logout: its path is only told where its endpoint serves people who are not
        logged in.
        """
        found = self._rule_of(path.removeprefix(root_path))
        if found is None:
            return ""
        endpoint, rule = found
        chosen = self.naming(endpoint)
        if chosen == "never":
            return ""
        if chosen == "path" or (chosen is None and not personal and endpoint in self._public):
            return scrub_path(path)
        return root_path + rule

    def name_of_path(self, path: str, root_path: str, personal: bool) -> str:
        """The name of a page by its path alone, or the empty text for one that is none or is not counted.

        It may have been opened before a logout: its path is only told as in :meth:`reported`.
        """
        path = unquote(path)
        found = self._rule_of(path.removeprefix(root_path))
        if found is None:
            return ""
        endpoint, rule = found
        chosen = self.naming(endpoint)
        for_all = not self.has_login or (not personal and endpoint in self._public)
        by_rule = chosen == "rule" or (chosen is None and not for_all)
        return "" if chosen == "never" else root_path + rule if by_rule else scrub_path(path)

    def rule_of(self, path: str) -> str:
        """The rule behind a path, or the empty text."""
        found = self._rule_of(path)
        return found[1] if found else ""

    def name_of_reported(self, path: str, root_path: str, personal: bool) -> str | None:
        """The name of a page that a browser reports: empty for one that has none to tell, None for one that is not counted.

        It may be reported after a logout: its path is only told where nobody logs in, or where its endpoint was seen
        served to people who are not logged in.
        """
        path = unquote(path)
        inside = not root_path or path == root_path or path.startswith(root_path + "/")
        found = self._rule_of(path.removeprefix(root_path)) if inside else None
        if found is None:
            return "" if self.has_login else scrub_path(path)
        endpoint, rule = found
        chosen = self.naming(endpoint)
        if chosen == "never" or endpoint.startswith("mixamo_privacy."):
            return None
        for_all = not self.has_login or (not personal and endpoint in self._public)
        return scrub_path(path) if chosen == "path" or (chosen is None and for_all) else root_path + rule

    def _match(self, path: str) -> tuple[str, str] | None:
        try:
            rule, _ = self._app.url_map.bind("localhost").match(path or "/", method="GET", return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        return rule.endpoint, rule.rule
