"""The database of data subject requests: their numbers, their states, and the links that confirm or read them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..errors import RequestError, RightsUnavailable
from ..storage.clock import due, later, timestamp_of
from ..storage.database import Database
from ..storage.keys import normalise_subject
from .claims import Claims
from .limits import PER_MAILBOX
from .request_schema import ERASED, NAMES_A_PERSON, STEPS, tables
from .request_schema import claims as _claims
from .request_schema import links as _links
from .request_schema import requests as _requests
from .stores import BuiltInStore

KINDS = ("access", "correct", "delete", "restrict", "object")
OPEN = ("open", "verified")
CLOSED = ("answered", "refused", "expired")
_KEPT_EXPIRED = 400  # days


@dataclass(frozen=True)
class SubjectRequest:
    """One data subject request. Once it is closed and its answer was sent, it identifies no person."""

    number: int
    kind: str
    state: str
    email: str
    message: str
    locale: str
    base: str  # the site's base URL, for links in mails
    source: str  # "form", "mail" or "cli"
    subject: str  # the keyed hash of the address
    subject_key: str
    opened: str  # UTC, ISO 8601
    verified: str
    identity: str  # how the person was verified: "link", or an operator's text, which becomes "operator" on closing
    mailed: str  # when the confirmation link was sent
    mail_after: str  # when to send the confirmation link, or to try again
    mail_error: str
    reminded: str
    extended: int  # months
    extended_at: str
    reason: str  # for the extension
    closed: str
    store_results: Sequence[Mapping[str, Any]]  # by store, merged over all attempts to answer
    answer: Mapping[str, Any]
    due: str = ""  # the last day for an answer

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-compatible values, for ``--json`` and for staff."""
        hidden = ("base", "locale", "subject", "subject_key", "mail_after", "reminded", "store_results")
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in hidden}


