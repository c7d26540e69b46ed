"""Who of the staff may look at what: nobody by default, and each look leaves an entry in the ledger."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, TypeVar

from flask import abort, current_app, has_request_context, make_response, render_template, request
from werkzeug.wrappers import Response

from ..consent import proof
from ..storage.clock import today
from ..storage.keys import is_email
from .context import current_url, privacy_context
from .http import no_store
from .runtime import Runtime, current_runtime

_WINDOW = re.compile(r"\d{4}(-W?\d\d(-\d\d)?)?|all", re.ASCII)

F = TypeVar("F", bound=Callable[..., Any])


def staff_only(need: str, fields: Collection[str] = ()) -> Callable[[F], F]:
    """Serve a view only to staff with this need, such as ``"reports"``; the entry names the fields that it shows.

    ``PRIVACY_STAFF(user, need)`` decides; without it nobody is staff. Whoever is not logged in gets Flask-Login's login
    page, or 401, and is counted; anybody else without the need gets 403. Both a look and a denial leave an entry.
    """

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            stranger = require_login(current_runtime())
            if stranger is not None:
                return stranger
            authorise(need, _current_page, fields=fields)
            return current_app.ensure_sync(view)(*args, **values)

        return guarded  # type: ignore[return-value]

    return decorate


def consent_required(purpose: str) -> Callable[[F], F]:
    """Serve a view only under a grant of this purpose; else answer 403 with a page on which it can be granted."""

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            if privacy_context().use_consent().allows(purpose):
                return current_app.ensure_sync(view)(*args, **values)
            return _ask_for(purpose)

        return guarded  # type: ignore[return-value]

    return decorate


def _ask_for(purpose: str) -> Response:
    ctx = privacy_context()
    policy = current_runtime().policy
    page = render_template(
        "mixamo_privacy/consent_required.html",
        t=ctx.language,
        title=ctx.language.of(policy.purpose(purpose).title, policy.language),
        description=ctx.language.of(policy.purpose(purpose).description, policy.language),
        purpose=purpose,
        shown=proof.settings(policy, ctx.language).form_token,
        can_ask=purpose in policy.purpose_fingerprints,
        next=current_url(ctx),
    )
    return no_store(make_response(page, 403))


def require_login(runtime: Runtime) -> Response | None:
    """What somebody who is not logged in gets; None for somebody who is."""
    if _user() is not None:
        return None
    try:
        runtime.denied.add(today())
    except OSError as error:  # whoever is turned away is turned away uncounted too
        runtime.report_failure(error, "Somebody unknown was turned away uncounted", tell_tests=False)
    manager = getattr(current_app, "login_manager", None)
    if manager is None or not has_request_context():
        abort(401)
    return current_app.make_response(manager.unauthorized())


def authorise(
    need: str,
    what: str | Callable[[], str],
    *,
    whose: Callable[[], tuple[str, str]] = lambda: ("", ""),
    fields: Collection[str] = (),
) -> None:
    """Note that the user at hand looks, and at what: whose (``(key id, keyed hash)``) and which fields.

    Neither ``what`` nor ``whose`` is asked for somebody without the need, who gets 403. That is noted too, with the
    page's rule and no address of who it was, for anybody who is logged in may choose what they ask for. Raises
    :class:`OSError` when it cannot be noted, for then nobody may look.
    """
    runtime, user = current_runtime(), _user()
    allowed = user is not None and _is_allowed(runtime, user, need)
    key_id, hashed = whose() if allowed else ("", "")
    said = {"who": current_user_id(), "need": need, "what": what() if callable(what) else what}
    if not allowed:
        said = {**_anonymous_user(runtime), "need": need, "what": current_rule()}
    more = {"whose": hashed} if hashed else {}
    more |= {"fields": sorted(fields)} if fields or hashed else {}  # type: ignore[dict-item]
    detail = said | more | {"outcome": "allowed" if allowed else "denied"}
    runtime.ledger.record_or_spool("access", pseudonym=(key_id, hashed), detail=detail)
    if not allowed:
        abort(403)


def current_rule() -> str:
    """The page at hand by its rule, which names nobody."""
    return request.url_rule.rule if request.url_rule is not None else "no page"


def _current_page() -> str:
    """The page's path, and of its query the window of a report alone: the rest may say anything."""
    window = request.args.get("window", "")
    return request.path + (f"?window={window}" if _WINDOW.fullmatch(window) else "")


def _anonymous_user(runtime: Runtime) -> dict[str, str]:
    """Who is denied: an id as it is, an address as a keyed hash and its key's id; nothing where the file of keys is away."""
    if not is_email(current_user_id()):
        return {"who": current_user_id()}
    try:
        key_id, hashed = runtime.rights.data_subjects.pseudonymise(current_user_id())
    except (OSError, ValueError):
        return {"who": ""}
    return {"who": hashed, "who_key": key_id}


def current_user_id() -> str:
    """Who is logged in, as Flask-Login calls them."""
    user = _user()
    return str(user.get_id()) if user is not None else ""


def current_subject() -> str:
    """Whom it is about what somebody does who is logged in: the address by which they would ask about it, where their user
    has one as ``email``, else their id. Empty where nobody is."""
    address = str(getattr(_user(), "email", None) or "").strip()
    return address if is_email(address) else current_user_id()


def _is_allowed(runtime: Runtime, user: Any, need: str) -> bool:
    if runtime.settings.staff is None:
        return False
    try:
        return _settled(current_app.ensure_sync(runtime.settings.staff)(user, need))
    except Exception as error:  # the site's own callable: a fault in it opens no door
        runtime.report_failure(error, "PRIVACY_STAFF failed, so nobody was let in")
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
    if not (has_request_context() and hasattr(current_app, "login_manager")):
        return None
    from flask_login import current_user

    return current_user._get_current_object() if current_user.is_authenticated else None


# Access to personal data: the need that a view or a block of code declares.


class Need:
    """Why personal data is read; see :meth:`Privacy.need`."""

    def __init__(self, need: str, whose: str | Callable[..., str | None] | None, fields: Collection[str]) -> None:
        self._need = need
        self._whose = whose
        self._fields = fields

    def __call__(self, view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            stranger = require_login(current_runtime())
            if stranger is not None:
                return stranger
            self._admit(*args, **values)
            return current_app.ensure_sync(view)(*args, **values)

        return guarded  # type: ignore[return-value]

    def __enter__(self) -> Need:
        if require_login(current_runtime()) is not None:
            abort(401)
        self._admit()
        return self

    def __exit__(self, *raised: object) -> None:
        return None

    def _admit(self, *args: Any, **values: Any) -> None:
        """Whose it is is looked up only for somebody who may know."""

        def hashed() -> tuple[str, str]:
            whose = self._whose(*args, **values) if callable(self._whose) else self._whose
            return current_runtime().ledger.pseudonym(whose) if whose else ("", "")

        authorise(self._need, current_rule, whose=hashed, fields=self._fields)
