"""Other extensions of the app, recognised without an import: a site has only those that it installed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flask import Flask, current_app, has_request_context, request


def extension_of(app: Flask, key: str, package: str) -> Any:
    """Return ``app.extensions[key]`` if an object of this package is there, otherwise None.

    Packages share keys: Flask-BabelPlus registers itself as "babel" too, Flask-SeaSurf as "csrf".
    """
    return _of_package(app.extensions.get(key), package)


def login_manager(app: Flask) -> Any:
    """Return Flask-Login's manager of the app, or None if the app has none.

    Without one no user is known, so no user is staff, and ``PRIVACY_LOGGED_IN`` alone states whether a visitor is logged
    in. An app has a manager only if Flask-Login is installed, so the package may be imported after this.
    """
    return _of_package(getattr(app, "login_manager", None), "flask_login")


def logged_in_user() -> Any:
    """Return Flask-Login's current user; None if the user is anonymous, or the app has no Flask-Login."""
    if not has_request_context() or login_manager(current_app) is None:
        return None
    from flask_login import current_user

    return current_user._get_current_object() if current_user.is_authenticated else None


def is_cached(view: Any) -> bool:
    """Return whether Flask-Caching keeps what a view returns. It serves one visitor's response to others."""
    return hasattr(view, "uncached") and hasattr(view, "make_cache_key")


def is_socket_event() -> bool:
    """Return whether a handler of Flask-SocketIO runs: in a request context of the handshake, which ends without a response.

    The socket has answered long before, so nothing that waits for the end of the request would ever be done.
    """
    return hasattr(request, "namespace") and extension_of(current_app, "socketio", "flask_socketio") is not None


def _of_package(found: Any, package: str) -> Any:
    return found if package in _packages(found.__class__) else None


@lru_cache(maxsize=64)
def _packages(cls: type) -> frozenset[str]:
    """Return the top-level packages of a class and of its base classes: a site may subclass an extension."""
    return frozenset(base.__module__.partition(".")[0] for base in cls.__mro__)
