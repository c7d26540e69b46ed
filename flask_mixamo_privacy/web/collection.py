"""Collection points: only what is declared passes, and what is given is on record before it is used."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial, wraps
from typing import Any, TypeVar

from flask import current_app, request

from ..collection import age, notices
from ..collection.given import Given
from ..collection.taking import SubmissionServices, Taking
from ..errors import UndeclaredCollection
from ..policy.policy import CollectionPoint
from .access import current_subject
from .current import exchange
from .refusing import NotRecorded, problems_answered
from .sifting import empty, put, sift
from .site import Site

F = TypeVar("F", bound=Callable[..., Any])

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Collects:
    """One point in use, as a decorator of a view or around a few lines; see :meth:`Privacy.collects`."""

    def __init__(self, point: str, subject: str, controls: Collection[str]) -> None:
        self._point = point
        self._subject = subject
        self._controls = frozenset(controls)
        self._taking: Taking | None = None  # of a with statement, which has an object of its own

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

    def __enter__(self) -> Given:
        self._taking = self._take()
        return self._taking.given if self._taking is not None else Given()

    def __exit__(self, raised: object, *about: object) -> None:
        if self._taking is not None and raised is None:
            self._settle(self._taking)

    def _take(self) -> Taking | None:
        """The form that was sent, on record; None where a page is only looked at."""
        point = declared_point(self._point)
        if request.method in _SAFE:
            return None
        if point is None:
            empty(request)
            raise NotRecorded
        taking = open_form(point, self._subject, self._controls)
        with problems_answered(point):
            taking.check()
            taking.record()
        return taking

    def _settle(self, taking: Taking) -> None:
        with problems_answered(taking.point):
            taking.settle()


def declared_point(point_id: str) -> CollectionPoint | None:
    """The point of this id. One that is not declared raises in tests and in debug mode; in production it is logged, and
    nothing is collected there."""
    here = exchange()
    try:
        return notices.point_of(here.site.policy, point_id)
    except UndeclaredCollection as error:
        here.site.failed(error)
        return None


def open_form(point: CollectionPoint, subject: str, controls: Collection[str]) -> Taking:
    """The form in the current request, submitted to a point. Filters the request."""
    here = exchange()
    token = current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    taking = Taking(
        sift(here.request, (*point.required, *point.optional), {*controls, token}),
        point,
        here.site.policy,
        _services(here.site),
        subject_field=subject,
        current_subject=current_subject,
        browser_is_minor=here.is_minor,
    )
    here.given = taking.given
    if taking.says_minor:
        here.kept["privacy_age"] = "no"  # it stands in this browser, whatever is sent later
    if taking.age_answer is not None:
        put(here.request, age.ANSWER, taking.age_answer)
    taking.remember_minor()
    return taking


def _services(here: Site) -> SubmissionServices:
    return SubmissionServices(
        ledger=here.ledger,
        marketing=here.mail.marketing,
        minors=here.rights.minors,
        report_failure=partial(here.failed, tell_tests=False),
    )
