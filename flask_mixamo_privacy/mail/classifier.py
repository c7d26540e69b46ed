"""What a message asks for, by five rules; each has its reason and its source in docs/mail.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message

from ..storage.keys import email_of
from .message import addresses, header, headers, reply_text, sender, split_quoted, texts
from .phrases import is_unsubscribe, mentions_unsubscribe, requested_right, starts_or_ends_with_unsubscribe, stripped
from .provenance import (
    COUNTS,
    FeedbackReport,
    is_automatic,
    is_bounce,
    is_of_apple_mail,
    report_of,
    verdict,
    wants_no_answer,
)
from .unsubscribe import UnsubscribeToken

# What becomes of a message: one of three things, with the reason.


@dataclass(frozen=True)
class OptOut:
    """Take somebody off a list, by token or, where none came, by address."""

    reason: str
    bearer: UnsubscribeToken | None = None
    address: str = ""
    source: str = "mail"
    wish: str = ""  # the kind of a request that is opened as well

    action = "act"


@dataclass(frozen=True)
class NeedsReview:
    """A person decides, as with a request: its kind, and whether the sender gets the one answer that there is."""

    reason: str
    wish: str = "object"
    answer: bool = False
    address: str = ""

    action = "ask"


@dataclass(frozen=True)
class Ignore:
    """Nothing is done."""

    reason: str
    is_for_want_of_words: bool = False  # because nothing that was read of it asks for anything

    action = "ignore"


Verdict = OptOut | NeedsReview | Ignore


_RECIPIENTS = ("To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To")
_ours = re.compile(r"<?([a-z2-7]{45})\.[0-9a-f]{16}(\.word)?@", re.IGNORECASE)
_our_link = re.compile(r"/unsubscribe/([a-z2-7]{45})\b", re.IGNORECASE)


@dataclass(frozen=True)
class InboxConfig:
    """Where mail comes in: our addresses, how a token is read, and the receiving server's name in its results."""

    unsubscribe: str = ""
    contact: str = ""
    read_token: Callable[[str], UnsubscribeToken | None] = lambda token: None
    server: str | None = None

    def is_own_host(self, host: str) -> bool:
        return host in {address.rpartition("@")[2].lower() for address in (self.unsubscribe, self.contact) if address}


NO_INBOX = InboxConfig()


@dataclass(frozen=True)
class _Mail:
    """What the rules look at."""

    subject: str  # without what mail programs put before it
    body: str
    beside: str  # what its HTML says, where it has plain text as well
    sender: str
    is_reply: bool
    is_forward: bool
    quotes_word: bool  # it answers a mail whose own subject had the word
    bearer: UnsubscribeToken | None
    authenticated: bool | None
    wish: str
    is_to_unsubscribe: bool
    quotes_us: bool  # its quotation is a mailing of ours, whose footer has the word

    @property
    def mentions(self) -> bool:
        """Whether somebody else than ourselves says the word in it."""
        said = (split_quoted(text)[0] if self.quotes_us else text for text in (self.body, self.beside))
        return mentions_unsubscribe(self.subject) or any(map(mentions_unsubscribe, said))


def classify(message: Message, place: InboxConfig = NO_INBOX) -> Verdict:
    """Decide on a message; changes nothing, and never raises."""
    report = report_of(message)
    if report is not None:
        return _of_report(report, place)
    if is_bounce(message):
        return Ignore("a bounce, or mail with an empty return path")
    bearer = _bearer_in(addresses(message, *_RECIPIENTS), place)
    if bearer is not None:
        return OptOut("a signed address", bearer, source="mail address")
    if is_of_apple_mail(message):
        return _of_apple(_looked_at(message, place))
    if why := is_automatic(message):
        return Ignore(f"automatic or bulk mail: {why}")
    return _of_person(_looked_at(message, place), wants_no_answer(message))


def _of_report(report: FeedbackReport, place: InboxConfig) -> Verdict:
    if report.kind not in COUNTS:
        return Ignore(f"a feedback report of the type {report.kind[:40] or 'none'}, which is no opt-out")
    bearer = next(filter(None, map(place.read_token, report.candidates)), None)
    if bearer is not None or report.recipient:
        return OptOut(f"a feedback report of the type {report.kind}", bearer, report.recipient, source="feedback report")
    return NeedsReview("a feedback report that does not say whose it is")


