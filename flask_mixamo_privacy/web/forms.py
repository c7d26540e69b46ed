"""Collection points in Flask: the request filter, and ``@collects``.

The view sees only the declared fields, and only after the ledger has recorded the submission.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from io import BytesIO
from typing import Any, TypeVar

from flask import Request, current_app, request
from werkzeug.datastructures import CombinedMultiDict, ImmutableMultiDict, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from ..collection import notices
from ..collection.submission import (
    ACCEPTANCE,
    CollectedData,
    Submission,
    SubmissionError,
    SubmissionServices,
    SubmittedForm,
)
from ..errors import NotAllowed, UndeclaredCollection
from ..ledger.entry import ShownText
from ..mail.permission import Browser
from ..policy.parts import CollectionPoint
from ..storage.keys import normalise_subject
from .access import current_subject
from .context import privacy_context
from .http import abort_with, base_url, is_cross_site, wants_json
from .limits import MOST_FIELDS, json_body, limit_body, limit_fields
from .other_extensions import is_cached
from .problems import NotCollected, NotRecorded, http_error, own_page, show_again
from .runtime import Runtime
from .view_marks import decorate_view

# The request filter.

#: Prefix of the extension's own form controls. The filter reads them and removes them from the request.
CONTROL_PREFIX = "privacy_"

_LONGEST_QUERY = 16 * 1024  # characters
_LARGEST_OF_OTHER_TYPE = 64 * 1024  # bytes of a body that is neither a form nor declared as JSON


def filter_request(request: Request, declared: Collection[str], controls: Collection[str]) -> SubmittedForm:
    """Reduce the request's ``form``, ``files``, ``values`` and JSON to declared fields and the page's controls.

    Controls, such as a CSRF token or the next page, contain no personal data. They stay in the request but are not
    collected. ``values`` keeps only the controls of the query string, because query parameters are not recorded in the
    ledger. ``args`` stays unchanged, because pages, logins and other extensions navigate by it.

    Parses no more than the site itself would, and no form of more than 1,000 fields. JSON of more values is refused too. A
    query that is too long for controls is left out. So is a large body that is neither a form nor declared as JSON.
    """
    limit_fields(request)
    form, files, body = request.form, request.files, _body(request)
    query = request.args.items(multi=True) if len(request.query_string) <= _LONGEST_QUERY else ()
    submitted = [(name, value) for name, value in form.items(multi=True)]
    submitted += [(name, each) for name, value in body.items() for each in (value if isinstance(value, list) else [value])]
    control_items = [*submitted, *((name, "") for name, value in body.items() if value == [])]
    passing = frozenset((*declared, *controls))
    request.form = ImmutableMultiDict(_of(form.items(multi=True), passing))
    request.files = ImmutableMultiDict(_of(files.items(multi=True), passing))
    for name, file in files.items(multi=True):
        if name not in passing:
            file.close()
    _set_values(request, ImmutableMultiDict(_of(query, controls)))
    _replace_body(request, {name: value for name, value in body.items() if name in passing})
    names = {name for name, _ in submitted} | set(files)
    own_controls = [
        (name, str(value)) for name, value in control_items if name.startswith(CONTROL_PREFIX) or name == ACCEPTANCE
    ]
    declared_files = MultiDict(_of(files.items(multi=True), declared))
    return SubmittedForm(
        fields=dict(MultiDict(_of(submitted, declared)).lists()),
        own_controls=dict(MultiDict(own_controls).lists()),
        files=declared_files,
        uploaded=frozenset(name for name, file in declared_files.items(multi=True) if file.filename),
        dropped=sum(name not in passing and not name.startswith(CONTROL_PREFIX) for name in names),
    )


def override_field(request: Request, name: str, value: str) -> None:
    """Set a field of the request's form or JSON body, and replace the submitted value."""
    body = request.get_json(silent=True)
    if isinstance(body, dict):
        _replace_body(request, body | {name: value})
        return
    query = request.values.dicts[0]
    other_fields = [(other, each) for other, each in request.form.items(multi=True) if other != name]
    request.form = ImmutableMultiDict([*other_fields, (name, value)])
    _set_values(request, query)


