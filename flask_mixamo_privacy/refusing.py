"""A form that is not taken, and why."""

from __future__ import annotations

from collections.abc import Iterable

from flask import make_response, render_template
from werkzeug.exceptions import BadRequest, Conflict, Forbidden, HTTPException, ServiceUnavailable

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

    def __init__(self) -> None:
        super().__init__(NOT_TAKEN)
