"""The book of requests: what somebody asked for, its number, its state, and the links that open it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from ..errors import RequestError, RightsUnavailable
from ..storage.clock import due, timestamp_of
from ..storage.database import Database
from ..storage.keys import normalise_subject
from .stores import BuiltInStore

KINDS = ("access", "correct", "delete", "restrict", "object")
OPEN = ("open", "verified")
CLOSED = ("answered", "refused", "expired")

#: The answer to a request that was open when its person was erased.
ERASED = "All that was stored about you was erased."

_tables = sa.MetaData()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, default="")


_requests = sa.Table(
    "requests",
    _tables,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    *map(_text, ("kind", "state", "email", "message", "locale", "base", "source", "subject", "subject_key")),
    *map(_text, ("opened", "verified", "identity", "mailed", "mail_after", "mail_error", "reminded")),
    sa.Column("extended", sa.Integer, nullable=False, default=0),
    *map(_text, ("extended_at", "reason", "closed", "done", "answer")),
    sqlite_autoincrement=True,  # a number is never given twice
)

_links = sa.Table(
    "links",
    _tables,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("opens", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class SubjectRequest:
    """One request. Once it is closed and its answer has gone out, it names nobody any more."""

    number: int
    kind: str
    state: str
    email: str
    message: str
    locale: str
    base: str  # where the site is, for the links in mails
    source: str  # "form", "mail" or "cli"
    subject: str  # a keyed hash of the address
    subject_key: str
    opened: str  # UTC, ISO 8601
    verified: str
    identity: str  # how it was confirmed: "link", or what an operator said, and "operator" once it is closed
    mailed: str  # when the link to confirm went out
    mail_after: str  # when to try again
    mail_error: str
    reminded: str
    extended: int  # months
    extended_at: str
    reason: str  # of the extension
    closed: str
    store_results: Sequence[Mapping[str, Any]]  # store by store, by attempts to answer that some other store failed in
    answer: Mapping[str, Any]
    due: str = ""  # the last day for an answer

    def as_dict(self) -> dict[str, Any]:
        """For a machine to read."""
        hidden = ("base", "locale", "subject", "subject_key", "mail_after", "reminded", "store_results")
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in hidden}


class RequestStore(BuiltInStore):
    """The requests of one site, in a database of their own."""

    name = "requests"

    def __init__(self, url: str, days: int) -> None:
        self._database = Database(url, _tables, "The database of requests", RightsUnavailable)
        self._days = days

    def open(self, now: str, **values: str) -> int:
        """Write a request down; gives its number. One row, whoever asks and whatever is known."""
        with self._database.write() as connection:
            found = connection.execute(sa.insert(_requests).values(state="open", opened=now, **values))
            return int(found.inserted_primary_key[0])  # type: ignore[index]

    def find(self, number: int) -> SubjectRequest:
        """The request of this number; raises :class:`RequestError`."""
        for found in self.select(_requests.c.number == number):
            return found
        raise RequestError("The request's number", number, "a number that `flask privacy requests list` shows")

    def select(self, *conditions: Any) -> list[SubjectRequest]:
        """The requests under these conditions, oldest first."""
        chosen = sa.select(_requests).where(*conditions).order_by(_requests.c.number)
        with self._database.read() as connection:
            return [self._request(row) for row in connection.execute(chosen).mappings()] if connection else []

    def all(self, *states: str) -> list[SubjectRequest]:
        """The requests in these states, or all."""
        return self.select(_requests.c.state.in_(states)) if states else self.select()

    def by_subject(self, subject: str) -> list[SubjectRequest]:
        """What somebody asked for, by the keyed hash that it was written down under."""
        return self.select(_requests.c.subject == subject)

    def subjects(self) -> set[str]:
        """Everybody whose address is still in it."""
        return {request.email for request in self.select(_requests.c.email != "")}

    def awaiting_mail(self, now: str) -> list[SubjectRequest]:
        """The open ones whose link has still to go out, and may be tried now."""
        return self.select(_requests.c.state == "open", _requests.c.mailed == "", _requests.c.mail_after <= now)

    def count_opened_since(self, moment: str, source: str) -> int:
        """How many came by one way from a moment on."""
        with self._database.read() as connection:
            mine = (_requests.c.opened >= moment) & (_requests.c.source == source)
            chosen = sa.select(sa.func.count()).select_from(_requests).where(mine)
            return connection.scalar(chosen) or 0 if connection else 0

    def lease(self, request: SubjectRequest, until: str) -> bool:
        """Take it upon oneself to send a request's link; after ``until`` others may try again."""
        mine = (_requests.c.mail_after == request.mail_after) & (_requests.c.mailed == "")
        return self._update(request.number, mine, mail_after=until)

    def update(self, number: int, **values: Any) -> None:
        self._update(number, sa.true(), **values)

    def close(self, number: int, state: str, now: str, answer: Mapping[str, Any], **values: Any) -> None:
        """Close a request for good; raises :class:`RequestError` for one that is closed already."""
        said = json.dumps(answer, ensure_ascii=False)
        if not self._update(
            number, _requests.c.state.in_(OPEN), **(values | {"state": state, "closed": now, "answer": said})
        ):
            raise RequestError(f"Request {number}", self.find(number).state, "open or verified", "It is closed already.")

    def anonymise(self, *conditions: Any) -> int:
        """Forget who asked, and all that anybody wrote; the number, the dates and what was done remain."""
        named = self.select((_requests.c.email != "") | (_requests.c.message != ""), *conditions)
        if named:
            with self._database.write() as connection:
                connection.execute(sa.delete(_links).where(_links.c.number.in_([request.number for request in named])))
                for request in named:
                    mine = _requests.c.number == request.number
                    connection.execute(sa.update(_requests).where(mine).values(_nameless(request)))
            self._database.truncate_wal()
        return len(named)

    def erase(self, subject: str, before: datetime, request: int | None = None) -> int:
        """Blank all requests that one address made before a moment, and close those that are open.

        Nothing is done while a request of the same person is being answered: the desk calls this again once it is closed.
        """
        if request is not None or not self._database.exists:
            return 0
        moment = timestamp_of(before)
        matching = (_requests.c.email == normalise_subject(subject)) & (_requests.c.opened < moment)
        for found in self.select(matching, _requests.c.state.in_(OPEN)):
            self.close(found.number, "answered", moment, {"text": ERASED, "stores": []})
        return self.anonymise(matching)

    def anonymise_closed(self, now: str) -> int:
        """Blank what is closed, but for an answer that may still be read by its link."""
        readable = sa.select(_links.c.number).where(_links.c.opens == "answer", _links.c.expires > now)
        return self.anonymise(_requests.c.state.in_(CLOSED), _requests.c.number.not_in(readable))

    def create_link(self, number: int, opens: str, expires: str) -> str:
        """A new token that opens something until a moment, in place of any before; only its hash is kept."""
        token = secrets.token_urlsafe(32)
        with self._database.write() as connection:
            connection.execute(sa.delete(_links).where(_links.c.number == number, _links.c.opens == opens))
            row = {"hash": _hash(token), "number": number, "opens": opens, "expires": expires}
            connection.execute(sa.insert(_links), row)
        return token

    def numbers_with_link(self, opens: str, now: str) -> set[int]:
        """The numbers of the requests that some token opens still."""
        chosen = sa.select(_links.c.number).where(_links.c.opens == opens, _links.c.expires > now)
        with self._database.read() as connection:
            return set(connection.scalars(chosen)) if connection else set()

    def find_by_token(self, token: str, opens: str, now: str) -> SubjectRequest | None:
        """The request that a token opens, if it does still."""
        good = _good(token, opens, now)
        found = self.select(_requests.c.number.in_(sa.select(_links.c.number).where(good)))
        return found[0] if found else None

    def verify(self, token: str, now: str) -> SubjectRequest | None:
        """Use up a token and note that whoever holds it reads the address's mail; None for a token that is not good."""
        with self._database.write() as connection:
            good = _good(token, "confirm", now)
            number = connection.scalar(sa.select(_links.c.number).where(good))
            if number is None or not connection.execute(sa.delete(_links).where(good)).rowcount:
                return None
            verified = {"state": "verified", "verified": now, "identity": "link"}
            mine = (_requests.c.number == number) & (_requests.c.state == "open")
            changed = connection.execute(sa.update(_requests).where(mine).values(verified)).rowcount
        return self.find(number) if changed else None

    def _update(self, number: int, condition: Any, **values: Any) -> bool:
        mine = (_requests.c.number == number) & condition
        with self._database.write() as connection:
            return connection.execute(sa.update(_requests).where(mine).values(values)).rowcount == 1

    def _request(self, row: sa.RowMapping) -> SubjectRequest:
        values = {field.name: row[field.name] for field in dataclasses.fields(SubjectRequest) if field.name in row}
        opened = date.fromisoformat(row["opened"][:10])
        last = due(opened, self._days, row["extended"])
        read = {"answer": json.loads(row["answer"] or "{}"), "store_results": json.loads(row["done"] or "[]")}
        return SubjectRequest(**values | read | {"due": last.isoformat()})


def _nameless(request: SubjectRequest) -> dict[str, str]:
    """What a request's columns are once it names nobody: what somebody wrote freely may name the person."""
    identity = request.identity if request.identity in ("", "link") else "operator"
    answer = {name: "" if name in ("text", "refused") else value for name, value in request.answer.items()}
    if "by" not in request.answer:  # not of a person's: the words are ours
        answer = dict(request.answer)
    said = {"identity": identity, "answer": json.dumps(answer, ensure_ascii=False)}
    return dict.fromkeys(("email", "message", "base", "reason"), "") | said


def _hash(token: str) -> str:
    """A token's hash. It is long and random, so that a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()


def _good(token: str, opens: str, now: str) -> Any:
    return (_links.c.hash == _hash(token)) & (_links.c.opens == opens) & (_links.c.expires > now)