def discard_form(request: Request) -> None:
    """Remove every field, file and control from the request."""
    filter_request(request, (), ())


def _set_values(request: Request, query: MultiDict[str, str]) -> None:
    """Replace ``request.values``, also if it has been read and cached."""
    request.__dict__["values"] = CombinedMultiDict([query, request.form])


def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body, whatever its content type. Empty for a form, and for JSON of another type.

    A body of another type is JSON only if it is short. Otherwise it is dropped, because a view must not see its fields.
    """
    if request.form or request.files:
        return {}
    if not request.is_json:
        try:
            limit_body(request, _LARGEST_OF_OTHER_TYPE)
        except RequestEntityTooLarge:
            request.stream = BytesIO()
            return {}
    body = json_body(request, force=True)
    if not isinstance(body, dict):
        return {}
    if sum(len(value) if isinstance(value, list) else 1 for value in body.values()) > MOST_FIELDS:
        abort_with(413)
    return body


def _replace_body(request: Request, fields: dict[str, Any]) -> None:
    """Replace the request's JSON and raw body, so that a view that reads them directly sees only these fields."""
    raw = json.dumps(fields).encode() if request.is_json or fields else b""
    target: Any = request
    target.data = raw
    target.get_data = lambda cache=True, as_text=False, parse_form_data=False: raw.decode() if as_text else raw
    target.get_json = lambda force=False, silent=False, cache=True: fields if request.is_json or force else None


def _of(items: Iterable[tuple[str, Any]], names: Collection[str]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in items if name in names]


@contextmanager
def raise_http_errors(submission: Submission) -> Iterator[None]:
    """Raise :class:`NotCollected` for a :class:`SubmissionError` in the block."""
    try:
        yield
    except SubmissionError as problem:
        raise http_error(problem, submission) from problem


