"""Data subject requests, from opening to the answer: confirmation, extension, refusal, reminders and deadlines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from ..errors import MailError, RequestError
from ..policy.model import Policy
from ..storage.clock import days_after, just_after, later, now, timestamp, timestamp_of, today
from ..storage.keys import is_email, normalise_subject
from .data_subjects import DataSubjects
from .emails import Email, SendEmail, answer_email, confirmation_email, extension_email
from .request_store import CLOSED, KINDS, OPEN, RequestStore, SubjectRequest
from .stores import StoreOutcome, merge_results

LINK_DAYS = 7  # for a confirmation link; a link to an answer works twice as long
SOON_DAYS = 7  # days before its deadline at which a request counts as due soon
LONGEST_MESSAGE = 5000  # characters
NEVER = "9999"  # a timestamp later than any other
NO_BASE = (
    "The link could not be sent, because the site's base URL was unknown when the request came. Set PRIVACY_BASE_URL, such "
    'as "https://shop.example".'
)
_RETRY = 300  # seconds until a failed mail is sent again
_LINKS_A_DAY = 3  # confirmation mails to one address in 24 hours
PER_HOUR = 100  # requests by the form before it is closed for the hour

Notify = Callable[[str, int], None]


class RequestService:
    """The actions on a site's data subject requests."""

    def __init__(
        self,
        policy: Policy,
        request_store: RequestStore,
        data_subjects: DataSubjects,
        send: SendEmail,
        notify: Notify,
        pages: str,
        mail_problem: str = "",
        base: str = "",
    ) -> None:
        self.policy = policy
        self.request_store = request_store
        self.data_subjects = data_subjects
        self._send = send
        self._notify = notify
        self._pages = pages  # the URL prefix of the extension's pages, below the site's base URL
        self._mail_problem = mail_problem  # why no mail can be sent at all; empty if mails can be sent
        self._base = base  # PRIVACY_BASE_URL, for a request that came before it was set

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
        """Store a request without acting on it, and return its number. Raises :class:`RequestError`.

        The confirmation link is sent at once, or after the time ``mail_after``. Pass :data:`NEVER` if another person may
        have entered the address. Only :meth:`process` looks the person up, later, so a known and an unknown address are
        treated alike here.
        """
        email, message = normalise_subject(email), message.strip()
        if kind not in KINDS:
            raise RequestError("kind", kind, ", ".join(KINDS))
        if not is_email(email):
            raise RequestError("email", email, "a mail address")
        if len(message) > LONGEST_MESSAGE:
            raise RequestError("message", f"{len(message)} characters", f"up to {LONGEST_MESSAGE}")
        key_id, hashed = self.data_subjects.pseudonymise(email)
        fields = {"kind": kind, "email": email, "message": message, "locale": locale, "base": base, "source": source}
        number = self.request_store.open(timestamp(), **fields, subject=hashed, subject_key=key_id, mail_after=mail_after)
        self._notify("opened", number)
        if identity:
            self.identify(number, identity)
        return number

    def is_rate_limited(self) -> bool:
        """Whether the form received too many requests within the last hour."""
        return self.request_store.count_opened_since(later(hours=-1), "form") >= PER_HOUR

    def find_unconfirmed(self, token: str) -> SubjectRequest | None:
        """Return the request that a link would confirm, or None if the link is used, expired or invented."""
        return self.request_store.find_by_token(token, "confirm", timestamp())

    def confirm(self, token: str) -> SubjectRequest | None:
        """Use up a confirmation link, set its request to verified and return it; None if the link is not valid."""
        request = self.request_store.verify(token, timestamp())
        if request is not None:
            self._notify("verified", request.number)
        return request

    def identify(self, number: int, how: str) -> None:
        """Set an open request to verified, and record how the operator verified the person."""
        if self.request_store.find(number).state == "open":
            self.request_store.update(number, state="verified", verified=timestamp(), identity=how)
            self._notify("verified", number)

    def answer(
        self,
        number: int,
        actor: str,
        *,
        text: str = "",
        identity: str = "",
        base: str = "",
        changes: Mapping[str, str] | None = None,
    ) -> SubjectRequest:
        """Carry out a request, mail the answer to the person, and close the request.

        Raises :class:`RequestError` if the request is closed or not verified. Also raises it if a store failed. The
        request then stays open; another call completes it, and its answer includes the results of all attempts.
        """
        request = self._verified(number, identity)
        outcomes = self._carry_out(request, actor, changes or {})
        results = merge_results(request.store_results, outcomes)
        self.request_store.update(number, done=json.dumps(results, ensure_ascii=False))
        failed = [outcome for outcome in outcomes if outcome.error]
        if failed:
            errors = "; ".join(f"{outcome.store}: {outcome.error}" for outcome in failed)
            hint = "Fix the store and answer again. The request stays open."
            raise RequestError(f"Request {number}", errors, "no error in any store", hint)
        answer = self._answer(request, results, text, actor)
        link = self._answer_link(request, base) if request.kind == "access" else ""
        until = later(days=2 * LINK_DAYS)[:10]
        mail_error = self._send_email(answer_email(self.policy.site, request, answer, link, until))
        if mail_error and link:
            raise MailError(f"{mail_error} Request {number} stays open, because its answer is read by a link in that mail.")
        return self._close(request, "answered", answer, mail_error)

    def refuse(self, number: int, reason: str, actor: str, *, identity: str = "") -> SubjectRequest:
        """Close a request without carrying it out, and mail the reason to the person (GDPR art. 12(4))."""
        if not reason.strip():
            raise RequestError("The reason", reason, "a text", "Enter a reason. The person receives it by mail.")
        request = self._verified(number, identity)
        answer = {"refused": reason.strip(), "by": actor, "stores": list(request.store_results)}
        mail_error = self._send_email(answer_email(self.policy.site, request, answer, "", ""))
        return self._close(request, "refused", answer, mail_error)

    def extend(self, number: int, reason: str, months: int = 2) -> SubjectRequest:
        """Extend the deadline once, by up to two months, and mail the reason to the person (GDPR art. 12(3))."""
        request = self.request_store.find(number)
        if request.state not in OPEN or request.extended:
            state = "extended already" if request.extended else request.state
            raise RequestError(f"Request {number}", state, "open or verified, and not extended yet")
        if not reason.strip():
            raise RequestError("The reason", reason, "a text", "Enter a reason. The person receives it by mail.")
        if not 1 <= months <= 2:
            raise RequestError("The extension", f"{months} months", "1 or 2 months", "GDPR art. 12(3) allows no more.")
        if today() > request.due:
            raise RequestError(f"Request {number}", f"due on {request.due}", "one that is not overdue", "Answer it instead.")
        self.request_store.update(number, extended=months, extended_at=timestamp(), reason=reason.strip())
        mail_error = self._send_email(extension_email(self.policy.site, self.request_store.find(number)))
        self.request_store.update(number, mail_error=mail_error)
        return self.request_store.find(number)

    def due(self, within: int = SOON_DAYS) -> list[SubjectRequest]:
        """Return the requests that are overdue or due within this many days, the most urgent first."""
        last_day = (now().date() + timedelta(days=within)).isoformat()
        return sorted(
            (request for request in self.request_store.all(*OPEN) if request.due <= last_day),
            key=lambda request: request.due,
        )

    def unsendable(self) -> list[tuple[SubjectRequest, str]]:
        """Return the requests whose confirmation link can never be sent with these settings, each with the reason."""
        waiting = (
            request for request in self.request_store.all("open") if not request.mailed and request.mail_after != NEVER
        )
        problems = ((request, self._mail_problem or ("" if self._base_of(request) else NO_BASE)) for request in waiting)
        return [(request, problem) for request, problem in problems if problem]

    def may_read(self, token: str) -> bool:
        """Whether a link to an answer is still valid."""
        request = self.request_store.find_by_token(token, "answer", timestamp())
        return request is not None and request.state == "answered" and bool(request.email)

    def read(self, token: str) -> tuple[SubjectRequest, dict[str, Any]] | None:
        """Return the answered request of a link, and the data stored now; None if the link is not valid.

        The data is not copied anywhere. The access is recorded.
        """
        if not self.may_read(token):
            return None
        request = self.request_store.find_by_token(token, "answer", timestamp())
        assert request is not None
        data = self.data_subjects.export(request.email, "the person", f"the answer to request {request.number}")
        return request, data

    def process(self) -> int:
        """Send the confirmation links that are due, expire requests, send reminders, and return the number of links sent.

        Several processes may call it at the same time; each link is sent once. A failed mail is sent again later. Until
        then `flask privacy requests list` shows the error.
        """
        sent = sum(self._send_link(request) for request in self.request_store.awaiting_mail(timestamp()))
        self._expire()
        self._remind()
        self.request_store.anonymise_closed(timestamp())
        return sent

    def _send_link(self, request: SubjectRequest) -> bool:
        if not self.request_store.lease(request, later(seconds=_RETRY)):
            return False  # another process is sending it
        if self._is_postponed(request):
            return False
        error = self._send_confirmation(request) if self._base_of(request) else NO_BASE
        self.request_store.update(request.number, mailed="" if error else timestamp(), mail_error=error)
        return not error

    def _is_postponed(self, request: SubjectRequest) -> bool:
        """Whether the address got too many links within a day. The link is then sent later, for at most a week.

        A copy of a request whose link was sent expires at once, because the person can confirm the first.
        """
        since, others = later(days=-1), self.request_store.by_subject(request.subject)
        sent = sorted(other.mailed for other in others if other.mailed >= since)
        if len(sent) < _LINKS_A_DAY:
            return False
        is_copy = any(
            other.mailed and other.state == "open" and (other.kind, other.message) == (request.kind, request.message)
            for other in others
        )
        # Otherwise a flood would last as long as its requests. A failed mail is the site's fault, and costs no time.
        is_late = request.opened < later(days=-LINK_DAYS) and not request.mail_error
        if is_copy or is_late:
            answer = {"text": "Too many links went to this address in a day."}
            self.request_store.close(request.number, "expired", timestamp(), answer)
        else:
            free = datetime.fromisoformat(sent[-_LINKS_A_DAY]) + timedelta(days=1, milliseconds=1)
            self.request_store.update(request.number, mail_after=timestamp_of(free))
        return True

    def _send_confirmation(self, request: SubjectRequest) -> str:
        until = later(days=LINK_DAYS)
        token = self.request_store.create_link(request.number, "confirm", until)
        link = f"{self._base_of(request)}{self._pages}/requests/confirm/{token}"
        return self._send_email(confirmation_email(self.policy.site, request, link, until[:10]))

    def _base_of(self, request: SubjectRequest) -> str:
        return request.base or self._base

    def _expire(self) -> None:
        """Close the requests that were not confirmed in time."""
        confirmable = self.request_store.numbers_with_link("confirm", timestamp())
        for request in self.request_store.all("open"):
            if request.mailed and request.number not in confirmable and request.mailed < later(days=-LINK_DAYS):
                answer = {"text": "Nobody confirmed it in time."}
                self.request_store.close(request.number, "expired", timestamp(), answer)

    def _remind(self) -> None:
        for request in self.due():
            if not request.reminded:
                self.request_store.update(request.number, reminded=timestamp())
                self._notify("due_soon", request.number)

    def _verified(self, number: int, identity: str) -> SubjectRequest:
        request = self.request_store.find(number)
        if request.state in CLOSED:
            raise RequestError(f"Request {number}", request.state, "open or verified", "Open a new request instead.")
        if identity:
            self.identify(number, identity)
        elif request.state == "open":
            hint = (
                "Wait until the person opens the link in the mail. If you verified the person in another way, describe it "
                "with --identity."
            )
            raise RequestError(f"Request {number}", "open", "verified", hint)
        return self.request_store.find(number)

    def _carry_out(self, request: SubjectRequest, actor: str, changes: Mapping[str, str]) -> list[StoreOutcome]:
        if request.kind == "delete":
            return self.data_subjects.erase(request.email, actor, request.number)
        if request.kind == "correct" and changes:
            self._require_declared(changes)
            return self.data_subjects.correct(request.email, changes, actor)
        if request.kind != "access":
            self.data_subjects.record_manual_action(request.kind, request.email, actor, request.number)
        return []

    def _require_declared(self, changes: Mapping[str, str]) -> None:
        """Raise for an undeclared field. No store would set it, and the request would close with nothing corrected."""
        declared = sorted(field.name for field in self.policy.fields)
        for name in changes:
            if name not in declared:
                hint = "Write it as the policy does, or declare it in [[fields]]."
                raise RequestError(
                    "The field to correct", name, ", ".join(declared) or "none, because none is declared", hint
                )

    def _answer(self, request: SubjectRequest, stores: list[dict[str, Any]], text: str, actor: str) -> dict[str, Any]:
        action = {"access": "export", "delete": "erase", "correct": "correct"}.get(request.kind)
        if request.kind == "access":
            export = self.data_subjects.stores.export(request.email)
            stores = [{"store": name, "found": _count_rows(data)} for name, data in export.items()]
        answer: dict[str, Any] = {"text": text.strip(), "stores": stores, "by": actor}
        if action is not None and (stores or request.kind != "correct"):
            answer["not_covered"] = self.data_subjects.stores.without(action)
        if request.kind == "delete":
            answer["archives"] = days_after(now().date(), self.policy.retention.archives).isoformat()
        return answer

    def _answer_link(self, request: SubjectRequest, base: str) -> str:
        base = base or self._base_of(request)
        if not base:
            hint = "Set it, because the answer is read by a link."
            raise RequestError("PRIVACY_BASE_URL", None, 'the site\'s base URL, such as "https://shop.example"', hint)
        token = self.request_store.create_link(request.number, "answer", later(days=2 * LINK_DAYS))
        return f"{base}{self._pages}/requests/answer/{token}"

    def _send_email(self, email: Email) -> str:
        """Send an e-mail, and return the error message, which is empty on success."""
        try:
            self._send(email)
        except MailError as error:
            return str(error)
        return ""

    def _close(self, request: SubjectRequest, state: str, answer: dict[str, Any], mail_error: str) -> SubjectRequest:
        answer = answer | {"told": not mail_error}
        self.request_store.close(request.number, state, timestamp(), answer, mail_error=mail_error)
        if request.kind == "delete" and state == "answered":
            self.request_store.erase(request.email, just_after(timestamp()))
        self.request_store.anonymise_closed(timestamp())
        self._notify("answered", request.number)
        return self.request_store.find(request.number)


def _count_rows(data: Any) -> int:
    """Return the number of rows in one store's export."""
    if isinstance(data, Mapping):
        return sum(_count_rows(value) if isinstance(value, list) else 1 for value in data.values())
    return len(data) if isinstance(data, list) else 1


def days_left(request: SubjectRequest) -> int:
    """Return the days until a request is due; negative if it is overdue."""
    return (date.fromisoformat(request.due) - now().date()).days
