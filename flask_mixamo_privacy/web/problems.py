"""The problem of a rejected form: its HTTP answer, and what a template needs to show the form again.

Typed values are kept for the answer only, and never those of a password or a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from flask import current_app, make_response, request
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Conflict, Forbidden, HTTPException, ServiceUnavailable, UnprocessableEntity
from werkzeug.wrappers import Response

from ..collection import notices
from ..collection.submission import ACCEPTANCE, Kind, SubmissionError
from ..errors import NotAllowed
from ..i18n.language import Language, LocalizedText
from ..policy.model import Policy
from .context import PrivacyContext, current_runtime, current_url, privacy_context
from .http import mark_own_page, no_store, problem_json, wants_json
from .rendering import render

if TYPE_CHECKING:
    from ..collection.submission import Submission

# These sentences are msgids of the catalogues.
MISSING = "Please fill in: %(names)s."
NOT_ACKNOWLEDGED = "Please confirm that you know who can read it."
INVALID_BIRTH_DATE = "Please enter the day, month and year of your birth."
NOT_SIGNED_UP = "We cannot sign you up."
CHANGED = "The information beside this form has changed since you opened it. Please read it, then send the form again."
NOT_TAKEN = "Your form could not be recorded just now. Please send it again in a moment."
ERROR = "Error:"
PROBLEM = "There is a problem"


_NO_MARKUP = Markup()


@dataclass(frozen=True)
class FormProblem:
    """Why the form of this request was rejected. False if no form was rejected.

    ``message`` is the reason, in the visitor's language. ``fields`` are the names of the fields concerned, and ``point``
    is the collection point. ``prefix`` is "Error: " in the visitor's language, for the page's title. It is empty without a
    problem.
    """

    message: str = ""
    fields: tuple[str, ...] = ()
    point: str = ""
    prefix: str = ""
    by_field: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # the messages that concern no field
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The id of the element of each field whose element has another id than its name.
    ids: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.message)

    def with_ids(self, ids: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return the id of each field's element, and its message."""
        ids = {**self.ids, **ids}
        return [(ids.get(name, name), text) for name, text in self.by_field.items()]


@dataclass(frozen=True)
class FormField:
    """One field of a form that may be shown again.

    ``value`` is what was typed; empty for a password, for a file, and before the form was sent. ``error`` is the message
    as an element with the id ``<name>-error``, or empty. ``aria`` has the attributes of an invalid field as a dictionary,
    and ``attributes`` has them as HTML.
    """

    value: str = ""
    error: Markup = _NO_MARKUP
    aria: Mapping[str, str] = field(default_factory=dict)

    @property
    def attributes(self) -> Markup:
        return Markup("").join(Markup(' {}="{}"').format(name, value) for name, value in self.aria.items())


NO_PROBLEM = FormProblem()


def current_problem(ctx: PrivacyContext, point: str = "") -> FormProblem:
    """Return the problem of the form that this request sent, at this point or at any."""
    problem: FormProblem = ctx.problem or NO_PROBLEM
    return NO_PROBLEM if point and problem.point != point else problem


def make_problem(t: Language, message: LocalizedText, fields: Mapping[str, LocalizedText], **values: Any) -> FormProblem:
    """Return a problem with a message for each field."""
    by_field = {name: text.text for name, text in fields.items()}
    values = {"remarks": () if by_field else (message.text,)} | values
    return FormProblem(message.text, tuple(by_field), prefix=f"{t(ERROR)} ", by_field=by_field, **values)


def form_field(ctx: PrivacyContext, name: str, point: str = "", element_id: str = "") -> FormField:
    """Return one field of the form that this request sent. ``element_id`` is the id of its element, by default its name."""
    problem = current_problem(ctx, point)
    message, error_id = problem.by_field.get(name), f"{element_id or name}-error"
    if message is None:
        return FormField(problem.typed.get(name, ""))
    t = ctx.language
    element = Markup('<p class="mixamo-wrong" id="{}" lang="{}" dir="{}">{}</p>')
    error = element.format(error_id, t.code, t.dir, message)
    return FormField(problem.typed.get(name, ""), error, {"aria-invalid": "true", "aria-describedby": error_id})


class NotCollected(HTTPException):
    """The answer to a rejected form: the form again, a page or JSON, unless the site has an error handler.

    ``message`` is the reason in the visitor's language. ``fields`` are the names of the fields concerned.
    """

    def __init__(self, problem: FormProblem | None = None) -> None:
        ctx = privacy_context()
        self.problem = problem or make_problem(ctx.language, ctx.language(NOT_TAKEN), {})
        self.message, self.fields = self.problem.message, self.problem.fields
        super().__init__(self.message)


