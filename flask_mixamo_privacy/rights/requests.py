"""Data subject requests, from opening to the answer: confirmation, extension, refusal, reminders and deadlines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from ..errors import MailError, RequestError
from ..policy.model import Policy
from ..storage.clock import days_after, just_after, later, now, timestamp, today
from ..storage.keys import is_email, normalise_subject
from .claims import one_at_a_time
from .corrections import Corrections
from .data_subjects import DataSubjects
from .emails import answer_email, extension_email
from .limits import NetworkLimit, group_of
from .request_mail import LINK_DAYS, RequestMail
from .request_schema import UNCONFIRMED
from .request_store import CLOSED, KINDS, OPEN, RequestStore, SubjectRequest
from .stores import StoreOutcome, merge_results

SOON_DAYS = 7  # days before its deadline at which a request counts as due soon
LONGEST_MESSAGE = 5000  # characters

Notify = Callable[[str, int], None]


class RequestService:
    """The actions on a site's data subject requests."""

    def __init__(
        self,
        policy: Policy,
        request_store: RequestStore,
        data_subjects: DataSubjects,
        mail: RequestMail,
        notify: Notify,
        send_other_links: Callable[[int | None], int] = lambda most: 0,
    ) -> None:
        self.policy = policy
        self.request_store = request_store
        self.data_subjects = data_subjects
        self.corrections = Corrections(policy, request_store, data_subjects, mail)
        self.network_limit = NetworkLimit()
        self.mail = mail
        self._notify = notify
        self._send_other_links = send_other_links  # those of opt-ins, which share the limits of requests

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
        sent_from: str | None = None,
    ) -> int:
        """Store a request without acting on it, and return its number. Raises :class:`RequestError`.

        The confirmation link is sent at once, or after the time ``mail_after``. Pass :data:`.request_mail.NEVER` if
        another person may have entered the address. ``sent_from`` is the IP address of a visitor. Raises
        :class:`.limits.LimitExceeded` if its network made too many requests.

        Only :meth:`process` looks the person up, later, so a known and an unknown address are treated alike here.
        """
        email, message = normalise_subject(email), message.strip()
        if kind not in KINDS:
            raise RequestError("kind", kind, ", ".join(KINDS))
        if not is_email(email):
            raise RequestError("email", email, "a mail address")
        if len(message) > LONGEST_MESSAGE:
            raise RequestError("message", f"{len(message)} characters", f"up to {LONGEST_MESSAGE}")
        if sent_from is not None:
            self.network_limit.require(sent_from, email)
        key_id, hashed = self.data_subjects.pseudonymise(email)
        fields = {"kind": kind, "email": email, "message": message, "locale": locale, "base": base, "source": source}
        fields["origin"] = source if sent_from is None else group_of(sent_from)
        number = self.request_store.open(timestamp(), **fields, subject=hashed, subject_key=key_id, mail_after=mail_after)
        self._notify("opened", number)
        if identity:
            self.identify(number, identity)
        return number

    def find_unconfirmed(self, token: str) -> SubjectRequest | None:
        """Return the request that a link would confirm, or None if the link is used, expired or invented."""
        at = timestamp()
        return self.request_store.find_by_token(token, "confirm", at) or self.request_store.find_by_address_link(token, at)

    def confirm(self, token: str) -> SubjectRequest | None:
        """Use up a confirmation link, set its request to verified and return it; None if the link is not valid.

        A link by which the holder of an address agrees to a correction leaves the request in its state.
        """
        if request := self.request_store.find_by_address_link(token, timestamp()):
            self.request_store.open_address_link(token, timestamp(), later(days=2 * LINK_DAYS))
            return request
        request = self.request_store.verify(token, timestamp())
        if request is not None:
            self._notify("verified", request.number)
        return request

    def identify(self, number: int, how: str) -> None:
        """Set an open request to verified, and record how the operator verified the person."""
        if self.request_store.update(number, only="open", state="verified", verified=timestamp(), identity=how):
            self._notify("verified", number)

    @one_at_a_time
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

        Raises :class:`RequestError` if the request is closed or not verified, or if a change is not allowed. Also raises it
        if a store failed. The request then stays open; another call completes it, and its answer includes the results of
        all attempts.
        """
        request = self._verified(number, identity)
        if request.kind == "correct" and changes:
            changes = self.corrections.check(request, changes, base)
        outcomes = self._carry_out(request, actor, changes or {})
        results = merge_results(request.store_results, outcomes)
        self.request_store.update(number, done=json.dumps(results, ensure_ascii=False))
        failed = [outcome for outcome in outcomes if outcome.error]
        if failed:
            errors = "; ".join(f"{outcome.store}: {outcome.error}" for outcome in failed)
            public = "; ".join(f"{outcome.store}: {outcome.public_error}" for outcome in failed)
            hint = "Fix the store and answer again. The request stays open."
            raise RequestError(f"Request {number}", errors, "no error in any store", hint, public=public)
        answer = self._answer(request, results, text, actor)
        link = self.mail.answer_link(request, base) if request.kind == "access" else ""
        until = later(days=2 * LINK_DAYS)[:10]
        is_empty = request.kind == "access" and not self.data_subjects.is_known(request.email)
        mail_error = self.mail.send(
            answer_email(self.mail.translator(request), self.policy, request, answer, link, until, is_empty=is_empty)
        )
        if mail_error and link:
            raise MailError(f"{mail_error} Request {number} stays open, because its answer is read by a link in that mail.")
        return self._close(request, "answered", answer, mail_error)

    @one_at_a_time
    def refuse(self, number: int, reason: str, actor: str, *, identity: str = "") -> SubjectRequest:
        """Close a request without carrying it out, and mail the reason to the person (GDPR art. 12(4))."""
        if not reason.strip():
            raise RequestError("The reason", reason, "a text", "Enter a reason. The person receives it by mail.")
        request = self._verified(number, identity)
        answer = {"refused": reason.strip(), "by": actor, "stores": list(request.store_results)}
        mail_error = self.mail.send(answer_email(self.mail.translator(request), self.policy, request, answer, "", ""))
        return self._close(request, "refused", answer, mail_error)

    @one_at_a_time
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
        mail_error = self.mail.send(
            extension_email(self.mail.translator(request), self.policy.site, self.request_store.find(number))
        )
        self.request_store.update(number, mail_error=mail_error)
        return self.request_store.find(number)

    def due(self, within: int = SOON_DAYS) -> list[SubjectRequest]:
        """Return the requests that are overdue or due within this many days, the most urgent first."""
        return self.request_store.due_by(_days_from_now(within))

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

    def process(self, most: int | None = None) -> int:
        """Send the confirmation links that are due, expire requests, send reminders, and return the number of links sent.

        Several processes may call it at the same time; each link is sent once. ``most`` limits the links of one kind. A
        failed mail is sent again later. Until then `flask privacy requests list` shows the error.
        """
        sent = self.mail.send_links(most) + self._send_other_links(most)
        answer = {"text": UNCONFIRMED}
        self.request_store.expire_unconfirmed(later(days=-LINK_DAYS), timestamp(), answer)
        self._remind()
        self.request_store.anonymise_closed(timestamp())
        return sent

    def _remind(self) -> None:
        for request in self.request_store.not_reminded(_days_from_now(SOON_DAYS)):
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
                "Wait until the person opens the link in the mail, or describe with --identity how you verified the person."
            )
            raise RequestError(f"Request {number}", "open", "verified", hint)
        return self.request_store.find(number)

    def _carry_out(self, request: SubjectRequest, actor: str, changes: Mapping[str, str]) -> list[StoreOutcome]:
        if request.kind == "delete":
            return self.data_subjects.erase(request.email, actor, request.number)
        if request.kind == "correct" and changes:
            return self.data_subjects.correct(request.email, changes, actor)
        if request.kind != "access":
            self.data_subjects.record_manual_action(request.kind, request.email, actor, request.number)
        return []

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

    def _close(self, request: SubjectRequest, state: str, answer: dict[str, Any], mail_error: str) -> SubjectRequest:
        answer = answer | {"told": not mail_error}
        self.request_store.close(request.number, state, timestamp(), answer, mail_error=mail_error)
        if request.kind == "delete" and state == "answered":
            self.request_store.erase(request.email, just_after(timestamp()))
        self.request_store.anonymise_closed(timestamp())
        self._notify("answered", request.number)
        return self.request_store.find(request.number)


def _days_from_now(days: int) -> str:
    return (now().date() + timedelta(days=days)).isoformat()


def _count_rows(data: Any) -> int:
    """Return the number of rows in one store's export."""
    if isinstance(data, Mapping):
        return sum(_count_rows(value) if isinstance(value, list) else 1 for value in data.values())
    return len(data) if isinstance(data, list) else 1


def days_left(request: SubjectRequest) -> int:
    """Return the days until a request is due; negative if it is overdue."""
    return (date.fromisoformat(request.due) - now().date()).days
