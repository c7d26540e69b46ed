"""Collection points for Flask-WTF: ``from flask_mixamo_privacy.wtf import CollectionForm``."""

from __future__ import annotations

from typing import Any

from flask import after_this_request, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from .collection.submission import CollectedData, Submission
from .web.context import current_runtime, privacy_context
from .web.forms import declared_point, discard_form, open_submission, raise_http_errors
from .web.problems import NotCollected, http_error, own_page, problem_of_errors

try:
    from flask_wtf import FlaskForm
except ImportError:

    class FlaskForm:  # type: ignore[no-redef]
        """A substitute without Flask-WTF. It raises on first use."""

        def __init__(self, *args: Any, **values: Any) -> None:
            raise ImportError("CollectionForm needs Flask-WTF. Install it: pip install Flask-WTF.")

        is_submitted = __init__


class CollectionForm(FlaskForm):  # type: ignore[misc]
    """A form of a declared collection point.

    ``collects = "newsletter"`` names the point, and ``{{ form.notice }}`` is its notice. Only declared fields reach the
    form. A missing field is an error of that field. ``validate_on_submit()`` is true once the collection is recorded, and
    ``form.given`` is the collected data. ``subject`` and ``controls`` are those of :meth:`Privacy.collects`.
    """

    collects = ""
    subject = "email"
    controls: tuple[str, ...] = ("submit",)

    def __init__(self, *args: Any, **values: Any) -> None:
        self._submission: Submission | None = None
        self._is_recorded = False
        point = declared_point(self.collects)
        if self.is_submitted():
            if point is None:
                discard_form(request)
            else:
                self._submission = open_submission(point, self.subject, self.controls)
        super().__init__(*args, **values)

    @property
    def given(self) -> CollectedData:
        """The collected data. It is empty before the form is submitted."""
        return self._submission.given if self._submission is not None else CollectedData()

    @property
    def notice(self) -> Markup:
        """The collection notice, to be placed in the form by its template."""
        return Markup(current_runtime().helpers.notice(self.collects))  # noqa: S704 — it is Markup

    def validate(self, extra_validators: Any = None) -> bool:
        """Return whether all validators pass, no required field is missing, and the collection is recorded.

        Otherwise ``privacy.problem`` has the errors of all fields, and each invalid field has ``aria-invalid``.
        """
        valid = self._validate(extra_validators)
        if not valid and self._submission is not None:
            privacy_context().problem = problem_of_errors(self.errors)
            for field in self:
                if field.errors:
                    field.render_kw = {"aria-invalid": "true"} | (field.render_kw or {})
        return valid

    def _validate(self, extra_validators: Any) -> bool:
        valid = super().validate(extra_validators)
        problem = self._submission.first_problem() if self._submission is not None else None
        if self._submission is not None and problem is not None:
            self._add_error(http_error(problem, self._submission))
        if not valid or problem is not None or self._submission is None:
            return False
        return self._is_recorded or self._record(self._submission)

    def _record(self, submission: Submission) -> bool:
        try:
            with raise_http_errors(submission):
                submission.validate()
                submission.record()
        except NotCollected as error:
            self._add_error(error)
            return False
        after_this_request(self._apply_opt_ins)
        self._is_recorded = True
        return True

    def _apply_opt_ins(self, response: Response) -> Response:
        """Apply the opt-ins if the view's status is below 400."""
        try:
            if self._submission is not None and response.status_code < 400:
                with raise_http_errors(self._submission):
                    self._submission.apply_opt_ins()
        except NotCollected as error:
            return own_page(error, self._submission)
        return response

    def _add_error(self, problem: NotCollected) -> None:
        fields = [self[name] for name in problem.fields if name in self]
        for field in fields:
            if not field.errors:
                field.errors = [problem.problem.by_field.get(field.name, problem.message)]
        if not fields:
            self.form_errors.append(problem.message)
