"""HTTP helpers: the site's address for links in mails, and what every view's answer needs."""

from __future__ import annotations

from typing import TypeVar

from flask import current_app, has_request_context, request
from werkzeug.wrappers import Response

from ..errors import MailError
from .site import site

AnyResponse = TypeVar("AnyResponse", bound=Response)

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def base_of_request() -> str:
    """The address of the site without a slash at its end, or nothing where it is not sure.

    ``PRIVACY_BASE_URL`` comes first. The ``Host`` of a request is whatever its sender wrote, and a link made of it would
    lead whoever gets the mail, and the token in it, to a site of that sender's. It is taken only where the app has
    ``TRUSTED_HOSTS``, where it is the one of ``SERVER_NAME``, on a loopback address, and in tests.
    """
    config, host = current_app.config, request.host
    known = bool(config.get("TRUSTED_HOSTS")) or host == config.get("SERVER_NAME") or current_app.testing
    if site().settings.base_url or not (known or host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK):
        return base_of_site()
    return request.url_root.rstrip("/")


def base_of_site() -> str:
    """The same, where no request is at hand: by ``PRIVACY_BASE_URL``, else by ``SERVER_NAME``."""
    config = current_app.config
    if found := site().settings.base_url:
        return found
    if not config.get("SERVER_NAME"):
        return ""
    return f"{config['PREFERRED_URL_SCHEME']}://{config['SERVER_NAME']}{config['APPLICATION_ROOT']}".rstrip("/")


def base_of_mails() -> str:
    """Where the site is; raises :class:`MailError` where that is not known."""
    base = base_of_request() if has_request_context() else base_of_site()
    if not base and current_app.testing:
        return "https://localhost"
    if not base:
        raise MailError(
            'The links in a mail need a host: set PRIVACY_BASE_URL to where the site is, such as "https://shop.example".'
        )
    return base


def no_store(response: AnyResponse) -> AnyResponse:
    """Forbid every cache to keep this response, and return it."""
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_json() -> bool:
    """Return whether the client prefers JSON to a page."""
    return request.accept_mimetypes.best == "application/json"
