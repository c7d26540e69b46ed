"""Collection points: only what is declared passes, and what is given is on record before it is used."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, TypeVar

from flask import Request, current_app, make_response, render_template, request
from werkzeug.datastructures import CombinedMultiDict, ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest, Conflict, Forbidden, HTTPException, ServiceUnavailable

from ..collection import notices
from ..collection.submission import (
    ACCEPTANCE,
    CollectedData,
    Kind,
    Submission,
    SubmissionError,
    SubmissionServices,
    SubmittedForm,
)
from ..errors import UndeclaredCollection
from ..policy.parts import CollectionPoint
from .access import current_subject
from .context import privacy_context
from .http import no_store, wants_json
from .runtime import Runtime

# What a form sent, sifted: from here on the request holds the declared fields, and nothing else that was typed.

#: Our own controls at a form begin like this; they are read here and passed on to nobody.
CONTROL_PREFIX = "privacy_"


def filter_request(request: Request, declared: Collection[str], controls: Collection[str]) -> SubmittedForm:
    """Leave in the request's ``form``, ``files``, ``values`` and JSON only what is declared, or a control of the page.

    Controls say nothing about anybody: a token against forgery, the page to go to. They pass, and are not collected.
    Of the query string ``values`` holds controls alone, for what stands there is not put on record; ``args`` is left as it
    is, since pages, logins and others' extensions find their way by it.
    """
    form, files, body = request.form, request.files, _body(request)
    given = [(name, value) for name, value in form.items(multi=True)]
    given += [(name, each) for name, value in body.items() for each in (value if isinstance(value, list) else [value])]
    ours = [*given, *((name, "") for name, value in body.items() if value == [])]
    passing = frozenset((*declared, *controls))
    request.form = ImmutableMultiDict(_of(form.items(multi=True), passing))
    request.files = ImmutableMultiDict(_of(files.items(multi=True), passing))
    for name, file in files.items(multi=True):
        if name not in passing:
            file.close()
    _set_values(request, ImmutableMultiDict(_of(request.args.items(multi=True), controls)))
    _replace_body(request, {name: value for name, value in body.items() if name in passing})
    names = {name for name, _ in given} | set(files)
    own = [(name, str(value)) for name, value in ours if name.startswith(CONTROL_PREFIX) or name == ACCEPTANCE]
    kept = MultiDict(_of(files.items(multi=True), declared))
    return SubmittedForm(
        fields=dict(MultiDict(_of(given, declared)).lists()),
        own_controls=dict(MultiDict(own).lists()),
        files=kept,
        uploaded=frozenset(name for name, file in kept.items(multi=True) if file.filename),
        dropped=sum(name not in passing and not name.startswith(CONTROL_PREFIX) for name in names),
    )


def override_field(request: Request, name: str, value: str) -> None:
    """Have the request say this of a field, whatever was sent."""
    body = request.get_json(silent=True)
    if isinstance(body, dict):
        _replace_body(request, body | {name: value})
        return
    query = request.values.dicts[0]
    kept = [(other, each) for other, each in request.form.items(multi=True) if other != name]
    request.form = ImmutableMultiDict([*kept, (name, value)])
    _set_values(request, query)


def discard_form(request: Request) -> None:
    """Leave nothing in the request."""
    filter_request(request, (), ())


def _set_values(request: Request, query: MultiDict[str, str]) -> None:
    """Whoever looks at query and form as one meets these, also if they looked before."""
    request.__dict__["values"] = CombinedMultiDict([query, request.form])


def _body(request: Request) -> dict[str, Any]:
    """What was sent as JSON, whatever it was called; nothing of what is no object."""
    if request.form or request.files:
        return {}
    found = request.get_json(force=True, silent=True)
    return found if isinstance(found, dict) else {}


def _replace_body(request: Request, kept: dict[str, Any]) -> None:
    """Whoever reads the body for itself meets what was kept too."""
    raw = json.dumps(kept).encode() if request.is_json or kept else b""
    given: Any = request
    given.data = raw
    given.get_data = lambda cache=True, as_text=False, parse_form_data=False: raw.decode() if as_text else raw
    given.get_json = lambda force=False, silent=False, cache=True: kept if request.is_json or force else None


def _of(items: Iterable[tuple[str, Any]], names: Collection[str]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in items if name in names]


# A form that is not taken, and why.

# Sentences of the catalogues.
MISSING = "Please fill in: %(names)s."
NOT_ACKNOWLEDGED = "Please say that you know who can read it, and send it again."
INVALID_BIRTH_DATE = "Please give the day, the month and the year of your birth, and send it again."
NOT_SIGNED_UP = "We cannot sign you up."
CHANGED = "What this form says has changed since you opened it, so nothing was taken. Please open it again."
NOT_TAKEN = "This could not be recorded just now, so nothing was taken. Please try again in a moment."


class NotCollected(HTTPException):
    """The answer to a form that is not taken: our page, or JSON, unless the site has an error handler for it.

    ``message`` says why in the visitor's language; ``fields`` names the fields it is about.
    """

    def __init__(self, message: str, fields: Iterable[str] = (), **values: object) -> None:
        ctx = privacy_context()
        said = ctx.language(message, **values)
        self.message, self.fields = said.text, tuple(fields)
        if wants_json():
            response = make_response({"message": said.text, "fields": self.fields}, self.code or 400)
        else:
            page = render_template("mixamo_privacy/not_collected.html", t=ctx.language, message=said)
            response = make_response(page, self.code or 400)
        super().__init__(said.text, no_store(response))


class MissingFields(NotCollected, BadRequest):
    """Something that is required is missing."""


class SignupRefused(NotCollected, Forbidden):
    """Whoever sent it may not."""


class NoticeChanged(NotCollected, Conflict):
    """It was sent after other words than those in force."""


class NotRecorded(NotCollected, ServiceUnavailable):
    """It could not be put on record, and is therefore not taken."""

    def __init__(self, message: str = NOT_TAKEN, fields: Iterable[str] = (), **values: object) -> None:
        super().__init__(message, fields, **values)


_ANSWERS: dict[Kind, tuple[type[NotCollected], str]] = {
    "missing": (MissingFields, MISSING),
    "no-opt-in": (MissingFields, MISSING),
    "no-birth-date": (MissingFields, INVALID_BIRTH_DATE),
    "not-acknowledged": (MissingFields, NOT_ACKNOWLEDGED),
    "signup-refused": (SignupRefused, NOT_SIGNED_UP),
    "notice-changed": (NoticeChanged, CHANGED),
    "not-recorded": (NotRecorded, NOT_TAKEN),
}


def http_error(problem: SubmissionError, point: CollectionPoint) -> NotCollected:
    """The HTTP answer to a problem with a form submitted at a point."""
    ctx = privacy_context()
    policy, t = ctx.runtime.policy, ctx.language
    values: dict[str, object] = {}
    if problem.kind == "missing":
        values = {"names": t.names(notices.field_descriptions(policy, problem.fields, t))}
    elif problem.kind == "no-opt-in":
        values = {"names": notices.opt_in_label(policy, point, t)}
    answer, message = _ANSWERS[problem.kind]
    return answer(message, problem.fields, **values)


@contextmanager
def raise_http_errors(point: CollectionPoint) -> Iterator[None]:
    """Raise :class:`NotCollected` for a :class:`SubmissionError` in the block."""
    try:
        yield
    except SubmissionError as problem:
        raise http_error(problem, point) from problem


F = TypeVar("F", bound=Callable[..., Any])

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class CollectionGuard:
    """One point in use, as a decorator of a view or around a few lines; see :meth:`Privacy.collects`."""

    def __init__(self, point: str, subject: str, controls: Collection[str]) -> None:
        self._point = point
        self._subject = subject
        self._controls = frozenset(controls)
        self._taking: Submission | None = None  # of a with statement, which has an object of its own

    def __call__(self, view: F) -> F:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            taking = self._take()
            response = current_app.make_response(current_app.ensure_sync(view)(*args, **values))
            if taking is not None and response.status_code < 400:
                self._settle(taking)
            return response

        guarded.privacy_collects = (*getattr(view, "privacy_collects", ()), self._point)  # type: ignore[attr-defined]
        return guarded  # type: ignore[return-value]

    def __enter__(self) -> CollectedData:
        self._taking = self._take()
        return self._taking.given if self._taking is not None else CollectedData()

    def __exit__(self, raised: object, *about: object) -> None:
        if self._taking is not None and raised is None:
            self._settle(self._taking)

    def _take(self) -> Submission | None:
        """The form that was sent, on record; None where a page is only looked at."""
        point = declared_point(self._point)
        if request.method in _SAFE:
            return None
        if point is None:
            discard_form(request)
            raise NotRecorded
        taking = open_submission(point, self._subject, self._controls)
        with raise_http_errors(point):
            taking.validate()
            taking.record()
        return taking

    def _settle(self, taking: Submission) -> None:
        with raise_http_errors(taking.point):
            taking.apply_opt_ins()


def declared_point(point_id: str) -> CollectionPoint | None:
    """The point of this id. One that is not declared raises in tests and in debug mode; in production it is logged, and
    nothing is collected there."""
    ctx = privacy_context()
    try:
        return notices.find_point(ctx.runtime.policy, point_id)
    except UndeclaredCollection as error:
        ctx.runtime.report_failure(error)
        return None


def open_submission(point: CollectionPoint, subject: str, controls: Collection[str]) -> Submission:
    """The form in the current request, submitted to a point. Filters the request."""
    ctx = privacy_context()
    token = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    taking = Submission(
        filter_request(ctx.request, (*point.required, *point.optional), {*controls, token}),
        point,
        ctx.runtime.policy,
        _services(ctx.runtime),
        subject_field=subject,
        current_subject=current_subject,
        browser_is_minor=ctx.is_minor,
    )
    ctx.given = taking.given
    if taking.declares_minor:
        ctx.form_cookies["privacy_age"] = "no"  # it stands in this browser, whatever is sent later
    if taking.age_answer is not None:
        override_field(ctx.request, notices.AGE_FIELD, taking.age_answer)
    taking.remember_minor()
    return taking


def _services(runtime: Runtime) -> SubmissionServices:
    return SubmissionServices(
        ledger=runtime.ledger,
        marketing=runtime.mail.marketing,
        minors=runtime.rights.minors,
        report_failure=partial(runtime.report_failure, tell_tests=False),
    )
