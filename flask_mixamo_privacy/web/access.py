"""Staff access control.

No user has access unless ``PRIVACY_STAFF`` grants it. Every access is recorded in the ledger.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, NoReturn, TypeVar

from flask import current_app, has_request_context, make_response, request
from flask.views import View
from werkzeug.exceptions import default_exceptions
from werkzeug.wrappers import Response

from ..consent import proof
from ..errors import SettingError
from ..storage.clock import today
from ..storage.keys import is_email
from .context import current_runtime, current_url, privacy_context
from .http import abort_with, consent_url, mark_own_page, no_store, problem_json, wants_json
from .other_extensions import logged_in_user, login_manager
from .rendering import render
from .runtime import Runtime
from .view_marks import decorate_view

_UNIT = r"\d{4}(-W?\d\d(-\d\d)?)?"
_WINDOW = re.compile(rf"{_UNIT}(\.\.{_UNIT})?|all", re.ASCII)

F = TypeVar("F", bound=Callable[..., Any])


def staff_only(need: str, fields: Collection[str] = ()) -> Callable[[F], F]:
    """Serve a view only to staff with this need, such as ``"reports"``. ``fields`` are the fields that the view shows.

    ``PRIVACY_STAFF(user, need)`` decides; without it, no user is staff. An anonymous user gets Flask-Login's login page,
    or 401, and is only counted. A logged-in user without the need gets 403. The ledger records accesses and denials.
    """

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            login_response = require_login(current_runtime())
            if login_response is not None:
                return login_response
            authorise(need, current_page, fields=fields)
            return current_app.ensure_sync(view)(*args, **values)

        return guarded  # type: ignore[return-value]

    return lambda view: decorate_view(view, decorate, "@staff_only")


def consent_required(purpose: str) -> Callable[[F], F]:
    """Serve a view only if the visitor granted this purpose. Otherwise answer 403 with a page that asks for consent.

    A client that prefers JSON gets ``application/problem+json`` (RFC 9457), with ``purpose`` and ``consent_url``.
    """

    def decorate(view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            if privacy_context().allows(purpose):
                return current_app.ensure_sync(view)(*args, **values)
            return _consent_page(purpose)

        return guarded  # type: ignore[return-value]

    return lambda view: decorate_view(view, decorate, "@consent_required")


def _consent_page(purpose: str) -> Response:
    ctx = privacy_context()
    policy, t = current_runtime().policy, ctx.language
    title, description = (
        t.of(text, policy.language) for text in (policy.purpose(purpose).title, policy.purpose(purpose).description)
    )
    if wants_json():
        reason = t("This page works only if you allow “%(purpose)s”:", purpose=title)
        return problem_json(403, f"{reason.text} {description.text}", purpose=purpose, consent_url=consent_url())
    mark_own_page()
    page = render(
        "consent_required.html",
        t=t,
        title=title,
        description=description,
        purpose=purpose,
        shown=proof.settings(policy, ctx.language).form_token,
        can_ask=purpose in policy.purpose_fingerprints,
        next=current_url(ctx),
    )
    return no_store(make_response(page, 403))


def require_login(runtime: Runtime) -> Response | None:
    """Return the response for an anonymous user, and count the denial. None if a user is logged in."""
    if logged_in_user() is not None:
        return None
    try:
        runtime.denied.add(today())
    except OSError as error:  # the counter's disk is full or missing: still deny
        runtime.report_failure(error, "Access was denied to an anonymous user, but not counted", raise_in_tests=False)
    manager = login_manager(current_app)
    if manager is None or not has_request_context():
        _deny(401)
    return current_app.make_response(manager.unauthorized())


def authorise(
    need: str,
    resource: str | Callable[[], str],
    *,
    pseudonym: Callable[[], tuple[str, str]] = lambda: ("", ""),
    fields: Collection[str] = (),
) -> None:
    """Record the current user's access to a resource, or abort with 403.

    ``pseudonym`` returns the data subject as ``(key id, keyed hash)``; ``fields`` are the fields shown. ``resource`` and
    ``pseudonym`` are evaluated only for a user who has the need.

    A denied access is recorded too. It names the URL rule instead of the path, because the path is the user's own input,
    and it contains no e-mail address. If the access cannot be recorded, it is denied: aborts with 500, or with 403 if the
    user has no need.

    Of a user's denials, one process records a hundred in a day. Any visitor may become a user, and each entry is synced.
    """
    runtime, user = current_runtime(), logged_in_user()
    allowed = user is not None and _is_allowed(runtime, user, need)
    if not allowed and not runtime.denials.take(current_user_id(), today()):
        _deny(403, need)
    key_id, hashed = pseudonym() if allowed else ("", "")
    detail: dict[str, Any]
    if allowed:
        detail = {"who": current_user_id(), "need": need, "what": resource() if callable(resource) else resource}
    else:
        detail = {**_denied_user(runtime), "need": need, "what": current_rule()}
    if hashed:
        detail["whose"] = hashed
    if fields or hashed:
        detail["fields"] = sorted(fields)
    detail["outcome"] = "allowed" if allowed else "denied"
    try:
        runtime.ledger.record_or_spool("access", pseudonym=(key_id, hashed), detail=detail)
    except OSError as error:  # the disk is full or read-only; Flask would log a traceback for each request
        runtime.report_failure(error, "Access was denied, because it could not be recorded", raise_in_tests=False)
        if allowed:
            abort_with(500)
    if not allowed:
        _deny(403, need)


# Sentences of the catalogues.
SIGN_IN = "Please sign in"
FOR_STAFF = "Only staff can open this page. Sign in with a staff account, then open it again."
NO_ACCESS = "You do not have access to this page"
NEEDS = "Your account does not have the permission “%(need)s”. Ask the person who runs this site to give it to you."


def _deny(status: int, need: str = "") -> NoReturn:
    """Abort with a page that states what a member of staff needs. An error handler of the site comes first."""
    t = privacy_context().language
    title, message = (NO_ACCESS, t(NEEDS, need=need)) if need else (SIGN_IN, t(FOR_STAFF))
    error = default_exceptions[status](message.text)
    if has_request_context() and wants_json():
        error.response = problem_json(status, message.text)
    elif has_request_context():
        mark_own_page()
        page = render("message.html", t=t, title=title, message=message, is_error=True, home=f"{privacy_context().mount}/")
        error.response = no_store(make_response(page, status))
    raise error


def current_rule() -> str:
    """The current request's URL rule. Unlike the path, it cannot identify a person."""
    return request.url_rule.rule if request.url_rule is not None else "no page"


