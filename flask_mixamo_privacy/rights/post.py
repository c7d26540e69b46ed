"""The post: the step behind the form, which sends the links, lets what nobody confirmed expire, and reminds."""

from __future__ import annotations

from ..errors import MailError
from .book import Request
from .desk import LINK_DAYS, SOON_DAYS, Desk, Notify
from .letters import SendLetter, to_confirm
from .moments import later, timestamp

_AGAIN = 300  # seconds until a mail that could not be sent is tried again
_A_DAY = 3  # mails with a link to one address in 24 hours

NO_BASE = (
    "The link could not be sent: where the site is was not known when the request came. Set PRIVACY_BASE_URL, such as "
    '"https://shop.example".'
)


class Post:
    """Works through what the form wrote down. Several may work at once; each link goes out once."""

    def __init__(self, desk: Desk, send: SendLetter, notify: Notify, pages: str) -> None:
        self._desk = desk
        self._book = desk.book
        self._send_letter = send
        self._notify = notify
        self._pages = pages

    def process(self) -> int:
        """Send what has to go out, end what is over; gives the number of links sent.

        A mail that could not be sent is tried again later; until then `flask privacy requests list` says why.
        """
        sent = sum(self._send(request) for request in self._book.to_mail(timestamp()))
        self._expire()
        self._remind()
        self._book.blank_closed(timestamp())
        return sent

    def _send(self, request: Request) -> bool:
        if not self._book.claim(request, later(seconds=_AGAIN)):
            return False  # another is at it
        if self._has_enough(request):
            self._book.close(
                request.number, "expired", timestamp(), {"text": "Too many links went to this address in a day."}
            )
            return False
        error = self._try(request)
        self._book.update(request.number, mailed="" if error else timestamp(), mail_error=error)
        return not error

    def _try(self, request: Request) -> str:
        if not request.base:
            return NO_BASE
        token = self._book.link(request.number, "confirm", later(days=LINK_DAYS))
        link = f"{request.base}{self._pages}/requests/confirm/{token}"
        letter = to_confirm(self._desk.policy.site, request, link, later(days=LINK_DAYS)[:10])
        try:
            self._send_letter(letter)
        except MailError as error:
            return str(error)
        return ""

    def _has_enough(self, request: Request) -> bool:
        since = later(days=-1)
        return sum(other.mailed >= since for other in self._book.by_subject(request.subject)) >= _A_DAY

    def _expire(self) -> None:
        """What nobody confirmed in time is nobody's request."""
        alive = self._book.links("confirm", timestamp())
        for request in self._book.all("open"):
            if request.mailed and request.number not in alive and request.mailed < later(days=-LINK_DAYS):
                self._book.close(request.number, "expired", timestamp(), {"text": "Nobody confirmed it in time."})

    def _remind(self) -> None:
        for request in self._desk.due(SOON_DAYS):
            if not request.reminded:
                self._book.update(request.number, reminded=timestamp())
                self._notify("due_soon", request.number)