class MissingFields(NotCollected, BadRequest):
    """A required field or confirmation is missing."""


class SignupRefused(NotCollected, Forbidden):
    """The visitor is not allowed to sign up."""


class NoticeChanged(NotCollected, Conflict):
    """The form showed a notice that has changed since."""


class FormRejected(NotCollected, UnprocessableEntity):
    """The site's own view rejected the form; see :meth:`Privacy.reject`."""


class NotRecorded(NotCollected, ServiceUnavailable):
    """The submission could not be recorded in the ledger, so it was rejected."""


_ANSWERS: dict[Kind, tuple[type[NotCollected], str]] = {
    "missing": (MissingFields, MISSING),
    "no-opt-in": (MissingFields, MISSING),
    "no-birth-date": (MissingFields, INVALID_BIRTH_DATE),
    "not-acknowledged": (MissingFields, NOT_ACKNOWLEDGED),
    "signup-refused": (SignupRefused, NOT_SIGNED_UP),
    "notice-changed": (NoticeChanged, CHANGED),
    "not-recorded": (NotRecorded, NOT_TAKEN),
}
#: The problems that one form may have together.
_OF_FIELDS = ("missing", "no-birth-date", "not-acknowledged")


def http_error(error: SubmissionError, submission: Submission) -> NotCollected:
    """Return the HTTP answer to a problem with a submitted form, without a page. It has the further problems too."""
    ctx = privacy_context()
    further = [each for each in submission.problems() if each.kind != error.kind] if error.kind in _OF_FIELDS else []
    found = [_messages(each, submission) for each in (error, *further)]
    message = LocalizedText(" ".join(text for text, _ in found), ctx.language.code)
    by_field = {name: text for _, fields in found for name, text in fields.items()}
    return _ANSWERS[error.kind][0](make_problem(ctx.language, message, by_field, **_sent_values(ctx)))


def _messages(error: SubmissionError, submission: Submission) -> tuple[str, dict[str, LocalizedText]]:
    """Return the message of a problem, and that of each field."""
    ctx, point, sentence = privacy_context(), submission.point, _ANSWERS[error.kind][1]
    policy, t = ctx.runtime.policy, ctx.language
    names = {name: field_name(policy, name, t) for name in error.fields}
    if error.kind == "no-opt-in":
        names = {name: notices.opt_in_label(policy, point, t).text for name in error.fields}
    message = t(sentence, names=t.names(list(names.values()))).text
    return message, {name: t(sentence, names=text) for name, text in names.items()}


def field_name(policy: Policy, name: str, t: Language) -> str:
    """Return the declared label of a field, or else its description: a label made of its name is English."""
    label = next((field.label for field in policy.fields if field.name == name), "")
    return t.of(label, policy.language).text if label else notices.field_descriptions(policy, [name], t)[0]


def _ids(submission: Submission) -> dict[str, str]:
    """Return the ids of the elements that the extension itself puts into a form."""
    point = submission.point.id
    ids = {"privacy_acknowledged": f"mixamo-acknowledged-{point}", "privacy_opt_in": f"mixamo-opt-in-{point}"}
    if any(name in submission.sent.own_controls for name in notices.BIRTH_DATE_FIELDS):
        ids[notices.AGE_FIELD] = notices.BIRTH_DATE_FIELDS[0]
    return ids


def _typed(submission: Submission) -> dict[str, str]:
    """Return the typed text by field, without passwords. A date of birth is never shown again."""
    from ..rights.rows import is_secret  # imports SQLAlchemy's types, which only a rejected form needs

    fields = submission.sent.fields.items()
    typed = {name: str(values[0]) for name, values in fields if values and values[0] is not None}
    return {name: text for name, text in typed.items() if not is_secret(name)}


# The page of a rejected form.


def show_again(problem: FormProblem, status: int, endpoint: str, arguments: Mapping[str, Any]) -> Response | None:
    """Return the page of the view that shows the form, called as for a GET, with the problem of the submitted form.

    The view gets no field that was submitted. None if its template does not show the problem, which is an error in tests
    and in debug mode.
    """
    ctx, method = privacy_context(), request.method
    ctx.problem, ctx.is_problem_shown = problem, False
    view = current_app.view_functions[endpoint]
    request.method = "GET"
    try:
        response = current_app.make_response(current_app.ensure_sync(view)(**arguments))
    finally:
        request.method = method
    if 300 <= response.status_code < 400:  # such as a redirect to a login
        return response
    if not ctx.is_problem_shown:
        hint = "Add {{ privacy.problems() }} above the form, and {{ privacy.field(…) }} at its fields. See docs/forms.md."
        allowed = "a template that shows the problem of a rejected form"
        ctx.runtime.report_failure(NotAllowed("The template of the endpoint", endpoint, allowed, hint))
        return None
    response.status_code = status
    return no_store(response)