def current_page() -> str:
    """The request's path, with the report window as its only query parameter: the rest is the user's own input."""
    window = request.args.get("window", "")
    return request.path + (f"?window={window}" if _WINDOW.fullmatch(window) else "")


def _denied_user(runtime: Runtime) -> dict[str, str]:
    """Return the ledger detail that identifies a denied user.

    A user id is recorded as it is, a mail address as its keyed hash and the key's id. ``who`` is empty for a mail address
    if the key file cannot be read.
    """
    if not is_email(current_user_id()):
        return {"who": current_user_id()}
    try:
        key_id, hashed = runtime.rights.data_subjects.pseudonymise(current_user_id())
    except (OSError, ValueError):
        return {"who": ""}
    return {"who": hashed, "who_key": key_id}


def current_user_id() -> str:
    """Flask-Login's id of the logged-in user; empty if the user is anonymous."""
    user = logged_in_user()
    return str(user.get_id()) if user is not None else ""


def current_subject() -> str:
    """The logged-in user as a data subject: ``user.email`` if it is a mail address, otherwise the user id.

    The mail address comes first because data subjects request access and erasure with it. Empty for an anonymous user.
    """
    address = str(getattr(logged_in_user(), "email", None) or "").strip()
    return address if is_email(address) else current_user_id()


def may_access(need: str) -> bool:
    """Whether the current user has a need. Records nothing, because it only decides which links a page shows."""
    user = logged_in_user()
    return user is not None and _is_allowed(current_runtime(), user, need)


def _is_allowed(runtime: Runtime, user: Any, need: str) -> bool:
    if runtime.settings.staff is None:
        return False
    try:
        return _as_bool(current_app.ensure_sync(runtime.settings.staff)(user, need))
    except Exception as error:  # the site's own callable: an error in it must not grant access
        runtime.report_failure(error, "PRIVACY_STAFF failed, so access was denied")
        return False


def _as_bool(answer: Any) -> bool:
    """Return the answer of ``PRIVACY_STAFF``. Raise for an awaitable: it is truthy, so it would grant access."""
    if inspect.isawaitable(answer) or inspect.isasyncgen(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        hint = "Make it a plain function or an async function."
        raise SettingError("The result of PRIVACY_STAFF", type(answer).__name__, "True or False", hint)
    return bool(answer)


# Access to personal data by staff.


class Need:
    """The need for which a view, or a block of code, reads personal data; see :meth:`Privacy.need`."""

    def __init__(self, need: str, subject: str | Callable[..., str | None] | None, fields: Collection[str]) -> None:
        self._need = need
        self._subject = subject
        self._fields = fields

    def __call__(self, view: F) -> F:
        return decorate_view(view, self._decorate, "@privacy.need")  # type: ignore[no-any-return]

    def _decorate(self, view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            login_response = require_login(current_runtime())
            if login_response is not None:
                return login_response
            self._authorise(*args, **values)
            return current_app.ensure_sync(view)(*args, **values)

        return guarded  # type: ignore[return-value]

    def __enter__(self) -> Need:
        if require_login(current_runtime()) is not None:
            abort_with(401)
        self._authorise()
        return self

    def __exit__(self, *raised: object) -> None:
        return None

    def _authorise(self, *args: Any, **values: Any) -> None:
        def pseudonym() -> tuple[str, str]:  # called only for a user who has the need
            if not callable(self._subject):
                subject = self._subject
            else:  # a method of a class-based view has itself as its first argument
                subject = self._subject(*args[1 if args and isinstance(args[0], View) else 0 :], **values)
            return current_runtime().ledger.pseudonym(subject) if subject else ("", "")

        authorise(self._need, current_rule, pseudonym=pseudonym, fields=self._fields)