def _of_apple(mail: _Mail) -> Verdict:
    """Its sender is believed unless the receiving server says otherwise: nobody else marks mail like this."""
    if not mail.mentions:
        return NeedsReview("a mail program's own opt-out without the word", address=mail.sender)
    if mail.bearer is not None or (mail.sender and mail.authenticated is not False):
        return OptOut("a mail program's own opt-out", mail.bearer, mail.sender, source="mail program")
    return NeedsReview("a mail program's own opt-out from a sender who is not authenticated", address=mail.sender)


def _of_person(mail: _Mail, is_quiet: bool) -> Verdict:
    why = "" if mail.is_forward else _certainty(mail)
    if why and (mail.bearer is not None or (mail.authenticated and mail.sender)):
        return OptOut(why, mail.bearer, mail.sender, wish=mail.wish)
    if mail.wish:
        may_answer = bool(mail.sender) and mail.authenticated is not False and not is_quiet
        return NeedsReview(f"asks for a request of the kind {mail.wish}", mail.wish, may_answer, mail.sender)
    if why:
        return NeedsReview(f"{why}, from a sender who is not authenticated", address=mail.sender)
    if mail.mentions:
        return NeedsReview("the word is in it, and what it means is for a person to say", address=mail.sender)
    if mail.is_to_unsubscribe:
        return NeedsReview("written to the address for it, without the word", address=mail.sender)
    if mentions_unsubscribe(mail.body) or mentions_unsubscribe(mail.beside):
        return Ignore("the word is ours alone, of the footer that it quotes", is_for_want_of_words=True)
    return Ignore("says nothing of unsubscribing, and asks for nothing", is_for_want_of_words=True)


def _certainty(mail: _Mail) -> str:
    """Why it is certain what a mail means, or nothing."""
    if is_unsubscribe(mail.subject):
        return "the subject is the word"
    if mail.is_reply and not mail.quotes_word and starts_or_ends_with_unsubscribe(mail.subject):
        return "a reply that adds the word to the subject"
    if (not mail.subject or (mail.is_reply and not mentions_unsubscribe(mail.subject))) and is_unsubscribe(
        reply_text(mail.body)
    ):
        return "the text is the word"
    return ""


def _looked_at(message: Message, place: InboxConfig) -> _Mail:
    subject, is_reply, is_forward = stripped(header(message, "Subject"))
    answered = [*headers(message, "In-Reply-To"), *headers(message, "References")]
    found = [match for value in answered for match in _ours.finditer(value)]
    bearer = next(filter(None, (place.read_token(match[1]) for match in found)), None)
    (body, beside), written_to = texts(message), addresses(message, *_RECIPIENTS)
    return _Mail(
        subject=subject,
        body=body,
        beside=beside,
        sender=email_of(sender(message)),
        is_reply=is_reply or bearer is not None or _answers_us(answered, place),
        is_forward=is_forward,
        quotes_word=any(match[2] for match in found),
        bearer=bearer,
        authenticated=verdict(message, place.server),
        wish=requested_right(subject, reply_text(body)) if place.contact.lower() in written_to else "",
        is_to_unsubscribe=place.unsubscribe.lower() in written_to and place.unsubscribe.lower() != place.contact.lower(),
        quotes_us=bearer is not None or any(_has_our_link(split_quoted(said)[1], place) for said in (body, beside)),
    )


def _has_our_link(quoted: str, place: InboxConfig) -> bool:
    return any(place.read_token(match[1]) for match in _our_link.finditer(quoted))


def _answers_us(answered: list[str], place: InboxConfig) -> bool:
    hosts = re.findall(r"@([\w.-]+)", " ".join(answered))
    return any(place.is_own_host(host.lower()) for host in hosts)


def _bearer_in(recipients: list[str], place: InboxConfig) -> UnsubscribeToken | None:
    for address in recipients:
        token = address.rpartition("@")[0].rpartition("+")[2]
        if found := place.read_token(token):
            return found
    return None