F = TypeVar("F", bound=Callable[..., Any])

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class CollectionGuard:
    """A collection point around a view (as a decorator) or a ``with`` block; see :meth:`Privacy.collects`."""

    def __init__(self, point: str, subject: str, controls: Iterable[str], form: str = "") -> None:
        self._point = point
        self._subject = subject
        self._controls = frozenset(controls)
        self._form = form  # the endpoint of the view that shows the form
        self._submission: Submission | None = None  # set only by a with statement, which has its own guard

    def __call__(self, view: F) -> F:
        return decorate_view(view, self._decorate, "@privacy.collects")  # type: ignore[no-any-return]

    def _decorate(self, view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            try:
                submission = self._submit()
                response = current_app.make_response(current_app.ensure_sync(view)(*args, **values))
                if submission is not None and response.status_code < 400:
                    self._apply_opt_ins(submission)
            except NotCollected as rejected:
                return self._answer(rejected)
            return response

        guarded.privacy_collects = (*getattr(view, "privacy_collects", ()), self._point)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    def __enter__(self) -> CollectedData:
        try:
            self._submission = self._submit()
        except NotCollected as rejected:
            rejected.response = self._answer(rejected)
            raise
        return self._submission.given if self._submission is not None else CollectedData()

    def __exit__(self, raised: object, error: object, traceback: object) -> None:
        if isinstance(error, NotCollected) and error.response is None:
            error.response = self._answer(error)
        elif raised is None and self._submission is not None:
            try:
                self._apply_opt_ins(self._submission)
            except NotCollected as rejected:
                rejected.response = self._answer(rejected)
                raise

    def _submit(self) -> Submission | None:
        """Validate and record the submitted form. None if the request's method submits nothing."""
        point = declared_point(self._point)
        self._check_form()
        if request.method in _SAFE:
            return None
        if point is None:
            discard_form(request)
            raise NotRecorded
        submission = open_submission(point, self._subject, self._controls)
        with raise_http_errors(submission):
            submission.validate()
            submission.record()
        return submission

    def _apply_opt_ins(self, submission: Submission) -> None:
        with raise_http_errors(submission):
            submission.apply_opt_ins()

    def _check_form(self) -> None:
        """Report a form that cannot be shown again, before a visitor makes the first mistake."""
        if not self._form or self._shows_form:
            return
        allowed, hint = "an endpoint of this app", "Name the view that shows the form, as for url_for()."
        if self._endpoint in current_app.view_functions:
            allowed = "a view without @cache.cached, which would serve what one visitor typed to all others"
            hint = "Remove @cache.cached from the view that shows the form."
        privacy_context().runtime.report_failure(NotAllowed("form of @privacy.collects", self._form, allowed, hint))

    @property
    def _shows_form(self) -> bool:
        """Whether the named view exists, and no cache inside the app keeps its page."""
        view = current_app.view_functions.get(self._endpoint)
        return view is not None and not is_cached(view)

    @property
    def _endpoint(self) -> str:
        blueprint = f"{request.blueprint}." if request.blueprint else ""
        return blueprint + self._form[1:] if self._form.startswith(".") else self._form

    def _answer(self, rejected: NotCollected) -> Response:
        """Return the site's form with its problem. Raises ``rejected`` with the extension's page if the site has none."""
        submission, response = privacy_context().submission, None
        if self._form and self._shows_form and not wants_json():
            filter_request(request, (), {*self._controls, _csrf_field()})
            response = show_again(rejected.problem, rejected.code or 400, self._endpoint, request.view_args or {})
        if response is not None:
            return response
        rejected.response = own_page(rejected, submission)
        raise rejected


def declared_point(point_id: str) -> CollectionPoint | None:
    """Return the collection point with this id.

    An undeclared point raises :class:`UndeclaredCollection` in tests and in debug mode. In production the error is logged
    and the result is None: an undeclared point collects nothing.
    """
    ctx = privacy_context()
    try:
        return notices.find_point(ctx.runtime.policy, point_id)
    except UndeclaredCollection as error:
        ctx.runtime.report_failure(error)
        return None


def open_submission(point: CollectionPoint, subject: str, controls: Collection[str]) -> Submission:
    """Filter the current request and return its form as a submission to this collection point."""
    ctx = privacy_context()
    submission = Submission(
        filter_request(ctx.request, (*point.required, *point.optional), {*controls, _csrf_field()}),
        point,
        ctx.runtime.policy,
        _services(ctx.runtime),
        subject_field=subject,
        current_subject=current_subject,
        browser_is_minor=ctx.is_minor,
    )
    ctx.submission, ctx.given = submission, submission.given
    if submission.declares_minor and not is_cross_site(ctx.request):
        ctx.set_form_cookie("privacy_age", "no")  # so that a second try with another birth date is refused too
    if submission.age_answer is not None:
        override_field(ctx.request, notices.AGE_FIELD, submission.age_answer)
    submission.remember_minor()
    return submission


def _csrf_field() -> str:
    return str(current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token"))


def _services(runtime: Runtime) -> SubmissionServices:
    return SubmissionServices(
        ledger=runtime.ledger,
        marketing=runtime.mail.marketing,
        minors=runtime.rights.minors,
        languages=runtime.settings.languages,
        sign_up=_sign_up,
        is_confirmed=lambda subject: runtime.rights.confirmations.is_confirmed(subject, _BROWSER),
        report_failure=partial(runtime.report_failure, raise_in_tests=False),
    )


def _user() -> str:
    return normalise_subject(current_subject())


def _sign_up(subject: str, purpose: str, text: ShownText, source: str) -> None:
    """Record an opt-in, which may wait until the person confirms it by a link."""
    ctx = privacy_context()
    if ctx.runtime.rights.confirmations.sign_up(normalise_subject(subject), purpose, text, source, _BROWSER):
        ctx.runtime.wake()


#: The browser of the current request.
_BROWSER = Browser(_user, lambda: privacy_context().language.code, base_url)
