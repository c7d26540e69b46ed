"""Who of the staff may look at what: nobody by default, and each look leaves an entry in the ledger."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app, request
from werkzeug.wrappers import Response

from .ledger import Entry
from .rights.subjects import is_address
from .site import Site, site
from .tracking.events import timestamp

F = TypeVar("F", bound=Callable[..., Any])


def staff_only(need: str) -> Callable[[F], F]:
    """Serve a view only to staff with this need, such as ``"reports"``.

    ``PRIVACY_STAFF(user, need)`` decides; without it nobody is staff. Whoever is not logged in gets Flask-Login's login
    page, or 401, and is counted; anybody else without the need gets 403. Both a look and a denial leave an entry.
    """

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            stranger = ask_to_log_in(site())
            if stranger is not None:
                return stranger
            admit(need, request.full_path.rstrip("?"))
            return current_app.ensure_sync(view)(*args, **values)

        return guarded  # type: ignore[return-value]

    return decorate


def ask_to_log_in(here: Site) -> Response | None:
    """What somebody who is not logged in gets; None for somebody who is."""
    if _user() is not None:
        return None
    try:
        here.denials.add(timestamp(time.time())[:10])
    except OSError as error:  # whoever is turned away is turned away uncounted too
        here.failed(error, "Somebody unknown was turned away uncounted", tell_tests=False)
    manager = getattr(current_app, "login_manager", None)
    if manager is None:
        abort(401)
    return current_app.make_response(manager.unauthorized())


def admit(need: str, what: str, *, whose: str = "", whose_key: str = "", fields: Collection[str] = ()) -> None:
    """Note that the user at hand looks, and at what: whose (a keyed hash) and which fields, where it is somebody's.

    Raises 403 for a user without the need, which is noted too; :class:`OSError` when it cannot be noted, for then nobody
    may look.
    """
    here, user = site(), _user()
    allowed = user is not None and _is_allowed(here, user, need)
    said = {"who": current_user_id(), "need": need, "what": what}
    more = {"whose": whose} if whose else {}
    more |= {"fields": sorted(fields)} if fields or whose else {}  # type: ignore[dict-item]
    detail = json.dumps(said | more | {"outcome": "allowed" if allowed else "denied"})
    here.ledger.append_or_wait(Entry("access", timestamp(time.time()), detail=detail, subject=whose, subject_key=whose_key))
    if not allowed:
        abort(403)


def current_user_id() -> str:
    """Who is logged in, as Flask-Login calls them."""
    user = _user()
    return str(user.get_id()) if user is not None else ""


def current_subject() -> str:
    """Whom it is about what somebody does who is logged in: the address by which they would ask about it, where their user
    has one as ``email``, else their id. Empty where nobody is."""
    address = str(getattr(_user(), "email", None) or "").strip()
    return address if is_address(address) else current_user_id()


def _is_allowed(here: Site, user: Any, need: str) -> bool:
    if here.settings.staff is None:
        return False
    try:
        return _settled(current_app.ensure_sync(here.settings.staff)(user, need))
    except Exception as error:  # the site's own callable: a fault in it opens no door
        here.failed(error, "PRIVACY_STAFF failed, so nobody was let in")
        return False


def _settled(said: Any) -> bool:
    """What the site's callable said; what would still have to be awaited says nothing, though it counts as true."""
    if inspect.isawaitable(said) or inspect.isasyncgen(said):
        if inspect.iscoroutine(said):
            said.close()
        raise TypeError(f"it gave {type(said).__name__}, not True or False; make it a plain or an async function")
    return bool(said)


def _user() -> Any:
    """Flask-Login's current user, if somebody is logged in."""
    if not hasattr(current_app, "login_manager"):
        return None
    from flask_login import current_user

    return current_user._get_current_object() if current_user.is_authenticated else None
