"""The requests of data subjects: opened, confirmed, answered, refused, extended, and reminded of when they are due."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from ..errors import MailError, RequestError
from ..policy.model import Policy
from ..storage.clock import days_after, just_after, later, now, timestamp, today
from ..storage.keys import is_email, normalise_subject
from .data_subjects import DataSubjects
from .emails import Email, SendEmail, answer_email, confirmation_email, extension_email
from .request_store import CLOSED, KINDS, OPEN, RequestStore, SubjectRequest
from .stores import StoreOutcome, merge_results

LINK_DAYS = 7  # for which the link to confirm works, and the one to an answer twice as long
SOON_DAYS = 7  # before it is due, a request is due soon
LONGEST_MESSAGE = 5000  # characters
NEVER = "9999"  # a time later than any
NO_BASE = (
    "The link could not be sent: where the site is was not known when the request came. Set PRIVACY_BASE_URL, such as "
    '"https://shop.example".'
)
_RETRY = 300  # seconds until a mail that could not be sent is tried again
_LINKS_A_DAY = 3  # mails with a link to one address in 24 hours
PER_HOUR = 100  # requests by the form, before it asks for patience

Notify = Callable[[str, int], None]


class RequestService:
    """The requests of one site."""

    def __init__(
        self,
        policy: Policy,
        request_store: RequestStore,
        data_subjects: DataSubjects,
        send: SendEmail,
        notify: Notify,
        pages: str,
    ) -> None:
        self.policy = policy
        self.request_store = request_store
        self.data_subjects = data_subjects
        self._send = send
        self._notify = notify
        self._pages = pages  # where our pages are, below a site's base

    def open(
        self,
        kind: str,
        email: str,
        message: str,
        *,
        locale: str,
        base: str,
        source: str,
        identity: str = "",
        mail_after: str = "",
    ) -> int:
        """Write a request down and nothing else; gives its number. Raises :class:`RequestError`.

        The link goes out at once, or after a moment; :data:`NEVER` is for an address that somebody else may have given.

        Who asks is looked up by :meth:`process`, later, so that nothing here depends on whether the address is known.
        """
        email, message = normalise_subject(email), message.strip()
        if kind not in KINDS:
            raise RequestError("kind", kind, ", ".join(KINDS))
        if not is_email(email):
            raise RequestError("email", email, "a mail address")
        if len(message) > LONGEST_MESSAGE:
            raise RequestError("message", f"{len(message)} characters", f"up to {LONGEST_MESSAGE}")
        key_id, hashed = self.data_subjects.pseudonymise(email)
        asked = {"kind": kind, "email": email, "message": message, "locale": locale, "base": base, "source": source}
        number = self.request_store.open(timestamp(), **asked, subject=hashed, subject_key=key_id, mail_after=mail_after)
        self._notify("opened", number)
        if identity:
            self.identify(number, identity)
        return number

    def is_rate_limited(self) -> bool:
        """Whether more came within the hour than people send."""
        return self.request_store.count_opened_since(later(hours=-1), "form") >= PER_HOUR

    def find_unconfirmed(self, token: str) -> SubjectRequest | None:
        """The request that a link in a mail is to confirm; None for a link that is used, expired or made up."""
        return self.request_store.find_by_token(token, "confirm", timestamp())

    def confirm(self, token: str) -> SubjectRequest | None:
        """Use the link up: the request is verified from now on."""
        found = self.request_store.verify(token, timestamp())
        if found is not None:
            self._notify("verified", found.number)
        return found

    def identify(self, number: int, how: str) -> None:
        """Note that an operator knows whose request it is, and how."""
        if self.request_store.find(number).state == "open":
            self.request_store.update(number, state="verified", verified=timestamp(), identity=how)
            self._notify("verified", number)

    def answer(
        self,
        number: int,
        who: str,
        *,
        text: str = "",
        identity: str = "",
        base: str = "",
        changes: Mapping[str, str] | None = None,
    ) -> SubjectRequest:
        """Do what was asked for, tell the person, and close the request.

        Raises :class:`RequestError` for a request that is closed or not verified, or where a store failed: then it stays
        as it is, and answering it again finishes what was begun, and tells all that was done.
        """
        request = self._verified(number, identity)
        outcomes = self._act(request, who, changes or {})
        done = merge_results(request.store_results, outcomes)
        self.request_store.update(number, done=json.dumps(done, ensure_ascii=False))
        failed = [outcome for outcome in outcomes if outcome.error]
        if failed:
            says = "; ".join(f"{outcome.store}: {outcome.error}" for outcome in failed)
            raise RequestError(f"Request {number}", says, "every store seen to", "Mend it and answer again: it stays open.")
        answer = self._answer(request, done, text, who)
        link = self._link(request, base) if request.kind == "access" else ""
        mail_error = self._tell(answer_email(self.policy.site, request, answer, link, later(days=2 * LINK_DAYS)[:10]))
        if mail_error and link:
            raise MailError(f"{mail_error} Request {number} stays open, for its answer is read by a link in that mail.")
        return self._close(request, "answered", answer, mail_error)

    def refuse(self, number: int, reason: str, who: str, *, identity: str = "") -> SubjectRequest:
        """Close a request without doing what it asks, and say why (GDPR art. 12(4))."""
        if not reason.strip():
            raise RequestError("The reason", reason, "a text", "Whoever is refused is told why.")
        request = self._verified(number, identity)
        answer = {"refused": reason.strip(), "by": who, "stores": list(request.store_results)}
        return self._close(request, "refused", answer, self._tell(answer_email(self.policy.site, request, answer, "", "")))

    def extend(self, number: int, reason: str, months: int = 2) -> SubjectRequest:
        """Take up to two further months, once, and tell the person within the first (GDPR art. 12(3))."""
        request = self.request_store.find(number)
        if request.state not in OPEN or request.extended:
            said = "extended already" if request.extended else request.state
            raise RequestError(f"Request {number}", said, "open or verified, and not extended yet")
        if not reason.strip():
            raise RequestError("The reason", reason, "a text", "The person is told why it takes longer.")
        if not 1 <= months <= 2:
            raise RequestError("The extension", f"{months} months", "1 or 2 months", "GDPR art. 12(3) gives no more.")
        if today() > request.due:
            raise RequestError(f"Request {number}", f"due on {request.due}", "one that is not overdue", "Answer it instead.")
        self.request_store.update(number, extended=months, extended_at=timestamp(), reason=reason.strip())
        mail_error = self._tell(extension_email(self.policy.site, self.request_store.find(number)))
        self.request_store.update(number, mail_error=mail_error)
        return self.request_store.find(number)

    def due(self, within: int = SOON_DAYS) -> list[SubjectRequest]:
        """What is overdue, or has to be answered within so many days; the most urgent first."""
        last = (now().date() + timedelta(days=within)).isoformat()
        return sorted((r for r in self.request_store.all(*OPEN) if r.due <= last), key=lambda request: request.due)

    def may_read(self, token: str) -> bool:
        """Whether a link leads to an answer still."""
        request = self.request_store.find_by_token(token, "answer", timestamp())
        return request is not None and request.state == "answered" and bool(request.email)

    def read(self, token: str) -> tuple[SubjectRequest, dict[str, Any]] | None:
        """An answered request for access and what is stored now, for whoever has its link; nothing of it is kept."""
        if not self.may_read(token):
            return None
        request = self.request_store.find_by_token(token, "answer", timestamp())
        assert request is not None
        return request, self.data_subjects.export(
            request.email, actor="the person", action=f"the answer to request {request.number}"
        )

    def process(self) -> int:
        """Send the links that are due, expire and remind; return the number of links sent.

        Several processes may call it at once: each link is sent once. A mail that could not be sent is tried again later;
        until then `flask privacy requests list` shows why.
        """
        sent = sum(self._send_link(request) for request in self.request_store.awaiting_mail(timestamp()))
        self._expire()
        self._remind()
        self.request_store.anonymise_closed(timestamp())
        return sent

    def _send_link(self, request: SubjectRequest) -> bool:
        if not self.request_store.lease(request, later(seconds=_RETRY)):
            return False  # another process is sending it
        since = later(days=-1)
        if sum(other.mailed >= since for other in self.request_store.by_subject(request.subject)) >= _LINKS_A_DAY:
            answer = {"text": "Too many links went to this address in a day."}
            self.request_store.close(request.number, "expired", timestamp(), answer)
            return False
        error = self._confirm_by_mail(request) if request.base else NO_BASE
        self.request_store.update(request.number, mailed="" if error else timestamp(), mail_error=error)
        return not error

    def _confirm_by_mail(self, request: SubjectRequest) -> str:
        until = later(days=LINK_DAYS)
        token = self.request_store.create_link(request.number, "confirm", until)
        link = f"{request.base}{self._pages}/requests/confirm/{token}"
        return self._tell(confirmation_email(self.policy.site, request, link, until[:10]))

    def _expire(self) -> None:
        """Close the requests that were not confirmed in time."""
        alive = self.request_store.numbers_with_link("confirm", timestamp())
        for request in self.request_store.all("open"):
            if request.mailed and request.number not in alive and request.mailed < later(days=-LINK_DAYS):
                self.request_store.close(request.number, "expired", timestamp(), {"text": "Nobody confirmed it in time."})

    def _remind(self) -> None:
        for request in self.due():
            if not request.reminded:
                self.request_store.update(request.number, reminded=timestamp())
                self._notify("due_soon", request.number)

    def _verified(self, number: int, identity: str) -> SubjectRequest:
        request = self.request_store.find(number)
        if request.state in CLOSED:
            raise RequestError(f"Request {number}", request.state, "open or verified", "It is closed already.")
        if identity:
            self.identify(number, identity)
        elif request.state == "open":
            hint = "Nobody has opened the link in the mail yet. If you know the person otherwise, say how with --identity."
            raise RequestError(f"Request {number}", "open", "verified", hint)
        return self.request_store.find(number)

    def _act(self, request: SubjectRequest, who: str, changes: Mapping[str, str]) -> list[StoreOutcome]:
        if request.kind == "delete":
            return self.data_subjects.erase(request.email, who, request.number)
        if request.kind == "correct" and changes:
            self._know(changes)
            return self.data_subjects.correct(request.email, changes, who)
        if request.kind != "access":
            self.data_subjects.record_manual_action(request.kind, request.email, who, request.number)
        return []

    def _know(self, changes: Mapping[str, str]) -> None:
        """Refuse a field that is not declared: no store would set it, and the request would close with nothing done."""
        declared = sorted(field.name for field in self.policy.fields)
        for name in changes:
            if name not in declared:
                hint = "Write it as the policy does, or declare it in [[fields]]."
                raise RequestError("The field to correct", name, ", ".join(declared) or "none, for none is declared", hint)

    def _answer(self, request: SubjectRequest, stores: list[dict[str, Any]], text: str, who: str) -> dict[str, Any]:
        what = {"access": "export", "delete": "erase", "correct": "correct"}.get(request.kind)
        if request.kind == "access":
            found = self.data_subjects.stores.export(request.email)
            stores = [{"store": name, "found": _rows(data)} for name, data in found.items()]
        answer: dict[str, Any] = {"text": text.strip(), "stores": stores, "by": who}
        if what is not None and (stores or request.kind != "correct"):
            answer["not_covered"] = self.data_subjects.stores.without(what)
        if request.kind == "delete":
            answer["archives"] = days_after(now().date(), self.policy.retention.archives).isoformat()
        return answer

    def _link(self, request: SubjectRequest, base: str) -> str:
        base = base or request.base
        if not base:
            hint = "The answer is read by a link, and a link needs a host."
            raise RequestError("PRIVACY_BASE_URL", None, 'where the site is, such as "https://shop.example"', hint)
        token = self.request_store.create_link(request.number, "answer", later(days=2 * LINK_DAYS))
        return f"{base}{self._pages}/requests/answer/{token}"

    def _tell(self, letter: Email) -> str:
        """Send a letter; gives the sentence that says why it could not be sent, or nothing."""
        try:
            self._send(letter)
        except MailError as error:
            return str(error)
        return ""

    def _close(self, request: SubjectRequest, state: str, answer: dict[str, Any], mail_error: str) -> SubjectRequest:
        self.request_store.close(
            request.number, state, timestamp(), answer | {"told": not mail_error}, mail_error=mail_error
        )
        if request.kind == "delete" and state == "answered":
            self.request_store.erase(request.email, just_after(timestamp()))
        self.request_store.anonymise_closed(timestamp())
        self._notify("answered", request.number)
        return self.request_store.find(request.number)


def _rows(data: Any) -> int:
    """How many things an export holds."""
    if isinstance(data, Mapping):
        return sum(_rows(one) if isinstance(one, list) else 1 for one in data.values())
    return len(data) if isinstance(data, list) else 1


def days_left(request: SubjectRequest) -> int:
    """Days until a request is due; below zero when it is overdue."""
    return (date.fromisoformat(request.due) - now().date()).days
