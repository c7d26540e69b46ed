"""A form that is not taken, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from flask import make_response, render_template
from werkzeug.exceptions import BadRequest, Conflict, Forbidden, HTTPException, ServiceUnavailable

from ..collection import notices
from ..collection.taking import Kind, Problem
from ..policy.policy import CollectionPoint
from .current import exchange
from .whereabouts import no_store, wants_json

# Sentences of the catalogues.
MISSING = "Please fill in: %(names)s."
UNREAD = "Please say that you know who can read it, and send it again."
NO_BIRTH = "Please give the day, the month and the year of your birth, and send it again."
NOT_SIGNED_UP = "We cannot sign you up."
CHANGED = "What this form says has changed since you opened it, so nothing was taken. Please open it again."
NOT_TAKEN = "This could not be recorded just now, so nothing was taken. Please try again in a moment."


class NotCollected(HTTPException):
    """The answer to a form that is not taken: our page, or JSON, unless the site has an error handler for it.

    ``message`` says why in the visitor's language; ``fields`` names the fields it is about.
    """

    def __init__(self, message: str, fields: Iterable[str] = (), **values: object) -> None:
        here = exchange()
        said = here.language(message, **values)
        self.message, self.fields = said.text, tuple(fields)
        if wants_json():
            response = make_response({"message": said.text, "fields": self.fields}, self.code or 400)
        else:
            page = render_template("mixamo_privacy/not_collected.html", t=here.language, message=said)
            response = make_response(page, self.code or 400)
        super().__init__(said.text, no_store(response))


class Incomplete(NotCollected, BadRequest):
    """Something that is required is missing."""


class Refused(NotCollected, Forbidden):
    """Whoever sent it may not."""


class Outdated(NotCollected, Conflict):
    """It was sent after other words than those in force."""


class NotRecorded(NotCollected, ServiceUnavailable):
    """It could not be put on record, and is therefore not taken."""

    def __init__(self, message: str = NOT_TAKEN, fields: Iterable[str] = (), **values: object) -> None:
        super().__init__(message, fields, **values)


_ANSWERS: dict[Kind, tuple[type[NotCollected], str]] = {
    "missing": (Incomplete, MISSING),
    "no-opt-in": (Incomplete, MISSING),
    "no-birth-date": (Incomplete, NO_BIRTH),
    "not-acknowledged": (Incomplete, UNREAD),
    "signup-refused": (Refused, NOT_SIGNED_UP),
    "notice-changed": (Outdated, CHANGED),
    "not-recorded": (NotRecorded, NOT_TAKEN),
}


def answer_to(problem: Problem, point: CollectionPoint) -> NotCollected:
    """The HTTP answer to a problem with a form submitted at a point."""
    here = exchange()
    policy, t = here.site.policy, here.language
    values: dict[str, object] = {}
    if problem.kind == "missing":
        values = {"names": t.names(notices.described(policy, problem.fields, t))}
    elif problem.kind == "no-opt-in":
        values = {"names": notices.opt_in_label(policy, point, t)}
    answer, message = _ANSWERS[problem.kind]
    return answer(message, problem.fields, **values)


@contextmanager
def problems_answered(point: CollectionPoint) -> Iterator[None]:
    """Raise :class:`NotCollected` for a :class:`Problem` in the block."""
    try:
        yield
    except Problem as problem:
        raise answer_to(problem, point) from problem