class RequestStore(BuiltInStore):
    """The data subject requests of one site, in a database of their own."""

    name = "requests"

    def __init__(self, url: str, days: int) -> None:
        self.database = self._database = Database(url, tables, "The database of requests", RightsUnavailable, steps=STEPS)
        self._days = days
        self.claims = Claims(self._database, _claims)

    def open(self, now: str, **values: str) -> int:
        """Insert a request, and return its number. Known and unknown addresses cause the same single row."""
        with self._database.write() as connection:
            inserted = connection.execute(sa.insert(_requests).values(state="open", opened=now, **values))
            return int(inserted.inserted_primary_key[0])  # type: ignore[index]

    def find(self, number: int) -> SubjectRequest:
        """Return the request with this number; raises :class:`RequestError` if there is none."""
        for request in self.select(_requests.c.number == number) if 0 < number < 2**63 else ():
            return request
        raise RequestError("The request's number", number, "a number that `flask privacy requests list` shows")

    def select(self, *conditions: Any) -> list[SubjectRequest]:
        """Return the requests that meet all conditions, oldest first."""
        return self._read(sa.select(_requests).where(*conditions).order_by(_requests.c.number))

    def _read(self, query: sa.Select[Any]) -> list[SubjectRequest]:
        with self._database.read() as connection:
            return [self._request(row) for row in connection.execute(query).mappings()] if connection else []

    def all(self, *states: str) -> list[SubjectRequest]:
        """Return the requests in these states, or every request if none is named."""
        return self.select(_requests.c.state.in_(states)) if states else self.select()

    def count_open(self) -> dict[str, int]:
        """Return the number of requests in each of the states that wait for an answer."""
        query = sa.select(*(sa.func.count().filter(_requests.c.state == state).label(state) for state in OPEN))
        with self._database.read() as connection:
            found = connection.execute(query.where(_requests.c.state.in_(OPEN))).mappings().one() if connection else {}
        return {state: found.get(state, 0) for state in OPEN}

    def newest_closed(self, most: int) -> list[SubjectRequest]:
        """Return the newest closed requests, at most ``most``."""
        closed = sa.select(_requests).where(_requests.c.state.in_(CLOSED))
        return self._read(closed.order_by(_requests.c.number.desc()).limit(most))

    def count(self) -> int:
        """Return the number of all requests."""
        with self._database.read() as connection:
            query = sa.select(sa.func.count()).select_from(_requests)
            return connection.scalar(query) or 0 if connection else 0

    def expire(self) -> int:
        """Delete the expired requests that were closed long ago. No person has confirmed one, and anyone can make many."""
        is_old = (_requests.c.state == "expired") & (_requests.c.closed < later(days=-_KEPT_EXPIRED))
        return self._database.delete(sa.delete(_requests).where(is_old, _requests.c.email == ""))

    def subjects(self) -> set[str]:
        """Return every address that is still stored."""
        return {request.email for request in self.select(_requests.c.email != "")}

    def awaiting_mail(self, now: str, most: int | None = None, *, with_base: bool = False) -> list[SubjectRequest]:
        """Return the open requests whose confirmation link is due to be sent.

        The first ten open requests of each group of networks come first, oldest first, then the next ten of each, and so
        on. Mails and commands are groups too. So a visitor who makes many requests for one mailbox delays another
        person's by days, and not by months. A newer request overtakes no older one of its group. A failed mail is not due
        at once.

        ``most`` limits their number. ``with_base`` leaves out those that came while the site's base URL was unknown.
        """
        place = sa.func.row_number().over(partition_by=_requests.c.origin, order_by=_requests.c.number)
        turn = ((place - 1) // PER_MAILBOX).label("turn")  # the links that were mailed and not opened count too
        turns = sa.select(_requests.c.number, turn).where(_requests.c.state == "open").subquery()
        query = sa.select(_requests).join(turns, turns.c.number == _requests.c.number).where(_is_awaiting(now))
        if with_base:
            query = query.where(_requests.c.base != "")
        return self._read(query.order_by(turns.c.turn, _requests.c.number).limit(most))

    def mark_unsendable(self, problem: str, now: str, *, without_base: bool = False) -> None:
        """Store why no link can be sent, of all requests that wait for one or of those without a base URL."""
        condition = _is_awaiting(now) & (_requests.c.mail_error != problem)
        condition &= _requests.c.base == "" if without_base else sa.true()
        self._update_all(condition, mail_error=problem)

    def unmailed(self) -> list[SubjectRequest]:
        """Return the open requests whose confirmation link was not sent."""
        return self.select(_requests.c.state == "open", _requests.c.mailed == "")

    def due_by(self, last_day: str, *conditions: Any) -> list[SubjectRequest]:
        """Return the open and verified requests that are due on a day or before it, the most urgent first."""
        # No answer is due earlier than this after its opening. An extension makes it later, which the dates below include.
        earliest = date.fromisoformat(last_day) - timedelta(days=min(self._days, 28) - 1)
        found = self.select(_requests.c.state.in_(OPEN), _requests.c.opened < earliest.isoformat(), *conditions)
        return sorted((request for request in found if request.due <= last_day), key=lambda request: request.due)

    def not_reminded(self, last_day: str) -> list[SubjectRequest]:
        """Return the requests of :meth:`due_by` without a reminder to staff."""
        return self.due_by(last_day, _requests.c.reminded == "")

    def expire_unconfirmed(self, before: str, now: str, answer: Mapping[str, Any]) -> None:
        """Close the requests whose link was sent before a timestamp, and is no longer valid."""
        confirmable = sa.select(_links.c.number).where(_links.c.opens == "confirm", _links.c.expires > now)
        unconfirmed = (_requests.c.state == "open") & (_requests.c.mailed != "") & (_requests.c.mailed < before)
        values = {"state": "expired", "closed": now, "answer": json.dumps(answer, ensure_ascii=False)}
        self._update_all(unconfirmed & _requests.c.number.not_in(confirmable), **values)

    def count_mails(self, now: str) -> dict[str, int]:
        """Return how many mails are due, are held back until later, and could not be sent at the last try."""
        failed, is_due = (_requests.c.mail_error != "") & (_requests.c.email != ""), _requests.c.mail_after <= now
        unsent = (_requests.c.state == "open") & (_requests.c.mailed == "") & ~failed
        counted = {"waiting": unsent & is_due, "held_back": unsent & ~is_due, "undeliverable": failed}
        query = sa.select(*(sa.func.count().filter(condition).label(name) for name, condition in counted.items()))
        with self._database.read() as connection:
            found = connection.execute(query.select_from(_requests)).mappings().one() if connection else {}
        return {name: found.get(name, 0) for name in counted}

    def lease(self, request: SubjectRequest, until: str) -> bool:
        """Reserve a request's confirmation mail for this process, and return whether that succeeded.

        Other processes may try again after ``until``.
        """
        condition = (_requests.c.mail_after == request.mail_after) & (_requests.c.mailed == "")
        return self._update(request.number, condition, mail_after=until)

    def update(self, number: int, *, only: str = "", **values: Any) -> bool:
        """Update a request, if ``only`` is a state only in that state, and return whether it was updated."""
        return self._update(number, _requests.c.state == only if only else sa.true(), **values)

    def close(self, number: int, state: str, now: str, answer: Mapping[str, Any], **values: Any) -> None:
        """Close a request permanently; raises :class:`RequestError` if it is closed already."""
        values |= {"state": state, "closed": now, "answer": json.dumps(answer, ensure_ascii=False)}
        if not self._update(number, _requests.c.state.in_(OPEN), **values):
            raise RequestError(f"Request {number}", self.find(number).state, "open or verified", "Open a new one instead.")

    def anonymise(self, *conditions: Any) -> int:
        """Delete the address and every free text of these requests, and return how many had any.

        The number, the dates and the counts of the answer stay.
        """
        identifying = self.select(NAMES_A_PERSON, *conditions)
        update = sa.update(_requests).where(_requests.c.number == sa.bindparam("of"))
        for start in range(0, len(identifying), 500):  # in short transactions, because visitors wait for them
            values = [_anonymous_values(request) | {"of": request.number} for request in identifying[start : start + 500]]
            with self._database.write() as connection:
                connection.execute(sa.delete(_links).where(_links.c.number.in_([row["of"] for row in values])))
                connection.execute(update, values)
        if identifying:
            self._database.truncate_wal()
        return len(identifying)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Anonymise the requests that an address made before a time, and close those that are open.

        Does nothing if ``request`` is given. :class:`.requests.RequestService` still needs the address for the answer,
        and calls this again once that request is closed.
        """
        if request is not None or not self._database.exists:
            return 0
        moment = timestamp_of(before)
        condition = (_requests.c.email == normalise_subject(subject)) & (_requests.c.opened < moment)
        for each in self.select(condition, _requests.c.state.in_(OPEN)):
            self.close(each.number, "answered", moment, {"text": ERASED, "stores": []})
        return self.anonymise(condition)

    def anonymise_closed(self, now: str) -> int:
        """Anonymise the closed requests, except those whose answer can still be read by a link."""
        readable = sa.select(_links.c.number).where(_links.c.opens == "answer", _links.c.expires > now)
        return self.anonymise(_requests.c.state.in_(CLOSED), _requests.c.number.not_in(readable))

    def create_link(self, number: int, page: str, expires: str) -> str:
        """Return a new token for a request's page, and store only its hash.

        A page is ``"confirm"``, ``"answer"`` or ``"address …"``, which becomes ``"opened …"``. An earlier token for the
        same page becomes invalid.
        """
        token = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute(sa.delete(_links).where(_links.c.number == number, _links.c.opens == page))
            row = {"hash": _hash(token), "number": number, "opens": page, "expires": expires}
            connection.execute(sa.insert(_links), row)
        return token

    def delete_link(self, token: str) -> None:
        """Delete a token, because its mail could not be sent."""
        with self._database.write() as connection:
            connection.execute(sa.delete(_links).where(_links.c.hash == _hash(token)))

    def numbers_with_link(self, page: str, now: str) -> set[int]:
        """Return the numbers of the requests with a valid token for a page."""
        query = sa.select(_links.c.number).where(_links.c.opens == page, _links.c.expires > now)
        with self._database.read() as connection:
            return set(connection.scalars(query)) if connection else set()

    def has_link(self, number: int, page: str, now: str) -> bool:
        """Return whether a request has a valid token for a page."""
        return number in self.numbers_with_link(page, now)

    def find_by_token(self, token: str, page: str, now: str) -> SubjectRequest | None:
        """Return the request of a token, or None if the token is not valid for this page."""
        numbers = sa.select(_links.c.number).where(_is_valid(token, page, now))
        return next(iter(self.select(_requests.c.number.in_(numbers))), None)

    def verify(self, token: str, now: str) -> SubjectRequest | None:
        """Use up a token, set its request to verified and return it; None if the token is not valid.

        A person who has the token can read the address's mail.
        """
        with self._database.write() as connection:
            is_valid = _is_valid(token, "confirm", now)
            number = connection.scalar(sa.select(_links.c.number).where(is_valid))
            if number is None or not connection.execute(sa.delete(_links).where(is_valid)).rowcount:
                return None
            verified = {"state": "verified", "verified": now, "identity": "link"}
            condition = (_requests.c.number == number) & (_requests.c.state == "open")
            changed = connection.execute(sa.update(_requests).where(condition).values(verified)).rowcount
        return self.find(number) if changed else None

    def find_by_address_link(self, token: str, now: str) -> SubjectRequest | None:
        """Return the request of a token by which the holder of an address agrees to a correction, or None."""
        numbers = sa.select(_links.c.number).where(_agrees(token, now))
        return next(iter(self.select(_requests.c.number.in_(numbers), _requests.c.state.in_(OPEN))), None)

    def open_address_link(self, token: str, now: str, until: str) -> None:
        """Use up such a token, and remember until a time that it was opened."""
        opened = sa.func.replace(_links.c.opens, _ADDRESS, _OPENED)
        values = {"opens": opened, "hash": _hash(secrets.token_urlsafe(32)), "expires": until}
        with self._database.write() as connection:
            connection.execute(sa.update(_links).where(_agrees(token, now)).values(values))

    def _update(self, number: int, condition: Any, **values: Any) -> bool:
        condition = (_requests.c.number == number) & condition
        with self._database.write() as connection:
            return connection.execute(sa.update(_requests).where(condition).values(values)).rowcount == 1

    def _update_all(self, condition: Any, **values: Any) -> None:
        """Update the requests that meet a condition. Takes the write lock only if there are any."""
        with self._database.read() as connection:
            if connection is None or connection.scalar(sa.select(_requests.c.number).where(condition).limit(1)) is None:
                return
        with self._database.write() as connection:
            connection.execute(sa.update(_requests).where(condition).values(values))

    def _request(self, row: sa.RowMapping) -> SubjectRequest:
        values = {field.name: row[field.name] for field in dataclasses.fields(SubjectRequest) if field.name in row}
        opened = date.fromisoformat(row["opened"][:10])
        last_day = due(opened, self._days, row["extended"])
        decoded = {"answer": json.loads(row["answer"] or "{}"), "store_results": json.loads(row["done"] or "[]")}
        return SubjectRequest(**values | decoded | {"due": last_day.isoformat()})


def _anonymous_values(request: SubjectRequest) -> dict[str, Any]:
    """Return the column values of an anonymised request: without free text, which may name the person."""
    identity = request.identity if request.identity in ("", "link") else "operator"
    answer = {name: "" if name in ("text", "refused") else value for name, value in request.answer.items()}
    if "by" not in request.answer:  # the extension wrote this answer, so its text names no person
        answer = dict(request.answer)
    values = {"identity": identity, "answer": json.dumps(answer, ensure_ascii=False)}
    return dict.fromkeys(("email", "message", "base", "reason", "origin"), "") | values


def _is_awaiting(now: str) -> Any:
    return (_requests.c.state == "open") & (_requests.c.mailed == "") & (_requests.c.mail_after <= now)


def _hash(token: str) -> str:
    """Return a token's hash. A plain hash is safe, because a long random token cannot be guessed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _is_valid(token: str, page: str, now: str) -> Any:
    return (_links.c.hash == _hash(token)) & (_links.c.opens == page) & (_links.c.expires > now)


_ADDRESS, _OPENED = "address ", "opened "  # the beginnings of the pages of links about a new address


def _agrees(token: str, now: str) -> Any:
    return (_links.c.hash == _hash(token)) & _links.c.opens.startswith(_ADDRESS) & (_links.c.expires > now)