def own_page(rejected: NotCollected, submission: Submission | None) -> Response:
    """Return the extension's page for a rejected form, with a form in which the visitor can complete it; or JSON."""
    ctx, code = privacy_context(), rejected.code or 400
    if wants_json():
        return problem_json(code, rejected.message, fields=rejected.fields)
    mark_own_page()
    ctx.problem = rejected.problem
    can_repair = submission is not None and code != Forbidden.code and request.method == "POST" and not request.is_json
    values = _repair_form(submission) if submission is not None and can_repair else {"fields": None}
    page = render("not_collected.html", t=ctx.language, **values)
    return no_store(make_response(page, code))


def _repair_form(submission: Submission) -> dict[str, Any]:
    """Return the values of a form that repeats a submission. Controls of the site are passed on as they are."""
    sent, point, helpers = submission.sent, submission.point, current_runtime().helpers
    names = [name for name in (*point.required, *point.optional) if name in point.required or sent.was_offered(name)]
    has_age = any(name in sent.own_controls for name in notices.BIRTH_DATE_FIELDS)
    offered = {token.split(".")[1].removeprefix("opt-in:") for token in sent.controls("privacy_asked") if "." in token}
    declared = {each.id for each in current_runtime().policy.collection}
    return {
        "action": current_url(privacy_context()),
        "fields": [_input(name, submission) for name in names if not (has_age and name == notices.AGE_FIELD)],
        "has_files": any(name in sent.files for name in names),
        "hidden": list(_hidden(sent.fields, names)),
        "age_question": helpers.age_question() if has_age else "",
        "notice": helpers.notice(point.id),
        "opt_ins": [helpers.opt_in(each) for each in sorted(offered & declared)],
    }


def _hidden(fields: Mapping[str, list[Any]], names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Yield the site's own controls, and all values but the first of a declared field."""
    for name, values in MultiDict(request.form).lists():
        if name not in fields and name not in names:
            yield from ((name, value) for value in values)
        elif name in fields:
            yield from ((name, value) for value in values[1:])


def _input(name: str, submission: Submission) -> dict[str, Any]:
    """Return the name, the label and the kind of input of a field. The declaration does not state the kind."""
    from ..rights.rows import holds_address, is_secret

    ctx, sent = privacy_context(), submission.sent
    label = field_name(ctx.runtime.policy, name, ctx.language)
    text = "".join(map(str, sent.fields.get(name, [])[:1]))
    kind = "textarea" if "\n" in text or len(text) > 60 else "text"
    if name == ACCEPTANCE:
        kind = "checkbox"
    elif name in sent.files:
        kind = "file"
    elif is_secret(name):
        kind = "password"
    elif holds_address(name):
        kind = "email"
    return {
        "name": name,
        "label": label[:1].upper() + label[1:],
        "kind": kind,
        "required": name in submission.point.required,
    }


def reject(message: str, *fields: str) -> NoReturn:
    """Reject the form of a view under ``@privacy.collects``: 422, and the form again with this message.

    ``fields`` are the names of the fields concerned. Raises :class:`NotCollected`, so the opt-ins have no effect.
    """
    ctx = privacy_context()
    text = LocalizedText(message, ctx.language.code)
    rejected = FormRejected(make_problem(ctx.language, text, dict.fromkeys(fields, text), **_sent_values(ctx)))
    if ctx.submission is None:
        rejected.response = own_page(rejected, None)
    raise rejected


def problem_of_errors(errors: Mapping[Any, Any]) -> FormProblem:
    """Return the problem of a form of WTForms, from its errors by field. Those of the whole form have no field."""
    ctx = privacy_context()
    texts = {name: LocalizedText(_first(found), ctx.language.code) for name, found in errors.items() if found}
    message = LocalizedText(" ".join(str(text) for text in texts.values()), ctx.language.code)
    remarks = tuple(str(text) for name, text in texts.items() if not name)
    by_field = {name: text for name, text in texts.items() if name}
    return make_problem(ctx.language, message, by_field, **_sent_values(ctx) | {"remarks": remarks})


def _first(errors: Any) -> str:
    """Return the first message of a field. A field of several inputs has its errors in lists and dictionaries."""
    while isinstance(errors, list | tuple | dict) and errors:
        errors = next(iter(errors.values() if isinstance(errors, dict) else errors))
    return str(errors)


def _sent_values(ctx: PrivacyContext) -> dict[str, Any]:
    submission = ctx.submission
    if submission is None:
        return {}
    return {"point": submission.point.id, "typed": _typed(submission), "ids": _ids(submission)}
