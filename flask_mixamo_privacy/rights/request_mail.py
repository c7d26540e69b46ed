"""The mails of data subject requests: confirmation links, when each may be sent, and the links to answers."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import datetime

from ..errors import MailError, RequestError
from ..i18n.language import Language
from ..i18n.site_catalogues import Languages
from ..storage.clock import DAY, later, now, timestamp
from .emails import Email, SendEmail, confirmation_email
from .link_limit import LinkLimit
from .request_schema import UNSENT
from .request_store import RequestStore, SubjectRequest

LINK_DAYS = 7  # for a confirmation link; a link to an answer works twice as long
NEVER = "9999"  # a timestamp later than any other
NO_BASE = (
    "The link could not be sent, because the site's base URL was unknown when the request arrived. Set "
    'PRIVACY_BASE_URL, such as "https://shop.example".'
)
RETRY = 300  # seconds until a failed mail is sent again; then twice as long, and so on
LONGEST_PASS = 30.0  # seconds for mails; a server that does not answer must not keep the reminders of staff waiting
_NO_FURTHER_TRY = (
    "{error} All attempts failed for a week, and there will be no more. Verify the person in another way, then answer with "
    "--identity."
)
_LONGEST_WAIT = 90  # days until a link that was postponed all the time is given up


logger = logging.getLogger("flask_mixamo_privacy")


def next_try(since: str, *, is_first: bool = False) -> str:
    """Return when to send a failed mail again, or :data:`NEVER` after the last try.

    ``since`` is the time from which the mail should have been sent. The next try is after as long again, and after a day at
    most. The last one is within a week, and a first failure is always tried again.
    """
    elapsed = (now() - datetime.fromisoformat(since)).total_seconds()
    wait = min(max(elapsed, RETRY), DAY)
    if is_first:
        wait = RETRY
    elif elapsed + wait > LINK_DAYS * DAY:
        return NEVER
    return later(seconds=wait)


class RequestMail:
    """Sends the mails of requests. Several processes may send links at the same time; each link is sent once."""

    def __init__(
        self,
        site: str,
        request_store: RequestStore,
        send: SendEmail,
        limit: LinkLimit,
        pages: str,
        problem: str = "",
        base: str = "",
        languages: Languages | None = None,
    ) -> None:
        self._site = site
        self._request_store = request_store
        self._send = send
        self._limit = limit
        self._pages = pages  # the URL prefix of the extension's pages, below the site's base URL
        self._problem = problem  # why no mail can be sent at all; empty if mails can be sent
        self._languages = languages or Languages()  # the translators of mails
        self._base = base  # PRIVACY_BASE_URL, for a request that came before it was set

    def translator(self, request: SubjectRequest) -> Language:
        """Return the translator of a request's language."""
        return self._languages.stored(request.locale)

    def send(self, email: Email) -> str:
        """Send an e-mail, and return the error message, which is empty on success."""
        try:
            self._send(email)
        except MailError as error:
            return str(error)
        return ""

    def send_links(self, most: int | None = None) -> int:
        """Send the confirmation links that are due, and return their number. A failed mail is sent again later.

        Sends ``most`` of them, as :meth:`.RequestStore.awaiting_mail` orders them, and stops after :data:`LONGEST_PASS`.
        """
        self._limit.prune()
        self._mark_unsendable()
        if self._problem:
            return 0
        end, sent = time.monotonic() + LONGEST_PASS, 0
        for request in self._request_store.awaiting_mail(timestamp(), most, with_base=not self._base):
            sent += self._send_link(request)
            if time.monotonic() >= end:
                break
        return sent

    def _mark_unsendable(self) -> None:
        """Store why links cannot be sent as long as a setting is missing. Without a mail there is no try to repeat."""
        if self._problem:
            self._request_store.mark_unsendable(self._problem, timestamp())
        elif not self._base:
            self._request_store.mark_unsendable(NO_BASE, timestamp(), without_base=True)

    def unsendable(self) -> list[tuple[SubjectRequest, str]]:
        """Return the requests whose confirmation link will not be sent, each with the reason.

        A setting is missing, or the last try failed.
        """
        problems = ((request, self._problem_of(request)) for request in self._request_store.unmailed())
        return [(request, problem) for request, problem in problems if problem]

    def _problem_of(self, request: SubjectRequest) -> str:
        if request.mail_after == NEVER:
            return request.mail_error  # empty if no link was to be sent
        return self._problem or ("" if self._base_of(request) else NO_BASE)

    def answer_link(self, request: SubjectRequest, base: str) -> str:
        """Return a new link to a request's answer. Raises :class:`RequestError` if the site's base URL is unknown."""
        base = self._required_base(request, base, "the answer is read by a link")
        token = self._request_store.create_link(request.number, "answer", later(days=2 * LINK_DAYS))
        return f"{base}{self._pages}/requests/answer/{token}"

    def send_address_link(self, request: SubjectRequest, address: str, new: str, page: str, base: str) -> None:
        """Mail a link by which the holder of an address agrees to a new one, unless a valid link was mailed already.

        Raises :class:`MailError` if the mail cannot be sent.
        """
        if self._request_store.has_link(request.number, f"address {page}", timestamp()):
            return
        base = self._required_base(request, base, "an address is corrected by a link")
        until = later(days=LINK_DAYS)
        token = self._request_store.create_link(request.number, f"address {page}", until)
        link = f"{base}{self._pages}/requests/confirm/{token}"
        email = confirmation_email(
            self.translator(request), self._site, replace(request, email=address), link, until[:10], new
        )
        try:
            self._send(email)
        except MailError:
            self._request_store.delete_link(token)
            raise

    def _required_base(self, request: SubjectRequest, base: str, purpose: str) -> str:
        base = base or self._base_of(request)
        if not base:
            allowed = 'the site\'s base URL, such as "https://shop.example"'
            raise RequestError("PRIVACY_BASE_URL", None, allowed, f"Set it, because {purpose}.")
        return base

    def _send_link(self, request: SubjectRequest) -> bool:
        if not self._request_store.lease(request, later(seconds=RETRY)):
            return False  # another process is sending it
        if free := self._limit.reserve(request.email):
            self._postpone(request, free)
            return False
        error = self._send_confirmation(request)
        if error:
            self._limit.release(request.email)
            self._retry(request, error)
        else:
            self._request_store.update(request.number, mailed=timestamp(), mail_error="")
        return not error

    def _retry(self, request: SubjectRequest, error: str) -> None:
        """Store when a failed mail is sent again. After the last try, the request stays open, for staff to answer."""
        again = next_try(request.opened, is_first=not (request.mail_after and request.mail_error))
        if again == NEVER:
            error = _NO_FURTHER_TRY.format(error=error)
            logger.error("The link of request %d could not be sent. %s", request.number, error)
        self._request_store.update(request.number, mail_after=again, mail_error=error)

    def _postpone(self, request: SubjectRequest, free: str) -> None:
        """Send the link later, the oldest request first. No request ends because others were made for its address.

        A flood from many networks ends after three months. A failed mail is the site's fault, and costs no time.
        """
        if request.opened < later(days=-_LONGEST_WAIT) and not request.mail_error:
            answer = {"text": UNSENT}
            self._request_store.close(request.number, "expired", timestamp(), answer)
        else:
            self._request_store.update(request.number, mail_after=free)

    def _send_confirmation(self, request: SubjectRequest) -> str:
        until = later(days=LINK_DAYS)
        token = self._request_store.create_link(request.number, "confirm", until)
        link = f"{self._base_of(request)}{self._pages}/requests/confirm/{token}"
        return self.send(confirmation_email(self.translator(request), self._site, request, link, until[:10]))

    def _base_of(self, request: SubjectRequest) -> str:
        return request.base or self._base
