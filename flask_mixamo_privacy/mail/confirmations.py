"""Double opt-in: an opt-in by a form takes effect once the holder of the address opens a link and presses its button.

Any visitor can enter any address into a form. Without the link, a visitor could subscribe another person.
"""

from __future__ import annotations

import logging
import time

from ..config import Settings
from ..errors import KeyMissing, MailError
from ..ledger.entry import ShownText
from ..rights.emails import Email, sign_up_email
from ..rights.link_limit import LinkLimit
from ..rights.request_mail import LINK_DAYS, LONGEST_PASS, NEVER, RETRY, next_try
from ..rights.subject_flags import KnownMinors
from ..storage.clock import later, timestamp
from ..storage.failures import log_failure
from ..storage.keys import email_of
from .outgoing import MailTransport
from .permission import Browser
from .preferences import MarketingPreferences
from .unconfirmed import UnconfirmedOptIn


class OptInConfirmations:
    """Decides which opt-ins need a link, mails the links, and confirms them."""

    def __init__(
        self,
        settings: Settings,
        marketing: MarketingPreferences,
        minors: KnownMinors,
        mailer: MailTransport,
        limit: LinkLimit,
    ) -> None:
        self._policy = settings.policy
        self._languages = settings.languages
        self._marketing = marketing
        self._minors = minors
        self._send = mailer.send
        self.limit = self._limit = limit
        self._pages = settings.url_prefix  # the URL prefix of the extension's pages, below the site's base URL
        self._confirm = settings.confirm_opt_ins  # "always", for "visitors" who are not logged in, or "never"
        self._mail_problem = mailer.problem  # why no mail can be sent; empty if mails can be sent

    def is_confirmed(self, subject: str, browser: Browser) -> bool:
        """Whether the site knows that a data subject is the person at the browser."""
        if self._confirm == "never":
            return True
        return self._is_own(subject, browser) and (self._confirm == "visitors" or not email_of(subject))

    def sign_up(self, subject: str, list_name: str, wording: ShownText, source: str, browser: Browser) -> bool:
        """Record an opt-in by a form, and return whether it waits for a link.

        Without mail or a base URL, an opt-in takes effect at once. A person who opted out is subscribed again only by a
        link. An id of the site's own has no mail, so its user needs none.

        Raises :class:`LedgerUnavailable` or :class:`RightsUnavailable`, and then there is no opt-in.
        """
        address = email_of(subject)
        needs_link = bool(address) and not self.is_confirmed(subject, browser) and self._can_ask(browser)
        is_own_id = not address and self._is_own(subject, browser)
        if is_own_id or not (needs_link or self._has_opted_out(subject, list_name)):
            self._marketing.sign_up(subject, list_name, wording, source)
            return False
        at = self._marketing.record_sign_up(subject, list_name, wording, source)
        if not (address and self._can_ask(browser)):
            return False
        values = {
            "at": at,
            "locale": browser.locale(),
            "base": browser.base(),
            "policy": self._policy.version,
            "text": wording.digest,
        }
        self._marketing.unconfirmed.add(email=address, list=list_name, source=source, **values)
        return True

    def _can_ask(self, browser: Browser) -> bool:
        return not self._mail_problem and bool(browser.base())

    @staticmethod
    def _is_own(subject: str, browser: Browser) -> bool:
        user = browser.user()
        return bool(user) and subject == user

    def _has_opted_out(self, subject: str, list_name: str) -> bool:
        try:
            return self._marketing.has_opted_out(subject, list_name)
        except KeyMissing:  # the row of a missing key may be this person's opt-out
            return True

    def find(self, token: str) -> UnconfirmedOptIn | None:
        """Return the opt-in that a link would confirm, or None if the link is used, expired or invented."""
        return self._marketing.unconfirmed.find(token, later(days=-LINK_DAYS))

    def confirm(self, opt_in: UnconfirmedOptIn, *, browser_is_minor: bool) -> bool:
        """Opt the person in, and return whether that is allowed: false for a known child. Raises as :meth:`sign_up`.

        A child's browser that confirms an address shows that the address is the child's.
        """
        if browser_is_minor:
            self._minors.add(opt_in.email)
        if browser_is_minor or self._minors.is_minor(opt_in.email):
            self._marketing.unconfirmed.forget([opt_in.email])
            return False
        self._marketing.confirm(opt_in)
        self._marketing.unconfirmed.forget([opt_in.email], opt_in.list)
        return True

    def send_links(self, most: int | None = None) -> int:
        """Send the links that are due, and return their number. A failed mail is sent again later, for at most a week.

        Sends ``most`` of them, oldest first, and stops after :data:`.request_mail.LONGEST_PASS`.
        """
        self._marketing.unconfirmed.delete_before(later(days=-2 * LINK_DAYS))
        end, sent = time.monotonic() + LONGEST_PASS, 0
        for opt_in in self._marketing.unconfirmed.awaiting_mail(timestamp(), most):
            sent += self._send_link(opt_in)
            if time.monotonic() >= end:
                break
        return sent

    def _send_link(self, opt_in: UnconfirmedOptIn) -> bool:
        unconfirmed = self._marketing.unconfirmed
        if not unconfirmed.lease(opt_in, later(seconds=RETRY)):
            return False  # another process is sending it
        if free := self._limit.reserve(opt_in.email):
            unconfirmed.update(opt_in, mail_after=free)
            return False
        token = unconfirmed.create_link(opt_in)
        try:
            self._send(self._email(opt_in, f"{opt_in.base}{self._pages}/requests/confirm/{token}"))
        except MailError as error:
            self._limit.release(opt_in.email)
            again = next_try(opt_in.at)
            unconfirmed.update(opt_in, mail_after=again)
            what = f"A link to confirm an opt-in will {'not ' * (again == NEVER)}be sent again"
            log_failure(what, error, level=logging.WARNING)
            return False
        unconfirmed.update(opt_in, mailed=timestamp())
        return True

    def title(self, opt_in: UnconfirmedOptIn, locale: str) -> str:
        """Return the title of the purpose that a person opts in to."""
        titles = {purpose.id: purpose.title for purpose in self._policy.purposes}
        return self._languages.stored(locale).of(titles.get(opt_in.list, opt_in.list), self._policy.language).text

    def _email(self, opt_in: UnconfirmedOptIn, link: str) -> Email:
        title, until = self.title(opt_in, opt_in.locale), later(days=LINK_DAYS)[:10]
        return sign_up_email(self._policy.site, opt_in.email, title, link, until, self._languages.stored(opt_in.locale))
