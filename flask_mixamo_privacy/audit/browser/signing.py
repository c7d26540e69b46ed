"""Signs in those whom the audit was given: by Flask-Login's id of a user, or by a function of the site's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import Flask

from ...web.site import Site
from .target import Step
from .trouble import NoSuchUser

if TYPE_CHECKING:
    from playwright.async_api import Page


def steps_of(app: Flask, url: str, logins: Mapping[str, str | Step]) -> dict[str, Step]:
    """A step for each login."""
    return {name: _as_user(app, url, login) if isinstance(login, str) else login for name, login in logins.items()}


def _as_user(app: Flask, url: str, user_id: str) -> Step:
    """Give the browser the session that Flask-Login makes, as its own test client does."""

    async def sign_in(page: Page) -> None:
        client = app.test_client()
        with client.session_transaction(base_url=url) as session:
            session["_user_id"], session["_fresh"] = user_id, True
        name = app.config["SESSION_COOKIE_NAME"]
        cookie = client.get_cookie(name, urlsplit(url).hostname or "", app.session_interface.get_cookie_path(app))
        assert cookie is not None, "the app's session sets no cookie"
        await page.context.add_cookies([{"name": name, "value": cookie.value, "url": url}])

    return sign_in


def people_of(app: Flask, here: Site, logins: Mapping[str, Any] | None) -> dict[str, str]:
    """The mail addresses of those who are known by an id, by login; raises :class:`NoSuchUser`."""
    manager: Any = getattr(app, "login_manager", None)
    load = manager._user_callback if manager is not None else None
    found = {}
    for name, login in (here.settings.audit_logins if logins is None else logins).items():
        if isinstance(login, str):
            with app.app_context():
                user = load(login) if load is not None else None
            if user is None:
                raise NoSuchUser(name, login)
            found[name] = str(getattr(user, "email", "") or "")
    return found
