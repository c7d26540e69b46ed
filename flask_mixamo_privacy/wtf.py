"""Collection points for Flask-WTF, where it is installed: ``from flask_mixamo_privacy.wtf import CollectionForm``."""

from __future__ import annotations

from typing import Any

from flask import after_this_request, current_app, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from .collection.submission import CollectedData, Submission
from .web.forms import NotCollected, declared_point, discard_form, http_error, open_submission, raise_http_errors

try:
    from flask_wtf import FlaskForm
except ImportError:

    class FlaskForm:  # type: ignore[no-redef]
        """What stands in where Flask-WTF is not installed: it says so at the first use."""

        def __init__(self, *args: Any, **values: Any) -> None:
            raise ImportError("CollectionForm is a form of Flask-WTF, which is not installed: pip install Flask-WTF")

        is_submitted = __init__


class CollectionForm(FlaskForm):  # type: ignore[misc]
    """A form that collects at a declared point.

    ``collects = "newsletter"`` names the point; ``{{ form.notice }}`` is its notice. Only declared fields reach the form;
    what is missing is an error of its field. ``validate_on_submit()`` is true once everything is on record, and
    ``form.given`` is what was given. ``subject`` and ``controls`` are those of :meth:`Privacy.collects`.
    """

    collects = ""
    subject = "email"
    controls: tuple[str, ...] = ("submit",)

    def __init__(self, *args: Any, **values: Any) -> None:
        self._taking: Submission | None = None
        self._on_record = False
        point = declared_point(self.collects)
        if self.is_submitted():
            if point is None:
                discard_form(request)
            else:
                self._taking = open_submission(point, self.subject, self.controls)
        super().__init__(*args, **values)

    @property
    def given(self) -> CollectedData:
        """What was given; nothing before the form was sent."""
        return self._taking.given if self._taking is not None else CollectedData()

    @property
    def notice(self) -> Markup:
        """The notice, for the template to place in the form."""
        verbs: Any = current_app.jinja_env.globals["privacy"]
        return Markup(verbs.notice(self.collects))  # noqa: S704 — it is Markup

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether the form's own validators pass, nothing required is missing, and it is on record."""
        valid = super().validate(extra_validators)
        problem = self._taking.first_problem() if self._taking is not None else None
        if self._taking is not None and problem is not None:
            self._tell(http_error(problem, self._taking.point))
        if not valid or problem is not None or self._taking is None:
            return False
        return self._on_record or self._record(self._taking)

    def _record(self, taking: Submission) -> bool:
        try:
            with raise_http_errors(taking.point):
                taking.validate()
                taking.record()
        except NotCollected as error:
            self._tell(error)
            return False
        after_this_request(self._settle)
        self._on_record = True
        return True

    def _settle(self, response: Response) -> Response:
        """Opt-ins take effect once the view has answered below 400."""
        try:
            if self._taking is not None and response.status_code < 400:
                with raise_http_errors(self._taking.point):
                    self._taking.apply_opt_ins()
        except NotCollected as error:
            return error.get_response()
        return response

    def _tell(self, problem: NotCollected) -> None:
        fields = [self[name] for name in problem.fields if name in self]
        for field in fields:
            if not field.errors:
                field.errors = [problem.message]
        if not fields:
            self.form_errors.append(problem.message)
